"""
What the tests of followed files share: a folder of logs with its writers and rotations, and a source that follows them.

Time is the test's: the reactor's is a clock, and that of files is set after each write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.testing import MemoryReactorClock

from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.events import Event
from logrelay.positions import Positions
from logrelay.sources.file import FileSource
from logrelay.throttle import Throttle

from .sourcing import KeptRoute

#: When the tests begin, in seconds since the epoch.
BEGIN = 1_700_000_000.0


class Logs:
    """
    A folder with a log, and all that happens to it.

    :ivar live: where the log is.
    :ivar written: lines that were written, without LF.
    :ivar kept: how many rotated logs there are.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self.folder = folder
        self.live = folder / "app.log"
        self.written: list[bytes] = []
        self.kept = 0
        self._now = now
        self._writer: int | None = None

    def stamp(self, target: int | Path) -> None:
        """
        Give a file the time of the test.
        """
        moment = int(self._now() * 1e9)
        os.utime(target, ns=(moment, moment))

    def open(self) -> None:
        """
        Let the writer open the log, as it does when it is told that it was rotated.
        """
        self.close()
        isNew = not self.live.exists()
        self._writer = os.open(self.live, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        if isNew:
            self.stamp(self.live)

    def close(self) -> None:
        """
        Let the writer close what it has open.
        """
        if self._writer is not None:
            os.close(self._writer)
        self._writer = None

    def append(self, data: bytes) -> None:
        """
        Write some bytes to whatever the writer has open.
        """
        if self._writer is None:
            self.open()
        assert self._writer is not None
        os.write(self._writer, data)
        self.stamp(self._writer)

    def write(self, count: int = 1, size: int = 30) -> list[bytes]:
        """
        Write lines that are like no others.
        """
        lines = [
            (b"line %06d " % number).ljust(size, b"x") for number in range(len(self.written), len(self.written) + count)
        ]
        self.written += lines
        self.append(b"".join(line + b"\n" for line in lines))
        return lines

    def rotated(self, place: int) -> Path:
        """
        Where a rotated log is; 1 is the newest.
        """
        return self.folder / f"app.log.{place}"

    def shift(self) -> None:
        """
        Make room for a newest one.
        """
        for place in range(self.kept, 0, -1):
            os.rename(self.rotated(place), self.rotated(place + 1))
        self.kept += 1

    def rename(self, create: bool = True) -> None:
        """
        Rotate by rename.  The writer still has the old one open.
        """
        if self.live.exists():
            self.shift()
            os.rename(self.live, self.rotated(1))
            if create:
                self.live.touch()
                self.stamp(self.live)

    def copy(self, size: int | None = None) -> None:
        """
        The first half of copytruncate, or the beginning of it.
        """
        self.shift()
        self.rotated(1).write_bytes(self.live.read_bytes()[:size])
        self.stamp(self.rotated(1))

    def copyRest(self) -> None:
        """
        What comes after its beginning.
        """
        self.rotated(1).write_bytes(self.live.read_bytes())
        self.stamp(self.rotated(1))

    def truncate(self) -> None:
        """
        The second half.
        """
        os.truncate(self.live, 0)
        self.stamp(self.live)

    @property
    def contents(self) -> list[bytes]:
        """
        The whole lines that are in the log or in a rotated one.
        """
        paths = [self.rotated(place) for place in range(self.kept, 0, -1)] + [self.live]
        return [line for path in paths if path.exists() for line in path.read_bytes().split(b"\n")[:-1]]


class Following:
    """
    A source, and what it has delivered; it can end in any way and begin again.

    :ivar route: where it delivers; all of them have the same list of messages.
    :ivar told: its events.
    :ivar sources: the names of others that there are.
    """

    def __init__(self, state: Path, pattern: str, size: int = 65536) -> None:
        self.state = state
        self.settings = SourceSettings(pattern, "file", path=pattern, maxMessageSize=size)
        self.reactor: Any = MemoryReactorClock()
        self.counters = SourceCounters()
        self.route = KeptRoute()
        self.told: list[Event] = []
        self.running = False
        self.saves = 0
        self.sources: list[str] = []

    def now(self) -> float:
        """
        The time of files.
        """
        return BEGIN + float(self.reactor.seconds())

    def start(self) -> None:
        """
        Begin, as a process does.
        """
        self.throttle = Throttle()
        self.positions = Positions(self.reactor, str(self.state), self._elsewhere, self.told.append)
        self._begin()

    def exchange(self) -> None:
        """
        Have a source of the settings that there are now instead of the old one, as a reload does.
        """
        self.source.stop()
        self._begin()

    def _begin(self) -> None:
        """
        Build a source, and start it.
        """
        self.positions.sources = {self.settings.name, *self.sources}
        self.source = FileSource(
            self.reactor,
            self.settings,
            self.route,
            self.throttle,
            self.counters,
            b"host",
            self.positions,
            self.told.append,
            self.now,
        )
        self.source.bind()
        self.source.start()
        self.running = True

    def _elsewhere(self, work: Callable[[], None]) -> Deferred[None]:
        self.saves += 1
        return execute(work)

    def stop(self) -> None:
        """
        End as one is asked to.
        """
        self.source.stop()
        Deferred.fromCoroutine(self.positions.stop())
        self.running = False

    def kill(self) -> None:
        """
        End at once: nothing is saved.
        """
        self.source.stop()
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        self.route.securing.clear()
        self.running = False

    @property
    def messages(self) -> list[bytes]:
        """
        What was delivered.
        """
        return self.route.messages

    def secure(self, count: int | None = None) -> None:
        """
        Let the oldest batches be secured.
        """
        for _ in range(len(self.route.securing) if count is None else min(count, len(self.route.securing))):
            self.route.securing.pop(0)()

    def spend(self, seconds: float) -> None:
        """
        Let the reactor work for so long.
        """
        whole = max(0, int(seconds) - 1)
        self.reactor.pump([0.05] * round((seconds - whole) / 0.05) + [1.0] * whole)
