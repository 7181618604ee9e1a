"""
The sums at the end: what was sent, what the servers kept, and so what was lost and what came twice.

All of it is taken from the files in which the servers kept their messages and from the generator's own count; the
relay is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

#: A kept message, whole and unchanged: when it was read, and its number, twice.
_LINE = re.compile(
    rb"([0-9]+\.[0-9]{6}) <14>1 [0-9T:.-]{23}Z demo generator - - "
    rb'\[demo@32473 number="([1-9][0-9]*)"\] message \2 of the demo'
)

#: So many of the lost messages are named.
_SHOWN = 5


@attrs.frozen
class Kept:
    """
    One message in a server's file.

    :ivar at: when the server read it; seconds of the monotonic clock.
    """

    at: float
    number: int


@attrs.frozen
class Shelf:
    """
    What one server kept.

    :ivar server: its name.
    :ivar kept: its messages, in the order in which they came.
    :ivar damaged: how many lines of its files are none of the generator's messages.
    """

    server: str
    kept: tuple[Kept, ...] = ()
    damaged: int = 0

    @classmethod
    def read(cls, server: str, files: Iterable[Path]) -> Shelf:
        """
        Read a server's files, one for each time that it ran.

        A last line without its end is what a killed process was writing: it was not kept.
        """
        kept = []
        damaged = 0
        for file in files:
            for line in file.read_bytes().split(b"\n")[:-1]:
                if match := _LINE.fullmatch(line):
                    kept.append(Kept(float(match[1]), int(match[2])))
                else:
                    damaged += 1
        return cls(server, tuple(kept), damaged)

    def firstAfter(self, moment: float) -> float | None:
        """
        When it read its first message after a moment.
        """
        return min((kept.at for kept in self.kept if kept.at >= moment), default=None)

    def lastBefore(self, moment: float) -> float | None:
        """
        When it read its last message before a moment.
        """
        return max((kept.at for kept in self.kept if kept.at <= moment), default=None)


@attrs.frozen
class Account:
    """
    How it came out.

    :ivar sent: the generator's messages have the numbers from 1 to this.
    :ivar lost: the numbers that no server kept.
    :ivar duplicates: how many messages were kept once too often.
    :ivar damaged: how many were kept that nobody sent.
    """

    sent: int
    shelves: tuple[Shelf, ...]
    lost: tuple[int, ...]
    duplicates: int
    damaged: int

    @classmethod
    def of(cls, sent: int, shelves: Sequence[Shelf]) -> Account:
        """
        Do the sums.
        """
        numbers = [kept.number for shelf in shelves for kept in shelf.kept]
        distinct = set(numbers)
        expected = set(range(1, sent + 1))
        foreign = distinct - expected
        return cls(
            sent=sent,
            shelves=tuple(shelves),
            lost=tuple(sorted(expected - distinct)),
            duplicates=len(numbers) - len(distinct),
            damaged=sum(shelf.damaged for shelf in shelves) + len(foreign),
        )

    @property
    def good(self) -> bool:
        """
        Whether every message arrived as it was sent.
        """
        return not self.lost and not self.damaged


@attrs.frozen
class Times:
    """
    How long the switches took, in seconds; ``None`` where nothing arrived.

    :ivar failover: from the end of the connection, as the relay saw it, to the first message at the next server.
    :ivar sinceKill: the same from the SIGKILL.
    :ivar failback: from the last message at the failover to the first one at the primary after it.
    """

    failover: float | None
    sinceKill: float | None
    failback: float | None

    @classmethod
    def of(cls, primary: Shelf, failover: Shelf, killed: float, ended: float, back: float) -> Times:
        """
        Compare what the servers noted with what was noted of the relay; all on one clock.

        :param killed: when the primary was killed.
        :param ended: when the relay saw its connection end.
        :param back: when the primary was running again.
        """
        first = failover.firstAfter(ended)
        returned = primary.firstAfter(back)
        last = None if returned is None else failover.lastBefore(returned)
        return cls(
            failover=None if first is None else first - ended,
            sinceKill=None if first is None else first - killed,
            failback=None if returned is None or last is None else returned - last,
        )


def table(account: Account, times: Times) -> list[str]:
    """
    The lines to end with.
    """
    rows = [("sent by the generator", f"{account.sent:,}", "")]
    for shelf in account.shelves:
        rows.append((f"received by {shelf.server}", f"{len(shelf.kept):,}", ""))
    rows += [
        ("lost", f"{len(account.lost):,}", _some(account.lost)),
        ("duplicates", f"{account.duplicates:,}", "kept by more than one server, or twice"),
    ]
    if account.damaged:
        rows.append(("damaged", f"{account.damaged:,}", "kept, but never sent like this"))
    rows += [
        ("time to switch", _milliseconds(times.failover), "from the end of the connection to the first message there"),
        ("", _milliseconds(times.sinceKill), "the same from the SIGKILL"),
        ("time to switch back", _milliseconds(times.failback), "between the last message there and the first one here"),
    ]
    names = max(len(name) for name, _, _ in rows)
    values = max(len(value) for _, value, _ in rows)
    return [f"{name:<{names}}  {value:>{values}}  {note}".rstrip() for name, value, note in rows]


def _some(numbers: Sequence[int]) -> str:
    """
    The first of them, for people.
    """
    more = len(numbers) - _SHOWN
    shown = ", ".join(str(number) for number in numbers[:_SHOWN])
    return shown and f"number {shown}{f' and {more:,} more' if more > 0 else ''}"


def _milliseconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.1f} ms"
