"""
What an operator orders of one destination.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from logrelay import events
from logrelay.config import FailbackSettings
from logrelay.destinationsnapshot import snapshotOf
from logrelay.errors import OrderRefused, RelayStopped
from logrelay.failover import Connected, Connecting, Idle, Returning, Waiting
from logrelay.orders import Probed

from .test_destination import ONE, THREE, TWO, batch
from .test_reconfigure import ReconfigureCase

T = TypeVar("T")

FAILBACK = FailbackSettings(5, 2)


class OrdersCase(ReconfigureCase):
    """
    A destination with three servers in memory, that is ordered about while messages come in.
    """

    def setUp(self) -> None:
        super().setUp()
        self.sent = b""

    def send(self, count: int = 1) -> None:
        """
        Hand in messages that can be told apart.
        """
        for _ in range(count):
            message = b"%d\n" % len(self.sent)
            self.sent += message
            self.destination.append(batch(message))

    def begin(self, order: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """
        Give an order.
        """
        return Deferred.fromCoroutine(order)

    def do(self, order: Coroutine[Deferred[Any], Any, T], seconds: float = 3) -> T:
        """
        Give an order, and wait until it is carried out.  Messages come in meanwhile.
        """
        done = self.begin(order)
        self.busy(seconds)
        return self.successResultOf(done)

    def refused(self, order: Coroutine[Deferred[Any], Any, Any], seconds: float = 3) -> str:
        """
        Give an order that is refused; why it is.
        """
        done = self.begin(order)
        self.busy(seconds)
        return str(self.failureResultOf(done, OrderRefused).value)

    def busy(self, seconds: float) -> None:
        """
        Let time pass, in which messages come in.
        """
        for _ in range(round(seconds * 10)):
            self.send()
            self.clock.advance(0.1)

    def place(self) -> int:
        """
        The server in use.
        """
        self.assertIsInstance(self.destination.factory.state, Connected)
        return self.destination.factory.rotation.current

    def end(self) -> None:
        """
        Stop; every message came once, and to nobody out of order.
        """
        self.stopAll()
        got = b"".join(server.received for server in self.known.values())
        lines = got.splitlines()
        self.assertEqual(sorted(map(int, lines)), sorted(map(int, self.sent.splitlines())))
        for server in self.known.values():
            numbers = list(map(int, server.received.splitlines()))
            self.assertEqual(numbers, sorted(numbers))
        self.assertEqual((self.destination.counters.resent, self.destination.store.messages), (0, 0))


class SwitchTests(OrdersCase):
    """
    ``switch``.
    """

    def test_connected(self) -> None:
        """
        The other server stands before the one in use is let go, and every message comes once.
        """
        destination = self.start()
        self.send(5)
        self.spend(0.5)
        done = self.begin(destination.orders.switch(1))
        self.busy(0.5)
        self.assertNoResult(done)
        self.assertEqual((self.place(), len(self.one.open), len(self.two.open)), (0, 1, 1))
        self.busy(2)
        self.successResultOf(done)
        self.assertEqual((self.place(), len(self.one.open), len(self.two.connections)), (1, 0, 1))
        snapshot = snapshotOf(destination)
        self.assertEqual((snapshot.active, snapshot.chosen, snapshot.reason), (TWO, True, "operator"))
        self.assertIn(events.Switched("central", ONE, TWO, "operator"), self.take())
        self.assertEqual(destination.counters.failures, {})
        self.end()
        self.assertTrue(self.two.received)

    def test_sameServer(self) -> None:
        """
        To switch to the server in use ends nothing; but it is a choice.
        """
        self.one.refuse()
        destination = self.start(failback=FAILBACK)
        self.spend(1)
        self.take()
        self.do(destination.orders.switch(1), 0.1)
        self.assertEqual((len(self.two.connections), snapshotOf(destination).chosen), (1, True))
        self.one.accept()
        self.busy(60)
        self.assertEqual((self.place(), self.one.attempts, self.kinds()), (1, 1, []))
        self.end()

    def test_primary(self) -> None:
        """
        The primary needs no choice to be kept.
        """
        destination = self.start()
        self.do(destination.orders.switch(0))
        self.do(destination.orders.switch(2))
        self.do(destination.orders.switch(0))
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (0, False))
        self.end()

    def test_deadServer(self) -> None:
        """
        A server that can't be used changes nothing, and the refusal says which of them, and why.
        """
        destination = self.start()
        self.send(3)
        for ruin, reason in ((self.two.refuse, "refused"), (self.two.lie, "tls-verify"), (self.two.slam, "eof")):
            ruin()
            why = self.refused(destination.orders.switch(1))
            self.assertTrue(why.startswith(f"{TWO} is not used: {reason}: "), why)
        self.two.hang()
        why = self.refused(destination.orders.switch(1), 12)
        self.assertTrue(why.startswith(f"{TWO} is not used: connect-timeout: "), why)
        self.assertEqual((self.place(), snapshotOf(destination).chosen, len(self.one.connections)), (0, False, 1))
        self.assertEqual(destination.counters.switches, 0)
        self.end()
        self.assertEqual(self.one.received, self.sent)

    def test_drainedServer(self) -> None:
        """
        A server that is drained is not used; the refusal says what to do.
        """
        destination = self.start()
        self.do(destination.orders.drain(1))
        self.assertEqual(self.refused(destination.orders.switch(1)), f"{TWO} is drained; undrain it first")
        self.assertEqual(self.place(), 0)
        self.end()

    def test_connecting(self) -> None:
        """
        An attempt that is under way is given up for the server that is wanted; without a probe, since nothing is in use
        that could be lost by it.
        """
        self.one.hang()
        destination = self.start()
        self.assertIsInstance(destination.factory.state, Connecting)
        self.do(destination.orders.switch(2), 0.1)
        self.spend(0.1)
        self.assertEqual((self.place(), self.two.attempts, snapshotOf(destination).chosen), (2, 0, True))
        self.end()
        self.assertEqual(self.three.received, self.sent)

    def test_waiting(self) -> None:
        """
        After a failed round the server that is wanted is tried at once.  If it can't be used either, the rotation goes
        on behind it.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start(timeReopen=60)
        self.assertIsInstance(destination.factory.state, Waiting)
        before = [server.attempts for server in self.servers]
        self.do(destination.orders.switch(1), 0.1)
        self.spend(0.1)
        self.assertEqual([server.attempts for server in self.servers], [each + 1 for each in before])
        self.assertFalse(snapshotOf(destination).chosen)
        self.three.accept()
        self.do(destination.orders.switch(2), 0.1)
        self.spend(0.1)
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (2, True))
        self.end()

    def test_returning(self) -> None:
        """
        While the stream moves back to the primary, a switch to another server wins.
        """
        self.one.refuse()
        destination = self.start(failback=FAILBACK)
        self.one.accept()
        self.two.ignoreEnds()
        self.spend(12)
        self.assertIsInstance(destination.factory.state, Returning)
        done = self.begin(destination.orders.switch(2))
        self.spend(8)
        self.successResultOf(done)
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (2, True))
        self.assertEqual((self.one.open, self.two.open), ([], []))
        self.stopAll()

    def test_itsServerFailsMeanwhile(self) -> None:
        """
        The server in use may fail while the other one is looked at: then that one comes next, whoever's turn it is.
        """
        destination = self.start()
        self.spend(11)
        done = self.begin(destination.orders.switch(2))
        self.spend(0.5)
        self.one.refuse()
        self.one.reset()
        self.spend(3)
        self.successResultOf(done)
        self.assertEqual((self.place(), len(self.three.open), self.two.open), (2, 1, []))
        self.send(3)
        self.spend(1)
        self.assertEqual(self.three.received, self.sent)
        self.stopAll()

    def test_theOtherFailsMeanwhile(self) -> None:
        """
        The other one may fail while the one in use ends: it is tried once more, and then the next.
        """
        destination = self.start()
        self.one.ignoreEnds()
        done = self.begin(destination.orders.switch(1))
        self.spend(2)
        self.assertNoResult(done)
        self.two.refuse()
        self.two.reset()
        self.spend(6)
        self.successResultOf(done)
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (2, False))
        self.stopAll()

    def test_untilItFails(self) -> None:
        """
        The choice ends when its server fails: the next comes, and with failback the primary is probed again.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.switch(1))
        self.busy(60)
        self.assertEqual((self.place(), destination.counters.probes), (1, 0))
        self.two.refuse()
        self.two.close()
        self.spend(0.5)
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (2, False))
        self.spend(12)
        self.assertEqual((self.place(), destination.reporter.why), (0, "failback"))
        self.stopAll()

    def test_stopped(self) -> None:
        """
        A relay that does not run takes no orders.
        """
        destination = self.make()
        orders = destination.orders
        for order in (orders.switch(1), orders.release(), orders.probe(1), orders.drain(1), orders.undrain(1)):
            self.failureResultOf(self.begin(order), RelayStopped)
        self.assertEqual((destination.factory.rotation.drained, self.clock.getDelayedCalls()), (set(), []))


class FailbackTests(OrdersCase):
    """
    ``failback``.
    """

    def test_withoutFailbackSettings(self) -> None:
        """
        The stream moves to the primary, also where it would never do so by itself.
        """
        destination = self.start()
        self.do(destination.orders.switch(1))
        self.do(destination.orders.release())
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (0, False))
        self.assertEqual([each.after for each in snapshotOf(destination).switches], [ONE, TWO])
        self.end()

    def test_withFailbackSettings(self) -> None:
        """
        It does not wait for probes; those go on as they do after a failure of the primary.
        """
        self.one.refuse()
        destination = self.start(failback=FAILBACK)
        self.spend(1)
        self.one.accept()
        self.do(destination.orders.release())
        self.assertEqual((self.place(), destination.counters.probes), (0, 0))
        self.end()

    def test_deadPrimary(self) -> None:
        """
        If the primary can't be used the server in use stays, but it is no choice any more: the primary is probed, and
        returned to when it is back.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.switch(1))
        self.one.refuse()
        why = self.refused(destination.orders.release())
        self.assertTrue(why.startswith(f"{ONE}, the primary, is not used: refused: "), why)
        self.assertEqual((self.place(), snapshotOf(destination).chosen), (1, False))
        self.one.accept()
        self.busy(15)
        self.assertEqual((self.place(), destination.counters.probes), (0, 2))
        self.end()

    def test_drainedPrimary(self) -> None:
        """
        A primary that is drained is not returned to, though nothing is a choice any more.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.drain(0))
        self.do(destination.orders.switch(2))
        self.assertEqual(
            self.refused(destination.orders.release()), f"{ONE}, the primary, is drained; undrain it first"
        )
        self.busy(30)
        self.assertEqual((self.place(), snapshotOf(destination).chosen, destination.counters.probes), (2, False, 0))
        self.end()

    def test_onThePrimary(self) -> None:
        """
        On the primary nothing is done.
        """
        destination = self.start()
        self.do(destination.orders.release())
        self.assertEqual((self.place(), len(self.one.connections)), (0, 1))
        self.end()


class ProbeTests(OrdersCase):
    """
    ``probe``.
    """

    def test_good(self) -> None:
        """
        A good server is told of, with the time that took, and not used.
        """
        destination = self.start()
        found = self.do(destination.orders.probe(2))
        self.assertEqual(found, Probed(THREE, "", "it connects, and keeps the connection", found.seconds))
        self.assertTrue(1 <= found.seconds < 1.3, found)
        self.assertEqual((self.place(), self.three.open, destination.counters.probes), (0, [], 0))
        self.end()
        self.assertEqual(self.three.received, b"")

    def test_bad(self) -> None:
        """
        Of a bad one it is told what is wrong.
        """
        destination = self.start()
        for ruin, reason in ((self.two.refuse, "refused"), (self.two.lie, "tls-verify"), (self.two.slam, "eof")):
            ruin()
            found = self.do(destination.orders.probe(1))
            self.assertEqual((found.server, found.reason), (TWO, reason))
            self.assertTrue(found.text)
        self.assertEqual(destination.counters.failures, {})
        self.end()

    def test_whileNothingIsConnected(self) -> None:
        """
        It can be made while no server is in use.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start()
        self.two.slam()
        self.assertEqual(self.do(destination.orders.probe(1), 0.5).reason, "eof")
        self.stopAll()


class DrainTests(OrdersCase):
    """
    ``drain`` and ``undrain``.
    """

    def test_active(self) -> None:
        """
        The stream moves to the next server, which stands before the one in use is let go; every message comes once.
        """
        destination = self.start()
        done = self.begin(destination.orders.drain(0))
        self.busy(0.5)
        self.assertEqual((self.place(), len(self.two.open)), (0, 1))
        self.busy(2)
        self.successResultOf(done)
        self.assertEqual((self.place(), self.one.open, len(self.two.connections)), (1, [], 1))
        snapshot = snapshotOf(destination)
        self.assertEqual([server.state for server in snapshot.servers], ["drained", "active", "standby"])
        self.assertEqual((snapshot.chosen, snapshot.reason), (False, "operator"))
        self.end()

    def test_activeAndNextIsDead(self) -> None:
        """
        If the next one can't be used, the one behind it is.
        """
        destination = self.start()
        self.two.refuse()
        self.do(destination.orders.drain(0))
        self.assertEqual(self.place(), 2)
        self.end()

    def test_activeAndAllOthersAreDead(self) -> None:
        """
        If none of the others can be used the server is drained all the same, and messages wait: that was ordered.
        """
        destination = self.start(timeReopen=1)
        for server in self.servers[1:]:
            server.refuse()
        self.do(destination.orders.drain(0))
        self.assertNotIsInstance(destination.factory.state, Connected)
        attempts = self.one.attempts
        self.busy(5)
        self.assertEqual(self.one.attempts, attempts)
        self.do(destination.orders.undrain(0), 0.1)
        self.busy(5)
        self.assertEqual(self.place(), 0)
        self.end()

    def test_undrainedWhileNoneIsUsable(self) -> None:
        """
        A server that may be used again is not kept waiting for the wait that is due to the others; why the last one was
        left stays known.
        """
        destination = self.start()
        self.do(destination.orders.drain(0))
        for server in self.servers[1:]:
            server.refuse()
            server.close()
        self.spend(60)
        while not (isinstance(state := destination.factory.state, Waiting) and state.until > self.clock.seconds() + 3):
            self.spend(0.1)
        self.do(destination.orders.undrain(0), 1)
        self.assertEqual((self.place(), destination.reporter.why), (0, "eof"))
        self.stopAll()

    def test_another(self) -> None:
        """
        One that is not in use is only left out from now on.
        """
        destination = self.start()
        self.do(destination.orders.drain(1), 0.1)
        self.assertEqual((self.place(), self.two.attempts), (0, 0))
        self.one.refuse()
        self.one.close()
        self.spend(0.5)
        self.assertEqual((self.place(), self.two.attempts), (2, 0))
        self.three.refuse()
        self.three.close()
        self.spend(20)
        self.assertEqual(self.two.attempts, 0)
        self.stopAll()

    def test_thePrimary(self) -> None:
        """
        A primary that is drained is not probed, and is from an interval after it is undrained.
        """
        self.one.refuse()
        destination = self.start(failback=FAILBACK)
        self.one.accept()
        self.do(destination.orders.drain(0), 0.1)
        self.busy(30)
        self.assertEqual((self.place(), destination.counters.probes), (1, 0))
        self.do(destination.orders.undrain(0), 0.1)
        self.busy(4.8)
        self.assertEqual(destination.counters.probes, 0)
        self.busy(8)
        self.assertEqual((self.place(), destination.counters.probes), (0, 2))
        self.end()

    def test_thePrimaryOnTheWayThere(self) -> None:
        """
        A primary that the stream is moving to is not used.
        """
        self.one.refuse()
        destination = self.start(failback=FAILBACK)
        self.one.accept()
        self.two.ignoreEnds()
        self.spend(12)
        self.assertIsInstance(destination.factory.state, Returning)
        done = self.begin(destination.orders.drain(0))
        self.spend(8)
        self.successResultOf(done)
        self.assertEqual((self.place(), self.one.open), (1, []))
        self.send(3)
        self.spend(1)
        self.assertEqual(self.two.connections[-1].received, self.sent)
        self.stopAll()

    def test_last(self) -> None:
        """
        The last one stays, whatever else it is.
        """
        destination = self.start()
        self.do(destination.orders.drain(1))
        self.do(destination.orders.drain(0))
        self.assertEqual(self.place(), 2)
        self.assertEqual(
            self.refused(destination.orders.drain(2)),
            f"{THREE} is the last server that is not drained, and has to stay",
        )
        self.do(destination.orders.drain(0), 0.1)
        self.assertEqual((self.place(), destination.factory.rotation.drained), (2, {0, 1}))
        self.end()

    def test_connectingAndWaiting(self) -> None:
        """
        One that is being tried is given up for the next; so is one that is waited for.
        """
        self.one.hang()
        self.two.refuse()
        self.three.refuse()
        destination = self.start(timeReopen=60)
        self.do(destination.orders.drain(0), 0.1)
        self.spend(0.1)
        self.assertIsInstance(destination.factory.state, Waiting)
        self.three.accept()
        current = destination.factory.rotation.current
        self.assertEqual(current, 1)
        self.do(destination.orders.drain(1), 0.1)
        self.spend(0.1)
        self.assertEqual((self.place(), self.one.attempts), (2, 1))
        self.end()

    def test_itFailsMeanwhile(self) -> None:
        """
        The server to be drained may fail while the next one is looked at.
        """
        destination = self.start()
        self.spend(11)
        done = self.begin(destination.orders.drain(0))
        self.spend(0.5)
        self.one.refuse()
        self.one.reset()
        self.spend(3)
        self.successResultOf(done)
        self.assertEqual((self.place(), destination.factory.rotation.drained), (1, {0}))
        self.assertEqual(len(self.two.open), 1)
        self.stopAll()


class LifeTests(OrdersCase):
    """
    What orders survive, and what ends them.
    """

    def test_reload(self) -> None:
        """
        A choice, and what is drained, survive another list of servers.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.switch(2))
        self.do(destination.orders.drain(1))
        self.changed("four", "three", "two", "one", failback=FAILBACK)
        snapshot = snapshotOf(destination)
        self.assertEqual(
            [(server.name, server.state) for server in snapshot.servers],
            [("four:601", "standby"), (THREE, "active"), (TWO, "drained"), (ONE, "standby")],
        )
        self.assertTrue(snapshot.chosen)
        self.busy(30)
        self.assertEqual((self.place(), destination.counters.probes), (1, 0))
        self.three.refuse()
        self.three.close()
        self.spend(0.5)
        self.assertEqual((self.active(), self.two.attempts), (ONE, 0))
        self.stopAll()

    def test_reloadWithoutTheChosen(self) -> None:
        """
        A choice ends with its server; the first server that is not drained comes next.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.switch(2))
        self.do(destination.orders.drain(0))
        done = self.change("one", "two", failback=FAILBACK)
        self.busy(2)
        self.successResultOf(done)
        self.assertEqual((self.active(), snapshotOf(destination).chosen, len(self.one.connections)), (TWO, False, 1))
        self.end()

    def test_reloadWithoutTheDrained(self) -> None:
        """
        A drained server that is not listed is forgotten, and usable when it is listed again.
        """
        destination = self.start()
        self.do(destination.orders.drain(1))
        self.changed("one", "three")
        self.changed("one", "two", "three")
        self.assertEqual(destination.factory.rotation.drained, set())
        self.end()

    def test_reloadLeavesOnlyTheDrained(self) -> None:
        """
        Where only drained servers are left they may be used: a list of which none may be used is no list.
        """
        destination = self.start()
        self.do(destination.orders.drain(1))
        done = self.change("two")
        self.busy(2)
        self.successResultOf(done)
        self.assertEqual((self.active(), destination.factory.rotation.drained), (TWO, set()))
        self.end()

    def test_restart(self) -> None:
        """
        Orders do not survive a restart.
        """
        destination = self.start(failback=FAILBACK)
        self.do(destination.orders.switch(2))
        self.do(destination.orders.drain(0))
        self.end()
        destination.start()
        self.clock.advance(0)
        self.assertEqual((self.place(), destination.factory.rotation.drained), (0, set()))
        self.assertFalse(snapshotOf(destination).chosen)
        self.stopAll()

    def test_stopCancels(self) -> None:
        """
        A stop ends what is under way, whatever that is; nothing is left behind.
        """
        for name in ("switch", "drain", "probe"):
            for seconds in (0, 0.5, 1.2):
                self.setUp()
                destination = self.start()
                self.two.hang()
                if seconds == 1.2:
                    self.two.accept()
                    self.one.ignoreEnds()
                done = self.begin(getattr(destination.orders, name)(0 if name == "drain" else 1))
                self.spend(seconds)
                self.stop()
                if name != "probe" or seconds != 1.2:
                    self.failureResultOf(done, RelayStopped)
                self.assertIsInstance(destination.factory.state, Idle)

    def test_nothingNewWhileItStops(self) -> None:
        """
        While what is stored is still delivered, nothing more is begun.
        """
        destination = self.start()
        self.one.stall()
        destination.append(batch(b"x" * 60000 + b"\n"))
        destination.append(batch(b"y" * 60000 + b"\n"))
        self.spend(0.2)
        stopped = destination.stop(5)
        self.assertNoResult(stopped)
        self.failureResultOf(self.begin(destination.orders.switch(1)), RelayStopped)
        self.failureResultOf(self.begin(destination.orders.probe(1)), RelayStopped)
        self.assertEqual(self.two.attempts, 0)
        self.one.resume()
        self.spend(10)
        self.successResultOf(stopped)
