"""
What may be done to a file of a spool, by a disk or by hand.
"""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

#: Where the header of a database has its ``user_version``.
_VERSION = 60

#: What is read or written at once at least by a disk.
_SECTOR = 512

Harm = Callable[[Path, random.Random], None]


def flip(path: Path, chance: random.Random) -> None:
    """
    Some bits have another value.
    """
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 8)) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def flipHead(path: Path, chance: random.Random) -> None:
    """
    The same, near the beginning.
    """
    data = bytearray(path.read_bytes())
    if data:
        data[chance.randrange(min(len(data), 200))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def blank(path: Path, chance: random.Random) -> None:
    """
    Some sectors have become zeros.
    """
    data = bytearray(path.read_bytes())
    start = chance.randrange(max(1, len(data) // _SECTOR)) * _SECTOR
    length = min(len(data) - start, chance.choice((1, 8, 64)) * _SECTOR)
    data[start : start + length] = bytes(length)
    path.write_bytes(data)


def truncate(path: Path, chance: random.Random) -> None:
    """
    The end is missing.
    """
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))] if data else b"")


def empty(path: Path, chance: random.Random) -> None:
    """
    Nothing is in it.
    """
    path.write_bytes(b"")


def remove(path: Path, chance: random.Random) -> None:
    """
    It is gone.
    """
    path.unlink()


def foreign(path: Path, chance: random.Random) -> None:
    """
    Somebody else's file has its name: for a database, another database, and otherwise something.
    """
    if path.suffix != ".sqlite3":
        path.write_bytes(chance.randbytes(chance.randint(1, 10000)))
        return
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE bundle (position INTEGER PRIMARY KEY, note TEXT)")
        connection.execute("INSERT INTO bundle VALUES (1, 'something else')")


def swapped(path: Path, chance: random.Random) -> None:
    """
    It is a copy of another file of the spool; for a database of another one.
    """
    others = [each for each in sorted(path.parent.iterdir()) if each.suffix == ".sqlite3" and each != path]
    path.write_bytes(chance.choice(others).read_bytes())


def longer(path: Path, chance: random.Random) -> None:
    """
    Something stands behind its end.
    """
    with path.open("ab") as file:
        file.write(chance.choice((bytes(5000), chance.randbytes(5000))))


def newer(path: Path, chance: random.Random) -> None:
    """
    A later version has made it; other files than databases have something else where those have their form.
    """
    data = bytearray(path.read_bytes()).ljust(_VERSION + 4, b"\0")
    struct.pack_into(">I", data, _VERSION, 2)
    path.write_bytes(data)


HARMS: Mapping[str, Harm] = {
    "bits flipped": flip,
    "head flipped": flipHead,
    "sectors zeroed": blank,
    "truncated": truncate,
    "emptied": empty,
    "removed": remove,
    "foreign": foreign,
    "swapped": swapped,
    "longer": longer,
    "newer form": newer,
}
