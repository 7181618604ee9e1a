"""
What is measured in one run, and what is made of several: medians and ratios.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Figures:
    """
    One run of one relay.

    :ivar sent: how many messages the sender sent.
    :ivar arrived: how many came, each counted once where they are told apart.
    :ivar doubles: how many more came, where they are told apart.
    :ivar rate: messages a second at the sink, from the first one that came to the last.
    :ivar cpu: CPU seconds of the relay for a million messages that came; ``None``: there is no relay.
    :ivar core: the share of one core that it used meanwhile.
    :ivar peak: the most memory that it had, in KiB.
    :ivar p50: half of the messages took no longer than this, in milliseconds; ``p99``: of 99 %.
    :ivar failure: why the run tells nothing, or less; empty: it went well.
    """

    sent: int = 0
    arrived: int = 0
    doubles: int = 0
    rate: float | None = None
    cpu: float | None = None
    core: float | None = None
    peak: float | None = None
    p50: float | None = None
    p99: float | None = None
    failure: str = ""

    @property
    def lost(self) -> int:
        """
        How many did not come.
        """
        return self.sent - self.arrived


#: Of one case: the runs of each relay, by name, in their order.
Runs = Mapping[str, Sequence[Figures]]

#: What medians are made of.
MEASURED = ("cpu", "rate", "core", "peak", "p50", "p99")


def median(runs: Sequence[Figures], of: str) -> float | None:
    """
    Of one figure, from the runs that went well and have it.
    """
    values = [value for each in runs if not each.failure and (value := getattr(each, of)) is not None]
    return statistics.median(values) if values else None


def medians(runs: Sequence[Figures]) -> dict[str, float | None]:
    """
    Of every figure.
    """
    return {name: median(runs, name) for name in MEASURED}


def ratio(runs: Runs, of: str, one: str, other: str) -> float | None:
    """
    The median of one relay as a multiple of another one's.
    """
    mine, theirs = (median(runs.get(name, ()), of) for name in (one, other))
    return mine / theirs if mine is not None and theirs else None


def pairedRatio(runs: Runs, of: str, one: str, other: str) -> float | None:
    """
    The median of the rounds' own ratios: a machine that is busy for some rounds disturbs it less.
    """
    ratios = []
    for mine, theirs in zip(runs.get(one, ()), runs.get(other, ()), strict=False):
        a, b = getattr(mine, of), getattr(theirs, of)
        if a is not None and b and not (mine.failure or theirs.failure):
            ratios.append(a / b)
    return statistics.median(ratios) if ratios else None
