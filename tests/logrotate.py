"""
The trial of followed files: the real ``logrotate``, every second, under load.

``python -m tests.logrotate`` runs one relay that follows four logs for a minute.  Each has a writer that writes line by
line, and is rotated in its own way.  In the middle the relay is asked to end, and starts again; later it is killed, and
starts again.  At the end every line is counted, in the files and at the server.

Of what ``copytruncate`` loses by itself (what is written between the copy and the cut) there is nothing in any file;
it is counted apart.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from .real import ROOT

#: How the logs are rotated: what logrotate is told, and whether the pattern names the rotated ones, too.
WAYS = {
    "rename": ("create", False),
    "rename, reopened late": ("nocreate", False),
    "copytruncate": ("copytruncate", False),
    "copytruncate, app.log*": ("copytruncate", True),
}

#: Seconds between a rotation and when the late writer opens the new file.
LATE = 0.3

#: Seconds that the relay may take for what is left when nothing is written any more.
PATIENCE = 30.0


def program() -> str | None:
    """
    Where ``logrotate`` is; ``None`` if it is neither unpacked nor installed.
    """
    unpacked = ROOT / "usr/sbin/logrotate"
    return str(unpacked) if unpacked.exists() else shutil.which("logrotate", path="/usr/sbin:/usr/bin")


class Server:
    """
    A log server that keeps every line.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._received: list[bytearray] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._received.append(bytearray())
            threading.Thread(target=self._read, args=(connection, self._received[-1]), daemon=True).start()

    def _read(self, connection: socket.socket, received: bytearray) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 18):
                    received += data
            except OSError:
                pass  # The relay was killed.

    @property
    def lines(self) -> list[bytes]:
        """
        What came, connection by connection; what was cut off is no line.
        """
        return [line for received in list(self._received) for line in bytes(received).split(b"\n")[:-1]]

    def close(self) -> None:
        """
        Take no more connections.
        """
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@attrs.define
class Log:
    """
    A log with its writer and its rotation.

    :ivar written: how many lines were.
    """

    folder: Path
    way: str
    rate: float
    written: int = 0
    ending: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def path(self) -> Path:
        """
        Where programs write to.
        """
        return self.folder / "app.log"

    @property
    def pattern(self) -> str:
        """
        What the relay follows.
        """
        return f"{self.path}*" if WAYS[self.way][1] else str(self.path)

    def prepare(self) -> None:
        """
        Make it, and the configuration of its rotation.
        """
        self.folder.mkdir()
        self.path.touch(0o600)
        (self.folder / "rotate.conf").write_text(
            f"{self.path} {{\n  rotate 1000\n  nocompress\n  missingok\n  {WAYS[self.way][0]}\n}}\n"
        )

    def rotate(self) -> None:
        """
        Rotate it once.
        """
        found = program()
        assert found is not None
        command = [found, "--force", "--state", str(self.folder / "rotate.state"), str(self.folder / "rotate.conf")]
        subprocess.run(command, check=True)

    def begin(self) -> None:
        """
        Let the writer write.
        """
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def end(self) -> None:
        """
        Let it end.
        """
        self.ending.set()
        if self._thread is not None:
            self._thread.join()

    def _write(self) -> None:
        """
        Write line by line, and open the log again when it was renamed.
        """
        late = WAYS[self.way][0] == "nocreate"
        tag = self.folder.name.encode()
        began = time.monotonic()
        while not self.ending.is_set():
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            reopen = None
            while not self.ending.is_set() and (reopen is None or time.monotonic() < reopen):
                due = int((time.monotonic() - began) * self.rate)
                for _ in range(min(100, due - self.written)):
                    os.write(descriptor, b"%b %09d %b\n" % (tag, self.written, b"x" * (self.written % 100)))
                    self.written += 1
                if reopen is None and not self._inPlace(descriptor):
                    reopen = time.monotonic() + (LATE if late else 0)
                time.sleep(0.001)
            os.close(descriptor)

    def _inPlace(self, descriptor: int) -> bool:
        """
        Whether the writer writes to what is in place.
        """
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    @property
    def kept(self) -> set[bytes]:
        """
        The lines that are in some file.
        """
        return {line for path in self.folder.glob("app.log*") for line in path.read_bytes().split(b"\n")[:-1]}


class Relay:
    """
    The relay, in a process of its own.
    """

    def __init__(self, folder: Path, logs: Sequence[Log], port: int) -> None:
        sources = "".join(f'[[source]]\ntype = "file"\npath = "{log.pattern}"\n' for log in logs)
        self._configuration = folder / "relay.toml"
        self._configuration.write_text(
            f'state-dir = "{folder}/state"\n{sources}[destination.central]\ndriver = "network"\nformat = "as-is"\n'
            f'primary = "127.0.0.1"\nport = {port}\n'
        )
        self.said = folder / "relay.log"
        self._positions = folder / "state" / "file-positions.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start it.
        """
        twistd = Path(sys.executable).with_name("twistd")
        command = [str(twistd), "-n", "--pidfile=", "logrelay", "--config", str(self._configuration)]
        with self.said.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")

    def knows(self, logs: Sequence[Log]) -> bool:
        """
        Whether it has seen the logs in their places.  What was rotated away before that is none of its business.
        """
        known = self._positions.read_text() if self._positions.exists() else ""
        return all(f'"{log.path}"' in known for log in logs)

    def end(self, number: int) -> None:
        """
        Send it a signal, and wait for its end.
        """
        assert self._process is not None
        self._process.send_signal(number)
        try:
            self._process.wait(60)
        finally:
            self._process.kill()


@attrs.frozen
class Row:
    """
    What became of the lines of one log.

    :ivar kept: lines in the log or in a rotated one.
    :ivar lost: those of them that did not arrive.
    :ivar files: how many files there are.
    """

    way: str
    written: int
    files: int
    kept: int
    arrived: int
    lost: int
    twice: int

    @property
    def gone(self) -> int:
        """
        Lines that the rotation itself lost; the relay may have read them before.
        """
        return self.written - self.kept


def run(
    folder: Path, seconds: float, rate: float, ends: Sequence[tuple[float, int]], every: float = 1.0
) -> tuple[list[Row], str]:
    """
    Run the trial.

    :param rate: lines a second, in each log.
    :param ends: when the relay is ended, as shares of the time, and by which signal.
    :param every: seconds between rotations.
    :return: a row for each log, and what the relay said.
    """
    server = Server()
    logs = [Log(folder / f"log{place}", way, rate) for place, way in enumerate(WAYS)]
    for log in logs:
        log.prepare()
    relay = Relay(folder, logs, server.port)
    relay.start()
    try:
        _wait(lambda: relay.knows(logs))
        _load(logs, relay, seconds, ends, every)
        wanted = set().union(*(log.kept for log in logs))
        _wait(lambda: wanted <= set(server.lines))
    finally:
        for log in logs:
            log.end()
        relay.end(signal.SIGTERM)
        server.close()
    arrived = Counter(server.lines)
    return [_row(log, arrived) for log in logs], relay.said.read_text()


def _load(logs: Sequence[Log], relay: Relay, seconds: float, ends: Sequence[tuple[float, int]], every: float) -> None:
    """
    Write and rotate, and let the relay end and begin again.
    """
    for log in logs:
        log.begin()
    began = time.monotonic()
    due = [(began + seconds * share, number) for share, number in ends]
    rotation = began + every
    while time.monotonic() < began + seconds:
        if due and time.monotonic() >= due[0][0]:
            relay.end(due.pop(0)[1])
            relay.start()
        if time.monotonic() >= rotation:
            rotation = time.monotonic() + every
            for log in logs:
                if log.path.exists():
                    log.rotate()
        time.sleep(0.01)
    for log in logs:
        log.end()


def _wait(condition: Callable[[], bool]) -> None:
    """
    Wait for the relay, as long as it may take.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.3)


def _row(log: Log, arrived: Counter[bytes]) -> Row:
    """
    Count the lines of one log.
    """
    tag = log.folder.name.encode() + b" "
    own = {line: count for line, count in arrived.items() if line.startswith(tag)}
    kept = log.kept
    return Row(
        log.way,
        log.written,
        len(list(log.folder.glob("app.log*"))),
        len(kept),
        len(own),
        len(kept - own.keys()),
        sum(own.values()) - len(own),
    )


def table(rows: Sequence[Row]) -> str:
    """
    The rows for people.
    """
    head = f"{'way':24}{'written':>9}{'files':>7}{'in files':>10}{'cut off':>9}{'arrived':>9}{'lost':>6}{'twice':>8}"
    lines = (
        f"{row.way:24}{row.written:9}{row.files:7}{row.kept:10}{row.gone:9}{row.arrived:9}{row.lost:6}{row.twice:8}"
        for row in rows
    )
    return "\n".join([head, *lines])


def main() -> None:
    """
    Run it, and print the table.
    """
    parser = argparse.ArgumentParser(description="Rotate logs every second under load, and count what arrives.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--rate", type=float, default=2000, help="lines a second in each of the four logs (2000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="logrelay-") as name:
        rows, said = run(Path(name), options.seconds, options.rate, [(0.33, signal.SIGTERM), (0.66, signal.SIGKILL)])
    print(table(rows))
    if any(row.lost for row in rows):
        sys.exit(f"lines were lost; the relay said:\n{said}")


if __name__ == "__main__":
    main()
