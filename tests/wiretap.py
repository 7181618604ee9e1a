"""
A wire between a relay and a server that somebody listens to: it passes on bytes and ends, and keeps what it saw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Port
from twisted.python.failure import Failure
from zope.interface import implementer

from logrelay.servers import Server

#: A record that is one of TLS 1.3's encrypted alerts, as far as can be told from outside (RFC 8446, sections 5.2 and
#: 6): its type, and its length: two bytes, the true type, and sixteen bytes of authentication.
ALERT = (23, 19)


@implementer(IHalfCloseableProtocol)
class _End(Protocol):
    """
    One of the two ends of a connection.

    :ivar other: the other one.
    :ivar data: what came in here.
    :ivar ended: how whoever is out there ended his side: ``fin`` or ``reset``.
    """

    transport: Any
    other: _End

    def __init__(self, made: Callable[[], object] = lambda: None) -> None:
        """
        :param made: called when somebody is out there.
        """
        self._made = made
        self.data = b""
        self.ended: str | None = None

    def connectionMade(self) -> None:
        """
        Somebody is out there.
        """
        self._made()

    def dataReceived(self, data: bytes) -> None:
        """
        Pass it on.
        """
        self.data += data
        self.other.transport.write(data)

    def readConnectionLost(self) -> None:
        """
        Pass on the end.
        """
        self.ended = "fin"
        if self.other.ended is None:
            self.other.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()
            self.other.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Not of interest.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Pass on a reset.
        """
        if self.ended is None:
            self.ended = "reset"
            self.other.transport.abortConnection()


class Tapped:
    """
    One connection.

    :ivar client: the end that the client is at.
    :ivar server: the end that the server is at.
    """

    def __init__(self, reactor: Any, target: Server) -> None:
        self._way = TCP4ClientEndpoint(reactor, target.host, target.port)
        self.client, self.server = _End(self._connect), _End(self._connected)
        self.client.other, self.server.other = self.server, self.client

    def _connect(self) -> None:
        """
        The client is there: connect to the server.
        """
        self.client.transport.pauseProducing()
        attempt = self._way.connect(Factory.forProtocol(lambda: self.server))
        attempt.addErrback(lambda _: self.client.transport.abortConnection())

    def _connected(self) -> None:
        """
        The server is there too.
        """
        self.client.transport.resumeProducing()

    @property
    def lastRecord(self) -> tuple[int, int]:
        """
        Type and length of the last TLS record that came from the client.
        """
        data, last = self.client.data, (0, 0)
        while data:
            last = (data[0], int.from_bytes(data[3:5], "big"))
            data = data[5 + last[1] :]
        return last


class Wiretap:
    """
    Listens on loopback in a server's stead.

    :ivar connections: all so far, oldest first.
    """

    def __init__(self, reactor: Any, target: Server) -> None:
        self.connections: list[Tapped] = []
        factory = Factory()
        factory.noisy = False

        def build(addr: object) -> _End:
            self.connections.append(Tapped(reactor, target))
            return self.connections[-1].client

        factory.buildProtocol = build  # type: ignore[method-assign]
        self._port: Port = reactor.listenTCP(0, factory, interface="127.0.0.1")

    @property
    def address(self) -> Server:
        """
        Where it listens.
        """
        return Server("127.0.0.1", self._port.getHost().port)

    def stop(self) -> Any:
        """
        Listen no more.

        :return: a Deferred that fires when that is done.
        """
        return self._port.stopListening()
