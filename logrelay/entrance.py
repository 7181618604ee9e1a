"""
The way in for the program that composes the relay: single messages.  For streams there is ``logrelay.consumer``.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from .batches import Batch, Framing, Origin
from .counters import SourceCounters
from .errors import BufferFull, RelayStopped
from .framing import batchesOf
from .routing import IRoute
from .throttle import Throttle

#: So many sends may wait for room.  A program that has more under way is not waiting for their Deferreds, and would
#: only fill the memory.
MAX_WAITING = 1000


@implementer(IPushProducer)
class Entrance:
    """
    Takes single messages from the program, and lets them wait while a destination is full.

    To the throttle it is a producer like any other: held, it keeps what comes.
    """

    def __init__(self, route: IRoute, throttle: Throttle, origin: Origin, counters: SourceCounters) -> None:
        self._route = route
        self._origin = origin
        self._counters = counters
        self._held = False
        self._waiting: deque[tuple[Batch, Deferred[None]]] = deque()
        throttle.add(self)

    def send(self, message: bytes) -> Deferred[None]:
        """
        Relay one message, without any framing.  An empty one is accepted at once: there is nothing to relay.

        :return: fires when every destination has accepted it.  Fails with ``BufferFull`` if too
            many sends wait already, or if a destination dropped it; with ``RelayStopped`` if
            the relay stops before there is room.
        """
        batches = batchesOf([message], Framing.OCTET_COUNTING, self._origin)
        if not batches:
            return succeed(None)
        [batch] = batches
        accepted: Deferred[None] = Deferred()
        # While what has waited is let in, what comes meanwhile has its place behind it.
        if not self._held and not self._waiting:
            self._deliver(batch, accepted)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append((batch, accepted))
        else:
            return fail(BufferFull(f"{MAX_WAITING} messages wait for room already; wait for their Deferreds"))
        return accepted

    def _deliver(self, batch: Batch, accepted: Deferred[None]) -> None:
        """
        Hand one message to the route.
        """

        def told(taken: bool) -> None:
            if taken:
                accepted.callback(None)
            else:
                accepted.errback(BufferFull("a destination dropped the message: its buffer is full, or it is too long"))

        self._counters.received += 1
        self._counters.receivedBytes += len(batch.payload)
        self._route.deliver(batch, told)

    def pauseProducing(self) -> None:
        """
        A destination is full.
        """
        self._held = True

    def resumeProducing(self) -> None:
        """
        There is room again, perhaps not for all that waits.
        """
        self._held = False
        while self._waiting and not self._held:
            batch, accepted = self._waiting.popleft()
            if not accepted.called:
                self._deliver(batch, accepted)

    def stopProducing(self) -> None:
        """
        The relay has stopped: what waits will not be accepted.
        """
        self.close("the relay has stopped before there was room for the message")

    def close(self, why: str) -> None:
        """
        Fail what waits: it will not be accepted.
        """
        waiting, self._waiting = self._waiting, deque()
        for _, accepted in waiting:
            accepted.errback(RelayStopped(why))
