"""
The demo: its programs, its sums, its display, and all of it together.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import attrs
from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from logrelay.demo import generator, server
from logrelay.demo.account import Account, Kept, Shelf, Times, table
from logrelay.demo.certificates import Authority
from logrelay.demo.display import Lines, Live, displayFor, panelOf
from logrelay.demo.processes import DemoFailed, Processes
from logrelay.demo.stage import Stage, addresses, holdPort
from logrelay.demo.story import Watch, conclusion
from logrelay.events import AttemptFailed, Connected, Event, Switched
from logrelay.snapshot import Snapshot

from . import snapshots

TOP = Path(__file__).resolve().parent.parent

#: The whole demo is to take less, in seconds; the tests' machine may be busy, and takes more before it gives up.
PROMISED, PATIENCE = 30, 90


def line(number: int, at: float = 1.0) -> bytes:
    """
    A kept message.
    """
    _, _, message = generator.frame(number, "2026-01-02T03:04:05.678Z").partition(b" ")
    return b"%.6f %b\n" % (at, message)


def shelf(name: str, *kept: tuple[float, int]) -> Shelf:
    """
    A server that kept messages: when, and which.
    """
    return Shelf(name, tuple(Kept(at, number) for at, number in kept))


class SplitTests(SynchronousTestCase):
    """
    How the demo's server tells messages apart.
    """

    def test_anyCut(self) -> None:
        """
        Messages are whole wherever the stream was cut, also with line ends and digits in them.
        """
        stream = b"3 abc11 x\n12 34 56\n1 z"
        for cut in range(len(stream) + 1):
            first, rest = server.split(stream[:cut])
            second, rest = server.split(rest + stream[cut:])
            self.assertEqual((first + second, rest), ([b"abc", b"x\n12 34 56\n", b"z"], b""))

    def test_noFrames(self) -> None:
        """
        What is no frame, or an over-long one, is an error.
        """
        for data in (b"x", b"0 ", b"01 x", b"123456", b"65537 ", b"1 ax", b"12x"):
            self.assertRaises(ValueError, server.split, data)


class ServerStoreTests(SynchronousTestCase):
    """
    What the demo's server keeps.
    """

    def test_keepsAll(self) -> None:
        """
        Each message is a line with the time of its arrival; a file is gone on with.
        """
        path = self.mktemp()
        server.Store(path, 0).keep([b"a", b"b"], 1.5)
        server.Store(path, 0).keep([b"c"], 2.5)
        self.assertEqual(Path(path).read_bytes(), b"1.500000 a\n1.500000 b\n2.500000 c\n")

    def test_discards(self) -> None:
        """
        With ``--discard 3`` each third message is thrown away, over all reads.
        """
        path = self.mktemp()
        store = server.Store(path, 3)
        store.keep([b"1", b"2"], 0)
        store.keep([b"3", b"4", b"5", b"6"], 0)
        kept = re.findall(rb" (\d)\n", Path(path).read_bytes())
        self.assertEqual(kept, [b"1", b"2", b"4", b"5"])


class ShelfTests(SynchronousTestCase):
    """
    What is read back from the servers' files.
    """

    def read(self, *contents: bytes) -> Shelf:
        """
        A server that left these files.
        """
        files = []
        for content in contents:
            files.append(Path(self.mktemp()))
            files[-1].write_bytes(content)
        return Shelf.read("logs-a", files)

    def test_runs(self) -> None:
        """
        All files of a server count.
        """
        found = self.read(line(1, 1.25) + line(2, 1.5), b"", line(2, 7.0))
        self.assertEqual(found, shelf("logs-a", (1.25, 1), (1.5, 2), (7.0, 2)))

    def test_torn(self) -> None:
        """
        What a killed server had not finished writing was not kept.
        """
        self.assertEqual(self.read(line(1) + line(2)[:-1]), shelf("logs-a", (1.0, 1)))

    def test_damaged(self) -> None:
        """
        A line that is not exactly one of the generator's messages is damaged.
        """
        good = line(17)
        bad = good.replace(b"message 17", b"message 18")
        found = self.read(bad + good[:-1] + good + good[9:] + good)
        self.assertEqual((found.kept, found.damaged), ((Kept(1.0, 17),), 3))

    def test_firstAndLast(self) -> None:
        """
        The first message after a moment is found, and the last one before it.
        """
        found = shelf("logs-a", (1.0, 1), (2.0, 2), (3.0, 3))
        self.assertEqual((found.firstAfter(1.5), found.lastBefore(2.5)), (2.0, 2.0))
        self.assertEqual((found.firstAfter(3.5), found.lastBefore(0.5)), (None, None))


class AccountTests(SynchronousTestCase):
    """
    The sums.
    """

    times = Times(0.0123, 0.015, 0.004)

    def test_good(self) -> None:
        """
        All messages somewhere, each once: nothing is lost and nothing came twice.
        """
        account = Account.of(3, [shelf("logs-a", (1.0, 1)), shelf("logs-b", (2.0, 2), (2.0, 3))])
        self.assertEqual((account.lost, account.duplicates, account.damaged, account.good), ((), 0, 0, True))
        self.assertEqual(conclusion(account, self.times)[-1], "Nothing was lost.")
        self.assertNotIn("duplicates.", "\n".join(conclusion(account, self.times)))

    def test_duplicates(self) -> None:
        """
        Duplicates are counted, explained, and no loss.
        """
        account = Account.of(2, [shelf("logs-a", (1.0, 1), (1.0, 1)), shelf("logs-b", (2.0, 1), (2.0, 2))])
        self.assertEqual((account.duplicates, account.good), (2, True))
        self.assertIn("was sent again to the next server: these are the duplicates.", conclusion(account, self.times))

    def test_lost(self) -> None:
        """
        What no server kept is lost; the first few are named.
        """
        account = Account.of(9, [shelf("logs-a", (1.0, 2), (1.0, 4))])
        self.assertEqual((account.lost, account.good), ((1, 3, 5, 6, 7, 8, 9), False))
        lines = conclusion(account, self.times)
        self.assertIn("lost                         7  number 1, 3, 5, 6, 7 and 2 more", lines)
        self.assertEqual(lines[-1], "MESSAGES WERE LOST OR DAMAGED.")

    def test_damaged(self) -> None:
        """
        What nobody sent is damage, whether it can be read or not.
        """
        account = Account.of(1, [shelf("logs-a", (1.0, 1), (1.0, 2)), Shelf("logs-b", damaged=2)])
        self.assertEqual((account.damaged, account.good), (3, False))
        self.assertIn("damaged                      3  kept, but never sent like this", table(account, self.times))

    def test_table(self) -> None:
        """
        The table has everything that was promised.
        """
        account = Account.of(1000, [shelf("logs-a", *((1.0, number) for number in range(1, 1001))), shelf("logs-b")])
        self.assertEqual(
            table(account, attrs.evolve(self.times, failback=None)),
            [
                "sent by the generator    1,000",
                "received by logs-a       1,000",
                "received by logs-b           0",
                "lost                         0",
                "duplicates                   0  kept by more than one server, or twice",
                "time to switch         12.3 ms  from the end of the connection to the first message there",
                "                       15.0 ms  the same from the SIGKILL",
                "time to switch back      never  between the last message there and the first one here",
            ],
        )


class TimesTests(SynchronousTestCase):
    """
    How long switches took.
    """

    def test_times(self) -> None:
        """
        They are taken from what the servers noted, and from when the relay saw the connection end.
        """
        primary = shelf("logs-a", (1.0, 1), (2.0, 2), (9.5, 5))
        failover = shelf("logs-b", (2.75, 1), (9.0, 4), (11.0, 4))
        self.assertEqual(Times.of(primary, failover, killed=2.0, ended=2.25, back=5.0), Times(0.5, 0.75, 0.5))

    def test_never(self) -> None:
        """
        Where nothing arrived there is no time.
        """
        nothing = shelf("logs-a")
        self.assertEqual(Times.of(nothing, nothing, 1.0, 2.0, 3.0), Times(None, None, None))


class Screen:
    """
    A terminal that knows what the display uses of ECMA-48, and nothing else.

    :ivar lines: what can be seen.
    :ivar cursor: whether the cursor can be seen.
    """

    def __init__(self, written: str) -> None:
        self.lines = [""]
        self.cursor = True
        self._row = 0
        for text, up, clear, cursor in re.findall(r"([^\x1b]+)|\x1b\[(\d+)F|\x1b\[(J)|\x1b\[\?25([hl])", written):
            if up:
                self._row -= int(up)
            elif clear:
                self.lines[self._row :] = [""]
            elif cursor:
                self.cursor = cursor == "h"
            else:
                self._type(text)

    def _type(self, text: str) -> None:
        for part in text.splitlines(keepends=True):
            self.lines[self._row] += part.removesuffix("\n")
            if part.endswith("\n"):
                self._row += 1
                self.lines[self._row :] = [""]


class Terminal(io.StringIO):
    """
    Text that goes to a terminal.
    """

    def isatty(self) -> bool:
        """
        It is one.
        """
        return True


def snapshot(active: str | None = "b", reason: str = "eof", goodProbes: int = 0) -> Snapshot:
    """
    A relay with two servers.
    """
    servers = (
        snapshots.server("a", active=active == "a", reason=reason, text="it ended"),
        snapshots.server("b", active=active == "b"),
    )
    return snapshots.relay(snapshots.destination(servers=servers, goodProbes=goodProbes))


class PanelTests(SynchronousTestCase):
    """
    A relay's state in a few lines.
    """

    def states(self, state: Snapshot) -> list[str]:
        """
        What is said of the servers.
        """
        return panelOf(state, {"a": "logs-a", "b": "logs-b"})[:-1]

    def test_failedOver(self) -> None:
        """
        The server in use is marked, the primary's trouble told.
        """
        self.assertEqual(self.states(snapshot()), ["    logs-a   not usable (eof): it ended", "  > logs-b   in use"])

    def test_probed(self) -> None:
        """
        Good probes of the primary are shown.
        """
        self.assertEqual(self.states(snapshot(goodProbes=2))[0], "    logs-a   answers again: 2 of 3 probes")

    def test_standby(self) -> None:
        """
        A server that was never tried stands by.
        """
        self.assertEqual(self.states(snapshot("a", reason=""))[1], "    logs-b   standby")

    def test_numbers(self) -> None:
        """
        What went in and out is shown; a server without a name by its address.
        """
        *servers, numbers = panelOf(snapshot(), {})
        self.assertEqual(
            numbers.split("   "),
            ["", " taken in 1,200", "sent 1,234", "of these again 34", "kept in case of a loss 2 KiB"],
        )
        self.assertEqual(servers[1].split(), [">", "b", "in", "use"])


class DisplayTests(SynchronousTestCase):
    """
    How the demo is shown.
    """

    def test_lines(self) -> None:
        """
        Elsewhere than on a terminal each step is a line with its time, and nothing else is written.
        """
        stream = io.StringIO()
        display = displayFor(stream, lambda: 1.5, {})
        display.say("one")
        display.show(snapshot())
        display.close(["the", "end"])
        self.assertEqual(stream.getvalue(), "  1.500 s  one\nthe\nend\n")

    def live(self, columns: int = 100) -> tuple[Terminal, Live]:
        """
        A live display.
        """
        stream = Terminal()
        return stream, Live(stream, lambda: 0.0, {"a": "logs-a", "b": "logs-b"}, lambda: columns)

    def test_panelBelow(self) -> None:
        """
        On a terminal the steps stand above the panel, which is redrawn in its place, with the cursor hidden.
        """
        stream, display = self.live()
        display.say("one")
        display.show(snapshot())
        display.show(snapshot(goodProbes=1))
        display.say("two")
        screen = Screen(stream.getvalue())
        self.assertEqual(
            screen.lines[:5],
            [
                "  0.000 s  one",
                "  0.000 s  two",
                "",
                "    logs-a   answers again: 1 of 3 probes",
                "  > logs-b   in use",
            ],
        )
        self.assertFalse(screen.cursor)

    def test_restored(self) -> None:
        """
        At the end the panel is gone, the cursor back, and all steps can still be seen.
        """
        stream, display = self.live()
        display.say("one")
        display.show(snapshot())
        display.close(["end"])
        display.close()
        screen = Screen(stream.getvalue())
        self.assertEqual((screen.lines, screen.cursor), (["  0.000 s  one", "end", ""], True))

    def test_narrow(self) -> None:
        """
        A line is never as long as to be broken by the terminal.
        """
        stream, display = self.live(columns=12)
        display.show(snapshot())
        self.assertEqual(max(map(len, Screen(stream.getvalue()).lines)), 11)

    def test_terminals(self) -> None:
        """
        Only a terminal that understands control sequences gets them; where its size is unknown it is a usual one.
        """
        display = displayFor(Terminal(), lambda: 0.0, {}, {"TERM": "xterm"})
        assert isinstance(display, Live)
        self.assertEqual(display.columns(), 80)
        for environment in ({}, {"TERM": "dumb"}):
            self.assertIs(type(displayFor(Terminal(), lambda: 0.0, {}, environment)), Lines)

    def test_nobodyLooks(self) -> None:
        """
        That the reader of a pipe went away does not hurt.
        """
        reader, writer = os.pipe()
        os.close(reader)
        stream = open(writer, "w")  # noqa: SIM115, closing it is to fail
        Lines(stream, lambda: 0.0).say("one")
        with contextlib.suppress(BrokenPipeError):
            stream.close()


class CertificateTests(SynchronousTestCase):
    """
    Certificates made on the spot.
    """

    def test_namesOneServer(self) -> None:
        """
        A server's certificate names its address and nothing else; a client's names none.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority(folder)
        authority.publish()
        names = []
        for path in (authority.issue("a", IPv4Address("127.0.0.2")), authority.issue("relay")):
            extensions = x509.load_pem_x509_certificate(path.read_bytes()).extensions
            names += [each.value for each in extensions if isinstance(each.value, x509.SubjectAlternativeName)]
        self.assertEqual(names, [x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.2"))])])


class StageTests(SynchronousTestCase):
    """
    Addresses and ports.
    """

    def test_addresses(self) -> None:
        """
        Each server has an address of its own where the host has several; or all have the same one.
        """
        self.assertIn(addresses(), (["127.0.0.1", "127.0.0.2", "127.0.0.3"], ["127.0.0.1"] * 3))

    def test_held(self) -> None:
        """
        A held port refuses connections, and only a server that knows of it can have it.
        """
        with holdPort("127.0.0.1") as holder:
            place = holder.getsockname()
            self.assertRaises(ConnectionRefusedError, socket.create_connection, place, 5)
            with socket.socket() as other:
                self.assertRaises(OSError, other.bind, place)
            with server.listen(*place), socket.create_connection(place, 5):
                pass

    def test_defaults(self) -> None:
        """
        Nothing but the probes' interval, and what belongs to the place, differs from the defaults.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        stage = Stage.set(folder, 0)
        stage.strike()
        (destination,) = stage.configuration.destinations
        assert destination.failback is not None
        plain = type(destination)(destination.name, destination.servers)
        changed = {
            each.name
            for each in attrs.fields(type(destination))
            if each.default is not attrs.NOTHING and getattr(destination, each.name) != getattr(plain, each.name)
        }
        self.assertEqual(changed, {"transport", "tls", "failback"})
        self.assertEqual(attrs.evolve(destination.failback, tcpProbeInterval=60), type(destination.failback)())


class WatchTests(SynchronousTestCase):
    """
    Waiting for the relay's events.
    """

    def setUp(self) -> None:
        """
        A watch on nothing.
        """
        self.clock = Clock()
        self.said: list[str] = []
        self.watch = Watch(self.clock, self.said.append)

    def isSwitch(self, event: Event) -> bool:
        """
        What is waited for here.
        """
        return isinstance(event, Switched)

    def test_waits(self) -> None:
        """
        It waits for the event that is meant, and shows every one.
        """
        waiter = self.watch.when(self.isSwitch, 5, "a switch")
        self.watch.told(Connected("central", "a:1"))
        self.assertNoResult(waiter)
        self.watch.told(Switched("central", "a:1", "b:1", "eof"))
        self.assertIsNone(self.successResultOf(waiter))
        self.assertEqual(
            self.said, ["relay: central: connected to a:1", "relay: central: switched from a:1 to b:1 (eof)"]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late(self) -> None:
        """
        What does not happen in time is a failure that names it; if it happens later, nothing does.
        """
        waiter = self.watch.when(self.isSwitch, 5, "a switch")
        self.clock.advance(5)
        failure = self.failureResultOf(waiter, DemoFailed)
        self.assertEqual(str(failure.value), "waited 5 s in vain for a switch")
        self.watch.told(Switched("central", "a:1", "b:1", "eof"))

    def test_lost(self) -> None:
        """
        The end of a connection is the first one told after a moment, of the server that is meant.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        stage = Stage.set(folder, 0)
        stage.strike()
        first, second, _ = (str(each.server) for each in stage.servers)
        for at, name in ((1.0, first), (3.0, second), (4.0, first), (5.0, first)):
            self.watch.history.append((at, AttemptFailed("central", name, "eof", "why")))
        self.assertEqual(self.watch.lost(stage.servers[0], 2.0), 4.0)


class ProcessesTests(TestCase):
    """
    The demo's processes, for real.
    """

    timeout = 30

    def setUp(self) -> None:
        """
        No process yet.
        """
        self.trouble: list[str] = []
        self.troubled: Deferred[None] = Deferred()
        self.processes = Processes(reactor, self.onTrouble)
        self.addCleanup(self.processes.endAll)

    def onTrouble(self, text: str) -> None:
        """
        Something ended.
        """
        self.trouble.append(text)
        self.troubled.callback(None)

    def test_generator(self) -> Deferred[None]:
        """
        The generator sends numbered messages from 1 on, and says in the end how many.
        """
        received: Future[bytes] = Future()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def drain() -> bytes:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                return stream.read()

        pool = ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        received = pool.submit(drain)

        async def run() -> None:
            child = self.processes.spawn("generator", "generator", *listener.getsockname(), 5000)
            await child.whenReady()
            sent = int((await child.finish()).split()[-1])
            messages, rest = server.split(received.result(10))
            numbers = [int(re.findall(rb"[0-9]+", message)[-1]) for message in messages]
            self.assertEqual((numbers, rest), (list(range(1, sent + 1)), b""))
            self.assertEqual(self.trouble, [])

        return Deferred.fromCoroutine(run())

    def test_trouble(self) -> Deferred[None]:
        """
        A process that ends by itself is told of, with its last words.
        """

        async def run() -> None:
            self.processes.spawn("generator", "generator", "127.0.0.1", "nonsense", 1)
            await self.troubled
            self.assertIn("generator has ended, and should not have: ", self.trouble[0])
            self.assertIn("invalid int value: 'nonsense'", self.trouble[0])

        return Deferred.fromCoroutine(run())

    def test_ended(self) -> Deferred[None]:
        """
        A process that has ended can be ended again, and has nothing more to say.
        """

        async def run() -> None:
            self.processes.spawn("generator", "generator")
            await self.troubled
            (child,) = self.processes._children
            self.assertEqual([await child.kill(), await child.finish()], ["", ""])

        return Deferred.fromCoroutine(run())


@attrs.frozen
class Run:
    """
    What came of a demo.

    :ivar status: what it exited with.
    :ivar seconds: how long it took.
    :ivar left: what it left in the folder for temporary files.
    """

    status: int
    output: str
    errors: str
    seconds: float
    left: list[str]

    @property
    def alive(self) -> list[int]:
        """
        Those of its processes that are still there.
        """
        pids = [int(pid) for pid in re.findall(r"\(process (\d+)\)", self.output)]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    def count(self, name: str) -> int:
        """
        The number beside a name in the table.
        """
        found = re.search(rf"^{name} +([0-9,]+)", self.output, re.MULTILINE)
        assert found is not None, (name, self.output, self.errors)
        return int(found[1].replace(",", ""))


@contextlib.contextmanager
def started(*arguments: str, stdout: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """
    Start a demo as a user does, with a folder of its own for temporary files.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder, "TERM": "xterm", "PYTHONPATH": str(TOP)}
        command = [sys.executable, "-m", "logrelay", "demo", *arguments]
        with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment) as process:
            try:
                yield process, folder
            finally:
                process.kill()


def runInPipe(*arguments: str) -> Run:
    """
    Run a demo with a pipe to write to.
    """
    began = time.monotonic()
    with started(*arguments, stdout=subprocess.PIPE) as (process, folder):
        output, errors = process.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - began
        return Run(process.returncode, output.decode(), errors.decode(), seconds, os.listdir(folder))


def runOnTerminal(*arguments: str) -> Run:
    """
    Run a demo with a terminal to write to.
    """
    began = time.monotonic()
    ours, theirs = pty.openpty()
    with started(*arguments, stdout=theirs) as (process, folder), open(ours, "rb", buffering=0) as terminal:
        os.close(theirs)
        output = b""
        # At its end reading from a terminal is an error (pty(7)).
        with contextlib.suppress(OSError):
            while data := terminal.read(65536):
                output += data
        assert process.stderr is not None
        errors = process.stderr.read()
        process.wait(PATIENCE)
        seconds = time.monotonic() - began
        return Run(process.returncode, output.decode(), errors.decode(), seconds, os.listdir(folder))


@functools.cache
def runs() -> tuple[Future[Run], Future[Run]]:
    """
    The demo from its beginning to its end, twice at the same time: as it is, and on a terminal with ``--break``.
    """
    pool = ThreadPoolExecutor(2)
    both = pool.submit(runInPipe), pool.submit(runOnTerminal, "--break")
    pool.shutdown(wait=False)
    return both


class DemoTests(SynchronousTestCase):
    """
    The whole demo, as a process.
    """

    def test_nothingLost(self) -> None:
        """
        Every message arrives although the primary is killed; the status says so, in less than half a minute.
        """
        run = runs()[0].result(PATIENCE)
        self.assertEqual((run.status, run.errors), (0, ""), run.output)
        self.assertEqual((run.count("lost"), run.count("received by logs-c")), (0, 0))
        received = run.count("received by logs-a") + run.count("received by logs-b")
        self.assertEqual(received - run.count("duplicates"), run.count("sent by the generator"))
        self.assertGreater(run.count("duplicates"), 0)
        self.assertLess(run.seconds, PROMISED)

    def test_steps(self) -> None:
        """
        Each step is shown, in its order, as lines with times; the shortened interval is told.
        """
        output = runs()[0].result(PATIENCE).output
        steps = (
            r"tcp-probe-interval is 1 s here, 60 s by default",
            r"relay: central: connected to logs-a \(127.0.0.1, certificate",
            r"sends 2,000 messages a second",
            r"logs-a is killed",
            r"relay: central: (lost logs-a|logs-a not usable)",
            r"relay: central: switched from logs-a to logs-b",
            r"demo: logs-a listens on",
            r"relay: central: logs-a answers \(3 of 3 probes\)",
            r"relay: central: switched from logs-b to logs-a \(failback\)",
            r"relay: central: stopped",
            r"^time to switch +[0-9.]+ ms",
            r"^time to switch back +[0-9.]+ ms",
            r"^Nothing was lost.",
        )
        self.assertRegex(output, re.compile(".*".join(f"(?:{step})" for step in steps), re.DOTALL | re.MULTILINE))
        self.assertNotIn("\x1b", output)
        for shown in output.partition("\n\n")[0].splitlines():
            self.assertRegex(shown, r"^ *[0-9]+\.[0-9]{3} s  (demo|relay): ")

    def test_broken(self) -> None:
        """
        With ``--break`` messages are lost, the table shows them, and the status says so.
        """
        run = runs()[1].result(PATIENCE)
        self.assertEqual((run.status, run.errors), (1, ""), run.output)
        self.assertGreater(run.count("lost"), 0)
        self.assertIn("MESSAGES WERE LOST OR DAMAGED.", run.output)
        self.assertIn("--break: logs-b throws away each 100th message", run.output)

    def test_terminal(self) -> None:
        """
        On a terminal the panel was shown, and in the end it is gone and the cursor is back.
        """
        output = runs()[1].result(PATIENCE).output.replace("\r\n", "\n")
        self.assertIn("  > logs-b   in use", output)
        screen = Screen(output)
        self.assertTrue(screen.cursor)
        self.assertNotIn("  > logs-a   in use", screen.lines)

    def test_nothingLeft(self) -> None:
        """
        No process and no file is left.
        """
        for run in runs():
            self.assertEqual((run.result(PATIENCE).alive, run.result(PATIENCE).left), ([], []))

    def test_endedEarly(self) -> None:
        """
        Ctrl-C, SIGTERM, and the death of one of its processes end the demo at once: with status 1, a line that says
        why, and nothing left.
        """
        for name, why in (
            ("SIGINT", "logrelay: interrupted\n"),
            ("SIGTERM", "logrelay: interrupted\n"),
            ("generator", "logrelay: generator has ended, and should not have: "),
        ):
            with started(stdout=subprocess.PIPE) as (process, folder):
                assert process.stdout is not None and process.stderr is not None
                output = b""
                while b"messages a second" not in output:
                    read = process.stdout.readline()
                    self.assertTrue(read, process.stderr.read() if not read else "")
                    output += read
                if name == "generator":
                    os.kill(int(re.findall(rb"\(process (\d+)\)", output)[-1]), signal.SIGKILL)
                else:
                    process.send_signal(signal.Signals[name])
                rest, errors = process.communicate(timeout=PATIENCE)
                run = Run(process.returncode, (output + rest).decode(), errors.decode(), 0, os.listdir(folder))
            self.assertEqual((run.status, run.errors[: len(why)]), (1, why))
            self.assertEqual((run.errors.count("\n"), run.alive, run.left), (1, [], []))
