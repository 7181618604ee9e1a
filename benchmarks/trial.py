"""
One run of a case: one relay between a sender and a sink, from its start to its end.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import trustme

from tests.real import Loggen, RealServer

from .cases import Case, Contestant
from .entrants import ADDRESSES, relayFor
from .figures import Figures
from .measuring import family, total
from .messages import MARK
from .relays import SERVER_PORT
from .relays.working import Working
from .sender import Sender
from .sink import Sink
from .wire import HOST, Files, Load

#: Between a relay's start and the first message, so that its connection stands.  Seconds.
SETTLE = 0.4

#: What has not come when all is sent and nothing has come for so many seconds is lost.
QUIET = 2.0

#: A run that takes longer than so many seconds hangs.
LIMIT = 60.0

#: How often the sink is asked, in seconds.
LOOK = 0.05

#: How much of a reason is told.
LONGEST_REASON = 300

#: What a run may end with besides figures: a relay that does not start, and a process that has ended.
Failures = (OSError, AssertionError, subprocess.SubprocessError)


class Loading:
    """
    A load being sent by loggen, with the interface of :class:`benchmarks.sender.Sender`.
    """

    def __init__(self, load: Load, address: tuple[str, int]) -> None:
        self._number = load.number
        share = load.number // load.connections
        # No rate that it could reach.
        self._loggen = Loggen.start(
            address,
            rate=10_000_000,
            number=share,
            size=load.size,
            connections=load.connections,
            framed=load.wire.framing == "octet-counting",
        )

    def sent(self) -> int | None:
        """
        How many messages it has sent, if it has sent all of them.
        """
        return self._loggen.wait(10) if self._loggen.ended else None

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        self._loggen.close()


def certificates(folder: Path) -> Files:
    """
    Make those that a run with TLS needs.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(HOST, "localhost")
    names = [str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem")]
    authority.cert_pem.write_to_path(names[0])
    Path(names[1]).write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(names[2])
    return Files(*names)


def run(case: Case, contestant: Contestant, files: Files) -> Figures:
    """
    Make one run, and leave nothing behind.

    One that could not be made, or did not end, says why in its figures.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logrelay-benchmark-")))
        try:
            sink = _sink(case, contestant, files)
            stack.callback(sink.close)
            relay = relayFor(case, contestant, folder / "relay", sink.port, files)
            if relay is not None:
                stack.callback(relay.close)
                relay.start(timeout=20)
                time.sleep(SETTLE)
            return _measure(stack, case, relay, sink, files)
        except Failures as error:
            return Figures(failure=_shortened(f"{type(error).__name__}: {error}"))


def _shortened(text: str) -> str:
    """
    One line of what may be a program's whole last words.
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"


def _sink(case: Case, contestant: Contestant, files: Files) -> Sink:
    """
    The far end: without a relay it takes what is sent.
    """
    wire = case.load.wire if contestant.kind == "direct" else case.goes
    if case.strikes:
        every = case.load.number // (case.strikes + 1)
        return Sink(
            port=SERVER_PORT,
            keep="numbers",
            mark=b"number: ",
            addresses=ADDRESSES,
            strikes=case.strikes,
            every=every,
        )
    return Sink(wire.transport, keep="times" if case.load.kind == "paced" else "", files=files, mark=MARK)


def _measure(stack: ExitStack, case: Case, relay: RealServer | None, sink: Sink, files: Files) -> Figures:
    """
    Send, wait, and look at what it took.
    """
    before = 0.0 if relay is None else total(family(relay.pid))[0]
    address: Any = (HOST, sink.port)
    if isinstance(relay, Working):
        address = relay.entrance
    elif relay is not None:
        address = (HOST, relay.port)
    sender: Loading | Sender
    sender = Loading(case.load, address) if case.load.kind == "loggen" else Sender(case.load, address, files)
    stack.callback(sender.close)
    sent, state, failure = _wait(case, sender, sink)
    figures = Figures(sent=sent, arrived=state["count"], failure=failure)
    seconds = state["last"] - state["first"]
    if relay is not None and not relay.running:
        return attrs.evolve(figures, failure="the relay has ended")
    if relay is not None and figures.arrived:
        cpu, peak = total(family(relay.pid))
        cpu -= before
        core = cpu / seconds if seconds else None
        figures = attrs.evolve(figures, cpu=cpu / figures.arrived * 1e6, core=core, peak=peak)
    if seconds:
        figures = attrs.evolve(figures, rate=figures.arrived / seconds)
    return _reported(figures, case, sink)


def _wait(case: Case, sender: Loading | Sender, sink: Sink) -> tuple[int, Any, str]:
    """
    Wait until all has come, or nothing comes any more.

    :return: how many messages were sent, how the sink stands, and why that was not all.
    """
    began = changed = time.monotonic()
    count, sent = 0, None
    while True:
        time.sleep(LOOK)
        state, now = sink.counted(), time.monotonic()
        try:
            sent = sender.sent() if sent is None else sent
        except Failures as error:
            return case.load.number, state, _shortened(f"the sender: {error}")
        if state["count"] != count or sent is None:
            count, changed = state["count"], now
        if sent is not None and count >= sent and not case.strikes:
            return sent, state, ""
        if sent is not None and now - changed > QUIET:
            return sent, state, ""
        if now - began > LIMIT:
            return case.load.number if sent is None else sent, state, f"not at its end after {LIMIT:.0f} s"


def _reported(figures: Figures, case: Case, sink: Sink) -> Figures:
    """
    With what only the sink can tell.
    """
    report = sink.report()
    if "distinct" in report:
        figures = attrs.evolve(figures, arrived=report["distinct"], doubles=report["doubles"])
        if report["strikes"] < case.strikes and not figures.failure:
            figures = attrs.evolve(figures, failure=f"only {report['strikes']} failovers")
    elif figures.arrived > figures.sent:
        figures = attrs.evolve(figures, arrived=figures.sent, doubles=figures.arrived - figures.sent)
    return attrs.evolve(figures, p50=report.get("p50"), p99=report.get("p99"))
