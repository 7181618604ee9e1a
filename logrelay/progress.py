"""
How far a file is safe: not how far it was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from .bookmarks import Stop
from .store import Secured


@attrs.define(eq=False)
class _Step:
    """
    Some lines under way.

    :ivar open: how many of their batches are not secured.
    """

    stop: Stop
    open: int


class Progress:
    """
    Moves the safe place in one file forward, in the order of the file, however its batches are secured.

    :ivar stop: everything before it is safe.
    """

    def __init__(self, stop: Stop, changed: Callable[[], None]) -> None:
        """
        :param changed: called when ``stop`` has moved.
        """
        self.stop = stop
        self._changed = changed
        self._steps: deque[_Step] = deque()

    @property
    def pending(self) -> bool:
        """
        Whether some of what was read is not safe.
        """
        return bool(self._steps)

    def begin(self, stop: Stop, batches: int) -> Secured:
        """
        Lines are on their way.

        :param stop: where they end.
        :param batches: how many batches they are; none, as of empty lines, are safe at once.
        :return: to be called once for each batch, when it is secured.
        """
        step = _Step(stop, batches)
        self._steps.append(step)

        def secured() -> None:
            step.open -= 1
            self._advance()

        if not batches:
            self._advance()
        return secured

    def _advance(self) -> None:
        """
        Go on to the first lines that are not safe.
        """
        before = self.stop
        while self._steps and self._steps[0].open <= 0:
            self.stop = self._steps.popleft().stop
        if self.stop is not before:
            self._changed()
