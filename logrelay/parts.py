"""
The parts of a relay, and how they are exchanged while it runs.

A relay is built by applying the difference between no configuration and its own; a reload applies another difference.
Whatever can fail comes first: then everything is exchanged within one turn of the reactor, and only then what is not
wanted any more ends, gracefully.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from . import events
from .config import PROGRAM, DestinationSettings, SourceSettings
from .departure import emptied
from .destination import Destination
from .destinationsnapshot import snapshotOf
from .difference import Difference
from .errors import LogRelayError, RelayStopped, ReloadRefused
from .events import EventLog
from .feeds import Feeds
from .link import Link
from .listeners import Exchange, Listeners
from .positions import Positions
from .reporter import Identity
from .snapshot import DestinationSnapshot
from .sources import ISource, sourceFor
from .sources.interface import IAdjustable
from .stamping import Numbering
from .tls import ServerTLS, peerOf
from .ways import Ways, waysFor


@attrs.frozen
class Prepared:
    """
    What a difference wants, built and not yet in use.

    :ivar ways: to the servers of every destination that there is going to be, in the order of the configuration.
    :ivar destinations: new ones.
    :ivar tls: what listeners show.
    """

    difference: Difference
    ways: dict[str, Ways]
    destinations: list[Destination]
    tls: ServerTLS | None


class Parts:
    """
    The destinations and sources of a relay, joined.

    :ivar destinations: by their names, in the order of the configuration.
    :ivar listeners: the sources.
    :ivar running: whether they work.
    """

    def __init__(self, reactor: Any, log: EventLog, numbering: Numbering, hostname: bytes, stateDir: str) -> None:
        """
        :param numbering: what stamps are numbered by.
        :param hostname: what stands for a missing host in local messages.
        :param stateDir: where it is kept how far files have been relayed.
        """
        self._reactor = reactor
        self._log = log
        self._hostname = hostname
        self._ways: dict[str, Ways] = {}
        self._tls: ServerTLS | None = None
        self.feeds = Feeds(reactor.seconds, log, numbering)
        self.feeds.add(PROGRAM, ())
        self.destinations: dict[str, Destination] = {}
        self.listeners = Listeners(log.tell)
        self._positions = Positions(reactor, stateDir, self._elsewhere, log.tell)
        self.running = False

    def _elsewhere(self, work: Callable[[], None]) -> Deferred[None]:
        """
        Do something in a thread, so that nobody waits for the disk.
        """
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    # At work.

    def openStores(self) -> None:
        """
        Open the store of every destination; all or none, and then no sockets either.

        :raises LogRelayError: if one cannot be opened.
        """
        try:
            _open(self.destinations.values())
        except LogRelayError:
            self.listeners.stop()
            raise

    def start(self) -> None:
        """
        Begin to connect, then to listen.
        """
        self.running = True
        for ways in self._ways.values():
            ways.resolver.start()
        for destination in self.destinations.values():
            destination.start()
        self.listeners.start()

    async def stop(self, limit: float) -> None:
        """
        Close the sources, deliver what is stored for so many seconds, end the connections.
        """
        self.running = False
        await self.listeners.stop()
        await gatherResults([each.stop(limit) for each in self.destinations.values()])
        for ways in self._ways.values():
            ways.resolver.stop()

    async def finish(self) -> None:
        """
        Keep how far files have been relayed, when nothing is delivered any more.
        """
        await self._positions.stop()

    def snapshots(self) -> Iterator[DestinationSnapshot]:
        """
        The state of each destination.
        """
        for name, destination in self.destinations.items():
            tls = self._ways[name].tls
            yield snapshotOf(destination) if tls is None else snapshotOf(destination, tls.notAfter, tls.listsUntil)

    @property
    def notAfter(self) -> datetime | None:
        """
        When the certificate that listeners show expires, in UTC; ``None`` where there is none.
        """
        return None if self._tls is None else self._tls.notAfter

    def readCertificates(self) -> None:
        """
        Read what certificates we show, where the files have changed.
        """
        for tls in (self._tls, *(ways.tls for ways in self._ways.values())):
            if tls is not None:
                tls.read()

    # Another configuration.

    def begin(self, difference: Difference) -> None:
        """
        Build the parts, before anything works.

        :raises ConfigurationError: if certificates or keys cannot be used.
        """
        self._exchange(self._prepare(difference))

    async def change(self, difference: Difference, force: bool, changed: Callable[[], None]) -> None:
        """
        Go over to another configuration, and wait for what is not wanted any more to end.

        :param force: remove destinations though not everything there has settled.
        :param changed: told when the new one is in use, and the old ones may not have ended yet.
        :raises LogRelayError: if that can't be done; then nothing has changed.
        """
        problems = tuple(difference.problems())
        if problems:
            raise ReloadRefused(*problems)
        prepared = self._prepare(difference)
        running = self.running
        try:
            if not force:
                gone = [self.destinations[each.name] for each in difference.destinations.removed]
                await emptied(self._reactor, gone, self.feeds.pause)
            if running and not self.running:
                raise RelayStopped("the relay is stopping")
            done = self._exchange(prepared)
            changed()
        finally:
            self.feeds.resume()
        await done

    def _prepare(self, difference: Difference) -> Prepared:
        """
        Build what may fail to be built.  Nothing is opened, and nothing is in use.
        """
        before, after = difference.before, difference.after
        ways = {each.name: self._waysTo(each) for each in after.destinations}
        tls = self._tls
        if before.sourceTLS != after.sourceTLS:
            tls = None if after.sourceTLS is None else ServerTLS(after.sourceTLS, self._warn)
        destinations = [
            Destination(
                *(self._reactor, each, ways[each.name].endpoints, self._log, self.feeds.dropped, identityOf),
                stateDir=after.stateDir,
            )
            for each in difference.destinations.new
        ]
        return Prepared(difference, ways, destinations, tls)

    def _waysTo(self, settings: DestinationSettings) -> Ways:
        """
        The ways to the servers of a destination.
        """
        name = settings.name
        return waysFor(self._reactor, settings, lambda what: self._warn(what, name), self._ways.get(name))

    def _warn(self, what: str, name: str = "sources") -> None:
        """
        Something about certificates.
        """
        self._log.tell(events.CertificateWarning(name, what))

    def _exchange(self, prepared: Prepared) -> Deferred[None]:
        """
        Put everything that is new in its place, and let the old ones end.

        :return: fires when they have.
        :raises LogRelayError: if a source can't be bound, or a store on disk not be opened; then nothing has changed.
        """
        exchange = self._take(prepared)
        # From here on nothing fails.
        difference = prepared.difference
        self._tls = prepared.tls
        kept = difference.destinations.kept
        done = [self._reconfigure(after, prepared.ways[after.name]) for before, after in kept if before != after]
        gone = [self.destinations[each.name] for each in difference.destinations.removed]
        goneWays = [self._ways[each.settings.name] for each in gone]
        new = {each.settings.name: each for each in prepared.destinations}
        self._ways = prepared.ways
        self.destinations = {each: new.get(each) or self.destinations[each] for each in prepared.ways}
        self._reroute(difference)
        self._positions.sources = {each.name for each in difference.after.sources}
        ends = exchange.finish()
        for _, after in difference.sources.kept:
            self._adjust(after)
        return gatherResults([*done, Deferred.fromCoroutine(self._part(difference, ends, gone, goneWays))]).addCallback(
            lambda _: None
        )

    def _take(self, prepared: Prepared) -> Exchange:
        """
        Open everything that is new: all or nothing.
        """
        difference = prepared.difference
        sources = difference.sources
        for destination in prepared.destinations:
            self.feeds.addDestination(destination)
        for added in sources.added:
            self.feeds.add(added.name, added.to or tuple(prepared.ways), added.type == "relp")
        built = {each.name: self._newSource(each, prepared.tls) for each in sources.new}
        exchange = self.listeners.exchange(built, [each.name for each in sources.old])
        try:
            exchange.bind()
            self._startNew(prepared, exchange)
        except LogRelayError:
            for added in sources.added:
                self.feeds.remove(added.name)
            for destination in prepared.destinations:
                self.feeds.removeDestination(destination.settings.name)
            raise
        return exchange

    def _startNew(self, prepared: Prepared, exchange: Exchange) -> None:
        """
        Let new destinations begin, if the relay works.

        :raises LogRelayError: if the store of one can't be opened; then none works, and no source has been exchanged.
        """
        if not self.running:
            return
        try:
            _open(prepared.destinations)
        except LogRelayError:
            exchange.undo()
            raise
        for destination in prepared.destinations:
            prepared.ways[destination.settings.name].resolver.start()
            destination.start()

    def _newSource(self, settings: SourceSettings, tls: ServerTLS | None) -> ISource:
        """
        One source, joined to its feed.
        """
        feed = self.feeds[settings.name]
        return sourceFor(
            self._reactor,
            settings,
            feed.route,
            feed.throttle,
            feed.counters,
            self._hostname,
            tls,
            self._log.tell,
            self._positions,
        )

    def _reconfigure(self, settings: DestinationSettings, ways: Ways) -> Deferred[None]:
        """
        Give a destination that stays other settings.
        """
        before = self._ways[settings.name]
        renewed = ways.resolver is not before.resolver
        if renewed and self.running:
            ways.resolver.start()
        done = self.destinations[settings.name].reconfigure(settings, ways.endpoints)
        if renewed:
            done.addCallback(lambda _: before.resolver.stop())
        # Its form may be another one now.
        return done.addCallback(lambda _: self.feeds.reroute())

    def _reroute(self, difference: Difference) -> None:
        """
        Have every source lead where it is to lead now, and the program to every destination.
        """
        everywhere = tuple(self.destinations)
        for source in difference.after.sources:
            self.feeds.lead(source.name, source.to or everywhere, source.type == "relp")
        self.feeds.lead(PROGRAM, everywhere)
        self.feeds.reroute()

    def _adjust(self, settings: SourceSettings) -> None:
        """
        Give a source that stays its new limits.
        """
        source = IAdjustable(self.listeners.sources[settings.name], None)
        if source is not None:
            source.adjust(settings)

    async def _part(
        self,
        difference: Difference,
        ends: Mapping[str, Deferred[None]],
        gone: Sequence[Destination],
        ways: Sequence[Ways],
    ) -> None:
        """
        Wait for old sources, and then deliver what is left at old destinations.
        """
        await gatherResults(list(ends.values()))
        for source in difference.sources.removed:
            self.feeds.remove(source.name)
        await gatherResults([each.stop(difference.after.stopTimeout) for each in gone])
        for each in gone:
            each.forget()
            self.feeds.removeDestination(each.settings.name)
            spool = each.settings.spool
            self._log.tell(events.Removed(each.settings.name, "" if spool is None else spool.path))
        for way in ways:
            way.resolver.stop()


def _open(destinations: Iterable[Destination]) -> None:
    """
    Open the stores of some destinations; all or none.

    :raises LogRelayError: if one cannot be opened.
    """
    opened: list[Destination] = []
    try:
        for destination in destinations:
            destination.open()
            opened.append(destination)
    except LogRelayError:
        for destination in opened:
            destination.abandon()
        raise


def identityOf(link: Link) -> Identity | None:
    """
    Who the server of a connection proved to be; ``None`` without TLS.
    """
    peer = peerOf(link.transport)
    return None if peer is None else Identity(peer.subjectNames, peer.notAfter)
