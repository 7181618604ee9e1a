"""
The store on disk, as the reactor sees it.

What is appended waits until a job has put it on disk; only then is it accepted, and only then handed out.  One job runs
at a time, and what gathers meanwhile is the next one.  Memory is bounded by ``buffer.size`` however large the spool:
three quarters of it are for what was read and sent, a quarter for what arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
from zope.interface import implementer

from ..batches import Batch
from ..config import BufferSettings, SpoolSettings
from ..counters import DestinationCounters
from ..outbox import HIGH, LOW, REMAINDERS
from ..store import Accepted, IStore
from .arrivals import Arrival, Arrivals
from .backlog import Backlog
from .bundles import MOST_BYTES
from .database import growth, isFull
from .folder import Folder
from .jobs import Damage, Done, Job, Oldest

#: Calls something in the thread of the spool, and then something else, with what came of it, in the reactor's.
Worker = Callable[[Callable[[], Done | None], Callable[[Done | Exception | None], None]], None]

#: Of ``buffer.size``: nothing more is read ahead when memory holds so much of what is on disk.
LOADED = 0.75

#: Of ``buffer.size``: sources wait when so much is not on disk yet, until there is no more than the other.
ARRIVING_HIGH, ARRIVING_LOW = 0.25, 0.10

#: The record of what has settled is written when so many bytes have settled since the last time.
RECORD = 1024 * 1024


def _nothing(*_: object) -> None:
    """
    What a hook does before somebody is interested.
    """


@attrs.define(eq=False)
class _Mark:
    """
    Remembers whether something has passed a high mark and not come back to a low one since.
    """

    high: float
    low: float
    isPassed: bool = False

    def passes(self, level: float) -> bool:
        """
        The level now.
        """
        self.isPassed = level >= self.high or (self.isPassed and level > self.low)
        return self.isPassed


@implementer(IStore)
class Spool:
    """
    One ordered list of batches on disk, at most ``spool.size`` bytes of it.

    What its sender is told to be taken (RELP) waits when there is no room, whatever the policy, and so does what can
    be paused under ``block``; it is answered when it is on disk.  ``drop-oldest`` gives up a whole database at once,
    the oldest; where that holds something that must not be given up, the newest is dropped.

    :ivar settings: of the spool.
    :ivar damaged: told of what could not be read.
    :ivar broken: told that nothing can be put on disk, and why, once until it can be again.
    :ivar mended: told that it can be again.
    :ivar used: bytes on disk.
    :ivar furthest: the position up to which batches were ever sent, as remembered from before the start.
    """

    durable = True

    def __init__(
        self,
        settings: SpoolSettings,
        buffer: BufferSettings,
        counters: DestinationCounters,
        dropped: Callable[[str, str, int], None],
        worker: Worker,
    ) -> None:
        """
        :param dropped: told of what was given up: of which source, why, how many messages.
        :param worker: does what takes time.
        """
        self.settings = settings
        self._buffer = buffer
        self._counters = counters
        self._dropped = dropped
        self._worker = worker
        self.onReadable: Callable[[], None] = _nothing
        self.onSettled: Callable[[], None] = _nothing
        self.onFull: Callable[[], None] = _nothing
        self.onRoom: Callable[[], None] = _nothing
        self.damaged: Callable[[Damage], None] = _nothing
        self.broken: Callable[[Exception], None] = _nothing
        self.mended: Callable[[], None] = _nothing
        self.full = False
        self._diskMark, self._arrivingMark = _Mark(HIGH, LOW), _Mark(ARRIVING_HIGH, ARRIVING_LOW)
        self._arrivals = Arrivals()
        self.held = 0
        self._closing: Callable[[], None] | None = None
        self._folder: Folder | None = None
        self._forget()

    def _forget(self) -> None:
        """
        Know nothing of what is on disk.
        """
        self.used = self.furthest = 0
        self._backlog = Backlog()
        self._job: Job | None = None
        self._unrecorded = 0
        self._recordDue = self._syncDue = False
        self._isStuck = self._surveyDue = False
        self._mayTry = self._mayRead = True
        self.error: Exception | None = None
        self._refusing = False

    # The folder.

    def open(self) -> None:
        """
        Open the folder.  The first tick begins to read what is there.

        :raises SpoolLocked: if another process works on it.
        :raises OSError: if it can be neither made nor opened.
        """
        self._forget()
        self._folder = Folder(Path(self.settings.path), self.settings.size, self.settings.sync)
        self._backlog = Backlog.fromRecord(self._folder.record)
        self.furthest = self._folder.record.furthest

    def abandon(self) -> None:
        """
        Let go of the folder before the first tick.
        """
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.abandon()

    def tick(self) -> None:
        """
        Be called each second: remember what has settled, and try again what has failed.
        """
        self._recordDue = self._syncDue = self._mayTry = self._mayRead = True
        self._go()

    def close(self, closed: Callable[[], None]) -> None:
        """
        Let go of the folder when the job that runs has ended.  What has not come on disk is dropped.

        :param closed: told when that is done.
        """
        self._closing = closed
        if self._job is None:
            self._close()

    def _close(self) -> None:
        """
        Do the last job.
        """
        folder, closed = self._folder, self._closing
        assert closed is not None
        self._folder = self._closing = None
        for arrival in self._arrivals.drop(lambda batch: False):
            self._refuse(arrival, "stopped")
        if folder is None:
            closed()
            return

        def done(last: Done | Exception | None) -> None:
            if isinstance(last, Done):
                self._tell(last)
            closed()

        self._worker(partial(folder.close, self._backlog.settled, max(self.furthest, self.sent)), done)

    # The contract.

    @property
    def settled(self) -> int:
        """
        The position of the first batch that has not settled.
        """
        return self._backlog.settled.position

    @property
    def acked(self) -> int:
        """
        Everything before this position is in a server's kernel.
        """
        return self._backlog.acked

    @property
    def sent(self) -> int:
        """
        How many batches have been handed out since the last rewind, counted from the beginning.
        """
        return self._backlog.sent

    @property
    def end(self) -> int:
        """
        How many batches are on disk, or were.
        """
        return self._backlog.end.position

    @property
    def cost(self) -> int:
        """
        Bytes of memory in use.
        """
        return self._backlog.cost + self._arrivals.cost + min(self.held, int(REMAINDERS * self._buffer.size))

    @property
    def crowded(self) -> bool:
        """
        Whether what is on disk has reached the high mark.
        """
        return self.used >= HIGH * self.settings.size

    @property
    def messages(self) -> int:
        """
        How many messages have neither settled nor been given up.
        """
        return self._backlog.messagesFrom(self.settled)

    @property
    def unsent(self) -> int:
        """
        How many messages have not been handed out, or not since the last rewind.
        """
        return self._backlog.messagesFrom(self.sent)

    @property
    def arriving(self) -> int:
        """
        How many batches are not on disk yet.
        """
        return len(self._arrivals)

    def resize(self, settings: BufferSettings) -> None:
        """
        Keep to another limit of memory, or to another policy, from now on.
        """
        self._buffer = settings
        self._measure()
        self._go()

    def append(self, batch: Batch, accepted: Accepted | None = None) -> None:
        """
        Take a batch into the queue, or drop it by the overflow policy.
        """
        arrival = Arrival(batch, accepted)
        if not self._takes(batch):
            self._refuse(arrival, "overflow")
            return
        self._arrivals.add(arrival)
        self._measure()
        self._go()

    def _refuse(self, arrival: Arrival, reason: str) -> None:
        """
        Drop a batch.
        """
        self._dropped(arrival.batch.origin.source, reason, arrival.batch.count)
        arrival.answer(False)

    def _takes(self, batch: Batch) -> bool:
        """
        Whether the overflow policy lets a batch in.
        """
        overflow = self._buffer.overflow
        if batch.origin.answered or (overflow == "block" and batch.origin.pausable):
            return True
        fits = self._arrivals.cost + batch.cost <= ARRIVING_HIGH * self._buffer.size
        if overflow == "drop-oldest":
            return fits
        room = self.settings.size - self.used - growth(self._arrivals.cost + len(batch.payload))
        # While the disk is ill, one batch is let in each second, to find out whether it still is.
        works = self.error is None or self._mayTry
        fits = fits and room >= 0 and works and not self._refusing
        # Once it had to be dropped, it is until there is room for those that wait.
        self._refusing = overflow == "block" and self.full and not fits
        return fits

    def next(self) -> Batch | None:
        """
        Hand out the next batch, and count it as sent.
        """
        return self._backlog.next()

    def peek(self, position: int) -> Batch | None:
        """
        Look at a batch that has not settled and is in memory.
        """
        return self._backlog.peek(position)

    def amend(self, position: int, batch: Batch) -> None:
        """
        Put what is left of a batch in its place, in memory: after a restart it is the whole one again.
        """
        assert self.sent <= position, (self.sent, position)
        self._backlog.amend(position, batch)

    def acknowledge(self, position: int) -> None:
        """
        Note that everything before ``position`` is in a server's kernel.
        """
        assert position <= self.sent, (position, self.sent)
        if position > self.acked:
            self._backlog.acked = position
            self._measure()

    def settle(self, position: int) -> None:
        """
        Let go of everything before ``position``.
        """
        if position <= self.settled:
            return
        assert position <= self.sent, (position, self.sent)
        self._backlog.release(position, self._countSettled)
        if self._unrecorded >= RECORD:
            self._recordDue = True
        self._measure()
        self.onSettled()
        self._go()

    def _countSettled(self, batch: Batch) -> None:
        """
        Count a batch that has settled.
        """
        self._counters.settled += batch.count
        self._unrecorded += batch.cost

    def rewind(self) -> int:
        """
        Hand out again everything that was sent and has not settled.
        """
        backlog = self._backlog
        messages = backlog.messagesBetween(self.settled, self.sent)
        self.furthest = max(self.furthest, self.sent)
        backlog.sent = backlog.acked = self.settled
        self._measure()
        return messages

    def hold(self, delta: int) -> None:
        """
        Count ``delta`` bytes more (or fewer) of decoders' remainders.
        """
        self.held += delta

    def whenTaken(self, taken: Callable[[], None]) -> None:
        """
        Call something when every ``append`` so far has been answered.
        """
        self._arrivals.whenGone(taken)

    # Jobs.

    def _go(self) -> None:
        """
        Begin the next job, if none runs and there is something to do.
        """
        if self._job is not None or self._folder is None or self._closing is not None:
            return
        backlog = self._backlog
        append = () if self._surveyDue or (self._isStuck and not self._mayTry) else self._arrivals.bundle(self._most)
        wanted = self._mayRead and backlog.read < backlog.end and backlog.cost < LOADED * self._buffer.size
        # A survey tells of what is not in memory, so that this must not change meanwhile.
        read = backlog.read if wanted and not self._surveyDue else None
        if not (append or read or self._recordDue or self._surveyDue):
            return
        job = Job(
            backlog.end,
            backlog.settled,
            max(self.furthest, self.sent),
            append,
            read,
            self._most,
            self._syncDue,
            backlog.read if self._surveyDue else None,
        )
        if append:
            self._mayTry = False
        self._recordDue = self._syncDue = self._surveyDue = False
        self._unrecorded = 0
        self._job = job
        self._worker(partial(self._folder.work, job), self._done)

    @property
    def _most(self) -> int:
        """
        How many bytes a bundle has at most, and one that is read.
        """
        return min(MOST_BYTES, self.settings.size // 32, self._buffer.size // 8)

    def _done(self, done: Done | Exception | None) -> None:
        """
        A job has ended.
        """
        job = self._job
        assert job is not None
        assert done is not None
        self._job = None
        if isinstance(done, Exception):
            # Only what was to be put on disk tells whether anything can be.
            done = Done(error=done if job.append else None, read=job.read, used=self.used, isReadable=False)
        before = self.settled
        if done.read is not None:
            self._backlog.load(done.loaded, done.read)
        taken = self._taken(done.appended)
        self._mayTry = self._mayTry or done.used < self.used
        self.used = done.used
        self._mayRead = self._mayRead and done.isReadable
        self._tell(done)
        if job.append:
            self._isStuck = len(taken) < len(job.append)
            self._surveyDue = self._isStuck and self._buffer.overflow == "drop-oldest"
        elif job.survey is not None and self._buffer.overflow == "drop-oldest":
            # Meanwhile it may have become another policy.
            self._makeRoom(done.oldest)
        self._measure()
        if taken or done.loaded:
            self.onReadable()
        for each in taken:
            each.answer(True)
        if self.settled > before:
            self.onSettled()
        self._goOn()

    def _goOn(self) -> None:
        """
        Begin the next job, or end; whoever was told something may have begun one.
        """
        if self._job is not None:
            return
        if self._closing is not None:
            self._close()
        else:
            self._go()

    def _taken(self, count: int) -> list[Arrival]:
        """
        So many of those that arrive are on disk now.
        """
        taken = self._arrivals.take(count)
        for arrival in taken:
            self._counters.accepted += arrival.batch.count
            self._backlog.take(arrival.batch, int(LOADED * self._buffer.size))
        return taken

    def _tell(self, done: Done) -> None:
        """
        Say what is wrong, and what is well again.
        """
        for damage in done.damages:
            self.damaged(damage)
        if done.error is not None:
            before, self.error = self.error, done.error
            if before is None:
                self.broken(done.error)
        elif done.appended and self.error is not None:
            self.error = None
            self.mended()

    # Room.

    def _makeRoom(self, oldest: Oldest | None) -> None:
        """
        Give up what the oldest database has; where that may not go, or would not help, drop the newest.

        :param oldest: what it has that is not in memory.
        """
        helps = self.error is None or isFull(self.error)
        if oldest is None or not helps or oldest.end.position <= self.settled:
            self._dropNewest()
            return
        inMemory = self._backlog.before(oldest.end.position)
        if oldest.answered or any(batch.origin.answered for position, batch in inMemory if position >= self.acked):
            self._dropNewest()
            return
        lost = Counter(oldest.messages)
        for position, batch in inMemory:
            if position < self.acked:
                self._counters.settledEarly += batch.count
            else:
                lost[batch.origin.source] += batch.count
        for source, count in lost.items():
            self._dropped(source, "overflow", count)
        self._backlog.giveUp(oldest.end)
        self._isStuck = False

    def _dropNewest(self) -> None:
        """
        Drop what waits, but for what must not be dropped.
        """
        for arrival in self._arrivals.drop(lambda batch: batch.origin.answered):
            self._refuse(arrival, "overflow")

    def _measure(self) -> None:
        """
        Say so when there is no room for more, or there is again.
        """
        # No server makes room by taking what it has already.
        used = self.used if self.acked != self.end else 0
        isDiskFull = self._diskMark.passes(used / self.settings.size)
        isMemoryFull = self._arrivingMark.passes(self._arrivals.cost / self._buffer.size)
        # Where nothing waits to be put on disk, what comes next shows whether that can be done again.
        isRefused = bool(self._arrivals) and (self._isStuck or self.error is not None)
        full = isDiskFull or isMemoryFull or isRefused
        if full and not self.full:
            self.full = True
            self.onFull()
        elif self.full and not full:
            self.full = self._refusing = False
            self.onRoom()
