"""
What is recorded: ``python -m tests.endurance.recorded FOLDER SEED SYNC BATCHES FIRST`` works with a spool as a relay
does, and marks in the record what was accepted, and what is about to be settled.
"""

from __future__ import annotations

import argparse
import ctypes
import random
from pathlib import Path

from logrelay.spool import Spool

from ..spools import MIB, Bench
from .numbered import bench, newBatch, numbersOf

#: Of the spool: its databases have an eighth of that.
SIZE = 32 * MIB

#: So many batches are left to be sent at most.
BEHIND = 60

#: So many may come at once: more than one commit takes.
BURST = 80


def mark(text: str) -> None:
    """
    Put something into the record.
    """
    ctypes.CDLL(None).recordMark(text.encode())


class Work:
    """
    A relay's, and its end now and then.

    :ivar _batches: how many batches were made.
    :ivar _made: the number of the next message.
    :ivar _sentTo: the number of the first message that has not been sent.
    """

    def __init__(self, folder: Path, seed: int, sync: str, first: int) -> None:
        """
        :param first: the number of the first message to be made.
        """
        self._chance = random.Random(seed)
        self._place: Bench = bench(folder, SIZE)
        self._sync = sync
        self._spool: Spool = self._place.spool(sync)
        self._batches, self._made, self._sentTo = 0, first, 0
        self._place.worker.catchUp()
        # What a power cut has left may lack something.
        self._place.damages.clear()

    def go(self, batches: int) -> None:
        """
        Work.

        :param batches: how many to take in.
        """
        while self._batches < batches:
            for _ in range(self._chance.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, self._chance.randint(2, BURST)))):
                self._append()
            if self._chance.random() < 0.5:
                self._place.worker.catchUp()
            elif self._chance.random() < 0.3:
                self._place.worker.step()
            if self._chance.random() < 0.1:
                self._spool.tick()
            self._settle()
            if self._chance.random() < 0.01:
                self._restart()
        self._place.worker.catchUp()

    def _append(self) -> None:
        first, count = self._made, self._chance.randint(1, 100)
        self._made += count
        self._batches += 1
        size = self._chance.choice((20, 100, 600))
        batch = newBatch(first, count, size)
        self._spool.append(batch, lambda taken: mark(f"accepted {first} {first + count} {size}") if taken else None)

    def _settle(self) -> None:
        """
        Send some, and settle some of what was sent.
        """
        behind = self._chance.randint(1, BEHIND)
        while self._spool.end - self._spool.sent > behind and (batch := self._spool.next()):
            self._sentTo = numbersOf(batch)[-1] + 1
        if self._spool.sent > self._spool.settled:
            mark(f"settling {self._sentTo}")
            self._spool.settle(self._spool.sent)

    def _restart(self) -> None:
        """
        End in one way or the other, and start again.
        """
        self._place.worker.catchUp()
        self._chance.choice((self._place.close, self._place.kill))(self._spool)
        self._spool = self._place.spool(self._sync)
        self._place.worker.catchUp()
        assert not self._place.damages and not self._place.troubles, (self._place.damages, self._place.troubles)


def main() -> None:
    """
    Work, and leave the folder as it is.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("sync", choices=("full", "normal"))
    parser.add_argument("batches", type=int)
    parser.add_argument("first", type=int)
    options = parser.parse_args()
    Work(options.folder, options.seed, options.sync, options.first).go(options.batches)


if __name__ == "__main__":
    main()
