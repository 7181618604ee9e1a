"""
The same faults side by side for logrelay and for Debian's syslog-ng and rsyslog as relays.

``python -m benchmarks.faults`` (as root, since each server is a host in a network namespace of its own) sends numbered
messages of 200 bytes through one relay at a time to a primary with two failovers, lets something happen to the primary,
and prints what was lost, what came more than once, how long it took until the next server got something, and the
memory that the relay had.  A relay that stays with the primary is watched for ``--watch`` seconds, and counted as it
stands then.

Our own servers write down what they read at once, so that it is known exactly.  How each relay is configured stands in
``benchmarks/relays``.  ``python -m tests.real`` unpacks the other two.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import SubprocessError
from types import FrameType

from tests import netns
from tests.real import Loggen, RealServer, Rsyslog, SyslogNg
from tests.real import missing as missingPrograms

from .faultkinds import FAULTS, Fault, Load
from .faulttable import HEADINGS, Results, cells, reST
from .faulttrial import run
from .relays import RELAYS

#: Which programs of Debian's a relay's name stands for.
_NEEDED: Mapping[str, type[RealServer | Loggen]] = {"syslog-ng": SyslogNg, "rsyslog": Rsyslog}

#: The widths of the columns that are printed.
_WIDTHS = (38, 11, 9, 9, 9, 12, 9, 12)


def line(texts: Sequence[str]) -> str:
    """
    One line of the table that is printed.
    """
    fault, relay, *numbers = texts
    aligned = [f"{number:>{width}}" for number, width in zip(numbers, _WIDTHS[2:], strict=True)]
    return f"{fault:{_WIDTHS[0]}}{relay:{_WIDTHS[1]}}{''.join(aligned)}"


def compare(faults: Sequence[Fault], relays: Sequence[str], load: Load, watch: float) -> Results:
    """
    Make all trials one after the other, and print each as it ends.

    One that could not be made is told, and is not in the results.
    """
    results: Results = {}
    print(line(HEADINGS), flush=True)
    for fault in faults:
        for relay in relays:
            try:
                outcome = run(fault, relay, load, watch)
            except (OSError, RuntimeError, SubprocessError) as error:
                print(f"{fault.title}, {relay}: could not be made: {error}", flush=True)
                continue
            results[fault.title, relay] = outcome
            print(line(cells(fault.title, relay, outcome)), flush=True)
    return results


def lacking(faults: Sequence[Fault], relays: Sequence[str]) -> str | None:
    """
    Why this can't be run here, or ``None``.
    """
    programs = {_NEEDED[relay] for relay in relays if relay in _NEEDED}
    if any(fault.real for fault in faults):
        programs.add(SyslogNg)
    return netns.missing() or missingPrograms(*programs)


def ended(number: int, frame: FrameType | None) -> None:
    """
    Let a signal to end clean up as an interrupt does.

    :raises SystemExit: always.
    """
    sys.exit(128 + number)


def parser() -> argparse.ArgumentParser:
    """
    The options.
    """
    made = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.strip().split("\n\n")[0])
    names = [fault.name for fault in FAULTS]
    made.add_argument("--faults", nargs="+", choices=names, default=names, metavar="FAULT", help=", ".join(names))
    made.add_argument(
        "--relays", nargs="+", choices=RELAYS, default=list(RELAYS), metavar="RELAY", help=", ".join(RELAYS)
    )
    made.add_argument("--messages", type=int, default=60_000, help="sent in each trial (60000)")
    made.add_argument("--rate", type=int, default=10_000, help="messages a second (10000)")
    made.add_argument("--watch", type=float, default=60.0, help="seconds after the fault (60)")
    made.add_argument("--rst", type=Path, metavar="FILE", help="write the table there too, for the documentation")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run it.

    :return: 0; 1 if a trial could not be made; 2 if this machine lacks something.
    """
    options = parser().parse_args(arguments)
    faults = [fault for fault in FAULTS if fault.name in options.faults]
    if why := lacking(faults, options.relays):
        print(why, file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    began = time.monotonic()
    results = compare(faults, options.relays, Load(options.messages, options.rate), options.watch)
    print(f"in {(time.monotonic() - began) / 60:.1f} minutes")
    if options.rst:
        command = ["python -m benchmarks.faults", *(sys.argv[1:] if arguments is None else arguments)]
        options.rst.write_text(reST(results, options.relays, " ".join(command)))
    return 0 if len(results) == len(faults) * len(options.relays) else 1


if __name__ == "__main__":
    sys.exit(main())
