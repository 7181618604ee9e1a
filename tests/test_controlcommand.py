"""
The commands that talk with a running relay, and their completion.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase

from logrelay.cli import commandParser
from logrelay.completion import SHELLS, placesOf, scriptFor
from logrelay.control.report import validity

from .loopback import scripted
from .relays import destination, source
from .test_control import ControlCase

TOP = Path(__file__).resolve().parent.parent


class CommandTests(ControlCase):
    """
    What they print, and their status.
    """

    @property
    def environment(self) -> dict[str, str]:
        """
        Where they find the relay.
        """
        return {**os.environ, "PYTHONPATH": str(TOP), "LOGRELAY_SOCKET": self.path}

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run one as a process.
        """
        words = ("-m", "logrelay", *arguments)
        output, errors, status = await getProcessOutputAndValue(sys.executable, words, self.environment)
        return status, output.decode(), errors.decode()

    @scripted
    async def test_all(self) -> None:
        """
        Each does what it says, and tells how things are then.
        """
        self.control()
        one, two = str(self.one.server), str(self.two.server)
        await self.relayed.send(b"<13>1 - h a - - - x")
        await self.relayed.whenSettled()
        status, output, errors = await self.command("status")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn(f">  {one}  active", output)
        status, output, _ = await self.command("status", "--json", "--destination", "central")
        self.assertEqual((status, json.loads(output)["ready"]), (0, True))
        for words, found in (
            (("servers",), f"{two}  standby"),
            (("spool",), "central"),
            (("switch", two), f"central: {two} since "),
            (("failback", "--destination", "central"), f"central: {one} since "),
            (("drain", two), f"central: {one} since "),
            (("undrain", two), f"central: {one} since "),
            (("probe", two), f"{two}: usable: "),
            (("servers", "--json"), '"destination": "central"'),
            (("spool", "--json"), '"in-flight"'),
            (("probe", "--json"), '"reason": ""'),
            (("completion", "servers"), f"{one}\n{two}\n"),
            (("completion", "destinations"), "central\n"),
        ):
            status, output, errors = await self.command(*words)
            self.assertEqual((words, status, errors), (words, 0, ""))
            self.assertIn(found, output)

    @scripted
    async def test_statuses(self) -> None:
        """
        1 for what is refused, can't be used, or is not ready; 2 for a wrong call; 3 where no relay answers.
        """
        self.assertEqual((await self.command("status"))[0], 3)
        self.control()
        await self.two.refuse()
        two = str(self.two.server)
        for words, expected, found in (
            (("status",), 1, ""),
            (("switch", two), 1, f"{two} is not used: refused: "),
            (("probe", two), 1, ""),
            (("undrain", two), 1, "is not drained"),
            (("status", "--destination", "x"), 1, "there is no destination x"),
            (("reload",), 1, "started with flags"),
            (("switch",), 2, "usage: "),
            (("status", "--config", "/nonexistent"), 2, "can't be read"),
            (("top",), 2, "needs a terminal"),
            (("status", "--socket", "/nonexistent"), 3, "is the relay running?"),
        ):
            status, _, errors = await self.command(*words)
            self.assertEqual((words, status), (words, expected), errors)
            self.assertIn(found, errors)

    @scripted
    async def test_oneOfSeveral(self) -> None:
        """
        With the name of a destination its state alone is told, also as data.
        """
        self.relayed = self.relay([destination(self.one), destination(self.two, name="second")], [source()])
        self.control()
        for words in (("status",), ("servers",), ("spool",)):
            _, output, _ = await self.command(*words, "--json", "--destination", "second")
            told = json.loads(output)
            names = [each["name"] for each in told["destinations"]] if words == ("status",) else None
            self.assertEqual(names or [each["destination"] for each in told], ["second"])

    @scripted
    async def test_nowhereToWrite(self) -> None:
        """
        A standard output that is full, or closed, is no accident.
        """
        self.control()
        await self.relayed.send(b"<13>1 - h a - - - x")
        await self.relayed.whenSettled()
        for words in ("status", "status --json", "probe", "drain " + str(self.two.server)):
            for where, expected, said in (
                (">/dev/full", 1, "logrelay: standard output: No space left on device\n"),
                (">&-", 0, ""),
            ):
                line = f"exec {sys.executable} -m logrelay {words} {where}"
                _, errors, status = await getProcessOutputAndValue("/bin/sh", ("-c", line), self.environment)
                self.assertEqual((status, errors.decode()), (expected, said), line)

    def test_validity(self) -> None:
        """
        Days are whole ones that are left, as on the page.
        """
        day = 86400.0
        found = [validity(left * day, 0) for left in (-0.1, 0.9, 1.0, 1.9, 2, 3650)]
        self.assertEqual(
            found, ["expired", "0 days left", "1 day left", "1 day left", "2 days left", "3,650 days left"]
        )

    def test_quick(self) -> None:
        """
        Twisted, and what else takes long, is not imported.
        """
        code = "import sys, logrelay.cli; logrelay.cli.commandParser('status'); print('twisted' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TOP, check=True)
        self.assertEqual(found.stdout, "False\n")


class CompletionTests(SynchronousTestCase):
    """
    Shells, as far as they are there.
    """

    def complete(self, line: str) -> list[str]:
        """
        What bash offers.
        """
        script = scriptFor("bash", commandParser()) + (
            f'COMP_LINE="{line}" COMP_POINT={len(line)}; _logrelay; printf "%s\\n" "${{COMPREPLY[@]}}"'
        )
        found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=TOP, check=True)
        self.assertEqual(found.stderr, "")
        return found.stdout.split()

    def test_bash(self) -> None:
        """
        Commands, options, their values and files are offered where they belong.
        """
        self.assertEqual(self.complete("logrelay sta"), ["status"])
        self.assertIn("drain", self.complete("logrelay "))
        self.assertEqual(self.complete("logrelay status --js"), ["--json"])
        self.assertEqual(self.complete("logrelay spool e"), ["export"])
        self.assertEqual(set(self.complete("logrelay spool export --framing ")), {"lf", "octet-counting"})
        self.assertEqual(self.complete("logrelay check --con"), ["--connect"])
        self.assertEqual(self.complete("logrelay check setup.c"), ["setup.cfg"])
        self.assertEqual(self.complete("logrelay status --config setup.c"), ["setup.cfg"])

    def test_all(self) -> None:
        """
        Every command is in every script.
        """
        for shell in SHELLS:
            script = scriptFor(shell, commandParser())
            for place in placesOf(commandParser()):
                for word in place.words:
                    self.assertIn(word, script)


class DocumentationTests(SynchronousTestCase):
    """
    What the documentation takes from the code.
    """

    def test_upToDate(self) -> None:
        """
        It is what the code says now; ``python docs/controlpages.py`` writes it anew.
        """
        written = runpy.run_path(str(TOP / "docs" / "controlpages.py"))
        for name, lines in (("control.inc", written["commandLines"]()), ("protocol.inc", written["protocolLines"]())):
            self.assertEqual((TOP / "docs" / name).read_text(), "\n".join(lines) + "\n")
