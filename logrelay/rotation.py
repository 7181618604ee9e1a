"""
Which server is next: the rules of failover and failback, and nothing else.

No timer and no connection lives here.  Times come as arguments; answers are values for the client factory to carry
out.  The rules, for *n* servers, the primary being number 0:

=========================================  ===========  =================================================
what happened                              next server  when
=========================================  ===========  =================================================
start                                      primary      at once
an attempt failed                          the next     after ``failover-delay``
*n* attempts in a row failed (a round)     the next     after the growing wait
a proved connection ended by eof or reset  the same     at once (it may only have restarted)
a proved connection ended otherwise        the next     at once
a checkpoint ended well                    the same     at once
enough probes in a row were good           primary      on the last probe's own connection
=========================================  ===========  =================================================

A connection that ended before it was proved is a failed attempt.

After the last server comes the primary again.  Without failback the relay stays where it is; with failback the
primary is probed while a failover is in use.  When connections to *n* servers in a row ended ``stalled`` and nothing
settled meanwhile, every server gets more patience: going round among slow servers would only make them slower.
"""

from __future__ import annotations

from enum import Enum

import attrs

from .config import FailbackSettings
from .servers import Places, moved

#: The number of good probes required grows at most so many times: 8 x 3 probes a minute apart are long enough to
#: see a primary that flaps, and short enough that one that is well again is used the same day.
MAX_DAMPING = 8

#: The stall time grows at most so many times: with 60 s configured, to 16 minutes.
MAX_PATIENCE = 16

#: A proved connection that ended for one of these may have met a restart or an idle timer: its server gets another try.
_WORTH_ANOTHER_TRY = frozenset({"eof", "reset"})


class When(Enum):
    """
    When the next attempt is to be made.
    """

    NOW = "now"
    AFTER_DELAY = "after failover-delay"
    AFTER_ROUND = "after the wait that follows a round"


@attrs.define(eq=False)
class Rotation:
    """
    The rules, applied to one list of servers.

    :ivar count: how many servers there are.
    :ivar failback: how to return to the primary; ``None`` for staying where one is.
    :ivar current: the server that is in use, or to be tried next.
    :ivar rounds: how many rounds have failed since a server proved well.
    :ivar patience: how many times the configured stall time a server may keep its window closed.
    :ivar drained: servers that are not to be used until an operator says so.
    :ivar chosen: whether an operator chose ``current``: it is kept until it fails, without a look at the primary.
    """

    count: int
    failback: FailbackSettings | None = None
    current: int = 0
    rounds: int = 0
    patience: int = 1
    drained: set[int] = attrs.field(factory=set)
    chosen: bool = False
    _failures: int = 0
    _stalls: int = 0
    _goodProbes: int = 0
    _damping: int = 1
    _lastProbe: float | None = None
    _primarySince: float | None = None
    _lostAt: float | None = None
    _returned: bool = False

    def attemptFailed(self, now: float, reason: str) -> When:
        """
        The attempt at ``current`` did not connect, or its connection ended unproved, for ``reason``.
        """
        self._countStalls(reason)
        self._leave(now if self._lostAt is None else self._lostAt)
        self._failures += 1
        if self._failures < self.eligible:
            return When.AFTER_DELAY
        self._failures = 0
        self.rounds += 1
        return When.AFTER_ROUND

    def connectionLost(self, reason: str, now: float) -> When:
        """
        The proved connection to ``current`` ended for ``reason`` (by its name in the specification).
        """
        self._countStalls(reason)
        self._failures = 0
        if reason in _WORTH_ANOTHER_TRY:
            self._lostAt = now
        else:
            self._leave(now)
        return When.NOW

    def connected(self, now: float) -> None:
        """
        ``current`` is connected (verified, where TLS is used).
        """
        self._lostAt = None
        if self.current == 0:
            self._goodProbes = 0
            if self._primarySince is None:
                self._primarySince = now
        elif self._lastProbe is None:
            self._lastProbe = now

    def proved(self) -> None:
        """
        The connection to ``current`` has shown that it delivers.
        """
        self._failures = 0
        self.rounds = 0

    def settled(self) -> None:
        """
        A server took something for good: patience is not needed any more.
        """
        self._stalls = 0
        self.patience = 1

    def _countStalls(self, reason: str) -> None:
        """
        Double the patience when as many connections as there are servers ended stalled, one after the other.
        """
        self._stalls = self._stalls + 1 if reason == "stalled" else 0
        if self._stalls >= self.eligible:
            self._stalls = 0
            self.patience = min(2 * self.patience, MAX_PATIENCE)

    def _leave(self, now: float) -> None:
        """
        Go on to the next server.
        """
        if self.current == 0:
            self._leavePrimary(now)
        self.chosen = False
        self.current = self.after(self.current)

    @property
    def eligible(self) -> int:
        """
        How many servers may be used.
        """
        return self.count - len(self.drained)

    def after(self, server: int) -> int:
        """
        The next server that may be used; the same where there is no other.
        """
        others = ((server + step) % self.count for step in range(1, self.count + 1))
        return next(each for each in others if each not in self.drained)

    def _leavePrimary(self, now: float) -> None:
        """
        Remember how well the primary did.

        :param now: when it ceased to work.
        """
        self._goodProbes = 0
        if self.failback is not None and self._primarySince is not None:
            if now - self._primarySince >= 2 * self.failback.tcpProbeInterval:
                self._damping = 1
            elif self._returned:
                self._damping = min(2 * self._damping, MAX_DAMPING)
        self._primarySince = None
        self._returned = False
        self._lastProbe = None

    def remap(self, places: Places, count: int, now: float) -> None:
        """
        The list of servers is another one, or they are connected to in another way.  The server in use stays that; if
        it is not listed any more, the first one is next.

        :param places: where each server of the old list is in the new one.
        :param count: how many there are now.
        """
        wasPrimary, place = self.current == 0, places[self.current]
        self.count = count
        self.chosen = self.chosen and place is not None
        self.drained = set(moved(self.drained, places))
        if not self.eligible:
            # Those that could be used are not listed any more.
            self.drained = set()
        self.current = place or 0
        if place is None and self.current in self.drained:
            self.current = self.after(self.current)
        # A round, and stalls all round, were those of another list.
        self._failures = self.rounds = self._stalls = 0
        if places[0] != 0:
            # Another server is the primary now, of which nothing is known.
            self._goodProbes = 0
            self._damping = 1
            self._returned = False
        if self.current != 0:
            self._primarySince = None
            self._lastProbe = now if wasPrimary else self._lastProbe
        elif places[0] != 0 or place is None:
            self._lastProbe = None
            self._primarySince = None if place is None else now

    # Failback.

    @property
    def required(self) -> int:
        """
        How many good probes in a row the primary needs now.
        """
        return 0 if self.failback is None else self.failback.successfulProbesRequired * self._damping

    @property
    def goodProbes(self) -> int:
        """
        How many probes in a row were good.
        """
        return self._goodProbes

    def probeDue(self) -> float | None:
        """
        When the next probe is to start; ``None`` where none is: without failback, on the primary, on a server that an
        operator chose, and while the primary is drained.
        """
        if self.failback is None or self.current == 0 or self._lastProbe is None or self.chosen or 0 in self.drained:
            return None
        return self._lastProbe + self.failback.tcpProbeInterval

    def probeStarted(self, now: float) -> bool:
        """
        A probe is being made.

        :return: whether it is the last one required, whose connection is to be kept if it is good.
        """
        self._lastProbe = now
        return self._goodProbes + 1 >= self.required

    def probeFailed(self) -> None:
        """
        A probe was not good: counting starts over.
        """
        self._goodProbes = 0

    def probeSucceeded(self) -> bool:
        """
        A probe was good.

        :return: whether that was enough to return to the primary.
        """
        self._goodProbes += 1
        return self._goodProbes >= self.required

    def returned(self, now: float) -> None:
        """
        The stream has moved to the primary on a probe's connection.
        """
        self._arrived(0)
        self._returned = True
        self.connected(now)

    # An operator's orders.

    def choose(self, server: int, now: float) -> None:
        """
        Another server is to be used, though the one in use has not failed.  It is kept until it fails; the primary is,
        anyway.
        """
        if self.current == 0 != server:
            # It did not fail: how long it was up tells nothing.
            self._primarySince = None
            self._returned = False
            self._lastProbe = None
            self._goodProbes = 0
        self._arrived(server)
        self.chosen = server != 0

    def release(self, now: float) -> None:
        """
        The server in use is not an operator's choice any more.  On a failover the primary is probed an interval later.
        """
        if self.chosen:
            self.chosen = False
            self._lastProbe = now

    def drain(self, server: int, now: float) -> None:
        """
        A server is not to be used.  If it is the one in use or to be tried next, the next one is.

        :raises ValueError: if there is no other.
        """
        if not self.eligible - (server not in self.drained):
            raise ValueError("the last server cannot be drained")
        self.drained.add(server)
        self._failures = 0
        if self.current == server:
            self.choose(self.after(server), now)
            self.chosen = False

    def undrain(self, server: int, now: float) -> None:
        """
        A server may be used again.  If it is the primary, it is probed an interval later.
        """
        if server in self.drained:
            self.drained.remove(server)
            if server == 0 and self.current != 0:
                self._lastProbe = now

    def _arrived(self, server: int) -> None:
        """
        Another server is the current one, by a wish and not by a failure.
        """
        self.current = server
        self._failures = 0
        self._lostAt = None
