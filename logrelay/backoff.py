"""
How long to wait after a whole round of servers has failed.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

#: The first wait, in seconds.
FIRST = 1.0

#: Each wait is so many times the last one.
FACTOR = 2.0

#: Waits differ by up to this share, so that many relays do not come back to a server at the same moment.
JITTER = 0.2


@attrs.define(eq=False)
class Backoff:
    """
    Growing, jittered waits.

    :ivar longest: no wait is longer (``time-reopen``); the jitter does not pass it either.
    :ivar random: gives numbers from 0 up to 1.
    """

    longest: float
    random: Callable[[], float]
    _next: float = FIRST

    def wait(self) -> float:
        """
        The seconds to wait now.  The answers grow until they reach ``longest``.
        """
        jittered = self._next * (1 + JITTER * (2 * self.random() - 1))
        self._next = min(self._next * FACTOR, self.longest)
        return min(jittered, self.longest)

    def startOver(self) -> None:
        """
        A server has proved well: the next wait is the first one again.
        """
        self._next = FIRST
