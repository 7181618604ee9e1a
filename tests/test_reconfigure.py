"""
A destination that gets other settings while it works.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import attrs

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import BufferSettings, FailbackSettings
from logrelay.deadletters import DeadLetters
from logrelay.destinationsnapshot import snapshotOf
from logrelay.encoding import encode
from logrelay.failover import Connected, Connecting, Waiting
from logrelay.servers import Server
from logrelay.testing import FakeServer

from .test_destination import ONE, ORIGIN, THREE, TWO, DestinationCase, batch

#: The servers' names, as settings have them.
NAMES = {ONE: "one", TWO: "two", THREE: "three", "four:601": "four"}

#: So many stories, of so many things that happen each.
STORIES, STEPS = 100, 40

FAILBACK = FailbackSettings(3, 1)


class ReconfigureCase(DestinationCase):
    """
    A destination, and how to change it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.known: dict[str, FakeServer] = dict(zip(("one", "two", "three"), self.servers, strict=True))
        self.known["four"] = FakeServer(self.clock)

    def change(self, *names: str, **changes: Any) -> Any:
        """
        Have other servers, or other options.
        """
        before = self.destination.settings
        if names:
            changes["servers"] = tuple(Server(name, 601) for name in names)
        after = attrs.evolve(before, **changes)
        self.servers = [self.known[server.host] for server in after.servers]
        done = self.destination.reconfigure(after, [server.endpoint for server in self.servers])
        return done

    def changed(self, *names: str, **changes: Any) -> None:
        """
        Have them at once: nothing has to end for that.
        """
        self.successResultOf(self.change(*names, **changes))

    def kinds(self) -> list[str]:
        """
        The kinds of events that were told since the last call.
        """
        return [type(event).__name__ for event in self.take()]

    def active(self) -> str | None:
        """
        The server in use.
        """
        return snapshotOf(self.destination).active

    def stopAll(self) -> None:
        """
        Stop; nothing may be left anywhere.
        """
        done = self.destination.stop(30)
        self.spend(8)
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual([server.open for server in self.known.values()], [[]] * 4)


class ConnectionTests(ReconfigureCase):
    """
    Which connections stay, and where others go.
    """

    def test_stays(self) -> None:
        """
        A connection stays while its server is listed and is talked to in the same way, a failover's too; so does what
        it has not settled, and nothing is sent again.
        """
        self.one.refuse()
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.spend(0.2)
        self.take()
        self.changed("four", "two", "one", timeReopen=5, format="as-is", localip="127.0.0.1")
        self.changed("two")
        self.spend(1)
        destination.append(batch(b"two\n"))
        self.spend(1)
        self.assertEqual((len(self.two.connections), self.two.received), (1, b"one\ntwo\n"))
        self.assertEqual((self.kinds(), self.active(), destination.counters.resent), ([], TWO, 0))
        self.stopAll()
        self.assertEqual(destination.counters.unconfirmed, 0)

    def test_sameServer(self) -> None:
        """
        If it is talked to in another way the connection ends gracefully, which settles everything, and opens again on
        the same server, wherever that is listed now.  That is no switch.
        """
        self.one.refuse()
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.spend(0.2)
        self.one.accept()
        self.take()
        done = self.change("one", "three", "two", driver="network", framing=Framing.OCTET_COUNTING)
        self.assertNoResult(done)
        self.spend(1)
        self.successResultOf(done)
        self.assertEqual((self.active(), destination.counters.switches), (TWO, 0))
        self.assertEqual((self.two.connections[0].ended, destination.store.messages), ("eof", 0))
        self.assertEqual(self.kinds(), ["Connected"])
        self.stopAll()

    def test_elseTheFirst(self) -> None:
        """
        If its server is not listed any more, the first one comes next: a switch for the reason ``reload``.
        """
        destination = self.start()
        self.take()
        done = self.change("four", "two")
        self.spend(1)
        self.successResultOf(done)
        told = self.take()
        self.assertEqual(told[1:], [events.Switched("central", ONE, "four:601", "reload")])
        self.assertEqual((self.active(), destination.counters.switches), ("four:601", 1))
        self.stopAll()

    def test_noneIsLost(self) -> None:
        """
        What arrives while the connection ends waits, and goes to the next server behind what was not settled, though
        the old one does not answer.
        """
        self.one.ignoreEnds()
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.spend(0.2)
        done = self.change("two")
        destination.append(batch(b"two\n"))
        self.spend(6)
        self.successResultOf(done)
        self.assertEqual(self.two.received, b"one\ntwo\n")
        self.assertEqual(destination.counters.resent, 1)
        self.stopAll()

    def test_whileConnecting(self) -> None:
        """
        An attempt at a server that stays goes on; one at another is given up for the first of the list.
        """
        self.one.hang()
        self.start()
        self.changed("two", "one")
        self.assertIsInstance(self.destination.factory.state, Connecting)
        self.assertEqual((self.one.attempts, self.two.attempts), (1, 0))
        done = self.change("two", "three")
        self.spend(0.2)
        self.successResultOf(done)
        self.assertEqual((self.active(), self.kinds()), (TWO, ["Connected"]))
        self.stopAll()

    def test_whileWaiting(self) -> None:
        """
        A new list is tried at once, an unchanged one when its time has come.
        """
        for server in self.servers:
            server.refuse()
        self.start()
        self.spend(10)
        state = self.destination.factory.state
        assert isinstance(state, Waiting)
        self.changed(throttle=50)
        self.assertEqual(self.destination.factory.state, state)
        self.changed("one", "four")
        self.spend(0.2)
        self.assertEqual(self.active(), "four:601")
        self.stopAll()

    def test_whilePaused(self) -> None:
        """
        A server that does not read is given the time of a graceful end, and then its data goes to the next one.
        """
        destination = self.start()
        self.one.stall()
        payload = b"x" * 999 + b"\n"
        for _ in range(500):
            destination.append(batch(payload))
        self.spend(1)
        done = self.change("two")
        self.spend(6)
        self.successResultOf(done)
        self.spend(1)
        self.assertEqual(self.two.received, payload * 500)
        self.stopAll()

    def test_whileStopping(self) -> None:
        """
        A stop that comes meanwhile ends everything.
        """
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.spend(0.2)
        done = self.change("two")
        stopped = destination.stop(30)
        self.spend(6)
        self.successResultOf(done)
        self.successResultOf(stopped)
        self.assertEqual(self.one.received, b"one\n")
        self.assertEqual((self.clock.getDelayedCalls(), destination.store.messages), ([], 0))
        self.assertEqual(snapshotOf(destination).state, "idle")

    def test_notStarted(self) -> None:
        """
        Before it starts it can be changed as well.
        """
        self.make()
        self.changed("four", "one")
        self.destination.start()
        self.spend(0.2)
        self.assertEqual(self.active(), "four:601")
        self.stopAll()


class FramingTests(ReconfigureCase):
    """
    Stored batches keep their form, and are framed as the server wants them now.
    """

    def check(self, before: Framing, after: Framing, sent: bytes, expected: bytes) -> None:
        """
        Have messages stored in one framing, part of them sent and not confirmed, and change it.
        """
        destination = self.start()
        done = self.change(framing=before)
        self.spend(1)
        self.successResultOf(done)
        self.one.ignoreEnds()
        messages = [b"<13>one", b"<13>two\nlines", b"<13>three"]
        for each in messages if before is Framing.OCTET_COUNTING else messages[::2]:
            [one] = encode([each], before, ORIGIN)
            destination.append(one)
        self.spend(0.3)
        self.assertEqual(self.one.connections[-1].received, sent)
        done = self.change("two", framing=after)
        self.spend(6)
        self.successResultOf(done)
        self.assertEqual(self.two.received, expected)
        self.stopAll()
        self.assertEqual((destination.counters.settled, destination.store.messages), (len(sent.split(b"<13>")) - 1, 0))

    def test_toCounts(self) -> None:
        """
        Lines become counted frames.
        """
        self.check(Framing.LF, Framing.OCTET_COUNTING, b"<13>one\n<13>three\n", b"7 <13>one9 <13>three")

    def test_toLines(self) -> None:
        """
        Counted frames become lines, each LF in a message a space.
        """
        self.check(
            Framing.OCTET_COUNTING,
            Framing.LF,
            b"7 <13>one13 <13>two\nlines9 <13>three",
            b"<13>one\n<13>two lines\n<13>three\n",
        )

    def test_toRelp(self) -> None:
        """
        With another driver another kind of sender takes over, of batches that were lines.
        """
        self.two.ignoreEnds()
        destination = self.start()
        self.one.stall()
        destination.append(batch(b"<13>one\n"))
        done = self.change("two", driver="relp", delivery="relp", framing=Framing.OCTET_COUNTING)
        self.spend(7)
        self.successResultOf(done)
        self.assertIn(b"2 syslog 7 <13>one\n", self.two.received)
        self.destination.stop(0)
        self.spend(8)


class MemoryTests(ReconfigureCase):
    """
    What is remembered of servers goes with them.
    """

    def test_failures(self) -> None:
        """
        Why servers were given up is shown at their new places; of others nothing is known.
        """
        self.one.refuse()
        self.two.lie()
        self.start()
        self.changed("three", "four", "one")
        shown = [(each.name, each.active, each.reason) for each in snapshotOf(self.destination).servers]
        self.assertEqual(shown, [(THREE, True, ""), ("four:601", False, ""), (ONE, False, "refused")])
        self.stopAll()

    def test_refusingCheckpoints(self) -> None:
        """
        A server that does not answer checkpoints is known by its identity; over another transport it may answer.
        """
        destination = self.start(checkpoint=1)
        self.one.ignoreEnds()
        destination.append(batch(b"one\n"))
        self.spend(6)
        self.assertIn("CheckpointRefused", self.kinds())
        self.assertEqual(destination._refusing, {0})
        self.changed("two", "four", "one")
        self.assertEqual(destination._refusing, {2})
        self.change(framing=Framing.OCTET_COUNTING)
        self.spend(6)
        self.assertEqual(destination._refusing, set())
        self.stopAll()

    def test_refusals(self) -> None:
        """
        Which servers have refused a message is known by their identities.
        """
        destination = self.start()
        destination.delivery.refusals = {5: {b"bad": [0, 1, 0], b"worse": [2]}}
        self.changed("two", "one")
        self.assertEqual(destination.delivery.refusals, {5: {b"bad": [1, 0, 1], b"worse": []}})
        self.stopAll()

    def test_duringASearch(self) -> None:
        """
        A search for a poison message goes on over another list of servers, and sets aside that message alone.
        """
        self.known["two"], self.known["four"] = _Allergic(self.clock), _Allergic(self.clock)
        self.known["one"] = _Allergic(self.clock)
        self.servers = [self.known[name] for name in ("one", "two", "three")]
        self.one, self.two, self.three = self.servers
        self.three.refuse()
        destination = self.start()
        destination._drops.deadLetters = DeadLetters(Path(self.mktemp()), "central", self.clock.seconds)
        for number in range(20):
            destination.append(batch(b"poison\n" if number == 7 else b"fine %02d\n" % number))
        while not destination.delivery.search.active(destination.store.settled):
            self.look(0.1)
        self.look(1)
        done = self.change("four", "two")
        self.look(8)
        self.successResultOf(done)
        self.look(60)
        self.assertEqual((destination.counters.setAside, destination.store.messages), (1, 0))
        received = b"".join(server.received for server in self.known.values())
        self.assertEqual(
            {b"fine %02d" % number for number in range(20) if number != 7} - set(received.split(b"\n")), set()
        )
        self.stopAll()

    def look(self, seconds: float) -> None:
        """
        Let time pass, and servers choke.
        """
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            for server in self.known.values():
                if isinstance(server, _Allergic):
                    server.choke()


class _Allergic(FakeServer):
    """
    A server that resets connections at a message.
    """

    def choke(self) -> None:
        """
        Look at what has come.
        """
        for connection in self.open:
            if b"poison" in connection.received:
                connection.reset()


class PolicyTests(ReconfigureCase):
    """
    Everything else applies at once.
    """

    def test_throttle(self) -> None:
        """
        Its rate can be changed, and it can be done without.
        """
        destination = self.start(throttle=10)
        for number in range(200):
            destination.append(batch(b"%03d\n" % number))
        self.spend(1)
        slow = len(self.one.received.splitlines())
        self.assertLess(slow, 15)
        self.changed(throttle=50)
        self.clock.pump([0.01] * 100)
        faster = len(self.one.received.splitlines()) - slow
        self.assertTrue(45 <= faster <= 56, faster)
        self.changed(throttle=0)
        self.spend(0.5)
        self.assertEqual(len(self.one.received.splitlines()), 200)
        self.assertEqual(len(self.one.connections), 1)
        self.stopAll()

    def test_buffer(self) -> None:
        """
        A smaller buffer is full at once, and a larger one not any more; decoders' remainders count by the new size.
        """
        small = BufferSettings(600_000)
        for server in self.servers:
            server.refuse()
        destination = self.start()
        store, happened = destination.store, []
        store.onFull = lambda: happened.append("full")
        store.onRoom = lambda: happened.append("room")
        destination.hold(200_000)
        destination.append(batch(b"x" * 480_000 + b"\n"))
        before = store.cost
        self.changed(buffer=small)
        self.assertEqual((happened, before - store.cost), (["full"], 200_000 - 75_000))
        self.changed(buffer=BufferSettings())
        self.assertEqual((happened, store.cost), (["full", "room"], before))
        destination.hold(-200_000)
        self.stopAll()

    def test_overflow(self) -> None:
        """
        Another overflow policy is that of the next batch.
        """
        for server in self.servers:
            server.refuse()
        destination = self.start(buffer=BufferSettings(600_000, "drop-newest"))
        large = batch(b"x" * 400_000 + b"\n")
        destination.append(large)
        destination.append(large)
        self.assertEqual(destination.counters.dropped["overflow"], 1)
        self.changed(buffer=BufferSettings(600_000, "block"))
        destination.append(large)
        self.assertEqual((destination.counters.dropped["overflow"], destination.store.messages), (1, 2))
        self.stopAll()

    def test_timeouts(self) -> None:
        """
        The patience with a server that takes nothing changes on the connection in use.
        """
        destination = self.start()
        self.changed(ackTimeout=3)
        self.one.vanish()
        destination.append(batch(b"one\n"))
        self.spend(2.8)
        self.assertIsInstance(destination.factory.state, Connected)
        self.spend(0.5)
        self.assertEqual(destination.counters.failures, {"ack-timeout": 1})
        self.stopAll()

    def test_level(self) -> None:
        """
        From another level on, what is out settles as that says.
        """
        destination = self.start()
        destination.append(batch(b"one\n"))
        self.spend(1)
        self.assertEqual(destination.counters.settled, 0)
        self.changed(delivery="acked")
        self.spend(0.3)
        self.assertEqual(destination.counters.settled, 1)
        self.changed(delivery="replay")
        destination.append(batch(b"two\n"))
        self.spend(1)
        self.assertEqual(destination.counters.settled, 1)
        self.stopAll()

    def test_failback(self) -> None:
        """
        The way back to the primary is looked for from now on.
        """
        self.one.refuse()
        self.start()
        self.one.accept()
        self.spend(30)
        self.changed(failback=FailbackSettings(10, 1))
        self.spend(15)
        self.assertEqual(self.active(), ONE)
        self.stopAll()

    def test_form(self) -> None:
        """
        The form of messages is told anew.
        """
        destination = self.make()
        self.changed(format="as-is", maxMessageSize=1000, stamp="logrelay@1", oversize="drop")
        form = destination.form
        self.assertEqual(
            (form.format, form.maxMessageSize, form.stamp, form.oversize), ("as-is", 1000, "logrelay@1", "drop")
        )


class StressTests(ReconfigureCase):
    """
    Stories by chance, told again by their numbers.
    """

    def test_nothingIsLost(self) -> None:
        """
        Whatever happens in whatever order, every message arrives in the end, at a server of the last list, or arrived
        at one before; and then nothing is left.
        """
        for story in range(STORIES):
            self.setUp()
            self.tell(random.Random(story), story)

    def tell(self, chance: random.Random, story: int) -> None:
        """
        One story.
        """
        destination = self.start(timeReopen=1, ackTimeout=2, stallTimeout=4, drainTimeout=1)
        expected: list[bytes] = []
        done = None
        for _ in range(STEPS):
            match chance.choice(("append", "append", "change", "server", "wait", "wait")):
                case "append":
                    messages = [b"<13>m%05d" % (len(expected) + number) for number in range(chance.randint(1, 40))]
                    expected += messages
                    for batch in encode(messages, destination.settings.framing, ORIGIN):
                        destination.append(batch)
                case "change" if done is None or done.called:
                    names = chance.sample(["one", "two", "three", "four"], chance.randint(1, 4))
                    done = self.change(
                        *names,
                        framing=chance.choice(list(Framing)),
                        failback=chance.choice((None, FAILBACK)),
                        throttle=chance.choice((0, 500)),
                        buffer=BufferSettings(chance.choice((1, 64)) * 1024 * 1024),
                    )
                case "server":
                    self.trouble(chance, chance.choice(list(self.known.values())))
                case _:
                    self.spend(chance.choice((0.1, 0.5, 3)))
        for server in self.known.values():
            server.accept()
            server.resume()
        self.spend(30)
        self.assertTrue(done is None or done.called, story)
        received = b"".join(server.received for server in self.known.values())
        missing = [each for each in expected if each not in received]
        self.assertEqual(missing, [], story)
        self.stopAll()
        self.assertEqual(destination.store.messages, 0, story)

    def trouble(self, chance: random.Random, server: FakeServer) -> None:
        """
        Something happens to a server.
        """
        happening = ("refuse", "accept", "accept", "hang", "stall", "resume", "reset", "close", "lie", "slam")
        getattr(server, chance.choice(happening))()
