"""
Things that are built of files, and built anew when the files have changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")


def _stamp(path: str) -> object:
    """
    What changes when a file does, or when any file in a folder does.
    """
    try:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    except OSError as error:
        return error.errno
    return _times(path), [(name, _times(os.path.join(path, name))) for name in names]


def _times(path: str) -> object:
    """
    What changes when one file does.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


@attrs.define(eq=False)
class Watched(Generic[T]):
    """
    Something that is built of files, and built anew when they have changed.

    :ivar paths: names the files and folders.
    :ivar build: builds it.
    :ivar warn: is told, once for each change, why the new files cannot be used.
    :ivar latest: what was built last.
    """

    paths: Callable[[], Iterable[str | None]]
    build: Callable[[], T]
    warn: Callable[[str], None]
    _stamps: object = attrs.field(init=False)
    latest: T = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._stamps = self._look()
        self.latest = self.build()

    def _look(self) -> object:
        """
        What changes when any of the files does.
        """
        return [_stamp(path) for path in self.paths() if path is not None]

    def current(self) -> T:
        """
        What the files hold now; what they held before if they cannot be used now.
        """
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self.latest = self.build()
            except Exception as error:  # whatever it is, the old files still serve
                what = "; ".join(str(error).splitlines())
                self.warn(f"changed files cannot be used, so what they held before stays in use: {what}")
        return self.latest
