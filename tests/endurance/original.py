"""
A spool to be damaged.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from logrelay.batches import Batch

from ..spools import MIB
from .numbered import append, bench, numbersOf, randomBatch

#: Of the spool: its databases have an eighth of that, so that there are several.
SIZE = 4 * MIB

#: How many batches are in it.
BATCHES = 400

#: So many of the first ones have settled.
SETTLED = 20


class Original:
    """
    A spool as a kill has left it.

    :ivar path: of its folder.
    :ivar numbers: of the messages that have not settled.
    :ivar end: the number that follows.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.path = folder / "original"
        place = bench(folder / "made", SIZE)
        spool = place.spool()
        self.numbers: list[int] = []
        self.end = 0
        for _ in range(BATCHES):
            batch = randomBatch(chance, self.end)
            self.end += batch.count
            assert append(spool, [batch], place.worker.catchUp) == [True]
            self.numbers += numbersOf(batch)
        settled: list[Batch] = [batch for batch in (spool.next() for _ in range(SETTLED)) if batch is not None]
        spool.settle(SETTLED)
        spool.tick()
        place.worker.catchUp()
        self.numbers = self.numbers[sum(batch.count for batch in settled) :]
        shutil.copytree(place.path, self.path)
        place.kill(spool)

    @property
    def files(self) -> list[str]:
        """
        The names of its files.
        """
        return sorted(each.name for each in self.path.iterdir())

    def inside(self, names: list[str]) -> set[int]:
        """
        The numbers of the messages that some files hold, together with their logs.
        """
        starts = {each: int(each[31:47]) for each in self.files if each.endswith(".sqlite3")}
        ends = {
            each: min((s for s in starts.values() if s > start), default=self.end) for each, start in starts.items()
        }
        databases = {name.removesuffix("-wal") for name in names} & set(starts)
        return {number for each in databases for number in range(starts[each], ends[each])}
