"""
What is in the folders where logs are.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import attrs

from ..bookmarks import Identity
from ..rotated import livesOf, mayBeCopy

#: So many files are followed by one source at most: each takes a descriptor, and a look at it every second.
MAX_FILES = 1000

#: Told of a path, and what is wrong with it.
Trouble = Callable[[str, str], None]


def identityOf(status: os.stat_result) -> Identity:
    """
    Which file it is.
    """
    return status.st_dev, status.st_ino


def openFile(path: str) -> int:
    """
    Open a file for reading; what turns out to be a pipe or a device must not hang us.

    :raises OSError: it cannot be opened.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


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
    def version(self) -> tuple[int, int]:
        """
        What changes when it is written to.
        """
        return self.status.st_size, self.status.st_mtime_ns

    @property
    def written(self) -> int:
        """
        When it was last written to, in nanoseconds since the epoch.
        """
        return self.status.st_mtime_ns


def _ignore(path: str, why: str) -> None:
    """
    What is beside a log need not be a file.
    """


def see(path: str, trouble: Trouble = _ignore) -> Sight | None:
    """
    Look at one file.

    :param trouble: told if there is something that is no file.
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


def foldersOf(pattern: str) -> list[str]:
    """
    The folders in which files of a pattern may be.
    """
    folder = os.path.dirname(pattern)
    return glob.glob(folder, recursive=True) if glob.has_magic(folder) else [folder]


@attrs.frozen
class Pattern:
    """
    Tells whether a pattern names a path, as ``glob`` understands it, be there a file or not.
    """

    text: str

    def __call__(self, path: str) -> bool:
        """
        Ask.
        """
        return _names(self.text.split("/"), path.split("/"))


def _names(patterns: list[str], names: list[str]) -> bool:
    """
    Whether patterns name the parts of a path.
    """
    if not patterns or not names:
        return patterns in ([], ["**"]) and not names
    pattern, name = patterns[0], names[0]
    hidden = name.startswith(".") and not pattern.startswith(".")
    if pattern == "**":
        return _names(patterns[1:], names) or (not hidden and _names(patterns, names[1:]))
    return not hidden and fnmatchcase(name, pattern) and _names(patterns[1:], names[1:])


def matched(pattern: str, trouble: Trouble) -> list[Sight]:
    """
    The files that a pattern names, those first that were written to longest ago; each once, whatever names it has.

    :param trouble: told of what is there and cannot be followed.
    """
    seen: dict[Identity, Sight] = {}
    for path in sorted(glob.glob(pattern, recursive=True)):
        sight = see(path, trouble)
        if sight is not None:
            seen.setdefault(sight.identity, sight)
    sights = sorted(seen.values(), key=lambda sight: sight.written)
    if len(sights) > MAX_FILES:
        trouble(pattern, f"it names more than {MAX_FILES} files; those written to last are followed")
    return sights[-MAX_FILES:]


@attrs.frozen
class _Listing:
    """
    One folder.

    :ivar names: by inode.
    :ivar rotated: by the names that their logs may have.
    """

    names: dict[int, str] = attrs.field(factory=dict)
    rotated: dict[str, list[str]] = attrs.field(factory=dict)


class Folders:
    """
    The folders of logs, each read once: made anew for each look.
    """

    def __init__(self) -> None:
        self._listings: dict[str, _Listing] = {}

    def _listing(self, folder: str) -> _Listing:
        """
        What is in a folder; nothing, if it cannot be read.
        """
        if folder not in self._listings:
            listing = self._listings[folder] = _Listing()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        listing.names[entry.inode()] = entry.name
                        for live in livesOf(entry.name):
                            listing.rotated.setdefault(live, []).append(entry.name)
            except OSError:
                pass  # What was in it is gone, as far as we can see.
        return self._listings[folder]

    def find(self, path: str, identity: Identity) -> Sight | None:
        """
        Where a file is now that was seen at this path; in the same folder.
        """
        folder = os.path.dirname(path)
        name = self._listing(folder).names.get(identity[1])
        sight = None if name is None else see(os.path.join(folder, name))
        return sight if sight is not None and sight.identity == identity else None

    def rotated(self, path: str) -> list[Sight]:
        """
        The files that a log may have been rotated to.
        """
        folder, live = os.path.split(path)
        return _seen(folder, self._listing(folder).rotated.get(live, ()))

    def copies(self, path: str) -> list[Sight]:
        """
        The files in which there may be what was in a log, the newest first.
        """
        folder, live = os.path.split(path)
        sights = _seen(folder, (name for name in self._listing(folder).names.values() if mayBeCopy(name, live)))
        return sorted(sights, key=lambda sight: -sight.written)


def _seen(folder: str, names: Iterable[str]) -> list[Sight]:
    """
    Look at some files.
    """
    sights = (see(os.path.join(folder, name)) for name in names)
    return [sight for sight in sights if sight is not None]
