"""
A relay with a spool, in a process of its own.  Everything here blocks, with time limits.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

import attrs

from ..real import TOP, freePort, waitUntil
from ..twistds import script

#: How long a relay may take until it listens.  Seconds.
START = 30.0

#: What every process runs with: it does not outlive the thread that started it, and its coverage is not measured.
BARE = ("setpriv", "--pdeathsig", "KILL", "env", "--unset=COVERAGE_PROCESS_START", f"PYTHONPATH={TOP}")

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
            *BARE,
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
