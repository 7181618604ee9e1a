"""
Which sources wait for which destinations.
"""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from logrelay import events
from logrelay.batches import Batch, Framing, Origin
from logrelay.config import BufferSettings, DestinationSettings
from logrelay.destination import Destination
from logrelay.events import QUIET, Event, EventLog
from logrelay.feeds import Feed, Feeds
from logrelay.servers import Server
from logrelay.stamping import Numbering
from logrelay.testing import FakeServer

#: A batch that leaves no room in a store of the size below.
LARGE = Batch(b"x" * 60_000 + b"\n", 1, Framing.LF, Origin("tcp", b"host"))
SIZE = 64_000


@implementer(IPushProducer)
@attrs.define(eq=False)
class Waiting:
    """
    A producer that is paused or not.
    """

    paused: bool = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        pass


class FeedsCase(SynchronousTestCase):
    """
    Three destinations, the last of which drops what it has no room for.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        log = EventLog([self.told.append])
        self.feeds = Feeds(self.clock.seconds, log, Numbering("boot"))
        self.destinations = {}
        for name, overflow in (("one", "block"), ("two", "block"), ("drops", "drop-newest")):
            settings = DestinationSettings(
                name, (Server(name, 601),), buffer=BufferSettings(SIZE, overflow), framing=Framing.LF
            )
            endpoint = FakeServer(self.clock).endpoint
            self.destinations[name] = Destination(self.clock, settings, [endpoint], EventLog(), self.feeds.dropped)
            self.feeds.addDestination(self.destinations[name])

    def feed(self, name: str, *to: str) -> tuple[Feed, Waiting]:
        """
        A feed, and a producer that it holds.
        """
        feed, producer = self.feeds.add(name, to), Waiting()
        feed.throttle.add(producer)
        return feed, producer

    def fill(self, name: str) -> None:
        """
        Fill a destination's store.
        """
        self.destinations[name].append(LARGE)

    def drain(self, name: str) -> None:
        """
        Have it settled.
        """
        store = self.destinations[name].store
        while store.next():
            pass
        store.settle(store.end)


class FeedsTests(FeedsCase):
    """
    Feeds of them.
    """

    def test_held(self) -> None:
        """
        A full destination that blocks holds the feeds that lead to it, and no others; one that drops holds none.
        """
        [(both, waits), (one, waitsToo), (other, does)] = (
            self.feed("both", "one", "two"),
            self.feed("one", "one", "drops"),
            self.feed("other", "drops"),
        )
        self.fill("drops")
        self.assertEqual([waits.paused, waitsToo.paused, does.paused], [False, False, False])
        self.fill("one")
        self.assertEqual([waits.paused, waitsToo.paused, does.paused], [True, True, False])
        held = [feed.snapshot().heldBy for feed in (both, one, other)]
        self.assertEqual(held, [("one",), ("one",), ()])
        self.fill("two")
        self.drain("one")
        self.assertEqual([waits.paused, waitsToo.paused], [True, False])
        self.drain("two")
        self.assertEqual([waits.paused, both.snapshot().heldBy], [False, ()])

    def test_answered(self) -> None:
        """
        A feed whose senders are answered waits for a destination that drops, too, and goes on when that has room.
        """
        feed, waits = self.feeds.add("relp", ("one", "drops"), answered=True), Waiting()
        feed.throttle.add(waits)
        _, does = self.feed("tcp", "drops")
        self.fill("drops")
        self.assertEqual((waits.paused, does.paused, feed.snapshot().heldBy), (True, False, ("drops",)))
        late = self.feeds.add("late", ("drops",), answered=True)
        self.assertEqual(late.throttle.held, {"drops"})
        self.drain("drops")
        self.assertEqual((waits.paused, late.throttle.held), (False, frozenset()))

    def test_told(self) -> None:
        """
        It is told when a source begins to wait, and when it does so no more; of those that bring nothing, nothing.
        """
        self.feed("tcp", "one", "two")
        self.feeds.add("idle", ("one",))
        self.fill("one")
        self.fill("two")
        self.assertEqual(self.told, [events.SourcePaused("tcp", "one")])
        self.drain("one")
        self.assertEqual(len(self.told), 1)
        self.drain("two")
        self.assertEqual(self.told[1:], [events.SourceResumed("tcp")])

    def test_againAndAgain(self) -> None:
        """
        What happens again and again is told once a minute, with how often it was repeated.
        """
        self.feed("tcp", "one")
        for _ in range(5):
            self.fill("one")
            self.drain("one")
        self.assertEqual(self.told, [events.SourcePaused("tcp", "one"), events.SourceResumed("tcp")])
        self.clock.advance(QUIET)
        self.fill("one")
        self.assertEqual(self.told[2:], [events.SourcePaused("tcp", "one", 4)])
        self.drain("one")
        self.assertEqual(self.told[3:], [events.SourceResumed("tcp")])

    def test_newFeed(self) -> None:
        """
        A feed that leads to a destination that is full already is held from the beginning.
        """
        self.fill("one")
        self.fill("drops")
        self.assertEqual([self.feed(name, name)[1].paused for name in ("one", "two", "drops")], [True, False, False])

    def test_dropped(self) -> None:
        """
        What a destination gives up is counted for the source that it came from.
        """
        feed, _ = self.feed("tcp", "drops")
        other, _ = self.feed("other", "drops")
        self.fill("drops")
        self.fill("drops")
        self.assertEqual((feed.counters.dropped, other.counters.dropped), ({"overflow": 1}, {}))

    def test_snapshot(self) -> None:
        """
        A snapshot does not change with the feed.
        """
        feed, _ = self.feed("tcp", "drops")
        before = feed.snapshot(("127.0.0.1:5140",))
        feed.counters.received += 1
        feed.counters.dropped["overflow"] += 1
        self.assertEqual((before.name, before.addresses), ("tcp", ("127.0.0.1:5140",)))
        self.assertEqual((before.counters.received, before.counters.dropped), (0, {}))
        self.assertEqual(feed.snapshot().counters.received, 1)

    def test_takingTurns(self) -> None:
        """
        A source that fills the room at once does not keep the others waiting for ever: the next time another comes
        first, and none is read while there is no room.
        """
        order: list[str] = []

        class Greedy(Waiting):
            def __init__(self, case: FeedsTests, name: str) -> None:
                super().__init__()
                self.case, self.name = case, name

            def resumeProducing(self) -> None:
                super().resumeProducing()
                order.append(self.name)
                self.case.fill("one")

        for name in ("a", "b", "c"):
            self.feeds.add(name, ("one",)).throttle.add(Greedy(self, name))
        self.fill("one")
        for _ in range(6):
            self.drain("one")
        self.assertEqual(sorted(order), ["a", "a", "b", "b", "c", "c"])
        self.assertEqual(len(set(order[:3])), 3)


class RerouteTests(FeedsCase):
    """
    Feeds that lead elsewhere from now on.
    """

    def test_rerouted(self) -> None:
        """
        A feed leads elsewhere when all do, and keeps its counters and its producers.
        """
        feed, _ = self.feed("tcp", "one")
        self.assertIs(self.feeds.lead("tcp", ("two",)), feed)
        feed.route.deliver(LARGE)
        self.assertEqual([self.destinations[name].store.messages for name in ("one", "two")], [1, 0])
        self.feeds.reroute()
        feed.route.deliver(LARGE)
        self.assertEqual([self.destinations[name].store.messages for name in ("one", "two")], [1, 1])
        self.assertIs(self.feeds.lead("new", ("one",)), self.feeds["new"])

    def test_waiting(self) -> None:
        """
        It waits for those that are full of the new ones, and for no others any more; and says so.
        """
        (feed, waits), (_, other) = self.feed("tcp", "one"), self.feed("other", "two")
        self.fill("one")
        self.told.clear()
        self.feeds.lead("tcp", ("two",))
        self.feeds.lead("other", ("one",))
        self.feeds.reroute()
        self.assertEqual((waits.paused, other.paused, feed.throttle.held), (False, True, frozenset()))
        self.assertEqual(self.told, [events.SourceResumed("tcp"), events.SourcePaused("other", "one")])

    def test_answered(self) -> None:
        """
        It also waits for one that drops as soon as its senders are answered.
        """
        feed, waits = self.feed("tcp", "drops")
        self.fill("drops")
        self.feeds.lead("tcp", ("drops",), answered=True)
        self.feeds.reroute()
        self.assertEqual((waits.paused, feed.throttle.held), (True, {"drops"}))

    def test_kept(self) -> None:
        """
        What decoders keep is counted where it will go; what makes room by that brings nothing to where nothing leads.
        """
        feed, _ = self.feed("tcp", "one")
        feed.route.hold(100)
        self.feeds.lead("tcp", ("two",))
        self.feeds.reroute()
        self.assertEqual([self.destinations[name].store.cost for name in ("one", "two")], [0, 100])
        self.feeds.remove("tcp")
        self.assertEqual(self.destinations["two"].store.cost, 0)

    def test_paused(self) -> None:
        """
        Those that lead to a destination can be made to wait, until they may go on.
        """
        (_, waits), (_, goes) = self.feed("tcp", "one"), self.feed("other", "two")
        self.feeds.pause("one")
        self.feeds.reroute()
        self.assertEqual((waits.paused, goes.paused), (True, False))
        self.feeds.resume()
        self.assertFalse(waits.paused)

    def test_removed(self) -> None:
        """
        What a destination gives up of a source that is gone is counted for nobody.
        """
        feed, _ = self.feed("tcp", "drops")
        self.feeds.remove("tcp")
        self.fill("drops")
        self.fill("drops")
        self.assertEqual((feed.counters.dropped, self.feeds.all), ({}, ()))
        self.feeds.removeDestination("drops")
        self.assertRaises(KeyError, self.feeds.add, "tcp", ("drops",))
