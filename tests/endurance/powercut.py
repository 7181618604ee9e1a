"""
A power cut at any moment, played: work on a spool is recorded, and every folder that a disk may hold at some moments of
it is opened.

With ``sync = "full"`` all that was accepted and not settled is there.  With ``normal`` it is measured what is missing.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import attrs

from logrelay.spool.bundles import MOST_BYTES
from logrelay.spool.database import LOG

from ..real import TOP
from .numbered import bench, drain
from .outcomes import Outcome
from .recorded import SIZE
from .records import Entry, compiled, entries, environment
from .replay import Disk, Luck, always, never, sometimes

#: Without a sync of each commit, what a power cut may take, in bytes: a log that was not worked in, and a bundle.
ALLOWED = LOG + MOST_BYTES


#: Of so many cuts one leaves nothing that was not synced, one leaves all, and the others some.
_KINDS = 6


@attrs.define
class Cuts:
    """
    What came of some power cuts.

    :ivar states: how many there were.
    :ivar lossy: how many of them lost anything.
    :ivar messages: the most messages that one lost.
    :ivar size: the most bytes that one lost.
    :ivar alarms: how many of them made the spool say that something is damaged.
    """

    states: int = 0
    refused: int = 0
    lossy: int = 0
    messages: int = 0
    size: int = 0
    alarms: int = 0
    troubles: list[str] = attrs.field(factory=list)


class Story:
    """
    The record, gone through from its beginning.

    :ivar needed: how large each message is that was accepted and has not settled, by its number.
    """

    def __init__(self, folder: Path, seed: int, allowed: int) -> None:
        """
        :param allowed: how many bytes a power cut may take.
        """
        self._chance = random.Random(seed)
        self._folder = folder
        self._allowed = allowed
        self._disk = Disk(str(folder / "spool"))
        self.needed: dict[int, int] = {}
        self.cuts = Cuts()

    def apply(self, entry: Entry) -> None:
        """
        Go on.
        """
        if entry.kind != "M":
            self._disk.apply(entry)
            return
        what, *numbers = entry.data.decode().split()
        if what == "accepted":
            first, end, size = map(int, numbers)
            self.needed.update(dict.fromkeys(range(first, end), size))
        else:
            for number in [each for each in self.needed if each < int(numbers[0])]:
                del self.needed[number]

    def cut(self, what: str) -> None:
        """
        Cut the power now, and start again.
        """
        self.cuts.states += 1
        lucks: list[Luck] = [never, always, *[sometimes(self._chance)] * (_KINDS - 2)]
        path = self._folder / "after"
        shutil.rmtree(path, ignore_errors=True)
        self._disk.build(path, self._chance.choice(lucks))
        place = bench(path, SIZE)
        try:
            spool = place.spool()
            seen = drain(spool, place.worker.catchUp)
            place.close(spool)
        except Exception as error:
            self.cuts.refused += 1
            self.cuts.troubles.append(f"{what}: {type(error).__name__}: {error}")
            return
        self.cuts.alarms += bool(place.damages)
        self._judge(what, seen)

    def _judge(self, what: str, seen: list[int]) -> None:
        """
        Look at what was read.
        """
        lost = self.needed.keys() - set(seen)
        size = sum(self.needed[number] for number in lost)
        self.cuts.lossy += bool(lost)
        self.cuts.messages = max(self.cuts.messages, len(lost))
        self.cuts.size = max(self.cuts.size, size)
        if seen != sorted(set(seen)):
            self.cuts.troubles.append(f"{what}: not delivered in order")
        if size > self._allowed:
            self.cuts.troubles.append(f"{what}: {len(lost)} messages are lost: {min(lost)} to {max(lost)}")


def powercut(seed: int, folder: Path, sync: str, batches: int = 3000, states: int = 600) -> Outcome:
    """
    Record some work, and cut the power at so many moments, half of them beside a sync.
    """
    folder.mkdir()
    record = folder / "record"
    command = [sys.executable, "-m", "tests.endurance.recorded", str(folder / "spool"), str(seed), sync, str(batches)]
    setting = environment(compiled(folder), folder / "spool", record)
    setting.pop("COVERAGE_PROCESS_START", None)
    subprocess.run(command, cwd=TOP, env=setting, check=True, timeout=120)
    chance = random.Random(seed)
    kinds = [entry.kind for entry in entries(record)]
    syncs = [place + after for place, kind in enumerate(kinds) if kind == "S" for after in (0, 1)]
    moments = Counter(chance.choices(syncs, k=states // 2) + chance.choices(range(len(kinds)), k=states // 2))
    story = Story(folder, seed, 0 if sync == "full" else ALLOWED)
    for place, entry in enumerate(entries(record)):
        for _ in range(moments[place]):
            story.cut(f"{sync}, before entry {place}")
        story.apply(entry)
    return _outcome(sync, kinds.count("S"), story.cuts)


def _outcome(sync: str, syncs: int, cuts: Cuts) -> Outcome:
    """
    What came of it.
    """
    cells = {
        "sync": sync,
        "syncs": syncs,
        "cuts": cuts.states,
        "refused": cuts.refused,
        "with a loss": cuts.lossy,
        "most messages": cuts.messages,
        "most bytes": cuts.size,
        "said damaged": cuts.alarms,
    }
    return Outcome(cells, cuts.troubles)
