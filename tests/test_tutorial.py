"""
The tutorial, as somebody who follows it would do it: its own commands, on other ports and with shorter times.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .real import freePort
from .twistds import Process, script, waitFor

DOCS = Path(__file__).resolve().parent.parent / "docs"


class TutorialTests(SynchronousTestCase):
    """
    ``docs/tutorial.rst``
    """

    def setUp(self) -> None:
        """
        A folder with the files of the tutorial, and its commands.
        """
        ports = {number: str(freePort()) for number in ("5140", "6001", "6002")}
        self.changes = {**ports, "tcp-probe-interval = 5": "tcp-probe-interval = 0.5"}
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        shutil.copy(DOCS / "examples" / "server.py", self.folder)
        text = (DOCS / "examples" / "tutorial.toml").read_text()
        (self.folder / "tutorial.toml").write_text(self.changed(text))
        self.commands = re.findall(r"(?m)^ +\$ (.+)$", (DOCS / "tutorial.rst").read_text())

    def changed(self, text: str) -> str:
        """
        The same with what is changed for the test.
        """
        for before, after in self.changes.items():
            text = text.replace(before, after)
        return text

    def run_(self, beginning: str) -> Process:
        """
        Run the one command of the page that begins so.
        """
        [command] = {each for each in self.commands if each.startswith(beginning)}
        path = f"{Path(script('twistd')).parent}{os.pathsep}{os.environ['PATH']}"
        words = ["bash", "-c", "exec " + self.changed(command) if "for" not in command else self.changed(command)]
        return Process(self, words, {"PATH": path}, cwd=str(self.folder))

    def numbers(self, server: Process) -> list[int]:
        """
        The numbers of the messages that a server has printed.
        """
        return [int(number) for number in re.findall(r"(?m) message (\d+)$", server.said.read_text())]

    def test_story(self) -> None:
        """
        The failover gets what the primary had not confirmed; the primary is gone back to; with both down nothing is
        lost.
        """
        first, second = self.run_("python3 server.py 6001"), self.run_("python3 server.py 6002")
        for port in ("6001", "6002"):
            self.waitForServer(port)
        check = self.run_("logrelay check tutorial.toml --connect")
        self.assertEqual(check.wait(), 0)
        self.assertEqual(check.said.read_text().count(": ok: connected"), 2)
        relay = self.run_("twistd -n logrelay")
        relay.says(self.changed("central: connected to 127.0.0.1:6001"))
        sender = self.run_("for number in")
        waitFor(lambda: 3 in self.numbers(first), "three messages at the primary")
        first.popen.send_signal(signal.SIGINT)
        first.wait()
        relay.says(self.changed(r"switched from 127.0.0.1:6001 to 127.0.0.1:6002 \((eof|refused)\)"))
        waitFor(lambda: self.numbers(second), "messages at the failover")
        again = self.run_("python3 server.py 6001")
        relay.says(self.changed(r"switched from 127.0.0.1:6002 to 127.0.0.1:6001 \(failback\)"))
        waitFor(lambda: self.numbers(again), "messages at the primary")
        for server in (again, second):
            server.popen.kill()
            server.wait()
        relay.says("no server is usable")
        last = self.run_("python3 server.py 6002")
        had = max(self.numbers(again))
        waitFor(lambda: max(self.numbers(last), default=0) > had, "later messages at the failover")
        sender.popen.kill()
        relay.popen.send_signal(signal.SIGINT)
        relay.wait()
        every = {number for server in (first, second, again, last) for number in self.numbers(server)}
        self.assertEqual(every, set(range(1, max(every) + 1)))

    def waitForServer(self, port: str) -> None:
        """
        Wait until somebody listens.
        """
        wanted = f":{int(self.changes[port]):04X} 00000000:0000 0A"
        waitFor(lambda: wanted in Path("/proc/net/tcp").read_text(), f"a server on {port}")

    def test_everyCommandIsRun(self) -> None:
        """
        No command of the page is left out of the test, but those that install.
        """
        known = ("python3 server.py", "logrelay check tutorial.toml", "twistd -n logrelay", "for number in")
        others = [each for each in self.commands if not each.startswith(known)]
        self.assertEqual(others, ["python3 -m venv .venv", ". .venv/bin/activate", "pip install ."])
