"""
The parts of the benchmarks whose figures are believed: what they count, they count right.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import __main__ as benchmarks
from benchmarks import spool
from benchmarks.cases import BY_NAME, CASES
from benchmarks.entrants import relayFor
from benchmarks.faultkinds import FAULTS, Load
from benchmarks.faultserver import FaultServer, received, size
from benchmarks.faulttable import cells
from benchmarks.faulttrial import Outcome, run
from benchmarks.figures import Figures, median, pairedRatio, ratio
from benchmarks.messages import delays, percentile, stamp, stamped
from benchmarks.numbered import FRAME, Received, frames
from benchmarks.suite import play, rotated
from benchmarks.tables import grid
from benchmarks.targets import CpuAtMost, LatencyAtMost, NothingLost, RateAtLeast
from benchmarks.trial import certificates
from benchmarks.trial import run as runOnce
from benchmarks.wire import Files
from logrelay import cli

from . import netns
from .real import ROOT, RealServer, RsyslogToRelp, SyslogNg, environment, missing, waitUntil


class NumberedTests(SynchronousTestCase):
    """
    Messages are told apart, and only whole ones count.
    """

    def test_wholeMessagesCount(self) -> None:
        """
        What a cut connection leaves of a message is none.
        """
        data = frames(5, 3)
        self.assertEqual(len(data), 3 * FRAME)
        for cut in range(FRAME):
            self.assertEqual(Received.of([data[: 2 * FRAME + cut]]).times, {5: 1, 6: 1}, cut)

    def test_piecesAreSeparate(self) -> None:
        """
        What one connection left of a message does not become whole by what another one brings.
        """
        data = frames(0, 1)
        self.assertEqual(Received.of([data[:150], data[150:]]).distinct, 0)

    def test_duplicatesCount(self) -> None:
        """
        Each copy beside the first is a duplicate, whichever server has got it.
        """
        both = Received.of([frames(0, 10)]) + Received.of([frames(5, 10), frames(5, 1)])
        self.assertEqual((both.distinct, both.duplicates), (15, 6))


class FaultServerTests(SynchronousTestCase):
    """
    The servers do what their names say.
    """

    def server(self, behaviour: str) -> tuple[FaultServer, socket.socket]:
        """
        One that runs, and a connection to it.
        """
        server = FaultServer(Path(self.mktemp()).absolute(), behaviour=behaviour)
        self.addCleanup(server.close)
        server.start()
        connection = socket.create_connection((server.host, server.port), 5)
        self.addCleanup(connection.close)
        return server, connection

    def test_whatWasReadIsKept(self) -> None:
        """
        It is in the file when the server is killed, and so is the time.
        """
        server, connection = self.server("well")
        before = time.monotonic()
        connection.sendall(frames(0, 100))
        waitUntil(lambda: size(server) == 100 * FRAME, "all is read")
        after = time.monotonic()
        server.kill()
        self.assertEqual(received(server).distinct, 100)
        first = server.firstAfter(before)
        assert first is not None
        self.assertTrue(before < first < after)
        self.assertIsNone(server.firstAfter(after))

    def test_slow(self) -> None:
        """
        A slow reader reads no faster than it is told to.
        """
        server, connection = self.server("slow:100000")
        connection.sendall(frames(0, 200))
        began = time.monotonic()
        waitUntil(lambda: size(server) == 200 * FRAME, "all is read")
        self.assertGreater(time.monotonic() - began, 0.2)

    def test_pauseAndDeaf(self) -> None:
        """
        One that pauses reads what it is told to and little more; one that is deaf nothing.
        """
        for behaviour, least, most in (("pause:1000", 1000, 1 << 19), ("deaf", 0, 0)):
            server, connection = self.server(behaviour)
            connection.setblocking(False)
            data, written = frames(0, 20_000), 0
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                try:
                    written += connection.send(data[written:])
                except BlockingIOError:
                    time.sleep(0.01)
            self.assertGreater(written, most)
            self.assertTrue(least <= size(server) <= most, (behaviour, size(server)))

    def test_closesAll(self) -> None:
        """
        When told so it closes what is open, and each new connection.
        """
        server, connection = self.server("well")
        server.closeAll()
        self.assertEqual(connection.recv(1), b"")
        with socket.create_connection((server.host, server.port), 5) as another:
            self.assertEqual(another.recv(1), b"")


class TableTests(SynchronousTestCase):
    """
    A row says what came of a trial.
    """

    def test_cells(self) -> None:
        """
        A relay that never switched was watched for so long; one that crashed has no memory.
        """
        stayed = Outcome(1500, 20, 1200, 3, None, 60.2, 2048)
        self.assertEqual(cells("f", "r", stayed), ("f", "r", "1,500", "20", "1,200", "3", "> 60", "2"))
        crashed = Outcome(1, 0, 0, 0, 0.0012, 2.0, None)
        self.assertEqual(cells("f", "r", crashed)[-2:], ("0.01", "crashed"))

    def test_grid(self) -> None:
        """
        The rules are as wide as the widest cell of each column.
        """
        self.assertEqual(
            grid([("a", "bb"), ("cccc", "d")]), ["====  ==", "a     bb", "====  ==", "cccc  d", "====  =="]
        )


class TrialTests(SynchronousTestCase):
    """
    A whole trial, small.
    """

    skip = netns.missing()

    def test_kill(self) -> None:
        """
        The primary is killed in the middle, and all that the relay took is at some server.
        """
        outcome = run(FAULTS[0], "logrelay", Load(2000, 2000), 20)
        self.assertEqual((outcome.taken, outcome.refused, outcome.lost), (2000, 0, 0))
        assert outcome.seconds is not None
        self.assertLess(outcome.seconds, 5)


class SpoolTests(SynchronousTestCase):
    """
    Spools, measured.
    """

    skip = missing(RsyslogToRelp, SyslogNg)

    def test_quick(self) -> None:
        """
        Every relay does all of its work, and has a line in each table.
        """
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.assertEqual(spool.main(["--quick"]), 0)
        told = output.getvalue()
        names = [line[:28].strip() for line in told.splitlines()]
        for name, times in ((spool.MEMORY, 2), (spool.FULL, 3), (spool.NORMAL, 1), (spool.SYSLOG_NG, 1)):
            self.assertEqual(names.count(name), times, told)


class FiguresTests(SynchronousTestCase):
    """
    What is made of the runs.
    """

    def test_percentile(self) -> None:
        """
        The least value that the part does not exceed.
        """
        values = list(range(1, 101))
        for part, expected in ((0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)):
            self.assertEqual(percentile(values[::-1], part), expected, part)
        self.assertEqual(percentile([7.0], 0.5), 7.0)

    def test_medians(self) -> None:
        """
        Of the runs that went well and have the figure; without any there is none.
        """
        runs = [Figures(cpu=each) for each in (3.0, 1.0, None, 2.0)]
        runs += [Figures(cpu=9.0, failure="it hung") for _ in range(9)]
        self.assertEqual(median(runs, "cpu"), 2.0)
        self.assertIsNone(median(runs, "rate"))

    def test_ratios(self) -> None:
        """
        That of the medians, and the median of the rounds' own, which a round that was slow for both leaves alone.
        """
        ours, theirs = (1.0, 4.0, 2.0), (2.0, 8.0, 5.0)
        runs = {"a": [Figures(cpu=each) for each in ours], "b": [Figures(cpu=each) for each in theirs]}
        self.assertEqual((ratio(runs, "cpu", "a", "b"), pairedRatio(runs, "cpu", "a", "b")), (0.4, 0.5))
        for function in (ratio, pairedRatio):
            self.assertIsNone(function(runs, "cpu", "a", "c"))

    def test_delays(self) -> None:
        """
        Every message counts once, with the piece that its time is complete in, wherever the pieces are cut.
        """
        before, after = stamped("rfc3164", "lf", 200)
        sent = (1000, 2000, 3000)
        data = b"".join(before + stamp(each) + after for each in sent)
        self.assertEqual(len(data), 600)
        for cut in range(len(data) - 1):
            moments = [5000 if cut >= 200 * number - 1 else 6000 for number in (1, 2, 3)]
            expected = [moment - each for moment, each in zip(moments, sent, strict=True)]
            self.assertEqual(delays([(5000, data[:cut]), (6000, data[cut:])]), expected, cut)

    def test_order(self) -> None:
        """
        In each round another relay is first.
        """
        self.assertEqual([rotated("abc", number)[0] for number in range(4)], ["a", "b", "c", "a"])


class TargetTests(SynchronousTestCase):
    """
    What is aimed at is judged as it is written.
    """

    @staticmethod
    def runs(**values: dict[str, float]) -> dict[str, list[Figures]]:
        """
        One run for each name.
        """
        return {name.replace("_", "-"): [Figures(**figures)] for name, figures in values.items()}  # type: ignore[arg-type]

    def test_cpu(self) -> None:
        """
        The limit itself is within; without the other one nothing can be told.
        """
        target = CpuAtMost(0.5, "rsyslog")
        for ours, word in ((1.0, "reached"), (1.1, "not reached")):
            runs = self.runs(logrelay={"cpu": ours}, rsyslog={"cpu": 2.0})
            self.assertEqual(target.judge(runs).word, word)
        self.assertEqual(target.judge(self.runs(logrelay={"cpu": 1.0})).word, "unknown")

    def test_rate(self) -> None:
        """
        So many times the better one, or limited by the sender: idle enough, and the sender alone hardly faster.
        """
        peers = {"rsyslog": {"rate": 100.0}, "syslog_ng": {"rate": 50.0}}
        for rate, core, direct, word in (
            (150.0, 1.0, 900.0, "reached"),
            (140.0, 0.6, 160.0, "reached"),
            (140.0, 0.8, 160.0, "not reached"),
            (140.0, 0.6, 180.0, "not reached"),
        ):
            runs = self.runs(logrelay={"rate": rate, "core": core}, direct={"rate": direct}, **peers)
            self.assertEqual(RateAtLeast(1.5).judge(runs).word, word, (rate, core, direct))
        alone = self.runs(logrelay={"rate": 140.0, "core": 0.1}, **peers)
        self.assertEqual(RateAtLeast(1.5).judge(alone).word, "unknown")
        self.assertEqual(RateAtLeast(1.5, senderBound=False).judge(alone).word, "not reached")

    def test_lostAndLate(self) -> None:
        """
        One lost message in one round is too many; a delay may be that of the slower one, or small.
        """
        runs = {"logrelay": [Figures(sent=5, arrived=5), Figures(sent=5, arrived=4)]}
        self.assertEqual(NothingLost().judge(runs).word, "not reached")
        for mine, word in ((4.0, "reached"), (6.0, "reached"), (9.0, "not reached")):
            late = self.runs(logrelay={"p99": mine}, rsyslog={"p99": 8.0}, syslog_ng={"p99": 1.0})
            self.assertEqual(LatencyAtMost(5.0).judge(late).word, word)


class ConfigurationTests(SynchronousTestCase):
    """
    What the suite runs is what the programs take.
    """

    skip = missing(RsyslogToRelp, SyslogNg)

    def test_accepted(self) -> None:
        """
        Every relay takes its configuration for every case.
        """
        # Not a folder of the test's own, whose path may be too long for a unix socket.
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        files, seen = certificates(folder), set()
        for case in CASES:
            for name, contestant in case.contestants.items():
                relay = relayFor(case, contestant, folder / "relay", 1234, files)
                if relay is None or contestant.kind == "socat":
                    continue
                relay.port = 1235
                if (text := relay.configuration()) not in seen:
                    seen.add(text)
                    self.check(contestant.kind, relay, text, f"{case.name}, {name}")

    def check(self, kind: str, relay: RealServer, text: str, what: str) -> None:
        """
        Have a program read its configuration.
        """
        relay.directory.mkdir(exist_ok=True)
        path = relay.directory / "configuration"
        path.write_text(text)
        if kind == "logrelay":
            with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
                self.assertEqual(cli.main(["check", str(path)]), 0, (what, said.getvalue()))
            return
        flag = "-N1" if kind == "rsyslog" else "--syntax-only"
        command = [str(ROOT / relay.program), flag, *relay.arguments(path)]
        done = subprocess.run(
            command, env=environment(), cwd=relay.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.assertEqual((done.returncode, "error" in done.stdout.lower()), (0, False), (what, done.stdout, text))


class SuiteTests(SynchronousTestCase):
    """
    Runs of the suite, small.
    """

    def files(self) -> Files:
        """
        Certificates of a test.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        return certificates(folder)

    def test_everythingArrives(self) -> None:
        """
        Through the relay, in whatever way they come and go, all messages do, and there is a figure for all of it.
        """
        files = self.files()
        for name in ("tls-to-tls", "relp-in", "latency"):
            case = BY_NAME[name]
            case = attrs.evolve(case, load=attrs.evolve(case.load, number=4000))
            figures = runOnce(case, case.contestants["logrelay"], files)
            self.assertEqual((figures.failure, figures.sent, figures.lost, figures.doubles), ("", 4000, 0, 0), name)
            assert figures.cpu is not None and figures.peak is not None and figures.rate is not None
            self.assertTrue(0 < figures.cpu < 1000 and figures.peak > 1000 and figures.rate > 0, (name, figures))
            self.assertEqual(figures.p99 is not None, name == "latency")

    def test_whatFailsIsTold(self) -> None:
        """
        A relay that does not start spoils its own run, and no other.
        """
        case = attrs.evolve(BY_NAME["as-is-blocks"].smaller(400), sync="nonsense")
        with contextlib.redirect_stderr(io.StringIO()) as told:
            runs = play(
                attrs.evolve(case, contestants={name: case.contestants[name] for name in ("logrelay", "direct")}),
                1,
                self.files(),
            )
        self.assertEqual(len(runs["logrelay"]), 1)
        for bad, good in zip(runs["logrelay"], runs["direct"], strict=True):
            self.assertIn("nonsense", bad.failure)
            self.assertEqual((good.failure, good.lost, good.cpu), ("", 0, None))
        self.assertEqual(told.getvalue().count("FAILED"), 1)

    def test_command(self) -> None:
        """
        The command prints its tables, and writes every run.
        """
        output = Path(self.mktemp()).absolute()
        table = output.with_suffix(".inc")
        arguments = ["--quick", "--cases", "lf-to-counted", "--json", str(output), "--rst", str(table)]
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(benchmarks.main(arguments), 0)
        written = json.loads(output.read_text())
        relays = written["cases"]["lf-to-counted"]["relays"]
        self.assertLessEqual({"logrelay", "direct"}, set(relays))
        for name, runs in relays.items():
            self.assertIn(name, printed.getvalue())
            self.assertEqual(len(runs["rounds"]), 1)
            self.assertEqual(runs["medians"]["rate"], runs["rounds"][0]["rate"])
        self.assertIn("=====", table.read_text())

    def test_unknownCase(self) -> None:
        """
        A case that there is not is an error.
        """
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(benchmarks.main(["--cases", "nonsense"]), 2)
        self.assertIn("nonsense", said.getvalue())
