"""
All files that one source follows: which they are, what became of them, and in which order they are to be read.

Rotated by rename, a log stays the same file and only leaves its place.  Rotated by copying and cutting it, what was
in it is in another file: its follower moves there, and a new one begins in its place.  From then on both ways are the
same: one that has left its place is read to its end, then whatever was rotated away unseen, then the one in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import attrs

from ..bookmarks import PRINTED, Bookmark, Identity, Stop
from ..decoding import LineDecoder
from ..progress import Progress
from ..rotated import isRotated, mayBeCopy
from ..routing import IRoute
from .follower import Follower, openFile
from .neighbours import MAX_FILES, Listings, Sight, beside, matched

#: A file that has left its place is kept open until it has been quiet for so many seconds: programs write to it until
#: they are told to open the new one.  After that it is still looked at beside its old place.
GRACE = 60.0

#: So many seconds what was in a file that was cut is looked for; it may just be renamed once more.
SEARCH = 2.0

#: So many seconds a file that is gone from the folder is remembered: it may be moved back, from a backup for example.
REMEMBERED = 24 * 3600.0

#: And so many of them at most.
MAX_REMEMBERED = 1000

#: The times of files are some milliseconds behind the clock.
_COARSE = 0.05


@attrs.define(eq=False)
class Shadow:
    """
    A file beside a followed one, with a name as of a rotated log and the same content: the copy that comes before the
    cut, perhaps still being made.  Open, so that it can be read even if it is compressed and deleted next.
    """

    sight: Sight
    descriptor: int


@attrs.define(eq=False)
class Pack:
    """
    The files of one source.

    :ivar pattern: names those to be followed.
    :ivar decoder: makes a decoder for one file.
    :ivar changed: called when a bookmark has changed.
    :ivar ready: called when a file is to be read.
    :ivar trouble: told of a path and what is wrong with it.
    :ivar lost: told of a file whose content cannot be found any more.
    :ivar seconds: the reactor's time; ``clock``: seconds since the epoch.
    """

    pattern: str
    decoder: Callable[[], LineDecoder]
    route: IRoute
    changed: Callable[[], None]
    ready: Callable[[Follower], None]
    trouble: Callable[[str, str], None]
    fine: Callable[[str], None]
    lost: Callable[[Follower], None]
    seconds: Callable[[], float]
    clock: Callable[[], float]
    _followers: dict[Identity, Follower] = attrs.field(factory=dict)
    _inPlace: dict[str, Follower] = attrs.field(factory=dict)
    _sought: dict[Follower, float] = attrs.field(factory=dict)
    _shadows: dict[Identity, Shadow] = attrs.field(factory=dict)

    def __iter__(self) -> Iterator[Follower]:
        yield from self._followers.values()
        yield from self._sought

    def load(self, marks: list[Bookmark]) -> None:
        """
        Go on where bookmarks are.
        """
        for mark in marks:
            follower = Follower.marked(mark, self.decoder(), self.route, self.changed)
            self._followers[mark.identity] = follower
            if mark.inPlace:
                self._inPlace[mark.path] = follower

    # Looking.

    def look(self) -> None:
        """
        Look what there is now.
        """
        now = self.clock()
        listings = Listings()
        sights = matched(self.pattern, self.trouble)
        if len(sights) > MAX_FILES:
            self.trouble(self.pattern, f"it names more than {MAX_FILES} files; those written to last are followed")
            sights = sights[-MAX_FILES:]
        named = {sight.identity for sight in sights}
        for follower in [each for each in self._followers.values() if each.identity not in named]:
            self._away(follower, listings, now)
        for sight in sights:
            known = self._followers.get(sight.identity)
            if known is None:
                self._newcomer(sight)
            else:
                self._seen(known, sight, now)
        self._seek()
        self._forget(now)

    def _seen(self, follower: Follower, sight: Sight, now: float) -> None:
        """
        A file that is known, by its inode, stands where the pattern names it.
        """
        if follower.descriptor is None and not self._reopen(follower, sight.path):
            # The inode is used again, or the file was cut, while nobody looked.
            self._gone(follower)
            self._newcomer(sight)
            return
        if follower.path != sight.path or self._inPlace.get(sight.path) is not follower:
            if self._inPlace.get(follower.path) is follower:
                del self._inPlace[follower.path]
            rotated = isRotated(os.path.basename(sight.path), os.path.basename(follower.path))
            rotated = rotated or (follower.path == sight.path and not follower.inPlace)
            follower.path = sight.path
            self._take(sight.path, follower)
            follower.inPlace = not rotated
            self.changed()
        follower.placed = now
        if not follower.look(sight.status):
            follower.seen = now
        elif follower.descriptor is not None:
            self.ready(follower)

    def _gone(self, follower: Follower) -> None:
        """
        What was read of a file is not where it was.  It is looked for, unless there was nothing more to come of it.
        """
        self._followers.pop(follower.identity, None)
        if (follower.inPlace or follower.lag) and not follower.blank:
            self._sought[follower] = self.seconds() + SEARCH
            follower.drained = False
            self._seek()
        else:
            follower.drained = True
            follower.close()

    def _take(self, path: str, follower: Follower) -> None:
        """
        A file has come to a path.  What was there before comes first.
        """
        before = self._inPlace.get(path)
        self._inPlace[path] = follower
        follower.inPlace = True
        if before is not None and before is not follower:
            before.inPlace = False
            self._line(before, follower, path)

    def _line(self, first: Follower, last: Follower, path: str) -> None:
        """
        Read one file, then what was rotated away from there unseen, then another.
        """
        line = [first]
        if first not in self._sought:
            since = (first.seen - _COARSE) * 1e9
            for sight in beside(path, isRotated):
                known = sight.identity in self._followers or sight.identity in self._shadows
                if not known and sight.written > since and sight.identity != last.identity:
                    line += self._between(sight)
        for one, other in zip(line, [*line[1:], last], strict=True):
            if not one.drained:
                one.heir, other.after = other, one

    def _between(self, sight: Sight) -> list[Follower]:
        """
        Follow a file that was rotated away unseen.
        """
        try:
            return [self._begin(sight.path, openFile(sight.path))]
        except OSError as error:
            self.trouble(sight.path, error.strerror or str(error))
            return []

    def _reopen(self, follower: Follower, path: str) -> bool:
        """
        Open a known file again.

        :return: whether it is still the one that was read, as far as one may look.
        """
        try:
            descriptor = openFile(path)
        except OSError as error:
            self.trouble(path, error.strerror or str(error))
            return True
        try:
            if follower.matches(descriptor):
                follower.attach(descriptor)
                self.fine(path)
                self.ready(follower)
                return True
        except OSError as error:
            self.trouble(path, error.strerror or str(error))
        os.close(descriptor)
        return False

    def _away(self, follower: Follower, listings: Listings, now: float) -> None:
        """
        A file is not where the pattern names it: it was renamed, or deleted.
        """
        sight = listings.find(follower.path, follower.identity)
        if sight is not None:
            follower.path = sight.path if not follower.inPlace else follower.path
            follower.placed = follower.placed if follower.inPlace else now
        if follower.descriptor is not None:
            if follower.look(os.fstat(follower.descriptor)):
                self.ready(follower)
            elif follower.drained and self.seconds() - follower.quiet > GRACE:
                follower.finish()
                follower.close()
        elif sight is not None:
            news = follower.look(sight.status) and (follower.lag or follower.inPlace)
            if news and not self._reopen(follower, sight.path):
                self._gone(follower)
        elif follower.recent is None and follower.inPlace:
            # It was in its place when the relay last ran.
            self._gone(follower)

    # Newcomers.

    def _newcomer(self, sight: Sight) -> None:
        """
        A file stands where the pattern names it, and is not known.
        """
        folder, name = os.path.split(sight.path)
        try:
            shadow = self._shadows.pop(sight.identity, None)
            descriptor = openFile(sight.path) if shadow is None else shadow.descriptor
            for follower in tuple(self._sought):
                from_, live = os.path.split(follower.path)
                if from_ == folder and mayBeCopy(name, live) and self._moved(follower, descriptor, sight.path):
                    return
            if self._isShadow(sight, descriptor):
                self._shadows[sight.identity] = Shadow(sight, descriptor)
                return
            self._take(sight.path, self._begin(sight.path, descriptor))
        except OSError as error:
            self.trouble(sight.path, error.strerror or str(error))

    def _isShadow(self, sight: Sight, descriptor: int) -> bool:
        """
        Whether a file is a copy of one that is in its place, or may become one.
        """
        folder, name = os.path.split(sight.path)
        size = os.fstat(descriptor).st_size
        for path, live in self._inPlace.items():
            if live.descriptor is None or os.path.dirname(path) != folder:
                continue
            if isRotated(name, os.path.basename(path)):
                same = bool(live.head) and live.matches(descriptor)
                if size == 0 or same or live.growsInto(descriptor, size):
                    return True
        return False

    def _begin(self, path: str, descriptor: int) -> Follower:
        """
        Begin to follow an open file from its beginning.
        """
        progress = Progress(Stop(), self.changed)
        follower = Follower(path, (0, 0), self.decoder(), self.route, progress, self.clock())
        follower.head, follower.recent, follower.quiet = os.pread(descriptor, PRINTED, 0), b"", self.seconds()
        follower.attach(descriptor)
        self._followers[follower.identity] = follower
        self.fine(path)
        self.changed()
        self.ready(follower)
        return follower

    # What was cut.

    def cut(self, follower: Follower) -> None:
        """
        What was read of an open file is not in it any more.  It begins anew, and what was in it is looked for.
        """
        descriptor, follower.descriptor = follower.descriptor, None
        assert descriptor is not None
        placed = self._inPlace.get(follower.path) is follower
        path = follower.path
        self._gone(follower)
        anew = self._begin(path, descriptor)
        if placed:
            self._take(path, anew)
        elif not follower.drained:
            follower.heir, anew.after = anew, follower

    def _seek(self) -> None:
        """
        Look for what was in files that were cut, or are gone.
        """
        for follower, until in list(self._sought.items()):
            if follower in self._sought and not self._find(follower) and self.seconds() >= until:
                del self._sought[follower]
                self.lost(follower)
                follower.finish()
                follower.close()
                self._relink(follower, follower.path)
                self.release(follower)
                follower.drained = True

    def _find(self, follower: Follower) -> bool:
        """
        Look for what was in one file.
        """
        for identity, shadow in list(self._shadows.items()):
            if self._moved(follower, shadow.descriptor, shadow.sight.path):
                del self._shadows[identity]
                return True
        for sight in reversed(beside(follower.path, mayBeCopy)):
            if sight.identity in self._followers or sight.identity in self._shadows:
                continue
            try:
                descriptor = openFile(sight.path)
            except OSError:
                continue
            if self._moved(follower, descriptor, sight.path):
                return True
            os.close(descriptor)
        return False

    def _moved(self, follower: Follower, descriptor: int, path: str) -> bool:
        """
        Go on in another file, if it has what was read.
        """
        try:
            if not follower.matches(descriptor):
                return False
            follower.attach(descriptor)
        except OSError:
            return False
        del self._sought[follower]
        old, follower.path = follower.path, path
        follower.quiet = self.seconds()
        follower.inPlace = False
        self._followers[follower.identity] = follower
        self._relink(follower, old)
        self.changed()
        self.ready(follower)
        return True

    def _relink(self, follower: Follower, path: str) -> None:
        """
        Put what was rotated away unseen between a file that was looked for, and the one in its old place.
        """
        last, follower.heir = follower.heir, None
        if last is not None:
            self._line(follower, last, path)

    # Order, and the end.

    def release(self, follower: Follower) -> None:
        """
        A file was read to its end, or never will be: the next one may be read.
        """
        heir, follower.heir = follower.heir, None
        if heir is not None:
            heir.after = None
            self.ready(heir)

    def _forget(self, now: float) -> None:
        """
        Forget files that are gone, and copies that nobody needed.
        """
        gone = [
            each
            for each in self._followers.values()
            if each.descriptor is None and max(each.seen, each.placed) < now and not each.progress.pending
        ]
        surplus = len(gone) - MAX_REMEMBERED
        for place, follower in enumerate(sorted(gone, key=lambda each: each.seen)):
            if place < surplus or now - follower.seen > REMEMBERED:
                del self._followers[follower.identity]
                if self._inPlace.get(follower.path) is follower:
                    del self._inPlace[follower.path]
        for identity, shadow in list(self._shadows.items()):
            if os.fstat(shadow.descriptor).st_nlink == 0 and now - shadow.sight.written / 1e9 > GRACE:
                os.close(shadow.descriptor)
                del self._shadows[identity]

    def at(self, path: str) -> Follower | None:
        """
        Who is at a path.
        """
        follower = self._inPlace.get(path)
        return follower or next((each for each in self._followers.values() if each.path == path), None)

    def close(self) -> None:
        """
        Follow nothing any more.
        """
        for follower in self:
            follower.close()
        for shadow in self._shadows.values():
            os.close(shadow.descriptor)
        self._shadows.clear()
