"""
Bookmarks: how far a file has been relayed, and how to tell that file from others.

A name says nothing, since logs are renamed, and an inode little, since it is used again when its file is gone.  So a
bookmark holds fingerprints too: of the beginning of the file, and of what stands right before the position.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import attrs

#: Bytes that a fingerprint is made of, at most: some lines with their times, which no other log begins with; and little
#: enough that every look can read them again.
PRINTED = 1024

#: What the format of the file is called.
_VERSION = 1

#: A file by its device and its inode.
Identity = tuple[int, int]


@attrs.frozen
class Print:
    """
    The fingerprint of some bytes: a digest, since a file of positions is no place for messages.
    """

    length: int = 0
    digest: str = ""

    @classmethod
    def of(cls, data: bytes) -> Print:
        """
        Take it.
        """
        return cls(len(data), blake2b(data, digest_size=16).hexdigest() if data else "")


@attrs.frozen
class Stop:
    """
    A place in a file where a line begins.

    :ivar offset: bytes before it.
    :ivar tail: of the last of these bytes.
    """

    offset: int = 0
    tail: Print = Print()


@attrs.frozen
class Bookmark:
    """
    How far one file has been relayed.

    :ivar path: where it was last seen.
    :ivar stop: everything before it is safe.
    :ivar head: of the beginning of the file.
    :ivar size: how long the file was when it was last looked at.
    :ivar seen: when that was, in seconds since the epoch.
    :ivar inPlace: whether a configured pattern named it then, and it had not been rotated away.
    """

    path: str
    identity: Identity
    stop: Stop
    head: Print
    size: int
    seen: float
    inPlace: bool


def encodeBookmarks(sources: Mapping[str, Iterable[Bookmark]]) -> bytes:
    """
    Bookmarks as a file holds them: a line of JSON, and a line with its checksum.
    """
    tree = {
        "version": _VERSION,
        "sources": {
            name: [attrs.asdict(mark) for mark in sorted(marks, key=lambda mark: mark.path)]
            for name, marks in sources.items()
        },
    }
    body = json.dumps(tree).encode()
    return b"%b\n%08x\n" % (body, zlib.crc32(body))


def decodeBookmarks(content: bytes) -> dict[str, list[Bookmark]]:
    """
    The opposite.

    :raises ValueError: it is not what :func:`encodeBookmarks` made.
    """
    body, _, checksum = content.partition(b"\n")
    if checksum != b"%08x\n" % zlib.crc32(body):
        raise ValueError("the checksum is wrong")
    tree = json.loads(body)
    if tree["version"] != _VERSION:
        raise ValueError(f"version {tree['version']} is not known")
    return {name: [_bookmark(fields) for fields in marks] for name, marks in tree["sources"].items()}


def _bookmark(fields: dict[str, Any]) -> Bookmark:
    """
    One bookmark.
    """
    device, inode = fields["identity"]
    stop = fields["stop"]
    return Bookmark(
        path=fields["path"],
        identity=(device, inode),
        stop=Stop(stop["offset"], Print(**stop["tail"])),
        head=Print(**fields["head"]),
        size=fields["size"],
        seen=fields["seen"],
        inPlace=fields["inPlace"],
    )
