"""
What a message costs: CPU seconds of the relay, beside Debian's rsyslog doing the same work in the same run.

``python -m benchmarks.throughput`` sends messages of loggen through each relay in turn to a sink that counts them, and
prints the median of the rounds.  The machine's speed drops out of the ratio; the seconds alone say little.

What is the same: one TCP connection in, one out, no TLS, nothing on disk.  rsyslog has one ruleset queue in memory
(its default), the relay its default delivery level.  ``as-is``: the message as it came, LF in and out.
``convert``: RFC 3164 with LF in, RFC 5424 with octet counting out.
"""

from __future__ import annotations

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs

from tests.real import ROOT, Loggen, Rsyslog, freePort, waitUntil

#: What every message of loggen holds once, and so what the sink counts.
MARK = b"seq: "

#: A round that takes longer has hung.
LIMIT = 120.0

#: From the port to listen on, the port of the sink and a folder for files to the command that runs a relay.
Command = Callable[[int, int, Path], list[str]]


class Sink:
    """
    Counts the messages that arrive, in a thread of its own.

    :ivar began: when the last connection was made, on the monotonic clock; 0 before the first one.
    """

    def __init__(self, port: int = 0) -> None:
        """
        :param port: to listen on; 0 for any.
        """
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.count = 0
        self.began = 0.0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.began = time.monotonic()
            threading.Thread(target=self._count, args=(connection,), daemon=True).start()

    def _count(self, connection: socket.socket) -> None:
        rest = b""
        with connection:
            while data := connection.recv(1 << 20):
                data = rest + data
                self.count += data.count(MARK)
                rest = data[1 - len(MARK) :]

    def close(self) -> None:
        """
        Accept no more.
        """
        self._listener.close()


@attrs.frozen
class Result:
    """
    One round.

    :ivar cpu: CPU seconds of the relay for a million messages.
    :ivar rate: messages a second.
    """

    cpu: float
    rate: float


def cpuSeconds(pid: int) -> float:
    """
    The CPU time that a process and its threads have used, user and system.
    """
    # The clock that clock_getcpuclockid(3) of Linux names: to the nanosecond, where /proc has ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def logrelay(case: str, port: int, sink: int, folder: Path, *, delivery: str = "replay") -> list[str]:
    """
    The command that runs our relay.
    """
    form = ["--driver=network", "--format=as-is"] if case == "as-is" else ["--driver=syslog"]
    return [
        *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "logrelay"),
        *(f"--listen=tcp:{port}:interface=127.0.0.1", f"--primary=127.0.0.1:{sink}", f"--delivery={delivery}", *form),
    ]


def rsyslog(case: str, port: int, sink: int, folder: Path) -> list[str]:
    """
    The command that runs rsyslog for the same work.
    """
    if case == "as-is":
        template, name, framing = 'template(name="raw" type="string" string="%rawmsg%\\n")', "raw", "traditional"
    else:
        template, name, framing = "", "RSYSLOG_SyslogProtocol23Format", "octet-counted"
    configuration = folder / "rsyslog.conf"
    configuration.write_text(
        f"""
global(workDirectory="{folder}")
module(load="imtcp")
{template}
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfwd" target="127.0.0.1" port="{sink}" protocol="tcp" tcp_framing="{framing}" template="{name}")
"""
    )
    modules = next((ROOT / "usr/lib").glob("*/rsyslog"))
    return [str(ROOT / Rsyslog.program), "-n", "-f", str(configuration), "-i", str(folder / "pid"), "-M", str(modules)]


RELAYS: dict[str, Callable[..., list[str]]] = {"logrelay": logrelay, "rsyslog": rsyslog}


def run(name: str, command: Command, number: int) -> Result:
    """
    Send ``number`` messages through a relay.

    :param name: of the relay, for errors.
    :raises AssertionError: if one did not arrive.
    """
    with tempfile.TemporaryDirectory() as folder:
        port, sink = freePort(), Sink()
        process = subprocess.Popen(
            command(port, sink.port, Path(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            waitUntil(lambda: connects(port), f"{name} listens")
            time.sleep(0.5)
            before, began = cpuSeconds(process.pid), time.monotonic()
            sent = Loggen.start(("127.0.0.1", port), rate=1_000_000, number=number, size=250).wait(LIMIT)
            waitUntil(lambda: sink.count >= sent, f"{name} delivers all of {sent}", LIMIT)
            took = time.monotonic() - began
            cpu = cpuSeconds(process.pid) - before
            assert sink.count == sent, (sink.count, sent)
            return Result(cpu / sent * 1e6, sent / took)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            sink.close()


def connects(port: int) -> bool:
    """
    Whether somebody listens.
    """
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run all and print the table.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=400_000)
    options = parser.parse_args(arguments)
    print(f"{'case':10}{'relay':12}{'CPU s/million':>15}{'messages/s':>13}{'CPU ratio':>11}")
    for case in ("as-is", "convert"):
        results: dict[str, list[Result]] = {relay: [] for relay in RELAYS}
        for _ in range(options.rounds):
            for relay in RELAYS:
                results[relay].append(run(relay, partial(RELAYS[relay], case), options.messages))
        cpu = {relay: statistics.median(each.cpu for each in results[relay]) for relay in RELAYS}
        for relay in RELAYS:
            rate = statistics.median(each.rate for each in results[relay])
            print(f"{case:10}{relay:12}{cpu[relay]:15.2f}{rate:13.0f}{cpu[relay] / cpu['rsyslog']:11.2f}", flush=True)


if __name__ == "__main__":
    main()
