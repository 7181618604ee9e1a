"""
A spool at work: its thread, its ticks, and what is told of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from . import events
from .config import DestinationSettings
from .counters import DestinationCounters
from .errors import LogRelayError
from .events import Digest, EventLog
from .snapshot import SpoolSnapshot
from .spool import Damage, Spool, SpoolLocked

#: How often, in seconds, what has settled is remembered, and what has failed is tried again.
TICK = 1.0


#: A folder that is taken is tried again so often, with so many seconds between.
TRIES, APART = 5, 0.01


class CannotOpen(LogRelayError):
    """
    The operator's fault: there can be no spool where it is wanted.
    """


class Disk:
    """
    The store on disk of one destination, with its thread: disks take their time, and the reactor has none.

    :ivar spool: the store.
    """

    _diary = Logger(namespace="logrelay.disk")

    def __init__(
        self,
        reactor: IReactorTime,
        settings: DestinationSettings,
        counters: DestinationCounters,
        dropped: Callable[[str, str, int], None],
        log: EventLog,
    ) -> None:
        """
        :param reactor: provides ``IReactorFromThreads``, too.
        :param dropped: told of what was given up: of which source, why, how many messages.
        """
        assert settings.spool is not None
        self._reactor = reactor
        self._name = settings.name
        self._log = log
        self._pool: ThreadPool | None = None
        self._tickCall: IDelayedCall | None = None
        self.spool = Spool(settings.spool, settings.buffer, counters, dropped, self._run)
        self.spool.damaged = self._damaged
        self.spool.broken = self._broken
        self.spool.mended = self._mended
        # With drop-oldest a full disk is ill and well again in turns.
        self._troubles = Digest()
        self._isToldBroken = False
        self._pingedAt: float | None = None

    def open(self) -> None:
        """
        Take the folder.

        :raises LogRelayError: if it cannot be had.
        """
        try:
            self._take()
        except OSError as error:
            where, why = error.filename or self.spool.settings.path, error.strerror or error
            raise CannotOpen(
                f"{self._name}: the spool cannot be opened: {where}: {why}; let the relay's user write there, or"
                f" change destination.{self._name}.spool.path"
            ) from error

    def _take(self) -> None:
        """
        Open the folder, after some tries if it is taken: whoever asks who has it holds it for a moment.
        """
        for _ in range(TRIES):
            with suppress(SpoolLocked):
                self.spool.open()
                return
            time.sleep(APART)
        self.spool.open()

    def start(self) -> None:
        """
        Begin to work on it.
        """
        # twistd forks before this.
        self._pool = ThreadPool(1, 1, f"logrelay spool {self._name}")
        self._pool.start()
        self._pingedAt = None
        self._tick()

    def _tick(self) -> None:
        """
        It is the start, or a second has passed.
        """
        self._tickCall = self._reactor.callLater(TICK, self._tick)
        self.spool.tick()

    def close(self) -> Deferred[None]:
        """
        Let go of the folder.

        :return: fires when that is done.
        """
        if self._tickCall is not None:
            self._tickCall.cancel()
            self._tickCall = None
        closed: Deferred[None] = Deferred()
        closed.addCallback(lambda _: self._end())
        self.spool.close(lambda: closed.callback(None))
        return closed

    def _end(self) -> None:
        """
        End the thread, which has nothing more to do.
        """
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """
        Do something in the thread, and then something here, with what came of it or the exception.
        """

        def ended(success: bool, result: Any) -> None:
            if isinstance(result, Failure):
                self._diary.failure("work on the disk failed", result)
                result = result.value
            cast(IReactorFromThreads, self._reactor).callFromThread(done, result)

        assert self._pool is not None, "the thread has not been started"
        self._pool.callInThreadWithCallback(ended, work)

    def ping(self) -> float:
        """
        Ask the thread for an answer, if it owes none.

        :return: for how many seconds it has owed one.
        """
        now = self._reactor.seconds()
        if self._pool is None:
            return 0.0
        if self._pingedAt is None:
            self._pingedAt = now
            self._run(lambda: None, self._answered)
        return now - self._pingedAt

    def _answered(self, _: object) -> None:
        """
        The thread works.
        """
        self._pingedAt = None

    # What is told.

    def _damaged(self, damage: Damage) -> None:
        """
        Something could not be read.
        """
        self._log.tell(events.SpoolDamaged(self._name, str(damage.path), damage.why, damage.messages))

    def _broken(self, error: Exception) -> None:
        """
        Nothing can be put on disk.  Told at most once a minute.
        """
        if self._troubles.add("broken", 1, self._reactor.seconds()):
            self._isToldBroken = True
            self._log.tell(events.SpoolBroken(self._name, self.spool.settings.path, str(error)))

    def _mended(self) -> None:
        """
        It can be again.
        """
        if self._isToldBroken:
            self._isToldBroken = False
            self._log.tell(events.SpoolMended(self._name, self.spool.settings.path))

    def snapshot(self) -> SpoolSnapshot:
        """
        The state now.
        """
        spool = self.spool
        why = "" if spool.error is None else str(spool.error)
        return SpoolSnapshot(spool.settings.path, spool.used, spool.settings.size, why)
