"""
Files as sources: logs that programs write, followed through every rotation.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer
from zope.interface import implementer

from ..batches import Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..decoding import LineDecoder
from ..eventlogger import logEvent
from ..events import Observer
from ..positions import Positions
from ..progress import Reading
from ..routing import IRoute
from ..snapshot import FileSnapshot
from ..throttle import Throttle
from .flow import Cuts
from .folders import Pattern, foldersOf
from .follower import Follower, Found
from .interface import ISource, Reactor
from .pack import Pack
from .roster import Roster
from .wakeup import WakeUp

#: Seconds between two looks at what nobody has told us of.
LOOK_INTERVAL = 1.0

#: A look may take this share of the time, where there are very many files or a slow file system.
LOOK_SHARE = 0.1

#: Seconds from being woken to reading: what a program writes line by line becomes batches.
NAP = 0.05

#: Reads in one turn of the reactor, over all files: others want their turn too.
READS = 4

#: So many files are shown; those that are most behind.
SHOWN = 20


@implementer(ISource, IPushProducer)
class FileSource:
    """
    Follows the files that a pattern names.

    Held, it still looks which files there are, and keeps them open, but reads none.
    """

    listening: tuple[IAddress, ...] = ()

    def __init__(
        self,
        reactor: Reactor,
        settings: SourceSettings,
        route: IRoute,
        throttle: Throttle,
        counters: SourceCounters,
        hostname: bytes,
        positions: Positions,
        tell: Observer = logEvent,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        :param positions: keeps how far the files have been relayed.
        :param clock: tells the time, in seconds since the epoch, as the times of files are.
        """
        self.settings = settings
        self._reactor = reactor
        self._route = route
        self._throttle = throttle
        self._counters = counters
        self._origin = Origin(settings.name, hostname)
        self._positions = positions
        self._clock = clock
        self._complaints = Complaints(reactor, settings.name, tell)
        self._cuts = Cuts(counters, self._complaints)
        self._wakeUp = WakeUp(reactor, self._woken)
        self._pack = self._newPack([])
        self._ready: OrderedDict[Follower, None] = OrderedDict()
        self._unwell: dict[str, str] = {}
        self._held = False
        self._running = False
        self._turn: IDelayedCall | None = None
        self._look: IDelayedCall | None = None
        self._rested = 0.0

    def _newPack(self, readings: list[Reading]) -> Pack:
        """
        The files that were read so far.
        """
        assert self.settings.path is not None
        roster = Roster(
            decoder=lambda: LineDecoder(self._origin, self.settings.maxMessageSize, self._counters),
            route=self._route,
            changed=self._positions.changed,
            seconds=self._reactor.seconds,
        )
        roster.load(readings)
        return Pack(
            pattern=self.settings.path,
            roster=roster,
            ready=self._isReady,
            trouble=self._trouble,
            fine=self._fine,
            lost=self._lost,
            clock=self._clock,
        )

    # As a source.

    def bind(self) -> None:
        """
        Nothing to do: files are opened as the user that the relay runs as.
        """

    def start(self) -> None:
        """
        Go on where the last run, or the source before this one, has ended.
        """
        assert self.settings.path is not None
        self._pack = self._newPack(self._positions.of(self.settings.name, Pattern(self.settings.path)))
        self._positions.follow(self.settings.name, self._pack.roster)
        self._running, self._held = True, False
        self._throttle.add(self)
        self._lookAround()

    def stop(self) -> Deferred[None]:
        """
        Close the files.  What was delivered becomes safe later, and the positions are saved by who keeps them.
        """
        self._running = False
        self._throttle.remove(self)
        self._wakeUp.stop()
        for call in (self._turn, self._look):
            if call is not None:
                call.cancel()
        self._turn = self._look = None
        self._ready.clear()
        self._pack.close()
        self._complaints.flush()
        return succeed(None)

    @property
    def files(self) -> tuple[FileSnapshot, ...]:
        """
        The files, those first that are most behind.
        """
        followers = (each for each in self._pack.roster if each.log.current is each or each.lag)
        shown = sorted(followers, key=lambda each: (-each.lag, each.path))[:SHOWN]
        return tuple(FileSnapshot(each.path, each.offset, each.progress.stop.offset, each.lag) for each in shown)

    # As a producer.

    def pauseProducing(self) -> None:
        """
        Read nothing more.
        """
        self._held = True

    def resumeProducing(self) -> None:
        """
        Read on, in a turn of its own.
        """
        self._held = False
        self._wantTurn(0)

    def stopProducing(self) -> None:
        """
        Read nothing more.
        """
        self._held = True

    # Looking.

    def _lookAround(self) -> None:
        """
        Look which files there are now.
        """
        self._look = None
        began = self._reactor.seconds()
        assert self.settings.path is not None
        try:
            self._wakeUp.watch(foldersOf(self.settings.path))
            self._pack.look()
        finally:
            now = self._reactor.seconds()
            self._rested = now + (now - began) / LOOK_SHARE
            self._lookWithin(LOOK_INTERVAL)

    def _lookWithin(self, seconds: float) -> None:
        """
        Look again within so many seconds, or as soon as looking does not take too much of the time.
        """
        now = self._reactor.seconds()
        due = max(now + seconds, self._rested)
        if self._look is not None:
            if self._look.getTime() <= due:
                return
            self._look.cancel()
        self._look = self._reactor.callLater(due - now, self._lookAround)

    def _woken(self, path: str, moved: bool) -> None:
        """
        Something has happened to a file.
        """
        follower = self._pack.at(path) if self._running else None
        if moved and self._running:
            self._lookWithin(NAP)
        elif follower is not None and follower.descriptor is not None:
            self._isReady(follower, NAP)
        # A file that is closed, or not known, is seen at the next look.

    # Reading.

    def _isReady(self, follower: Follower, delay: float = 0.0) -> None:
        """
        There may be something to read.
        """
        self._ready[follower] = None
        self._wantTurn(delay)

    def _wantTurn(self, delay: float) -> None:
        """
        Have a turn, if there is anything to do.
        """
        if self._held or not self._ready or not self._running:
            return
        if self._turn is not None:
            if delay or self._turn.getTime() <= self._reactor.seconds():
                return
            self._turn.cancel()
        self._turn = self._reactor.callLater(delay, self._read)

    def _read(self) -> None:
        """
        One turn: some reads, each from another file as long as there are others.
        """
        self._turn = None
        for _ in range(READS):
            if self._held or not self._ready or not self._running:
                break
            follower, _ = self._ready.popitem(last=False)
            if follower.descriptor is not None and follower.log.mayRead(follower):
                self._readOne(follower)
        self._wantTurn(0)

    def _readOne(self, follower: Follower) -> None:
        """
        Read once from one file.
        """
        try:
            found = follower.read()
        except OSError as error:
            self._trouble(follower.path, error.strerror or str(error))
            self._pack.release(follower)
            return
        self._cuts.look(follower.path)
        if found is Found.MORE:
            follower.quiet = self._reactor.seconds()
            self._ready[follower] = None
        elif found is Found.CUT:
            self._pack.cut(follower)
        else:
            self._pack.release(follower)

    # Telling.

    def _trouble(self, path: str, why: str) -> None:
        """
        Something is wrong with a file; said once for each, until it is well again.
        """
        if self._unwell.get(path) != why:
            if len(self._unwell) >= 1000:
                self._unwell.clear()
            self._unwell[path] = why
            self._complaints.say("unreadable", f"cannot follow {path}: {why}")

    def _fine(self, path: str) -> None:
        """
        A file could be opened.
        """
        self._unwell.pop(path, None)

    def _lost(self, follower: Follower) -> None:
        """
        What stood in a file behind what was read, if anything, cannot be found.
        """
        self._counters.unfound += 1
        why = f"{follower.path} was cut or removed, and no uncompressed copy of it is found"
        self._complaints.say("unfound", f"{why}: what was written to it behind byte {follower.offset}, if any, is lost")
