"""
The file of positions: what file sources have relayed, kept over restarts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from .bookmarks import Bookmark, decodeBookmarks, encodeBookmarks
from .eventlogger import logEvent
from .events import Observer, PositionsTrouble
from .progress import Progress, Reading

#: Seconds between two saves.  So much is relayed again, at most, after a crash, beside what was not safe.
SAVE_INTERVAL = 1.0

#: Seconds until a save that failed is tried again.
RETRY = 10.0

#: Runs something elsewhere, so that the reactor does not wait for the disk; fires when it is done.
Elsewhere = Callable[[Callable[[], None]], "Deferred[None]"]


class Files(Protocol):
    """
    The files of one source, be it there or not.
    """

    def bookmarks(self) -> list[Bookmark]:
        """
        How far they are safe.
        """

    def readings(self) -> list[Reading]:
        """
        How far they were read.
        """

    def give(self, wanted: Callable[[str], bool]) -> list[Reading]:
        """
        How far the files of some logs were read, which are not among them any more.

        :param wanted: which logs, by their paths.
        """


@attrs.frozen
class Saved:
    """
    Those that a run before has left.
    """

    _marks: list[Bookmark]
    _changed: Callable[[], None]

    def bookmarks(self) -> list[Bookmark]:
        """
        See :class:`Files`; so are the others.
        """
        return self._marks

    def readings(self) -> list[Reading]:
        return [self._reading(mark) for mark in self._marks]

    def _reading(self, mark: Bookmark) -> Reading:
        """
        What was not safe when the run ended has to be read again.
        """
        return Reading(mark, Progress(mark.stop, self._changed))

    def give(self, wanted: Callable[[str], bool]) -> list[Reading]:
        given = [mark for mark in self._marks if wanted(mark.log)]
        self._marks[:] = [mark for mark in self._marks if not wanted(mark.log)]
        return [self._reading(mark) for mark in given]


class Positions:
    """
    Saves the bookmarks of all file sources, soon after they have changed: one save at a time, always the newest state.

    :ivar sources: the names of the sources that there are.
    :ivar path: ``file-positions.json`` in ``state-dir``; beside it the one before, ``file-positions.previous.json``.
    """

    def __init__(self, reactor: IReactorTime, folder: str, elsewhere: Elsewhere, tell: Observer = logEvent) -> None:
        self.path = Path(folder) / "file-positions.json"
        self.previous = self.path.with_name("file-positions.previous.json")
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._tell = tell
        self.sources: Collection[str] = ()
        self._known: dict[str, Files] | None = None
        self._due: IDelayedCall | None = None
        self._saving: Deferred[None] | None = None
        self._dirty = False
        self._failed = ""

    @property
    def known(self) -> dict[str, Files]:
        """
        What is known, by the names of sources; also of those that are not there any more.
        """
        if self._known is None:
            self._known = {name: Saved(marks, self.changed) for name, marks in self._load().items()}
        return self._known

    def of(self, source: str, names: Callable[[str], bool]) -> list[Reading]:
        """
        How far the files of a source were read: by itself, or by one that is not there any more.  What that has read is
        this one's from now on.

        :param names: whether the source follows the log at a path.
        """
        readings = self.known[source].readings() if source in self.known else []
        for name in [name for name in self.known if name not in self.sources]:
            files = self.known[name]
            own = {reading.mark.log for reading in readings}
            readings += files.give(lambda log, own=own: names(log) and log not in own)  # type: ignore[misc]
            if not files.bookmarks():
                del self.known[name]
        return readings

    def follow(self, source: str, files: Files) -> None:
        """
        Keep what a source says of its files from now on.
        """
        self.known[source] = files

    def _load(self) -> dict[str, list[Bookmark]]:
        """
        What was saved last, or before that, if the last cannot be read.
        """
        for path in (self.path, self.previous):
            try:
                return decodeBookmarks(path.read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._tell(PositionsTrouble(str(path), f"cannot be read ({error}), so that lines may be repeated"))
        return {}

    def changed(self) -> None:
        """
        Save soon.
        """
        self._dirty = True
        if self._due is None and self._saving is None:
            self._due = self._reactor.callLater(RETRY if self._failed else SAVE_INTERVAL, self._save)

    def _save(self) -> Deferred[None]:
        """
        Save now; nothing is being saved.
        """
        self._due = None
        self._dirty = False
        marks = {name: list(files.bookmarks()) for name, files in self.known.items()}
        saving: Deferred[None] = Deferred()
        self._saving = saving
        self._elsewhere(lambda: self._write(marks)).addCallbacks(self._saved, self._notSaved).chainDeferred(saving)
        return saving

    def _saved(self, _: None) -> None:
        """
        Go on with what has changed meanwhile.
        """
        self._saving, self._failed = None, ""
        if self._dirty:
            self.changed()

    def _notSaved(self, reason: Failure) -> None:
        """
        Say so, once, and try again later.
        """
        self._saving = None
        why = getattr(reason.value, "strerror", None) or str(reason.value)
        if why != self._failed:
            self._tell(PositionsTrouble(str(self.path), f"cannot be saved ({why}), so that a restart repeats lines"))
        self._failed = why
        self.changed()

    def _write(self, marks: dict[str, list[Bookmark]]) -> None:
        """
        Put a new file in the place of the old one, which is kept too.  In another thread.
        """
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name("file-positions.new.json")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(encodeBookmarks(marks))
            file.flush()
            os.fsync(descriptor)
        if self.path.exists():
            os.replace(self.path, self.previous)
        os.replace(new, self.path)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    async def stop(self) -> None:
        """
        Save what is not saved, and save no more: nothing is under way, and what is not safe is never going to be.
        """
        if self._saving is not None:
            await self._saving
        self._cancel()
        if self._known and self._dirty:
            await self._save()
        self._cancel()
        if self._known is not None:
            # Whoever begins again reads again what is not safe.
            self._known = {name: Saved(files.bookmarks(), self.changed) for name, files in self._known.items()}

    def _cancel(self) -> None:
        """
        Let no save be due.
        """
        if self._due is not None:
            self._due.cancel()
            self._due = None
