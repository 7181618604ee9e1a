"""
The ``logrelay`` command.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from logrelay.cli import main

TOP = Path(__file__).resolve().parent.parent

SOURCE = '[[source]]\nlisten = "tcp:0"\n'


def run(*arguments: str) -> tuple[object, str, str]:
    """
    Run the command in this process.

    :return: its status, and what it wrote to standard output and standard error.
    """
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status: object = main(arguments)
        except SystemExit as end:
            status = end.code
    return status, output.getvalue(), errors.getvalue()


class CommandLineTests(SynchronousTestCase):
    """
    What can be said to it.
    """

    def file(self, text: str) -> str:
        """
        A configuration file.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_help(self) -> None:
        """
        Help names the commands, and where the relay itself is.
        """
        status, output, errors = run("--help")
        self.assertEqual((status, errors), (0, ""))
        for word in ("check", "demo", "spool", "import", "--version", "twistd logrelay"):
            self.assertIn(word, " ".join(output.split()))

    def test_helpOfCommands(self) -> None:
        """
        Each command has help of its own.
        """
        for command, word in (("check", "--connect"), ("demo", "--break")):
            status, output, _ = run(command, "--help")
            self.assertEqual(status, 0)
            self.assertIn(word, output)

    def test_version(self) -> None:
        """
        The version is told.
        """
        status, output, _ = run("--version")
        self.assertEqual(status, 0)
        self.assertRegex(output, r"^logrelay [0-9]+\.[0-9]+\.[0-9]+")

    def test_misuse(self) -> None:
        """
        What can't be understood is status 2 and told on standard error.
        """
        for arguments in ((), ("nonsense",), ("check",), ("check", "a", "b"), ("demo", "--nonsense")):
            status, output, errors = run(*arguments)
            self.assertEqual((status, output), (2, ""))
            self.assertIn("usage: logrelay", errors)

    def test_good(self) -> None:
        """
        A good file is ok, with status 0 and no more words.
        """
        path = self.file(SOURCE + '[destination.central]\nprimary = "a.example.com"\n')
        self.assertEqual(run("check", path), (0, f"{path}: ok\n", ""))

    def test_warnings(self) -> None:
        """
        What may surprise is told of a good file, and is no error.
        """
        path = self.file(
            SOURCE + '[destination.one]\nprimary = "a.example.com"\n[destination.two]\nprimary = "b.example.com"\n'
        )
        status, output, errors = run("check", path)
        self.assertEqual((status, errors), (0, ""))
        first, second = output.splitlines()
        self.assertEqual(first, f"{path}: ok")
        self.assertTrue(second.startswith(f"{path}: warning: source tcp:0 feeds one, two"), second)

    def test_bad(self) -> None:
        """
        Every mistake of a bad file is a line on standard error, with file and line, and the status is 1.
        """
        path = self.file(SOURCE + '[destination.central]\nprimry = "a"\ntransport = "udp"\n')
        status, output, errors = run("check", path)
        self.assertEqual((status, output), (1, ""))
        lines = errors.splitlines()
        self.assertEqual([line.split(": ")[0] for line in lines], [f"{path}:3", f"{path}:4", f"{path}:5"])

    def test_badWithConnect(self) -> None:
        """
        With a bad file nothing is connected to.
        """
        status, output, errors = run("check", "--connect", self.file("x = 1"))
        self.assertEqual((status, output), (1, ""))
        self.assertIn(": x: is unknown here", errors)

    def test_noFile(self) -> None:
        """
        A file that can't be read is told like every other mistake.
        """
        status, _, errors = run("check", "/nonexistent/relay.toml")
        self.assertEqual(status, 1)
        self.assertTrue(errors.startswith("/nonexistent/relay.toml: "), errors)
        self.assertEqual(errors.count("\n"), 1)


class ConnectTests(TestCase):
    """
    ``check --connect``, as a process.
    """

    timeout = 60

    def check(self, *servers: int) -> Deferred[tuple[bytes, bytes, int]]:
        """
        Run it on a destination with servers on these ports.
        """
        path = self.mktemp()
        primary, *failovers = (f"127.0.0.1:{port}" for port in servers)
        Path(path).write_text(SOURCE + f"[destination.central]\nprimary = '{primary}'\nfailovers = {failovers}\n")
        command = ("-m", "logrelay", "check", os.path.abspath(path), "--connect")
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        done: Deferred[tuple[bytes, bytes, int]] = getProcessOutputAndValue(sys.executable, command, environment)
        return done

    def listen(self) -> int:
        """
        Start a server; the port.
        """
        factory = ServerFactory()
        factory.protocol = Protocol
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port  # type: ignore[attr-defined]
        return number

    def test_good(self) -> Deferred[None]:
        """
        Where every server is good the status is 0.
        """

        async def run() -> None:
            port = self.listen()
            output, errors, status = await self.check(port)
            self.assertEqual((errors, status), (b"", 0))
            first, second = output.decode().splitlines()
            self.assertTrue(first.endswith(": ok"), first)
            self.assertEqual(second, f"central: 127.0.0.1:{port}: ok: connected; over TCP no server proves who it is")

        return Deferred.fromCoroutine(run())

    def test_bad(self) -> Deferred[None]:
        """
        Where one is not, the reason is told by its name on standard error, and the status is 1.
        """

        async def run() -> None:
            with socket.socket() as holder:
                holder.bind(("127.0.0.1", 0))
                closed = holder.getsockname()[1]
                output, errors, status = await self.check(self.listen(), closed)
            self.assertEqual(status, 1)
            self.assertEqual(output.count(b"\n"), 2)
            self.assertTrue(errors.startswith(b"central: 127.0.0.1:%d: refused: " % closed), errors)
            self.assertEqual(errors.count(b"\n"), 1)

        return Deferred.fromCoroutine(run())
