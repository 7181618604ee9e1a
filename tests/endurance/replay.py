"""
What a disk may hold after a power cut, by what was done to a folder before.

Of a file, what was written before its last sync is there.  Of each later write any part may be, in whole sectors, and
the file may be as long as it was last without having the content.  A name that was made, changed or removed is durable
when the folder was synced afterwards; until then each such change may have come to the disk or not, in any order.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import attrs

from .records import Entry

SECTOR = 512

#: Says of each thing that is not durable whether it came to the disk.
Luck = Callable[[], bool]


def never() -> bool:
    """
    Nothing that was not synced came to the disk.
    """
    return False


def always() -> bool:
    """
    Everything did, as after a kill.
    """
    return True


def sometimes(chance: random.Random) -> Luck:
    """
    Some did: few, about half, or nearly all.
    """
    share = chance.choice((0.1, 0.5, 0.9))
    return lambda: chance.random() < share


@attrs.define(eq=False)
class File:
    """
    A file.

    :ivar durable: what a power cut leaves of it for certain.
    :ivar pending: what was done since: the place and the data of writes, and new lengths with ``None``.
    """

    durable: bytearray = attrs.field(factory=bytearray)
    pending: list[tuple[int, bytes | None]] = attrs.field(factory=list)

    def sync(self) -> None:
        """
        Make all durable.
        """
        self.durable = self.after(always)
        self.pending.clear()

    def after(self, luck: Luck) -> bytearray:
        """
        What it may hold.
        """
        content = bytearray(self.durable)
        for place, data in self.pending:
            if data is None:
                if luck():
                    _resize(content, place)
                continue
            # The disk writes sectors; the length is a matter of its own.
            if luck():
                _resize(content, max(len(content), place + len(data)))
            end = place + len(data)
            start = place
            while start < end:
                stop = min(end, (start // SECTOR + 1) * SECTOR)
                if luck():
                    _resize(content, max(len(content), stop))
                    content[start:stop] = data[start - place : stop - place]
                start = stop
        return content


def _resize(content: bytearray, size: int) -> None:
    """
    Cut something, or fill it up with zeros.
    """
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


@attrs.define
class Disk:
    """
    A folder, as the record goes on.

    :ivar names: what a power cut leaves for certain.
    :ivar changes: of names since: the old name, and the new one with its file.
    """

    folder: str
    names: dict[str, File] = attrs.field(factory=dict)
    changes: list[tuple[str | None, str | None, File | None]] = attrs.field(factory=list)
    _now: dict[str, File] = attrs.field(factory=dict)
    _open: dict[int, File | None] = attrs.field(factory=dict)

    @classmethod
    def holding(cls, path: Path) -> Disk:
        """
        A folder as it is; all that is in it is durable.
        """
        names = {each.name: File(bytearray(each.read_bytes())) for each in path.iterdir() if each.is_file()}
        return cls(str(path), names, now=dict(names))

    def apply(self, entry: Entry) -> None:
        """
        Go on by an entry.
        """
        match entry.kind:
            case "O":
                self._opened(entry)
            case "C":
                del self._open[entry.fd]
            case "W" | "T":
                file = self._open[entry.fd]
                assert file is not None
                file.pending.append((entry.number, entry.data if entry.kind == "W" else None))
            case "S":
                self._synced(entry)
            case "U":
                name = self._name(entry.data)
                self._change(name, None, self._now[name])
            case "R":
                old, new = map(self._name, entry.data.split(b"\0"))
                # What is put into a folder in the folder is gone from here.
                self._change(old, None if "/" in new else new, self._now[old])

    def _name(self, path: bytes) -> str:
        return os.path.relpath(path.decode(), self.folder)

    def _opened(self, entry: Entry) -> None:
        name = self._name(entry.data)
        if name == ".":
            self._open[entry.fd] = None
            return
        if name not in self._now:
            self._change(None, name, File())
        file = self._open[entry.fd] = self._now[name]
        if entry.number & os.O_TRUNC:
            file.pending.append((0, None))

    def _synced(self, entry: Entry) -> None:
        file = self._open[entry.fd]
        if file is not None:
            file.sync()
        else:
            self.names = dict(self._now)
            self.changes.clear()

    def _change(self, old: str | None, new: str | None, file: File) -> None:
        self.changes.append((old, new, file))
        _rename(self._now, old, new, file)

    def build(self, path: Path, luck: Luck) -> None:
        """
        Make the folder that a power cut may leave at this moment.
        """
        names = dict(self.names)
        for old, new, file in self.changes:
            if luck():
                _rename(names, old, new, file)
        path.mkdir()
        for name, file in names.items():
            (path / name).write_bytes(file.after(luck))


def _rename(names: dict[str, File], old: str | None, new: str | None, file: File | None) -> None:
    """
    Change a name, make one, or remove one.
    """
    if old is not None:
        names.pop(old, None)
    if new is not None:
        assert file is not None
        names[new] = file
