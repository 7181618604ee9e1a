"""
The units for systemd.  What they ask for is checked by systemd's own tool; that needs no systemd that runs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import Configuration, DestinationSettings
from logrelay.servers import Server

from .real import TOP
from .twistds import LIMIT, Process, Sink, script, sendLines

CONTRIB = TOP / "contrib"
UNIT = CONTRIB / "logrelay@.service"
EXAMPLES = TOP / "docs" / "examples" / "several"

#: Where the unit has the programs.
PROGRAMS = "/opt/logrelay/bin"


def values(key: str) -> list[str]:
    """
    What the unit sets a key to, line by line.
    """
    return re.findall(rf"(?m)^{key}=(.*)$", UNIT.read_text())


class UnitTests(SynchronousTestCase):
    """
    The template.
    """

    def test_runs(self) -> None:
        """
        What it starts is a relay; what it reloads it with makes that read its file again, and a SIGTERM, as
        ``KillMode`` has it, ends it gracefully.
        """
        sink = Sink(self)
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        listen = "tcp:0:interface=127.0.0.1"
        (folder / "a.toml").write_text(
            f'[[source]]\nlisten = "{listen}"\n[destination.x]\nprimary = "127.0.0.1:{sink.port}"\nformat = "as-is"\n'
        )
        [start], [reload] = values("ExecStart"), values("ExecReload")
        programs = str(Path(script("twistd")).parent)
        command = shlex.split(start.replace(PROGRAMS, programs).replace("/etc/logrelay/%i", str(folder / "a")))
        relay = Process(self, command)
        host, _, port = relay.says(rf"source {listen} listens on (\S+)").rpartition(":")
        sendLines((host, int(port)), b"one")
        self.assertEqual(sink.read(1), [b"one"])
        subprocess.run(shlex.split(reload.replace("$MAINPID", str(relay.popen.pid))), check=True)
        relay.says("reloaded")
        self.assertEqual(values("KillMode"), ["mixed"])
        relay.popen.send_signal(signal.SIGTERM)
        sink.readAll()
        self.assertEqual(relay.wait(), -signal.SIGTERM)

    def test_timeOfAStop(self) -> None:
        """
        It is killed later than a graceful stop takes.
        """
        settings = DestinationSettings(name="x", servers=(Server("x", 601),))
        longest = Configuration(sources=(), destinations=(settings,)).stopTimeout + settings.drainTimeout
        [limit] = values("TimeoutStopSec")
        self.assertGreater(float(limit), longest + 10)

    def test_folders(self) -> None:
        """
        The configuration of the documentation keeps everything in the folder that it is given.
        """
        self.assertEqual(values("StateDirectory"), ["logrelay/%i"])
        paths = re.findall(r'(?m)^(?:state-dir|path) = "(.*)"$', (EXAMPLES / "a.toml").read_text())
        self.assertEqual(paths, ["/var/lib/logrelay/a", "/var/lib/logrelay/a/spool"])


class OneTests(SynchronousTestCase):
    """
    The unit for one relay, and what belongs to it.
    """

    def test_asTheTemplate(self) -> None:
        """
        It is the template but for its paths and its capability.
        """
        one = (CONTRIB / "logrelay.service").read_text().splitlines()
        template = UNIT.read_text().splitlines()
        keys = {line.partition("=")[0] for line in set(one) ^ set(template) if "=" in line and line[0] != "#"}
        expected = "AmbientCapabilities CapabilityBoundingSet Description ExecStart PrivateUsers RuntimeDirectory"
        self.assertEqual(keys, {*expected.split(), "StateDirectory", "WorkingDirectory"})

    def test_watchdog(self) -> None:
        """
        Both are told of, watched, and reloaded.
        """
        for key, value in (("Type", "notify"), ("WatchdogSec", "30"), ("ExecReload", "/bin/kill -HUP $MAINPID")):
            self.assertEqual(values(key), [value])

    def test_user(self) -> None:
        """
        The user is made, and then the folder of the configuration.
        """
        root = Path(self.mktemp()).resolve()
        (root / "etc").mkdir(parents=True)
        for command, name in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
            if not shutil.which(command):
                raise self.skipTest(f"{command}: not installed")
            more = ["--create"] if name == "tmpfiles" else []
            subprocess.run(
                [command, f"--root={root}", *more, str(CONTRIB / f"logrelay.{name}")], check=True, timeout=LIMIT
            )
        passwd = (root / "etc" / "passwd").read_text()
        self.assertRegex(passwd, r"(?m)^logrelay:x:\d+:\d+:logrelay:/var/lib/logrelay:/\S*nologin$")
        status = (root / "etc" / "logrelay").stat()
        [line] = [line for line in (root / "etc" / "group").read_text().splitlines() if line.startswith("logrelay:")]
        self.assertEqual((status.st_mode & 0o777, status.st_gid), (0o750, int(line.split(":")[2])))

    if os.geteuid() != 0:
        test_user.skip = "only root can make users"  # type: ignore[attr-defined]


class AnalyzeTests(SynchronousTestCase):
    """
    What ``systemd-analyze`` says of it, alone and with the capability for low ports.
    """

    if not shutil.which("systemd-analyze"):
        skip = "systemd: not installed"

    def analyze(self, extra: bool, *arguments: str, unit: str = "logrelay@a.service") -> str:
        """
        Look at a unit, with the programs where they are here.

        :return: what is said.
        """
        folder = Path(self.mktemp()).resolve()
        (folder / f"{UNIT.name}.d").mkdir(parents=True)
        programs = str(Path(script("twistd")).parent)
        for each in (*CONTRIB.glob("*.service"), *CONTRIB.glob("*.socket")):
            (folder / each.name).write_text(each.read_text().replace(PROGRAMS, programs))
        if extra:
            shutil.copy(EXAMPLES / "ports.conf", folder / f"{UNIT.name}.d")
        command = ["systemd-analyze", *arguments, "--man=no", unit]
        # The colon keeps the units of the system, too.
        environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_verify(self) -> None:
        """
        There is nothing to complain of.
        """
        for extra in (False, True):
            self.assertNotIn("logrelay", self.analyze(extra, "verify"))
        for unit in ("logrelay.service", "logrelay.socket", "logrelay-udp.socket"):
            self.assertNotIn("logrelay", self.analyze(False, "verify", unit=unit))

    def test_exposure(self) -> None:
        """
        The exposure is 2.0 at most, on a scale from 0 to 10.
        """
        for extra in (False, True):
            said = self.analyze(extra, "security", "--offline=true", "--no-pager", "--threshold=20")
            self.assertRegex(said, r"Overall exposure level for logrelay@a.service: [01]\.\d")
            self.assertEqual("✗ CapabilityBoundingSet=~CAP_NET_(BIND" in said, extra)
        said = self.analyze(
            False, "security", "--offline=true", "--no-pager", "--threshold=20", unit="logrelay.service"
        )
        self.assertRegex(said, r"Overall exposure level for logrelay.service: [01]\.\d")
