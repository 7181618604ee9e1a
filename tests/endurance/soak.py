"""
Half an hour of everything at once: ``python -m tests.endurance.soak [--minutes 30]``.

A relay with two destinations, one over TCP with a spool and one over RELP without, each with three servers.  Every five
seconds something happens to a server: it is killed, stopped for a while, or all of its destination are.  Meanwhile the
configuration is reloaded, the file that is followed is rotated, and somebody looks at status and metrics all the time.

What has to hold: what was answered with 200, and every line of the file, has come to each destination; memory in the
last third is no more than in the first and 10 MiB; and at rest there are as many descriptors as at the beginning.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

from ..real import freePort, waitUntil
from ..twistds import script
from .client import Client
from .messages import payload
from .outcomes import Outcome, table
from .relay import BARE, START
from .server import Server

#: RELP messages a second, lines of the file a second, and bytes of each.
RATE, LINES, SIZE = 2000, 500, 250

#: The first line of the file has this number; the messages that come over RELP have lower ones.
FIRST_LINE = 10_000_000

#: Seconds between two faults, two reloads and two rotations.
FAULTS, RELOADS, ROTATIONS = 5.0, 7.0, 11.0

#: Memory may grow by so many bytes from the first third to the last.
GROWTH = 10 * 2**20

#: How long it may take, at the end, until everything has come.  Seconds.
REST = 90.0

#: After so many seconds without anything a relay is at rest: it keeps rotated files open for a minute.
CALM = 70.0

_CONFIGURATION = """
stop-timeout = 10
state-dir = "state"

[control]
socket = "control.sock"

[http]
listen = "tcp:{http}"

[[source]]
type = "relp"
listen = "tcp:{relp}:interface=127.0.0.1"

[[source]]
type = "file"
path = "app.log"

[destination.plain]
format = "as-is"
primary = "127.0.0.1:{plain[0]}"
failovers = [{others}]
time-reopen = 1
ack-timeout = 3
stall-timeout = 5
drain-timeout = 2
checkpoint-age = {age}

[destination.plain.failback]
tcp-probe-interval = 2
successful-probes-required = 2

[destination.plain.spool]
size = "1GiB"

[destination.answered]
driver = "relp"
format = "as-is"
primary = "127.0.0.1:{answered[0]}"
failovers = ["127.0.0.1:{answered[1]}", "127.0.0.1:{answered[2]}"]
window = {window}
time-reopen = 1
ack-timeout = 3
stall-timeout = 5
drain-timeout = 2
"""


@attrs.define
class Group:
    """
    The servers of one destination.
    """

    servers: list[Server]
    ports: list[int]

    @classmethod
    def of(cls, folder: Path, name: str, relp: bool) -> Group:
        """
        Three of them.
        """
        ports, servers = [freePort() for _ in range(3)], []
        for place, port in enumerate(ports):
            where = folder / f"{name}-{place}"
            where.mkdir()
            servers.append(Server(where, port, relp))
        return cls(servers, ports)

    def missing(self, first: int, end: int) -> int:
        """
        How many of some numbers have come to none of them.
        """
        return self._united(first, end).count(0)

    def doubles(self, first: int, end: int) -> int:
        """
        How many copies came beside the first ones.
        """
        came = sum(sum(each.counts.times(end)[first:]) for each in self.servers)
        return came - (end - first - self.missing(first, end))

    def _united(self, first: int, end: int) -> bytes:
        """
        For each number something that is not 0 if it has come to any of them.
        """
        united = 0
        for each in self.servers:
            united |= int.from_bytes(each.counts.times(end)[first:], "big")
        return united.to_bytes(end - first, "big")


class Lines:
    """
    Writes the file, and rotates it by another name, as logrotate does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.rotations = 0
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(0.1):
            due = int((time.monotonic() - began) * LINES) - self.written
            with self._lock:
                first = FIRST_LINE + self.written
                text = b"".join(_line(number) for number in range(first, first + due))
                self._file.write(text)
                self.written += due

    def rotate(self) -> None:
        """
        Go on in a new file; of the old ones two are kept.
        """
        with self._lock:
            self.rotations += 1
            for place in (2, 1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self.path}.{place}", f"{self.path}.{place + 1}")
            os.replace(self.path, f"{self.path}.1")
            self._file.close()
            self._file = self.path.open("ab", buffering=0)

    def stop(self) -> None:
        """
        Write no more.
        """
        self._over.set()
        self._thread.join()
        self._file.close()


def _line(number: int) -> bytes:
    """
    One message as a line.
    """
    return payload([number], SIZE).partition(b" ")[2] + b"\n"


class Soak:
    """
    Everything, for so many seconds.

    :ivar memory: bytes of memory, once a second.
    :ivar faults: what was done, and how often.
    :ivar troubles: what is not as it should be.
    """

    def __init__(self, seed: int, folder: Path, seconds: float) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._seconds = seconds
        self._plain, self._answered = Group.of(folder, "plain", False), Group.of(folder, "answered", True)
        self._relp, self._http = freePort(), freePort()
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._versions = itertools.count()
        self._down: set[int] = set()
        self.memory: list[int] = []
        self.faults: dict[str, int] = {}
        self.troubles: list[str] = []

    def run(self) -> Outcome:
        """
        Do it.
        """
        self._configure()
        for server in (*self._plain.servers, *self._answered.servers):
            server.start()
        with (self._folder / "log").open("ab") as log:
            command = [*BARE, script("twistd"), "-n", "--pidfile=", "logrelay", "--config", "relay.toml"]
            relay = subprocess.Popen(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            return self._with(relay)
        finally:
            relay.kill()
            relay.wait()
            for server in (*self._plain.servers, *self._answered.servers):
                self._wake(server)
                server.kill()

    def _with(self, relay: subprocess.Popen[bytes]) -> Outcome:
        """
        Do it to a relay.
        """
        waitUntil(self._listens, "the relay listens", START)
        client, lines = Client(self._relp, RATE, SIZE, FIRST_LINE), Lines(self._folder / "app.log")
        try:
            time.sleep(3)
            before = self._restingDescriptors(relay.pid, client, lines)
            self._disturb(relay, lines)
            client.stop()
            lines.stop()
            self._recover()
            waitUntil(lambda: client.done, "every message is answered", REST)
            with suppress(TimeoutError):
                waitUntil(lambda: not any(self._missing(client, lines)), "everything has come", REST)
            time.sleep(CALM)
            after = _descriptors(relay.pid)
        finally:
            client.close()
            lines.stop()
        return self._judge(client, lines, before, after)

    def _restingDescriptors(self, pid: int, client: Client, lines: Lines) -> list[str]:
        """
        How many there are while a client is connected and the file is open.
        """
        waitUntil(lambda: client.answered > 0 and lines.written > 0, "the first messages", START)
        return _descriptors(pid)

    # What happens.

    def _disturb(self, relay: subprocess.Popen[bytes], lines: Lines) -> None:
        """
        Let things happen until the time is over.
        """
        began = time.monotonic()
        every = {self._fault: FAULTS, lambda: self._reload(relay): RELOADS, lambda: self._rotate(lines): ROTATIONS}
        at = dict.fromkeys(every, began)
        told = began
        while (now := time.monotonic()) < began + self._seconds:
            assert relay.poll() is None, f"the relay has ended: {(self._folder / 'log').read_text()[-3000:]}"
            for what, when in at.items():
                if now >= when:
                    at[what] = when + every[what]
                    what()
            for when, what in [each for each in self._due if each[0] <= now]:
                self._due.remove((when, what))
                what()
            self._look(relay.pid)
            if now >= told:
                told = now + 60
                print(f"{now - began:5.0f} s  {self.memory[-1] / 2**20:.1f} MiB  {dict(self.faults)}", flush=True)
            time.sleep(max(0.0, now + 0.5 - time.monotonic()))

    def _fault(self) -> None:
        """
        Something happens to a server, or to all of a destination.
        """
        group = self._chance.choice([self._plain, self._answered])
        kind = self._chance.choice(["killed", "killed", "stopped", "all killed"])
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if kind == "all killed":
            for server in group.servers:
                self._kill(server, self._chance.uniform(1, 4))
        elif kind == "killed":
            self._kill(self._chance.choice(group.servers), self._chance.uniform(1, 8))
        else:
            server = self._chance.choice(group.servers)
            if id(server) not in self._down:
                server.signal(signal.SIGSTOP)
                self._later(self._chance.uniform(1, 8), lambda: self._wake(server))

    def _kill(self, server: Server, seconds: float) -> None:
        """
        Kill one, and start it again later.
        """
        if id(server) not in self._down:
            self._down.add(id(server))
            server.kill()
            self._later(seconds, lambda: self._start(server))

    def _start(self, server: Server) -> None:
        self._down.discard(id(server))
        server.start()

    def _wake(self, server: Server) -> None:
        if id(server) not in self._down:
            server.signal(signal.SIGCONT)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + seconds, what))

    def _recover(self) -> None:
        """
        Let all servers be well.
        """
        for _, what in self._due:
            what()
        self._due.clear()

    def _configure(self) -> None:
        """
        Write the next configuration: the failovers in another order, and other limits.
        """
        version = next(self._versions)
        others = [f'"127.0.0.1:{port}"' for port in self._plain.ports[1:]]
        text = _CONFIGURATION.format(
            http=self._http,
            relp=self._relp,
            plain=self._plain.ports,
            answered=self._answered.ports,
            others=", ".join(others[:: -1 if version % 2 else 1]),
            age=(300, 30, 5)[version % 3],
            window=(1000, 500)[version // 2 % 2],
        )
        (self._folder / "relay.toml").write_text(text)

    def _reload(self, relay: subprocess.Popen[bytes]) -> None:
        self._configure()
        relay.send_signal(signal.SIGHUP)
        self.faults["reloads"] = self.faults.get("reloads", 0) + 1

    def _rotate(self, lines: Lines) -> None:
        self.faults["rotations"] = self.faults.get("rotations", 0) + 1
        lines.rotate()

    # What is seen.

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._relp)) == 0

    def _look(self, pid: int) -> None:
        """
        Take the memory, and look at status and metrics as an operator's programs do.
        """
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))
        for path in ("status", "metrics"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/{path}", timeout=10) as answer:
                text = answer.read()
            if path == "status":
                json.loads(text)

    def _missing(self, client: Client, lines: Lines) -> list[int]:
        """
        How many messages have not come, to each destination.
        """
        return [
            group.missing(first, end)
            for group in (self._plain, self._answered)
            for first, end in ((0, client.made), (FIRST_LINE, FIRST_LINE + lines.written))
        ]

    def _judge(self, client: Client, lines: Lines, before: list[str], after: list[str]) -> Outcome:
        """
        Say what came of it.
        """
        third = len(self.memory) // 3
        first, last = max(self.memory[:third]), max(self.memory[-third:])
        lost = self._missing(client, lines)
        troubles = [*self.troubles]
        if any(lost):
            troubles.append(f"lost: {lost} (plain: messages, lines; answered: messages, lines)")
        if last > first + GROWTH:
            troubles.append(f"memory grew from {first:,} to {last:,} bytes")
        if len(after) != len(before):
            troubles.append(f"descriptors at the beginning: {before}; at the end: {after}")
        doubles = sum(group.doubles(0, client.made) for group in (self._plain, self._answered))
        cells = {
            "minutes": self._seconds / 60,
            "messages": client.made,
            "lines": lines.written,
            **self.faults,
            "lost": sum(lost),
            "doubles": doubles,
            "MiB first": first / 2**20,
            "MiB last": last / 2**20,
            "fds before": len(before),
            "fds after": len(after),
        }
        return Outcome(cells, troubles)


def _descriptors(pid: int) -> list[str]:
    """
    What the descriptors of a process lead to.
    """
    found = []
    for each in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{each}"))
    return sorted(found)


def main() -> int:
    """
    Make one.

    :return: 0 if all held.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        outcome = Soak(options.seed, Path(folder), 60 * options.minutes).run()
    print(table([outcome]))
    return 1 if outcome.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
