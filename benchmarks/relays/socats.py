"""
socat, which hands on bytes without looking at them: the floor.
"""

from __future__ import annotations

import shutil

import attrs

from benchmarks.wire import HOST

from .working import Working

#: Bytes that it reads at once, as our relay does.
CHUNK = 65536


@attrs.define(slots=False)
class Socat(Working):
    """
    socat from TCP to TCP in one direction, reading 64 KiB at a time; with more than one connection a process for each.
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
        return ["-u", "-b", str(CHUNK), listen, f"TCP:{HOST}:{self.to},nodelay"]
