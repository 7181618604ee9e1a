"""
The one crossing from other threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from logrelay.batches import MAX_BATCH, Batch, Framing, Origin
from logrelay.counters import SourceCounters
from logrelay.inlet import Inlet

from .sourcing import KeptRoute, logged


class ThreadedClock(Clock):
    """
    A clock that other threads can ask for a call, like a reactor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: deque[Callable[[], None]] = deque()

    def callFromThread(self, function: Callable[[], None]) -> None:
        """
        Call it on the next turn.
        """
        self.asked.append(function)

    def turn(self) -> None:
        """
        One turn of the reactor.
        """
        for _ in range(len(self.asked)):
            self.asked.popleft()()


class InletTests(SynchronousTestCase):
    """
    An inlet on a clock.
    """

    def setUp(self) -> None:
        self.reactor = ThreadedClock()
        self.route = KeptRoute()
        self.counters = SourceCounters()
        self.origin = Origin("program", b"me")

    def inlet(self, **limits: Any) -> Inlet:
        """
        An inlet, small where it is said.
        """
        return Inlet(self.reactor, self.route, self.origin, self.counters, **limits)

    def test_oneWakeUpOneBatch(self) -> None:
        """
        Many messages wake the reactor once and become one batch, in order.
        """
        inlet = self.inlet()
        self.assertTrue(all([inlet.put(b"one"), inlet.put(b"two\nlines"), inlet.put(b"three\n")]))
        self.assertEqual(len(self.reactor.asked), 1)
        self.assertEqual(self.route.batches, [])
        self.reactor.turn()
        [batch] = self.route.batches
        self.assertEqual(batch.payload, b"3 one9 two\nlines5 three")
        self.assertIs(batch.framing, Framing.OCTET_COUNTING)
        self.assertEqual((self.counters.received, self.counters.receivedBytes), (3, 18))

    def test_notPausable(self) -> None:
        """
        A thread that logs cannot be made to wait, and its messages say so.
        """
        inlet = self.inlet()
        inlet.put(b"one")
        self.reactor.turn()
        self.assertEqual(self.route.batches[0].origin, Origin("program", b"me", pausable=False))
        self.assertEqual(inlet.origin.host, b"me")

    def test_wakesAgain(self) -> None:
        """
        After a delivery the next message wakes the reactor again.
        """
        inlet = self.inlet()
        inlet.put(b"one")
        self.reactor.turn()
        inlet.put(b"two")
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertEqual(len(self.reactor.asked), 0)

    def test_tooManyMessages(self) -> None:
        """
        What is more than the limit is dropped and counted, the newest; later there is room again.
        """
        inlet = self.inlet(limit=2)
        self.assertEqual([inlet.put(b"%d" % number) for number in range(4)], [True, True, False, False])
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"0", b"1"])
        self.assertEqual(self.counters.dropped, {"inlet-full": 2})
        self.assertTrue(inlet.put(b"4"))

    def test_tooManyBytes(self) -> None:
        """
        Large messages are dropped by their bytes, and smaller ones still taken.
        """
        inlet = self.inlet(limitBytes=10)
        self.assertEqual([inlet.put(b"12345678"), inlet.put(b"123"), inlet.put(b"12")], [True, False, True])
        self.reactor.turn()
        self.assertEqual(self.counters.dropped, {"inlet-full": 1})

    def test_dropsAreSaidOnceAMinute(self) -> None:
        """
        Drops are said at most once a minute, with how many there were.
        """
        lines = logged(self)
        inlet = self.inlet(limit=0)
        for _ in range(5):
            inlet.put(b"x")
            self.reactor.turn()
        self.assertEqual(len(lines), 1)
        self.reactor.advance(60)
        inlet.put(b"x")
        self.reactor.turn()
        self.assertEqual(len(lines), 2)
        self.assertIn("[inlet-full: 4 since", lines[1])
        inlet.stop()
        self.assertIn("[inlet-full: 1 since", lines[2])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_longMessage(self) -> None:
        """
        A message that is longer than messages may be keeps its head, is counted, and is said.
        """
        lines = logged(self)
        inlet = self.inlet(maxMessageSize=4)
        inlet.put(b"12345")
        inlet.put(b"1234")
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"1234", b"1234"])
        self.assertEqual(self.counters.overlong, 1)
        self.assertEqual(len(lines), 1)
        self.assertIn("a message was longer than max-message-size; its head is kept [overlong: 1 ", lines[0])

    def test_manyBytesManyBatches(self) -> None:
        """
        A batch is no larger than batches may be.
        """
        inlet = self.inlet()
        for _ in range(4):
            inlet.put(bytes(40_000).replace(b"\0", b"x"))
        self.reactor.turn()
        self.assertGreater(len(self.route.batches), 1)
        self.assertTrue(all(len(batch.payload) < MAX_BATCH + 40_010 for batch in self.route.batches))
        self.assertEqual(len(self.route.messages), 4)

    def test_stopped(self) -> None:
        """
        Stopping delivers what waits; after it messages are dropped and counted, until it is started again.
        """
        inlet = self.inlet()
        inlet.put(b"one")
        inlet.stop()
        self.assertEqual(self.route.messages, [b"one"])
        self.assertFalse(inlet.put(b"two"))
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one"])
        self.assertEqual(self.counters.dropped, {"inlet-stopped": 1})
        inlet.start()
        self.assertTrue(inlet.put(b"three"))

    def test_reactorGone(self) -> None:
        """
        When the reactor never turns again, messages are taken up to the limit, then dropped, and nothing is raised.
        """
        inlet = self.inlet(limit=3)
        self.assertEqual([inlet.put(b"x") for _ in range(5)], [True, True, True, False, False])

    def test_dropForAReason(self) -> None:
        """
        What could not even be put is counted by its reason.
        """
        inlet = self.inlet()
        inlet.drop("unformattable")
        inlet.drop("unformattable")
        self.assertEqual(self.counters.dropped, {})
        self.reactor.turn()
        self.assertEqual(self.counters.dropped, {"unformattable": 2})

    def test_failingRoute(self) -> None:
        """
        A failure on the way is logged in the relay's own name, which is not relayed, and later messages still pass.
        """
        lines = logged(self)

        def fail(batch: Batch) -> None:
            raise RuntimeError("no store")

        inlet = self.inlet()
        self.route.onDeliver = fail
        inlet.put(b"one")
        self.reactor.turn()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(len(lines), 1)
        self.route.onDeliver = lambda batch: None
        inlet.put(b"two")
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one", b"two"])

    def test_putWithinPut(self) -> None:
        """
        A signal handler or a destructor may log while its thread is in the middle of ``put``.
        """
        inlet = self.inlet()
        asked = self.reactor.callFromThread

        def interrupted(function: Callable[[], None]) -> None:
            inlet.put(b"from the handler")
            asked(function)

        self.reactor.callFromThread = interrupted  # type: ignore[method-assign]
        inlet.put(b"one")
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one", b"from the handler"])

    def test_putWhileDelivering(self) -> None:
        """
        What is logged while messages are delivered comes with the next delivery.
        """
        inlet = self.inlet()

        def log(batch: Batch) -> None:
            self.route.onDeliver = lambda batch: None
            inlet.put(b"two")

        self.route.onDeliver = log
        inlet.put(b"one")
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one"])
        self.reactor.turn()
        self.assertEqual(self.route.messages, [b"one", b"two"])

    def test_everyMessageTakenOrCounted(self) -> None:
        """
        Of what several threads put at once, all that was taken arrives, each thread's in order; the rest is counted.
        """
        inlet = self.inlet(limit=500)
        taken: list[bytes] = []

        def work(name: bytes) -> None:
            for number in range(1000):
                message = b"%s %04d" % (name, number)
                if inlet.put(message):
                    taken.append(message)

        threads = [Thread(target=work, args=(name,)) for name in (b"a", b"b", b"c", b"d")]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.reactor.turn()
        for thread in threads:
            thread.join()
        self.reactor.turn()
        self.assertEqual(sorted(self.route.messages), sorted(taken))
        self.assertEqual(len(taken) + self.counters.dropped["inlet-full"], 4000)
        for name in (b"a", b"b", b"c", b"d"):
            own = [message for message in self.route.messages if message.startswith(name)]
            self.assertEqual(own, sorted(own))


class RealReactorTests(TestCase):
    """
    An inlet and the real reactor.
    """

    timeout = 10

    def test_wakesTheReactor(self) -> Deferred[None]:
        """
        A message from another thread arrives without anything else happening.
        """
        from twisted.internet import reactor

        route = KeptRoute()
        inlet = Inlet(reactor, route, Origin("program", b"me"), SourceCounters())
        arrived = route.whenReceived(1)
        thread = Thread(target=inlet.put, args=(b"hello",))
        thread.start()
        self.addCleanup(thread.join)
        return arrived.addCallback(self.assertEqual, [b"hello"])
