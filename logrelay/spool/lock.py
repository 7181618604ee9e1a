"""
The lock of a spool: two processes on one folder would lose what both of them keep.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from ..errors import LogRelayError

NAME = "lock"


class SpoolLocked(LogRelayError):
    """
    The operator's fault: another process works on the folder.
    """


def ownerOf(folder: Path) -> str | None:
    """
    Which process works on a folder: its number, or ``unknown``; ``None`` if none does.  Nothing is changed.

    :raises OSError: if that cannot be found out.
    """
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Held for no longer than this takes: nobody who begins to work on the folder is to find it taken.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named(file)
    finally:
        os.close(file)
    return None


def _named(file: int) -> str:
    """
    The process that the file of a lock names.
    """
    return os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"


class Lock:
    """
    Holds a folder until it is released, or the process ends in whatever way.
    """

    def __init__(self, folder: Path) -> None:
        """
        Take it.

        :raises SpoolLocked: naming the process that has it.
        :raises OSError: if the file can be neither opened nor made.
        """
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _named(self._file)
            os.close(self._file)
            raise SpoolLocked(
                f"{folder}: another process works on this spool (pid {owner}); stop it, or give each relay and each"
                " destination a spool of its own"
            ) from None
        with suppress(OSError):
            # On a full disk there may be no room for the number; the lock holds without it.
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """
        Let go of it.  The file stays: removing it would let two processes hold two files of one name.
        """
        os.close(self._file)
