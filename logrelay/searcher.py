"""
Senders that look for a poison message: each sends one slice of what is unsettled, and has it confirmed.
"""

from __future__ import annotations

from .batches import Batch
from .encoding import partOf
from .link import UNANSWERED, Ending
from .search import Evidence, Part, Slice, Whole
from .sender import Sender

#: A server has so many seconds to choke on a slice, after its kernel has acknowledged all of it and before our end goes
#: out.  One that closes the connection later than that, with our end unread, looks as if it had read everything.
PAUSE = 0.3


class Searcher(Sender):
    """
    Sends one slice, and then a checkpoint.

    :ivar _first: the store's first batch.
    :ivar _quietSince: when everything was first seen to be acknowledged.
    """

    _slice: Slice
    _first: Batch
    _quietSince: float | None = None

    def connectionMade(self) -> None:
        """
        Find out what to send, and send it.
        """
        delivery, store = self.delivery, self.delivery.store
        first = store.peek(store.settled)
        assert first is not None, "a search is over when everything has settled"
        self._first = first
        self._slice = delivery.search.plan(store.settled, store.end, first.count, delivery.server())
        super().connectionMade()
        some = self._some()
        if some is not None:
            delivery.counters.resent += some.count
            self._count(some)
            self._write(some, delivery.clock.seconds())

    def _some(self) -> Batch | None:
        """
        What to send that is no whole batch.  It is sent beside the store, which counts whole batches only.
        """
        if isinstance(self._slice, Part):
            return partOf(self._first, 0, self._slice.count)
        if isinstance(self._slice, Evidence):
            store, index = self.delivery.store, self._slice.index + 1
            if index < self._first.count:
                return partOf(self._first, index, index + 1)
            behind = store.peek(store.settled + 1 + index - self._first.count)
            return None if behind is None else partOf(behind, 0, 1)
        return None

    def _next(self) -> Batch | None:
        """
        The next batch of a slice of whole ones.
        """
        if isinstance(self._slice, Whole) and self.delivery.store.sent < self._slice.end:
            return super()._next()
        return None

    def _checkpointDue(self, now: float) -> bool:
        """
        When the server has everything, and has had the time to choke on it.
        """
        if not self._isOut():
            self._quietSince = None
        elif self._quietSince is None:
            self._quietSince = now
        return self._quietSince is not None and now - self._quietSince >= PAUSE

    def _isOut(self) -> bool:
        """
        Whether the whole slice is out, and acknowledged.
        """
        if isinstance(self._slice, Whole) and self.delivery.store.sent < self._slice.end:
            return False
        view = self.link.view
        return view.plain(view.sample().acked) >= self._window.written

    def _settleEnd(self, ending: Ending) -> None:
        """
        The server's end confirms the slice.
        """
        if ending.clean:
            self.link.prove()
            self.delivery.search.sliceConfirmed(self._slice, self.delivery.server())
        super()._settleEnd(ending)

    def _ended(self, ending: Ending, sent: int, unsettled: bool) -> None:
        """
        Settle the slice, or remember that it was lost.  A server that did not answer our end says nothing of it.
        """
        delivery = self.delivery
        if ending.clean:
            if isinstance(self._slice, Part):
                delivery.settlePart(self._first, self._slice.count)
        elif ending.reason != UNANSWERED:
            self._sliceLost(ending)

    def _sliceLost(self, ending: Ending) -> None:
        """
        The connection ended with the slice on it.
        """
        delivery, store = self.delivery, self.delivery.store
        candidates = self._first.count > 1 or store.end - store.settled > 1
        if delivery.search.sliceLost(self._slice, delivery.server(), candidates):
            delivery.setFirstAside(self._first, f"servers close the connection at it ({ending.reason})")
