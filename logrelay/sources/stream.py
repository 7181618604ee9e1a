"""
Messages over streams: TCP, TLS and UNIX sockets.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.internet.protocol import Factory
from zope.interface import implementer

from ..batches import Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..eventlogger import logEvent
from ..events import Observer
from ..routing import IRoute
from ..socketoptions import keepAlive
from ..throttle import Throttle
from ..tls import tlsFactory
from .acceptor import Acceptor
from .connection import FAREWELL, Connection, Intake, TLSConnection
from .dialogue import NewFlow, SyslogFlow
from .interface import IAdjustable, IListener, Reactor
from .sockets import BoundSocket, numericHost

#: When an idle connection is asked whether its peer is still there, how often, and when it is given up: a dead one
#: leaves within two minutes.  Seconds, seconds, probes.
KEEPALIVE = (60, 10, 6)


@attrs.frozen
class _Farewell:
    """
    The end of a source, while connections are still open.
    """

    ended: Deferred[None]
    cutting: IDelayedCall


@implementer(IListener, IAdjustable)
class StreamSource:
    """
    Takes connections, and messages from each.

    :ivar _open: binds the socket that is listened on.
    """

    def __init__(
        self,
        reactor: Reactor,
        settings: SourceSettings,
        route: IRoute,
        throttle: Throttle,
        counters: SourceCounters,
        hostname: bytes,
        open: Callable[[SourceSettings], BoundSocket],
        tls: IOpenSSLServerConnectionCreator | None = None,
        tell: Observer = logEvent,
        newFlow: NewFlow = SyslogFlow,
    ) -> None:
        """
        :param open: binds the socket that is listened on.
        :param newFlow: makes what understands the bytes of one connection.
        """
        self.settings = settings
        self._reactor = reactor
        self._open = open
        self._complaints = Complaints(reactor, settings.name, tell)
        self._intake = Intake(
            reactor, settings, route, throttle, counters, self._complaints, newFlow, self._connectionEnded
        )
        self._factory = _connectionFactory(self._intake, hostname, tls)
        self._acceptor: Acceptor | None = None
        self._farewell: _Farewell | None = None

    @property
    def listening(self) -> tuple[IAddress, ...]:
        """
        The address that is bound.
        """
        return () if self._acceptor is None else (self._acceptor.bound.address,)

    @property
    def bound(self) -> BoundSocket | None:
        """
        What it listens on.
        """
        return None if self._acceptor is None else self._acceptor.bound

    def bind(self, inherited: BoundSocket | None = None) -> None:
        """
        Bind and listen; connections wait in the kernel until :meth:`start`.

        :param inherited: the socket, where it is bound already.
        :raises CannotListen: if the address can't be had.
        """
        bound = inherited or self._open(self.settings)
        self._acceptor = Acceptor(self._reactor, bound, self._admit, self._complaints)

    def adjust(self, settings: SourceSettings) -> None:
        """
        Take on other limits; that of messages for connections to come.
        """
        self.settings = self._intake.settings = settings

    def start(self) -> None:
        """
        Begin to accept.
        """
        assert self._acceptor is not None, "bind comes first"
        self._acceptor.startReading()

    def _admit(self, connection: socket.socket) -> None:
        """
        Take a connection, or leave it to be closed where there are too many.
        """
        if len(self._intake.connections) >= self.settings.maxConnections:
            self._intake.counters.refused += 1
            self._complaints.say(
                "refused", f"max-connections ({self.settings.maxConnections}) are open; closed another"
            )
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            # Raises for one that was reset meanwhile, of which Twisted would leave its duplicate to be collected.
            connection.getpeername()
            keepAlive(connection, KEEPALIVE)
            # An answer must not wait until the one before it is acknowledged: a RELP client whose window is full has
            # nothing to send that would carry the acknowledgement, and its kernel takes 40 ms to send it alone.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reactor.adoptStreamConnection(connection.fileno(), connection.family, self._factory)

    def unbind(self) -> None:
        """
        Accept nothing more.
        """
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            try:
                acceptor.close()
            except OSError as error:
                self._complaints.say("socket", f"{acceptor.bound.path} could not be removed: {error.strerror}")

    def stop(self) -> Deferred[None]:
        """
        Accept nothing more, and let each peer end its side; those that do not are cut off after :data:`FAREWELL`.

        All who have just connected are accepted first: the kernel would reset what waits, with all that was sent.  At
        a socket of systemd's it goes on to wait.
        """
        acceptor, listen = self._acceptor, self.settings.listen
        isOurs = listen is not None and listen.kind != "systemd"
        if acceptor is not None and listen is not None and isOurs and acceptor in self._reactor.getReaders():
            # Of more than the backlog, which Linux takes for one less than may wait, the others have come meanwhile.
            acceptor.accept(listen.backlog + 1)
        self.unbind()
        if self._farewell is not None:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        ended.addCallback(lambda _: self._complaints.flush())
        self._farewell = _Farewell(ended, self._reactor.callLater(FAREWELL, self._cutAll))
        for connection in tuple(self._intake.connections):
            connection.bidFarewell()
        self._connectionEnded()
        return ended

    def _cutAll(self) -> None:
        """
        Close what is still open.
        """
        for connection in tuple(self._intake.connections):
            connection.cut()

    def _connectionEnded(self) -> None:
        """
        When stopping, the last connection's end is the source's.
        """
        if self._farewell is not None and not self._intake.connections:
            farewell, self._farewell = self._farewell, None
            if farewell.cutting.active():
                farewell.cutting.cancel()
            farewell.ended.callback(None)


class _Connections(Factory):
    """
    Makes a protocol for each connection that is adopted.
    """

    noisy = False

    def __init__(self, intake: Intake, hostname: bytes, kind: type[Connection]) -> None:
        self._intake = intake
        self._hostname = hostname
        self._kind = kind

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """
        Messages from the network are their peer's, those from UNIX sockets as programs of this host write them.
        """
        name = self._intake.settings.name
        answered = self._intake.settings.type == "relp"
        host = getattr(addr, "host", None)
        if host is None:
            return self._kind(self._intake, Origin(name, self._hostname, local=True))
        return self._kind(self._intake, Origin(name, numericHost(host), answered=answered))


def _connectionFactory(
    intake: Intake, hostname: bytes, tls: IOpenSSLServerConnectionCreator | None
) -> IProtocolFactory:
    """
    The factory for connections, with TLS between where that is wanted.
    """
    if tls is None:
        return _Connections(intake, hostname, Connection)
    return tlsFactory(tls, False, _Connections(intake, hostname, TLSConnection), intake.reactor)
