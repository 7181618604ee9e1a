"""
Syslog over datagrams.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.batches import MAX_BATCH, Batch, Framing, Origin
from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.sources import CannotListen, ISource
from logrelay.sources.datagram import (
    AMPLE,
    BYTES_PER_TURN,
    DATAGRAMS_PER_TURN,
    DROPS_INTERVAL,
    REST,
    DatagramSource,
)
from logrelay.sources.sockets import BoundSocket, openSocket

from .sourcing import KeptRoute, folder, listening, logged

UDP = "udp:0:interface=127.0.0.1"


class DatagramCase(SynchronousTestCase):
    """
    A source with a real socket that is read when the test says so.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.route = KeptRoute()
        self.counters = SourceCounters()

    def source(self, settings: SourceSettings, open: Callable[[SourceSettings], BoundSocket] = openSocket) -> Any:
        """
        A source that reads.
        """
        source = DatagramSource(self.reactor, settings, self.route, self.counters, b"me", open)
        self.addCleanup(source.stop)
        source.bind()
        source.start()
        return source

    def sender(self, source: Any, host: str = "127.0.0.1") -> socket.socket:
        """
        A socket that sends to a source.
        """
        [address] = source.listening
        inet = isinstance(address, IPv4Address | IPv6Address)
        sender = socket.socket(socket.AF_INET if inet else socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        if inet:
            sender.bind((host, 0))
            sender.connect((address.host, address.port))
        else:
            sender.connect(os.fsdecode(address.name))
        return sender

    def turn(self) -> None:
        """
        Let it read once.
        """
        [reader] = self.reactor.getReaders()
        reader.doRead()


class FakeSocket:
    """
    A socket that has certain datagrams, or errors, to give.
    """

    family = socket.AF_INET

    def __init__(self, *answers: tuple[str, bytes] | OSError) -> None:
        self.answers = list(answers)

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        """
        Nothing to close.
        """

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 514

    type = socket.SOCK_DGRAM

    def getsockopt(self, level: int, option: int, size: int = 0) -> int:
        """
        Not Linux; the receive buffer is of some size.
        """
        if option == socket.SO_RCVBUF:
            return 200_000
        raise OSError(92, "no such option")

    def recvfrom_into(self, buffer: memoryview, size: int, flags: int) -> tuple[int, tuple[str, int]]:
        """
        The next datagram.
        """
        answer = self.answers.pop(0) if self.answers else BlockingIOError()
        if isinstance(answer, OSError):
            raise answer
        sender, data = answer
        kept = data[: len(buffer)]
        buffer[: len(kept)] = kept
        return len(data), (sender, 4711)


class UDPTests(DatagramCase):
    """
    UDP.
    """

    def test_source(self) -> None:
        """
        It is a source.
        """
        verifyObject(ISource, self.source(listening(UDP)))

    def test_oneTurnOneBatch(self) -> None:
        """
        The datagrams that one turn finds become one batch; each is a message, whatever it holds.
        """
        sender = self.sender(self.source(listening(UDP)))
        for datagram in (b"<13>one", b"<13>two\nlines\n", b"", b"\r\n\0", b"3 <13>three"):
            sender.send(datagram)
        self.turn()
        [batch] = self.route.batches
        self.assertIs(batch.framing, Framing.OCTET_COUNTING)
        self.assertEqual(self.route.messages, [b"<13>one", b"<13>two\nlines", b"3 <13>three"])
        self.assertEqual((self.counters.received, self.counters.receivedBytes), (3, 35))
        self.assertEqual(batch.origin, Origin(UDP, b"127.0.0.1", pausable=False))

    def test_senders(self) -> None:
        """
        Each sender's messages become a batch of their own, in the order of arrival.
        """
        source = self.source(listening(UDP))
        one, two = self.sender(source, "127.0.0.1"), self.sender(source, "127.0.0.2")
        for sender, message in ((one, b"1a"), (two, b"2a"), (one, b"1b"), (two, b"2b")):
            sender.send(message)
        self.turn()
        self.assertEqual([batch.origin.host for batch in self.route.batches], [b"127.0.0.1", b"127.0.0.2"])
        self.assertEqual(self.route.messages, [b"1a", b"1b", b"2a", b"2b"])

    def test_largest(self) -> None:
        """
        The largest datagram that UDP can carry is taken whole.
        """
        sender = self.sender(self.source(listening(UDP)))
        sender.send(b"x" * 65507)
        self.turn()
        self.assertEqual(self.route.messages, [b"x" * 65507])
        self.assertEqual(self.counters.overlong, 0)

    def test_overlong(self) -> None:
        """
        Of a datagram that is longer than messages may be the head is taken, and it is counted; one that is so only by
        the LF behind its message is not.  It is said once.
        """
        lines = logged(self)
        sender = self.sender(self.source(listening(UDP, maxMessageSize=480)))
        sender.send(b"a" * 480)
        sender.send(b"b" * 480 + b"\n")
        sender.send(b"c" * 481)
        sender.send(b"d" * 480 + b"\n" + b"d" * 100)
        self.turn()
        self.assertEqual(self.route.messages, [b"a" * 480, b"b" * 480, b"c" * 480, b"d" * 480])
        self.assertEqual((self.counters.received, self.counters.overlong), (4, 2))
        self.assertEqual(len(lines), 1)
        self.assertIn("a datagram was longer than max-message-size; its head is kept [overlong: ", lines[0])
        self.assertEqual(self.counters.receivedBytes, 480 + 481 + 481 + 581)

    def test_othersHaveTheirTurn(self) -> None:
        """
        However much waits, one turn takes only so many datagrams, even empty ones, and so many bytes.
        """
        waiting = FakeSocket(*[("192.0.2.1", b"")] * (DATAGRAMS_PER_TURN + 1), *[("192.0.2.1", b"x" * 60_000)] * 10)
        self.source(listening(UDP), lambda settings: BoundSocket(waiting))  # type: ignore[arg-type]
        self.turn()
        self.assertEqual(len(waiting.answers), 11)
        self.turn()
        self.assertEqual(self.counters.receivedBytes, BYTES_PER_TURN // 60_000 * 60_000 + 60_000)
        self.assertTrue(all(len(batch.payload) <= MAX_BATCH + 60_010 for batch in self.route.batches))

    def test_mappedSender(self) -> None:
        """
        An IPv4 sender that reached an IPv6 socket is written as IPv4.
        """
        waiting = FakeSocket(("::ffff:192.0.2.1", b"one"))
        self.source(listening(UDP), lambda settings: BoundSocket(waiting))  # type: ignore[arg-type]
        self.turn()
        self.assertEqual(self.route.batches[0].origin.host, b"192.0.2.1")

    def test_errorsDoNotEndIt(self) -> None:
        """
        An error that the kernel tells is said once a minute, and reading goes on; what came before it is not lost.
        """
        lines = logged(self)
        waiting = FakeSocket(("192.0.2.1", b"one"), OSError(12, "no memory"), OSError(12, "no memory"))
        self.source(listening(UDP), lambda settings: BoundSocket(waiting))  # type: ignore[arg-type]
        for _ in range(3):
            self.turn()
        self.assertEqual(self.route.messages, [b"one"])
        self.assertEqual(len(lines), 1)

    def test_failureWithOneSender(self) -> None:
        """
        A failure with the messages of one sender neither ends the source nor touches another's.
        """

        def fail(batch: Batch) -> None:
            if batch.origin.host == b"192.0.2.1":
                raise RuntimeError("no store")

        waiting = FakeSocket(("192.0.2.1", b"one"), ("192.0.2.2", b"two"))
        self.source(listening(UDP), lambda settings: BoundSocket(waiting))  # type: ignore[arg-type]
        self.route.onDeliver = fail
        self.turn()
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_nothingBeforeStart(self) -> None:
        """
        A bound source reads nothing, and a stopped one can be bound again.
        """
        source = DatagramSource(self.reactor, listening(UDP), self.route, self.counters, b"me", openSocket)
        self.assertEqual(source.listening, ())
        self.successResultOf(source.stop())
        for _ in range(2):
            source.bind()
            self.assertEqual(self.reactor.getReaders(), [])
            self.assertEqual(len(source.listening), 1)
            source.start()
            self.successResultOf(source.stop())
            self.assertEqual((source.listening, self.reactor.getReaders()), ((), []))

    def test_cannotListen(self) -> None:
        """
        An address that can't be had is an error.
        """
        [address] = self.source(listening(UDP)).listening
        taken = listening(f"udp:{address.port}:interface=127.0.0.1")
        source = DatagramSource(self.reactor, taken, self.route, self.counters, b"me", openSocket)
        self.assertRaises(CannotListen, source.bind)


class KernelTests(DatagramCase):
    """
    The kernel's receive buffer, and what it drops.
    """

    def test_kernelDrops(self) -> None:
        """
        What the kernel had to drop is counted within a second of the last datagram, and said once.
        """
        lines = logged(self)
        source = self.source(listening(UDP, soRcvbuf=4096))
        sender = self.sender(source)
        for _ in range(200):
            sender.send(b"x" * 200)
        self.turn()
        taken = self.counters.received
        self.assertLess(taken, 200)
        self.assertEqual(self.counters.kernelDrops, 0)
        self.reactor.advance(DROPS_INTERVAL)
        self.assertEqual(taken + self.counters.kernelDrops, 200)
        self.assertIn("the kernel dropped datagrams", lines[0])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_waitingAtTheEnd(self) -> None:
        """
        What waits in the socket when the source stops is delivered; not when it lets go of the socket only, which
        another may have by then.
        """
        for end, expected in (("unbind", 0), ("stop", 3)):
            source = self.source(listening(UDP))
            sender = self.sender(source)
            for _ in range(3):
                sender.send(b"waits")
            getattr(source, end)()
            self.assertEqual((self.counters.received, source.listening), (expected, ()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_rests(self) -> None:
        """
        A socket with ample room rests for a moment after a turn that brought some datagrams, and then reads what has
        come together; not after a single one.
        """
        source = self.source(listening(UDP, soRcvbuf=AMPLE))
        sender = self.sender(source)
        sender.send(b"alone")
        self.turn()
        sender.send(b"one")
        sender.send(b"two")
        self.turn()
        self.assertEqual(self.reactor.getReaders(), [])
        sender.send(b"three")
        self.reactor.advance(REST)
        self.turn()
        self.assertEqual(self.route.messages, [b"alone", b"one", b"two", b"three"])

    def test_littleRoom(self) -> None:
        """
        A socket that would overflow meanwhile does not rest.
        """
        sender = self.sender(self.source(listening(UDP, soRcvbuf=AMPLE // 4)))
        sender.send(b"one")
        sender.send(b"two")
        self.turn()
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_endsWhileItRests(self) -> None:
        """
        A source that stops while it rests delivers what waits, and leaves no timer behind.
        """
        source = self.source(listening(UDP, soRcvbuf=AMPLE))
        sender = self.sender(source)
        sender.send(b"one")
        sender.send(b"two")
        self.turn()
        sender.send(b"three")
        self.successResultOf(source.stop())
        self.assertEqual(self.route.messages, [b"one", b"two", b"three"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_dropsAreCountedAtTheEnd(self) -> None:
        """
        Stopping counts what was dropped so far, and leaves no timer behind.
        """
        source = self.source(listening(UDP, soRcvbuf=4096))
        sender = self.sender(source)
        for _ in range(200):
            sender.send(b"x" * 200)
        self.turn()
        self.turn()
        self.successResultOf(source.stop())
        self.assertEqual(self.counters.received + self.counters.kernelDrops, 200)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_noDrops(self) -> None:
        """
        Where nothing was dropped, or the kernel does not tell, nothing is counted.
        """
        self.sender(self.source(listening(UDP))).send(b"one")
        self.turn()
        self.reactor.advance(DROPS_INTERVAL)
        self.assertEqual(self.counters.kernelDrops, 0)

    def test_smallerBufferIsSaid(self) -> None:
        """
        A receive buffer that the kernel does not grant in full is said.
        """
        lines = logged(self)
        huge = 1 << 30

        def open(settings: SourceSettings) -> BoundSocket:
            class Unprivileged(socket.socket):
                def setsockopt(self, level: int, option: int, value: int) -> None:  # type: ignore[override]
                    if option == 33:
                        raise PermissionError(1, "not root")
                    super().setsockopt(level, option, value)

            bound = Unprivileged(socket.AF_INET, socket.SOCK_DGRAM)
            bound.bind(("127.0.0.1", 0))
            bound.setblocking(False)
            return BoundSocket(bound)

        self.source(listening(UDP, soRcvbuf=huge), open)
        self.assertIn(f"of {huge} bytes; raise net.core.rmem_max", lines[0])


class UnixTests(DatagramCase):
    """
    UNIX datagram sockets.
    """

    def test_messages(self) -> None:
        """
        Messages are this host's, as programs write them; the path is removed at the end.
        """
        path = os.path.join(folder(self), "log")
        settings = listening(f"unix-dgram:{path}")
        source = self.source(settings)
        sender = self.sender(source)
        sender.send(b"<13>Nov 22 12:00:00 app: hello\n")
        self.turn()
        self.assertEqual(self.route.messages, [b"<13>Nov 22 12:00:00 app: hello"])
        self.assertEqual(self.route.batches[0].origin, Origin(settings.name, b"me", local=True, pausable=False))
        self.successResultOf(source.stop())
        self.assertFalse(os.path.exists(path))

    def test_longerThanMessages(self) -> None:
        """
        UNIX datagrams may be longer than UDP's; their heads are taken.
        """
        sender = self.sender(self.source(listening(f"unix-dgram:{folder(self)}/log")))
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 19)
        sender.send(b"x" * 100_000)
        self.turn()
        self.assertEqual(self.route.messages, [b"x" * 65536])
        self.assertEqual((self.counters.overlong, self.counters.receivedBytes), (1, 100_000))

    def test_pathThatCannotBeRemoved(self) -> None:
        """
        A path that can't be removed at the end is said.
        """

        class Stuck(BoundSocket):
            def close(self) -> None:
                self.socket.close()
                raise PermissionError(1, "not permitted")

        lines = logged(self)
        source = self.source(listening(UDP), lambda settings: Stuck(openSocket(settings).socket))
        self.successResultOf(source.stop())
        self.assertIn("could not be removed: not permitted", lines[0])


class LoopbackTests(TestCase):
    """
    Real sockets and the real reactor.
    """

    timeout = 20

    async def check(self, text: str, host: bytes) -> None:
        from twisted.internet import reactor

        route = KeptRoute()
        source = DatagramSource(reactor, listening(text), route, SourceCounters(), b"me", openSocket)
        source.bind()
        self.addCleanup(source.stop)
        [address] = source.listening
        assert isinstance(address, IPv4Address | IPv6Address)
        family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"before the start", (address.host, address.port))
            source.start()
            await route.whenReceived(1)
            sender.sendto(b"after it", (address.host, address.port))
            self.assertEqual(await route.whenReceived(2), [b"before the start", b"after it"])
        self.assertEqual({batch.origin.host for batch in route.batches}, {host})

    def test_udp(self) -> Deferred[None]:
        """
        UDP over IPv4; what came between binding and starting is not lost.
        """
        return Deferred.fromCoroutine(self.check(UDP, b"127.0.0.1"))

    def test_udp6(self) -> Deferred[None]:
        """
        UDP over IPv6.
        """
        return Deferred.fromCoroutine(self.check(r"udp:0:interface=\:\:1", b"::1"))
