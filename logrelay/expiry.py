"""
Warnings before certificates expire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from . import events
from .events import Event, EventLog
from .snapshot import Snapshot

#: How often, in seconds, it is looked.
LOOK = 3600.0

#: Warnings are told when so many days are left, or less (spec 2.4).
THRESHOLDS = (30, 7, 1)

_DAY = 24 * 3600.0


@attrs.frozen
class Certificate:
    """
    One certificate that is in use.  Another one in its place is another one here, as it expires at another time.

    :ivar owner: the destination, or ``sources``.
    :ivar which: whose it is there.
    :ivar notAfter: when it expires, in seconds since the epoch.
    """

    owner: str
    which: str
    notAfter: float


class Expiry:
    """
    Warns of each certificate when 30, 7 and 1 days are left: once each.

    It is looked at the start, each hour, and soon after a connection or a reload, which may have brought other
    certificates.
    """

    def __init__(self, clock: IReactorTime, log: EventLog, snapshot: Callable[[], Snapshot]) -> None:
        """
        :param snapshot: reads what certificates there are now; files that have changed are read before.
        """
        self._clock = clock
        self._log = log
        self._snapshot = snapshot
        self._call: IDelayedCall | None = None
        self._told: dict[Certificate, int] = {}

    def start(self) -> None:
        """
        Look now, and from now on.
        """
        self._told = {}
        self._look()

    def stop(self) -> None:
        """
        Look no more.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def observe(self, event: Event) -> None:
        """
        There may be other certificates now.
        """
        if self._call is not None and isinstance(event, events.Connected | events.Reloaded):
            self._call.reset(0)

    def _look(self) -> None:
        """
        Tell what is to be told, and come back in an hour.
        """
        self._call = self._clock.callLater(LOOK, self._look)
        told = {}
        for each in certificatesOf(self._snapshot()):
            left = (each.notAfter - self._clock.seconds()) / _DAY
            passed = [threshold for threshold in THRESHOLDS if left <= threshold]
            if passed:
                before = self._told.get(each)
                told[each] = passed[-1]
                if before is None or passed[-1] < before:
                    self._log.tell(events.CertificateExpires(each.owner, each.which, int(left // 1)))
        self._told = told


def certificatesOf(snapshot: Snapshot) -> Iterator[Certificate]:
    """
    The certificates that we show, and those that servers have shown last.
    """
    if snapshot.ownNotAfter is not None:
        yield Certificate("sources", "our certificate", snapshot.ownNotAfter)
    for destination in snapshot.destinations:
        if destination.ownNotAfter is not None:
            yield Certificate(destination.name, "our certificate", destination.ownNotAfter)
        for server in destination.servers:
            if server.notAfter is not None:
                yield Certificate(destination.name, f"the certificate of {server.name}", server.notAfter)
