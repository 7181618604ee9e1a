"""
Who waits for what a destination has taken in: for it to settle, or for it to be secured.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

from .delivery import Delivery
from .errors import RelayStopped
from .store import Accepted, IStore, Secured


class Waiters:
    """
    Tells those who wait, in the order in which what they wait for was stored.
    """

    def __init__(self, store: IStore, delivery: Delivery) -> None:
        """
        :param delivery: what is waited for is asked of the server in use through it.
        """
        self._store = store
        self._delivery = delivery
        self._settling: list[tuple[int, Deferred[None]]] = []
        self._securing: deque[tuple[int, Secured]] = deque()
        self._isClosing = False

    def start(self) -> None:
        """
        The destination starts.  What was not secured in the run before is brought again.
        """
        self._isClosing = False
        self._securing.clear()

    def closing(self) -> None:
        """
        A store on disk is being closed: what it drops from now on is not given up, but has to be brought again.
        """
        self._isClosing = True

    def answering(self, accepted: Accepted | None, secured: Secured) -> Accepted:
        """
        What the store has to answer to about a batch, so that somebody is told when it is secured.  What a store in
        memory has taken in is not secured before it has settled.

        :param accepted: who else wants the answer.
        """

        def answered(taken: bool) -> None:
            if accepted is not None:
                accepted(taken)
            # A batch that was taken in is before ``end``; others may be too, if more came in meanwhile.
            store = self._store
            isGivenUp = not taken and not self._isClosing
            if isGivenUp or (taken and (store.durable or store.settled >= store.end)):
                secured()
            else:
                # One that never came on disk before the stop is among them: it has to be brought again.
                self._securing.append((store.end, secured))

        return answered

    def whenSettled(self) -> Deferred[None]:
        """
        Fires when everything that the store has taken in so far has settled.  Fails with
        ``RelayStopped`` if the relay stops before.
        """
        settled: Deferred[None] = Deferred(self._forget)
        self._store.whenTaken(lambda: self._wait(settled))
        return settled

    def _wait(self, settled: Deferred[None]) -> None:
        """
        Fire when all that the store has taken in has settled.
        """
        position = self._store.end
        if self._store.settled >= position:
            settled.callback(None)
            return
        self._delivery.wanted = position
        self._settling.append((position, settled))

    def _forget(self, cancelled: Deferred[None]) -> None:
        """
        Nobody waits for this one any more.
        """
        self._settling = [entry for entry in self._settling if entry[1] is not cancelled]

    def settled(self) -> None:
        """
        More has settled: tell those who waited for it.
        """
        while self._securing and self._securing[0][0] <= self._store.settled:
            self._securing.popleft()[1]()
        while self._settling and self._settling[0][0] <= self._store.settled:
            self._settling.pop(0)[1].callback(None)

    def stopped(self) -> None:
        """
        Nothing more will settle in this run.
        """
        settling, self._settling = self._settling, []
        for _, settled in settling:
            settled.errback(RelayStopped("the relay has stopped before everything had settled"))

    def giveUp(self) -> None:
        """
        The destination has stopped for good: what was not secured is given up, so that nobody brings it again.
        """
        securing, self._securing = self._securing, deque()
        for _, secured in securing:
            secured()
