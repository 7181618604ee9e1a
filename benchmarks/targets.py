"""
What is aimed at, each as a value that judges the runs of a case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs

from .figures import Runs, median, pairedRatio

#: Ours, by the name that it has among the relays of a case.
OURS = "logrelay"

#: The relays whose messages a second are to be reached.
RIVALS = ("rsyslog", "syslog-ng")

#: The sender without a relay.
DIRECT = "direct"

#: A run is limited by its sender if the relay uses less than this share of a core, and the sender alone is at most so
#: many times as fast.
IDLE, NEAR = 0.7, 1.2


@attrs.frozen
class Verdict:
    """
    What came of a target.

    :ivar target: what was aimed at.
    :ivar measured: what was seen.
    :ivar reached: ``None``: it can't be told.
    """

    target: str
    measured: str
    reached: bool | None

    @property
    def word(self) -> str:
        """
        For the table.
        """
        return {True: "reached", False: "not reached", None: "unknown"}[self.reached]


class Target(Protocol):
    """
    Judges.
    """

    def judge(self, runs: Runs) -> Verdict:
        """
        Say whether it is reached.
        """


@attrs.frozen
class CpuAtMost:
    """
    CPU of ours for a message, as a multiple of another relay's.
    """

    limit: float
    peer: str
    ours: str = OURS

    def judge(self, runs: Runs) -> Verdict:
        """
        By the median of the rounds' ratios.
        """
        target = f"CPU <= {self.limit} x {self.peer}"
        found = pairedRatio(runs, "cpu", self.ours, self.peer)
        if found is None:
            return Verdict(target, "not measured", None)
        return Verdict(target, f"{found:.2f} x", found <= self.limit)


def _best(runs: Runs, of: str) -> list[tuple[float, str]]:
    """
    The medians of the rivals that have one, the least first.
    """
    found = ((median(runs.get(name, ()), of), name) for name in RIVALS)
    return sorted((value, name) for value, name in found if value is not None)


@attrs.frozen
class RateAtLeast:
    """
    Messages a second of ours, as a multiple of the better one of the others.

    :ivar senderBound: whether it is enough that the sender was what limited it.
    """

    factor: float
    senderBound: bool = True

    def judge(self, runs: Runs) -> Verdict:
        """
        By the median of the rounds' ratios to the one that is better by its own median.
        """
        bound = ", or sender-bound" if self.senderBound else ""
        target = f"messages/s >= {self.factor:g} x the better{bound}"
        others = _best(runs, "rate")
        found = pairedRatio(runs, "rate", OURS, others[-1][1]) if others else None
        if found is None:
            return Verdict(target, "not measured", None)
        said = f"{found:.2f} x {others[-1][1]}"
        if found >= self.factor or not self.senderBound:
            return Verdict(target, said, found >= self.factor)
        core, alone = median(runs[OURS], "core"), pairedRatio(runs, "rate", DIRECT, OURS)
        if core is None or alone is None:
            return Verdict(target, f"{said}; not measured whether sender-bound", None)
        said += f"; {core:.0%} of a core, the sender alone {alone:.2f} x"
        return Verdict(target, said, core < IDLE and alone <= NEAR)


@attrs.frozen
class NothingLost:
    """
    Ours loses nothing, in any run.
    """

    def judge(self, runs: Runs) -> Verdict:
        """
        By all runs.
        """
        mine = runs.get(OURS, ())
        failed, lost = sum(bool(each.failure) for each in mine), sum(max(0, each.lost) for each in mine)
        if failed or not mine:
            return Verdict("nothing lost", f"{failed} of {len(mine)} runs failed", None)
        return Verdict("nothing lost", f"{lost:,} lost", lost == 0)


@attrs.frozen
class LatencyAtMost:
    """
    The 99th percentile of ours: no more than the slower one of the others, or some milliseconds.
    """

    milliseconds: float

    def judge(self, runs: Runs) -> Verdict:
        """
        By the medians.
        """
        target = f"p99 <= the slower peer's, or < {self.milliseconds:g} ms"
        mine, others = median(runs.get(OURS, ()), "p99"), _best(runs, "p99")
        if mine is None:
            return Verdict(target, "not measured", None)
        slowest, name = others[-1] if others else (0.0, "none")
        said = f"{mine:.2f} ms; {name} {slowest:.2f} ms"
        return Verdict(target, said, mine < self.milliseconds or mine <= slowest)


def judge(targets: Iterable[Target], runs: Runs) -> list[Verdict]:
    """
    All targets of a case.
    """
    return [each.judge(runs) for each in targets]
