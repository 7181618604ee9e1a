"""
Senders that look for a poison message: each sends one slice of what is unsettled, and has it confirmed.
"""

from __future__ import annotations

from .batches import Batch
from .encoding import partOf
from .link import UNANSWERED, Ending
from .relpsender import RelpSender
from .search import Evidence, Part, Slice, Whole
from .sender import Sender

#: A server has so many seconds to choke on a slice, after its kernel has acknowledged all of it and before our end goes
#: out.  One that closes the connection later than that, with our end unread, looks as if it had read everything.
PAUSE = 0.3


class SliceSender(Sender):
    """
    Sends one slice, then ends the connection.  What confirms the slice is for its subclasses to say.

    :ivar _first: the store's first batch.
    :ivar _confirmed: whether the slice was confirmed.
    """

    _slice: Slice
    _first: Batch
    _confirmed = False

    def connectionMade(self) -> None:
        """
        Find out what to send, and send it.
        """
        delivery, store = self.delivery, self.delivery.store
        first = store.peek(store.settled)
        assert first is not None, "a search is over when everything has settled"
        if delivery.search.knows(delivery.server()):
            # What is lost here is no sign of an outage, and nothing to wait for.
            self.link.prove()
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

    def _hasNext(self) -> bool:
        """
        Whether the slice has a batch that is not written.
        """
        return not self._isWritten() and super()._hasNext()

    def _isWritten(self) -> bool:
        """
        Whether the whole slice has been written.
        """
        return not isinstance(self._slice, Whole) or self.delivery.store.sent >= self._slice.end

    def _confirms(self, ending: Ending) -> bool:
        """
        Whether the slice is confirmed, now that the connection has ended.
        """
        raise NotImplementedError

    def _settleEnd(self, ending: Ending) -> None:
        """
        See whether the slice is confirmed.
        """
        self._confirmed = self._confirms(ending)
        if self._confirmed:
            self.link.prove()
            self.delivery.search.sliceConfirmed(self._slice, self.delivery.server())
        super()._settleEnd(ending)

    def _ended(self, ending: Ending, sent: int, unsettled: bool) -> None:
        """
        Settle the slice, or remember that it was lost.  An end that we began, and that does not confirm it, says
        nothing of it.
        """
        if self._confirmed:
            if isinstance(self._slice, Part):
                self.delivery.settlePart(self._first, self._slice.count)
        elif not ending.clean and ending.reason != UNANSWERED:
            self._sliceLost(ending)

    def _sliceLost(self, ending: Ending) -> None:
        """
        The connection ended with the slice on it.
        """
        delivery, store = self.delivery, self.delivery.store
        candidates = self._first.count > 1 or store.end - store.settled > 1
        if delivery.search.sliceLost(self._slice, delivery.server(), candidates):
            delivery.setFirstAside(self._first, f"servers close the connection at it ({ending.reason})")


class Searcher(SliceSender):
    """
    Has a slice confirmed by a checkpoint.

    :ivar _quietSince: when everything was first seen to be acknowledged.
    """

    _quietSince: float | None = None

    def _checkpointDue(self, now: float) -> bool:
        """
        When the server has everything, and has had the time to choke on it.
        """
        view = self.link.view
        if not self._isWritten() or view.plain(view.sample().acked) < self._window.written:
            self._quietSince = None
        elif self._quietSince is None:
            self._quietSince = now
        return self._quietSince is not None and now - self._quietSince >= PAUSE

    def _confirms(self, ending: Ending) -> bool:
        """
        The server read to our end.
        """
        return ending.clean


class RelpSearcher(SliceSender, RelpSender):
    """
    Has a slice confirmed by answers.
    """

    def _checkpointDue(self, now: float) -> bool:
        """
        When everything was answered, or the session has no numbers left.
        """
        return (self._isWritten() and not self._out) or super()._checkpointDue(now)

    def _confirms(self, ending: Ending) -> bool:
        """
        Every message of the slice was answered with 200, and there was one: a batch may be empty, when all of its
        messages were answered and one before it was not taken.
        """
        return self._accepted > 0 and self._isWritten() and not self._out
