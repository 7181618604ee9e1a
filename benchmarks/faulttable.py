"""
The table of :mod:`benchmarks.faults`: what its columns are, and how it is written as reST.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence

from .faulttrial import Outcome
from .relays import RELAYS
from .tables import grid

#: By the title of the fault and the name of the relay.
Results = dict[tuple[str, str], Outcome]

#: Seconds are shown to this, since our servers' times are exact to a few thousandths.
LEAST = 0.01

HEADINGS = ("fault", "relay", "taken", "refused", "lost", "duplicates", "seconds", "memory, MiB")


def cells(fault: str, relay: str, outcome: Outcome) -> tuple[str, ...]:
    """
    One row, in the order of :data:`HEADINGS`.
    """
    seconds = f"> {outcome.watched:.0f}" if outcome.seconds is None else f"{max(outcome.seconds, LEAST):.2f}"
    memory = "crashed" if outcome.memory is None else f"{outcome.memory / 1024:.0f}"
    numbers = (outcome.taken, outcome.refused, outcome.lost, outcome.duplicates)
    return fault, relay, *(f"{number:,}" for number in numbers), seconds, memory


def reST(results: Results, relays: Sequence[str], command: str) -> str:
    """
    The table for the documentation, with what made it and when.
    """
    rows = [HEADINGS, *(cells(fault, relay, outcome) for (fault, relay), outcome in results.items())]
    versions = "; ".join(RELAYS[relay].version() for relay in relays)
    machine = f"Linux {platform.release().partition('-')[0]} with {os.cpu_count()} processors"
    made = f"Made on {datetime.date.today()} by ``{command}``: {versions}; {machine}."
    return "\n".join([made, "", *grid(rows), ""])
