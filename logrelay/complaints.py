"""
What recurs, told at most once a minute, and all of it in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .eventlogger import logEvent
from .events import QUIET, Digest, Observer, SourceTrouble


class Reminder:
    """
    Tells how often something happened: at once the first time, and what came after that a minute later.
    """

    def __init__(self, clock: IReactorTime, tell: Callable[[Hashable, int], None]) -> None:
        """
        :param tell: told what happened, and how often.
        """
        self._clock = clock
        self._tell = tell
        self._digest = Digest()
        self._due: IDelayedCall | None = None

    def add(self, key: Hashable, count: int = 1) -> None:
        """
        Something happened.
        """
        untold = self._digest.add(key, count, self._clock.seconds())
        if untold:
            self._tell(key, untold)
        elif self._due is None:
            self._due = self._clock.callLater(QUIET, self.flush)

    def flush(self) -> None:
        """
        Tell what was not told: a minute is over, or nothing more will happen.
        """
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due = None
        for key, count in self._digest.rest(self._clock.seconds()).items():
            self._tell(key, count)


class Complaints:
    """
    Says what goes wrong at one source.  A thousand bad peers must not cost a thousand lines: what recurs within the
    minute is summed up in the next event.
    """

    def __init__(self, clock: IReactorTime, source: str, tell: Observer = logEvent) -> None:
        self._source = source
        self._tell = tell
        self._reminder = Reminder(clock, self._remind)
        self._whys: dict[Hashable, str] = {}

    def say(self, reason: str, why: str, count: int = 1) -> None:
        """
        Say that something happened, unless it has been said within the last minute.

        :param reason: what happened, in a word; one of a few.
        :param why: the same as a sentence, with what is special about this case.
        :param count: how often it happened.
        """
        self._whys[reason] = why
        self._reminder.add(reason, count)

    def _remind(self, reason: Hashable, times: int) -> None:
        """
        Tell of it, as it was the last time.
        """
        self._tell(SourceTrouble(self._source, str(reason), self._whys[reason], times))

    def flush(self) -> None:
        """
        Say what was not said: the source stops.
        """
        self._reminder.flush()
