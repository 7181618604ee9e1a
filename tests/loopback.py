"""
Log servers on loopback sockets, with the controls of ``logrelay.testing.FakeServer``, and tests as coroutines.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.tcp import Port
from twisted.python.failure import Failure
from zope.interface import implementer

from logrelay.config import DestinationSettings, SourceTLSSettings
from logrelay.endpoints import endpointFor
from logrelay.resolver import PoolResolver
from logrelay.servers import Server
from logrelay.tcpinfo import viewOf
from logrelay.tls import ClientTLS, ServerTLS, tlsFactory

from .certificates import Folder
from .tlscases import GOOD, ROOT, Case

#: What is awaited on loopback takes milliseconds; this only ends a test that would hang.
PATIENCE = 10.0

_P = ParamSpec("_P")


def scripted(test: Callable[_P, Coroutine[Deferred[Any], Any, None]]) -> Callable[_P, Deferred[None]]:
    """
    Make a test of a coroutine method, for both runners.
    """

    @functools.wraps(test)
    def run(*arguments: _P.args, **keywords: _P.kwargs) -> Deferred[None]:
        return Deferred.fromCoroutine(test(*arguments, **keywords))

    return run


async def until(reactor: Any, condition: Callable[[], object], limit: float = PATIENCE) -> None:
    """
    Let the reactor work until a condition holds.

    :raises AssertionError: if it does not within ``limit`` seconds.
    """
    deadline = reactor.seconds() + limit
    while True:
        began = reactor.seconds()
        if condition():
            return
        now = reactor.seconds()
        if now > deadline:
            raise AssertionError(f"not within {limit} s")
        # To look at thousands of messages takes long: it must not be what takes the time.
        await deferLater(reactor, max(0.002, 4 * (now - began)), lambda: None)


async def turn(reactor: Any) -> None:
    """
    Let the reactor turn once.
    """
    await deferLater(reactor, 0.001, lambda: None)


async def openDescriptors(reactor: Any) -> int:
    """
    How many descriptors this process has, those included that the reactor opens when it begins to work.
    """
    await turn(reactor)
    return len(os.listdir("/proc/self/fd"))


@implementer(IPushProducer)
class Client(Protocol):
    """
    A client that keeps what happens to it.

    :ivar events: what happened, in order.
    :ivar heard: what the server said.
    :ivar lost: how Twisted says that the connection ended.
    :ivar why: how the kernel says that it ended.
    :ivar drained: whether the peer had read everything then.
    :ivar produces: how often to write when asked for more.
    """

    transport: ITCPTransport

    def __init__(self) -> None:
        self.events: list[str] = []
        self.heard = b""
        self.lost: Failure | None = None
        self.why: str | None = None
        self.drained = False
        self.produces = 0

    def connectionMade(self) -> None:
        """
        Watch the connection.
        """
        self.view = viewOf(self.transport)
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Ask the kernel, now that Twisted has let go of the connection.
        """
        self.events.append("lost")
        self.lost = reason
        self.why, self.drained = self.view.reason(), self.view.drained()
        self.view.close()

    def pauseProducing(self) -> None:
        """
        See ``IPushProducer``.
        """
        self.events.append("paused")

    def resumeProducing(self) -> None:
        """
        See ``IPushProducer``.
        """
        if self.produces:
            self.produces -= 1
            self.transport.write(b"p" * 10)
        else:
            self.events.append("resumed")

    def stopProducing(self) -> None:
        """
        See ``IPushProducer``.
        """
        self.events.append("stopped")


class LoopbackServer:
    """
    A log server on a port of 127.0.0.1; see ``FakeServer`` for what its controls mean.
    """

    def __init__(self, reactor: Any, wrap: Callable[[IProtocolFactory], IProtocolFactory] = lambda factory: factory):
        """
        :param wrap: puts TLS around what the server builds.
        """
        self.reactor = reactor
        self.connections: list[LoopbackConnection] = []
        self.reads = True
        self.slams = False
        self.answersEnds = True
        self._fillers: list[socket.socket] = []
        self._full: socket.socket | None = None
        factory = Factory.forProtocol(LoopbackConnection)
        factory.noisy = False
        factory.server = self  # type: ignore[attr-defined]
        self._factory = wrap(factory)
        self._port: Port | None = self._listen(0)
        self.number: int = self._port.getHost().port
        self.endpoint: IStreamClientEndpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.number, timeout=1)

    def _listen(self, number: int) -> Port:
        port: Port = self.reactor.listenTCP(number, self._factory, interface="127.0.0.1")
        return port

    @property
    def listener(self) -> Port:
        """
        Its port.
        """
        assert self._port is not None
        return self._port

    @property
    def received(self) -> bytes:
        """
        All that it read, in order of the connections.
        """
        return b"".join(connection.received for connection in self.connections)

    async def refuse(self) -> None:
        """
        Nobody listens.
        """
        port, self._port = self.listener, None
        await port.stopListening()

    async def accept(self) -> None:
        """
        Listen again.
        """
        if self._port is None:
            self._port = self._listen(self.number)

    async def hang(self) -> None:
        """
        Give no answer: the kernel drops attempts while connections that nobody accepts fill its queue.
        """
        await self.refuse()
        self._full = socket.create_server(("127.0.0.1", self.number), backlog=0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._full.getsockname())
            self._fillers.append(filler)

    async def slam(self) -> None:
        """
        Accept, and close at once.
        """
        self.slams = True

    async def stall(self) -> None:
        """
        Read nothing.
        """
        self.reads = False
        for connection in self.connections:
            connection.transport.pauseProducing()  # type: ignore[attr-defined]

    async def resume(self) -> None:
        """
        Read again.
        """
        self.reads = True
        for connection in self.connections:
            connection.transport.resumeProducing()  # type: ignore[attr-defined]

    async def ignoreEnds(self) -> None:
        """
        Keep connections open whose client has ended its side.
        """
        self.answersEnds = False

    async def close(self) -> None:
        """
        Close all connections.
        """
        for connection in self.connections:
            connection.transport.loseConnection()

    async def reset(self) -> None:
        """
        Reset all connections.
        """
        for connection in self.connections:
            if not connection.gone:
                connection.transport.abortConnection()

    async def send(self, data: bytes) -> None:
        """
        Say something on the newest connection.
        """
        self.connections[-1].transport.write(data)

    async def stop(self) -> None:
        """
        Leave nothing behind.
        """
        for filler in self._fillers:
            filler.close()
        if self._full is not None:
            self._full.close()
        if self._port is not None:
            await self.refuse()
        await self.reset()
        await until(self.reactor, lambda: all(connection.gone for connection in self.connections))


@implementer(IHalfCloseableProtocol)
class LoopbackConnection(Protocol):
    """
    One connection, as the server sees it.

    :ivar ended: how the client ended its side.
    :ivar gone: whether nothing is left of the connection on this side.
    """

    transport: ITCPTransport
    factory: Any

    def __init__(self, addr: IAddress | None = None) -> None:
        self._received: list[bytes] = []
        self.ended: str | None = None
        self.gone = False

    @property
    def received(self) -> bytes:
        """
        What was read.
        """
        return b"".join(self._received)

    def connectionMade(self) -> None:
        """
        Do as the server does.
        """
        server: LoopbackServer = self.factory.server
        server.connections.append(self)
        if not server.reads:
            self.transport.pauseProducing()  # type: ignore[attr-defined]
        if server.slams:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self._received.append(data)

    def readConnectionLost(self) -> None:
        """
        The client has ended its side.
        """
        self.ended = "eof"
        if self.factory.server.answersEnds:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Not of interest.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self.gone = True
        self.ended = self.ended or "reset"


def tlsPair(
    reactor: Any, path: str, wantsCertificate: bool = False, case: Case = GOOD["IPv4 address"]
) -> tuple[LoopbackServer, IStreamClientEndpoint]:
    """
    A server that speaks TLS, and an endpoint of ours for it.

    :param path: for a folder of certificates.
    :param wantsCertificate: whether the server wants a certificate of ours, of which there is none.
    :param case: what the server shows; by default it is good.
    """
    folder = Folder(path)
    certFile, keyFile = folder.write("cert.pem", case.shows.certPEM), folder.write("key.pem", case.shows.keyPEM)
    clients = folder.write("clients.pem", ROOT.pem) if wantsCertificate else None
    serverTLS = ServerTLS(SourceTLSSettings(certFile, keyFile, clients), lambda warning: None)
    server = LoopbackServer(reactor, lambda factory: tlsFactory(serverTLS, False, factory, reactor))
    name = Server("127.0.0.1", server.number)
    settings = DestinationSettings("central", (name,), transport="tls")
    clientTLS = ClientTLS(case.settings(folder), lambda warning: None)
    server.endpoint = endpointFor(reactor, name, settings, PoolResolver(reactor, "any", ""), clientTLS)
    return server, server.endpoint
