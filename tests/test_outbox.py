"""
Tests for :mod:`logrelay.outbox`: the store in memory.
"""

from __future__ import annotations

import gc
import itertools
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Batch
from logrelay.config import BufferSettings, smallestBuffer
from logrelay.counters import DestinationCounters
from logrelay.outbox import Outbox
from logrelay.store import IStore
from logrelay.window import Window

from .stores import ANSWERED, PAUSABLE, UNPAUSABLE, Dropped, Hooks, MemoryContract, newBatch, told

COST = newBatch(0).cost


class OutboxTests(MemoryContract, SynchronousTestCase):
    """
    It is a store, and in memory.
    """

    def newStore(self, settings: BufferSettings, counters: DestinationCounters, dropped: Dropped) -> IStore:
        """
        An outbox.
        """
        return Outbox(settings, counters, dropped)

    def test_atOnce(self) -> None:
        """
        What is appended can be read at once, and nobody needs to listen.
        """
        store = Outbox(BufferSettings(10 * COST), DestinationCounters(), lambda *what: None)
        for number in range(10):
            store.append(newBatch(number))
            self.assertEqual(store.next(), newBatch(number))
        store.settle(10)
        self.assertEqual((store.cost, store.messages), (0, 0))

    def test_emptySlotsAreCutOff(self) -> None:
        """
        The memory of a store depends on what it holds, not on what has passed through it.
        """
        store = Outbox(BufferSettings(), DestinationCounters(), lambda *what: None)
        batch = newBatch(0)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(20_000):
                store.append(batch)
                store.next()
                store.settle(number - 10)
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        self.assertLess(after - before, 32 * 1024)
        self.assertEqual(store.cost, 11 * COST)


class CostTests(SynchronousTestCase):
    """
    The cost of a batch is what it really takes.
    """

    def test_true(self) -> None:
        """
        Of 10,000 small batches that were sent and are kept, the cost is no less than the memory that Python asked for,
        and at most 30 % more (what the system's allocator rounds up is not seen here).
        """
        batches, window = 10_000, Window(1 << 30, 1 << 30)
        store = Outbox(BufferSettings(), DestinationCounters(), lambda *what: None)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(batches):
                store.append(newBatch(number))
                batch = store.next()
                assert batch is not None
                window.wrote(len(batch.payload), batch.cost, store.sent, float(number))
            window.acknowledged(window.written, 0.0)
            taken = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        self.assertTrue(taken <= store.cost <= 1.3 * taken, (taken / batches, store.cost / batches))


class OverflowTests(SynchronousTestCase):
    """
    Spec 4.1: what happens when there is no room.
    """

    def full(self, overflow: str, sent: int = 0, acked: int = 0) -> tuple[Outbox, Hooks, DestinationCounters]:
        """
        A store of 10 batches that has no room for another.
        """
        hooks, counters = Hooks(), DestinationCounters()
        store = Outbox(BufferSettings(10 * COST, overflow), counters, hooks.drop)
        hooks.listen(store)
        for number in range(10):
            store.append(newBatch(number))
        for _ in range(sent):
            store.next()
        store.acknowledge(acked)
        hooks.take()
        return store, hooks, counters

    def append(self, store: Outbox, batch: Batch) -> bool:
        """
        Append a batch.

        :return: whether it was accepted.
        """
        answers: list[bool] = []
        store.append(batch, answers.append)
        self.assertEqual(len(answers), 1)
        return answers[0]

    def test_block(self) -> None:
        """
        With ``block`` a source that can be paused is read on for as long as it takes to pause it, and the newest of
        one that cannot is dropped.
        """
        store, hooks, counters = self.full("block")
        self.assertTrue(self.append(store, newBatch(10)))
        self.assertFalse(self.append(store, newBatch(11, count=3, origin=UNPAUSABLE)))
        self.assertEqual(hooks.dropped, told(newBatch(11, count=3, origin=UNPAUSABLE)))
        self.assertEqual((store.end, counters.accepted), (11, 11))

    def test_answered(self) -> None:
        """
        What its sender is told to be taken is taken whatever the policy; if that is to drop what came first, this goes
        before it, but not what was answered for and that no server has.
        """
        for overflow in ("block", "drop-newest", "drop-oldest"):
            store, hooks, _ = self.full(overflow)
            for number in range(10, 25):
                self.assertTrue(self.append(store, newBatch(number, origin=ANSWERED)))
            left = hooks.dropped[:]
            self.assertEqual(left, told(*map(newBatch, range(10))) if overflow == "drop-oldest" else [])
            newest = newBatch(25, origin=UNPAUSABLE)
            self.assertFalse(self.append(store, newest))
            self.assertEqual(hooks.dropped, [*left, *told(newest)])
            while store.next() is not None:
                pass
            store.acknowledge(store.end)
            self.assertTrue(self.append(store, newest))
            self.assertEqual(hooks.dropped, [*left, *told(newest)])

    def test_unpausableUpToTheSize(self) -> None:
        """
        What cannot be paused is taken in above the high mark, too, up to the last byte of the store.
        """
        store = Outbox(BufferSettings(20 * COST), DestinationCounters(), lambda *what: None)
        for number in range(18):
            store.append(newBatch(number))
        self.assertTrue(store.full)
        answers = [self.append(store, newBatch(number, origin=UNPAUSABLE)) for number in (18, 19, 20)]
        self.assertEqual(answers, [True, True, False])

    def test_dropNewest(self) -> None:
        """
        With ``drop-newest`` what comes last is dropped, from any source.
        """
        store, hooks, _ = self.full("drop-newest")
        self.assertFalse(self.append(store, newBatch(10)))
        self.assertEqual((hooks.dropped, store.end), (told(newBatch(10)), 10))

    def test_blockSharesRoom(self) -> None:
        """
        What can't be paused, once it had to be dropped, is dropped until those that wait may go on: a flood of it must
        not fill for ever what the server empties.
        """
        store, hooks, _ = self.full("block", sent=10)
        self.assertFalse(self.append(store, newBatch(10, origin=UNPAUSABLE)))
        store.settle(2)
        self.assertFalse(self.append(store, newBatch(11, origin=UNPAUSABLE)))
        self.assertNotIn("room", hooks.take())
        store.settle(3)
        self.assertIn("room", hooks.take())
        self.assertTrue(self.append(store, newBatch(12, origin=UNPAUSABLE)))

    def test_dropOldest(self) -> None:
        """
        With ``drop-oldest`` what came first is given up until there is room, whether it was sent or not.
        """
        store, hooks, counters = self.full("drop-oldest", sent=1)
        self.assertTrue(self.append(store, newBatch(10, size=300)))
        self.assertEqual(hooks.dropped, told(newBatch(0), newBatch(1)))
        self.assertEqual(hooks.take(), ["settled", "settled", "readable"])
        self.assertEqual((counters.settled, counters.settledEarly), (0, 0))
        self.assertEqual(store.next(), newBatch(2))

    def test_settledEarly(self) -> None:
        """
        It gives up first what was acknowledged, which is no drop, but counted as settled early.
        """
        store, hooks, counters = self.full("drop-oldest", sent=3, acked=1)
        for number in (10, 11):
            self.assertTrue(self.append(store, newBatch(number)))
        self.assertEqual((counters.settledEarly, hooks.dropped), (1, told(newBatch(1))))

    def test_settledEarlyWhenAllIsAcknowledged(self) -> None:
        """
        Also where nothing else is in the store: the bound holds.
        """
        store, hooks, counters = self.full("drop-oldest", sent=10, acked=10)
        self.assertTrue(self.append(store, newBatch(10)))
        self.assertEqual((counters.settledEarly, hooks.dropped, store.cost), (1, [], 10 * COST))

    def test_acknowledgedByALostServer(self) -> None:
        """
        After a rewind nothing counts as acknowledged: that server may have lost it.
        """
        store, hooks, counters = self.full("drop-oldest", sent=10, acked=5)
        store.rewind()
        self.assertTrue(self.append(store, newBatch(10)))
        self.assertEqual((counters.settledEarly, hooks.dropped), (0, told(newBatch(0))))

    def test_lateAcknowledgement(self) -> None:
        """
        Acknowledgement and settlement of what has been given up meanwhile is no error.
        """
        store, _, counters = self.full("drop-oldest", sent=2)
        for number in range(10, 14):
            self.append(store, newBatch(number))
        self.assertEqual(store.settled, 4)
        store.acknowledge(2)
        store.settle(2)
        self.assertEqual((store.settled, store.acked, store.sent, counters.settled), (4, 4, 4, 0))

    def test_largerThanTheStore(self) -> None:
        """
        A batch for which there can be no room at all is taken when nothing is left that a server could take.
        """
        for overflow in ("block", "drop-newest", "drop-oldest"):
            store = Outbox(BufferSettings(100, overflow), DestinationCounters(), lambda *what: None)
            self.assertTrue(self.append(store, newBatch(0, origin=UNPAUSABLE)))
            self.assertEqual(store.next(), newBatch(0, origin=UNPAUSABLE))
            store.acknowledge(1)
            self.assertTrue(self.append(store, newBatch(1, origin=UNPAUSABLE)))


class HoldTests(SynchronousTestCase):
    """
    Decoders' remainders are memory, too.
    """

    def test_counted(self) -> None:
        """
        They bring a store to its high mark, and below its low one when they go, if a server could make room; however
        many they are, they count as an eighth of the store at most.
        """
        hooks = Hooks()
        store = Outbox(BufferSettings(16 * COST), DestinationCounters(), hooks.drop)
        hooks.listen(store)
        for number in range(13):
            store.append(newBatch(number))
        hooks.take()
        store.hold(COST)
        self.assertEqual((hooks.take(), store.cost), ([], 14 * COST))
        store.hold(100 * COST)
        self.assertEqual((hooks.take(), store.cost), (["full"], 15 * COST))
        store.next(), store.next()
        store.settle(2)
        self.assertEqual((hooks.take(), store.cost), (["settled"], 13 * COST))
        store.hold(-101 * COST)
        self.assertEqual((hooks.take(), store.cost), (["room"], 11 * COST))

    def test_neverFullByThemselves(self) -> None:
        """
        Where they are all that a store holds, sources are read: only that can end them.
        """
        hooks = Hooks()
        store = Outbox(BufferSettings(10 * COST), DestinationCounters(), hooks.drop)
        hooks.listen(store)
        store.hold(100 * COST)
        self.assertEqual((hooks.take(), store.crowded), ([], False))

    def test_leaveEnough(self) -> None:
        """
        However much they are, and with as much history as a window keeps, messages come in as before: no source waits,
        and nothing is dropped.
        """
        for overflow in ("block", "drop-newest", "drop-oldest"):
            hooks = Hooks()
            store = Outbox(BufferSettings(100 * COST, overflow), DestinationCounters(), hooks.drop)
            hooks.listen(store)
            store.hold(1000 * COST)
            for number in range(76):
                store.append(newBatch(number, origin=UNPAUSABLE if number % 2 else PAUSABLE))
            self.assertEqual((set(hooks.take()), hooks.dropped), ({"readable"}, []))


class NeverStopsTests(SynchronousTestCase):
    """
    Spec 4.1 and the levels of delivery together: a source, a store, a window and a server that acknowledges.
    """

    #: The longest message that the configuration allows by default.
    LONGEST = 65536

    def relay(
        self, batches: list[Batch], overflow: str, retention: int, size: int, held: int
    ) -> tuple[list[bytes], int]:
        """
        Let batches through.  The source brings two with each read unless it is paused, and the server acknowledges
        three turns after the write.

        :return: the payloads that were written, and how many batches were dropped.
        """
        hooks = Hooks()
        store = Outbox(BufferSettings(size, overflow), DestinationCounters(), hooks.drop)
        hooks.listen(store)
        store.hold(held)
        window = Window(retention, size // 2)
        coming = iter(batches)
        written: list[bytes] = []
        offsets = [0, 0, 0]
        paused = False
        for _ in range(5 * len(batches)):
            for batch in [] if paused else itertools.islice(coming, 2):
                store.append(batch)
            while (sent := store.next()) is not None:
                window.wrote(len(sent.payload), sent.cost, store.sent, 0.0)
                written.append(sent.payload)
            offsets.append(window.written)
            acked, settled = window.acknowledged(offsets.pop(0), 0.0)
            store.acknowledge(acked)
            store.settle(settled)
            for hook in hooks.take():
                paused = overflow == "block" and (hook == "full" or (paused and hook != "room"))
            self.assertLessEqual(store.cost, held + size + 2 * newBatch(0, 2 * self.LONGEST).cost)
        self.assertEqual(list(coming), [])
        return written, len(hooks.dropped)

    def test_smallest(self) -> None:
        """
        At the smallest legal size, every level and every policy the stream never stops for ever, also where decoders
        hold more than the whole store; and with ``block`` nothing is lost.
        """
        cases = itertools.product(
            ("block", "drop-newest", "drop-oldest"),
            (0, 1024 * 1024, 32 * 1024 * 1024),
            (1, smallestBuffer(self.LONGEST), 64 * 1024 * 1024),
            (0, 1, 2),
        )
        batches = [newBatch(number, 2 * self.LONGEST if number % 3 else 100) for number in range(100)]
        for overflow, retention, size, held in cases:
            written, dropped = self.relay(batches, overflow, retention, size, held * size)
            case = (overflow, retention, size, held, len(written), dropped)
            self.assertEqual(written, sorted(set(written)), case)
            self.assertGreaterEqual(len(written) + dropped, 100, case)
            self.assertGreater(len(written), 10, case)
            if overflow == "block":
                self.assertEqual((len(written), dropped), (100, 0), case)
