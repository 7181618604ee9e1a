"""
Numbered messages in batches, and a spool from which they are read: what trials without processes have.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from logrelay.batches import Batch, Framing
from logrelay.config import BufferSettings
from logrelay.spool import Spool

from ..spools import MIB, Bench
from ..stores import ANSWERED

#: Of a message's bytes, those of its number.
_DIGITS = 10

#: So many turns without anything new mean that nothing more comes.
_TURNS = 3


def bench(path: Path, size: int) -> Bench:
    """
    A place for spools in a folder.
    """
    return Bench(path, size, BufferSettings(4 * MIB))


def newBatch(first: int, count: int, size: int) -> Batch:
    """
    A batch of messages with successive numbers.

    :param size: of each message, in bytes.
    """
    fill = b"x" * (size - _DIGITS - 1)
    payload = b"".join([b"%010d%b\n" % (number, fill) for number in range(first, first + count)])
    return Batch(payload, count, Framing.LF, ANSWERED)


def randomBatch(chance: random.Random, first: int) -> Batch:
    """
    One of any size.
    """
    return newBatch(first, chance.randint(1, 40), chance.choice((20, 100, 300)))


def numbersOf(batch: Batch) -> list[int]:
    """
    The numbers of its messages.
    """
    return [int(line[:_DIGITS]) for line in batch.payload.splitlines()]


def append(spool: Spool, batches: list[Batch], worked: Callable[[], None]) -> list[bool]:
    """
    Put batches into a spool.

    :param worked: does what is to be done on disk.
    :return: how each was answered.
    """
    answers: list[bool] = []
    for batch in batches:
        spool.append(batch, answers.append)
    worked()
    return answers


def drain(spool: Spool, worked: Callable[[], None]) -> list[int]:
    """
    Read all that a spool has, and settle it.

    :return: the numbers of the messages, as they came.
    """
    numbers: list[int] = []
    quiet = 0
    while quiet < _TURNS:
        worked()
        before = (spool.settled, spool.sent, spool.end)
        while (batch := spool.next()) is not None:
            numbers += numbersOf(batch)
        spool.settle(spool.sent)
        spool.tick()
        quiet = quiet + 1 if before == (spool.settled, spool.sent, spool.end) else 0
    assert spool.settled == spool.end, (spool.settled, spool.end)
    return numbers
