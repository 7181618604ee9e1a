"""
What a watchdog restarts a relay for, and what it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import BufferSettings, DestinationSettings, SpoolSettings
from logrelay.destination import Destination
from logrelay.events import EventLog
from logrelay.health import ANSWER, LOOK, SITTING, Health
from logrelay.servers import Server
from logrelay.testing import FakeServer

from .test_destination import DestinationCase, batch


class Threaded(Clock):
    """
    A clock, and the calls that threads want made.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        """
        See ``IReactorFromThreads``.
        """
        self._calls.put(partial(call, *arguments))

    def until(self, condition: Callable[[], bool]) -> None:
        """
        Make the calls that come, until something is so.
        """
        while not condition():
            self._calls.get(timeout=10)()


class SenderTests(DestinationCase):
    """
    A sender that could write, and does not, is ill.  Every other reason why nothing is written is not.
    """

    def watch(self, *destinations: Destination, on: Clock | None = None) -> Health:
        """
        Look at destinations, by the time of a clock; default: their own.
        """
        clock = on or self.clock
        health = Health(clock, lambda: destinations)
        health.start()
        self.addCleanup(lambda: self.assertEqual(clock.getDelayedCalls(), []))
        self.addCleanup(health.stop)
        return health

    def wait(self, health: Health, seconds: float = 2 * SITTING) -> tuple[str, ...]:
        """
        What is wrong after some seconds; nothing may have been before.
        """
        for _ in range(round(seconds)):
            self.assertEqual(health.ailments, ())
            self.spend(1)
        return health.ailments

    def test_sits(self) -> None:
        """
        One whose timer is lost could write: it is ill after 30 seconds, and well when it goes on.
        """
        relay = self.start(throttle=1)
        other = Clock()
        health = self.watch(relay, on=other)
        for _ in range(3):
            relay.append(batch(b"one\n"))
        self.assertEqual(relay.store.unsent, 2)
        other.pump([1.0] * int(SITTING))
        self.assertEqual(health.ailments, ())
        other.advance(1)
        self.assertEqual(health.ailments, ("central: the sender could write, and has not for 30 s",))
        self.spend(40)
        self.assertEqual(relay.store.unsent, 0)
        other.advance(LOOK)
        self.assertEqual(health.ailments, ())
        health.stop()
        self.stop()

    def test_idle(self) -> None:
        """
        One that has nothing to write is well.
        """
        health = self.watch(self.start())
        self.assertEqual(self.wait(health), ())
        health.stop()
        self.stop()

    def test_throttled(self) -> None:
        """
        One that may not write yet is well.
        """
        relay = self.start(throttle=0.01)
        relay.append(batch(b"one\n"))
        relay.append(batch(b"two\n"))
        health = self.watch(relay)
        self.assertEqual((self.wait(health), relay.store.unsent), ((), 1))
        health.stop()
        self.stop(40)

    def test_down(self) -> None:
        """
        Where no server is usable there is no sender to blame.
        """
        for server in self.servers:
            server.refuse()
        relay = self.start()
        relay.append(batch(b"one\n"))
        health = self.watch(relay)
        self.assertEqual((self.wait(health), relay.store.unsent), ((), 1))
        health.stop()
        self.stop(40)

    def test_stalled(self) -> None:
        """
        One whose servers do not read is well, with a store that is full.
        """
        for server in self.servers:
            server.stall()
        relay = self.start(buffer=BufferSettings(1024 * 1024))
        for _ in range(20):
            relay.append(batch(b"x" * 50_000 + b"\n"))
        health = self.watch(relay)
        self.assertEqual(self.wait(health), ())
        self.assertGreater(relay.store.unsent, 0)
        health.stop()
        self.stop(60)

    def test_ending(self) -> None:
        """
        One that ends its connection writes nothing more, and is well.
        """
        relay = self.start(drainTimeout=50)
        self.one.ignoreEnds()
        held = relay.factory.hold()
        relay.append(batch(b"one\n"))
        health = self.watch(relay)
        self.assertEqual((self.wait(health, 40), relay.store.unsent), ((), 1))
        self.spend(20)
        self.successResultOf(held)
        health.stop()
        self.stop(40)


class DiskTests(SynchronousTestCase):
    """
    A disk thread that does not answer is ill.
    """

    def test_hangs(self) -> None:
        """
        After ten seconds it is ill; when it answers again it is well.
        """
        clock = Threaded()
        spool = SpoolSettings(str(Path(self.mktemp()).absolute()), 4 * 1024 * 1024, "normal")
        settings = DestinationSettings("central", (Server("192.0.2.1", 601),), spool=spool)
        server = FakeServer(clock)
        server.refuse()
        watched = Destination(clock, settings, [server.endpoint], EventLog(), lambda *what: None)
        watched.open()
        watched.start()
        health = Health(clock, lambda: [watched])
        health.start()
        disk = watched.disk
        assert disk is not None
        # Whatever goes wrong here, its thread must not outlive the test.
        self.addCleanup(disk._end)
        for _ in range(3 * int(ANSWER)):
            clock.until(lambda: disk._pingedAt is None)
            clock.advance(LOOK)
            self.assertEqual(health.ailments, ())
        clock.until(lambda: disk._pingedAt is None)
        hanging = threading.Event()
        self.addCleanup(hanging.set)
        disk._run(hanging.wait, lambda _: None)
        # The question goes out at the first look.
        clock.pump([LOOK] * int(ANSWER / LOOK))
        self.assertEqual(health.ailments, ())
        clock.advance(LOOK)
        self.assertEqual(health.ailments, ("central: the disk thread of the spool has not answered for 10 s",))
        hanging.set()
        clock.until(lambda: disk._pingedAt is None)
        clock.advance(LOOK)
        self.assertEqual(health.ailments, ())
        health.stop()
        stopped = watched.stop(0)
        clock.until(lambda: disk._pool is None)
        self.successResultOf(stopped)
        self.assertEqual(clock.getDelayedCalls(), [])
