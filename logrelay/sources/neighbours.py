"""
What is in the folders where logs are.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable

import attrs

from ..bookmarks import Identity
from .follower import identityOf

#: So many files are followed by one source at most: each takes a descriptor, and a look at it every second.
MAX_FILES = 1000


@attrs.frozen
class Sight:
    """
    A regular file that was seen.
    """

    path: str
    status: os.stat_result

    @property
    def identity(self) -> Identity:
        """
        Which file it is.
        """
        return identityOf(self.status)

    @property
    def written(self) -> int:
        """
        When it was last written to, in nanoseconds since the epoch.
        """
        return self.status.st_mtime_ns


def foldersOf(pattern: str) -> list[str]:
    """
    The folders in which files of a pattern may be.
    """
    folder = os.path.dirname(pattern)
    return glob.glob(folder, recursive=True) if glob.has_magic(folder) else [folder]


def matched(pattern: str, trouble: Callable[[str, str], None]) -> list[Sight]:
    """
    The files that a pattern names, those first that were written to longest ago; each once, whatever names it has.

    :param trouble: told of what is there and is no file that can be read.
    """
    seen: dict[Identity, Sight] = {}
    for path in sorted(glob.glob(pattern, recursive=True)):
        sight = look(path, trouble)
        if sight is not None:
            seen.setdefault(sight.identity, sight)
    return sorted(seen.values(), key=lambda sight: sight.written)


def look(path: str, trouble: Callable[[str, str], None] = lambda path, why: None) -> Sight | None:
    """
    Look at one file.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None  # Just renamed, or a link to something that is not there yet.
    except OSError as error:
        trouble(path, error.strerror or str(error))
        return None
    if not stat.S_ISREG(status.st_mode):
        trouble(path, "it is no regular file")
        return None
    return Sight(path, status)


def beside(path: str, wanted: Callable[[str, str], bool]) -> list[Sight]:
    """
    The files in the folder of a log, those first that were written to longest ago.

    :param wanted: says of a name and the log's name whether it is one of them.
    """
    folder, live = os.path.split(path)
    try:
        names = [name for name in os.listdir(folder) if wanted(name, live)]
    except OSError:
        return []
    sights = (look(os.path.join(folder, name)) for name in names)
    return sorted((sight for sight in sights if sight is not None), key=lambda sight: sight.written)


class Listings:
    """
    The inodes in folders, each folder read once for each look.
    """

    def __init__(self) -> None:
        self._folders: dict[str, dict[int, str]] = {}

    def find(self, path: str, identity: Identity) -> Sight | None:
        """
        Where a file is now that was beside, or at, this path.
        """
        folder = os.path.dirname(path)
        if folder not in self._folders:
            try:
                with os.scandir(folder) as entries:
                    self._folders[folder] = {entry.inode(): entry.path for entry in entries}
            except OSError:
                self._folders[folder] = {}
        name = self._folders[folder].get(identity[1])
        sight = None if name is None else look(name)
        return sight if sight is not None and sight.identity == identity else None
