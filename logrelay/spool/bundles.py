"""
Bundles: what one commit puts on disk, and how it is told whether it is still what was put there.

A bundle is some batches that follow each other.  Its *payload* is theirs, joined, so that anybody can read the
messages with ``sqlite3``; its *layout* says where each batch ends and where its messages came from, with a CRC for
each batch and one for the layout itself.  SQLite's own check misses flipped bytes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate

import attrs

from ..batches import Batch, Framing, Origin

#: A bundle is closed when its payload has reached so many bytes: one commit of a MiB costs little more than one of
#: 64 KiB, and larger ones gain little.
MOST_BYTES = 1024 * 1024

#: A bundle has at most so many batches, for sources that bring a message at a time.
MOST_BATCHES = 4096

#: The layout: the CRC of all that follows and of the row's numbers, and the length of the origins (JSON).
_HEAD = struct.Struct("<II")
#: For each batch: bytes, messages, CRC of the payload, place of its origin, place of its framing.
_ENTRY = struct.Struct("<IIIHB")
_NUMBERS = struct.Struct("<qqqq")

#: The least that a message takes on disk, a character and a line feed; and a batch, with its place in a layout.
LEAST_MESSAGE, LEAST_BATCH = 2, 2 + _ENTRY.size

_FRAMINGS = (Framing.LF, Framing.OCTET_COUNTING)


class BundleDamaged(Exception):
    """
    A row is not what was put on disk; not even its layout can be trusted.
    """


@attrs.frozen
class Row:
    """
    A bundle as a row of a database.

    :ivar position: of the first batch, in the store.
    :ivar batches: how many there are.
    :ivar message: the number of the first message, counted over all that the spool ever took.
    :ivar messages: how many there are.
    """

    position: int
    batches: int
    message: int
    messages: int
    layout: bytes
    payload: bytes

    @property
    def endPosition(self) -> int:
        """
        The position behind the last batch.
        """
        return self.position + self.batches

    @property
    def endMessage(self) -> int:
        """
        The number behind the last message.
        """
        return self.message + self.messages


@attrs.frozen
class Stored:
    """
    What a row says of one batch.

    :ivar message: the number of its first message.
    :ivar payload: ``None`` where it is not what was put on disk.
    """

    position: int
    message: int
    count: int
    framing: Framing
    origin: Origin
    payload: bytes | None

    @property
    def batch(self) -> Batch | None:
        """
        The batch, if it is sound.
        """
        return None if self.payload is None else Batch(self.payload, self.count, self.framing, self.origin)


def pack(position: int, message: int, batches: Sequence[Batch]) -> Row:
    """
    Make a row of batches.

    :param position: of the first batch.
    :param message: the number of the first message.
    """
    origins = {origin: place for place, origin in enumerate(dict.fromkeys(batch.origin for batch in batches))}
    entries = b"".join(
        _ENTRY.pack(
            len(batch.payload),
            batch.count,
            zlib.crc32(batch.payload),
            origins[batch.origin],
            _FRAMINGS.index(batch.framing),
        )
        for batch in batches
    )
    names = json.dumps([_fields(origin) for origin in origins]).encode()
    numbers = (position, len(batches), message, sum(batch.count for batch in batches))
    rest = names + entries
    layout = _HEAD.pack(_check(numbers, rest), len(names)) + rest
    return Row(*numbers, layout, b"".join([batch.payload for batch in batches]))


def unpack(row: Row) -> Iterator[Stored]:
    """
    The batches of a row, those that are damaged included.

    :raises BundleDamaged: before the first one, if the layout is not what was put on disk.
    """
    numbers = (row.position, row.batches, row.message, row.messages)
    try:
        check, size = _HEAD.unpack_from(row.layout)
        rest = row.layout[_HEAD.size :]
        if check != _check(numbers, rest):
            raise BundleDamaged("its layout has changed")
        origins = [_origin(fields) for fields in json.loads(rest[:size])]
        entries = list(_ENTRY.iter_unpack(rest[size:]))
    except (TypeError, ValueError, struct.error) as error:
        raise BundleDamaged(f"its layout cannot be read: {error}") from None
    return _unpack(row, origins, entries)


def _unpack(row: Row, origins: list[Origin], entries: list[tuple[int, ...]]) -> Iterator[Stored]:
    """
    The batches of a row whose layout is sound.
    """
    payload = row.payload if isinstance(row.payload, bytes) else b""
    ends = accumulate(length for length, *_ in entries)
    message = row.message
    for place, (end, (length, count, check, origin, framing)) in enumerate(zip(ends, entries, strict=True)):
        part = payload[end - length : end]
        sound = len(part) == length and zlib.crc32(part) == check
        position = row.position + place
        yield Stored(position, message, count, _FRAMINGS[framing], origins[origin], part if sound else None)
        message += count


def _check(numbers: tuple[int, ...], rest: bytes) -> int:
    """
    The CRC of a layout.
    """
    return zlib.crc32(rest, zlib.crc32(_NUMBERS.pack(*numbers)))


def _fields(origin: Origin) -> list[object]:
    """
    An origin as JSON.
    """
    return [origin.source, origin.host.decode("latin-1"), origin.local, origin.pausable, origin.answered]


def _origin(fields: list[str]) -> Origin:
    """
    An origin from JSON.
    """
    source, host, *rest = fields
    return Origin(source, host.encode("latin-1"), *map(bool, rest))
