"""
An endpoint that connects when the server is verified, and not before.

Twisted connects a protocol before the TLS handshake, and has no time limit for that.  So a gate stands in for the
protocol until the server has proved who it is.
"""

from __future__ import annotations

from typing import cast

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from .errors import NotVerified
from .reasons import EndedInHandshake, TLSTimeout
from .tls import tlsFactory, tlsReason
from .tlsconnection import VerifiedConnection


@implementer(IStreamClientEndpoint)
@attrs.frozen
class VerifiedTLSEndpoint:
    """
    TLS around another endpoint.  It connects when the handshake is complete and the server has proved who it is.

    :ivar creator: makes connections that are ``VerifiedConnection`` objects.
    :ivar limit: seconds for the handshake, counted from when the connection stands.
    """

    clock: IReactorTime
    endpoint: IStreamClientEndpoint
    creator: IOpenSSLClientConnectionCreator
    limit: float

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        See ``IStreamClientEndpoint``.
        """
        gates = _GateFactory(self.clock, self.limit, protocolFactory)
        attempt = self.endpoint.connect(tlsFactory(self.creator, True, gates, self.clock))
        return attempt.addCallback(lambda tls: gates.built.pop(tls).verified)


class _GateFactory(Factory):
    """
    Builds gates.

    :ivar built: the gates of connections that stand, by their transport.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, limit: float, factory: IProtocolFactory) -> None:
        self.clock = clock
        self.limit = limit
        self.factory = factory
        self.built: dict[object, _Gate] = {}

    def doStart(self) -> None:
        """
        Somebody begins to use the factory behind the gate.
        """
        self.factory.doStart()

    def doStop(self) -> None:
        """
        Somebody does not use the factory behind the gate any more.
        """
        self.factory.doStop()

    def buildProtocol(self, addr: IAddress | None) -> _Gate:
        """
        A gate for one connection.
        """
        return _Gate(self, addr)


@implementer(IHandshakeListener)
class _Gate(Protocol):
    """
    Stands where the protocol will, until the server is verified.  Then the protocol takes its place, and hears of the
    connection for the first time.

    :ivar verified: fires with the protocol.
    """

    transport: TLSMemoryBIOProtocol

    def __init__(self, gates: _GateFactory, address: IAddress | None) -> None:
        self._gates = gates
        self._address = address
        self.verified: Deferred[IProtocol] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """
        The connection stands, and the handshake begins.
        """
        self._connection = cast(VerifiedConnection, self.transport.getHandle())
        self._timer: IDelayedCall = self._gates.clock.callLater(self._gates.limit, self._tooLong)
        self._gates.built[self.transport] = self

    def handshakeCompleted(self) -> None:
        """
        The handshake is complete.  That alone proves nothing: the mark of the verification has to be there.
        """
        if self._connection.peer is None:
            self._giveUp(Failure(NotVerified("the server's certificate was not checked")))
            return
        try:
            self._open()
        except Exception:
            self._giveUp(Failure())

    def _open(self) -> None:
        """
        Let the protocol take over.
        """
        protocol = self._gates.factory.buildProtocol(cast(IAddress, self._address))
        if protocol is None:
            raise NoProtocol()
        self._timer.cancel()
        self.transport.wrappedProtocol = protocol
        protocol.makeConnection(self.transport)
        self.verified.callback(protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone before the protocol ever had it.
        """
        if tlsReason(reason) != "tls-alert":
            reason = Failure(EndedInHandshake("the server closed the connection during the TLS handshake"))
        self._fail(reason)

    def _tooLong(self) -> None:
        """
        The handshake did not end.
        """
        self._giveUp(Failure(TLSTimeout(f"no TLS handshake within {self._gates.limit:g} s")))

    def _cancelled(self, verified: Deferred[IProtocol]) -> None:
        """
        Nobody wants the connection any more.
        """
        self._giveUp(Failure(CancelledError()))

    def _giveUp(self, reason: Failure) -> None:
        """
        Drop the connection.
        """
        self._fail(reason)
        self.transport.abortConnection()

    def _fail(self, reason: Failure) -> None:
        """
        Tell why there is no connection, once.  If we refused the server, that is the reason for all that followed.
        """
        if self._timer.active():
            self._timer.cancel()
        if not self.verified.called:
            refusal = self._connection.refusal
            self.verified.errback(reason if refusal is None else Failure(NotVerified(refusal)))
