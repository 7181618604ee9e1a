"""
Standard input as a source.
"""

from __future__ import annotations

import os
from tempfile import TemporaryFile

from twisted.internet.defer import Deferred
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.batches import Batch, Framing, Origin
from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.sources import CannotListen, ISource
from logrelay.sources.flow import STEP
from logrelay.sources.stdin import READ_SIZE, StdinSource
from logrelay.throttle import Throttle

from .sourcing import KeptRoute, logged

SETTINGS = SourceSettings("stdin", type="stdin")


class StdinCase(SynchronousTestCase):
    """
    A source that reads a pipe when the test says so.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.route = KeptRoute()
        self.throttle = Throttle()
        self.counters = SourceCounters()
        self.reading, self.writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.addCleanup(self.endInput)

    def endInput(self) -> None:
        """
        Close the writer's end.
        """
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def source(self, settings: SourceSettings = SETTINGS) -> StdinSource:
        """
        A source that reads.
        """
        source = StdinSource(
            self.reactor, settings, self.route, self.throttle, self.counters, b"me", descriptor=self.reading
        )
        source.bind()
        source.start()
        return source

    def turn(self) -> object:
        """
        Let it read once.
        """
        [reader] = self.reactor.getReaders()
        return reader.doRead()


class StdinTests(StdinCase):
    """
    What is read from standard input.
    """

    def test_source(self) -> None:
        """
        It is a source, and listens nowhere.
        """
        source = self.source()
        verifyObject(ISource, source)
        self.assertEqual(source.listening, ())

    def test_lines(self) -> None:
        """
        Each line is a message, of this host and complete; text that begins with a number is no octet count.
        """
        self.source()
        os.write(self.writing, b"2024 was a year\n<13>")
        self.assertIsNone(self.turn())
        self.assertEqual(self.route.held, STEP)
        os.write(self.writing, b"two\n")
        self.turn()
        self.assertEqual(self.route.held, 0)
        self.assertEqual(self.route.messages, [b"2024 was a year", b"<13>two"])
        self.assertEqual(self.route.batches[0].origin, Origin("stdin", b"me"))

    def test_frames(self) -> None:
        """
        Where the framing is configured it is that.
        """
        self.source(SourceSettings("stdin", type="stdin", framing=Framing.OCTET_COUNTING))
        os.write(self.writing, b"3 one3 two")
        self.turn()
        self.assertEqual(self.route.messages, [b"one", b"two"])

    def test_badFrame(self) -> None:
        """
        Frames that make no sense end the source after those that did.
        """
        lines = logged(self)
        self.source(SourceSettings("stdin", type="stdin", framing=Framing.OCTET_COUNTING))
        os.write(self.writing, b"3 onenonsense")
        self.turn()
        self.assertEqual(self.route.messages, [b"one"])
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.route.held, 0)
        self.assertEqual(len(lines), 2)
        self.flushLoggedErrors()

    def test_cutMessages(self) -> None:
        """
        A line whose head alone is kept is said, and so is a frame that the end cuts off.
        """
        lines = logged(self)
        for framing, data, said in (
            (Framing.LF, b"x" * 500 + b"\n", "a message of standard input was longer than max-message-size"),
            (Framing.OCTET_COUNTING, b"3 on", "standard input ended within a frame"),
        ):
            lines.clear()
            source = self.source(SourceSettings("stdin", type="stdin", framing=framing, maxMessageSize=480))
            os.write(self.writing, data)
            self.turn()
            self.successResultOf(source.stop())
            self.assertIn(said, lines[0])

    def test_end(self) -> None:
        """
        At the end of input a last line without LF is a message, and the source is done.
        """
        lines = logged(self)
        source = self.source()
        os.write(self.writing, b"one\ntwo")
        self.endInput()
        self.turn()
        [reader] = self.reactor.getReaders()
        self.assertIs(reader.doRead(), CONNECTION_DONE)
        reader.connectionLost(CONNECTION_DONE)
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertEqual((self.route.held, self.reactor.getReaders()), (0, []))
        self.successResultOf(source.stop())
        self.assertEqual(len(lines), 1)

    def test_stop(self) -> None:
        """
        Stopping delivers what has been read, and leaves the descriptor alone.
        """
        source = self.source()
        os.write(self.writing, b"one\ntwo")
        self.turn()
        self.successResultOf(source.stop())
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertEqual(self.reactor.getReaders(), [])
        os.fstat(self.reading)

    def test_startedAgain(self) -> None:
        """
        A stopped source can be started again, and goes on where it was.
        """
        source = self.source()
        self.successResultOf(source.stop())
        source.bind()
        source.start()
        os.write(self.writing, b"one\n")
        self.turn()
        self.assertEqual(self.route.messages, [b"one"])

    def test_held(self) -> None:
        """
        A held source is not read.
        """
        self.throttle.hold("store")
        self.source()
        self.assertEqual(self.reactor.getReaders(), [])
        self.throttle.release("store")
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_nothingThere(self) -> None:
        """
        A read that finds nothing after all is no end.
        """
        self.source()
        os.set_blocking(self.reading, False)
        self.assertIsNone(self.turn())

    def test_brokenInput(self) -> None:
        """
        A terminal that has hung up is the end.
        """
        self.reading = os.dup(self.writing)  # can't be read
        self.addCleanup(os.close, self.reading)
        self.source()
        self.assertIs(self.turn(), CONNECTION_LOST)

    def test_closed(self) -> None:
        """
        A standard input that is closed is an error that says so.
        """
        self.reading = 10_000
        error = self.assertRaises(CannotListen, self.source)
        self.assertIn("cannot listen on standard input", str(error))

    def test_leftAsItIs(self) -> None:
        """
        The descriptor is not made non-blocking: standard output and the shell may share it.
        """
        self.source()
        self.assertTrue(os.get_blocking(self.reading))


class RealReactorTests(TestCase):
    """
    The real reactor.
    """

    timeout = 20

    def setUp(self) -> None:
        self.route = KeptRoute()
        self.throttle = Throttle()

    def started(self, descriptor: int) -> StdinSource:
        """
        A source that reads a descriptor until the end of the test.
        """
        from twisted.internet import reactor

        source = StdinSource(
            reactor, SETTINGS, self.route, self.throttle, SourceCounters(), b"me", descriptor=descriptor
        )
        source.bind()
        source.start()
        self.addCleanup(source.stop)
        return source

    async def checkPipe(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.started(reading)
        os.write(writing, b"one\n")
        await self.route.whenReceived(1)
        os.write(writing, b"two")
        os.close(writing)
        self.assertEqual(await self.route.whenReceived(2), [b"one", b"two"])

    def test_pipe(self) -> Deferred[None]:
        """
        A pipe, up to its end.
        """
        return Deferred.fromCoroutine(self.checkPipe())

    async def checkFile(self) -> None:
        from twisted.internet import reactor

        with TemporaryFile() as file:
            lines = [b"line %07d" % number for number in range(3 * READ_SIZE // 13)]
            file.write(b"\n".join(lines))
            file.seek(0)

            def full(batch: Batch) -> None:
                self.throttle.hold("store")
                reactor.callLater(0, self.throttle.release, "store")

            self.route.onDeliver = full
            self.started(file.fileno())
            self.assertEqual(await self.route.whenReceived(len(lines)), lines)
            await deferLater(reactor, 0)

    def test_file(self) -> Deferred[None]:
        """
        A file that was redirected to standard input, which epoll refuses, paused on the way.
        """
        return Deferred.fromCoroutine(self.checkFile())
