"""
One peer's connection to a source: its bytes decoded, its messages delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..batches import Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..framing import decoderFor
from ..routing import IRoute
from ..throttle import Throttle
from ..tls import tlsReason
from ..tlsconnection import reasonIn
from .flow import Cuts, Flow
from .interface import Reactor

#: After a read of so many bytes, and less than a full one, a connection rests for so many seconds.  At 400,000 messages
#: of 250 bytes a second this takes a third of the CPU away; at 20,000 a second no read brings so much.
MUCH, REST = 4096, 0.002

#: An inbound peer has so many seconds for its TLS handshake.  It takes milliseconds; one that has not finished by then
#: only keeps others from one of the ``max-connections``.
HANDSHAKE_LIMIT = 10.0

#: A TLS connection is read in so many bytes, which is a record: OpenSSL keeps a buffer of the size of the largest read
#: as long as the connection lives.
TLS_READ = 16 * 1024


@attrs.define(eq=False)
class Intake:
    """
    What the connections of one source share.

    :ivar cuts: says so when messages did not come in whole.
    :ivar connections: those that are open.
    :ivar ended: told whenever one has ended.
    """

    reactor: Reactor
    settings: SourceSettings
    route: IRoute
    throttle: Throttle
    counters: SourceCounters
    complaints: Complaints
    ended: Callable[[], None]
    connections: set[Connection] = attrs.field(factory=set)
    cuts: Cuts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.cuts = Cuts(self.counters, self.complaints)


@implementer(IPushProducer)
class Tap:
    """
    Reads one transport, but not while the throttle holds it, and not for a moment after a read that brought much.

    A peer that writes each message by itself would be read as fast as it writes, some messages at a time, and each
    read costs as much as hundreds of messages do.  The moment lets more come together.
    """

    def __init__(self, clock: IReactorTime, transport: Any) -> None:
        self._clock = clock
        self._transport = transport
        self._held = False
        self._resting: IDelayedCall | None = None

    def pauseProducing(self) -> None:
        """
        The throttle holds it.
        """
        self._held = True
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        The throttle holds it no more.
        """
        self._held = False
        if self._resting is None:
            self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        It is not to be read any more.
        """
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def rest(self, size: int) -> None:
        """
        A read has brought ``size`` bytes.  After a full one the next follows at once: more is waiting already.
        """
        if self._resting is None and MUCH <= size < FileDescriptor.bufferSize:
            self._transport.pauseProducing()
            self._resting = self._clock.callLater(REST, self._rested)

    def _rested(self) -> None:
        """
        The moment is over.
        """
        self._resting = None
        if not self._held:
            self._transport.resumeProducing()


class Connection(Protocol):
    """
    One peer's stream of messages.
    """

    transport: Any
    _tap: Tap

    def __init__(self, intake: Intake, origin: Origin) -> None:
        settings = intake.settings
        decoder = decoderFor(settings.framing, origin, settings.maxMessageSize, intake.counters)
        self._intake = intake
        self._flow = Flow(decoder, intake.route)
        self._peer = origin.host.decode()

    def connectionMade(self) -> None:
        """
        Count it, and let it be paused.
        """
        self._tap = Tap(self._intake.reactor, self.transport)
        self._intake.connections.add(self)
        self._intake.counters.connections += 1
        self._begin()

    def _begin(self) -> None:
        """
        From now on messages may come.
        """
        self._intake.throttle.add(self._tap)

    def dataReceived(self, data: bytes) -> None:
        """
        Deliver the messages that are whole now.  A peer whose frames make no sense is cut off after those that did.
        """
        self._intake.throttle.served(self._tap)
        error = self._flow.take(data)
        self._intake.cuts.look(self._peer)
        if error is not None:
            self._intake.complaints.say("framing", f"closed the connection of {self._peer}: {error}")
            self.cut()
        else:
            self._rest(len(data))

    def _rest(self, size: int) -> None:
        """
        Let more come together where much comes.
        """
        self._tap.rest(size)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The end of the stream.
        """
        self.connected = 0
        try:
            self._flow.end()
            self._intake.cuts.look(self._peer)
        finally:
            self._intake.throttle.remove(self._tap)
            self._tap.stopProducing()
            self._intake.connections.discard(self)
            self._intake.ended()

    def bidFarewell(self) -> None:
        """
        Tell the peer that this is the end, and go on reading what it has under way.
        """
        if self.connected:
            self.transport.loseWriteConnection()

    def cut(self) -> None:
        """
        Close at once.
        """
        self.transport.abortConnection()


@implementer(IHandshakeListener)
class TLSConnection(Connection):
    """
    One peer's stream over TLS.  It is not paused before the handshake is done, which nobody could do otherwise.
    """

    def _begin(self) -> None:
        """
        Begin to wait for the handshake.
        """
        self.transport.transport.bufferSize = TLS_READ
        self._deadline = self._intake.reactor.callLater(HANDSHAKE_LIMIT, self._tooSlow)

    def handshakeCompleted(self) -> None:
        """
        From now on messages may come.
        """
        self._deadline.cancel()
        super()._begin()

    def _tooSlow(self) -> None:
        """
        The peer keeps its place and does nothing with it.
        """
        self._refuse("tls-timeout", f"{self._peer} did not finish the TLS handshake within {HANDSHAKE_LIMIT:g} s")
        self.cut()

    def _refuse(self, reason: str, why: str) -> None:
        """
        Count a peer that did not come through the handshake.
        """
        self._intake.counters.refused += 1
        self._intake.complaints.say(reason, why)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Before the handshake was done, it has failed; or the peer just left, as those that try a port do.
        """
        if self._deadline.active():
            self._deadline.cancel()
            if not isinstance(reason.value, ConnectionDone | ConnectionLost):
                why = reason.getErrorMessage() if tlsReason(reason) is None else reasonIn(reason.value)
                self._refuse("tls-handshake", f"TLS handshake of {self._peer} failed: {why}")
        super().connectionLost(reason)

    def _rest(self, size: int) -> None:
        """
        Never: what is read here was decrypted in pieces, whose sizes say nothing of what is waiting.
        """

    def bidFarewell(self) -> None:
        """
        Send a close_notify, and go on reading until the peer's.
        """
        self.transport.loseConnection()
