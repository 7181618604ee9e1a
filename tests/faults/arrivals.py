"""
When messages arrived: the servers' files are watched as they grow.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path

#: How often the files are looked at, in seconds: the error of each time.
LOOK = 0.002


class Arrivals:
    """
    Notes when each file grew, in a thread of its own.

    :ivar sizes: of each file now, in bytes.
    :ivar times: for each file, when it had grown.
    """

    def __init__(self, outputs: Sequence[Path]) -> None:
        self.sizes = [0] * len(outputs)
        self.times: list[list[float]] = [[] for _ in outputs]
        self._outputs = outputs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            for place, output in enumerate(self._outputs):
                size = output.stat().st_size if output.exists() else 0
                if size != self.sizes[place]:
                    self.times[place].append(time.monotonic())
                    self.sizes[place] = size

    def after(self, place: int, moment: float) -> float | None:
        """
        When a file first grew after a moment; ``None`` if it has not yet.
        """
        return next((each for each in self.times[place] if each > moment), None)

    def gap(self, place: int, since: float, until: float) -> float:
        """
        The longest time that a file did not grow, between two moments, in seconds.
        """
        moments = [since, *(each for each in self.times[place] if since < each < until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def close(self) -> None:
        """
        Look no more.
        """
        self._over.set()
        self._thread.join()
