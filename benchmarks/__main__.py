"""
What relaying costs: logrelay beside Debian's rsyslog and syslog-ng doing the same work, with socat as the floor.

``python -m benchmarks`` runs every case, prints a table, and with ``--json`` writes down every run.  A relay stands
between a sender and a sink that are processes of their own, the same for all.  The relays take turns; printed are the
medians of the rounds, and those of the ratios within each round: ours by the other one's.  *CPU* is that of the relay,
for a million messages that came.  *direct* is the sender alone, straight to the sink.  How each relay is configured is
printed too.

Others measure one thing each: ``python -m benchmarks.failover``, ``benchmarks.faults`` and ``benchmarks.spool``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from textwrap import fill
from types import FrameType

import attrs

from .cases import BY_NAME, QUICK, Case
from .entrants import KINDS
from .machine import described, missing
from .suite import measure
from .tables import Results, columns, failures, grid, rows, verdicts

#: How many times fewer messages a quick run has.
QUICK_PART = 8


def parser() -> argparse.ArgumentParser:
    """
    The options.
    """
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.strip().split("\n\n")[0])
    made.add_argument("--cases", metavar="NAME,...", help="see --list; all unless given")
    made.add_argument("--rounds", type=int, default=5, help="of each case that does not have its own (5)")
    made.add_argument("--quick", action="store_true", help="one small round, of a few cases, to see that it works")
    made.add_argument("--json", type=Path, metavar="FILE", help="write down every run, after each case")
    made.add_argument("--rst", type=Path, metavar="FILE", help="write the tables there too, for the documentation")
    made.add_argument("--list", action="store_true", help="say which cases there are, and how long they take")
    return made


def chosen(options: argparse.Namespace) -> list[Case]:
    """
    The cases to run, without the relays that are not here.

    :raises ValueError: there is no such case.
    """
    names = options.cases.split(",") if options.cases else QUICK if options.quick else list(BY_NAME)
    if unknown := [name for name in names if name not in BY_NAME]:
        raise ValueError(f"no case is called {', '.join(unknown)}: see --list")
    cases = [BY_NAME[name].smaller(QUICK_PART) if options.quick else BY_NAME[name] for name in names]
    absent = {kind for kind in KINDS if missing(kind)}
    for kind in sorted(absent):
        print(f"{kind} is not here, and left out: see python -m tests.real", file=sys.stderr)
    return [
        attrs.evolve(case, contestants={name: one for name, one in case.contestants.items() if one.kind not in absent})
        for case in cases
    ]


def listed(cases: Sequence[Case], rounds: int) -> str:
    """
    The cases, and how long they take.
    """
    table = [
        ("case", "what", "relays", "messages", "rounds", "seconds"),
        *(
            (
                case.name,
                case.title,
                ", ".join(case.contestants),
                f"{case.load.number:,}",
                str(case.rounds or rounds),
                f"{case.seconds(rounds):.0f}",
            )
            for case in cases
        ),
    ]
    minutes = sum(case.seconds(rounds) for case in cases) / 60
    return "\n".join([*columns(table, 3), f"about {minutes:.0f} minutes in all"])


def notes(kinds: Sequence[str]) -> list[str]:
    """
    How each relay is configured, a paragraph each.
    """
    found = [cleandoc(KINDS[kind].__doc__ or "") for kind in kinds]
    return [" ".join(text.split(":ivar")[0].split()) for text in found]


def reST(about: dict[str, object], cases: Sequence[Case], results: Results, kinds: Sequence[str]) -> str:
    """
    The tables for the documentation, with what made them, when and where.
    """
    versions = "; ".join(dict(about["relays"]).values())  # type: ignore[call-overload]
    openssl = f"{about['openssl']} (the others: {about['opensslOfSystem']})"
    machine = f"{about['cpu']}, {about['cores']} processors, Linux {str(about['kernel']).split('-')[0]}"
    made = f"Made on {str(about['date'])[:10]} by ``{about['command']}``: {versions}; Twisted {about['twisted']},"
    made += f" {openssl}; {machine}."
    parts = [[fill(text, 120, break_on_hyphens=False)] for text in (made, *notes(kinds))]
    parts.append(grid(rows(cases, results)))
    if len(judged := verdicts(cases, results)) > 1:
        parts.append(grid([("case", "target", "measured", "result"), *judged[1:]]))
    return "\n".join("\n".join([*part, ""]) for part in parts)


def show(cases: Sequence[Case], results: Results, kinds: Sequence[str]) -> None:
    """
    Print everything.
    """
    print("\n".join(columns(rows(cases, results))))
    if len(judged := verdicts(cases, results)) > 1:
        print("\n" + "\n".join(columns(judged, 4)))
    print("\nRatios are the first relay's of a case by the relay's of the line, within a round; of these the median.")
    print(
        "\n".join(
            fill(note, 118, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
            for note in notes(kinds)
        )
    )
    for failure in failures(results):
        print(f"FAILED: {failure}")


def command(options: argparse.Namespace) -> str:
    """
    What would do the same again, without the files to write: their paths are of no use to anybody else.
    """
    words = ["python -m benchmarks", f"--rounds {options.rounds}"]
    words += [f"--cases {options.cases}"] if options.cases else []
    words += ["--quick"] if options.quick else []
    return " ".join(words)


def _ended(number: int, frame: FrameType | None) -> None:
    """
    Let a signal to end clean up as an interrupt does.
    """
    sys.exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run it.

    :return: 0; 1 if a run failed; 2 if there is no such case.
    """
    options = parser().parse_args(arguments)
    try:
        cases = chosen(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        print(listed(cases, options.rounds))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    kinds = [kind for kind in KINDS if any(kind == one.kind for case in cases for one in case.contestants.values())]
    about = described(kinds, command(options))
    began = time.monotonic()
    results = measure(cases, options.rounds, about, options.json)
    show(cases, results, kinds)
    print(f"in {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr)
    if options.rst:
        options.rst.write_text(reST(about, cases, results, kinds))
    return 1 if failures(results) else 0


if __name__ == "__main__":
    sys.exit(main())
