"""
What holds for every store: a mixin of tests for each provider of ``IStore``, and a machine that plays any store
against a plain list.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.batches import Batch, Framing, Origin
from logrelay.config import BufferSettings
from logrelay.counters import DestinationCounters
from logrelay.outbox import HIGH, LOW, REMAINDERS
from logrelay.store import IStore

if TYPE_CHECKING:
    _TestCase = SynchronousTestCase
else:
    # The mixin by itself must not be run.
    _TestCase = object

#: A source that can be made to wait, and one that can't.
PAUSABLE = Origin("tcp:5140", b"192.0.2.1")
UNPAUSABLE = Origin("udp:5140", b"192.0.2.1", pausable=False)
ANSWERED = Origin("tcp:2514", b"192.0.2.1", answered=True)

#: Room for five or ten of the machine's batches: small enough that it is full now and then.
SIZE = 4000

#: Enough to find what is wrong with cursors and marks, in a second.
EXAMPLES = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

Dropped = Callable[[str, str, int], None]


def newBatch(number: int, size: int = 100, count: int = 1, origin: Origin = PAUSABLE) -> Batch:
    """
    A batch that is like no other with another number, with a payload of ``size`` bytes, at least 8.
    """
    return Batch(b"%08d" % number + b"x" * (size - 8), count, Framing.LF, origin)


def told(*batches: Batch) -> list[tuple[str, int]]:
    """
    What :class:`Hooks` remembers of batches that were given up.
    """
    return [(batch.origin.source, batch.count) for batch in batches]


@attrs.define(eq=False)
class Hooks:
    """
    Listens to a store.

    :ivar log: the names of the hooks, in the order in which they were called.
    :ivar dropped: what it gave up: of which source, how many messages.
    """

    log: list[str] = attrs.field(factory=list)
    dropped: list[tuple[str, int]] = attrs.field(factory=list)

    def drop(self, source: str, reason: str, count: int) -> None:
        """
        Remember what was given up.
        """
        assert reason in ("overflow", "stopped"), reason
        self.dropped.append((source, count))

    def listen(self, store: IStore) -> None:
        """
        Be called by the store from now on.
        """
        store.onReadable = lambda: self.log.append("readable")
        store.onSettled = lambda: self.log.append("settled")
        store.onFull = lambda: self.log.append("full")
        store.onRoom = lambda: self.log.append("room")

    def take(self) -> list[str]:
        """
        What was called since the last time.
        """
        taken, self.log[:] = list(self.log), []
        return taken


class StoreMachine(RuleBasedStateMachine):
    """
    Does anything that the contract allows to a store, and the same to a list.

    :cvar contract: makes the store.
    :cvar overflow: its policy.
    :ivar model: every batch that was ever accepted.
    """

    contract: ClassVar[StoreContract]
    overflow: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.counters = DestinationCounters()
        self.hooks = Hooks()
        self.store = self.contract.newStore(BufferSettings(SIZE, self.overflow), self.counters, self.hooks.drop)
        self.hooks.listen(self.store)
        self.model: list[Batch] = []
        self.settled = self.acked = self.sent = 0
        self.held = 0
        self.full = self.refusing = False
        self.offered = 0
        self.gone: list[Batch] = []
        self.counts = {"settled": 0, "early": 0}

    def cost(self) -> int:
        """
        What the store should cost.
        """
        return min(self.held, int(REMAINDERS * SIZE)) + sum(batch.cost for batch in self.model[self.settled :])

    @initialize()
    def begins(self) -> None:
        """
        A new store is empty.
        """
        assert self.store.next() is None

    # What may be done.

    @rule(size=st.integers(8, 900), count=st.integers(1, 5), origin=st.sampled_from([PAUSABLE, UNPAUSABLE, ANSWERED]))
    def append(self, size: int, count: int, origin: Origin) -> None:
        """
        A batch is taken in or dropped, or makes others be dropped, and we are told which.
        """
        batch = newBatch(self.offered, size, count, origin)
        self.offered += 1
        answers: list[bool] = []
        self.store.append(batch, answers.append)
        self.contract.catchUp(self.store)
        assert answers == [self.makeRoom(batch)], answers
        if answers[0]:
            self.model.append(batch)
            assert "readable" in self.hooks.log
        else:
            self.gone.append(batch)

    def makeRoom(self, batch: Batch) -> bool:
        """
        The overflow policy, said plainly.
        """
        if self.overflow == "drop-oldest":
            while self.settled < len(self.model) and self.cost() + batch.cost > SIZE:
                oldest = self.model[self.settled]
                if self.settled == self.acked and oldest.origin.answered:
                    return batch.origin.answered
                if self.settled < self.acked:
                    self.counts["early"] += oldest.count
                else:
                    self.gone.append(oldest)
                self.settled += 1
                self.acked = max(self.acked, self.settled)
                self.sent = max(self.sent, self.settled)
            return True
        if batch.origin.answered or (self.overflow == "block" and batch.origin.pausable):
            return True
        fits = self.acked == len(self.model) or (self.cost() + batch.cost <= SIZE and not self.refusing)
        self.refusing = self.overflow == "block" and self.full and not fits
        return fits

    @rule(times=st.integers(1, 4))
    def read(self, times: int) -> None:
        """
        What is handed out is the next one that was not, or nothing when there is none.
        """
        for _ in range(times):
            batch = self.store.next()
            expected = self.model[self.sent] if self.sent < len(self.model) else None
            assert batch == expected, (batch, expected)
            self.sent += batch is not None

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """
        Some of what was sent is acknowledged, maybe for the second time.
        """
        position = data.draw(st.integers(0, self.sent))
        self.store.acknowledge(position)
        self.acked = max(self.acked, position)

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """
        Some of what was sent settles, maybe for the second time; whoever is interested is told if it is the first.
        """
        position = data.draw(st.integers(0, self.sent))
        self.hooks.take()
        self.store.settle(position)
        assert ("settled" in self.hooks.log) == (position > self.settled)
        self.counts["settled"] += sum(batch.count for batch in self.model[self.settled : position])
        self.settled = max(self.settled, position)
        self.acked = max(self.acked, self.settled)

    @rule()
    def rewind(self) -> None:
        """
        What has not settled is handed out again.
        """
        assert self.store.rewind() == sum(batch.count for batch in self.model[self.settled : self.sent])
        self.sent = self.acked = self.settled

    @rule(delta=st.integers(0, 1500))
    def hold(self, delta: int) -> None:
        """
        Decoders keep more.
        """
        self.held += delta
        self.store.hold(delta)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def letGo(self, data: st.DataObject) -> None:
        """
        Decoders keep less.
        """
        delta = data.draw(st.integers(1, self.held))
        self.held -= delta
        self.store.hold(-delta)

    # What always holds.

    @invariant()
    def cursors(self) -> None:
        """
        The cursors are where they should be, and in their order.
        """
        store = self.store
        assert (store.settled, store.acked, store.sent) == (self.settled, self.acked, self.sent)
        assert store.end == len(self.model)
        assert store.settled <= store.acked <= store.sent <= store.end

    @invariant()
    def counted(self) -> None:
        """
        Cost and counters are exact: what was taken in has settled, was given up, or is still there.
        """
        kept = sum(batch.count for batch in self.model[self.settled :])
        assert (self.store.cost, self.store.messages) == (self.cost(), kept)
        assert self.counters.accepted == sum(batch.count for batch in self.model)
        assert (self.counters.settled, self.counters.settledEarly) == (self.counts["settled"], self.counts["early"])
        assert self.hooks.dropped == told(*self.gone)
        assert not any(batch.origin.answered for batch in self.gone)
        if self.overflow == "block":
            assert not any(batch.origin.pausable for batch in self.gone)

    @invariant()
    def marks(self) -> None:
        """
        Full and room are told in turn; the one holds above the high mark and the other below the low one, and where
        no server could make room it is never full.
        """
        for name in self.hooks.take():
            if name in ("full", "room"):
                assert (name == "full") != self.full, f"{name} was told twice"
                self.full = name == "full"
                self.refusing = self.refusing and self.full
        cost, movable = self.cost(), self.acked < len(self.model)
        assert self.store.crowded == (cost >= HIGH * SIZE)
        if cost >= HIGH * SIZE and movable:
            assert self.full
        if cost <= LOW * SIZE or not movable:
            assert not self.full

    def teardown(self) -> None:
        """
        At the end everything that was not given up can be read, in its order.
        """
        self.store.rewind()
        left = []
        while (batch := self.store.next()) is not None:
            left.append(batch)
        assert left == self.model[self.settled :]


def _appendOnce(store: IStore, batch: Batch) -> Callable[[], None]:
    """
    A hook that appends a batch when it is called for the first time.
    """
    left = [batch]

    def append() -> None:
        if left:
            store.append(left.pop())

    return append


class StoreContract(_TestCase):
    """
    The tests.  A test case that mixes this in says how to make a store.
    """

    def newStore(self, settings: BufferSettings, counters: DestinationCounters, dropped: Dropped) -> IStore:
        """
        Make an empty store.

        :param dropped: told of what it gives up: of which source, why, how many messages.
        """
        raise NotImplementedError

    def catchUp(self, store: IStore) -> None:
        """
        Wait until every ``append`` so far has been answered, and what it took in can be read.
        """

    def filled(self, number: int, size: int = 1 << 20, overflow: str = "block") -> tuple[IStore, Hooks]:
        """
        A store that holds so many batches of 100 bytes.
        """
        hooks = Hooks()
        store = self.newStore(BufferSettings(size, overflow), DestinationCounters(), hooks.drop)
        hooks.listen(store)
        for each in range(number):
            store.append(newBatch(each))
        self.catchUp(store)
        return store, hooks

    def test_interface(self) -> None:
        """
        It provides ``IStore``.
        """
        verifyObject(IStore, self.filled(0)[0])

    def test_order(self) -> None:
        """
        Batches come out in the order in which they went in, those sent again before those not yet sent.
        """
        store, _ = self.filled(4)
        first = [store.next() for _ in range(2)]
        store.settle(1)
        self.assertEqual(store.rewind(), 1)
        store.append(newBatch(4))
        self.catchUp(store)
        again = [store.next() for _ in range(5)]
        self.assertEqual(first, [newBatch(0), newBatch(1)])
        self.assertEqual(again, [newBatch(1), newBatch(2), newBatch(3), newBatch(4), None])

    def test_readable(self) -> None:
        """
        A reader that was told there is nothing is told when there is.
        """
        store, hooks = self.filled(0)
        self.assertIsNone(store.next())
        store.onReadable = lambda: hooks.log.append(str(store.next() == newBatch(0)))
        store.append(newBatch(0))
        self.catchUp(store)
        self.assertEqual(hooks.take(), ["True"])

    def test_acceptedIsOptional(self) -> None:
        """
        Whether a batch was accepted is told to whoever asks.
        """
        store, _ = self.filled(0)
        answers: list[bool] = []
        store.append(newBatch(0), answers.append)
        store.append(newBatch(1))
        self.catchUp(store)
        self.assertEqual((answers, store.end), ([True], 2))

    def test_onlyWhatWasSent(self) -> None:
        """
        What has not been sent can neither be acknowledged nor settle.
        """
        store, _ = self.filled(2)
        store.next()
        self.assertRaises(AssertionError, store.settle, 2)
        self.assertRaises(AssertionError, store.acknowledge, 2)
        self.assertEqual((store.settled, store.acked), (0, 0))

    def test_letsGo(self) -> None:
        """
        A batch that has settled is not kept in memory.
        """
        store, _ = self.filled(0)
        batches = [newBatch(each) for each in range(2)]
        kept = [weakref.ref(batch) for batch in batches]
        for batch in batches:
            store.append(batch)
        del batch, batches
        self.catchUp(store)
        store.next()
        store.settle(1)
        gc.collect()
        self.assertIsNone(kept[0]())

    def test_whenTaken(self) -> None:
        """
        Whoever waits until everything was taken in is told then, and at once where nothing is on its way.
        """
        store, _ = self.filled(0)
        told: list[int] = []
        store.whenTaken(lambda: told.append(0))
        self.assertEqual((told, store.arriving), ([0], 0))
        store.append(newBatch(0))
        store.append(newBatch(1))
        store.whenTaken(lambda: told.append(store.end))
        self.catchUp(store)
        self.assertEqual((told, store.arriving), ([0, 2], 0))


class MemoryContract(StoreContract):
    """
    What holds, besides, for a store that counts memory alone.
    """

    def test_marks(self) -> None:
        """
        Being full is told at 90 % and room at 70 %, once each.
        """
        store, hooks = self.filled(9, newBatch(0).cost * 10)
        self.assertEqual(hooks.take().count("full"), 1)
        store.append(newBatch(9))
        for _ in range(10):
            self.catchUp(store)
            store.next()
        store.settle(2)
        self.assertEqual(set(hooks.take()), {"readable", "settled"})
        store.settle(3)
        self.assertEqual(hooks.take(), ["room", "settled"])
        store.settle(4)
        self.assertEqual(hooks.take(), ["settled"])

    def test_fullAfterALoss(self) -> None:
        """
        What a lost server had acknowledged counts again: it has to be sent once more before there can be room.
        """
        store, hooks = self.filled(9, newBatch(0).cost * 10)
        for _ in range(9):
            store.next()
        store.acknowledge(9)
        self.assertEqual([each for each in hooks.take() if each != "readable"], ["full", "room"])
        store.rewind()
        self.assertEqual(hooks.take(), ["full"])

    def test_whoIsToldMayAppend(self) -> None:
        """
        Whoever is told that there is room, or that something settled, may append at once.
        """
        for hook in ("onRoom", "onSettled", "onReadable"):
            store, _ = self.filled(10, newBatch(0).cost * 10)
            while store.next() is not None:
                pass
            setattr(store, hook, _appendOnce(store, newBatch(10)))
            if hook == "onReadable":
                store.append(newBatch(11))
            else:
                store.settle(10)
            self.catchUp(store)
            self.assertIn(newBatch(10), [store.next(), store.next()])
            self.assertEqual(store.cost, newBatch(0).cost * (store.end - store.settled))

    def test_letsGoOfTheOldest(self) -> None:
        """
        A batch that was given up is not kept in memory.
        """
        for overflow in ("block", "drop-oldest"):
            store, hooks = self.filled(0, newBatch(0).cost * 2, overflow)
            batches = [newBatch(each) for each in range(2)]
            kept = [weakref.ref(batch) for batch in batches]
            for batch in batches:
                store.append(batch)
            del batch, batches
            self.catchUp(store)
            if overflow == "block":
                store.next()
                store.settle(1)
            else:
                store.append(newBatch(2))
                self.catchUp(store)
                hooks.dropped.clear()
            gc.collect()
            self.assertIsNone(kept[0]())

    def test_behavesAsAList(self) -> None:
        """
        Whatever is done to it, a store behaves as a list with cursors in it; with each overflow policy.
        """
        for policy in ("block", "drop-newest", "drop-oldest"):

            class Machine(StoreMachine):
                contract = self
                overflow = policy

            run_state_machine_as_test(Machine, settings=EXAMPLES)
