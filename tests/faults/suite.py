"""
The whole table: which trials there are, several at the same time, and what they showed.
"""

from __future__ import annotations

import multiprocessing
import signal
import statistics
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

import attrs

from .rows import ROWS, Row
from .scene import SHORT, Limits
from .trial import Outcome, Task, network, run

#: Trials with the relay's default limits are hours of waiting and little work: so many more run beside the others.
BESIDE = 4

_HEADINGS = ("fault", "transport", "trials", "lost", "dup", "late", "resent/bound", "median", "worst", "bound", "holds")


@attrs.define
class Result:
    """
    What the trials of one row over one transport showed.
    """

    row: Row
    transport: str
    limits: Limits
    outcomes: list[Outcome] = attrs.field(factory=list)

    @property
    def seconds(self) -> list[float]:
        """
        Everything that was measured.
        """
        return [each for outcome in self.outcomes for each in outcome.seconds]

    @property
    def bound(self) -> float | None:
        """
        What the median may be.
        """
        return None if self.row.bound is None else self.row.bound(self.limits)

    @property
    def inTime(self) -> bool:
        """
        Whether the seconds are within their bound.
        """
        if self.bound is None:
            return True
        if not self.seconds:
            return False
        worst = self.bound if self.row.never else self.bound + 1
        # A median of less than three says nothing.
        typical = statistics.median(self.seconds) if len(self.seconds) > 2 else 0.0
        return typical <= self.bound and max(self.seconds) < worst

    @property
    def holds(self) -> bool:
        """
        Whether the row does.
        """
        return bool(self.outcomes) and self.inTime and not any(outcome.troubles for outcome in self.outcomes)

    def cells(self) -> list[str]:
        """
        The row as it is printed.
        """
        outcomes, seconds = self.outcomes, self.seconds
        most = max(outcomes, key=lambda each: each.resent)
        return [
            self.row.fault + ("" if self.limits == SHORT else " (defaults)"),
            self.transport,
            str(len(outcomes)),
            str(max(each.lost for each in outcomes)),
            str(max(each.duplicates for each in outcomes)),
            str(max(each.late for each in outcomes)),
            f"{most.resent}/{most.resentBound}",
            f"{statistics.median(seconds):.2f}" if seconds else "-",
            f"{max(seconds):.2f}" if seconds else "-",
            "-" if self.bound is None else f"{self.bound:g}",
            "yes" if self.holds else "NO",
        ]

    def remarks(self) -> list[str]:
        """
        What else is to be told, a line for each: what went wrong, and notes.
        """
        said = [line for outcome in self.outcomes for line in (*outcome.troubles, *outcome.notes)]
        if self.outcomes and not self.inTime:
            said.append("not in time: " + " ".join(f"{each:.2f}" for each in self.seconds))
        return [f"  {self.row.key} {self.transport}: {line}" for line in said]


def tasks(
    rows: Sequence[str] = (), transports: Sequence[str] = (), trials: int | None = None, defaults: bool = True
) -> list[Task]:
    """
    The trials to be made, those with the default limits first, since they take long.

    :param rows: keys; none: all rows.
    :param transports: none: all.
    :param trials: how many of each; ``None``: as many as the row says.
    :param defaults: whether one more of each is made with the relay's default limits.
    """
    chosen = [
        (row, transport)
        for row in ROWS
        for transport in row.transports
        if (not rows or row.key in rows) and (not transports or transport in transports)
        if network() or not row.vanishing
    ]
    return [Task(row, transport, Limits()) for row, transport in chosen if defaults] + [
        Task(row, transport, number=number)
        for row, transport in chosen
        for number in range(row.trials if trials is None else trials)
    ]


def quickTasks() -> list[Task]:
    """
    A few short trials that show each kind of fault.
    """
    return [
        Task(row, transport, count=15_000, rate=5_000)
        for row in ROWS
        for transport in row.quick
        if network() or not row.vanishing
    ]


def gathered(outcomes: Iterable[tuple[Task, Outcome]]) -> list[Result]:
    """
    The results of all trials, in the order of the table.
    """
    results: dict[tuple[str, str, Limits], Result] = {}
    for task, outcome in outcomes:
        key = (task.row.key, task.transport, task.limits)
        results.setdefault(key, Result(task.row, task.transport, task.limits)).outcomes.append(outcome)
    order = [row.key for row in ROWS]
    return sorted(
        results.values(),
        key=lambda each: (order.index(each.row.key), each.row.transports.index(each.transport), each.limits != SHORT),
    )


def interruptible() -> None:
    """
    End at SIGTERM as if interrupted from the keyboard: everything is cleaned up on the way.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def played(
    wanted: Sequence[Task], jobs: int, keep: Path | None, told: Callable[[Task, Outcome], None]
) -> list[tuple[Task, Outcome]]:
    """
    Make trials, several at the same time, each in a process that makes one at a time.

    :param jobs: how many at the same time, besides those with the default limits.
    :param told: called after each.
    """
    # A new process shares no thread and no lock with this one.
    context = multiprocessing.get_context("spawn")
    short = [task for task in wanted if task.limits == SHORT]
    long = [task for task in wanted if task.limits != SHORT]
    with (
        ProcessPoolExecutor(jobs, context, interruptible) as pool,
        ProcessPoolExecutor(BESIDE, context, interruptible) as beside,
    ):
        running: dict[Future[Outcome], Task] = {
            executor.submit(_one, *_named(task), keep): task
            for executor, some in ((beside, long), (pool, short))
            for task in some
        }
        outcomes = []
        try:
            for future in as_completed(running):
                outcomes.append((running[future], future.result()))
                told(*outcomes[-1])
        except BaseException:
            for executor in (pool, beside):
                executor.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def _named(task: Task) -> tuple[str, dict[str, object]]:
    """
    A task as it can be given to another process: a row has functions in it, so its key goes.
    """
    values = attrs.asdict(task, recurse=False)
    return values.pop("row").key, values


def _one(key: str, values: dict[str, object], keep: Path | None) -> Outcome:
    """
    Make one trial, in another process.
    """
    (row,) = (each for each in ROWS if each.key == key)
    return run(Task(row, **values), keep)  # type: ignore[arg-type]


def table(results: Sequence[Result]) -> str:
    """
    The table, in plain text.
    """
    lines = [list(_HEADINGS), *(result.cells() for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]

    def shown(line: Sequence[str]) -> str:
        pairs = list(zip(line, widths, strict=True))
        return "  ".join(
            cell.ljust(size) if place < 2 else cell.rjust(size) for place, (cell, size) in enumerate(pairs)
        )

    remarks = [remark for result in results for remark in result.remarks()]
    return "\n".join([*map(shown, lines), *(["", *remarks] if remarks else [])])
