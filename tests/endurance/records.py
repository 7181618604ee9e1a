"""
The record that ``recorder.c`` makes of what was done to the files of a folder.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs

SOURCE = Path(__file__).with_name("recorder.c")

_HEAD = struct.Struct("<ciqI")


@attrs.frozen
class Entry:
    """
    One thing that was done.

    :ivar kind: the first letter of open, close, write, truncate, sync, rename, unlink or mark.
    :ivar fd: the descriptor, of the first five.
    :ivar number: where it was written; how long it became; or the flags it was opened with.
    :ivar data: what was written; the names, with a zero between them; or what the mark says.
    """

    kind: str
    fd: int
    number: int
    data: bytes


def hasCompiler() -> bool:
    """
    Whether it can be made here.
    """
    return shutil.which("gcc") is not None


def compiled(folder: Path) -> Path:
    """
    Make the library.

    :raises subprocess.CalledProcessError: if there is no compiler, or it fails.
    """
    library = folder / "recorder.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def environment(library: Path, folder: Path, record: Path) -> dict[str, str]:
    """
    What a program runs with whose work on a folder is to be recorded.
    """
    return {**os.environ, "LD_PRELOAD": str(library), "RECORD_FOLDER": str(folder), "RECORD_LOG": str(record)}


def entries(record: Path) -> Iterator[Entry]:
    """
    What was done, in order.
    """
    with record.open("rb") as file:
        while head := file.read(_HEAD.size):
            kind, fd, number, size = _HEAD.unpack(head)
            yield Entry(kind.decode(), fd, number, file.read(size))
