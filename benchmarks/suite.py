"""
All runs of some cases, one after the other, and the account of them.

In a round each relay has a run; the next round begins with another one, so that what warms up or slows down during a
case disturbs all alike.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from . import tables
from .cases import Case, Contestant
from .figures import Figures, Runs, medians, pairedRatio, ratio
from .targets import judge
from .trial import certificates, run
from .wire import Files

#: Of which figures ratios are made.
RATIOS = ("cpu", "rate", "peak", "p50", "p99")

#: Makes one run.
Runner = Callable[[Case, Contestant, Files], Figures]


def rotated(names: Sequence[str], number: int) -> list[str]:
    """
    The order of the relays in a round.
    """
    place = number % len(names)
    return [*names[place:], *names[:place]]


def play(case: Case, rounds: int, files: Files, runner: Runner = run) -> Runs:
    """
    Make all runs of a case, and tell each on standard error as it ends.
    """
    runs: dict[str, list[Figures]] = {name: [] for name in case.contestants}
    for number in range(case.rounds or rounds):
        for name in rotated(list(runs), number):
            figures = runner(case, case.contestants[name], files)
            runs[name].append(figures)
            print(tables.line(case, name, number + 1, figures), file=sys.stderr, flush=True)
    return runs


def account(case: Case, runs: Runs) -> dict[str, Any]:
    """
    A case for the JSON file.
    """
    ours = next(iter(case.contestants))
    return {
        "title": case.title,
        "load": attrs.asdict(case.load),
        "goes": attrs.asdict(case.goes),
        "relays": {
            name: {"rounds": [attrs.asdict(each) for each in those], "medians": medians(those)}
            for name, those in runs.items()
        },
        "ratios": {
            name: {
                of: {"ofMedians": ratio(runs, of, ours, name), "medianOfRounds": pairedRatio(runs, of, ours, name)}
                for of in RATIOS
            }
            for name in runs
            if name != ours
        },
        "targets": [attrs.asdict(each) for each in judge(case.targets, runs)],
    }


def measure(cases: Sequence[Case], rounds: int, about: dict[str, object], output: Path | None) -> tables.Results:
    """
    Make all runs of all cases.

    :param about: what stands first in the JSON file.
    :param output: that file, which has after each case what there is so far.
    """
    # Whatever the shell allows, there are cases with many connections.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: dict[str, Runs] = {}
    accounts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="logrelay-benchmark-") as folder:
        files = certificates(Path(folder))
        for case in cases:
            results[case.name] = play(case, rounds, files)
            accounts[case.name] = account(case, results[case.name])
            if output is not None:
                text = json.dumps({**about, "rounds": rounds, "cases": accounts}, indent=1)
                output.with_name(f"{output.name}.new").write_text(f"{text}\n")
                output.with_name(f"{output.name}.new").replace(output)
    return results
