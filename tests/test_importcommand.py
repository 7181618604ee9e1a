"""
Tests for :mod:`logrelay.importcommand`: ``logrelay import``, and relays that run what it writes.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing
from logrelay.cli import main
from logrelay.configfile import readConfiguration
from logrelay.service import LogRelayService
from logrelay.tls import checkFiles, checkSourceFiles

from .real import ROOT, SyslogNg, missing
from .relays import RelayCase
from .sourcing import folder as shortFolder

TOP = Path(__file__).resolve().parent.parent
EXAMPLE = TOP / "docs" / "examples" / "importing"

GOOD = """@version: 3.38
source s {{ unix-stream("{folder}/in"); }};
destination d {{
    {driver}("127.0.0.2" port({port}) time-reopen(1)
        failover(servers("127.0.0.1") {failback})
    );
}};
log {{ source(s); destination(d); }};
"""


def run(*arguments: object) -> tuple[object, str, str]:
    """
    Run ``logrelay import`` in this process.

    :return: its status, and what it wrote to standard output and standard error.
    """
    output, errors = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status: object = main(["import", *map(str, arguments)])
        except SystemExit as end:
            status = end.code
        output.flush()
    return status, output.buffer.getvalue().decode(), errors.getvalue()


class FileCase(SynchronousTestCase):
    """
    A folder with a configuration of syslog-ng.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()

    def file(self, content: str | bytes, name: str = "syslog-ng.conf") -> Path:
        """
        A configuration of syslog-ng.
        """
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class CommandTests(FileCase):
    """
    The command.
    """

    def good(self) -> Path:
        """
        One of which nothing is left out.
        """
        return self.file(GOOD.format(folder="/run", driver="network", port=514, failback=""))

    def test_good(self) -> None:
        """
        Where nothing is left out the status is 0, and nothing is said; the result is good.
        """
        status, output, errors = run(self.good())
        self.assertEqual((status, errors), (0, ""))
        target = self.folder / "logrelay.toml"
        self.assertEqual(run(self.good(), "-o", target), (0, "", ""))
        self.assertEqual(target.read_text(), output)
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(main(["check", str(target)]), 0)

    def test_example(self) -> None:
        """
        The example of the documentation becomes what stands there, with the words that stand there.
        """
        shutil.copy(EXAMPLE / "syslog-ng.conf", self.folder)
        back = os.getcwd()
        self.addCleanup(os.chdir, back)
        os.chdir(self.folder)
        status, output, errors = run("syslog-ng.conf")
        self.assertEqual(status, 1)
        self.assertEqual(output, (EXAMPLE / "logrelay.toml").read_text())
        self.assertEqual(errors, (EXAMPLE / "warnings.txt").read_text())

    def test_nothing(self) -> None:
        """
        Where nothing can be relayed, nothing is written.
        """
        target = self.folder / "logrelay.toml"
        path = self.file("source s { internal(); };\n")
        status, output, errors = run(path, "-o", target)
        self.assertEqual((status, output, target.exists()), (1, "", False))
        self.assertEqual(
            errors.splitlines()[-1].split("; ")[0], f"{path}: nothing in it can be relayed, and nothing was written"
        )

    def test_refused(self) -> None:
        """
        What is no configuration is told with file, line and remedy.
        """
        path = self.file("source s {\n tcp(")
        status, output, errors = run(path)
        self.assertEqual((status, output), (1, ""))
        self.assertEqual(errors, f"{path}:2: ( is opened here, and not closed; add the ) that is missing\n")

    def test_files(self) -> None:
        """
        A file that can't be read, and one that is there already, are told; nothing is written over.
        """
        status, _, errors = run(self.folder / "none")
        self.assertEqual(status, 1)
        self.assertIn("none: can't be read: No such file or directory; ", errors)
        self.assertEqual(run(self.folder)[0], 1)
        path = self.good()
        there = self.file("mine", "there")
        status, _, errors = run(path, "-o", there)
        self.assertEqual((status, there.read_text()), (1, "mine"))
        self.assertIn("it is there already, and nothing was written; ", errors)
        status, _, errors = run(path, "-o", self.folder / "none" / "x")
        self.assertEqual(status, 1)
        self.assertIn("can't be written: ", errors)

    def test_misuse(self) -> None:
        """
        What can't be understood is status 2; help tells what the statuses mean.
        """
        for arguments in ((), ("a", "b"), ("a", "-o"), ("--nonsense",)):
            self.assertEqual(run(*arguments)[0], 2)
        status, output, _ = run("--help")
        self.assertEqual(status, 0)
        self.assertIn(
            "The status is 0 if all of it was converted; 1 if anything was left out", " ".join(output.split())
        )

    def test_fullOutput(self) -> None:
        """
        Output that can't be written to is told, without a traceback.
        """
        with open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "logrelay", "import", str(self.good())]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=TOP, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rb"\Astandard output: can't be written: .*\n\Z")

    def test_lazy(self) -> None:
        """
        Other commands do without the importer.
        """
        code = (
            "import logrelay.cli, sys; print([name for name in sys.modules if name.startswith('logrelay.importing')])"
        )
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=TOP, timeout=60, check=True)
        self.assertEqual(done.stdout, b"[]\n")


class DebianTests(FileCase):
    """
    The configuration of Debian's package.
    """

    skip = missing(SyslogNg)

    def setUp(self) -> None:
        super().setUp()
        self.content = (ROOT / "etc" / "syslog-ng" / "syslog-ng.conf").read_text()

    def test_asItIs(self) -> None:
        """
        It relays nothing, and each of its destinations and log paths is told.
        """
        path = self.file(self.content)
        status, output, errors = run(path)
        self.assertEqual((status, output), (1, ""))
        told = {int(line.split(":")[1]) for line in errors.splitlines()[:-1]}
        for number, line in enumerate(self.content.splitlines(), 1):
            if line.startswith(("destination", "log", "@include")) and "scl.conf" not in line:
                self.assertIn(number, told, line)

    def test_relaying(self) -> None:
        """
        With its own lines for a log server, which are comments, it becomes a relay to that.
        """
        for name in ("destination d_net", "log { source(s_src); destination(d_net)"):
            self.assertIn(f"#{name}", self.content)
            self.content = self.content.replace(f"#{name}", name)
        target = self.folder / "logrelay.toml"
        status, _, errors = run(self.file(self.content), "-o", target)
        self.assertEqual(status, 1)
        self.assertNotIn("NOT applied", errors)
        configuration = readConfiguration(str(target), checkFiles, checkSourceFiles)
        self.assertEqual([each.name for each in configuration.sources], ["unix-dgram:/run/systemd/journal/syslog"])
        (destination,) = configuration.destinations
        self.assertEqual([str(each) for each in destination.servers], ["127.0.0.1:1000"])


class ImportedCase(RelayCase):
    """
    A relay that runs what was made.
    """

    def started(self, driver: str, port: int, failback: str = "") -> LogRelayService:
        """
        Import, and start a relay.
        """
        self.folder = shortFolder(self)
        path, target = Path(self.folder, "syslog-ng.conf"), Path(self.folder, "logrelay.toml")
        path.write_text(GOOD.format(folder=self.folder, driver=driver, port=port, failback=failback))
        self.assertEqual(run(path, "-o", target), (0, "", ""))
        configuration = readConfiguration(str(target), checkFiles, checkSourceFiles)
        return self.relay(configuration.destinations, configuration.sources, stateDir=configuration.stateDir)

    def send(self, *texts: str) -> None:
        """
        Log, as a program of this host.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{self.folder}/in")
            client.sendall("".join(f"<14>Nov 29 05:00:00 app: {text}\n" for text in texts).encode())


class RelayingTests(ImportedCase):
    """
    With log servers in this process.
    """

    def test_failover(self) -> Deferred[None]:
        """
        Nobody listens at the primary: messages arrive at the failover, in the format and framing of the driver.
        """

        async def trial() -> None:
            for driver, framing, pattern in (
                ("network", Framing.LF, rb"<14>\w{3} .* app: one"),
                ("syslog", Framing.OCTET_COUNTING, rb"<14>1 \S+ \S+ app - - - one"),
            ):
                server = self.server(framing)
                self.started(driver, server.port)
                self.send("one", "two")
                first, _ = await self.arrived(server, 2)
                self.assertRegex(first, pattern)

        return Deferred.fromCoroutine(trial())


class RealServersTests(ImportedCase):
    """
    The same with syslog-ng's own servers.
    """

    skip = missing(SyslogNg)
    timeout = 60

    def test_failback(self) -> Deferred[None]:
        """
        What is sent while the primary is down arrives at the failover; after the failback it arrives at the primary.
        """

        async def trial() -> None:
            folder = Path(self.mktemp()).resolve()
            failover = SyslogNg(folder / "failover", "syslog")
            primary = SyslogNg(folder / "primary", "syslog", host="127.0.0.2", port=failover.port)
            for server in (failover, primary):
                self.addCleanup(server.close)
            await deferToThread(failover.start)
            failback = "failback(tcp-probe-interval(1) successful-probes-required(1))"
            relay = self.started("syslog", failover.port, failback)
            self.send("while it is down")
            self.assertEqual(await deferToThread(failover.waitFor, 1), [b"while it is down"])
            await deferToThread(primary.start)
            await self.until(lambda: relay.snapshot().destinations[0].active == f"127.0.0.2:{failover.port}")
            self.send("when it is back")
            self.assertEqual(await deferToThread(primary.waitFor, 1), [b"when it is back"])

        return Deferred.fromCoroutine(trial())
