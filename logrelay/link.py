"""
One connection to one server, from the moment it stands (and is verified) to its end.

A link comes before the protocol that uses it: a failback probe makes one, watches it for a while, and either lets go
of it or hands it on, so that the stream goes on over the very connection that was probed.  It watches how the
connection ends, and whether it has proved itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, NoProtocol
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface

from .reasons import reasonOf, textOf
from .socketoptions import keepAlive, keepLittleUnsent, lowerTransport
from .tcpinfo import viewOf
from .views import BlindView, IConnectionView

#: A connection is proved when it has been up for so many seconds without a closed window.
PROVED_AFTER = 10.0

#: How often, in seconds, a connection that is not proved yet is looked at.
_LOOK_EVERY = 1.0

#: A server that speaks TLS 1.3 refuses our certificate only after our handshake (RFC 8446, section 2): it has so many
#: seconds to do so, or two round trips where they are longer.
ADMITTED_AFTER = 1.0

#: The reason of a connection that we ended and whose server, though it has all our data, did not end its side in time.
UNANSWERED = "unanswered"

#: Whether a peer that ended its side had read everything shows when our own end is acknowledged or answered by a reset:
#: so many seconds are waited for that, or two round trips where they are longer, looking at these intervals.  On
#: loopback and in one's own network the answer is there at the first look.
DECIDED_WITHIN, _LOOK_AGAIN = 0.1, 0.002

#: A transport that has so many bytes to write asks for no more.  That is less than a batch of a busy relay, and so each
#: goes out as it is: Twisted joins what it has before it sends it, which is a copy when it is more than one.
#: (It is also what Twisted reads at once, which is far more than a server says.)
ENOUGH_WRITTEN = 32 * 1024

#: A peer that sends us data that nobody wants may send so much of it before a protocol is attached.
_EARLY_LIMIT = 64 * 1024


@attrs.frozen
class Ending:
    """
    How a connection ended.

    :ivar reason: by its name in the specification (1.6); for an end that we wanted, what ``finish`` was told, or
        ``UNANSWERED``.
    :ivar clean: whether the peer read everything that we sent: we ended first, and it then ended without a reset.
    :ivar text: for people.
    :ivar emptied: whether the peer, which ended first, had read everything that its kernel had acknowledged.
    """

    reason: str
    clean: bool
    text: str
    emptied: bool = False


class ILinked(Interface):
    """
    A protocol that works with the link that carries it.
    """

    link: Link = Attribute("The link; set before ``makeConnection`` is called.")

    def stopSending() -> Deferred[None] | None:
        """
        Unregister as a producer and write nothing more: the link is about to end gracefully.

        :return: fires when our side may end; ``None`` for at once, behind what is written.  The link waits no longer
            than it waits for the peer's end.
        """


def _isWrapper(transport: object) -> bool:
    """
    Whether a transport is no socket, but something around one, such as TLS.
    """
    return isinstance(transport, ProtocolWrapper)


def _ignore(link: Link) -> None:
    """
    What a hook does before somebody is interested.
    """


class Link(Protocol):
    """
    Carries one protocol over one connection.

    :ivar view: what the kernel knows of the connection.
    :ivar onLost: called once, after the protocol was told, when the connection is gone.
    :ivar onProved: called once, when the connection has shown that it delivers.
    :ivar ending: how it ended; ``None`` while it stands.
    :ivar proved: whether ``onProved`` was called.
    :ivar _ended: whether our end has gone out behind the data.
    :ivar _gone: whether the transport is gone, though how it ended may not be known yet.
    """

    transport: ITCPTransport
    view: IConnectionView

    def __init__(self, clock: IReactorTime, keepalive: tuple[int, int, int] | None = None) -> None:
        self._clock = clock
        self._keepalive = keepalive
        self._protocol: IProtocol | None = None
        self._early: list[bytes] = []
        self._verdict: tuple[str, str] | None = None
        self._finishing: str | None = None
        self._deadline: IDelayedCall | None = None
        self._looking: IDelayedCall | None = None
        self._ended = self._gone = False
        self._madeAt = self._openSince = 0.0
        self.ending: Ending | None = None
        self.proved = False
        self.onLost: Callable[[Link], None] = _ignore
        self.onProved: Callable[[Link], None] = _ignore

    # From the transport.

    def connectionMade(self) -> None:
        """
        The connection stands: look at it from now on.
        """
        self.view = BlindView()
        try:
            self.view = viewOf(self.transport)
            self._setOptions()
        except OSError as error:
            # No descriptor is left to watch it by, or it is gone already.
            self.view.close()
            self.view = BlindView()
            self.abort("unreachable", f"the connection cannot be watched: {error.strerror}")
        self._madeAt = self._openSince = self._clock.seconds()
        self._looking = self._clock.callLater(_LOOK_EVERY, self._look)

    def _setOptions(self) -> None:
        """
        Send small batches at once, and have the kernel ask an idle peer whether it is still there.
        """
        lower = lowerTransport(self.transport)
        if lower is None or not ITCPTransport.providedBy(lower):
            return
        lower.setTcpNoDelay(True)
        keepLittleUnsent(lower.socket)
        lower.bufferSize = ENOUGH_WRITTEN
        if self._keepalive is not None:
            keepAlive(lower.socket, self._keepalive)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass on what the peer says; before a protocol is attached, keep a little of it.
        """
        if self._protocol is not None:
            self._protocol.dataReceived(data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) > _EARLY_LIMIT:
            self.abort("eof", "the server talks, and nobody asked it to")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Find out how it ended, tell the protocol, then the owner.
        """
        for call in (self._deadline, self._looking):
            if call is not None and call.active():
                call.cancel()
        self._gone = True
        wait = max(DECIDED_WITHIN, 2 * self.view.roundTrip)
        self._find(reason, 0 if self._weEnded(reason) else self._clock.seconds() + wait)

    def _weEnded(self, reason: Failure) -> bool:
        """
        Whether we gave the connection up, so that nothing is to be learnt from its end.
        """
        return self._verdict is not None or reason.check(ConnectionAborted) is not None

    def _find(self, reason: Failure, until: float) -> None:
        """
        Wait for the kernel to know how it ended, then tell.
        """
        if self._clock.seconds() < until and self.view.undecided():
            self._clock.callLater(_LOOK_AGAIN, self._find, reason, until)
        else:
            self._over(reason)

    def _over(self, reason: Failure) -> None:
        """
        Tell the protocol, then the owner.
        """
        self.ending = self._judge(reason)
        try:
            if self._protocol is not None:
                self._protocol.connectionLost(reason)
        finally:
            self.view.close()
            self.onLost(self)

    def _judge(self, reason: Failure) -> Ending:
        """
        Our own verdict comes first, then the kernel's, then Twisted's.
        """
        if self._verdict is not None:
            return Ending(self._verdict[0], False, self._verdict[1])
        finishing = self._finishing if self._ended else None
        if finishing is not None and not self._weEnded(reason) and self.view.drained():
            return Ending(finishing, True, "ended as agreed")
        fromKernel = self.view.reason()
        fromTwisted = reasonOf(reason)
        if fromTwisted in ("tls-alert", "tls-verify") or fromKernel is None:
            return Ending(fromTwisted, False, textOf(reason))
        emptied = finishing is None and not self._weEnded(reason) and self.view.emptied()
        return Ending(fromKernel, False, _TEXTS[fromKernel], emptied)

    # Proof.

    @property
    def admitted(self) -> bool:
        """
        Whether the server has taken us, or has had the time to refuse us.  What is acknowledged before that, only its
        kernel has.
        """
        if not _isWrapper(self.transport) or self.view.admitted:
            return True
        return self._clock.seconds() - self._madeAt >= max(ADMITTED_AFTER, 2 * self.view.roundTrip)

    def _look(self) -> None:
        """
        Note whether the window is open, and since when.
        """
        self._looking = None
        now = self._clock.seconds()
        if self.view.sample().closed:
            self._openSince = now
        if now - self._openSince >= PROVED_AFTER:
            self.prove()
        elif not self.proved:
            self._looking = self._clock.callLater(_LOOK_EVERY, self._look)

    def prove(self) -> None:
        """
        The connection has shown that it delivers.
        """
        if not self.proved:
            self.proved = True
            self.onProved(self)

    # From the owner.

    def attach(self, factory: IProtocolFactory, address: IAddress | None = None) -> IProtocol:
        """
        Let a protocol that the factory builds use this connection from now on.

        :raises NoProtocol: if the factory does not want the connection.
        """
        protocol = factory.buildProtocol(address or self.transport.getPeer())
        if protocol is None:
            raise NoProtocol()
        self._protocol = protocol
        linked = ILinked(protocol, None)
        if linked is not None:
            linked.link = self
        protocol.makeConnection(self.transport)
        early, self._early = self._early, []
        for data in early:
            protocol.dataReceived(data)
        return protocol

    def keepAlive(self, times: tuple[int, int, int] | None) -> None:
        """
        From now on have the kernel ask an idle peer at such times whether it is still there.  What is set cannot be
        taken back by ``None``.
        """
        self._keepalive = times
        if self.whyGone is None:
            with suppress(OSError):
                self._setOptions()

    def abort(self, reason: str, text: str) -> None:
        """
        Give the connection up at once, with a reset.
        """
        if self.whyGone is None:
            self._verdict = (reason, text)
            self.transport.abortConnection()

    def finish(self, why: str, limit: float, patient: bool = False) -> None:
        """
        End gracefully: everything written goes out, then our end; then the peer has to end its side.

        Over TLS our end is a close_notify, over TCP a FIN.  An end that is under way gets the new reason and limit.

        :param why: the reason to give for it, if the peer ends well.
        :param limit: the seconds that all of this may take.
        :param patient: begin to count only when the peer's kernel has everything.
        """
        if self.whyGone is not None or self._finishing == why:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._clock.callLater(limit, self._unanswered, limit, patient)
        begun, self._finishing = self._finishing is not None, why
        if not begun:
            linked = ILinked(self._protocol, None)
            ready = None if linked is None else linked.stopSending()
            if ready is None:
                self._endOurSide()
            else:
                ready.addCallback(lambda _: self._endOurSide())

    def _endOurSide(self) -> None:
        """
        Send our end behind what was written.
        """
        if self.whyGone is not None:
            return
        self._ended = True
        if _isWrapper(self.transport):
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def _unanswered(self, limit: float, patient: bool) -> None:
        """
        The peer has not ended in time.  Whether it still takes data decides what that means.
        """
        sample = self.view.sample()
        behind = sample.acked < sample.taken
        if behind and patient:
            self._deadline = self._clock.callLater(limit, self._unanswered, limit, patient)
        else:
            self.abort("ack-timeout" if behind else UNANSWERED, f"no end from the server within {limit:g} s")

    @property
    def protocol(self) -> IProtocol | None:
        """
        The protocol that uses it; ``None`` before :meth:`attach`.
        """
        return self._protocol

    @property
    def finishing(self) -> str | None:
        """
        Why this connection is being ended gracefully; ``None`` if it is not.
        """
        return self._finishing

    @property
    def ceasing(self) -> bool:
        """
        Whether the transport is about to close of its own accord: the server has ended the TLS stream, or sent an
        alert.  Twisted then waits until what was written is out, and until there is no producer any more.
        """
        lower = lowerTransport(self.transport)
        return self._finishing is None and lower is not None and bool(lower.disconnecting)

    @property
    def whyGone(self) -> tuple[str, str] | None:
        """
        Reason and text, if it was given up or has ended, and so is of no use any more.
        """
        ending = self.ending
        if ending is not None:
            return ending.reason, ending.text
        return self._verdict or (("eof", _TEXTS["eof"]) if self._gone else None)


_TEXTS = {
    "reset": "connection reset by the server",
    "unreachable": "the network says that the server cannot be reached",
    "ack-timeout": "data was out and nothing was acknowledged",
    "keepalive": "the idle connection is dead: no answer to keepalive probes",
    "eof": "connection closed by the server",
}
