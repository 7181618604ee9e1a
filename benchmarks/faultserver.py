"""
A log server that behaves badly, as a process: ``python -m benchmarks.faultserver ADDRESS PORT FOLDER BEHAVIOUR``.

It appends what each connection brings to a file of the connection's own, as it came and with no buffer between: what
is in the file is what was read, whenever the process is killed.  It also notes when something came.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from tests.real import TOP, RealServer

from .numbered import Received

#: How exact the times of arrival are, in seconds.
GRAIN = 0.002

#: Bytes that are read at once, at most.  A slow reader reads less, so that it is slow all the time.
CHUNK, SLOW_CHUNK = 1 << 18, 1 << 13

#: How soon a connection notices that the server has begun to close all, in seconds.
NOTICE = 0.01


class Misbehaving:
    """
    The server in its process.

    :param behaviour: ``well`` (reads all), ``slow:RATE`` (RATE bytes a second), ``pause:COUNT`` (reads no more after
        COUNT bytes) or ``deaf`` (never reads).  After SIGUSR1 it closes every connection at once.
    """

    def __init__(self, address: str, port: int, folder: Path, behaviour: str) -> None:
        name, _, number = behaviour.partition(":")
        self._rate = int(number) if name == "slow" else 0
        self._most = {"pause": int(number or 0), "deaf": 0}.get(name)
        self._folder = folder
        self._closing = threading.Event()
        self._arrivals = (folder / "arrivals").open("ab", buffering=0)
        self._listener = socket.create_server((address, port), backlog=128)
        signal.signal(signal.SIGUSR1, lambda *_: self._closing.set())

    def serve(self) -> None:
        """
        Take connections until killed.
        """
        number = 0
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                continue
            number += 1
            threading.Thread(target=self._read, args=(connection, number), daemon=True).start()

    def _read(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(NOTICE)
        total, noted = 0, 0.0
        with connection, (self._folder / f"received-{number}").open("ab", buffering=0) as output:
            while not self._closing.is_set():
                if self._most is not None and total >= self._most:
                    self._closing.wait()
                    return
                try:
                    data = connection.recv(SLOW_CHUNK if self._rate else CHUNK)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                now = time.monotonic()
                output.write(data)
                if now - noted >= GRAIN:
                    self._arrivals.write(b"%.4f\n" % now)
                    noted = now
                total += len(data)
                if self._rate:
                    time.sleep(len(data) / self._rate)


@attrs.define
class FaultServer(RealServer):
    """
    Runs this module as a server.

    :ivar behaviour: see :class:`Misbehaving`.
    """

    package: ClassVar[str] = "none"
    program: ClassVar[str] = sys.executable

    behaviour: str = "well"

    def configuration(self) -> str:
        """
        It has none.
        """
        return ""

    def arguments(self, configuration: Path) -> list[str]:
        """
        This module's.
        """
        return ["-m", "benchmarks.faultserver", self.host, str(self.port), str(self.directory), self.behaviour]

    def start(self, timeout: float = 10.0) -> None:
        """
        Start it, from this source tree.

        :raises TimeoutError: it does not listen.
        """
        self.prefix = [*self.prefix, "env", f"PYTHONPATH={TOP}"]
        super().start(timeout)

    def closeAll(self) -> None:
        """
        Close every connection from now on, those that come later too.
        """
        os.kill(self.pid, signal.SIGUSR1)

    def firstAfter(self, moment: float) -> float | None:
        """
        When something first came after a moment; both on the monotonic clock.
        """
        times = (float(line) for line in (self.directory / "arrivals").read_bytes().split(b"\n")[:-1])
        return next((each for each in times if each > moment), None)


def received(server: RealServer) -> Received:
    """
    What a server of any kind has got so far.
    """
    return Received.of(path.read_bytes() for path in sorted(server.directory.glob("received*")))


def size(server: RealServer) -> int:
    """
    How many bytes a server has got so far.
    """
    return sum(path.stat().st_size for path in server.directory.glob("received*"))


def main(arguments: Sequence[str]) -> None:
    """
    Serve until killed.
    """
    # In a process group of its own.  One that has a stopped process in it gets SIGHUP as soon as the shell that started
    # it ends, all of it: the whole benchmark, if it runs in the background while this server hangs.
    os.setpgid(0, 0)
    address, port, folder, behaviour = arguments
    Misbehaving(address, int(port), Path(folder), behaviour).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
