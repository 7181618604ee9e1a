"""
What came of trials, and how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Outcome:
    """
    One line of a table.

    :ivar cells: by their headings; those of one table have the same ones.
    :ivar troubles: why its claim does not hold; none where it does.
    """

    cells: Mapping[str, object]
    troubles: Sequence[str] = ()


def table(outcomes: Sequence[Outcome]) -> str:
    """
    A table in plain text, and the troubles below it.
    """
    headings = list(outcomes[0].cells)
    lines = [headings, *([_shown(each.cells[heading]) for heading in headings] for each in outcomes)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    rows = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    troubles = [f"FAILED: {trouble}" for each in outcomes for trouble in each.troubles]
    return "\n".join([*rows, *troubles])


def _shown(value: object) -> str:
    """
    A cell.
    """
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
