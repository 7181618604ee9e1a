"""
A spool whose files are damaged, each in every way.

It never keeps the relay from starting; all that is not in the damaged file and its log is delivered, in order; what is
lost is said; and the spool goes on.
"""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import attrs

from logrelay.batches import Batch

from ..spools import MIB, Bench
from .harm import HARMS
from .numbered import append, bench, drain, numbersOf, randomBatch
from .outcomes import Outcome

#: Of the spool: its databases have an eighth of that, so that there are several.
SIZE = 4 * MIB

#: How many batches are in it.
BATCHES = 400

#: So many of the first ones have settled.
SETTLED = 20


@attrs.define
class Harmed:
    """
    What came of one trial.

    :ivar outside: lost messages that were in no damaged file.
    :ivar inside: lost messages that were.
    :ivar said: how many were said to be lost at most.
    :ivar troubles: what is wrong.
    """

    kind: str
    outside: int = 0
    inside: int = 0
    said: int = 0
    refused: bool = False
    troubles: list[str] = attrs.field(factory=list)


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


def damage(seed: int, folder: Path, times: int = 200) -> Iterator[Outcome]:
    """
    Make the trials.

    :param times: how many.
    """
    chance = random.Random(seed)
    original = Original(folder, chance)
    harms = [(kind, name) for kind in HARMS for name in original.files]
    chance.shuffle(harms)
    kinds: dict[str, list[Harmed]] = defaultdict(list)
    for number in range(times):
        kind, name = harms[number % len(harms)]
        # One in ten is damaged in two places.
        others = [chance.choice(original.files)] if number % 10 == 9 else []
        harmed = _trial(original, folder / "copy", chance, kind, [name, *others])
        kinds[harmed.kind].append(harmed)
    for kind, harmeds in kinds.items():
        yield _outcome(kind, harmeds)


def _trial(original: Original, path: Path, chance: random.Random, kind: str, names: list[str]) -> Harmed:
    """
    Damage a copy, and look what becomes of it.
    """
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original.path, path)
    names = list(dict.fromkeys(names))
    harmed = Harmed(kind if len(names) == 1 else "two at once")
    what = f"{kind}: {', '.join(names)}"
    for name in names:
        HARMS[kind](path / name, chance)
    place = bench(path, SIZE)
    try:
        spool = place.spool()
        seen = drain(spool, place.worker.catchUp)
        place.close(spool)
        _judge(original, kind, names, seen, place, harmed)
        _goesOn(place, original.end, chance)
    except Exception as error:
        harmed.refused = True
        harmed.troubles.append(f"{type(error).__name__}: {error}")
    harmed.troubles = [f"{what}: {trouble}" for trouble in harmed.troubles]
    return harmed


def _judge(original: Original, kind: str, names: list[str], seen: list[int], place: Bench, harmed: Harmed) -> None:
    """
    Look at what was delivered.
    """
    lost = set(original.numbers) - set(seen)
    inside = original.inside(names)
    harmed.inside, harmed.outside = len(lost & inside), len(lost - inside)
    harmed.said = sum(each.messages for each in place.damages)
    if harmed.outside:
        harmed.troubles.append(f"{harmed.outside} messages are lost that were elsewhere")
    if seen != sorted(set(seen)):
        harmed.troubles.append("not delivered in order")
    if "settled" in names and len(names) > 1:
        # With the record gone, nobody knows how many messages the end of the last file had.
        return
    if harmed.said < len(lost):
        harmed.troubles.append(f"{len(lost)} messages are lost, and {harmed.said} were said to be")
    kept = {each.name for each in (place.path / "quarantine").glob("*")}
    for database in {each.removesuffix("-wal") for each in names if kind != "removed"}:
        if lost & original.inside([database]) and database not in kept:
            harmed.troubles.append(f"{database} is not in quarantine: {kept}")


def _goesOn(place: Bench, first: int, chance: random.Random) -> None:
    """
    The spool takes more, and has it after another start.
    """
    for _ in range(2):
        place.damages.clear()
        spool = place.spool()
        batches = []
        for _ in range(30):
            batches.append(randomBatch(chance, first))
            first += batches[-1].count
        answers = append(spool, batches, place.worker.catchUp)
        assert answers == [True] * len(batches), answers
        if chance.random() < 0.5:
            place.close(spool)
            spool = place.spool()
        wanted = [number for batch in batches for number in numbersOf(batch)]
        assert drain(spool, place.worker.catchUp) == wanted, "what came later is not as it was"
        place.close(spool)
        assert not place.damages, place.damages
        assert not place.troubles, place.troubles


def _outcome(kind: str, harmeds: list[Harmed]) -> Outcome:
    """
    What came of a kind of damage.
    """
    cells = {
        "damage": kind,
        "trials": len(harmeds),
        "refused": sum(each.refused for each in harmeds),
        "lost outside": sum(each.outside for each in harmeds),
        "lost inside": sum(each.inside for each in harmeds),
        "said": sum(each.said for each in harmeds),
    }
    return Outcome(cells, [trouble for each in harmeds for trouble in each.troubles])
