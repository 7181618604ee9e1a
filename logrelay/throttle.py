"""
Back-pressure: holds the producers of one source while the store of a destination that it feeds is too full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger


class Throttle:
    """
    Pauses the producers of one source while at least one reason holds.

    Reasons are counted by name, so that several destinations may hold the same source at once.  Every producer is in
    one of two queues, by what it was last told; so each is told once at each edge, whatever happens while others are
    being told: a resumed producer may deliver at once and fill the store again, and a connection may end.  The queues
    are served from the front and filled at the back, and one that delivers goes to the back: where there is room for
    only a few, those come first that have waited longest, and the greedy do not starve the others.
    """

    _log = Logger(namespace="logrelay.throttle")

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self._running: OrderedDict[IPushProducer, None] = OrderedDict()
        self._paused: OrderedDict[IPushProducer, None] = OrderedDict()

    @property
    def held(self) -> frozenset[str]:
        """
        The reasons that hold now; empty where the source is read.
        """
        return frozenset(self._reasons)

    @property
    def waiting(self) -> int:
        """
        How many producers are paused now.
        """
        return len(self._paused)

    def add(self, producer: IPushProducer) -> None:
        """
        Hold a producer from now on whenever a reason holds; at once, if one does.
        """
        self._running[producer] = None
        self._apply()

    def remove(self, producer: IPushProducer) -> None:
        """
        Forget a producer, which is told nothing any more.  One that is not known is no error.
        """
        self._running.pop(producer, None)
        self._paused.pop(producer, None)

    def served(self, producer: IPushProducer) -> None:
        """
        Note that a producer is about to deliver.  One that is not known, or paused, is no error.
        """
        if producer in self._running:
            self._running.move_to_end(producer)

    def hold(self, reason: str) -> None:
        """
        Pause all producers, unless another reason has already done it.
        """
        self._reasons.add(reason)
        self._apply()

    def release(self, reason: str) -> None:
        """
        Take a reason away, and resume all producers if it was the last one.  One that does not hold is no error.
        """
        self._reasons.discard(reason)
        self._apply()

    def _apply(self) -> None:
        """
        Tell each producer that has not been told yet.  What it does on being told may come back here.
        """
        while self._reasons and self._running:
            producer, _ = self._running.popitem(last=False)
            self._paused[producer] = None
            self._tell(producer, producer.pauseProducing)
        while self._paused and not self._reasons:
            producer, _ = self._paused.popitem(last=False)
            self._running[producer] = None
            self._tell(producer, producer.resumeProducing)

    def _tell(self, producer: IPushProducer, request: Callable[[], None]) -> None:
        """
        Ask something of one producer.  One that fails is forgotten: it must not take the others with it.
        """
        try:
            request()
        except Exception:
            self._log.failure("a producer failed when it was paused or resumed: {producer}", producer=producer)
            self.remove(producer)
