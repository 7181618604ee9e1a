"""
Started relays, and log servers in this process that keep what they get, on loopback.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from typing import Any, cast

import attrs
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IOpenSSLServerConnectionCreator, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from logrelay.batches import Framing
from logrelay.config import (
    BufferSettings,
    Configuration,
    DestinationSettings,
    SourceSettings,
    SourceTLSSettings,
    smallestBuffer,
)
from logrelay.events import Event
from logrelay.listening import parseListen
from logrelay.servers import Server
from logrelay.service import LogRelayService

from .loopback import until

#: The smallest buffer that there may be with messages of up to 1,024 bytes.
SMALL = BufferSettings(smallestBuffer(1024))

#: More than fits that, in messages of 1,000 bytes.
MANY = SMALL.size // 1000 + 100

#: The real reactor, as it is.
clock: Any = reactor

_LENGTH = re.compile(rb"([1-9][0-9]*) ")


def counted(messages: Iterable[bytes]) -> bytes:
    """
    Messages as they are sent with octet counting.
    """
    return b"".join(b"%d %b" % (len(message), message) for message in messages)


def numbered(count: int, size: int = 60, start: int = 0) -> list[bytes]:
    """
    Messages that can be told apart, in RFC 5424, of ``size`` bytes each.
    """
    heads = (b"<13>1 - host app - - - %07d " % number for number in range(start, start + count))
    return [head.ljust(size, b"x") for head in heads]


def split(data: bytes, framing: Framing) -> list[bytes]:
    """
    The whole messages of a stream, cut apart without any code of the relay's.
    """
    if framing is Framing.LF:
        return data.split(b"\n")[:-1]
    messages = []
    position = 0
    while match := _LENGTH.match(data, position):
        end = match.end() + int(match[1])
        if end > len(data):
            break
        messages.append(data[match.end() : end])
        position = end
    return messages


@implementer(IHalfCloseableProtocol)
class Received(Protocol):
    """
    One connection, as the log server sees it.

    :ivar data: what it brought, decrypted.
    :ivar ended: how the relay ended it: ``fin``, ``close_notify`` or ``reset``; ``None`` while it has not.
    """

    transport: Any

    def __init__(self, server: LogServer) -> None:
        self._server = server
        self._pieces: list[bytes] = []
        self.ended: str | None = None
        self.gone = False

    @property
    def data(self) -> bytes:
        """
        All of it.
        """
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    @property
    def messages(self) -> list[bytes]:
        """
        The whole messages in it.
        """
        return split(self.data, self._server.framing)

    def connectionMade(self) -> None:
        """
        Read, or do not.
        """
        self._server.connections.append(self)
        if not self._server.reads:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self._pieces.append(data)

    def readConnectionLost(self) -> None:
        """
        The relay has ended its side; so do we.
        """
        self.ended = "fin"
        if self._server.answersEnds:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Not of interest.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nothing is left of it.
        """
        self.gone = True
        if self.ended is None:
            clean = isinstance(self.transport, TLSMemoryBIOProtocol) and reason.check(ConnectionDone)
            self.ended = "close_notify" if clean else "reset"


@implementer(IOpenSSLServerConnectionCreator)
@attrs.frozen
class _Creator:
    """
    Makes the server's side of TLS connections.
    """

    context: SSL.Context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLServerConnectionCreator``.
        """
        return SSL.Connection(self.context, None)


class LogServer:
    """
    A log server on a port of loopback.

    :ivar connections: all that it ever had, oldest first.
    :ivar reads: whether new connections are read; see :meth:`stall`.
    :ivar answersEnds: whether it ends its side when the relay has ended the other.
    :ivar port: where it listens, or would.
    """

    def __init__(self, framing: Framing = Framing.OCTET_COUNTING, context: SSL.Context | None = None) -> None:
        """
        :param context: what it speaks TLS with; ``None``: TCP.
        """
        self.framing = framing
        self.connections: list[Received] = []
        self.reads = True
        self.answersEnds = True
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: Received(self)  # type: ignore[method-assign]
        self._factory = factory if context is None else TLSMemoryBIOFactory(_Creator(context), False, factory)
        self._factory.noisy = False
        self._port: Any = None
        self._reserved: socket.socket | None = None
        self.port = 0
        self.listen()

    @property
    def server(self) -> Server:
        """
        As a relay knows it.
        """
        return Server("127.0.0.1", self.port)

    @property
    def messages(self) -> list[bytes]:
        """
        What it got, connection by connection.
        """
        return [message for connection in self.connections for message in connection.messages]

    @property
    def ends(self) -> list[str | None]:
        """
        How its connections ended.
        """
        return [connection.ended for connection in self.connections]

    def listen(self) -> None:
        """
        Take connections, always on the same port.
        """
        self._port = clock.listenTCP(self.port, self._factory, interface="127.0.0.1")
        self.port = self._port.getHost().port
        self._release()

    async def refuse(self) -> None:
        """
        Take no more connections.
        """
        port, self._port = self._port, None
        if port is not None:
            await port.stopListening()
            # Or somebody else's connection might get the port meanwhile.
            self._reserved = socket.socket()
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind(("127.0.0.1", self.port))

    def _release(self) -> None:
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            reserved.close()

    async def close(self) -> None:
        """
        Be gone for good.
        """
        await self.kill()
        self._release()

    def stall(self) -> None:
        """
        Read nothing more.
        """
        self.reads = False
        for connection in self._open:
            connection.transport.pauseProducing()

    def resume(self) -> None:
        """
        Read again.
        """
        self.reads = True
        for connection in self._open:
            connection.transport.resumeProducing()

    async def kill(self) -> None:
        """
        Die: what is not read is lost, and nobody listens.
        """
        await self.refuse()
        for connection in self._open:
            connection.transport.abortConnection()
        await until(reactor, lambda: not self._open)

    @property
    def _open(self) -> list[Received]:
        return [connection for connection in self.connections if not connection.gone]


class RelayCase(TestCase):
    """
    A test of a relay on the real reactor.
    """

    timeout = 30

    def server(self, framing: Framing = Framing.OCTET_COUNTING, context: SSL.Context | None = None) -> LogServer:
        """
        A log server, until the end of the test.
        """
        server = LogServer(framing, context)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.close()))
        return server

    def relay(
        self,
        destinations: Iterable[DestinationSettings],
        sources: Iterable[SourceSettings] = (),
        sourceTLS: SourceTLSSettings | None = None,
        stopTimeout: float = 5,
        hostname: str = "relay.example.com",
        stateDir: str = "state",
        onSwitch: tuple[str, ...] = (),
    ) -> LogRelayService:
        """
        A relay that has started, until the end of the test.
        """
        configuration = Configuration(tuple(sources), tuple(destinations), stopTimeout, stateDir, sourceTLS, onSwitch)
        relay = LogRelayService(reactor, configuration, hostname)
        relay.privilegedStartService()
        relay.startService()
        self.addCleanup(lambda: relay.stopService() if relay.running else None)
        return relay

    async def until(self, condition: Callable[[], object], limit: float = 20) -> None:
        """
        Let the reactor work until a condition holds.
        """
        await until(reactor, condition, limit)

    async def arrived(self, server: LogServer, count: int) -> list[bytes]:
        """
        What a server has got, when there are so many messages at least.
        """
        await self.until(lambda: len(server.messages) >= count)
        return server.messages

    async def turns(self, count: int = 5) -> None:
        """
        Let the reactor accept, and read what is there.
        """
        for _ in range(count):
            turned: Deferred[None] = Deferred()
            clock.callLater(0, turned.callback, None)
            await turned


def destination(*servers: LogServer, name: str = "central", **options: Any) -> DestinationSettings:
    """
    A destination with some servers, whose framing it has.
    """
    options.setdefault("framing", servers[0].framing)
    options.setdefault("format", "as-is")
    return DestinationSettings(name, tuple(server.server for server in servers), **options)


def small(*servers: LogServer, **options: Any) -> DestinationSettings:
    """
    A destination with the smallest buffer.
    """
    return destination(*servers, maxMessageSize=1024, **{"buffer": SMALL, **options})


def source(text: str = "tcp:0:interface=127.0.0.1", name: str = "", **options: Any) -> SourceSettings:
    """
    The settings of a source that listens somewhere; it has the name ``text`` if no other.
    """
    return SourceSettings(name or text, listen=parseListen(text), **options)


def addressOf(relay: LogRelayService, place: int = 0) -> tuple[str, int]:
    """
    Where a source of a relay listens on loopback.

    :param place: which of the sources.
    """
    _, *sources = relay.snapshot().sources
    host, _, port = sources[place].addresses[0].rpartition(":")
    return host, int(port)


def client(case: TestCase, relay: LogRelayService, place: int = 0) -> socket.socket:
    """
    A connection to a source of a relay.  It blocks, so nothing may be written that the kernel has no room for.
    """
    connected = socket.create_connection(addressOf(relay, place), timeout=5)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    case.addCleanup(connected.close)
    return connected


async def connected(address: tuple[str, int]) -> ITCPTransport:
    """
    A connection to a source whose writes never block.
    """
    host, port = address
    protocol = cast(Protocol, await TCP4ClientEndpoint(reactor, host, port).connect(Factory.forProtocol(Protocol)))
    return cast(ITCPTransport, protocol.transport)


def heard(relay: LogRelayService) -> list[Event]:
    """
    The events of a relay from now on, as the list fills.
    """
    events: list[Event] = []
    relay.log.observers.append(events.append)
    return events
