"""
Spools for tests: their work is done when the test says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from logrelay.config import BufferSettings, SpoolSettings
from logrelay.counters import DestinationCounters
from logrelay.spool import Damage, Spool

from .stores import Dropped, Hooks

MIB = 1024 * 1024


@attrs.define(eq=False)
class Worker:
    """
    Does what it is given, one after the other, when it is told to.

    :ivar fails: what the next things end with, instead of being done.
    """

    jobs: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = attrs.field(factory=deque)
    fails: deque[Exception] = attrs.field(factory=deque)

    def run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """
        Something to do.
        """
        self.jobs.append((work, done))

    def step(self) -> bool:
        """
        Do one thing.

        :return: whether there was one.
        """
        if not self.jobs:
            return False
        work, done = self.jobs.popleft()
        if self.fails:
            done(self.fails.popleft())
        else:
            done(work())
        return True

    def catchUp(self) -> None:
        """
        Do all there is.
        """
        while self.step():
            pass


@attrs.define(eq=False)
class Bench:
    """
    A spool with all that it talks to.

    :ivar damages: what it said could not be read.
    :ivar troubles: what it said of the disk: errors, and ``None`` for well again.
    """

    path: Path
    size: int = 64 * MIB
    buffer: BufferSettings = attrs.field(factory=lambda: BufferSettings(16 * MIB))
    worker: Worker = attrs.field(factory=Worker)
    counters: DestinationCounters = attrs.field(factory=DestinationCounters)
    hooks: Hooks = attrs.field(factory=Hooks)
    dropped: Dropped = attrs.field(default=attrs.Factory(lambda self: self.hooks.drop, takes_self=True))
    damages: list[Damage] = attrs.field(factory=list)
    troubles: list[Exception | None] = attrs.field(factory=list)

    def spool(self, sync: str = "normal") -> Spool:
        """
        An open one.
        """
        settings = SpoolSettings(str(self.path), self.size, sync)
        spool = Spool(settings, self.buffer, self.counters, self.dropped, self.worker.run)
        self.hooks.listen(spool)
        spool.damaged = self.damages.append
        spool.broken = self.troubles.append
        spool.mended = lambda: self.troubles.append(None)
        spool.open()
        spool.tick()
        return spool

    def close(self, spool: Spool) -> None:
        """
        Close one.
        """
        closed: list[bool] = []
        spool.close(lambda: closed.append(True))
        self.worker.catchUp()
        assert closed == [True], closed

    def kill(self, spool: Spool) -> None:
        """
        Let go of one as the end of the process does: nothing more is written.
        """
        self.worker.jobs.clear()
        spool.abandon()
