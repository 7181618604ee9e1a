"""
What tells at once that something has happened in a folder, where the kernel can.

It is no more than that: the kernel drops such news when there is too much of it, and network file systems have none
of what other hosts do.  So whoever is woken looks for himself, and also looks when nobody has woken him.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from .interface import Reactor

inotify: Any
try:
    from twisted.internet import inotify
except Exception:  # It looks for the system calls, and complains in its own ways where there are none.
    inotify = None

#: So many folders are watched at most: watches are kernel memory, and limited for each user.
MAX_FOLDERS = 256


class WakeUp:
    """
    Watches folders.
    """

    def __init__(self, reactor: Reactor, woken: Callable[[str, bool], None]) -> None:
        """
        :param woken: told of which file, and whether it came, went, or was renamed, rather than written to.
        """
        self._reactor = reactor
        self._woken = woken
        self._watched: set[str] = set()
        self._inotify: Any = None

    def watch(self, folders: Iterable[str]) -> None:
        """
        Watch folders from now on, those that are not watched yet.
        """
        if inotify is None:
            return
        if self._inotify is None:
            try:
                self._inotify = inotify.INotify(self._reactor)
            except Exception:  # There are too many, or the kernel has no such thing.
                return
            self._inotify.startReading()
        mask = inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_DELETE | inotify.IN_MOVED
        for folder in folders:
            if folder in self._watched or len(self._watched) >= MAX_FOLDERS:
                continue
            try:
                self._inotify.watch(FilePath(folder), mask, callbacks=[self._notify])
            except Exception:
                continue  # It is gone, may not be read, or there are too many: it is looked at in any case.
            self._watched.add(folder)

    def _notify(self, _: object, path: FilePath[bytes], mask: int) -> None:
        """
        Something has happened.
        """
        if mask & inotify.IN_DELETE_SELF:
            # Twisted ends all watches when one watched folder is deleted: begin anew at the next look.
            self._inotify = None
            self._watched.clear()
        self._woken(os.fsdecode(path.path), not mask & inotify.IN_MODIFY)

    def stop(self) -> None:
        """
        Watch nothing more.
        """
        self._watched.clear()
        if self._inotify is not None:
            ending, self._inotify = self._inotify, None
            ending.stopReading()
            ending.connectionLost(Failure(CONNECTION_DONE))
