"""
What was measured, as tables for people: on a terminal, and as reST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .cases import Case
from .figures import Figures, Runs, median, pairedRatio
from .targets import judge

#: The columns.  Ratios are ours by that relay's.
HEADINGS = (
    "case",
    "relay",
    "CPU s/million",
    "CPU ratio",
    "messages/s",
    "rate ratio",
    "core",
    "MiB",
    "p50 ms",
    "p99 ms",
    "lost",
    "doubles",
)
VERDICT_HEADINGS = ("case", "target", "measured", "")

#: What ran, by case.
Results = Mapping[str, Runs]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def cells(case: Case, name: str, runs: Runs) -> tuple[str, ...]:
    """
    One row: the medians of one relay, and of the rounds' ratios; losses and doubles are the most of any round.
    """
    mine = runs[name]
    good = [each for each in mine if not each.failure]
    first = next(iter(case.contestants))
    peak = median(mine, "peak")
    return (
        case.name,
        name,
        _number(median(mine, "cpu"), ".2f"),
        "" if name == first else _number(pairedRatio(runs, "cpu", first, name), ".2f"),
        _number(median(mine, "rate"), ",.0f"),
        "" if name == first else _number(pairedRatio(runs, "rate", first, name), ".2f"),
        _number(median(mine, "core"), ".0%"),
        _number(None if peak is None else peak / 1024, ".0f"),
        _number(median(mine, "p50"), ".2f"),
        _number(median(mine, "p99"), ".2f"),
        f"{max((each.lost for each in good), default=0):,}",
        f"{max((each.doubles for each in good), default=0):,}",
    )


def rows(cases: Sequence[Case], results: Results) -> list[tuple[str, ...]]:
    """
    All rows, the headings first.
    """
    found = [(case, name) for case in cases for name in results.get(case.name, {})]
    return [HEADINGS, *(cells(case, name, results[case.name]) for case, name in found)]


def verdicts(cases: Sequence[Case], results: Results) -> list[tuple[str, ...]]:
    """
    Every target, with what was measured, the headings first.
    """
    found = [(case, each) for case in cases if case.name in results for each in judge(case.targets, results[case.name])]
    return [VERDICT_HEADINGS, *((case.name, each.target, each.measured, each.word) for case, each in found)]


def failures(results: Results) -> list[str]:
    """
    Runs that tell nothing, or less.
    """
    return [
        f"{case}, {name}, round {number}: {each.failure} ({each.arrived:,} of {each.sent:,} messages came)"
        for case, runs in results.items()
        for name, those in runs.items()
        for number, each in enumerate(those, 1)
        if each.failure
    ]


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def columns(table: Sequence[Sequence[str]], left: int = 2) -> list[str]:
    """
    A table for a terminal.

    :param left: so many columns begin at the left, the others end at the right.
    """
    widths = _widths(table)
    return [
        "  ".join(
            f"{cell:{width}}" if place < left else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def grid(table: Sequence[Sequence[str]]) -> list[str]:
    """
    A simple table of reST, the first row its headings.
    """
    widths = _widths(table)
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return [rule, lines[0], rule, *lines[1:], rule]


def line(case: Case, name: str, number: int, figures: Figures) -> str:
    """
    One run, as it ends.
    """
    parts = [f"{case.name} {name} round {number}:"]
    for value, form, unit in (
        (figures.cpu, ".2f", "CPU s/million"),
        (figures.rate, ",.0f", "messages/s"),
        (figures.core, ".0%", "of a core"),
        (figures.peak and figures.peak / 1024, ".0f", "MiB"),
        (figures.p50, ".2f", "ms p50"),
        (figures.p99, ".2f", "ms p99"),
        (figures.lost or None, ",d", "lost"),
        (figures.doubles or None, ",d", "doubles"),
    ):
        if value is not None:
            parts.append(f"{format(value, form)} {unit},")
    if figures.failure:
        parts.append(f"FAILED: {figures.failure},")
    return " ".join(parts).rstrip(",:")
