"""
Tests for :mod:`logrelay.spool`: the store on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Batch
from logrelay.config import BufferSettings
from logrelay.counters import DestinationCounters
from logrelay.store import IStore

from .spools import MIB, Bench
from .stores import ANSWERED, PAUSABLE, UNPAUSABLE, Dropped, StoreContract, newBatch

EXAMPLES = settings(max_examples=20, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))


class SpoolTests(StoreContract, SynchronousTestCase):
    """
    It is a store, and on disk.
    """

    def newStore(self, settings: BufferSettings, counters: DestinationCounters, dropped: Dropped) -> IStore:
        """
        A spool in a folder of its own.
        """
        self.bench = Bench(Path(self.mktemp()), counters=counters, dropped=dropped)
        spool = self.bench.spool()
        self.addCleanup(self.bench.kill, spool)
        return spool

    def catchUp(self, store: IStore) -> None:
        """
        Do all that is to be done on disk.
        """
        self.bench.worker.catchUp()

    def test_durableBeforeItIsSent(self) -> None:
        """
        A batch is neither accepted nor handed out before it is on disk.
        """
        store, _ = self.filled(0)
        answers: list[bool] = []
        store.append(newBatch(0), answers.append)
        self.assertEqual((store.next(), answers, store.end, store.arriving), (None, [], 0, 1))
        self.catchUp(store)
        self.assertEqual((store.next(), answers, store.end, store.arriving), (newBatch(0), [True], 1, 0))

    def test_behavesAsAList(self) -> None:
        """
        Whatever is done to it, it behaves as a list with cursors in it, which survives a kill at any moment.
        """

        class Machine(SpoolMachine):
            case = self

        run_state_machine_as_test(Machine, settings=EXAMPLES)


class SpoolMachine(RuleBasedStateMachine):
    """
    Does anything to a spool, and the same to a list.

    :ivar model: every batch that was accepted.
    :ivar pending: those that were appended and not answered.
    """

    case: ClassVar[SynchronousTestCase]

    def __init__(self) -> None:
        super().__init__()
        # Little memory: most of what is on disk has to be read.
        self.bench = Bench(Path(self.case.mktemp()), 4 * MIB, BufferSettings(64 * 1024))
        self.spool = self.bench.spool()
        self.model: list[Batch] = []
        self.pending: list[Batch] = []
        self.settled = self.sent = self.recorded = 0
        self.number = 0

    @rule(size=st.integers(8, 9000), count=st.integers(1, 5), origin=st.sampled_from([PAUSABLE, UNPAUSABLE, ANSWERED]))
    def append(self, size: int, count: int, origin: object) -> None:
        """
        A batch comes.
        """
        batch = newBatch(self.number, size, count, origin)  # type: ignore[arg-type]
        self.number += 1

        def answered(taken: bool) -> None:
            if taken:
                assert self.pending.pop(0) is batch
                self.model.append(batch)
            elif batch in self.pending:
                self.pending.remove(batch)

        self.pending.append(batch)
        self.spool.append(batch, answered)

    @rule()
    def work(self) -> None:
        """
        One thing is done on disk.
        """
        self.bench.worker.step()

    @rule()
    def catchUp(self) -> None:
        """
        All is done on disk.
        """
        self.bench.worker.catchUp()

    @rule()
    def tick(self) -> None:
        """
        A second passes.
        """
        self.spool.tick()

    @rule(times=st.integers(1, 4))
    def read(self, times: int) -> None:
        """
        What is handed out is the next one, when it is at hand.
        """
        for _ in range(times):
            batch = self.spool.next()
            if batch is not None:
                assert batch == self.model[self.sent], (batch, self.model[self.sent])
                self.sent += 1

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """
        Some of what was sent settles.
        """
        self.settled = data.draw(st.integers(self.settled, self.sent))
        self.spool.settle(self.settled)

    @rule()
    def rewind(self) -> None:
        """
        A connection is lost.
        """
        assert self.spool.rewind() == sum(batch.count for batch in self.model[self.settled : self.sent])
        self.sent = self.settled

    @rule(gracefully=st.booleans())
    def restart(self, gracefully: bool) -> None:
        """
        The relay ends in one way or the other, and starts again.
        """
        if gracefully:
            self.bench.close(self.spool)
        else:
            self.bench.kill(self.spool)
            self.pending.clear()
        assert not self.pending
        self.spool = self.bench.spool()
        assert self.bench.damages == []
        if gracefully:
            assert self.spool.settled == self.settled
        # What has settled is remembered later; what was accepted is there, and more may be.
        assert self.spool.settled <= self.settled
        assert len(self.model) <= self.spool.end
        self.settled = self.sent = self.spool.settled
        self.bench.worker.catchUp()
        seen = []
        while self.spool.end > self.spool.sent:
            batch = self.spool.next()
            if batch is None:
                # Memory is full.
                break
            seen.append(batch)
        assert seen[: len(self.model) - self.settled] == self.model[self.settled :][: len(seen)]
        self.spool.rewind()
        if self.spool.end > len(self.model):
            # It was on disk when the relay was killed, and nobody had been told.
            self.model += seen[len(self.model) - self.settled :]

    @invariant()
    def cursors(self) -> None:
        """
        The cursors are where they should be.
        """
        spool = self.spool
        assert spool.settled == self.settled
        assert spool.sent == self.sent
        assert spool.settled <= spool.acked <= spool.sent <= spool.end
        assert self.bench.troubles == []

    def teardown(self) -> None:
        """
        At the end everything that was accepted can be read.
        """
        self.bench.worker.catchUp()
        self.spool.rewind()
        left = []
        while True:
            while (batch := self.spool.next()) is not None:
                left.append(batch)
            before = self.spool.settled
            self.spool.settle(self.spool.sent)
            self.bench.worker.catchUp()
            if self.spool.settled == self.spool.end or self.spool.settled == before:
                break
        assert left == self.model[self.settled :], (len(left), len(self.model), self.settled)
        self.bench.close(self.spool)
