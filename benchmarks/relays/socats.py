"""
socat, which hands on bytes without looking at them: the floor.
"""

from __future__ import annotations

import os
import shutil
import signal

import attrs

from benchmarks.measuring import family
from benchmarks.wire import HOST

from .working import Working

#: Bytes that it reads at once: with more it costs no less.
CHUNK = 256 * 1024

#: It ends, in any case, when nothing has come for so many seconds.
REST = 90


@attrs.define(slots=False)
class Socat(Working):
    """
    socat from TCP to TCP in one direction, reading 256 KiB at a time; with more than one connection a process for each.
    """

    package = "socat"
    program = shutil.which("socat") or "socat"

    def configuration(self) -> str:
        """
        It has none.
        """
        return ""

    def arguments(self, configuration: object) -> list[str]:
        """
        Everything is in these.  ``ignoreeof`` keeps it, and the account of it, when its client has ended.
        """
        fork = ",fork" if self.work.connections > 1 else ""
        listen = f"TCP-LISTEN:{self.port},bind={HOST},reuseaddr,ignoreeof{fork}"
        return ["-u", "-b", str(CHUNK), "-T", str(REST), listen, f"TCP:{HOST}:{self.to},nodelay"]

    def kill(self) -> None:
        """
        End its children too.
        """
        for child in family(self.pid)[1:]:
            os.kill(child, signal.SIGKILL)
        super().kill()
