"""
What is told and counted of a destination's servers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

import attrs

from . import events
from .counters import DestinationCounters
from .events import Digest, EventLog
from .failover import CHECKPOINT, FAILBACK, OPERATOR, RELOAD, FailoverObserver
from .link import Link
from .servers import Places, remapped
from .snapshot import SwitchSnapshot

#: So many changes of the server in use are remembered.
SWITCHES = 100

#: What failed rounds, and connections to one server, have in common for the digest.
_ROUND, _CONNECTED = "round", "connected"


@attrs.frozen
class Identity:
    """
    Who a server proved to be.

    :ivar names: those in its certificate.
    :ivar notAfter: when that expires, in UTC.
    """

    names: tuple[str, ...]
    notAfter: datetime

    def __str__(self) -> str:
        return f" ({', '.join(self.names)}, certificate valid until {self.notAfter:%Y-%m-%d})"


@attrs.frozen
class Failed:
    """
    Why a server was given up, and when.
    """

    reason: str
    text: str
    at: float


@attrs.define(eq=False)
class Reporter(FailoverObserver):
    """
    Turns what the client factory does into events and counters.

    :ivar active: the name of the server that was last in use.
    :ivar since: when it was first connected to without another one, or a failure, in between.
    :ivar why: why that one is in use: ``start``, or why the one before it was left or could not be used.
    :ivar failures: why each server was last given up.
    :ivar identities: who each server last proved to be.
    :ivar switches: the last changes of the server in use, the latest first.
    """

    name: str
    servers: tuple[str, ...]
    counters: DestinationCounters
    log: EventLog
    resent: Callable[[], int]
    identityOf: Callable[[Link], Identity | None]
    clock: Callable[[], float]
    active: str | None = None
    since: float | None = None
    why: str = "start"
    failures: dict[int, Failed] = attrs.field(factory=dict)
    identities: dict[int, Identity] = attrs.field(factory=dict)
    switches: deque[SwitchSnapshot] = attrs.field(factory=lambda: deque(maxlen=SWITCHES))
    _digest: Digest = attrs.field(factory=Digest)
    _probeFailure: str = ""

    def remap(self, places: Places, servers: tuple[str, ...]) -> None:
        """
        The list of servers is another one.

        :param places: where each server of the old list is in the new one.
        :param servers: the new list.
        """
        # Who is not listed any more keeps its name, for the event of the switch.
        names = {
            before: servers[place] for before, place in zip(self.servers, places, strict=True) if place is not None
        }
        self.active = names.get(self.active or "", self.active)
        self.failures = remapped(self.failures, places)
        self.identities = remapped(self.identities, places)
        self.servers = servers
        self._digest.forget(_ROUND)

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
        self.failures[server] = Failed(reason, text, self.clock())
        resent = self.resent()
        untold = self._digest.add((self.servers[server], reason), 1, self.clock())
        if untold:
            self.log.tell(events.AttemptFailed(self.name, self.servers[server], reason, text, resent, untold - 1))

    def connected(self, server: int, link: Link, reason: str) -> None:
        """
        Tell it, and whether that is another server than before; but of one that never proves well only now and then.
        """
        name = self.servers[server]
        before, self.active = self.active, name
        self.failures.pop(server, None)
        self._probeFailure = ""
        identity = self.identityOf(link)
        if identity is not None:
            self.identities[server] = identity
        if before == name and reason == CHECKPOINT:
            return
        self.since = self.clock()
        if reason in (FAILBACK, OPERATOR, RELOAD):
            # It was left by our wish: that it is used again would be news.
            self._digest.forget(*((_CONNECTED, each) for each in self.servers))
        told = self._digest.add((_CONNECTED, name), 1, self.clock())
        if told:
            self.log.tell(events.Connected(self.name, name, "" if identity is None else str(identity)))
        if before is None:
            # At the start those before it may have failed.
            latest = max(self.failures.values(), key=lambda failed: failed.at, default=None)
            self.why = reason if latest is None else latest.reason
        elif before != name:
            self.why = reason
            self.counters.switches += 1
            self.switches.appendleft(SwitchSnapshot(self.clock(), before, name, reason))
            # Whoever follows the server in use needs every one.  They are few: a round with nothing proved makes the
            # next one wait.
            self.log.tell(events.Switched(self.name, before, name, reason))

    def lost(self, server: int, link: Link) -> None:
        """
        Tell it.
        """
        assert link.ending is not None
        reason, text = link.ending.reason, link.ending.text
        self.counters.failures[reason] += 1
        self.failures[server] = Failed(reason, text, self.clock())
        name = self.servers[server]
        self._digest.forget(_ROUND, (_CONNECTED, name), *((name, each) for each in self.counters.failures))
        self.log.tell(events.ConnectionEnded(self.name, name, reason, text, self.resent()))

    def roundFailed(self, server: int, wait: float) -> None:
        """
        Tell it now and then, and the first one after a server had proved well.
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
        self._probeFailure = ""
        self.log.tell(events.ProbeSucceeded(self.name, self.servers[0], good, required))

    def probeFailed(self, reason: str, text: str) -> None:
        """
        Tell it, unless the last one failed for the same reason.
        """
        self.counters.probesFailed += 1
        if reason != self._probeFailure:
            self._probeFailure = reason
            self.log.tell(events.ProbeFailed(self.name, self.servers[0], reason, text))
