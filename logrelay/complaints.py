"""
What sources say about peers that misbehave and about what they lose: at most once a minute for each reason.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from .events import Digest


class Complaints:
    """
    Says what goes wrong at one source.  A thousand bad peers must not cost a thousand lines: what recurs within the
    minute is summed up in the next line.
    """

    _log = Logger(namespace="logrelay.sources")

    def __init__(self, clock: IReactorTime, source: str) -> None:
        self._clock = clock
        self._source = source
        self._digest = Digest()

    def say(self, reason: str, why: str, count: int = 1) -> None:
        """
        Say that something happened, unless it has been said within the last minute.

        :param reason: what happened, in a word; one of a few.
        :param why: the same as a sentence, with what is special about this case.
        :param count: how often it happened.
        """
        times = self._digest.add(reason, count, self._clock.seconds())
        if times:
            self._log.warn(
                "source {source}: {why} [{reason}, {times} times since last told]",
                source=self._source,
                why=why,
                reason=reason,
                times=times,
            )
