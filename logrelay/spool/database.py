"""
One database of a spool.

While it is written to, it has a write-ahead log beside it, kept short: a flipped byte in the log cuts off silently all
that follows.  When it is full the log is worked in and removed, and nothing is ever written to it again.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from .bundles import Row

#: The form of the databases.  One with a higher number was made by a later version.
VERSION = 1

#: "lgry", in the header of every database: it is one of ours.
APPLICATION = 0x6C677279

#: Small, since a commit of a single message writes at least two pages.
PAGE = 4096

#: The log is worked in when it has this many bytes.  With ``sync = "normal"``, that and a bundle is what a power cut
#: may take.
LOG = 1024 * 1024

#: What SQLite says where not the database is at fault.
_PASSING = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
}

#: How many seconds SQLite waits for another tool to let go of a database: the relay tries again anyway.
_WAIT = 0.1

#: What a new database takes, with its log, before anything is in it.
EMPTY = 8 * PAGE

#: The header of a log, and that of a frame in it: page, pages of the database if it ends a transaction, salts, check.
_LOG_HEADER, _FRAME = 32, struct.Struct(">II8s8x")

_COLUMNS = "position, batches, message, messages, layout, payload"
_TABLE = """
CREATE TABLE bundle (
    position INTEGER PRIMARY KEY,
    batches INTEGER NOT NULL,
    message INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    layout BLOB NOT NULL,
    payload BLOB NOT NULL
)
"""


class Unreadable(Exception):
    """
    A file is not a database of ours, or SQLite cannot make sense of it.
    """


def growth(size: int) -> int:
    """
    By how many bytes a bundle may make a database and its log grow, at most.

    :param size: of layouts and payloads.
    """
    pages = size // (PAGE - 4) + 5
    return pages * (2 * PAGE + 24)


def logOf(path: Path) -> Path:
    """
    The write-ahead log of a database.
    """
    return path.with_name(path.name + "-wal")


@contextmanager
def _sense() -> Iterator[None]:
    """
    What SQLite says of a damaged database may hold bytes of that, and Python cannot make words of them.

    :raises sqlite3.DatabaseError: instead.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("database disk image is malformed, and so is what SQLite says of it") from error


class Database:
    """
    An open one.

    :ivar cut: bytes that its log had, and that could not be worked in.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.cut = 0
        self._connection = connection

    def append(self, row: Row) -> None:
        """
        Put a row on disk.  One statement is one transaction: durable, or undone.

        :raises sqlite3.Error: if that fails.
        """
        values = (row.position, row.batches, row.message, row.messages, row.layout, row.payload)
        self._connection.execute(f"INSERT INTO bundle ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)

    def rowsFrom(self, position: int) -> Generator[Row, None, None]:
        """
        The rows in their order, from the one that has ``position``.

        :raises sqlite3.Error: if they cannot be read in order.
        """
        first = "ifnull((SELECT max(position) FROM bundle WHERE position <= ?1), ?1)"
        query = f"SELECT {_COLUMNS} FROM bundle WHERE position >= {first} ORDER BY position"
        with _sense():
            for values in self._connection.execute(query, (position,)):
                yield Row(*values)

    def rowAt(self, position: int) -> Row | None:
        """
        The row that begins with a position, if there is one.

        :raises sqlite3.Error: if it cannot be read.
        """
        query = f"SELECT {_COLUMNS} FROM bundle WHERE position = ?"
        with _sense():
            values = self._connection.execute(query, (position,)).fetchone()
        return None if values is None else Row(*values)

    def layouts(self, backwards: bool = False) -> Generator[Row, None, None]:
        """
        All rows in their order, or from the last one to the first, without their payloads.

        :raises sqlite3.Error: if they cannot be read in order.
        """
        query = "SELECT position, batches, message, messages, layout, x'' FROM bundle ORDER BY position"
        with _sense():
            for values in self._connection.execute(query + " DESC" if backwards else query):
                yield Row(*values)

    def seal(self) -> None:
        """
        Work the log in and remove it.

        :raises sqlite3.Error: if that fails; the rows can be read all the same.
        """
        with _sense():
            self._connection.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """
        Close it; a log that is still there is worked in if that can be done.
        """
        self._connection.close()


def create(path: Path, sync: str) -> Database:
    """
    Make a new database and open it for writing.

    It is made under another name, so that one with the right name is never half made.

    :param sync: ``full`` or ``normal``.
    :raises sqlite3.Error: if that fails.
    :raises OSError: if that fails.
    """
    making = path.with_name("making")
    journal = making.with_name("making-journal")
    # A log of an older database of that name would be taken for its own.
    for leftover in (making, journal, logOf(path)):
        leftover.unlink(missing_ok=True)
    try:
        with closing(_connect(making, "rwc")) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(_TABLE)
        os.rename(making, path)
    except (sqlite3.Error, OSError):
        for leftover in (making, journal):
            leftover.unlink(missing_ok=True)
        raise
    syncFolder(path.parent)
    connection = _connect(path, "rw")
    try:
        # With no other process to share with, there is no index of the log on disk.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG // PAGE}")
    except sqlite3.Error:
        connection.close()
        raise
    return Database(path, connection)


def openOld(path: Path) -> Database:
    """
    Open one that is there, for reading.  A log beside it is worked in and removed, if the disk lets us.

    :raises Unreadable: saying why it cannot be read.
    :raises OSError: if the disk fails.
    :raises sqlite3.Error: if the disk fails.
    """
    _checkHeader(path)
    if not logOf(path).exists():
        return Database(path, _connect(path, "ro&immutable=1"))
    connection = _connect(path, "rw")
    database = Database(path, connection)
    try:
        with _sense():
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        frames = _framesIn(logOf(path))
        _, found, _ = connection.execute("PRAGMA wal_checkpoint").fetchone()
        database.cut = (frames - found) * PAGE if 0 <= found < frames else 0
        database.seal()
    except sqlite3.Error as error:
        if not isBusyDisk(error):
            connection.close()
            raise Unreadable(f"SQLite says: {error}") from error
    return database


def _framesIn(log: Path) -> int:
    """
    How many frames of a log were written in one go with its first ones, up to the last that ended a transaction.  If
    SQLite finds fewer, something in between has changed.  (The form of the log: sqlite.org/walformat.html.)

    :raises OSError: if it cannot be read.
    """
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER)
        count = max(0, log.stat().st_size - _LOG_HEADER) // (_FRAME.size + PAGE)
        if len(header) < _LOG_HEADER or struct.unpack_from(">I", header, 8) != (PAGE,):
            # Nothing in it will be found.
            return count
        salts, frames = header[16:24], 0
        for number in range(count):
            file.seek(_LOG_HEADER + number * (_FRAME.size + PAGE))
            _, ends, salted = _FRAME.unpack(file.read(_FRAME.size))
            if salted == salts and ends:
                frames = number + 1
    return frames


def isBusyDisk(error: Exception) -> bool:
    """
    Whether an error is of the disk, which may be well again, rather than of what is on it; or of somebody who looks at
    a database with another tool.
    """
    return isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


def isFull(error: Exception) -> bool:
    """
    Whether an error says that the disk is full, so that less on it would help.
    """
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def _checkHeader(path: Path) -> None:
    """
    Look at the header without SQLite, which would take an empty file for a database.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise Unreadable("it is not there any more") from None
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise Unreadable("it is empty" if not header else "it is not a SQLite database")
    (version,) = struct.unpack_from(">I", header, 60)
    (application,) = struct.unpack_from(">I", header, 68)
    if application != APPLICATION:
        raise Unreadable("it was not made by logrelay")
    if version != VERSION:
        raise Unreadable(f"it has form {version}, and this version of logrelay reads {VERSION}")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """
    Open a file.  One thread after the other uses it, never two at once.
    """
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", _WAIT, uri=True, isolation_level=None, check_same_thread=False
    )


def syncFolder(path: Path) -> None:
    """
    Make names in a folder survive a power cut.

    :raises OSError: if that fails.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
