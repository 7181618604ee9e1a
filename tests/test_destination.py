"""
One destination at work: what it tells, what it counts, and how it stops.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.batches import Batch, Framing, Origin
from logrelay.config import BufferSettings, DestinationSettings, FailbackSettings
from logrelay.destination import Destination
from logrelay.destinationsnapshot import snapshotOf
from logrelay.encoding import encode
from logrelay.errors import RelayStopped
from logrelay.events import Event, EventLog
from logrelay.formats import Form
from logrelay.reporter import Identity
from logrelay.servers import Server
from logrelay.snapshot import DestinationSnapshot
from logrelay.testing import FakeServer

ORIGIN = Origin("tcp:5140", b"host")
OTHER = Origin("udp:5140", b"host", pausable=False)

#: When the servers' certificates expire.
EXPIRES = datetime(2030, 1, 2, tzinfo=UTC)

#: The servers' names in events.
ONE, TWO, THREE = "one:601", "two:601", "three:601"


def batch(payload: bytes, count: int = 1, origin: Origin = ORIGIN) -> Batch:
    """
    A batch.
    """
    return Batch(payload, count, Framing.LF, origin)


class DestinationCase(SynchronousTestCase):
    """
    A destination with three servers in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers = [FakeServer(self.clock) for _ in range(3)]
        self.one, self.two, self.three = self.servers
        self.told: list[Event] = []
        self.dropped: list[tuple[str, str, int]] = []

    def make(self, **settings: Any) -> Destination:
        """
        Make the destination.
        """
        servers = tuple(Server(name, 601) for name in ("one", "two", "three"))
        self.destination = Destination(
            self.clock,
            DestinationSettings("central", servers, framing=Framing.LF, **settings),
            [server.endpoint for server in self.servers],
            EventLog([self.told.append]),
            lambda *what: self.dropped.append(what),
            identityOf=lambda link: Identity((str(link.transport.getPeer().port),), EXPIRES),
        )
        return self.destination

    def start(self, **settings: Any) -> Destination:
        """
        Make the destination, and start it.
        """
        self.make(**settings).start()
        self.clock.advance(0)
        return self.destination

    def spend(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.pump([0.1] * round(seconds * 10))

    def take(self) -> list[Event]:
        """
        What was told since the last call.
        """
        told = self.told[:]
        self.told.clear()
        return told

    def connected(self, server: int) -> Event:
        """
        The event of a connection.
        """
        identity = Identity((str(self.servers[server].address.port),), EXPIRES)
        return events.Connected("central", (ONE, TWO, THREE)[server], str(identity))

    def stop(self, seconds: float = 6) -> None:
        """
        Stop; nothing may be left.
        """
        done = self.destination.stop(30)
        self.spend(seconds)
        self.successResultOf(done)
        self.assertEqual((self.clock.getDelayedCalls(), [server.open for server in self.servers]), ([], [[], [], []]))


class TellingTests(DestinationCase):
    """
    Events and counters.
    """

    def test_connected(self) -> None:
        """
        The first connection is told, with who the server proved to be.
        """
        destination = self.start()
        self.assertEqual(self.take(), [self.connected(0)])
        self.assertEqual((destination.counters.attempts, destination.counters.switches), (1, 0))
        self.stop()

    def test_failures(self) -> None:
        """
        Failures are told with the reason, and counted by it.
        """
        self.one.refuse()
        self.two.lie()
        destination = self.start()
        told = self.take()
        self.assertEqual(
            [(type(event).__name__, getattr(event, "server", ""), getattr(event, "reason", "")) for event in told],
            [("AttemptFailed", ONE, "refused"), ("AttemptFailed", TWO, "tls-verify"), ("Connected", THREE, "")],
        )
        self.assertEqual(destination.counters.failures, {"refused": 1, "tls-verify": 1})
        self.assertEqual(destination.counters.attempts, 3)
        self.stop()

    def test_repeated(self) -> None:
        """
        Equal failures of a server are told once a minute at most, with how often they were repeated; so is that no
        server is usable.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start(timeReopen=1)
        self.assertEqual([type(event).__name__ for event in self.take()], ["AttemptFailed"] * 3 + ["RoundFailed"])
        self.spend(20)
        self.assertEqual(self.take(), [])
        self.two.lie()
        self.spend(1.1)
        (failed,) = self.take()
        assert isinstance(failed, events.AttemptFailed)
        self.assertEqual((failed.server, failed.reason, failed.repeated), (TWO, "tls-verify", 0))
        self.spend(45)
        again = [event for event in self.take() if isinstance(event, events.AttemptFailed) and event.server == ONE]
        failures = destination.counters.failures["refused"]
        self.assertEqual([event.reason for event in again], ["refused"])
        self.assertGreater(again[0].repeated, 20)
        self.assertLess(again[0].repeated, failures // 2)
        self.one.accept()
        self.spend(1.1)
        self.assertEqual(self.take()[-1], self.connected(0))
        self.spend(11)
        self.one.refuse()
        self.one.reset()
        self.spend(1.1)
        self.assertIn("RoundFailed", [type(event).__name__ for event in self.take()])
        self.stop()

    def test_lostAndSwitched(self) -> None:
        """
        The end of a proved connection is told, with how much will be sent again; and the switch, with its reason.
        """
        destination = self.start()
        destination.append(batch(b"one\ntwo\n", 2))
        self.spend(11)
        self.take()
        self.one.refuse()
        self.one.close()
        self.clock.advance(0)
        lost, failed, connected, switched = self.take()
        self.assertEqual(lost, events.ConnectionEnded("central", ONE, "eof", "connection closed by the server", 2))
        self.assertIsInstance(failed, events.AttemptFailed)
        self.assertEqual(connected, self.connected(1))
        self.assertEqual(switched, events.Switched("central", ONE, TWO, "eof"))
        self.assertEqual((destination.counters.switches, destination.counters.resent), (1, 2))
        self.assertEqual(destination.counters.failures, {"eof": 1, "refused": 1})
        self.assertEqual(self.two.received, b"one\ntwo\n")
        self.stop()

    def test_failback(self) -> None:
        """
        Probes are counted, and told; the way back is a switch.
        """
        self.one.refuse()
        destination = self.start(failback=FailbackSettings(20, 2))
        self.take()
        self.spend(25)
        failed = self.take()[0]
        assert isinstance(failed, events.ProbeFailed)
        self.assertEqual((failed.server, failed.reason), (ONE, "refused"))
        self.one.accept()
        self.spend(45)
        self.assertEqual(
            self.take(),
            [
                events.ProbeSucceeded("central", ONE, 1, 2),
                events.ProbeSucceeded("central", ONE, 2, 2),
                self.connected(0),
                events.Switched("central", TWO, ONE, "failback"),
            ],
        )
        self.assertEqual((destination.counters.probes, destination.counters.switches), (3, 1))
        self.stop()

    def test_checkpointsKeepTheServer(self) -> None:
        """
        After a checkpoint the server is in use since when it was, and has proved what it had.
        """
        destination = self.start(checkpoint=1)
        self.spend(1)
        self.assertFalse(snapshotOf(destination).proved)
        destination.append(batch(b"one\n"))
        self.spend(1)
        snapshot = snapshotOf(destination)
        self.assertEqual((destination.counters.checkpoints, len(self.one.connections)), (1, 2))
        self.assertEqual((snapshot.proved, snapshot.activeSince), (True, 0))
        self.assertGreater(snapshot.since, 0)
        self.stop()
        self.assertIsNone(snapshotOf(destination).activeSince)

    def test_checkpointsLeaveNoGap(self) -> None:
        """
        While it is connected to again after a checkpoint, the server is in use; when that fails, it is not.
        """
        destination = self.start(checkpoint=1)
        self.spend(1)
        self.one.hang()
        destination.append(batch(b"one\n"))
        self.spend(1)
        snapshot = snapshotOf(destination)
        self.assertEqual((snapshot.state, snapshot.active, snapshot.activeSince), ("connecting", ONE, 0))
        self.assertTrue(snapshot.proved)
        for server in (self.two, self.three):
            server.hang()
        self.spend(10)
        snapshot = snapshotOf(destination)
        self.assertEqual((snapshot.state, snapshot.active, snapshot.proved), ("connecting", None, False))
        self.stop()

    def test_checkpointsAreQuiet(self) -> None:
        """
        A checkpoint is counted, and not told.
        """
        destination = self.start(checkpoint=1)
        self.take()
        for _ in range(5):
            destination.append(batch(b"one\n"))
            self.spend(0.5)
        self.assertEqual((destination.counters.checkpoints, self.take()), (5, []))
        self.stop()

    def test_checkpointRefused(self) -> None:
        """
        That a server does not answer checkpoints is told once, also when it does not answer our end later.
        """
        self.one.ignoreEnds()
        destination = self.start(checkpoint=1)
        self.take()
        for _ in range(5):
            destination.append(batch(b"one\n"))
            self.spend(10)
        self.assertEqual(self.take(), [events.CheckpointRefused("central", ONE, 5)])
        self.stop()
        self.assertEqual(self.take(), [events.Undelivered("central", 0, 5), events.Stopped("central")])

    def test_checkpointElsewhere(self) -> None:
        """
        Other servers are asked for checkpoints all the same.
        """
        self.one.ignoreEnds()
        destination = self.start(checkpoint=1)
        destination.append(batch(b"one\n"))
        self.spend(10)
        self.one.refuse()
        self.one.reset()
        self.spend(1)
        self.assertEqual((destination.counters.checkpoints, destination.store.messages), (1, 0))
        self.stop()

    def test_dropped(self) -> None:
        """
        What the store gives up is counted by reason, told to the source each time, and to people once a minute.
        """
        destination = self.start(buffer=BufferSettings(2000, "drop-newest"))
        self.one.vanish()
        self.take()
        for _ in range(5):
            destination.append(batch(b"x" * 999 + b"\n", 3, OTHER))
        self.assertEqual(destination.counters.dropped, {"overflow": 12})
        self.assertEqual(self.dropped, [("udp:5140", "overflow", 3)] * 4)
        self.assertEqual(self.take(), [events.Dropped("central", "udp:5140", "overflow", 3)])
        self.stop(40)

    def test_shortened(self) -> None:
        """
        What is too long is counted, where it was cut, and given up, where it was dropped.
        """
        destination = self.make()
        destination.shortened(batch(b"x\n"), 2, 0)
        self.assertEqual((destination.counters.truncated, self.dropped), (2, []))
        destination.shortened(batch(b"x\n"), 0, 3)
        self.assertEqual(destination.counters.dropped, {"oversize": 3})
        self.assertEqual(self.dropped, [("tcp:5140", "oversize", 3)])
        self.assertEqual(self.take(), [events.Dropped("central", "tcp:5140", "oversize", 3)])


class StoringTests(DestinationCase):
    """
    What a route does with a destination.
    """

    def test_form(self) -> None:
        """
        The form is what the settings say.
        """
        form = self.make(format="rfc3164", maxMessageSize=5000, oversize="drop").form
        self.assertEqual(form, Form("rfc3164", Framing.LF, 5000, "drop"))

    def test_accepted(self) -> None:
        """
        The store says whether it took a batch.
        """
        answers: list[bool] = []
        destination = self.make(buffer=BufferSettings(2000, "drop-newest"))
        for _ in range(3):
            destination.append(batch(b"x" * 999 + b"\n", 1, OTHER), answers.append)
        self.assertEqual(answers, [True, False, False])

    def test_throttledBatches(self) -> None:
        """
        A throttled destination stores batches that are small enough for its bucket, with the same messages, and answers
        once.
        """
        answers: list[bool] = []
        destination = self.make(throttle=100)
        messages = [b"%03d" % number for number in range(17)]
        (big,) = encode(messages, Framing.LF, ORIGIN)
        destination.append(big, answers.append)
        parts = [destination.store.next() for _ in range(destination.store.end)]
        self.assertEqual([part.count for part in parts if part], [5, 5, 5, 2])
        self.assertEqual(b"".join(part.payload for part in parts if part), big.payload)
        self.assertEqual(answers, [True])
        destination.append(batch(b"small\n"), answers.append)
        self.assertEqual(answers, [True, True])

    def test_hold(self) -> None:
        """
        What decoders keep counts for the store.
        """
        destination = self.make()
        before = destination.store.cost
        destination.hold(1000)
        destination.hold(-400)
        self.assertEqual(destination.store.cost - before, 600)


class SettledTests(DestinationCase):
    """
    L{Destination.whenSettled}.
    """

    def test_nothing(self) -> None:
        """
        It fires at once when there is nothing.
        """
        self.assertIsNone(self.successResultOf(self.make().whenSettled()))

    def test_checkpoint(self) -> None:
        """
        It makes a checkpoint, and fires when all that was stored before has settled; those who ask are told in order.
        """
        order: list[int] = []
        destination = self.make()
        waiting: list[Deferred[None]] = []
        for number in range(3):
            destination.append(batch(b"%d\n" % number))
            waiting.append(destination.whenSettled())
            waiting[-1].addCallback(partial(lambda number, _: order.append(number), number))
        destination.start()
        self.clock.advance(0)
        self.assertEqual((self.one.received, order), (b"0\n1\n2\n", []))
        self.spend(0.5)
        self.assertEqual((order, destination.counters.checkpoints), ([0, 1, 2], 1))
        self.stop()

    def test_cancelled(self) -> None:
        """
        Who asked may lose interest.
        """
        destination = self.start()
        destination.append(batch(b"one\n"))
        first, second = destination.whenSettled(), destination.whenSettled()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.spend(1)
        self.successResultOf(second)
        self.stop()

    def test_stopped(self) -> None:
        """
        Who still waits when the destination has stopped is told so.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start()
        destination.append(batch(b"one\n"))
        settled = destination.whenSettled()
        self.stop()
        self.failureResultOf(settled, RelayStopped)


class StopTests(DestinationCase):
    """
    L{Destination.stop}.
    """

    def stopped(self) -> int:
        """
        How many messages were told to be lost or unconfirmed, which are counted too.
        """
        self.assertEqual(self.told[-1], events.Stopped("central"))
        counters = self.destination.counters
        counted = counters.dropped["stopped"], counters.unconfirmed
        told = [event for event in self.told if isinstance(event, events.Undelivered)]
        self.assertEqual([(event.unsent, event.unconfirmed) for event in told], [counted] if any(counted) else [])
        return sum(counted)

    def test_idle(self) -> None:
        """
        Nothing to deliver: the connection ends, and that is all.
        """
        self.start()
        self.stop()
        self.assertEqual((self.stopped(), self.one.connections[0].ended), (0, "eof"))

    def test_deliversFirst(self) -> None:
        """
        What is stored is delivered first, while a server takes it.
        """
        destination = self.start(throttle=100)
        for number in range(200):
            destination.append(batch(b"%03d\n" % number))
        done = destination.stop(30)
        self.spend(0.5)
        self.assertNoResult(done)
        self.clock.pump([0.01] * 250)
        self.successResultOf(done)
        self.assertEqual((len(self.one.received.splitlines()), self.stopped()), (200, 0))

    def test_limit(self) -> None:
        """
        But not for longer than the limit: the rest is counted and told.
        """
        destination = self.start(throttle=10)
        for number in range(200):
            destination.append(batch(b"%03d\n" % number))
        done = destination.stop(2)
        self.spend(2.3)
        self.successResultOf(done)
        received = len(self.one.received.splitlines())
        self.assertLess(received, 40)
        self.assertEqual(self.stopped(), 200 - received)

    def test_noServer(self) -> None:
        """
        Where no server is usable there is no use in waiting.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start()
        destination.append(batch(b"one\ntwo\n", 2))
        done = destination.stop(30)
        self.successResultOf(done)
        self.assertEqual(self.stopped(), 2)

    def test_neverStarted(self) -> None:
        """
        Nor is there in a destination that was never started.
        """
        destination = self.make()
        destination.append(batch(b"one\n"))
        self.successResultOf(destination.stop(30))
        self.assertEqual(self.stopped(), 1)

    def test_serverGoesAway(self) -> None:
        """
        If the last server goes away meanwhile, there is no more waiting.
        """
        destination = self.start(throttle=10)
        for number in range(100):
            destination.append(batch(b"%03d\n" % number))
        done = destination.stop(30)
        self.spend(1)
        for server in self.servers:
            server.refuse()
        self.one.reset()
        self.spend(0.2)
        self.successResultOf(done)
        self.assertGreater(self.stopped(), 80)

    def test_duringCheckpoint(self) -> None:
        """
        A checkpoint that is under way does not look like the loss of the server.
        """
        destination = self.start(checkpoint=1)
        destination.append(batch(b"one\n"))
        self.one.stall()
        self.spend(0.2)
        destination.append(batch(b"two\n"))
        done = destination.stop(30)
        self.spend(1)
        self.assertNoResult(done)
        self.one.resume()
        self.spend(1)
        self.successResultOf(done)
        self.assertEqual((self.one.received, self.stopped()), (b"one\ntwo\n", 0))

    def test_unanswered(self) -> None:
        """
        What a server took and did not confirm is told apart: nobody knows.
        """
        self.one.ignoreEnds()
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.stop()
        self.assertEqual(self.stopped(), 1)
        self.assertEqual((destination.counters.unconfirmed, destination.counters.resent), (1, 0))


class SnapshotTests(DestinationCase):
    """
    L{Destination.snapshot}.
    """

    def test_states(self) -> None:
        """
        It shows what is being done, since when, and with which server.
        """
        shown: list[tuple[str, float, str | None]] = []

        def look() -> DestinationSnapshot:
            snapshot = snapshotOf(self.destination)
            shown.append((snapshot.state, snapshot.since, snapshot.active))
            return snapshot

        self.make(failback=FailbackSettings(20, 1))
        look()
        self.one.hang()
        self.destination.start()
        self.spend(1)
        look()
        self.spend(10)
        self.assertFalse(look().proved)
        self.spend(11)
        self.assertTrue(look().proved)
        self.one.accept()
        self.two.ignoreEnds()
        self.spend(10)
        look()
        self.stop()
        look()
        self.assertEqual(
            [state for state, _, _ in shown],
            ["idle", "connecting", "connected", "connected", "returning", "idle"],
        )
        self.assertEqual([active for _, _, active in shown], [None, None, TWO, TWO, TWO, None])
        for (_, since, _), expected in zip(shown, (0, 0, 10, 10, 31, 37), strict=True):
            self.assertApproximates(since, expected, 0.5)

    def test_waiting(self) -> None:
        """
        While waiting it shows until when, and why each server was given up.
        """
        self.one.refuse()
        self.two.lie()
        self.three.slam()
        self.start()
        snapshot = snapshotOf(self.destination)
        self.assertEqual(snapshot.state, "waiting")
        self.assertGreater(snapshot.since, self.clock.seconds())
        self.assertEqual([server.reason for server in snapshot.servers], ["refused", "tls-verify", "eof"])
        self.assertEqual([server.name for server in snapshot.servers], [ONE, TWO, THREE])
        self.assertTrue(all(server.text for server in snapshot.servers))
        self.stop()

    def test_reasonAtTheStart(self) -> None:
        """
        Where the first servers could not be used at the start, that is why another one is in use.
        """
        for refusing, reason in ((0, "start"), (1, "refused")):
            destination = self.make()
            for server in self.servers[:refusing]:
                server.refuse()
            destination.start()
            self.spend(1)
            self.assertEqual(snapshotOf(destination).reason, reason)
            self.stop()

    def test_numbers(self) -> None:
        """
        It shows what is stored, and counters that do not go on to change.
        """
        destination = self.start(failback=FailbackSettings(20, 2))
        destination.append(batch(b"one\ntwo\n", 2))
        self.clock.advance(0)
        self.one.stall()
        snapshot = snapshotOf(destination)
        self.assertEqual((snapshot.unsentBatches, snapshot.unsettledBatches), (0, 1))
        self.assertEqual((snapshot.goodProbes, snapshot.requiredProbes), (0, 2))
        self.assertEqual((snapshot.bufferCost, snapshot.bufferSize), (destination.store.cost, 64 * 1024 * 1024))
        destination.append(batch(b"three\n"))
        self.assertEqual((snapshot.counters.accepted, destination.counters.accepted), (2, 3))
        self.one.resume()
        self.stop()


class SecuredTests(DestinationCase):
    """
    When a crash of the relay can lose a batch no more.
    """

    def test_settled(self) -> None:
        """
        In memory, when it has settled; each once, in order, and beside those who wait for everything.
        """
        told: list[object] = []
        destination = self.start(delivery="written")
        for name in ("one", "two"):
            destination.append(batch(name.encode() + b"\n"), None, partial(told.append, name))
        destination.whenSettled().addCallback(lambda _: told.append("all"))
        self.assertEqual(told, [])
        self.spend(1)
        self.assertEqual(told, ["one", "two", "all"])
        self.stop()
        self.assertEqual(told, ["one", "two", "all"])

    def test_dropped(self) -> None:
        """
        What is given up is lost already, and waits for nothing.
        """
        told: list[str] = []
        destination = self.make(buffer=BufferSettings(2000, "drop-newest"))
        for name in ("kept", "dropped"):
            destination.append(batch(b"x" * 999 + b"\n", 1, OTHER), None, partial(told.append, name))
        self.assertEqual(told, ["dropped"])

    def test_givenUpLater(self) -> None:
        """
        So is what has to make room for newer messages.
        """
        told: list[str] = []
        destination = self.make(buffer=BufferSettings(2000, "drop-oldest"))
        for name in ("old", "new"):
            destination.append(batch(b"x" * 999 + b"\n", 1, OTHER), None, partial(told.append, name))
        self.assertEqual(told, ["old"])

    def test_durable(self) -> None:
        """
        What a store on disk has taken is safe, though no server has it.
        """
        told: list[str] = []
        destination = self.make()
        destination.store.durable = True
        destination.append(batch(b"one\n"), None, lambda: told.append("one"))
        self.assertEqual(told, ["one"])

    def test_accepted(self) -> None:
        """
        Whether it was taken is told, too, and first.
        """
        told: list[object] = []
        destination = self.start(delivery="written")
        destination.append(batch(b"one\n"), told.append, lambda: told.append("one"))
        self.assertEqual(told, [True])
        self.spend(1)
        self.assertEqual(told, [True, "one"])
        self.stop()

    def test_inParts(self) -> None:
        """
        A batch that is too large to be sent as a whole is secured with its last part.
        """
        told: list[str] = []
        destination = self.make(driver="relp", window=128)
        destination.append(batch(b"x\n" * 300, 300), None, lambda: told.append("all"))
        parts = destination.store.end
        self.assertGreater(parts, 1)
        for position in range(1, parts + 1):
            self.assertEqual(told, [])
            destination.store.next()
            destination.store.settle(position)
        self.assertEqual(told, ["all"])

    def test_stopped(self) -> None:
        """
        What is left at the end is not secured.
        """
        told: list[str] = []
        for server in self.servers:
            server.refuse()
        destination = self.start()
        destination.append(batch(b"one\n"), None, lambda: told.append("one"))
        self.stop()
        self.assertEqual(told, [])
