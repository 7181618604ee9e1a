"""
The way in for the program that composes the relay: any Twisted producer of bytes.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer, IPullProducer, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from .batches import Origin
from .counters import SourceCounters
from .errors import FramingError, RelayStopped
from .framing import decoderFor
from .routing import IRoute
from .sources.flow import Flow
from .throttle import Throttle

_log = Logger(namespace="logrelay.consumer")


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
        self._beginStream()
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
        self._beginStream()

    def _beginStream(self) -> None:
        """
        Whatever is written from now on has nothing to do with what was written before.
        """
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
