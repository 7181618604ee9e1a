"""
The command of ``on-switch``, as a real process.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from logrelay import events
from logrelay.config import SpoolSettings
from logrelay.events import Event, EventLog, Switched
from logrelay.hook import ENVIRONMENT, OUTPUT, Hook

from .loopback import scripted, until
from .relays import RelayCase, destination, heard, source

SH = "/bin/sh"


def switched(after: str, where: str = "central") -> Switched:
    """
    A switch to a server.
    """
    return Switched(where, "a:601", after, "refused")


class HookTests(TestCase):
    """
    Switches, and what is run for them.
    """

    timeout = 30

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.told: list[Event] = []
        self.command: tuple[str, ...] = ()
        self.hook = Hook(reactor, lambda: self.command, EventLog([self.told.append]))
        self.hook.start()
        self.addCleanup(self.hook.stop)

    def sh(self, script: str) -> None:
        """
        Have a script run from now on; its first argument is the path of a file.
        """
        self.command = (SH, "-c", script, "hook", str(self.path))

    async def ended(self, count: int = 1) -> list[Event]:
        """
        Wait for so many ends.
        """
        await until(reactor, lambda: len(self.told) >= count, 20)
        return self.told

    @scripted
    async def test_environment(self) -> None:
        """
        It is told what has changed, and has nothing else of ours: no variables, no descriptors, no ignored signals, and
        nothing to read.
        """
        os.environ["NOTIFY_SOCKET"] = "/nowhere"
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
        with open(self.path.parent / "open", "w") as file:
            os.set_inheritable(file.fileno(), True)
            script = "import os, sys; print(dict(os.environ), os.listdir('/proc/self/fd'), sys.stdin.read() == '');"
            script += "print(os.getcwd())"
            self.command = (sys.executable, "-I", "-S", "-c", script)
            self.hook.observe(switched("b:601"))
            [ran] = await self.ended()
        assert isinstance(ran, events.CommandRan), ran
        first, _, second = ran.output.partition(" | ")
        environment = eval(first[: first.index("}") + 1])
        self.assertRegex(environment.pop("LOGRELAY_AT"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        environment.pop("LC_CTYPE", None)  # Python's own
        self.assertEqual(
            environment,
            {
                **ENVIRONMENT,
                "LOGRELAY_DESTINATION": "central",
                "LOGRELAY_BEFORE": "a:601",
                "LOGRELAY_AFTER": "b:601",
                "LOGRELAY_REASON": "refused",
            },
        )
        # The fourth is the one that lists them.
        self.assertEqual(first[first.index("}") + 1 :], " ['0', '1', '2', '3'] True")
        self.assertEqual(second, "/")

    @scripted
    async def test_signals(self) -> None:
        """
        What a program expects of signals holds: a shell whose reader is gone is ended by SIGPIPE.
        """
        self.sh("grep SigIgn /proc/self/status")
        self.hook.observe(switched("b:601"))
        [ran] = await self.ended()
        assert isinstance(ran, events.CommandRan), ran
        name, ignored = ran.output.split()
        self.assertEqual((name, int(ignored, 16) & 1 << signal.SIGPIPE - 1), ("SigIgn:", 0))

    @scripted
    async def test_newestWins(self) -> None:
        """
        One runs at a time; meanwhile only the last switch of each destination waits.
        """
        self.sh('echo "$LOGRELAY_DESTINATION $LOGRELAY_AFTER" >> "$1"; [ ! -e "$1.wait" ] || read x < "$1.wait"')
        fifo = Path(f"{self.path}.wait")
        os.mkfifo(fifo)
        self.hook.observe(switched("b:601"))
        await until(reactor, self.path.exists, 20)
        for after in ("c:601", "d:601", "e:601"):
            self.hook.observe(switched(after))
        self.hook.observe(switched("x:601", "other"))
        with fifo.open("w") as file:
            fifo.unlink()
            file.write("go\n")
        await self.ended(3)
        self.assertEqual(self.path.read_text().splitlines(), ["central b:601", "central e:601", "other x:601"])

    @scripted
    async def test_failures(self) -> None:
        """
        A bad status, a signal and a program that is not there are told, with what was written.
        """
        for script, why, output in (
            ("echo one; echo two >&2; exit 3", "exit status 3", "one | two"),
            ("kill -9 $$", "signal 9", ""),
        ):
            self.sh(script)
            self.hook.observe(switched("b:601"))
            [event] = await self.ended()
            self.assertEqual(event, events.CommandFailed(SH, why, output))
            self.told.clear()
        self.command = (str(self.path),)
        self.hook.observe(switched("b:601"))
        [event] = await self.ended()
        said = f"{self.path}: No such file or directory"
        self.assertEqual(event, events.CommandFailed(str(self.path), "exit status 1", said))

    @scripted
    async def test_output(self) -> None:
        """
        Of what it writes the end is kept, on one line, with nothing that a terminal would obey.
        """
        self.sh("yes 0123456789 | head -100000; printf 'the \\033[31mend\\377'")
        self.hook.observe(switched("b:601"))
        [ran] = await self.ended()
        assert isinstance(ran, events.CommandRan), ran
        self.assertTrue(ran.output.startswith("..."))
        self.assertTrue(ran.output.endswith(r" | 0123456789 | the ?[31mend\xff"), ran.output)
        self.assertLess(len(ran.output), 2 * OUTPUT)

    @scripted
    async def test_reloaded(self) -> None:
        """
        The command is what it is when it starts; none may be left then.
        """
        self.hook.observe(switched("b:601"))
        self.sh("sleep 0.2")
        self.hook.observe(switched("b:601"))
        self.hook.observe(switched("c:601"))
        self.command = ()
        await self.ended()
        self.hook.observe(switched("d:601"))
        self.assertIsNone(self.hook._running)

    @scripted
    async def test_takesTooLong(self) -> None:
        """
        At the time limit, which a stop makes shorter, its whole process group is asked to end, and then made to.
        """
        self.sh('trap "" TERM; sleep 100 & echo $! > "$1.new"; mv "$1.new" "$1"; wait; sleep 100')
        self.hook.observe(switched("b:601"))
        await until(reactor, self.path.exists, 20)
        child = int(self.path.read_text())
        self.hook.observe(switched("c:601"))
        run = self.hook._running
        assert run is not None
        run.hurry(0.1)
        await self.hook.stop()
        [event] = self.told
        self.assertEqual(event, events.CommandFailed(SH, "it had not ended after 0.1 s"))
        with self.assertRaises(ProcessLookupError):
            await until(reactor, lambda: os.kill(child, 0), 5)
        self.hook.observe(switched("d:601"))
        self.assertIsNone(self.hook._running)

    @scripted
    async def test_leftBehind(self) -> None:
        """
        What has left its group and still has its output is not waited for.
        """
        self.sh('setsid sleep 60 & echo $! > "$1.new"; mv "$1.new" "$1"; sleep 60')
        self.hook.observe(switched("b:601"))
        await until(reactor, self.path.exists, 20)
        self.addCleanup(os.kill, int(self.path.read_text()), 9)
        run = self.hook._running
        assert run is not None
        run.hurry(0.1)
        await self.hook.stop()
        [event] = self.told
        assert isinstance(event, events.CommandFailed)


class RelayTests(RelayCase):
    """
    A relay with a command.
    """

    @scripted
    async def test_switch(self) -> None:
        """
        It is run at a switch, not at the first connection, and has none of the relay's sockets and locks.
        """
        one, two = self.server(), self.server()
        path = Path(self.mktemp()).resolve()
        spool = SpoolSettings(str(path.with_suffix(".spool")), 4 * 1024 * 1024, "normal")
        script = 'ls -l /proc/self/fd; echo "$LOGRELAY_BEFORE $LOGRELAY_AFTER $LOGRELAY_REASON"'
        relay = self.relay([destination(one, two, spool=spool)], [source()], onSwitch=(SH, "-c", script))
        told = heard(relay)
        await self.until(lambda: one.connections)
        await one.kill()
        await self.until(lambda: any(isinstance(event, events.CommandRan | events.CommandFailed) for event in told))
        [ran] = [event for event in told if isinstance(event, events.CommandRan)]
        self.assertTrue(ran.output.endswith(f" | {one.server} {two.server} reset"), ran.output)
        open_ = [line.split(" ")[-3:] for line in ran.output.split(" | ") if "->" in line]
        self.assertEqual([line[0] for line in open_], ["0", "1", "2", "3"])
        self.assertEqual([line[2].partition(":")[0] for line in open_[:3]], ["pipe"] * 3)
        await relay.stopService()
