"""
A power cut at any moment, played: work on a spool is recorded, and every folder that a disk may hold at some moments of
it is opened.  The next work begins with one of those folders, so that the power is cut after a power cut, too.

With ``sync = "full"`` all that was accepted and not settled is there.  With ``normal`` it is measured what is missing.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from logrelay.spool.bundles import MOST_BYTES
from logrelay.spool.database import LOG

from ..real import TOP
from .cuts import Cuts, Story
from .outcomes import Outcome
from .records import compiled, entries, environment
from .replay import Disk

#: Without a sync of each commit, what a power cut may take, in bytes: a log that was not worked in, and a bundle.
ALLOWED = LOG + MOST_BYTES

#: The numbers of messages begin here in each round after the first one.
_NUMBERS = 1_000_000


def powercut(seed: int, folder: Path, sync: str, batches: int = 1000, states: int = 200, rounds: int = 3) -> Outcome:
    """
    Record some work, and cut the power at so many moments, half of them beside a sync; and do so again and again.

    :param batches: how many are taken in, in each round.
    :param states: how often the power is cut in each.
    """
    folder.mkdir()
    spool = folder / "spool"
    spool.mkdir()
    library, chance, cuts = compiled(folder), random.Random(seed), Cuts()
    needed: dict[int, int] = {}
    for number in range(rounds):
        disk = Disk.holding(spool)
        record = folder / f"record-{number}"
        arguments = [str(spool), str(seed + number), sync, str(batches), str(number * _NUMBERS)]
        setting = environment(library, spool, record)
        setting.pop("COVERAGE_PROCESS_START", None)
        command = [sys.executable, "-m", "tests.endurance.recorded", *arguments]
        subprocess.run(command, cwd=TOP, env=setting, check=True, timeout=120)
        story = Story(disk, chance, 0 if sync == "full" else ALLOWED, folder / "after", cuts, needed)
        needed = _round(story, record, states, f"{sync}, round {number}", spool)
    return _outcome(sync, rounds, cuts)


def _round(story: Story, record: Path, states: int, what: str, spool: Path) -> dict[int, int]:
    """
    Go through a record.

    :param spool: where to leave the folder with which the next round begins.
    :return: what of it is needed.
    """
    kinds = [entry.kind for entry in entries(record)]
    syncs = [place + after for place, kind in enumerate(kinds) if kind == "S" for after in (0, 1)]
    chosen = story.chance.choices(syncs, k=states // 2) + story.chance.choices(range(len(kinds)), k=states // 2)
    moments, last = Counter(chosen), story.chance.choice(chosen)
    needed: dict[int, int] = {}
    for place, entry in enumerate(entries(record)):
        for _ in range(moments[place]):
            story.cut(f"{what}, before entry {place}")
        if place == last:
            story.build()
            shutil.rmtree(spool)
            shutil.copytree(story.after, spool)
            seen = story.look(f"{what}, before entry {place}")
            needed = {number: size for number, size in story.needed.items() if number in seen}
        story.apply(entry)
    return needed


def _outcome(sync: str, rounds: int, cuts: Cuts) -> Outcome:
    """
    What came of it.
    """
    cells = {
        "sync": sync,
        "rounds": rounds,
        "cuts": cuts.states,
        "refused": cuts.refused,
        "with a loss": cuts.lossy,
        "most messages": cuts.messages,
        "most bytes": cuts.size,
        "said damaged": cuts.alarms,
    }
    return Outcome(cells, cuts.troubles)
