"""
Whether a relay is well: what a watchdog restarts it for.

Only what a restart may mend is an ailment.  A relay that is idle, whose sources wait, or none of whose servers can be
reached is well.  (A reactor that hangs can't say so itself: the watchdog is not fed then.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .destination import Destination
from .failover import Connected, Returning
from .sender import Sender

#: How often, in seconds, it is looked.
LOOK = 1.0

#: A disk thread has to answer within so many seconds: fsync of a disk that works never takes that long.
ANSWER = 10.0

#: A sender that could write has to do so within so many seconds.  It takes milliseconds.
SITTING = 30.0


@attrs.frozen
class _Sat:
    """
    A sender that could have written something, and had not.

    :ivar what: tells this from other times: which sender it is, and what it had sent.
    """

    what: object
    since: float


class Health:
    """
    Looks at destinations once a second.

    :ivar ailments: what is wrong, a sentence each; none in a relay that is well.
    """

    def __init__(self, clock: IReactorTime, destinations: Callable[[], Iterable[Destination]]) -> None:
        """
        :param destinations: those that there are now.
        """
        self._clock = clock
        self._destinations = destinations
        self._call: IDelayedCall | None = None
        self._sat: dict[str, _Sat] = {}
        self.ailments: tuple[str, ...] = ()

    def start(self) -> None:
        """
        Look from now on.
        """
        self._sat, self.ailments = {}, ()
        self._look()

    def stop(self) -> None:
        """
        Look no more.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _look(self) -> None:
        """
        Look, and come back in a second.
        """
        self._call = self._clock.callLater(LOOK, self._look)
        now, found, sat = self._clock.seconds(), [], {}
        for each in self._destinations():
            name = each.settings.name
            silent = 0.0 if each.disk is None else each.disk.ping()
            if silent >= ANSWER:
                found.append(f"{name}: the disk thread of the spool has not answered for {silent:.0f} s")
            sitting = self._sits(each, now)
            if sitting is not None:
                sat[name] = sitting
                if now - sitting.since >= SITTING:
                    found.append(f"{name}: the sender could write, and has not for {now - sitting.since:.0f} s")
        self._sat, self.ailments = sat, tuple(found)

    def _sits(self, destination: Destination, now: float) -> _Sat | None:
        """
        Whether the sender of a destination could write and does not, and since when.
        """
        sender = _senderOf(destination)
        if sender is None or not sender.sits(now):
            return None
        what = (sender, destination.counters.sent)
        before = self._sat.get(destination.settings.name)
        return before if before is not None and before.what == what else _Sat(what, now)


def _senderOf(destination: Destination) -> Sender | None:
    """
    The sender at work; ``None`` while there is none.
    """
    match destination.factory.state:
        case Connected(link) | Returning(link):
            return link.protocol if isinstance(link.protocol, Sender) else None
    return None
