"""
The search for a poison message: one at which every server that sees it closes the connection.

A relay that sends again what a lost connection left unsettled would offer such a message to one server after the other
for ever, and whatever waits behind it would never arrive.  Which message it is cannot be seen from outside: at the loss
many are out, and the first of them is nearly always innocent.  So after some losses in a row in which nothing settled,
the sender searches.  It sends a *slice* of what is unsettled, gives the server a moment to choke on it, half-closes the
connection, and wants to see the server's own clean end:

=====================  ================================================================================================
a slice was            then
=====================  ================================================================================================
confirmed              it settles, and the next one is what was lost before and is left; if nothing is, all the rest
lost                   the next slice is half of it
lost, and one message  the message is suspected.  It is set aside when that has happened twice, each time on a server
                       that had just confirmed other data
=====================  ================================================================================================

So before a slice is sent, and after each loss, the server has to show that it is well: it is sent some other message
than the first (*evidence*), which does not settle by that and is sent once more later.  Where nothing else is there to
be sent, what the server confirmed earlier in this search has to do.  If no server ever confirms anything, that is an
outage and no poison: nothing is set aside, however long it lasts, and little is sent.

No clock and no connection lives here; positions are those of :mod:`logrelay.store`.
"""

from __future__ import annotations

import attrs

from .servers import Places, moved

#: So many losses in a row begin a search, if they were on two servers (where there are two).
LOSSES = 3

#: So many begin one though all were on one server: the others may be down, and would never see the message.
LOSSES_ON_ONE = 6

#: So often a message has to be lost alone, and more often where servers are being restarted, which loses anything: by
#: how often evidence was lost during the search, chance alone must be less likely than this.
LOST_ALONE, BY_CHANCE = 2, 1 / 200


@attrs.frozen
class Whole:
    """
    A slice of whole batches.

    :ivar end: the store's position behind it.
    """

    end: int


@attrs.frozen
class Part:
    """
    A slice of the store's first batch.

    :ivar count: so many messages from its beginning.
    """

    count: int


@attrs.frozen
class Evidence:
    """
    One message behind the suspect.

    :ivar index: which of the candidates: those of the first batch behind its first message, then the first messages of
        the batches behind it; counted from 0.
    """

    index: int


Slice = Whole | Part | Evidence


@attrs.define(eq=False)
class Search:
    """
    What is known of a destination's losses, and of a search that they led to.

    :ivar servers: how many servers there are.
    :ivar until: the search ends when everything before this position has settled; ``None`` where there is no search.
    :ivar _bad: something before this position was lost when everything before it was sent; ``None`` if not known.
    :ivar _suspects: something in so many first messages of the first batch was lost; 0 if it is not known so exactly.
    :ivar _alone: how often the first message was lost alone.
    :ivar _tried: how often evidence was lost.
    :ivar _noise: how often it was, after any server had confirmed something in this search; ``_confirmations`` is how
        often anything was confirmed.
    :ivar _well: servers that have confirmed something since something was last lost there.
    :ivar _confirmed: servers that have confirmed anything in this search.
    """

    servers: int
    until: int | None = None
    _losses: list[int] = attrs.field(factory=list)
    _bad: int | None = None
    _suspects: int = 0
    _alone: int = 0
    _tried: int = 0
    _noise: int = 0
    _confirmations: int = 0
    _well: set[int] = attrs.field(factory=set)
    _confirmed: set[int] = attrs.field(factory=set)

    # Losses.

    def lost(self, server: int, sent: int) -> None:
        """
        A connection to ``server`` was lost with something unsettled; everything before ``sent`` had been written.
        """
        if self.until is not None:
            return
        self._losses = [*self._losses[1 - LOSSES_ON_ONE :], server]
        enough = LOSSES if len(set(self._losses)) > 1 or self.servers == 1 else LOSSES_ON_ONE
        if len(self._losses) >= enough:
            self.until = self._bad = sent

    def settled(self, position: int) -> None:
        """
        Something has settled, up to ``position``: losses before that were none of a poison message.
        """
        self._losses.clear()
        self.active(position)

    def active(self, settled: int) -> bool:
        """
        Whether a search is on.

        :param settled: the position of the first batch that has not settled.
        """
        if self._bad is not None and settled >= self._bad:
            # Settled, or given up to make room: what was held against it is not held against what is behind it.
            self._forgetSuspect()
        if self.until is not None and settled >= self.until:
            self._over()
        return self.until is not None

    def _over(self) -> None:
        """
        Everything that was suspected has settled.
        """
        self.until = None
        self._noise = self._confirmations = 0
        self._forgetSuspect()
        self._well.clear()
        self._confirmed.clear()

    def remap(self, places: Places, servers: int) -> None:
        """
        The list of servers is another one.  What was seen at those that are not in it does not count any more.

        :param places: where each server of the old list is in the new one.
        :param servers: how many there are now.
        """
        self.servers = servers
        self._losses = list(moved(self._losses, places))
        self._well = set(moved(self._well, places))
        self._confirmed = set(moved(self._confirmed, places))

    # Slices.

    def plan(self, settled: int, end: int, first: int, server: int) -> Slice:
        """
        What to send over a new connection.

        :param settled: the position of the first batch that has not settled.
        :param end: the store's end.
        :param first: how many messages that batch holds.
        :param server: which server it is.
        """
        assert self.until is not None
        if not first:
            # Nothing is left of that batch to be suspected, and by itself it settles.
            return Whole(settled + 1)
        candidates = first - 1 + end - settled - 1
        if candidates and not self.knows(server):
            return Evidence(self._tried % candidates)
        if self._bad is None:
            return Whole(self.until)
        if self._bad - settled > 1:
            return Whole(settled + (self._bad - settled) // 2)
        self._suspects = self._suspects or first
        return Part(max(1, self._suspects // 2))

    def knows(self, server: int) -> bool:
        """
        Whether a server is known to be well: if it loses what it is sent now, that is the message's fault.
        """
        return server in self._well

    def sliceConfirmed(self, which: Slice, server: int) -> None:
        """
        The server has confirmed a slice.  What a part settles is told by :meth:`settled` after this.
        """
        if self.until is None:
            return
        self._confirmations += 1
        self._well.add(server)
        self._confirmed.add(server)
        if isinstance(which, Part):
            self._alone = self._tried = 0
            self._suspects -= which.count
            if not self._suspects:
                self._bad = None

    def sliceLost(self, which: Slice, server: int, candidates: bool) -> bool:
        """
        The connection was lost with a slice on it.

        :param candidates: whether there is anything that could be evidence.
        :return: whether the first message is to be set aside now.
        """
        well = self.knows(server) or (not candidates and server in self._confirmed)
        self._well.discard(server)
        match which:
            case Whole(end):
                self._bad, self._suspects = end, 0
            case Evidence():
                # It may be poison too: next time it is another one.
                self._tried += 1
                self._noise += bool(self._confirmed)
            case Part(count) if count > 1:
                self._suspects = count
            case Part():
                self._suspects = 1
                self._alone += well
                return self._alone >= LOST_ALONE and self._chance() ** self._alone < BY_CHANCE
        return False

    def _chance(self) -> float:
        """
        How likely it is that a connection is lost whatever is sent over it (by Laplace's rule of succession, so that a
        few that were confirmed do not prove much).
        """
        return (self._noise + 1) / (self._noise + self._confirmations + 2)

    def setAside(self) -> None:
        """
        The suspect is in the dead-letter file.
        """
        self._forgetSuspect()

    def _forgetSuspect(self) -> None:
        """
        The suspect is not in the store any more: nothing is known of what is behind it.
        """
        self._bad = None
        self._suspects = self._alone = self._tried = 0
