"""
All files that one source follows: which they are, and what became of them.

Rotated by rename, a log stays the same file and only leaves its place.  Rotated by copying and cutting it, what was
in it is in another file: its follower moves there, and a new one begins in its place.  From then on both ways are the
same: one that has left its place is read to its end, then whatever was rotated away unseen, then the one in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

from .copies import Copies, Copy
from .folders import MAX_FILES, Folders, Sight, Trouble, matched, openFile
from .follower import Follower, Likeness
from .logs import Log
from .roster import Roster

#: A file that has left its place is kept open until it has been quiet for so many seconds: programs write to it until
#: they are told to open the new one.  After that it is still looked at, and opened again when it has grown.
GRACE = 60.0


@attrs.define(eq=False)
class Pack:
    """
    The files of one source.

    :ivar pattern: names those to be followed.
    :ivar roster: those that are known.
    :ivar ready: called when a file is to be read.
    :ivar trouble: told of a path and what is wrong with it; ``fine``: of one with which nothing is.
    :ivar lost: told of a file whose content cannot be found any more.
    :ivar clock: tells the time, in seconds since the epoch, as the times of files are.
    :ivar mostOpen: so many files are kept open at most, beside those that are being read.
    :ivar _paths: who was where at the last look.
    """

    pattern: str
    roster: Roster
    ready: Callable[[Follower], None]
    trouble: Trouble
    fine: Callable[[str], None]
    lost: Callable[[Follower], None]
    clock: Callable[[], float]
    mostOpen: int = MAX_FILES
    _paths: dict[str, Follower] = attrs.field(factory=dict)
    _copies: Copies = attrs.field(factory=Copies)

    # Looking.

    def look(self) -> None:
        """
        Look what there is now.
        """
        now = self.clock()
        folders = Folders()
        here = {sight.identity: sight for sight in matched(self.pattern, self.trouble)}
        named, paths = set(here), {sight.path for sight in here.values()}
        for log in self.roster.logs.values():
            for rotated in folders.rotated(log.path):
                here.setdefault(rotated.identity, rotated)
        seen = set(here)
        for follower in list(self.roster.followers.values()):
            sight = here.get(follower.identity) or folders.find(follower.path, follower.identity)
            here.pop(follower.identity, None)
            if sight is not None and sight.identity in named:
                self._place(follower, sight, paths)
            if not self._known(follower, sight, now) and sight is not None and sight.identity in seen:
                here[sight.identity] = sight
        fresh = [(self.roster.logOf(new, paths), new) for new in here.values()]
        # Those in their places last: what was rotated away comes before them.
        for log, new in sorted(fresh, key=lambda entry: (entry[0].path == entry[1].path, entry[1].written)):
            if new.identity in named or new.written > log.since:
                self._newcomer(log, new)
        self._seek(folders)
        self._copies.clean(seen, now)
        for log in self.roster.logs.values():
            if log.current is not None and log.current.descriptor is not None and not log.current.lag:
                log.since = log.current.written
        self._spare()
        self.roster.forget(now)
        self._paths = {follower.path: follower for follower in self.roster.followers.values()}

    def _spare(self) -> None:
        """
        Close those that were quiet for longest, if too many are open.  They are opened again when they have grown.
        """
        opened = [follower for follower in self.roster if follower.descriptor is not None]
        if len(opened) > self.mostOpen:
            idle = sorted((each for each in opened if each.isIdle), key=lambda each: each.quiet)
            for follower in idle[: len(opened) - self.mostOpen]:
                follower.detach()

    def _place(self, follower: Follower, sight: Sight, named: set[str]) -> None:
        """
        A known file stands where the pattern names it: another log may be there now.
        """
        if sight.path == follower.path:
            return
        log = self.roster.logOf(sight, named)
        if log is not follower.log:
            inLine = follower in follower.log.line
            follower.log.leave(follower)
            follower.log = log
            if inLine:
                log.insert(follower)

    def _known(self, follower: Follower, sight: Sight | None, now: float) -> bool:
        """
        Look at a file that is known by its inode.

        :return: whether it is the one.
        """
        log = follower.log
        if sight is None:
            self.roster.gone.setdefault(follower, now)
        else:
            self.roster.gone.pop(follower, None)
            if sight.path != follower.path:
                follower.path = sight.path
                self.roster.changed()
            if sight.path == log.path and log.current is not follower:
                self._take(log, follower)
            elif sight.path != log.path and log.current is follower:
                log.displaced()
        if follower.descriptor is not None:
            self._watch(follower)
        elif sight is not None:
            # What was not read to its end when the relay last ran may have been cut since, and have grown again.
            isSpared = log.current is follower and follower.opened
            if (follower in log.line and not isSpared) or follower.isNews(sight.status):
                return self._reopen(follower, sight)
        elif log.current is follower and not follower.opened:
            # It stood in its place when the relay last ran.
            self._missing(follower)
        return True

    def _watch(self, follower: Follower) -> None:
        """
        Look at an open file.
        """
        assert follower.descriptor is not None
        try:
            if follower.look(os.fstat(follower.descriptor)):
                if follower.intact():
                    self.ready(follower)
                else:
                    self.cut(follower)
            elif self.roster.seconds() - follower.quiet > GRACE and (
                follower.log.current is not follower or follower in self.roster.gone
            ):
                follower.finish()
                follower.close()
                follower.log.leave(follower)
        except OSError as error:
            # As when a network file system has lost it.  It is opened again at the next look.
            self.trouble(follower.path, error.strerror or str(error))
            follower.detach()

    def _reopen(self, follower: Follower, sight: Sight) -> bool:
        """
        Open a known file again.

        :return: whether it is still the one that was read, as far as one may look.
        """
        descriptor = -1
        try:
            descriptor = openFile(sight.path)
            likeness = follower.likeness(descriptor)
            if likeness is Likeness.ALL:
                follower.attach(descriptor)
                descriptor = -1
                self._goesOn(follower)
                return True
            if likeness is Likeness.PART and follower.log.current is not follower:
                # A copy that has less than was read.
                follower.look(sight.status)
                self.release(follower)
                return True
        except OSError as error:
            self.trouble(sight.path, error.strerror or str(error))
            # It is tried again at the next look; others must not wait for it.
            self.release(follower)
            return True
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        # The inode is used again, or the file was cut, while nobody looked.
        self._missing(follower)
        return False

    def _goesOn(self, follower: Follower) -> None:
        """
        There is something to read in a file.
        """
        follower.quiet = self.roster.seconds()
        if follower.lag and follower not in follower.log.line:
            self._insert(follower.log, follower)
        self.fine(follower.path)
        self.ready(follower)

    # Newcomers.

    def _newcomer(self, log: Log, sight: Sight) -> None:
        """
        A file is not known.
        """
        try:
            if sight.path == log.path:
                if not self._returned(log, sight):
                    self._take(log, self._begin(log, sight.path, openFile(sight.path)))
            elif not self._copies.isCopy(sight, self.roster.contents(log)):
                self._insert(log, self._begin(log, sight.path, openFile(sight.path)))
        except OSError as error:
            self.trouble(sight.path, error.strerror or str(error))

    def _take(self, log: Log, follower: Follower) -> None:
        """
        A file has come to a log's place; now those before it come to their ends.
        """
        log.take(follower)
        self.ready(log.line[0])

    def _insert(self, log: Log, follower: Follower) -> None:
        """
        A file has been rotated away from a log; the same.
        """
        log.insert(follower)
        self.ready(log.line[0])

    def _returned(self, log: Log, sight: Sight) -> bool:
        """
        Go on in a file in which all is that was read of one that is gone: from a backup, or on another disk.
        """
        for follower in tuple(self.roster.sought):
            if follower.log is log:
                copy = Copy(sight, follower)
                if copy.likeness(follower) is Likeness.ALL:
                    self._moved(follower, copy)
                    self._take(log, follower)
                    return True
                copy.close()
        return False

    def _begin(self, log: Log, path: str, descriptor: int) -> Follower:
        """
        Begin to follow an open file from its beginning.
        """
        follower = self.roster.new(log, path)
        follower.attach(descriptor)
        self.roster.followers[follower.identity] = self._paths[path] = follower
        follower.quiet = self.roster.seconds()
        self.fine(path)
        self.roster.changed()
        self.ready(follower)
        return follower

    # What was cut.

    def cut(self, follower: Follower) -> None:
        """
        What was read of an open file is not in it any more.  It begins anew, and what was in it is looked for.
        """
        descriptor, follower.descriptor = follower.descriptor, None
        assert descriptor is not None
        log, current = follower.log, follower.log.current is follower
        self._missing(follower)
        anew = self._begin(log, follower.path, descriptor)
        if current:
            self._take(log, anew)
        else:
            self._insert(log, anew)

    def _missing(self, follower: Follower) -> None:
        """
        What was read of a file is not where it was.  It is looked for, unless there was nothing more to come of it.
        """
        self.roster.drop(follower)
        if (follower in follower.log.line or follower.lag) and not follower.blank:
            self.roster.seek(follower)
        else:
            self._leave(follower)

    def _seek(self, folders: Folders) -> None:
        """
        Look for what was in files that were cut, or are gone.
        """
        for follower, until in list(self.roster.sought.items()):
            copy = self._copies.find(follower, folders, self.roster.followers)
            if copy is not None:
                self._moved(follower, copy)
            elif self.roster.seconds() >= until:
                del self.roster.sought[follower]
                self.lost(follower)
                self._leave(follower)

    def _moved(self, follower: Follower, copy: Copy) -> None:
        """
        Go on in another file.
        """
        follower.path = copy.sight.path
        if copy.descriptor is None:
            # More was read than was copied.
            follower.settle(copy.sight.identity, copy.sight.status)
            follower.finish()
            self.release(follower)
        else:
            follower.attach(copy.descriptor)
            self._goesOn(follower)
        del self.roster.sought[follower]
        self.roster.followers[follower.identity] = follower
        self.roster.changed()

    def _leave(self, follower: Follower) -> None:
        """
        Follow a file no more.
        """
        follower.finish()
        follower.close()
        follower.log.leave(follower)
        self.release(follower)
        self.roster.changed()

    # Order, and the end.

    def release(self, follower: Follower) -> None:
        """
        A file was read to its end, or cannot be: the next one may be read.
        """
        log = follower.log
        if log.current is not follower:
            log.leave(follower)
        if log.line and log.line[0] is not follower:
            self.ready(log.line[0])

    def at(self, path: str) -> Follower | None:
        """
        Who is at a path, as it was when it was last looked at.
        """
        return self._paths.get(path)

    def close(self) -> None:
        """
        Follow nothing any more.
        """
        for follower in self.roster:
            follower.close()
        self._copies.close()
