"""
Every fault, over every transport, as often as it takes: ``python -m tests.faults`` makes all trials and prints a table.

It ends with 0 if every row holds.  As root each trial has a network of its own; otherwise the rows with black holes are
left out.  Debian's servers have to be there (``python -m tests.real``).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .rows import ALL, ROWS
from .suite import gathered, interruptible, played, quickTasks, table, tasks
from .trial import Outcome, Task, network


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the suite.

    :return: 0 if every row holds.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", nargs="+", choices=[row.key for row in ROWS], default=[], metavar="ROW")
    parser.add_argument("--transports", nargs="+", choices=ALL, default=[])
    parser.add_argument("--trials", type=int, help="of each row; by default 10, or 3 of those that take long")
    parser.add_argument("--no-defaults", action="store_true", help="none with the relay's default time limits")
    parser.add_argument("--quick", action="store_true", help="only what is among the ordinary tests")
    parser.add_argument("--jobs", type=int, default=3, help="how many trials at the same time")
    parser.add_argument("--keep", type=Path, help="a folder for the files of trials that fail")
    options = parser.parse_args(arguments)
    interruptible()
    if options.quick:
        wanted = quickTasks()
    else:
        wanted = tasks(options.rows, options.transports, options.trials, not options.no_defaults)
    if not network():
        print("without root there are no networks, and so no black holes")
    began, done = time.monotonic(), 0

    def told(task: Task, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        seconds = " ".join(f"{each:.2f}" for each in outcome.seconds)
        state = "FAILED: " + outcome.troubles[0] if outcome.troubles else "good"
        at = time.monotonic() - began
        print(f"{at:5.0f} s  {done}/{len(wanted)}  {task.row.key} {task.transport}  [{seconds}]  {state}", flush=True)

    results = gathered(played(wanted, options.jobs, options.keep, told))
    print(f"\n{table(results)}\n\n{time.monotonic() - began:.0f} s")
    return 0 if results and all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
