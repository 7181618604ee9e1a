"""
The store on disk, as the reactor sees it.

What is appended waits in a queue until a job has put it on disk; only then is it accepted, and only then handed out.
One job runs at a time, and what gathers meanwhile is the next one.  What was handed out stays in memory until it
settles, so that nothing has to be read again when a server is lost; what comes next is read ahead, or kept from the
start where the reader keeps up.  Memory is bounded by ``buffer.size`` however large the spool::

    settled ........ sent ........ read ........ end | queue
    |---------- in memory --------|--- on disk ---|  in memory
    |----------------- on disk -------------------|

Positions may be missing, where something on disk could not be read: ``next`` goes over them.
"""

from __future__ import annotations

from collections import deque
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
from .bundles import MOST_BATCHES, MOST_BYTES, Stored
from .database import growth, isFull
from .folder import Damage, Done, Folder, Job
from .record import Cursor

#: Calls something in the thread of the spool, and then something else, with what came of it, in the reactor's.
Worker = Callable[[Callable[[], Done | None], Callable[[Done | Exception | None], None]], None]

#: Of ``buffer.size``: nothing more is read ahead when memory holds so much of what is on disk.
LOADED = 0.75

#: Of ``buffer.size``: sources wait when so much is not on disk yet, until there is no more than the other.
QUEUE_HIGH, QUEUE_LOW = 0.25, 0.10

#: The record of what has settled is written when so many bytes have settled since the last time.
RECORD = 1024 * 1024


def _nothing(*_: object) -> None:
    """
    What a hook does before somebody is interested.
    """


@attrs.define(eq=False)
class _Kept:
    """
    A batch in memory that is on disk, too.

    :ivar first: where it begins.
    :ivar end: where it ends; it may have been amended since.
    """

    batch: Batch
    first: Cursor
    end: Cursor


@attrs.define(eq=False)
class _Queued:
    """
    A batch that is not on disk yet.

    :ivar after: what to call when it has been answered.
    """

    batch: Batch
    accepted: Accepted | None
    after: list[Callable[[], None]] = attrs.field(factory=list)

    def answer(self, taken: bool) -> None:
        """
        Say what became of it.
        """
        if self.accepted is not None:
            self.accepted(taken)
        for each in self.after:
            each()


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
        self._queue: deque[_Queued] = deque()
        self._queued = 0
        self.held = 0
        self._closing: Callable[[], None] | None = None
        self._folder: Folder | None = None
        self._forget()

    def _forget(self) -> None:
        """
        Know nothing of what is on disk.
        """
        self.acked = self.sent = self.used = self.furthest = 0
        self._settled = self._end = self._read = Cursor()
        self._kept: dict[int, _Kept] = {}
        self._loaded = 0
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
        record = self._folder.record
        self._settled = self._read = record.settled
        self._end = record.end
        self.acked = self.sent = record.settled.position
        self.furthest = record.furthest

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
        queue, self._queue, self._queued = self._queue, deque(), 0
        for each in queue:
            self._dropped(each.batch.origin.source, "stopped", each.batch.count)
            each.answer(False)
        if folder is None:
            closed()
            return

        def done(_: object) -> None:
            closed()

        self._worker(partial(folder.close, self._settled, max(self.furthest, self.sent)), done)

    # The contract.

    @property
    def settled(self) -> int:
        """
        The position of the first batch that has not settled.
        """
        return self._settled.position

    @property
    def end(self) -> int:
        """
        How many batches are on disk, or were.
        """
        return self._end.position

    @property
    def cost(self) -> int:
        """
        Bytes of memory in use.
        """
        return self._loaded + self._queued + min(self.held, int(REMAINDERS * self._buffer.size))

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
        return self._end.message - self._read.message + self._count(self.settled, self._read.position)

    @property
    def unsent(self) -> int:
        """
        How many messages have not been handed out, or not since the last rewind.
        """
        return self._end.message - self._read.message + self._count(self.sent, self._read.position)

    @property
    def arriving(self) -> int:
        """
        How many batches are not on disk yet.
        """
        return len(self._queue)

    def append(self, batch: Batch, accepted: Accepted | None = None) -> None:
        """
        Take a batch into the queue, or drop it by the overflow policy.
        """
        queued = _Queued(batch, accepted)
        if not self._takes(batch):
            self._dropped(batch.origin.source, "overflow", batch.count)
            queued.answer(False)
            return
        self._queue.append(queued)
        self._queued += batch.cost
        self._measure()
        self._go()

    def _takes(self, batch: Batch) -> bool:
        """
        Whether the overflow policy lets a batch in.
        """
        overflow = self._buffer.overflow
        if batch.origin.answered or (overflow == "block" and batch.origin.pausable):
            return True
        fits = self._queued + batch.cost <= QUEUE_HIGH * self._buffer.size
        if overflow == "drop-oldest":
            return fits
        room = self.settings.size - self.used - growth(self._queued + len(batch.payload))
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
        while self.sent < self._read.position:
            kept = self._kept.get(self.sent)
            self.sent += 1
            if kept is not None:
                return kept.batch
        return None

    def peek(self, position: int) -> Batch | None:
        """
        Look at a batch that has not settled and is in memory.
        """
        kept = self._kept.get(position)
        return None if kept is None else kept.batch

    def amend(self, position: int, batch: Batch) -> None:
        """
        Put what is left of a batch in its place, in memory: after a restart it is the whole one again.
        """
        assert self.sent <= position, (self.sent, position)
        kept = self._kept[position]
        self._loaded += batch.cost - kept.batch.cost
        kept.batch = batch

    def acknowledge(self, position: int) -> None:
        """
        Note that everything before ``position`` is in a server's kernel.
        """
        assert position <= self.sent, (position, self.sent)
        if position > self.acked:
            self.acked = position
            self._measure()

    def settle(self, position: int) -> None:
        """
        Let go of everything before ``position``.
        """
        if position <= self.settled:
            return
        assert position <= self.sent, (position, self.sent)
        self._release(position, self._countSettled)
        self._moved()

    def _countSettled(self, position: int, batch: Batch) -> None:
        """
        Count a batch that has settled.
        """
        self._counters.settled += batch.count

    def _release(self, position: int, count: Callable[[int, Batch], None]) -> None:
        """
        Forget what lies before a position.
        """
        for each in range(self.settled, position):
            kept = self._kept.pop(each, None)
            if kept is not None:
                self._loaded -= kept.batch.cost
                self._unrecorded += kept.batch.cost
                self._settled = kept.end
                count(each, kept.batch)
        self._settled = Cursor(position, self._settled.message)
        self._pass()

    def _pass(self) -> None:
        """
        Go over positions that are missing.
        """
        position = self.settled
        while position < self._read.position and position not in self._kept:
            position += 1
        if position in self._kept:
            self._settled = self._kept[position].first
        elif position == self._read.position:
            self._settled = self._read
        self.sent = max(self.sent, self.settled)
        self.acked = max(self.acked, self.settled)

    def _moved(self) -> None:
        """
        Tell that the settled cursor has moved.
        """
        if self._unrecorded >= RECORD:
            self._recordDue = True
        self._measure()
        self.onSettled()
        self._go()

    def rewind(self) -> int:
        """
        Hand out again everything that was sent and has not settled.
        """
        messages = self._count(self.settled, self.sent)
        self.furthest = max(self.furthest, self.sent)
        self.sent = self.acked = self.settled
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
        if self._queue:
            self._queue[-1].after.append(taken)
        else:
            taken()

    def _count(self, first: int, end: int) -> int:
        """
        How many messages memory has of those from one position up to another.
        """
        batches = (self._kept.get(position) for position in range(first, end))
        return sum(kept.batch.count for kept in batches if kept is not None)

    # Jobs.

    def _go(self) -> None:
        """
        Begin the next job, if none runs and there is something to do.
        """
        if self._job is not None or self._folder is None or self._closing is not None:
            return
        append = () if self._surveyDue or (self._isStuck and not self._mayTry) else self._bundle()
        wanted = self._mayRead and self._read < self._end and self._loaded < LOADED * self._buffer.size
        read = self._read if wanted else None
        if not (append or read or self._recordDue or self._surveyDue):
            return
        job = Job(
            self._end,
            self._settled,
            max(self.furthest, self.sent),
            append,
            read,
            min(MOST_BYTES, self._buffer.size // 8),
            self._syncDue,
            self._surveyDue,
        )
        if append:
            self._mayTry = False
        self._recordDue = self._syncDue = self._surveyDue = False
        self._unrecorded = 0
        self._job = job
        self._worker(partial(self._folder.work, job), self._done)

    def _bundle(self) -> tuple[Batch, ...]:
        """
        What comes on disk next.
        """
        batches: list[Batch] = []
        size = 0
        most = min(MOST_BYTES, self.settings.size // 32, self._buffer.size // 8)
        for each in self._queue:
            size += len(each.batch.payload)
            if batches and (size > most or len(batches) == MOST_BATCHES):
                break
            batches.append(each.batch)
        return tuple(batches)

    def _done(self, done: Done | Exception | None) -> None:
        """
        A job has ended.
        """
        job = self._job
        assert job is not None
        assert done is not None
        self._job = None
        if isinstance(done, Exception):
            done = Done(error=done, read=job.read, used=self.used, isReadable=False)
        before = self.settled
        self._load(done)
        taken = self._taken(done)
        self._mayTry = self._mayTry or done.used < self.used
        self.used = done.used
        self._mayRead = self._mayRead and done.isReadable
        self._tell(done)
        if job.append:
            self._isStuck = len(taken) < len(job.append)
            self._surveyDue = self._isStuck and self._buffer.overflow == "drop-oldest"
        elif job.survey:
            self._makeRoom(done)
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

    def _load(self, done: Done) -> None:
        """
        Keep what was read.
        """
        if done.read is None:
            return
        for stored in done.loaded:
            batch = stored.batch
            assert batch is not None
            # Nothing given up meanwhile comes back.
            if stored.position >= self.settled:
                self._keep(batch, Cursor(stored.position, stored.message))
        self._read = max(self._read, done.read)
        self._pass()

    def _keep(self, batch: Batch, first: Cursor) -> Cursor:
        """
        Have a batch in memory.

        :return: where it ends.
        """
        end = first.behind(batch.count)
        self._kept[first.position] = _Kept(batch, first, end)
        self._loaded += batch.cost
        return end

    def _taken(self, done: Done) -> list[_Queued]:
        """
        What is on disk now leaves the queue; it stays in memory if it is read next, and there is room.

        :return: what that is.
        """
        taken = []
        for _ in range(done.appended):
            queued = self._queue.popleft()
            batch = queued.batch
            taken.append(queued)
            self._queued -= batch.cost
            self._counters.accepted += batch.count
            if self._read == self._end and self._loaded < LOADED * self._buffer.size:
                self._read = self._keep(batch, self._end)
            self._end = self._end.behind(batch.count)
        # What was read in the same job may be of what it has just put there.
        self._end = max(self._end, self._read)
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

    def _makeRoom(self, done: Done) -> None:
        """
        Give up what the oldest database has; where that may not go, or would not help, drop the newest.
        """
        oldest = [each for each in done.oldest if each.position >= self.settled]
        answered = any(each.origin.answered and each.position >= self.acked for each in oldest)
        helps = self.error is None or isFull(self.error)
        if not oldest or answered or not helps:
            self._dropNewest()
            return
        for each in oldest:
            self._countGivenUp(each)
        end = Cursor(oldest[-1].position, oldest[-1].message).behind(oldest[-1].count)
        self._release(end.position, _nothing)
        self._settled = max(self._settled, end)
        self._read = max(self._read, self._settled)
        self._pass()
        self._isStuck = False

    def _countGivenUp(self, each: Stored) -> None:
        """
        Count a batch that is given up.
        """
        if each.position < self.acked:
            self._counters.settledEarly += each.count
        else:
            self._dropped(each.origin.source, "overflow", each.count)

    def _dropNewest(self) -> None:
        """
        Drop what waits, but for what must not be dropped.
        """
        dropped = [each for each in self._queue if not each.batch.origin.answered]
        self._queue = deque(each for each in self._queue if each.batch.origin.answered)
        for each in dropped:
            self._queued -= each.batch.cost
            self._dropped(each.batch.origin.source, "overflow", each.batch.count)
            if self._queue:
                # Whoever waits for all before it waits for these, too.
                self._queue[-1].after.extend(each.after)
                each.after.clear()
        for each in dropped:
            each.answer(False)

    def _measure(self) -> None:
        """
        Say so when there is no room for more, or there is again.
        """
        size, buffer = self.settings.size, self._buffer.size
        stuck = self._isStuck or self.error is not None
        movable = self.acked != self.end
        if not self.full:
            if stuck or self._queued >= QUEUE_HIGH * buffer or (self.used >= HIGH * size and movable):
                self.full = True
                self.onFull()
        elif not stuck and self._queued <= QUEUE_LOW * buffer and (self.used <= LOW * size or not movable):
            self.full = self._refusing = False
            self.onRoom()
