"""
What a spool costs: messages a second and CPU seconds, beside no spool, beside syslog-ng and rsyslog with theirs, and
beside what the disk does.

``python -m benchmarks.spool`` sends messages of 250 bytes through one relay at a time and prints the medians of the
rounds.  The relays take turns at being first, so that what warms up or slows down during the run disturbs all alike.
How each is configured stands in :mod:`benchmarks.relays`; ``python -m tests.real`` unpacks the other two.

*Server up*: to a server that reads all the time, from the first message in to the last one out.  *Server down*: in,
while there is no server; for ours until all is on disk, for the others until they have read it.  Then out, when there
is one.
*RELP*: from rsyslog's omrelp to a server that is up, with its window of 128 messages and with one of 1000.

The disk is asked for blocks of the size that the commits of a spool had in the same trial, written and synced one by
one to the same file system.  omrelp sends 128 messages at once, and with a window of 128 nothing more until they are
answered, so that nothing can be done while a window is synced: what is told as the most that it allows is one such
block a window, beside what a window takes without a spool.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs

from tests.real import RealServer, Rsyslog, RsyslogToRelp, SyslogNg, missing

from .relays.ours import WorkingLogRelay
from .relays.rsyslogs import WorkingRsyslog
from .relays.syslogngs import WorkingSyslogNg
from .relays.working import Working
from .spoolload import SIZE
from .spooltrial import Down, Maker, Up, down, relp, up
from .wire import Wire, Work

#: omrelp's own choice, which the share is asked for.
WINDOW = 128

#: What a spool may cost, as a share of the messages a second without one.
ASKED = 0.5

MEMORY, FULL, NORMAL = "logrelay, in memory", 'logrelay, sync = "full"', 'logrelay, sync = "normal"'
SYSLOG_NG, RSYSLOG = "syslog-ng, disk-buffer", "rsyslog, disk-assisted"

Outcome = TypeVar("Outcome", Up, Down)


def maker(kind: type[Working], sync: str = "", comes: str = "tcp") -> Maker:
    """
    What makes a relay of a kind.
    """
    work = Work(Wire(comes), sync=sync)
    return lambda folder, server: kind(folder, to=server, work=work)


OURS: dict[str, Maker] = {
    MEMORY: maker(WorkingLogRelay),
    FULL: maker(WorkingLogRelay, "full"),
    NORMAL: maker(WorkingLogRelay, "normal"),
}
THEIRS: dict[str, tuple[type[RealServer], Maker]] = {
    SYSLOG_NG: (SyslogNg, maker(WorkingSyslogNg, "normal")),
    RSYSLOG: (Rsyslog, maker(WorkingRsyslog, "normal")),
}
ANSWERING: dict[str, Maker] = {
    MEMORY: maker(WorkingLogRelay, comes="relp"),
    FULL: maker(WorkingLogRelay, "full", "relp"),
}


@attrs.frozen
class Load:
    """
    How much is done.

    :ivar relpMessages: how many go by RELP.
    :ivar windows: how many of those rsyslog sends before it waits for answers.
    :ivar down: which relays are also tried while the server is down.
    """

    rounds: int
    messages: int
    relpMessages: int
    windows: Sequence[int] = (WINDOW, 1000)
    down: Sequence[str] = (FULL, NORMAL, SYSLOG_NG, RSYSLOG)


def play(trial: Callable[[Maker], Outcome], relays: dict[str, Maker], rounds: int) -> dict[str, list[Outcome]]:
    """
    Make a trial with each relay, so many times.
    """
    outcomes: dict[str, list[Outcome]] = {name: [] for name in relays}
    for number in range(rounds):
        for name in list(relays)[:: 1 if number % 2 == 0 else -1]:
            outcomes[name].append(trial(relays[name]))
    return outcomes


def median(outcomes: Sequence[Any], of: str) -> float:
    """
    Of one number of each outcome.
    """
    return statistics.median(float(getattr(outcome, of)) for outcome in outcomes)


def tell(title: str, outcomes: dict[str, list[Up]]) -> None:
    """
    Print a table of trials with a server that is up.
    """
    print(f"\n{title}")
    print(f"{'':28}{'messages/s':>11}{'lowest':>10}{'highest':>10}{'CPU s/million':>15}{'x in memory':>13}")
    for name, each in outcomes.items():
        rates = [outcome.rate for outcome in each]
        ratio = median(each, "rate") / median(outcomes[MEMORY], "rate")
        numbers = f"{median(each, 'rate'):11,.0f}{min(rates):10,.0f}{max(rates):10,.0f}"
        print(f"{name:28}{numbers}{median(each, 'cpu'):15.2f}{ratio:13.2f}")
    for name in (FULL, NORMAL):
        if name in outcomes:
            blocks = f"the disk, {median(outcomes[name], 'bundle') / 1024:,.0f} KiB each"
            print(f"{blocks:28}{median(outcomes[name], 'disk') / SIZE:11,.0f}  (as the commits of {name})", flush=True)


def tellDown(title: str, outcomes: dict[str, list[Down]]) -> None:
    """
    Print a table of trials with a server that is down, and comes.
    """
    print(f"\n{title}")
    print(f"{'':28}{'in, messages/s':>15}{'out':>11}")
    for name, each in outcomes.items():
        print(f"{name:28}{median(each, 'rate'):15,.0f}{median(each, 'drain'):11,.0f}", flush=True)


def judge(what: str, reached: bool) -> bool:
    """
    Print whether something that was asked for is reached.
    """
    print(f"{'reached' if reached else 'MISSED':8} {what}", flush=True)
    return reached


def judgeFull(outcomes: dict[str, list[Up]]) -> bool:
    """
    With ``sync = "full"``.
    """
    rate, disk = median(outcomes[FULL], "rate"), median(outcomes[FULL], "disk") / SIZE
    ratio = rate / median(outcomes[MEMORY], "rate")
    return judge(
        f"full: {ratio:.2f} x in memory, {rate / disk:.2f} x the disk; asked: {ASKED} or 1",
        ratio >= ASKED or rate >= disk,
    )


def judgeRelp(outcomes: dict[str, list[Up]]) -> bool:
    """
    With RELP, where each window waits for the disk.
    """
    rate, memory = median(outcomes[FULL], "rate"), median(outcomes[MEMORY], "rate")
    most = 1 / (1 / memory + SIZE / median(outcomes[FULL], "disk"))
    return judge(
        f"full: {rate / memory:.2f} x in memory; asked: {ASKED}; the most that one synced block a window allows:"
        f" {most / memory:.2f}",
        rate / memory >= ASKED,
    )


def measure(load: Load) -> bool:
    """
    Make all trials and print what came of them.

    :return: whether all is reached that was asked for.
    """
    theirs = {name: make for name, (program, make) in THEIRS.items() if not missing(program)}
    relays = {**OURS, **theirs}
    size = f"{load.messages:,} messages, {load.rounds} rounds"
    ups = play(partial(up, number=load.messages), relays, load.rounds)
    tell(f"server up, {size}", ups)
    good = judgeFull(ups)
    if SYSLOG_NG in ups:
        ratio = median(ups[NORMAL], "rate") / median(ups[SYSLOG_NG], "rate")
        good = judge(f"normal: {ratio:.2f} x syslog-ng; asked: 1", ratio >= 1) and good
    spools = {name: make for name, make in relays.items() if name in load.down}
    tellDown(f"server down, {size}", play(partial(down, number=load.messages), spools, load.rounds))
    for window in load.windows if not missing(RsyslogToRelp) else ():
        answers = play(partial(relp, number=load.relpMessages, window=window), ANSWERING, load.rounds)
        tell(f"RELP, window {window}, {load.relpMessages:,} messages, {load.rounds} rounds", answers)
        good = (window != WINDOW or judgeRelp(answers)) and good
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run it.

    :return: 0 if what is asked for is reached, else 1; with ``--quick``, where the numbers say nothing, 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spool", description=__doc__.strip().split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=400_000, help="a multiple of 4000 (400000)")
    parser.add_argument("--relp-messages", type=int, default=100_000, help="a multiple of 4000 (100000)")
    parser.add_argument("--quick", action="store_true", help="one small round, to see that it works")
    options = parser.parse_args(arguments)
    load = Load(options.rounds, options.messages, options.relp_messages)
    if options.quick:
        load = Load(1, 8000, 4000, [WINDOW], [FULL])
    good = measure(load)
    return 0 if good or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
