"""
The relays that are compared: each a process of its own, with a configuration file that lies beside this module.
"""

from __future__ import annotations

import importlib.metadata
import re
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from benchmarks.measuring import peakMemory
from tests.real import ROOT, TOP, RealServer, Rsyslog, SyslogNg

#: Where the configuration files are.
TEMPLATES = Path(__file__).parent

#: All servers listen on this port, as the files say: syslog-ng knows no other way.
SERVER_PORT = 5140


@attrs.define
class Relay(RealServer):
    """
    A relay: it listens for messages, and has a list of servers.

    :cvar template: the name of its configuration file.
    :ivar servers: the addresses of the primary and two failovers.
    """

    template: ClassVar[str]

    servers: Sequence[str] = ()

    def configuration(self) -> str:
        """
        The file beside this module, its placeholders filled in.
        """
        primary, second, third = self.servers
        return string.Template((TEMPLATES / self.template).read_text()).substitute(
            port=self.port,
            folder=self.directory,
            primary=primary,
            second=second,
            third=third,
        )

    def peak(self) -> int | None:
        """
        The most memory that the process has had so far (VmHWM), in KiB; ``None`` if it has ended.
        """
        if not self.running:
            return None
        return peakMemory(self.pid)

    @classmethod
    def version(cls) -> str:
        """
        What it is, for people.
        """
        raise NotImplementedError


@attrs.define
class LogRelay(Relay):
    """
    Ours, run as an operator runs it: from the source tree that this module is in.
    """

    package = "none"
    program = str(Path(sys.executable).with_name("twistd"))
    template = "logrelay.toml"

    def arguments(self, configuration: Path) -> list[str]:
        """
        In the foreground.
        """
        return ["-n", "--pidfile=", "logrelay", f"--config={configuration}"]

    def start(self, timeout: float = 10.0) -> None:
        """
        Start it, from this source tree.

        :raises TimeoutError: it does not listen.
        """
        self.prefix = [*self.prefix, "env", f"PYTHONPATH={TOP}"]
        super().start(timeout)

    @classmethod
    def version(cls) -> str:
        """
        With that of Python, which its memory is mostly of.
        """
        return f"logrelay {importlib.metadata.version('logrelay')} on Python {sys.version.split()[0]}"


@attrs.define
class SyslogNgRelay(Relay, SyslogNg):
    """
    Debian's syslog-ng with ``failover()``.
    """

    template = "syslog-ng.conf"

    @classmethod
    def version(cls) -> str:
        """
        As it says itself.
        """
        return f"syslog-ng {_stated(SyslogNg.program, '--version')[2]}"


@attrs.define
class RsyslogRelay(Relay, Rsyslog):
    """
    Debian's rsyslog with a chain of actions.
    """

    template = "rsyslog.conf"

    @classmethod
    def version(cls) -> str:
        """
        As it says itself.
        """
        return f"rsyslog {_stated(Rsyslog.program, '-v')[1]}"


def _stated(program: str, flag: str) -> list[str]:
    """
    The words of what a program says of its version.
    """
    environment = {"LD_LIBRARY_PATH": str(ROOT / "usr/lib/syslog-ng")}
    said = subprocess.run([ROOT / program, flag], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return re.findall(r"[^\s()]+", said.stdout)


#: By the names that the command knows.
RELAYS: dict[str, type[Relay]] = {"logrelay": LogRelay, "syslog-ng": SyslogNgRelay, "rsyslog": RsyslogRelay}
