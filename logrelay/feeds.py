"""
Feeds: where each source's messages go, and which sources wait for which destinations.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from . import events
from .counters import SourceCounters
from .destination import Destination
from .events import Digest, EventLog
from .failover import RELOAD
from .routing import Route
from .snapshot import FileSnapshot, SourceSnapshot
from .stamping import Numbering
from .throttle import Throttle


@attrs.define(eq=False)
class Feed:
    """
    What one source feeds into: its route, and what makes it wait.

    :ivar to: the names of its destinations.
    :ivar answered: whether its senders are told what became of their messages: then it waits for every destination
        that is full, also for one that drops what it has no room for.
    :ivar saidToWait: whether the last that was told of it is that it waits.
    """

    name: str
    to: tuple[str, ...]
    route: Route
    throttle: Throttle
    counters: SourceCounters
    answered: bool = False
    saidToWait: bool = False

    def snapshot(self, addresses: tuple[str, ...] = (), files: tuple[FileSnapshot, ...] = ()) -> SourceSnapshot:
        """
        The state now.  A source that can't be made to wait, or brings nothing, is held by nobody.

        :param addresses: where it listens.
        :param files: which it follows.
        """
        heldBy = tuple(sorted(self.throttle.held)) if self.throttle.waiting else ()
        counters = attrs.evolve(self.counters, dropped=self.counters.dropped.copy())
        return SourceSnapshot(self.name, addresses, heldBy, counters, files)


class Feeds:
    """
    All feeds of a relay.  A destination that blocks makes those wait that lead to it, while its store is too full; one
    that drops only those whose senders are answered.
    """

    def __init__(self, clock: Callable[[], float], log: EventLog, numbering: Numbering) -> None:
        """
        :param clock: tells the time, in seconds since the epoch.
        :param numbering: what all of them number their stamps by.
        """
        self._clock = clock
        self._numbering = numbering
        self._log = log
        self._destinations: dict[str, Destination] = {}
        self._feeds: dict[str, Feed] = {}
        self._pauses = Digest()
        self._turn = 0

    def addDestination(self, destination: Destination) -> None:
        """
        A destination that feeds may lead to.
        """
        name = destination.settings.name
        self._destinations[name] = destination
        destination.store.onFull = lambda: self._hold(name)
        destination.store.onRoom = lambda: self._release(name)

    def add(self, name: str, to: tuple[str, ...], answered: bool = False) -> Feed:
        """
        A new feed.

        :param name: of the source; no other may have it.
        :param to: names of destinations that were added.
        :param answered: whether the source's senders are told what became of their messages.
        """
        counters = SourceCounters()
        route = Route([self._destinations[each] for each in to], counters, self._clock, self._numbering)
        self._feeds[name] = feed = Feed(name, to, route, Throttle(), counters, answered)
        for destination in to:
            if self._isFull(destination) and self._waits(feed, destination):
                feed.throttle.hold(destination)
        return feed

    def lead(self, name: str, to: tuple[str, ...], answered: bool = False) -> Feed:
        """
        Have a feed lead to these destinations, from the next :meth:`reroute` on; a new one at once.
        """
        feed = self._feeds.get(name)
        if feed is None:
            return self.add(name, to, answered)
        feed.to, feed.answered = to, answered
        return feed

    def reroute(self) -> None:
        """
        Have every feed lead where it is to lead, in the forms that are wanted there now.
        """
        # All routes first: what is told after that may bring messages.
        kept = [each for feed in self.all for each in feed.route.lead([self._destinations[name] for name in feed.to])]
        for taker, delta in kept:
            taker.hold(delta)
        for feed in self.all:
            full = {each for each in feed.to if self._isFull(each) and self._waits(feed, each)}
            for each in full - feed.throttle.held:
                self._holdOne(feed, each)
            for each in feed.throttle.held - full - {RELOAD}:
                self._releaseOne(feed, each)

    def pause(self, destination: str) -> None:
        """
        Have all that lead to a destination wait, until :meth:`resume`.
        """
        for feed in self.all:
            if destination in feed.to:
                feed.throttle.hold(RELOAD)

    def resume(self) -> None:
        """
        Let those go on that :meth:`pause` has had wait.
        """
        for feed in self.all:
            feed.throttle.release(RELOAD)

    def remove(self, name: str) -> None:
        """
        Forget a feed: its source is gone.
        """
        feed = self._feeds.pop(name)
        for taker, delta in feed.route.lead(()):
            taker.hold(delta)

    def removeDestination(self, name: str) -> None:
        """
        Forget a destination, to which nothing leads any more.
        """
        del self._destinations[name]

    def __getitem__(self, name: str) -> Feed:
        """
        The feed of a source.
        """
        return self._feeds[name]

    @property
    def all(self) -> tuple[Feed, ...]:
        """
        All of them, in the order in which they were added.
        """
        return tuple(self._feeds.values())

    def dropped(self, source: str, reason: str, count: int) -> None:
        """
        Count for a source what a destination gave up.  The source may be gone by now.
        """
        feed = self._feeds.get(source)
        if feed is not None:
            feed.counters.dropped[reason] += count

    def _isFull(self, name: str) -> bool:
        """
        Whether a destination's store is above its mark now.
        """
        return self._destinations[name].store.full

    def _waits(self, feed: Feed, destination: str) -> bool:
        """
        Whether a feed waits for a destination that is full.
        """
        return feed.answered or self._destinations[destination].settings.buffer.overflow == "block"

    def _waitingFor(self, destination: str) -> list[Feed]:
        """
        The feeds that lead to a destination, and wait for it when it is full.
        """
        return [feed for feed in self.all if destination in feed.to and self._waits(feed, destination)]

    def _hold(self, destination: str) -> None:
        """
        A destination is too full.
        """
        for feed in self._waitingFor(destination):
            self._holdOne(feed, destination)

    def _holdOne(self, feed: Feed, destination: str) -> None:
        """
        Have one feed wait for a destination.
        """
        before = feed.throttle.waiting
        feed.throttle.hold(destination)
        if feed.throttle.waiting and not before:
            self._paused(feed, destination)

    def _paused(self, feed: Feed, destination: str) -> None:
        """
        Tell that a source waits, now and then: a server that is slower than a source makes it wait all the time.
        """
        times = self._pauses.add(feed.name, 1, self._clock())
        if times:
            feed.saidToWait = True
            self._log.tell(events.SourcePaused(feed.name, destination, times - 1))

    def _release(self, destination: str) -> None:
        """
        A destination has room again.  Each time another source comes first: the room may not be enough for all, and the
        first one may fill it before the next is told.
        """
        feeds = self._waitingFor(destination)
        self._turn += 1
        first = self._turn % max(1, len(feeds))
        for feed in feeds[first:] + feeds[:first]:
            if self._isFull(destination):
                return
            self._releaseOne(feed, destination)

    def _releaseOne(self, feed: Feed, destination: str) -> None:
        """
        Have one feed wait for a destination no more.
        """
        feed.throttle.release(destination)
        if feed.saidToWait and not feed.throttle.held:
            feed.saidToWait = False
            self._log.tell(events.SourceResumed(feed.name))
