"""
What is in a spool, as ``logrelay spool ls`` tells it.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from .spool.database import logOf
from .spool.files import File
from .spool.reading import Reading, quarantineOf
from .spool.record import Record
from .values import MIB

_HEADINGS = ("batches", "messages", "settled", "positions", "MiB")


@attrs.frozen
class DatabaseContent:
    """
    What is in one database; numbers of batches and messages are those that its place in the spool says.

    :ivar position: of the first batch.
    :ivar settled: how many messages have settled.
    :ivar bytes: on disk, its log included.
    :ivar damage: what is wrong with it; empty if nothing is, or it was not looked for.
    :ivar lost: how many messages cannot be read, at most.
    """

    file: str
    position: int
    batches: int
    messages: int
    settled: int
    bytes: int
    damage: str
    lost: int


@attrs.frozen
class Content:
    """
    What is in a spool.

    :ivar pid: the process that works on it.
    :ivar unsettled: how many messages have not settled.
    :ivar settled: how many messages have, and are still there.
    :ivar missing: how many messages were in files that are not there any more.
    """

    path: str
    pid: str | None
    databases: list[DatabaseContent]
    batches: int
    messages: int
    unsettled: int
    settled: int
    bytes: int
    missing: int
    quarantine: list[str]
    quarantineBytes: int

    @property
    def damaged(self) -> bool:
        """
        Whether anything is.
        """
        return bool(self.missing) or any(each.damage for each in self.databases)


def contentOf(reading: Reading) -> Content:
    """
    What is in a spool; where no relay works on it, all of it is read.

    :raises OSError: if it cannot be looked at.
    """
    missing = sum(damage.messages for damage in reading.damages)
    if reading.owner is None:
        for _ in reading.stored(everything=True):
            pass
    databases = [_contentOf(reading, place, file) for place, file in enumerate(reading.files)]
    quarantine = quarantineOf(reading.path)
    record = reading.record
    return Content(
        str(reading.path),
        reading.owner,
        databases,
        sum(each.batches for each in databases),
        sum(each.messages for each in databases),
        record.end.message - record.settled.message,
        sum(each.settled for each in databases),
        sum(each.bytes for each in databases),
        missing,
        [each.name for each in quarantine],
        sum(map(_size, quarantine)),
    )


def _contentOf(reading: Reading, place: int, file: File) -> DatabaseContent:
    """
    What is in one database.
    """
    first, end = file.first, reading.endOf(place)
    messages = end.message - first.message
    return DatabaseContent(
        file.path.name,
        first.position,
        end.position - first.position,
        messages,
        _settledOf(reading.record, first.message, messages),
        _size(file.path) + _size(logOf(file.path)),
        file.damage,
        file.lost,
    )


def _settledOf(record: Record, first: int, messages: int) -> int:
    """
    How many of some messages have settled.

    :param first: the number of the first one.
    """
    return max(0, min(record.settled.message - first, messages))


def _size(path: Path) -> int:
    """
    Of a file, in bytes; nothing if it is not there, or not any more.
    """
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def amount(number: int, what: str) -> str:
    """
    So many of something, for people.
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def asJSON(content: Content) -> str:
    """
    For programs.
    """
    return json.dumps(attrs.asdict(content), indent=2)


def asText(content: Content) -> str:
    """
    For people.
    """
    owner = (
        "no relay works on it"
        if content.pid is None
        else f"pid {content.pid} works on it, so its databases were not opened"
    )
    lines = [f"{content.path}: {owner}", *_table(content)]
    if content.missing:
        lines.append(f"files are missing, with up to {amount(content.missing, 'message')} that have not settled")
    lines.append(
        f"{amount(content.unsettled, 'message')} not settled, {content.settled:,} settled and still there,"
        f" {content.bytes / MIB:,.1f} MiB"
    )
    if content.quarantine:
        lines.append(
            f"quarantine: {amount(len(content.quarantine), 'file')} that could not be read,"
            f" {content.quarantineBytes / MIB:,.1f} MiB"
        )
    return "\n".join(lines)


def _table(content: Content) -> list[str]:
    """
    A line for each database, under headings.
    """
    if not content.databases:
        return []
    rows = [("database", *_HEADINGS, "")]
    for each in content.databases:
        last = each.position + each.batches - 1
        damage = f"damaged: {each.damage}; up to {amount(each.lost, 'message')} cannot be read" if each.damage else ""
        numbers = (f"{each.batches:,}", f"{each.messages:,}", f"{each.settled:,}")
        positions = f"{each.position}-{last}" if each.batches else "-"
        rows.append((each.file, *numbers, positions, f"{each.bytes / MIB:,.1f}", damage))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in rows]


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """
    The cells of a row: numbers to the right, the words at either end to the left.
    """
    last = len(row) - 1
    return [
        cell.ljust(width) if place in (0, last) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
