"""
Trials of the store on disk: each prints a table, and ends with 0 if its claim holds.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .damage import damage
from .disks import mayMount
from .drain import drain
from .full import full
from .kills import kills
from .oldest import oldest
from .outcomes import Outcome, table
from .powercut import powercut
from .readonly import readonly

#: Makes a trial, with a seed, in a folder, and says what came of it bit by bit.
Trial = Callable[[int, Path], Iterator[Outcome]]


def _kills(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    The relay is killed 50 times under load, with a RELP destination and with a plain one.
    """
    for driver in ("relp", "syslog"):
        place = folder / driver
        place.mkdir()
        yield kills(seed, place, driver=driver)


def _powercut(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    The power is cut at some hundred moments of work.
    """
    for sync in ("full", "normal"):
        yield powercut(seed, folder / sync, sync)


def _drain(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    Two gigabytes are delivered, over RELP and over TCP alone.
    """
    for driver in ("relp", "syslog"):
        yield drain(seed, folder / driver, driver)
        shutil.rmtree(folder / driver)


def _full(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    The disk is full, with each policy, and with a kill meanwhile.
    """
    if not mayMount():
        print("only root can have a disk that is small: nothing is tried")
        return
    for overflow in ("block", "drop-newest", "drop-oldest"):
        for killed in (False, True):
            yield full(folder / f"{overflow}-{killed}", overflow, killed)


def _oldest(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    The disk is full of datagrams; the spool has more bytes than the disk, and less.
    """
    for size in ("1GiB", "200MiB", "12MiB") if mayMount() else ():
        yield oldest(folder / size, size)


def _readonly(seed: int, folder: Path) -> Iterator[Outcome]:
    """
    The disk takes no writes any more.
    """
    outcome = readonly(folder / "disk")
    if outcome is None:
        print("no file system can be mounted here: nothing is tried")
    else:
        yield outcome


TRIALS: dict[str, Trial] = {
    "kills": _kills,
    "drain": _drain,
    "damage": damage,
    "powercut": _powercut,
    "full": _full,
    "oldest": _oldest,
    "readonly": _readonly,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Make one.

    :return: 0 if its claim holds.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("trial", choices=TRIALS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--folder", type=Path, help="where to make a folder for its files, which is removed at the end")
    options = parser.parse_args(arguments)
    print(f"{options.trial}: --seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=options.folder) as folder:
        outcomes = list(TRIALS[options.trial](options.seed, Path(folder)))
    if outcomes:
        print(table(outcomes))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if any(outcome.troubles for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
