"""
The sender: from a store to servers, and what is settled when.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.batches import Batch, Framing, Origin
from logrelay.bucket import Bucket
from logrelay.calming import LOOK
from logrelay.client import FailoverClientFactory, Policy
from logrelay.config import MIB, BufferSettings, DestinationSettings, FailbackSettings
from logrelay.counters import DestinationCounters
from logrelay.delivery import Delivery
from logrelay.failover import CHECKPOINT, Connected
from logrelay.link import ILinked
from logrelay.memory import KERNEL_BUFFER
from logrelay.outbox import Outbox
from logrelay.sender import TICK, Sender
from logrelay.senders import SenderFactory
from logrelay.servers import Server
from logrelay.testing import FakeServer
from logrelay.window import PARSED

from .loopback import LoopbackServer, scripted, tlsPair, until

ORIGIN = Origin("test", b"host")


def numbered(number: int, size: int = 100, count: int = 1) -> Batch:
    """
    A batch that can be told from others.
    """
    return Batch(b"%07d" % number + b"." * (size - 8) + b"\n", count, Framing.LF, ORIGIN)


def numbers(received: bytes) -> list[int]:
    """
    The numbers of the batches in what a server read.
    """
    return [int(line[:7]) for line in received.splitlines()]


class Relay:
    """
    A store, its delivery, and a factory that builds senders.
    """

    def __init__(self, clock: Any, endpoints: list[Any], policy: Policy | None = None, **settings: Any) -> None:
        servers = tuple(Server("127.0.0.1", 1 + place) for place in range(len(endpoints)))
        if settings.get("driver") != "relp":
            settings["framing"] = Framing.LF
        self.settings = DestinationSettings("central", servers, **settings)
        self.counters = DestinationCounters()
        self.store = Outbox(self.settings.buffer, self.counters, self._drop)
        self.dropped = 0
        self.refused = 0
        self.appended = 0
        self.searches: list[float] = []
        self.setAside: list[bytes] = []
        self.writable = True
        rate = self.settings.throttle
        self.delivery = Delivery(
            clock,
            self.settings,
            self.store,
            self.counters,
            server=lambda: self.factory.rotation.current,
            refusing=lambda: self.refused > 0,
            onUnanswered=self._unanswered,
            patience=lambda: self.factory.rotation.patience,
            onDelivered=lambda: self.factory.rotation.settled(),
            setAside=self._setAside,
            onSearching=lambda: self.searches.append(clock.seconds()),
            bucket=Bucket(rate) if rate else None,
        )
        self.factory = FailoverClientFactory(clock, endpoints, SenderFactory(self.delivery), policy)

    def _unanswered(self) -> None:
        self.refused += 1

    def _setAside(self, batch: Batch, message: bytes, why: str) -> bool:
        if self.writable:
            self.setAside.append(message)
        return self.writable

    def _drop(self, source: str, reason: str, count: int) -> None:
        self.dropped += count

    def append(self, count: int, size: int = 100) -> None:
        """
        Append the next batches.
        """
        for _ in range(count):
            self.store.append(numbered(self.appended, size))
            self.appended += 1

    @property
    def sender(self) -> Sender:
        """
        The sender at work.
        """
        assert isinstance(self.factory.state, Connected)
        return cast(Sender, self.factory.state.link._protocol)


class SenderCase(SynchronousTestCase):
    """
    A relay with servers in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers = [FakeServer(self.clock), FakeServer(self.clock)]
        self.first, self.second = self.servers

    def make(self, policy: Policy | None = None, **settings: Any) -> Relay:
        """
        Make the relay; it is stopped at the end, and must leave no timer.
        """
        self.relay = Relay(self.clock, [server.endpoint for server in self.servers], policy, **settings)
        self.addCleanup(self.checkNothingIsLeft)
        return self.relay

    def start(self, policy: Policy | None = None, **settings: Any) -> Relay:
        """
        Make the relay, and connect it.
        """
        self.make(policy, **settings).factory.start()
        self.clock.advance(0)
        return self.relay

    def checkNothingIsLeft(self) -> None:
        """
        Stop.
        """
        done = self.relay.factory.stop()
        self.clock.pump([0.5] * 12)
        self.successResultOf(done)
        self.assertEqual((self.clock.getDelayedCalls(), self.first.open, self.second.open), ([], [], []))

    def spend(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.pump([TICK] * round(seconds / TICK))

    @property
    def unsettled(self) -> int:
        """
        How many batches were sent and have not settled.
        """
        return self.relay.store.sent - self.relay.store.settled


class SendingTests(SenderCase):
    """
    From the store to the transport.
    """

    def test_interfaces(self) -> None:
        """
        A sender is a push producer, and works with links.
        """
        relay = self.start()
        verifyObject(IPushProducer, relay.sender)
        verifyObject(ILinked, relay.sender)

    def test_inOrder(self) -> None:
        """
        What was stored before the connection, and what comes after, is sent in order, and counted.
        """
        self.make().append(3)
        self.relay.factory.start()
        self.clock.advance(0)
        self.relay.append(2)
        self.clock.advance(0)
        self.assertEqual(numbers(self.first.received), [0, 1, 2, 3, 4])
        self.assertEqual((self.relay.counters.sent, self.relay.counters.sentBytes), (5, 500))

    def test_paused(self) -> None:
        """
        A full transport pauses the sender: then batches stay in the store, until the transport wants more.
        """
        relay = self.start()
        self.first.stall()
        for _ in range(100):
            relay.append(10, 1000)
            self.clock.advance(0)
        self.assertTrue(relay.sender.paused)
        buffered = relay.store.sent * 1000
        self.assertLess(buffered, 3 * KERNEL_BUFFER + 2000)
        sent = relay.store.sent
        relay.append(1)
        self.assertEqual(relay.store.sent, sent)
        self.first.resume()
        self.clock.advance(0)
        self.assertEqual(numbers(self.first.received), list(range(1001)))
        self.assertFalse(relay.sender.paused)

    def test_roomIsLookedFor(self) -> None:
        """
        While sources wait for room, it is made soon after the server has made it, though nothing else happens then.
        """
        relay = self.start(buffer=BufferSettings(100_000), delivery="acked")
        self.first.stall()
        relay.append(250, 1000)
        self.clock.pump([0.001] * 20)
        self.assertTrue(relay.store.full)
        self.first.resume()
        self.clock.pump([0.001] * 15)
        self.assertFalse(relay.store.full)

    def test_onlyTheTransportResumes(self) -> None:
        """
        However often batches are offered, a paused sender stays paused.
        """
        relay = self.start()
        relay.sender.pauseProducing()
        for _ in range(10):
            relay.append(1)
            self.spend(1)
        relay.sender.offer()
        self.assertEqual((relay.store.sent, self.first.received), (0, b""))
        relay.sender.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(len(numbers(self.first.received)), 10)

    def test_givenUp(self) -> None:
        """
        Nothing is written to a connection that was given up and is not gone yet: it would only be sent again.
        """
        relay = self.start()
        relay.sender.link.abort("stalled", "the test says so")
        relay.append(3)
        self.assertEqual((relay.store.sent, relay.counters.sent), (0, 0))
        self.clock.advance(0)
        self.clock.advance(0)
        self.assertEqual((numbers(self.second.received), relay.counters.resent), ([0, 1, 2], 0))

    def test_throttle(self) -> None:
        """
        So many messages a second, within five percent over ten seconds; nothing is dropped, and none is late for ever.
        """
        relay = self.start(throttle=200)
        relay.append(5000)
        self.clock.pump([0.003] * 3334)
        self.assertApproximates(len(numbers(self.first.received)), 2000, 100)
        self.clock.pump([0.003] * 5200)
        self.assertEqual(numbers(self.first.received), list(range(5000)))

    def test_throttleAcrossConnections(self) -> None:
        """
        A new connection does not let more through.
        """
        relay = self.start(throttle=200, delivery="acked")
        relay.append(5000)
        for _ in range(10):
            self.clock.pump([0.003] * 333)
            self.first.close()
            self.second.close()
        self.assertApproximates(len(numbers(self.first.received + self.second.received)), 2000, 100)

    def test_noTimerWhilePaused(self) -> None:
        """
        The throttle's timer does not overrule the transport.
        """
        relay = self.start(throttle=10)
        relay.append(100)
        relay.sender.pauseProducing()
        sent = relay.store.sent
        self.spend(5)
        self.assertEqual(relay.store.sent, sent)


class SettlingTests(SenderCase):
    """
    When batches settle, at each level.
    """

    def test_acked(self) -> None:
        """
        ``acked``: when the server's kernel acknowledged the whole batch.
        """
        relay = self.start(delivery="acked")
        self.first.stall()
        relay.append(100, 1000)
        self.spend(1)
        self.assertEqual(relay.store.settled, KERNEL_BUFFER // 1000)
        self.assertEqual(relay.store.acked, relay.store.settled)
        self.first.resume()
        self.spend(1)
        self.assertEqual(relay.store.settled, 100)
        self.assertEqual(relay.counters.settled, 100)

    def test_written(self) -> None:
        """
        ``written``: when our own kernel took it.
        """
        relay = self.start(delivery="written")
        self.first.stall()
        relay.append(200, 1000)
        self.spend(1)
        self.assertEqual(relay.store.settled, 2 * KERNEL_BUFFER // 1000)

    def test_replay(self) -> None:
        """
        ``replay``: when so many bytes more were acknowledged after it.
        """
        relay = self.start(delivery="replay", replayMax=50_000)
        relay.append(50, 1000)
        self.spend(1)
        self.assertEqual((relay.store.settled, relay.store.acked), (0, 50))
        relay.append(10, 1000)
        self.spend(1)
        self.assertEqual((relay.store.settled, relay.store.acked), (10, 60))

    def test_followsTheWindow(self) -> None:
        """
        By default that is what the server's windows tell: 1 MiB at least.
        """
        relay = self.start()
        relay.append(1200, 1000)
        self.spend(1)
        self.assertEqual((relay.store.settled, relay.store.acked), ((1_200_000 - MIB) // 1000, 1200))

    def test_replayTime(self) -> None:
        """
        ``replay-time`` keeps what is younger, also when a server ends that has read everything.
        """
        relay = self.start(replayTime=30)
        relay.append(2000, 1000)
        self.spend(29)
        self.assertEqual(relay.store.settled, 0)
        self.spend(1.2)
        self.assertEqual(relay.store.settled, (2_000_000 - MIB) // 1000)
        relay.append(100, 1000)
        self.spend(1)
        self.first.close()
        self.spend(1)
        self.assertIn(2000, numbers(b"".join(each.received for each in self.first.connections[1:])))

    def test_nothingUnread(self) -> None:
        """
        When a server ends that has read everything, only what its parser may have held is sent again.
        """
        relay = self.start()
        relay.append(200, 1000)
        self.spend(0.5)
        self.first.close()
        self.spend(0.5)
        held = -(-PARSED // 1000)
        self.assertEqual(numbers(self.first.connections[1].received), list(range(200 - held, 200)))
        self.assertEqual(relay.counters.resent, held)

    def test_somethingUnread(self) -> None:
        """
        When it ends with data unread, all that W keeps is.
        """
        relay = self.start()
        relay.append(200, 1000)
        self.spend(0.5)
        self.first.stall()
        relay.append(1, 1000)
        self.spend(0.5)
        self.first.close()
        self.spend(0.5)
        self.assertEqual(numbers(self.second.received), list(range(201)))

    def test_smallStore(self) -> None:
        """
        But what is only kept for replay is never more than half the store, and a batch.
        """
        relay = self.start(replayMax=32 * MIB, buffer=BufferSettings(100_000, "block"))
        relay.append(60, 1000)
        self.spend(1)
        self.assertEqual(self.unsettled, 50_000 // numbered(0, 1000).cost + 1)

    def test_settlingProves(self) -> None:
        """
        A batch that settles proves the connection.
        """
        relay = self.start(delivery="acked")
        assert isinstance(relay.factory.state, Connected)
        self.assertFalse(relay.factory.state.link.proved)
        relay.append(1)
        self.spend(0.2)
        self.assertTrue(relay.factory.state.link.proved)

    def test_resumingSettles(self) -> None:
        """
        At full speed it does not take a tick: each time that the transport wants more, what was acknowledged settles.
        """
        relay = self.start(delivery="acked", buffer=BufferSettings(MIB))
        for _ in range(10):
            relay.append(200, 1000)
            self.clock.advance(0)
        self.assertGreater(relay.store.settled, 1500)
        self.assertEqual(self.clock.seconds(), 0)


class LossTests(SenderCase):
    """
    What becomes of batches when connections end.
    """

    def test_unsettledGoFirst(self) -> None:
        """
        What had not settled goes to the next server first, in order and whole, then the rest; it is counted.
        """
        relay = self.start(replayMax=20_000)
        relay.append(30, 1000)
        self.spend(1)
        self.assertEqual(relay.store.settled, 10)
        self.first.refuse()
        self.first.reset()
        relay.append(5, 1000)
        self.clock.advance(0)
        relay.append(5, 1000)
        self.clock.advance(0)
        self.assertEqual(numbers(self.second.received), list(range(10, 40)))
        self.assertEqual((relay.counters.resent, relay.counters.sent), (relay.delivery.rewound, 30 + 30 + 5))
        self.assertEqual(relay.delivery.rewound, 25)

    def test_acknowledgedUntilTheEnd(self) -> None:
        """
        What the kernel knows at the end still settles what it allows: only the rest is sent again.
        """
        relay = self.start(delivery="acked")
        self.first.stall()
        relay.append(3)
        self.clock.advance(0)
        self.assertEqual(relay.store.settled, 0)
        self.first.refuse()
        self.first.reset()
        relay.append(1)
        self.clock.advance(0)
        self.assertEqual((numbers(self.second.received), relay.counters.resent), ([3], 1))

    def test_replaySurvivesUnread(self) -> None:
        """
        What was acknowledged and never read is delivered by the next server.
        """
        relay = self.start()
        self.first.stall()
        relay.append(500, 1000)
        self.spend(1)
        self.first.refuse()
        self.first.close()
        self.clock.advance(0)
        self.assertEqual(self.first.received, b"")
        self.assertEqual(numbers(self.second.received), list(range(500)))

    def test_againAndAgain(self) -> None:
        """
        However often connections end, every batch arrives, none before an older one that is new to a server.
        """
        relay = self.start(replayMax=5000)
        for round_ in range(20):
            relay.append(7, 1000)
            self.spend(0.3)
            relay.append(7, 1000)
            (self.first.reset if round_ % 2 else self.first.close)()
            self.second.reset()
            relay.append(6, 1000)
        self.spend(2)
        received = [numbers(each.received) for server in self.servers for each in server.connections]
        for each in received:
            self.assertEqual(each, sorted(each))
            self.assertEqual(len(each), len(set(each)))
        self.assertEqual({number for each in received for number in each}, set(range(400)))

    def test_appendedWhileEnding(self) -> None:
        """
        What is stored while a connection is being lost (here by those who are told of what has settled) is kept for the
        next one, in order.
        """
        relay = self.start(delivery="acked")
        relay.append(2)
        relay.store.onSettled = lambda: relay.append(1) if relay.appended < 10 else None
        self.first.refuse()
        self.clock.advance(0)
        self.assertEqual(relay.store.settled, 0)
        self.first.close()
        self.clock.advance(0)
        self.spend(1)
        self.assertEqual(numbers(self.first.received), [0, 1])
        self.assertEqual(numbers(self.second.received), list(range(2, 10)))

    def test_betweenConnections(self) -> None:
        """
        What is stored while there is no connection waits in the store.
        """
        for server in self.servers:
            server.refuse()
        relay = self.start()
        relay.append(3)
        self.assertEqual(relay.store.sent, 0)
        self.second.accept()
        self.spend(2)
        self.assertEqual(numbers(self.second.received), [0, 1, 2])

    def test_givenUpByTheStore(self) -> None:
        """
        A store that gives up its oldest batches while they are out does not confuse the sender.
        """
        relay = self.start(buffer=BufferSettings(20_000, "drop-oldest"))
        self.first.vanish()
        relay.append(50, 1000)
        self.spend(1)
        kept = [number for number in range(50) if relay.store.peek(number)]
        self.assertEqual((relay.dropped, kept[-1]), (50 - len(kept), 49))
        self.second.accept()
        self.spend(11)
        self.assertEqual(numbers(self.second.received), kept)


class LivenessTests(SenderCase):
    """
    Servers that are connected and do not take data.
    """

    def test_ackTimeout(self) -> None:
        """
        Data is out, and nothing is acknowledged: the next server after ``ack-timeout``, with everything.
        """
        relay = self.start(ackTimeout=10)
        relay.append(3)
        self.clock.advance(0)
        self.first.vanish()
        relay.append(3)
        self.spend(9.8)
        self.assertEqual(self.second.attempts, 0)
        self.spend(0.5)
        self.assertEqual(numbers(self.second.received), [0, 1, 2, 3, 4, 5])

    def test_idleIsNotDead(self) -> None:
        """
        Without data out there is nothing to wait for.
        """
        relay = self.start()
        relay.append(3)
        self.spend(200)
        self.assertEqual((self.first.attempts, self.second.attempts), (1, 0))

    def test_stalled(self) -> None:
        """
        A server that does not read is left after ``stall-timeout``.
        """
        relay = self.start(stallTimeout=60)
        self.first.stall()
        relay.append(300, 1000)
        self.spend(59)
        self.assertEqual(self.second.attempts, 0)
        self.spend(2)
        self.assertEqual(numbers(self.second.received), list(range(300)))

    def test_texts(self) -> None:
        """
        Both are told with the times that were configured.
        """
        for fault, text in (("vanish", "acknowledged for 3 s"), ("stall", "not read for 4 s")):
            relay = self.start(ackTimeout=3, stallTimeout=4, timeReopen=1)
            getattr(self.first, fault)()
            assert isinstance(relay.factory.state, Connected)
            link = relay.factory.state.link
            relay.append(300, 1000)
            self.spend(5)
            assert link.ending is not None
            self.assertIn(text, link.ending.text)
            self.checkNothingIsLeft()
            self.setUp()

    def test_allSlow(self) -> None:
        """
        When all servers are slow, patience grows until something settles: there is no storm.
        """
        relay = self.start(stallTimeout=10)
        for server in self.servers:
            server.stall()
        relay.append(300, 1000)
        self.spend(25)
        self.assertEqual((relay.factory.rotation.patience, self.first.attempts), (2, 2))
        self.spend(15)
        self.assertEqual(self.first.attempts, 2)
        for server in self.servers:
            server.resume()
        relay.delivery.wanted = relay.store.end
        self.spend(5)
        self.assertEqual((relay.factory.rotation.patience, relay.store.settled), (1, 300))


class CheckpointTests(SenderCase):
    """
    Checkpoints: when, and what becomes of them.
    """

    def assertCheckpoint(self, count: int = 1) -> None:
        """
        So many checkpoints were made at the first server, and everything has settled.
        """
        self.assertEqual(self.relay.counters.checkpoints, count)
        self.assertEqual([each.ended for each in self.first.connections], ["eof"] * count + [None])
        self.assertEqual((self.unsettled, self.second.attempts, self.relay.counters.resent), (0, 0, 0))
        self.assertEqual(numbers(self.first.received), list(range(self.relay.appended)))

    def test_never(self) -> None:
        """
        By default there is none for a while, and none when there is nothing to settle.
        """
        relay = self.start()
        self.spend(400)
        self.assertEqual(relay.counters.checkpoints, 0)
        relay.append(1)
        self.spend(299)
        self.assertEqual(relay.counters.checkpoints, 0)

    def test_bySize(self) -> None:
        """
        When ``checkpoint`` bytes went out since the last.
        """
        relay = self.start(checkpoint=10_000)
        relay.append(9, 1000)
        self.spend(1)
        self.assertEqual(relay.counters.checkpoints, 0)
        relay.append(1, 1000)
        self.spend(1)
        self.assertCheckpoint(1)
        relay.append(10, 1000)
        self.spend(1)
        self.assertCheckpoint(2)

    def test_byAge(self) -> None:
        """
        When the oldest unsettled batch is older than ``checkpoint-age``.
        """
        relay = self.start(checkpointAge=50)
        self.spend(30)
        relay.append(1)
        self.spend(30)
        relay.append(1)
        self.spend(19)
        self.assertEqual(relay.counters.checkpoints, 0)
        self.spend(2)
        self.assertCheckpoint(1)

    def test_wanted(self) -> None:
        """
        When somebody waits for it, as soon as everything that is waited for was sent.
        """
        relay = self.start()
        relay.append(2)
        self.spend(1)
        relay.sender.pauseProducing()
        relay.append(1)
        relay.delivery.wanted = 3
        self.spend(1)
        self.assertEqual(relay.counters.checkpoints, 0)
        relay.sender.resumeProducing()
        self.spend(1)
        self.assertCheckpoint(1)

    def test_crowded(self) -> None:
        """
        When the store is above its high mark, and everything in it was sent.
        """
        relay = self.start(buffer=BufferSettings(100_000))
        assert isinstance(relay.factory.state, Connected)
        link = relay.factory.state.link
        self.first.vanish()
        relay.sender.pauseProducing()
        relay.append(90, 1000)
        relay.sender.resumeProducing()
        relay.sender.pauseProducing()
        relay.append(1, 1000)
        self.spend(1)
        self.assertEqual((relay.store.crowded, link.finishing), (True, None))
        relay.sender.resumeProducing()
        self.spend(0.2)
        self.assertEqual(link.finishing, CHECKPOINT)

    def test_proves(self) -> None:
        """
        A checkpoint that settles something proves the connection: the server delivers.
        """
        relay = self.start(checkpoint=1)
        assert isinstance(relay.factory.state, Connected)
        link = relay.factory.state.link
        relay.append(1)
        self.spend(0.2)
        self.assertEqual((link.proved, relay.store.settled), (True, 1))

    def test_nothingToSettle(self) -> None:
        """
        There is none when the store has given up all that was sent.
        """
        relay = self.start(buffer=BufferSettings(20_000, "drop-oldest"), checkpointAge=5)
        self.first.stall()
        relay.append(5, 1000)
        relay.sender.pauseProducing()
        relay.append(40, 1000)
        self.assertEqual(self.unsettled, 0)
        self.spend(10)
        assert isinstance(relay.factory.state, Connected)
        self.assertIsNone(relay.factory.state.link.finishing)

    def test_arrivalsWait(self) -> None:
        """
        What arrives meanwhile waits in the store, and follows on the new connection, in order.
        """
        relay = self.start(checkpoint=1000)
        self.first.stall()
        relay.append(1, 1000)
        self.spend(0.2)
        relay.append(5, 1000)
        self.spend(1)
        self.assertEqual(relay.store.sent, 1)
        self.first.resume()
        self.clock.advance(0)
        self.assertEqual(numbers(self.first.received), list(range(6)))

    def test_otherLevels(self) -> None:
        """
        Where acknowledgements settle, there is nothing to gain by one.
        """
        for level in ("acked", "written"):
            relay = self.start(delivery=level, checkpoint=1, checkpointAge=1)
            self.first.vanish()
            relay.append(1)
            self.spend(5)
            self.assertEqual((relay.counters.checkpoints, len(self.first.open)), (0, 1))
            self.checkNothingIsLeft()
            self.setUp()

    def test_refused(self) -> None:
        """
        A server that does not answer one is told of, and gets no more; the same server gets everything again.
        """
        self.first.ignoreEnds()
        relay = self.start(checkpoint=100)
        relay.append(3)
        self.spend(20)
        self.assertEqual((relay.refused, relay.counters.checkpoints), (1, 0))
        self.assertEqual(numbers(self.first.received), [0, 1, 2, 0, 1, 2])
        self.assertEqual((relay.counters.resent, self.first.attempts, self.second.attempts), (3, 2, 0))

    def test_slowServer(self) -> None:
        """
        A server that takes long to take the data is not refusing, and is not left, as long as it goes on.
        """
        relay = self.start(checkpoint=100, stallTimeout=60)
        self.first.stall()
        relay.append(400, 1000)
        connection = self.first.connections[0]
        for _ in range(7):
            self.spend(10)
            read, connection.unread = connection.unread[:9000], connection.unread[9000:]
            connection.received += read
            connection.transport.later()
        self.assertEqual((relay.refused, relay.counters.checkpoints, self.second.attempts), (0, 0, 0))
        self.first.resume()
        self.spend(1)
        self.assertEqual((relay.refused, self.second.attempts, numbers(self.first.received)), (0, 0, list(range(400))))
        self.assertGreater(relay.counters.checkpoints, 0)

    def test_lostDuringOne(self) -> None:
        """
        A connection that is reset during a checkpoint has settled nothing: all goes to the next server.
        """
        relay = self.start(checkpoint=100)
        self.first.stall()
        relay.append(3)
        self.spend(0.2)
        self.first.refuse()
        self.first.close()
        self.spend(0.2)
        self.assertEqual((numbers(self.second.received)[:3], relay.counters.resent), ([0, 1, 2], 3))

    def test_deadDuringOne(self) -> None:
        """
        A path that dies during a checkpoint is left as at any other time.
        """
        relay = self.start(checkpoint=100, ackTimeout=10)
        self.first.vanish()
        relay.append(3)
        self.spend(11)
        self.assertEqual(numbers(self.second.received)[:3], [0, 1, 2])


class CalmTests(SenderCase):
    """
    Our end goes out to a server that has most probably read everything.
    """

    def test_waits(self) -> None:
        """
        Not while a part of the data is unread, as the server's window shows; then at once.
        """
        relay = self.start()
        relay.append(1)
        self.spend(0.2)
        self.first.stall()
        relay.append(40, 1000)
        self.spend(0.2)
        done = relay.factory.stop()
        self.spend(1)
        [connection] = self.first.connections
        self.assertEqual((connection.ended, connection.unread != b""), (None, True))
        self.first.resume()
        self.clock.pump([LOOK] * 6)
        self.assertEqual(connection.ended, "eof")
        self.successResultOf(done)
        self.assertEqual(relay.store.settled, 41)

    def test_notForEver(self) -> None:
        """
        After half of ``drain-timeout`` it goes out all the same: the server may be slow.
        """
        relay = self.start(drainTimeout=2)
        self.first.stall()
        relay.append(40, 1000)
        self.spend(0.2)
        relay.factory.stop()
        self.spend(0.9)
        [connection] = self.first.connections
        self.assertFalse(connection.transport.endSent)
        self.spend(0.2)
        self.assertTrue(connection.transport.endSent)

    def test_lostWhileWaiting(self) -> None:
        """
        The server may go meanwhile, and nothing is left.
        """
        relay = self.start()
        self.first.stall()
        relay.append(40, 1000)
        self.spend(0.2)
        done = relay.factory.stop()
        self.first.reset()
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual(relay.store.settled, 0)


class EndTests(SenderCase):
    """
    Graceful ends: stopping, and going back to the primary.
    """

    def test_stop(self) -> None:
        """
        Everything that was sent settles when the server answers our end; nothing more is taken from the store.
        """
        relay = self.start()
        sender = relay.sender
        relay.append(3)
        done = relay.factory.stop()
        relay.append(2)
        self.clock.advance(0)
        # A server that reads right away is given a moment all the same.
        self.assertNoResult(done)
        self.clock.pump([LOOK] * 4)
        self.successResultOf(done)
        self.assertEqual((relay.store.settled, relay.store.sent, relay.counters.resent), (3, 3, 0))
        self.assertIsNot(getattr(relay.store.onReadable, "__self__", None), sender)
        self.assertEqual(numbers(self.first.received), [0, 1, 2])

    def test_stopThrottled(self) -> None:
        """
        A sender that waits for its throttle is stopped too.
        """
        relay = self.start(throttle=10)
        relay.append(100)
        self.spend(1)
        sent = relay.store.sent
        done = relay.factory.stop()
        self.clock.pump([LOOK] * 4)
        self.successResultOf(done)
        self.assertEqual((relay.store.sent, relay.store.settled), (sent, sent))

    def test_stopUnanswered(self) -> None:
        """
        What a server has not confirmed stays in the store.
        """
        self.first.ignoreEnds()
        relay = self.start()
        relay.append(3)
        done = relay.factory.stop()
        self.spend(5.1)
        self.successResultOf(done)
        self.assertEqual((relay.store.settled, relay.store.messages, relay.refused), (0, 3, 1))

    def test_failback(self) -> None:
        """
        On the way back to the primary nothing is sent twice, and nothing changes places.
        """
        self.first.refuse()
        relay = self.start(Policy(failback=FailbackSettings(5, 1)))
        self.first.accept()
        for _ in range(100):
            relay.append(1)
            self.spend(0.1)
        self.assertEqual(numbers(self.second.received + self.first.received), list(range(100)))
        self.assertGreater(len(numbers(self.first.received)), 10)
        self.assertEqual(relay.counters.resent, 0)


class SocketTests(TestCase):
    """
    Over sockets, plain and with TLS.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(Any, reactor)

    async def check(self, server: LoopbackServer, endpoint: Any, level: str) -> None:
        """
        Everything settles, at a level, by acknowledgements or a checkpoint, and arrives once.
        """
        relay = Relay(self.reactor, [endpoint], delivery=level)
        relay.factory.start()
        relay.append(2000, 1000)
        await until(self.reactor, lambda: relay.store.sent == 2000)
        relay.append(1)
        relay.delivery.wanted = relay.store.end
        await until(self.reactor, lambda: relay.store.settled == 2001)
        await until(self.reactor, lambda: numbers(server.received) == list(range(2001)))
        self.assertEqual(relay.counters.checkpoints, 1 if level == "replay" else 0)
        await relay.factory.stop()
        await server.stop()

    @scripted
    async def test_plain(self) -> None:
        """
        TCP.
        """
        for level in ("written", "acked", "replay"):
            server = LoopbackServer(self.reactor)
            await self.check(server, server.endpoint, level)

    @scripted
    async def test_tls(self) -> None:
        """
        TLS: to the last byte too.
        """
        for level in ("written", "acked", "replay"):
            await self.check(*tlsPair(self.reactor, self.mktemp()), level)

    @scripted
    async def test_unread(self) -> None:
        """
        A server that goes away with data unread, gracefully by the look of it, loses nothing for us.
        """
        first, second = LoopbackServer(self.reactor), LoopbackServer(self.reactor)
        relay = Relay(self.reactor, [first.endpoint, second.endpoint])
        relay.factory.start()
        await until(self.reactor, lambda: first.connections)
        await first.stall()
        relay.append(100, 100)
        await until(self.reactor, lambda: relay.store.acked == 100)
        await first.refuse()
        await first.close()
        await until(self.reactor, lambda: numbers(second.received) == list(range(100)))
        self.assertEqual(first.received, b"")
        await relay.factory.stop()
        await first.stop()
        await second.stop()
