"""
The search for a poison message, with servers in memory: what arrives, what is set aside, and what must not be.
"""

from __future__ import annotations

import random

from twisted.internet.task import Clock

from logrelay.batches import Framing
from logrelay.config import MIB
from logrelay.encoding import encode
from logrelay.memory import FakeConnection
from logrelay.testing import FakeServer

from .test_sender import ORIGIN, SenderCase

#: What no server takes.
POISON = b"poison"


class AllergicServer(FakeServer):
    """
    Closes a connection when it has read a line that says so, and takes nothing behind it.

    :ivar well: whether it does not.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.well = False
        self.looked: dict[FakeConnection, int] = {}

    def look(self) -> None:
        """
        Look at what came.
        """
        for connection in self.open:
            found = connection.received.find(POISON)
            if found >= 0 and not self.well:
                connection.received = connection.received[:found]
                connection.close()

    @property
    def lines(self) -> list[bytes]:
        """
        The messages that it took: whole lines.
        """
        return [
            line for connection in self.connections for line in connection.received.split(b"\n")[:-1] if line.strip()
        ]


class SearchCase(SenderCase):
    """
    A relay with servers that are allergic to a message.
    """

    def setUp(self) -> None:
        super().setUp()
        self.servers = [AllergicServer(self.clock), AllergicServer(self.clock)]
        self.first, self.second = self.servers

    def put(self, *messages: bytes) -> None:
        """
        Append one batch.
        """
        for batch in encode(list(messages), Framing.LF, ORIGIN):
            self.relay.store.append(batch)

    def run_(self, seconds: float, step: float = 0.02) -> None:
        """
        Let time pass.
        """
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            for server in self.servers:
                assert isinstance(server, AllergicServer)
                server.look()

    @property
    def received(self) -> set[bytes]:
        """
        What any server took.
        """
        return {line for server in self.servers for line in server.lines}  # type: ignore[attr-defined]


def messages(count: int, start: int = 0) -> list[bytes]:
    """
    Messages that can be told apart.
    """
    return [b"message %05d" % number for number in range(start, start + count)]


class PoisonTests(SearchCase):
    """
    Spec 3.6.
    """

    def check(self, batches: list[list[bytes]], poison: list[bytes], seconds: float = 60) -> None:
        """
        Only the poison is set aside, and all else arrives.
        """
        self.start()
        for batch in batches:
            self.put(*batch)
        self.run_(seconds)
        self.assertEqual(self.relay.setAside, poison)
        wanted = {message for batch in batches for message in batch} - set(poison)
        self.assertEqual(wanted - self.received, set())
        self.assertEqual(len(self.relay.searches), 1)

    def test_inTheMiddle(self) -> None:
        """
        Among many.
        """
        many = messages(400)
        many[137] = POISON
        self.check([many[start : start + 20] for start in range(0, 400, 20)], [POISON])

    def test_first(self) -> None:
        """
        The very first one.
        """
        self.check([[POISON, *messages(30)], messages(30, 100)], [POISON])

    def test_alone(self) -> None:
        """
        Alone in its batch, before others.
        """
        self.check([[POISON], messages(30)], [POISON])

    def test_last(self) -> None:
        """
        The very last one, with nothing behind it that could be evidence: what the server confirmed before has to do.
        """
        self.check([messages(30), [*messages(30, 100), POISON]], [POISON])

    def test_several(self) -> None:
        """
        Several, two of them side by side.
        """
        many = messages(200)
        for place in (20, 21, 150):
            many[place] = POISON + b"%d" % place
        self.check([many[start : start + 50] for start in range(0, 200, 50)], [many[20], many[21], many[150]], 120)

    def test_newOnesGoOn(self) -> None:
        """
        What comes while it searches arrives too, in its order.
        """
        self.start()
        self.put(*messages(50), POISON, *messages(50, 50))
        for number in range(100):
            self.put(*messages(1, 1000 + number))
            self.run_(0.5)
        self.run_(20)
        self.assertEqual(self.relay.setAside, [POISON])
        self.assertEqual({*messages(100), *messages(100, 1000)} - self.received, set())
        for server in self.servers:
            for connection in server.connections:
                lines = connection.received.split(b"\n")[:-1]
                self.assertEqual(lines, sorted(lines))


class InnocentTests(SearchCase):
    """
    What is no poison.
    """

    def test_outage(self) -> None:
        """
        All servers accept and close at once, for as long as they like: nothing is set aside, and nothing is lost.
        """
        for server in self.servers:
            server.slam()
        self.start()
        self.put(*messages(50))
        self.put(*messages(50, 50))
        self.run_(600, 0.5)
        self.assertEqual((self.relay.setAside, self.received), ([], set()))
        self.second.accept()
        self.run_(80)
        self.assertEqual((self.relay.setAside, set(messages(100)) - self.received), ([], set()))
        self.assertEqual(self.relay.store.settled, self.relay.store.end)

    def test_restarts(self) -> None:
        """
        Servers that are restarted again and again, at any moment of the search.
        """
        chance = random.Random(5)
        self.start(replayMax=MIB)
        for turn in range(100):
            self.put(*messages(10, 10 * turn))
            self.run_(chance.uniform(0.2, 6))
            for server in self.servers:
                server.reset()
        self.run_(30)
        self.assertEqual((self.relay.setAside, set(messages(1000)) - self.received), ([], set()))

    def test_cannotWrite(self) -> None:
        """
        While the dead-letter file cannot be written, the message stays, and goes when it can.
        """
        self.start()
        self.relay.writable = False
        self.put(*messages(10), POISON, *messages(10, 10))
        self.run_(60)
        self.assertEqual(self.relay.setAside, [])
        self.relay.writable = True
        self.run_(120)
        self.assertEqual((self.relay.setAside, set(messages(20)) - self.received), ([POISON], set()))

    def test_unansweredEnds(self) -> None:
        """
        Servers that do not answer our end can confirm no slice: they get the stream again, and nothing is set aside.
        """
        for server in self.servers:
            server.ignoreEnds()
        self.start()
        self.put(*messages(10))
        for _ in range(6):
            self.run_(1)
            for server in self.servers:
                server.reset()
        self.run_(20)
        self.put(*messages(10, 10))
        self.run_(20)
        self.assertEqual((self.relay.setAside, set(messages(20)) - self.received), ([], set()))

    def test_acked(self) -> None:
        """
        A level that keeps nothing sends nothing again, and so never searches.
        """
        self.start(delivery="acked")
        for turn in range(10):
            self.put(*messages(10, 10 * turn))
            self.run_(0.7)
            for server in self.servers:
                server.reset()
        self.assertEqual(self.relay.searches, [])
