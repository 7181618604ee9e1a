"""
What trials with processes have on stage: a relay with a spool, and a server that counts.

Everything here blocks, with time limits.  No process outlives the thread that started it.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from ..real import TOP, freePort, waitUntil
from ..twistds import script
from .receiver import Counts

#: How long a relay may take until it listens.  Seconds.
START = 30.0

_BARE = ("setpriv", "--pdeathsig", "KILL", "env", "--unset=COVERAGE_PROCESS_START", f"PYTHONPATH={TOP}")

_RELAY = """
stop-timeout = 5
state-dir = "state"

[[source]]
type = "relp"
listen = "tcp:{port}:interface=127.0.0.1"
{sources}
[destination.central]
driver = "{driver}"
format = "as-is"
primary = "127.0.0.1:{server}"
time-reopen = 1
{options}
[destination.central.buffer]
size = "{memory}"
overflow = "{overflow}"

[destination.central.spool]
path = "{spool}"
size = "{size}"
sync = "{sync}"
"""


@attrs.define
class Settings:
    """
    How a relay is configured.

    :ivar driver: of the destination: ``relp``, or ``syslog`` over TCP.
    :ivar sources: more of them, as text.
    """

    driver: str = "relp"
    memory: str = "64MiB"
    overflow: str = "block"
    size: str = "1GiB"
    sync: str = "full"
    sources: str = ""
    spool: str = "spool"


class Relay:
    """
    A relay that is killed and started again, with one spool.

    :ivar port: where its RELP source listens.
    :ivar server: where it looks for its server.
    :ivar path: of the spool.
    :ivar log: the file with what it says.
    :ivar most: the peak of memory of any of its processes that was killed or looked at, in bytes.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.port, self.server = freePort(), freePort()
        self.path = folder / settings.spool
        self.log = folder / "log"
        self.log.touch()
        self.most = 0
        self._folder = folder
        values = {**attrs.asdict(settings), "spool": self.path, "options": ""}
        if settings.driver == "relp":
            values["options"] = "window = 1000\n"
        text = _RELAY.format(port=self.port, server=self.server, **values)
        (folder / "relay.toml").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """
        Start it, and wait until it takes connections.

        :return: when it first did, on the monotonic clock.
        """
        self.launch()
        waitUntil(self._listens, "the relay listens", START)
        return time.monotonic()

    def launch(self) -> None:
        """
        Start it, and do not wait.
        """
        assert self._process is None
        command = [
            *_BARE,
            script("twistd"),
            "-n",
            "--pidfile=",
            "logrelay",
            "--config",
            str(self._folder / "relay.toml"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the relay has ended:\n{self.log.read_text()[-4000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """
        SIGKILL.
        """
        if self._process is not None:
            if self._process.poll() is None:
                self.memory()
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """
        SIGTERM.
        """
        assert self._process is not None
        self.memory()
        self._process.terminate()
        self._process.wait(START)
        self._process = None

    def memory(self) -> int:
        """
        The peak of memory of the process that runs, in bytes.
        """
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        peak = int(match[1]) * 1024 if match else 0
        self.most = max(self.most, peak)
        return peak

    def said(self, pattern: str) -> list[str]:
        """
        The lines of its log that have a pattern in them.
        """
        return [line for line in self.log.read_text(errors="replace").splitlines() if re.search(pattern, line)]

    @property
    def used(self) -> int:
        """
        How many bytes its spool takes on disk.
        """
        return sum(each.stat().st_size for each in self.path.glob("batch-*") if each.exists())


class Server:
    """
    A server that counts, in a process of its own.
    """

    def __init__(self, folder: Path, port: int, relp: bool) -> None:
        self.counts = Counts(folder / "counts")
        self._command = [*_BARE, sys.executable, "-m", "tests.endurance.receiver", str(port), str(folder / "counts")]
        self._command += ["--relp"] if relp else []
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Begin to listen.
        """
        assert self._process is None
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stderr=log)

    def settle(self) -> None:
        """
        Wait until nothing more comes.
        """
        came = -1
        while came != self.counts.came:
            came = self.counts.came
            time.sleep(0.3)

    def kill(self) -> None:
        """
        End.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@attrs.frozen
class Account:
    """
    What became of the messages of a trial.

    :ivar answered: how many were answered with 200.
    :ivar lost: how many of those no server has got.
    :ivar duplicates: how many copies there were beside the first.
    """

    answered: int
    lost: int
    duplicates: int

    @classmethod
    def of(cls, journal: Sequence[int], counts: Counts) -> Account:
        """
        Draw it up.
        """
        journal = bytes(journal)
        times = counts.times(len(journal))
        lost = sum(1 for answered, came in zip(journal, times, strict=True) if answered and not came)
        return cls(journal.count(1), lost, duplicates(times))


def duplicates(times: bytes) -> int:
    """
    How many copies there were beside the first.
    """
    return sum(times) - (len(times) - times.count(0))
