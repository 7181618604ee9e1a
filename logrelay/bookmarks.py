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
    :ivar log: where it stood, or stands, while programs write to it.
    :ivar stop: everything before it is safe.
    :ivar head: of the beginning of the file, no further than ``stop``.
    :ivar since: when the log had been written to when it was last seen with nothing unread, in nanoseconds since the
        epoch.  What was rotated away unseen has been written to after that.
    """

    path: str
    log: str
    identity: Identity
    stop: Stop
    head: Print
    since: int


def encodeBookmarks(sources: Mapping[str, Iterable[Bookmark]]) -> bytes:
    """
    Bookmarks as a file holds them: a line of JSON, and a line with its checksum.
    """
    tree = {
        "version": _VERSION,
        "sources": {name: [_fields(mark) for mark in marks] for name, marks in sources.items()},
    }
    body = json.dumps(tree).encode()
    return b"%b\n%08x\n" % (body, zlib.crc32(body))


def _fields(mark: Bookmark) -> dict[str, Any]:
    """
    One bookmark as JSON has it.
    """
    return {
        "path": mark.path,
        "log": mark.log,
        "device": mark.identity[0],
        "inode": mark.identity[1],
        "offset": mark.stop.offset,
        "tail": [mark.stop.tail.length, mark.stop.tail.digest],
        "head": [mark.head.length, mark.head.digest],
        "since": mark.since,
    }


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


def _bookmark(fields: Mapping[str, Any]) -> Bookmark:
    """
    One bookmark.
    """
    stop = Stop(fields["offset"], Print(*fields["tail"]))
    identity = fields["device"], fields["inode"]
    return Bookmark(fields["path"], fields["log"], identity, stop, Print(*fields["head"]), fields["since"])
