"""
What is told and counted of a destination's servers.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from . import events
from .counters import DestinationCounters
from .events import Digest, EventLog
from .failover import CHECKPOINT, FailoverObserver
from .link import Link

#: What all failed rounds have in common, for the digest.
_ROUND = "round"


@attrs.define(eq=False)
class Reporter(FailoverObserver):
    """
    Turns what the client factory does into events and counters.

    :ivar active: the server that was last in use, by its place in the list.
    :ivar failures: why each server was last given up: reason and text.
    """

    name: str
    servers: tuple[str, ...]
    counters: DestinationCounters
    log: EventLog
    resent: Callable[[], int]
    identityOf: Callable[[Link], str]
    clock: Callable[[], float]
    active: int | None = None
    failures: dict[int, tuple[str, str]] = attrs.field(factory=dict)
    _digest: Digest = attrs.field(factory=Digest)

    def attempted(self, server: int) -> None:
        """
        Count it.
        """
        self.counters.attempts += 1

    def attemptFailed(self, server: int, reason: str, text: str) -> None:
        """
        Tell it, but the same of one server only now and then.
        """
        self.counters.failures[reason] += 1
        self.failures[server] = (reason, text)
        untold = self._digest.add((server, reason), 1, self.clock())
        if untold:
            self.log.tell(events.AttemptFailed(self.name, self.servers[server], reason, text, untold - 1))

    def connected(self, server: int, link: Link, reason: str) -> None:
        """
        Tell it, and whether that is another server than before.
        """
        before, self.active = self.active, server
        self.failures.pop(server, None)
        self._digest.forget(_ROUND)
        if before == server and reason == CHECKPOINT:
            return
        self.log.tell(events.Connected(self.name, self.servers[server], self.identityOf(link)))
        if before is not None and before != server:
            self.counters.switches += 1
            self.log.tell(events.Switched(self.name, self.servers[before], self.servers[server], reason))

    def lost(self, server: int, link: Link) -> None:
        """
        Tell it.
        """
        assert link.ending is not None
        reason, text = link.ending.reason, link.ending.text
        self.counters.failures[reason] += 1
        self.failures[server] = (reason, text)
        self._digest.forget(*((server, each) for each in self.counters.failures))
        self.log.tell(events.ConnectionEnded(self.name, self.servers[server], reason, text, self.resent()))

    def roundFailed(self, server: int, wait: float) -> None:
        """
        Tell it now and then, and the first one after a server stood.
        """
        if self._digest.add(_ROUND, 1, self.clock()):
            self.log.tell(events.RoundFailed(self.name, self.servers[server], wait))

    def probing(self) -> None:
        """
        Count it.
        """
        self.counters.probes += 1

    def probed(self, good: int, required: int) -> None:
        """
        Tell it.
        """
        self.log.tell(events.ProbeSucceeded(self.name, self.servers[0], good, required))

    def probeFailed(self, reason: str, text: str) -> None:
        """
        Tell it.
        """
        self.log.tell(events.ProbeFailed(self.name, self.servers[0], reason, text))
