"""
Copies of logs, which were made, or are being made, before the logs are cut.

A copy is not read as long as the log has what is in it.  When the log is cut, what was not read of it is read from the
copy.  Which file is one is told by its content: names say nothing.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable

import attrs

from ..bookmarks import Identity
from .folders import Folders, Sight, openFile
from .follower import Follower, Likeness

#: Seconds that a copy is kept open after it was written to, so that it can be read even when it has been compressed
#: and removed.
KEPT_OPEN = 60.0


@attrs.define(eq=False)
class Copy:
    """
    A file with the content of another.

    :ivar of: whose content it has.
    :ivar descriptor: ``None`` when it is closed.
    """

    sight: Sight
    of: Follower
    descriptor: int | None = None

    def likeness(self, follower: Follower) -> Likeness:
        """
        What it has of what was read of a file.

        :raises OSError: it cannot be read.
        """
        if self.descriptor is None:
            self.descriptor = openFile(self.sight.path)
        return follower.likeness(self.descriptor)

    def close(self) -> None:
        """
        Close it.
        """
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Copies:
    """
    The copies that were seen.
    """

    def __init__(self) -> None:
        self._copies: dict[Identity, Copy] = {}

    def isCopy(self, sight: Sight, contents: Iterable[Follower]) -> bool:
        """
        Whether a file is a copy, or may become one: the beginning of a copy that is being made.

        :param contents: what it may be a copy of.
        :raises OSError: it cannot be read.
        """
        known = self._copies.get(sight.identity)
        if known is not None:
            if known.sight.version == sight.version:
                known.sight = sight
                return True
            self._copies.pop(sight.identity).close()
            contents = [*contents, known.of]
        for follower in contents:
            copy = Copy(sight, follower)
            if not follower.blank and copy.likeness(follower) is not Likeness.NONE:
                self._copies[sight.identity] = copy
                return True
            copy.close()
        return False

    def find(self, follower: Follower, folders: Folders, followed: Container[Identity]) -> Copy | None:
        """
        Find what was in a file that is cut, or gone.

        :param followed: files that are none, since they are followed themselves.
        :return: an open file with all that was read, if there is one; else one, closed, that has some of it, and
            nothing more.
        """
        sights = (sight for sight in folders.copies(follower.log.path) if sight.identity not in followed)
        unknown = (Copy(sight, follower) for sight in sights if sight.identity not in self._copies)
        part = None
        for copy in [*self._copies.values(), *unknown]:
            try:
                likeness = copy.likeness(follower)
            except OSError:
                likeness = Likeness.NONE  # It is gone, or not for us to read.
            if likeness is Likeness.ALL:
                self._copies.pop(copy.sight.identity, None)
                return copy
            if likeness is Likeness.PART and follower.tells(copy.sight.status.st_size):
                part = copy
            if copy.sight.identity not in self._copies:
                copy.close()
        if part is not None:
            self._copies.pop(part.sight.identity, None)
            part.close()
        return part

    def clean(self, seen: Container[Identity], now: float) -> None:
        """
        Close copies that were made long ago, and forget those that are not seen any more.
        """
        for identity, copy in list(self._copies.items()):
            if now - copy.sight.written / 1e9 > KEPT_OPEN:
                copy.close()
                if identity not in seen:
                    del self._copies[identity]

    def close(self) -> None:
        """
        Forget all.
        """
        for copy in self._copies.values():
            copy.close()
        self._copies.clear()
