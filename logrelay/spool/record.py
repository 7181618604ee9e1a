"""
The record of a spool: what has settled, so that a restart begins there.

It is one small file, written over in place: a record that was torn by a power cut, or is missing, costs only that
messages are sent again.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import attrs

_FORM = struct.Struct("<8sqqqqqI")
_MAGIC = b"lrspool1"


@attrs.frozen(order=True)
class Cursor:
    """
    A place between two batches of a spool.

    :ivar position: how many batches lie before it, counted over all that the spool ever took.
    :ivar message: how many messages do.
    """

    position: int = 0
    message: int = 0

    def behind(self, messages: int) -> Cursor:
        """
        The place behind a batch of so many messages that begins here.
        """
        return Cursor(self.position + 1, self.message + messages)


#: Where every spool begins.
START = Cursor()


@attrs.frozen
class Record:
    """
    What is remembered of a spool.

    :ivar settled: what lies before it has settled or was given up.
    :ivar end: what lies before it was taken in.
    :ivar furthest: the position up to which batches were ever sent.
    """

    settled: Cursor
    end: Cursor
    furthest: int

    def pack(self) -> bytes:
        """
        As bytes, with a CRC.
        """
        settled, end = self.settled, self.end
        fields = (_MAGIC, settled.position, settled.message, end.position, end.message, self.furthest)
        return _FORM.pack(*fields, zlib.crc32(_FORM.pack(*fields, 0)))


def unpack(data: bytes) -> Record | None:
    """
    A record from bytes; ``None`` if they are not one, or not as it was written.
    """
    if len(data) != _FORM.size:
        return None
    *fields, check = _FORM.unpack(data)
    if fields[0] != _MAGIC or zlib.crc32(_FORM.pack(*fields, 0)) != check:
        return None
    _, position, message, endPosition, endMessage, furthest = fields
    return Record(Cursor(position, message), Cursor(endPosition, endMessage), furthest)


class RecordFile:
    """
    The file that holds the record.

    :ivar latest: what it holds; ``None`` if that is unknown.
    """

    def __init__(self, path: Path) -> None:
        """
        Open it, and read what it holds.

        :raises OSError: if it can be neither opened nor made.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._isSynced = True
        try:
            data = os.pread(self._file, _FORM.size + 1, 0)
        except OSError:
            # As damaged as one that is not as it was written.
            data = b""
        self.latest = unpack(data)
        if len(data) > _FORM.size:
            os.ftruncate(self._file, _FORM.size)

    def write(self, record: Record) -> None:
        """
        Put a record in its place.  It survives the end of this process.

        :raises OSError: if that fails.
        """
        if record != self.latest:
            self.latest = None
            self._isSynced = False
            os.pwrite(self._file, record.pack(), 0)
            self.latest = record

    def sync(self) -> None:
        """
        Make it survive a power cut, too.

        :raises OSError: if that fails.
        """
        if not self._isSynced:
            os.fdatasync(self._file)
            self._isSynced = True

    def close(self) -> None:
        """
        Close the file.
        """
        os.close(self._file)
