"""
A server that counts, in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from .receiver import Counts
from .relay import BARE


class Server:
    """
    One of them.

    :ivar counts: what has come to it.
    """

    def __init__(self, folder: Path, port: int, relp: bool) -> None:
        self.counts = Counts(folder / "counts")
        self._command = [*BARE, sys.executable, "-m", "tests.endurance.receiver", str(port), str(folder / "counts")]
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

    def signal(self, number: int) -> None:
        """
        Send a signal, if it runs.
        """
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """
        End.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
