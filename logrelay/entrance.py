"""
The way in for the program that composes the relay: single messages, and any Twisted producer of bytes.
"""

from __future__ import annotations

from collections import deque
from typing import cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer, IPullProducer, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from .batches import Batch, Framing, Origin
from .counters import SourceCounters
from .errors import BufferFull, FramingError, RelayStopped
from .framing import batchesOf, decoderFor
from .routing import IRoute
from .sources.flow import Flow
from .throttle import Throttle

#: So many sends may wait for room.  A program that has more under way is not waiting for their Deferreds, and would
#: only fill the memory.
MAX_WAITING = 1000

_log = Logger(namespace="logrelay.entrance")


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
        waiting, self._waiting = self._waiting, deque()
        for _, accepted in waiting:
            accepted.errback(RelayStopped("the relay has stopped before there was room for the message"))


@implementer(IConsumer)
class RelayConsumer:
    """
    Relays what a Twisted producer writes, as one stream of framed messages.
    """

    def __init__(
        self,
        clock: IReactorTime,
        route: IRoute,
        throttle: Throttle,
        origin: Origin,
        counters: SourceCounters,
        maxMessageSize: int,
    ) -> None:
        self._clock = clock
        self._route = route
        self._throttle = throttle
        self._origin = origin
        self._counters = counters
        self._maxMessageSize = maxMessageSize
        self._stopped = False
        self._producer: IPushProducer | None = None
        self._flow = self._newFlow()

    def _newFlow(self) -> Flow:
        """
        Each producer's stream has framing of its own.
        """
        return Flow(decoderFor(None, self._origin, self._maxMessageSize, self._counters), self._route)

    def write(self, data: bytes) -> None:
        """
        Relay the messages in ``data``, however it is cut.  A producer whose frames make no sense any more is stopped.

        :raises FramingError: if they make no sense, and there is no producer to stop.
        :raises RelayStopped: if the relay has stopped.
        """
        if self._stopped:
            raise RelayStopped("the relay has stopped and takes no more data")
        error = self._flow.take(data)
        if error is not None:
            self._refuse(error)

    def _refuse(self, error: FramingError) -> None:
        """
        The stream can't be relayed further.
        """
        producer = self._producer
        if producer is None:
            raise error
        _log.error("a producer of this program was stopped: {error}", error=error)
        self._forget()
        producer.stopProducing()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Let a producer be paused while a destination is full.  If the relay has stopped, so is the producer.

        :raises RuntimeError: if there is one already.
        """
        if self._producer is not None:
            raise RuntimeError("a producer is registered already; unregister it first")
        if self._stopped:
            producer.stopProducing()
            return
        pushing = cast(IPushProducer, producer) if streaming else _Pulled(self._clock, cast(IPullProducer, producer))
        self._producer = pushing
        self._throttle.add(pushing)
        if not streaming and not self._throttle.held:
            pushing.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        The stream has ended: a last line without newline is a message too.
        """
        self._forget()
        flow, self._flow = self._flow, self._newFlow()
        flow.end()

    def _forget(self) -> None:
        """
        Have no producer any more.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            self._throttle.remove(producer)
            if isinstance(producer, _Pulled):
                producer.pauseProducing()

    def stop(self) -> None:
        """
        The relay stops: take nothing more, and stop the producer.
        """
        self._stopped = True
        producer = self._producer
        self.unregisterProducer()
        if producer is not None:
            producer.stopProducing()


@implementer(IPushProducer)
class _Pulled:
    """
    Makes a pull producer push: asks it again and again, a turn of the reactor apart.
    """

    def __init__(self, clock: IReactorTime, producer: IPullProducer) -> None:
        self._clock = clock
        self._producer = producer
        self._call: IDelayedCall | None = None

    def _pull(self) -> None:
        """
        Ask once.  One that fails is not asked again.
        """
        self._call = self._clock.callLater(0, self._pull)
        try:
            self._producer.resumeProducing()
        except Exception:
            self.pauseProducing()
            _log.failure("a producer of this program failed: {producer}", producer=self._producer)

    def pauseProducing(self) -> None:
        """
        Stop asking.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def resumeProducing(self) -> None:
        """
        Ask from now on.
        """
        if self._call is None:
            self._call = self._clock.callLater(0, self._pull)

    def stopProducing(self) -> None:
        """
        Nothing more is wanted.
        """
        self.pauseProducing()
        self._producer.stopProducing()
