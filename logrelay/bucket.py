"""
The throttle of a destination: a token bucket.
"""

from __future__ import annotations

import attrs

#: A bucket holds what flows in within so many seconds: enough to even out the reactor's turns, too little to make a
#: burst that a server would notice.
DEPTH = 0.05

#: A debt that is paid off in less than so many seconds is none: it may be what rounding left, and a timer for it would
#: not bring the clock forward.
_SOON = 1e-6


@attrs.define(eq=False)
class Bucket:
    """
    Lets so many messages pass in a second.  It delays and never drops.

    :ivar rate: messages a second.
    """

    rate: float
    _tokens: float = 0.0
    _filledAt: float | None = None

    @property
    def largestBatch(self) -> int:
        """
        How many messages a batch may hold, so that the debt that it leaves stays short.
        """
        return max(1, int(self.rate * DEPTH))

    def wait(self, now: float) -> float:
        """
        How many seconds until a batch may be taken; 0 for now.
        """
        if self._filledAt is not None:
            self._tokens = min(self._tokens + (now - self._filledAt) * self.rate, self.rate * DEPTH)
        self._filledAt = now
        wait = -self._tokens / self.rate
        return wait if wait > _SOON else 0.0

    def take(self, count: int) -> None:
        """
        A batch of ``count`` messages passes, on credit if need be.
        """
        self._tokens -= count
