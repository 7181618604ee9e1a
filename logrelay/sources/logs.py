"""
What stands, and stood, at one path: a log.
"""

from __future__ import annotations

import attrs

from .follower import Follower


@attrs.define(eq=False)
class Log:
    """
    The files of one log, in their order.

    :ivar path: where programs write to it.
    :ivar since: when it had been written to when it was last seen with nothing unread, in nanoseconds since the epoch.
        What has been rotated away unseen was written to after that.  Both are times of files: no clock comes in.
    :ivar current: the file that stands there; ``None`` where there is none, or it is not known.
    :ivar line: those that are not read to their end, the oldest first, the current one always last.  Each is read when
        those before it have been, so that lines arrive in their order.
    """

    path: str
    since: int
    current: Follower | None = None
    line: list[Follower] = attrs.field(factory=list)

    def take(self, follower: Follower) -> None:
        """
        A file stands in the place now; the one before has left it.
        """
        self.leave(follower)
        self.current = follower
        self.line.append(follower)

    def insert(self, follower: Follower) -> None:
        """
        A file has been rotated away from here.
        """
        place = len(self.line) - (self.current is not None)
        self.line.insert(place, follower)

    def displaced(self) -> None:
        """
        The current file has left its place.
        """
        self.current = None

    def leave(self, follower: Follower) -> None:
        """
        A file is read to its end, or cannot be.
        """
        if self.current is follower:
            self.current = None
        if follower in self.line:
            self.line.remove(follower)

    def mayRead(self, follower: Follower) -> bool:
        """
        Whether it is the turn of a file.  What comes after a file was read to its end, from a program that still has it
        open, waits for nobody.
        """
        return follower not in self.line or self.line[0] is follower
