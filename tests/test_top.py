"""
``logrelay top``, on a terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.control.screen import Style, screenOf
from logrelay.rendering import asData

from . import snapshots
from .loopback import scripted
from .relays import numbered
from .terminal import Terminal
from .test_control import ControlCase

TOP = Path(__file__).resolve().parent.parent


class Watcher:
    """
    The command on a terminal of its own.  A shell stands behind it, so that the terminal can be looked at when it has
    ended.

    :ivar pid: of the shell.
    """

    def __init__(self, path: str, columns: int, rows: int, term: str) -> None:
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self.screen = Terminal(columns, rows)
        self.resize(columns, rows)
        environment = {**os.environ, "PYTHONPATH": str(TOP), "TERM": term, "LC_ALL": "C.UTF-8"}
        for name in ("LINES", "COLUMNS"):
            environment.pop(name, None)
        command = f"{sys.executable} -m logrelay top --socket {path}; echo status $?; read line"
        self._process = subprocess.Popen(
            ["setsid", "-c", "sh", "-c", command], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        self.pid = self._process.pid
        os.close(slave)

    def resize(self, columns: int, rows: int) -> None:
        """
        Make the terminal larger or smaller.
        """
        self.screen.resize(columns, rows)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        """
        Press keys.
        """
        os.write(self._master, text)

    def echoes(self) -> bool:
        """
        Whether the terminal does what one does without a program on it.
        """
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    @property
    def text(self) -> str:
        """
        What is on the screen by now.
        """
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._master, 65536):
                self.screen.feed(data.decode())
        return "\n".join(self.screen.lines)

    def close(self) -> None:
        """
        End it.
        """
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)


class TopTests(ControlCase):
    """
    The command, on a pseudo-terminal, with a real relay.
    """

    def watch(self, columns: int = 80, rows: int = 24, term: str = "vt100") -> Watcher:
        """
        Start it.
        """
        watcher = Watcher(self.path, columns, rows, term)
        self.addCleanup(watcher.close)
        return watcher

    async def shows(self, watcher: Watcher, *words: str) -> str:
        """
        What it shows, when that has some words.
        """
        await self.until(lambda: all(word in watcher.text for word in words))
        return watcher.text

    @scripted
    async def test_shows(self) -> None:
        """
        The state is shown, and new as it changes; q ends it, and the terminal is as it was.
        """
        self.control()
        watcher = self.watch()
        one, two = str(self.one.server), str(self.two.server)
        text = await self.shows(watcher, f">  {one}  active", f"{two}  standby", "q quits", "buffer 0 % of 64 MiB")
        self.assertTrue(text.startswith("logrelay "), text)
        self.assertFalse(watcher.echoes())
        for message in numbered(500):
            await self.relayed.send(message)
        await self.shows(watcher, "in flight 500")
        await self.ask("switch", server=two)
        text = await self.shows(watcher, f">  {two}  active", f"{one} -> {two}  operator", "; chosen")
        self.assertEqual(watcher.screen.unknown, [])
        watcher.type(b"q")
        await self.shows(watcher, "status 0")
        self.assertTrue(watcher.echoes())

    @scripted
    async def test_resized(self) -> None:
        """
        On a small terminal what matters most is shown, and nothing runs over its edge.
        """
        self.control()
        watcher = self.watch(40, 10)
        await self.shows(watcher, "central: 127.0.0.1:", "active", "q quits")
        for columns, rows in ((100, 30), (12, 3), (5, 1), (1, 1), (40, 10)):
            watcher.resize(columns, rows)
            await self.until(lambda: watcher.text.strip())
        await self.shows(watcher, "central: 127.0.0.1:", "active", "q quits")
        watcher.type(b"q")
        await self.shows(watcher, "status 0")

    @scripted
    async def test_relayGoesAndComesBack(self) -> None:
        """
        While the relay is away that is told, with the last state; when it is back it is shown again.
        """
        service = self.control()
        watcher = self.watch()
        await self.shows(watcher, "active")
        await service.stopService()
        await self.shows(watcher, "no answer: no relay answers at", "active")
        self.control()
        await self.until(lambda: "no answer" not in watcher.text)

    @scripted
    async def test_signals(self) -> None:
        """
        However it is ended, the terminal is as it was; also on one with colours.
        """
        self.control()
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 0)):
            watcher = self.watch(term="xterm-256color")
            await self.shows(watcher, "active")
            shell = watcher.pid
            child = int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])
            os.kill(child, number)
            await self.shows(watcher, f"status {status}")
            self.assertTrue(watcher.echoes())

    @scripted
    async def test_noRelay(self) -> None:
        """
        If no relay answers at the beginning that is told, and the status is 3; a terminal that can't do it is status 2.
        """
        watcher = self.watch()
        await self.shows(watcher, "no relay answers at", "status 3")
        self.control()
        watcher = self.watch(term="dumb")
        await self.shows(watcher, "top needs a terminal", "status 2")


class ScreenTests(SynchronousTestCase):
    """
    What is on the screen, without one.
    """

    def screen(self, *parts: Any, width: int = 80, height: int = 24, **changes: Any) -> list[str]:
        """
        The lines of a relay's state.
        """
        return [line.text for line in screenOf(data(*parts, **changes), None, width, height)]

    def test_room(self) -> None:
        """
        There are never more lines or columns than there is room, whatever that is; the heaviest stay.
        """
        several = [snapshots.destination(name) for name in ("one", "two", "three", "four")]
        for width in (1, 2, 10, 40, 80):
            for height in (1, 2, 3, 10, 100):
                lines = self.screen(*several, width=width, height=height)
                self.assertLessEqual(len(lines), height)
                self.assertLessEqual(max(map(len, lines)), width)
        short = self.screen(*several, height=6)
        self.assertEqual([line.split(":")[0] for line in short[1:5]], ["one", "two", "three", "four"])
        self.assertTrue(short[-1].startswith("q quits; "))

    def test_rates(self) -> None:
        """
        Rates are those since the state before; unknown at first, and after a restart.
        """
        before = data()
        counters = snapshots.destination().counters
        later = data(snapshots.destination(counters=attrs.evolve(counters, sent=counters.sent + 250)), at=1002.0)

        def flow(old: Any, new: Any = later) -> str:
            return next(line.text for line in screenOf(new, old, 80, 24) if "/s, out" in line.text)

        self.assertEqual(flow(before), "  in 0/s, out 125/s, settled 0/s, again 0/s")
        self.assertEqual(flow(None), "  in -/s, out -/s, settled -/s, again -/s")
        self.assertEqual(flow(before, data(startedAt=1001.0, at=1002.0)), "  in -/s, out -/s, settled -/s, again -/s")

    def test_escaped(self) -> None:
        """
        Nothing that came from elsewhere reaches the terminal as it is.
        """
        evil = "\x1b]0;x\x07\n\u202e"
        server = snapshots.server(evil, reason="eof", text=evil, failedAt=1.0, identity=(evil,), notAfter=2.0)
        part = snapshots.destination(servers=(server, snapshots.server("b", active=True)))
        for line in self.screen(part, sources=(snapshots.source(evil, heldBy=(evil,)),), ailments=(evil,), width=500):
            self.assertTrue(line.isprintable(), line)

    def test_trouble(self) -> None:
        """
        What is wrong stands out.
        """
        part = snapshots.destination(state="waiting", servers=(snapshots.server("a"),), since=1005.0, crowded=True)
        styles = {line.text.strip(): line.style for line in screenOf(data(part), None, 80, 24, "gone\x07")}
        self.assertIs(styles["no answer: gone\\x07; trying again"], Style.BAD)
        self.assertIs(styles["central: no server in use: waiting 5 s for the next try"], Style.BAD)


def data(*parts: Any, **changes: Any) -> Any:
    """
    A relay's state, as JSON brings it.
    """
    return json.loads(json.dumps(asData(snapshots.relay(*parts, **changes))))
