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

from ..spools import Bench
from .harm import HARMS
from .numbered import append, bench, drain, numbersOf, randomBatch
from .original import SIZE, Original
from .outcomes import Outcome


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
