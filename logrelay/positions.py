"""
The file of positions: what file sources have relayed, kept over restarts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from .bookmarks import Bookmark, decodeBookmarks, encodeBookmarks
from .eventlogger import logEvent
from .events import Observer, PositionsTrouble

#: Seconds between two saves.  So much is relayed again, at most, after a crash, beside what was not safe.
SAVE_INTERVAL = 1.0

#: Seconds until a save that failed is tried again.
RETRY = 10.0

#: Runs something elsewhere, so that the reactor does not wait for the disk; fires when it is done.
Elsewhere = Callable[[Callable[[], None]], "Deferred[None]"]


class Positions:
    """
    Saves the bookmarks of all file sources, soon after they have changed: one save at a time, always the newest state.

    :ivar path: ``file-positions.json`` in ``state-dir``; beside it the one before, ``file-positions.previous.json``.
    """

    def __init__(self, reactor: IReactorTime, folder: str, elsewhere: Elsewhere, tell: Observer = logEvent) -> None:
        self.path = Path(folder) / "file-positions.json"
        self.previous = self.path.with_name("file-positions.previous.json")
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._tell = tell
        self._known: dict[str, Callable[[], Iterable[Bookmark]]] = {}
        self._kept: dict[str, list[Bookmark]] | None = None
        self._due: IDelayedCall | None = None
        self._saving: Deferred[None] | None = None
        self._dirty = False
        self._failed = ""

    def of(self, source: str) -> list[Bookmark]:
        """
        What is known of the files of a source.
        """
        if source in self._known:
            return list(self._known[source]())
        if self._kept is None:
            self._kept = self._load()
        return self._kept.get(source, [])

    def follow(self, source: str, bookmarks: Callable[[], Iterable[Bookmark]]) -> None:
        """
        Keep what a source says of its files from now on.
        """
        self._known[source] = bookmarks

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
        marks = {**(self._kept or {}), **{name: list(bookmarks()) for name, bookmarks in self._known.items()}}
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
        Save what is not saved, and save no more.
        """
        if self._saving is not None:
            await self._saving
        self._cancel()
        if self._known and self._dirty:
            await self._save()
        self._cancel()

    def _cancel(self) -> None:
        """
        Let no save be due.
        """
        if self._due is not None:
            self._due.cancel()
            self._due = None
