"""
How far a file is safe: not how far it was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from .bookmarks import Bookmark, Stop
from .store import Secured

#: So many places are kept exactly.  When more are under way (no server takes anything), those close to each other
#: become one: a crash then repeats a little more, and memory is bounded by what was read.
EXACT = 100

#: How close that is, in bytes.
CLOSE = 64 * 1024


@attrs.define(eq=False)
class _Step:
    """
    Some lines under way.

    :ivar begin: where they begin; ``stop``: where they end.
    :ivar open: how many of their batches are not secured.
    """

    begin: int
    stop: Stop
    advance: Callable[[], None]
    open: int = 0

    def secured(self) -> None:
        """
        One more of their batches is.
        """
        self.open -= 1
        if not self.open:
            self.advance()


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
    def last(self) -> Stop:
        """
        Everything before it was read, and is safe or on its way.
        """
        return self._steps[-1].stop if self._steps else self.stop

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
        last = self._steps[-1] if self._steps else _Step(0, self.stop, self._advance)
        if len(self._steps) >= EXACT and stop.offset - last.begin <= CLOSE:
            step = last
            step.stop = stop
        else:
            step = _Step(last.stop.offset, stop, self._advance)
            self._steps.append(step)
        step.open += batches
        if not batches:
            self._advance()
        return step.secured

    def _advance(self) -> None:
        """
        Go on to the first lines that are not safe.
        """
        before = self.stop
        while self._steps and not self._steps[0].open:
            self.stop = self._steps.popleft().stop
        if self.stop is not before:
            self._changed()


@attrs.frozen
class Reading:
    """
    How far a file was read, for whoever goes on there.

    :ivar mark: where that is, be it safe or not.
    :ivar progress: knows how far it is safe; what is under way counts there, whoever has read it.
    """

    mark: Bookmark
    progress: Progress
