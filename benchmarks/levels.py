"""
What the delivery level ``replay`` costs beside ``written``, which keeps nothing once the kernel has it.

``python -m benchmarks.levels`` sends messages of loggen through a relay at each level in turn, as
:mod:`benchmarks.throughput` does, and prints the CPU seconds of the relay for a million messages: the median of the
rounds, and the ratio of the two.  The levels take turns at being first, so that what warms up or slows down during the
run disturbs both alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from functools import partial

from .throughput import logrelay, run

LEVELS = ("written", "replay")

#: What ``replay`` may cost, as a multiple of ``written``.
ALLOWED = 1.1


def measure(case: str, rounds: int, messages: int) -> dict[str, list[float]]:
    """
    CPU seconds of the relay for a million messages, for each level, round by round.
    """
    cpu: dict[str, list[float]] = {level: [] for level in LEVELS}
    for number in range(rounds):
        for level in LEVELS if number % 2 == 0 else LEVELS[::-1]:
            cpu[level].append(run(level, partial(logrelay, case, delivery=level), messages).cpu)
    return cpu


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run it, and print the table.

    :return: 0 if the ratio is within what is allowed, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n\n")[0])
    parser.add_argument("--case", choices=("as-is", "convert"), default="as-is")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    cpu = measure(options.case, options.rounds, options.messages)
    print(f"CPU s/million messages, {options.case}, {options.rounds} rounds of {options.messages:,} messages")
    for level in LEVELS:
        rounds = " ".join(f"{each:.3f}" for each in cpu[level])
        print(f"{level:8} median {statistics.median(cpu[level]):.3f}  all {rounds}")
    ratio = statistics.median(cpu["replay"]) / statistics.median(cpu["written"])
    print(f"replay costs {ratio:.3f} times what written does; allowed {ALLOWED}")
    pairs = statistics.median(replay / written for written, replay in zip(cpu["written"], cpu["replay"], strict=True))
    print(f"(median of the rounds' own ratios, which a busy machine disturbs less: {pairs:.3f})")
    return 0 if ratio <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
