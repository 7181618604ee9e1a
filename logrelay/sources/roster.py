"""
Which files of a source are known, and to which logs they belong.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator

import attrs

from ..bookmarks import Bookmark, Identity, Stop
from ..decoding import LineDecoder
from ..progress import Progress, Reading
from ..rotated import livesOf
from ..routing import IRoute
from .folders import Sight
from .follower import Follower
from .logs import Log

#: So many seconds what was in a file that was cut is looked for; it may just be renamed once more.
SEARCH = 2.0

#: So many seconds a file that is gone from its folder is remembered: it may be moved back, from a backup for example.
REMEMBERED = 24 * 3600.0

#: And so many of them at most.
MAX_REMEMBERED = 1000


@attrs.define(eq=False)
class Roster:
    """
    The followers of one source, by the files that they follow.

    :ivar decoder: makes a decoder for one file.
    :ivar changed: called when a bookmark has changed.
    :ivar seconds: the reactor's time.
    :ivar logs: by their paths.
    :ivar followers: by the files that have what was read.
    :ivar sought: those whose content is in no file that is known, and until when it is looked for.
    :ivar gone: those whose files have no name any more, and since when, in seconds since the epoch.
    """

    decoder: Callable[[], LineDecoder]
    route: IRoute
    changed: Callable[[], None]
    seconds: Callable[[], float]
    logs: dict[str, Log] = attrs.field(factory=dict)
    followers: dict[Identity, Follower] = attrs.field(factory=dict)
    sought: dict[Follower, float] = attrs.field(factory=dict)
    gone: dict[Follower, float] = attrs.field(factory=dict)

    def __iter__(self) -> Iterator[Follower]:
        # In this order: the first one of two that have the same file is the one that is in it.
        yield from self.followers.values()
        yield from self.sought

    def load(self, readings: Iterable[Reading]) -> None:
        """
        Go on where the last run, or another source, has ended.
        """
        for reading in readings:
            mark = reading.mark
            log = self.log(mark.log, mark.since)
            log.since = max(log.since, mark.since)
            follower = self.resumed(log, reading)
            if mark.identity in self.followers:
                # It was cut, and what was in it is being looked for.
                self.seek(follower)
                continue
            self.followers[mark.identity] = follower
            if mark.path == mark.log:
                log.take(follower)

    def log(self, path: str, since: int) -> Log:
        """
        The log at a path.
        """
        if path not in self.logs:
            self.logs[path] = Log(path, since)
        return self.logs[path]

    def logOf(self, sight: Sight, named: Collection[str]) -> Log:
        """
        The log to which a file belongs, by its name.  One that is new was never written to before that.

        :param named: the paths that the pattern names.
        """
        folder, name = os.path.split(sight.path)
        for live in livesOf(name):
            home = os.path.join(folder, live)
            if home in self.logs or home in named:
                return self.log(home, sight.written)
        return self.log(sight.path, sight.written)

    def new(self, log: Log, path: str) -> Follower:
        """
        A follower from the beginning of a file; it is not among them yet.
        """
        return Follower(log, path, (0, 0), Progress(Stop(), self.changed), self.decoder(), self.route)

    def resumed(self, log: Log, reading: Reading) -> Follower:
        """
        One that goes on where another has ended; it is not among them yet.
        """
        mark = reading.mark
        follower = Follower(log, mark.path, mark.identity, reading.progress, self.decoder(), self.route)
        follower.goOn(mark)
        return follower

    # For who keeps positions.

    def bookmarks(self) -> list[Bookmark]:
        """
        How far the files are safe.
        """
        return [follower.mark for follower in self]

    def readings(self) -> list[Reading]:
        """
        How far they were read.
        """
        return [follower.reading for follower in self]

    def give(self, wanted: Callable[[str], bool]) -> list[Reading]:
        """
        How far the files of some logs were read, which are not among them any more.
        """
        given = [follower for follower in self if wanted(follower.log.path)]
        readings = [follower.reading for follower in given]
        for follower in given:
            self.drop(follower)
            self.sought.pop(follower, None)
        return readings

    def contents(self, log: Log) -> list[Follower]:
        """
        What a file beside a log may be a copy of.
        """
        return [follower for follower in (log.current, *self.sought) if follower is not None and follower.log is log]

    def seek(self, follower: Follower) -> None:
        """
        What was read of a file is to be looked for.
        """
        self.sought[follower] = self.seconds() + SEARCH
        follower.miss()
        if follower.log.current is follower:
            follower.log.displaced()
        elif follower not in follower.log.line:
            follower.log.insert(follower)

    def drop(self, follower: Follower) -> None:
        """
        Its file has something else.
        """
        if self.followers.get(follower.identity) is follower:
            del self.followers[follower.identity]
        self.gone.pop(follower, None)

    def forget(self, now: float) -> None:
        """
        Forget files that are gone, and logs of which nothing is left.
        """
        gone = [each for each in self.gone if each.descriptor is None and not each.progress.pending]
        surplus = len(gone) - MAX_REMEMBERED
        for place, follower in enumerate(gone):
            if place < surplus or now - self.gone[follower] > REMEMBERED:
                self.drop(follower)
                follower.log.leave(follower)
                self.changed()
        used = {follower.log.path for follower in self}
        for path in [path for path in self.logs if path not in used]:
            del self.logs[path]
