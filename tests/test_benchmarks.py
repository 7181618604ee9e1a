"""
The parts of the benchmarks whose figures are believed: what they count, they count right.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import spool
from benchmarks.faultkinds import FAULTS, Load
from benchmarks.faultserver import FaultServer, received, size
from benchmarks.faulttable import cells
from benchmarks.faulttrial import Outcome, run
from benchmarks.numbered import FRAME, Received, frames
from benchmarks.tables import grid

from . import netns
from .real import RsyslogToRelp, SyslogNg, missing, waitUntil


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
