"""
One peer's connection to a source: its bytes decoded, its messages delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..batches import Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..routing import IRoute
from ..throttle import Throttle
from ..tls import tlsReason
from ..tlsconnection import reasonIn
from .dialogue import NewFlow
from .exact import LARGE_READ, READ, readExactly
from .flow import Cuts
from .interface import Reactor
from .tap import Tap

#: A peer that is told the end has so many seconds to end its side, so that what is under way is still taken in.
FAREWELL = 1.0

#: An inbound peer has so many seconds for its TLS handshake.  It takes milliseconds; one that has not finished by then
#: only keeps others from one of the ``max-connections``.
HANDSHAKE_LIMIT = 10.0

#: So many connections of a source are read in large pieces, where they come one after the other and nobody waits for an
#: answer.  With hundreds the turn would last too long: what else is read by it, datagrams above all, would wait.
FEW = 8

#: A TLS connection is read in so many bytes, which is a record: OpenSSL keeps a buffer of the size of the largest read
#: as long as the connection lives.
TLS_READ = 16 * 1024


@attrs.define(eq=False)
class Intake:
    """
    What the connections of one source share.

    :ivar cuts: says so when messages did not come in whole.
    :ivar connections: those that are open.
    :ivar newFlow: makes what understands the bytes of one connection.
    :ivar ended: told whenever one has ended.
    """

    reactor: Reactor
    settings: SourceSettings
    route: IRoute
    throttle: Throttle
    counters: SourceCounters
    complaints: Complaints
    newFlow: NewFlow
    ended: Callable[[], None]
    connections: set[Connection] = attrs.field(factory=set)
    cuts: Cuts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.cuts = Cuts(self.counters, self.complaints)


class Connection(Protocol):
    """
    One peer's stream of messages.
    """

    transport: Any
    _tap: Tap

    def __init__(self, intake: Intake, origin: Origin) -> None:
        self.origin = origin
        self._intake = intake
        self._flow = intake.newFlow(self, intake.settings, intake.route, intake.counters)
        self._name = origin.host.decode()
        self._parting: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Count it, and let it be paused.
        """
        isOneOfFew = len(self._intake.connections) < FEW
        full = readExactly(self._socketed, LARGE_READ if isOneOfFew and self._flow.patient else READ)
        self._tap = Tap(self._intake.reactor, self.transport, full)
        self._intake.connections.add(self)
        self._intake.counters.connections += 1
        self._flow.begin()
        self._begin()

    @property
    def _socketed(self) -> Any:
        """
        The transport that has the socket.
        """
        return self.transport

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
        self._intake.cuts.look(self._name)
        if error is not None:
            self._intake.complaints.say("framing", f"closed the connection of {self._name}: {error}")
            if not self._flow.fail():
                self.cut()
        elif self._flow.patient:
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
            self._intake.cuts.look(self._name)
        finally:
            if self._parting is not None and self._parting.active():
                self._parting.cancel()
            self._intake.throttle.remove(self._tap)
            self._tap.stopProducing()
            self._intake.connections.discard(self)
            self._intake.ended()

    def bidFarewell(self) -> None:
        """
        The source stops.
        """
        if self.connected:
            self._flow.farewell()

    def write(self, data: bytes) -> None:
        """
        Say something.
        """
        self.transport.write(data)

    def hold(self, reason: str) -> None:
        """
        Read nothing more, as long as this reason holds.
        """
        self._tap.hold(reason)

    def release(self, reason: str) -> None:
        """
        Read again, unless there is another reason not to.
        """
        self._tap.release(reason)

    def produce(self, producer: IPushProducer | None) -> None:
        """
        From now on tell a producer when what we say is not read, and when it is again; ``None``: tell nobody.
        """
        if producer is None:
            self.transport.unregisterProducer()
        else:
            self.transport.registerProducer(producer, True)

    def part(self) -> None:
        """
        Tell the peer that this is the end, and go on reading what it has under way; for a moment.
        """
        if self._parting is None:
            self._parting = self._intake.reactor.callLater(FAREWELL, self.cut)
            self._endWriting()

    def _endWriting(self) -> None:
        """
        End our side.
        """
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

    @property
    def _socketed(self) -> Any:
        """
        The one below TLS.
        """
        return self.transport.transport

    def _begin(self) -> None:
        """
        Begin to wait for the handshake.
        """
        self._socketed.bufferSize = TLS_READ
        self._deadline = self._intake.reactor.callLater(HANDSHAKE_LIMIT, self._tooSlow)

    def handshakeCompleted(self) -> None:
        """
        From now on messages may come.
        """
        self._deadline.cancel()
        super()._begin()
        if self._parting is not None:
            self._endWriting()

    def _tooSlow(self) -> None:
        """
        The peer keeps its place and does nothing with it.
        """
        self._refuse("tls-timeout", f"{self._name} did not finish the TLS handshake within {HANDSHAKE_LIMIT:g} s")
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
                self._refuse("tls-handshake", f"TLS handshake of {self._name} failed: {why}")
        super().connectionLost(reason)

    def _rest(self, size: int) -> None:
        """
        Never: what is read here was decrypted in pieces, whose sizes say nothing of what is waiting.
        """

    def _endWriting(self) -> None:
        """
        Send a close_notify, and go on reading until the peer's.  During the handshake it has to wait: Twisted would
        reset the connection, with all that a client has sent whose own side of the handshake was done before ours.
        """
        if not self._deadline.active():
            self.transport.loseConnection()
