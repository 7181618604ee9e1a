"""
The service: the one place where the parts are built and joined.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from random import SystemRandom
from weakref import WeakSet

import attrs
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, FirstError, fail, gatherResults
from twisted.internet.interfaces import IAddress, IConsumer
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from . import events
from .batches import Origin
from .config import Configuration, DestinationSettings, SourceSettings
from .consumer import RelayConsumer
from .destination import Destination
from .endpoints import endpointFor
from .entrance import Entrance
from .errors import ConfigurationError, LogRelayError, Problem, RelayStopped
from .eventlogger import logEvent
from .events import EventLog
from .feeds import Feeds
from .inlet import Inlet
from .link import Link
from .positions import Positions
from .resolver import PoolResolver
from .servers import Server
from .snapshot import Snapshot
from .sources import FileSource, ISource, sourceFor
from .sources.interface import Reactor
from .stamping import Numbering, bootName
from .tls import ClientTLS, ServerTLS, peerOf

_log = Logger(namespace="logrelay")

#: The kernel's: it needs no seed, and two processes never share it.
_chance = SystemRandom().random

#: The name under which messages appear that the program itself hands in.
PROGRAM = "program"


class LogRelayService(Service):
    """
    A relay, as a service for any application.

    :ivar configuration: what it was told to do.
    :ivar log: where its events are told; add observers to it.
    :ivar inlet: the way in for other threads; what ``RelayObserver`` and ``RelayHandler`` take.
    """

    def __init__(
        self,
        reactor: Reactor,
        configuration: Configuration,
        hostname: str | None = None,
        chance: Callable[[], float] = _chance,
    ) -> None:
        """
        Build everything; nothing is opened yet, but certificates and keys are read.

        :param reactor: a real one: provides ``IReactorTCP``, ``IReactorSocket``, ``IReactorFDSet``,
            ``IReactorFromThreads`` and ``IReactorTime``.
        :param hostname: what stands for a missing host in local messages; default: this machine's.
        :param chance: gives random numbers from 0 up to 1, for the name of this start in stamps.
        """
        self._reactor = reactor
        self.configuration = configuration
        self._hostname = (hostname or socket.gethostname()).encode("ascii", "replace")
        self.log = EventLog([logEvent], lambda: _log.failure("an observer of the relay's events failed"))
        self._feeds = Feeds(reactor.seconds, self.log, Numbering(bootName(reactor.seconds(), chance())))
        self._resolvers: list[PoolResolver] = []
        self._destinations = {each.name: self._newDestination(each) for each in configuration.destinations}
        self._program = self._feeds.add(PROGRAM, tuple(self._destinations))
        self._origin = Origin(PROGRAM, self._hostname)
        self._entrances: dict[tuple[str, ...], Entrance] = {}
        # Those that the program still has; the others have nothing to stop.
        self._consumers: WeakSet[RelayConsumer] = WeakSet()
        self._stopped = False
        program = self._program
        self.inlet = Inlet(reactor, program.route, self._origin, program.counters, tell=self.log.tell)
        self._positions = Positions(reactor, configuration.stateDir, self._elsewhere, self.log.tell)
        tls = None if configuration.sourceTLS is None else ServerTLS(configuration.sourceTLS, self._warn)
        self._sources = [(each, self._newSource(each, tls)) for each in configuration.sources]
        self._bound = False

    # Building.

    def _newDestination(self, settings: DestinationSettings) -> Destination:
        """
        One destination with its endpoints.
        """
        resolver = PoolResolver(self._reactor, settings.ipProtocol, settings.localip)
        self._resolvers.append(resolver)
        tls = None
        if settings.tls is not None:
            tls = ClientTLS(settings.tls, lambda what: self._warn(what, settings.name))
        endpoints = [endpointFor(self._reactor, server, settings, resolver, tls) for server in settings.servers]
        destination = Destination(
            self._reactor, settings, endpoints, self.log, self._feeds.dropped, identityOf, self.configuration.stateDir
        )
        self._feeds.addDestination(destination)
        return destination

    def _newSource(self, settings: SourceSettings, tls: ServerTLS | None) -> ISource:
        """
        One source, joined to its destinations.
        """
        feed = self._feeds.add(settings.name, settings.to or tuple(self._destinations), settings.type == "relp")
        return sourceFor(
            self._reactor,
            settings,
            feed.route,
            feed.throttle,
            feed.counters,
            self._hostname,
            tls,
            self.log.tell,
            self._positions,
        )

    def _elsewhere(self, work: Callable[[], None]) -> Deferred[None]:
        """
        Do something in a thread, so that nobody waits for the disk.
        """
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def _warn(self, what: str, name: str = "sources") -> None:
        """
        Something about certificates.
        """
        self.log.tell(events.CertificateWarning(name, what))

    # Service.

    def privilegedStartService(self) -> None:
        """
        Bind the sockets, while the process may still use low ports.

        :raises LogRelayError: naming the source that could not be bound.
        """
        super().privilegedStartService()
        self._bind()

    def _bind(self) -> None:
        """
        Bind every source, once; all or none.
        """
        if self._bound:
            return
        try:
            for _, source in self._sources:
                source.bind()
        except LogRelayError:
            for _, source in self._sources:
                source.stop()
            raise
        self._bound = True

    def _openStores(self) -> None:
        """
        Open the store of every destination; all or none, and then no sockets either.
        """
        opened: list[Destination] = []
        try:
            for destination in self._destinations.values():
                destination.open()
                opened.append(destination)
        except LogRelayError:
            for destination in opened:
                destination.abandon()
            for _, source in self._sources:
                source.stop()
            self._bound = False
            raise

    def startService(self) -> None:
        """
        Begin to connect, then to listen.

        :raises LogRelayError: naming the source that could not be bound, or the spool that could not be opened.
        """
        self._bind()
        self._openStores()
        super().startService()
        self._stopped = False
        self.inlet.start()
        for resolver in self._resolvers:
            resolver.start()
        for destination in self._destinations.values():
            destination.start()
        for settings, source in self._sources:
            source.start()
            for address in _addresses(source):
                self.log.tell(events.Listening(settings.name, address))

    async def _stop(self) -> None:
        """
        Close the sources, deliver what is stored, end the connections.
        """
        self.inlet.stop()
        for consumer in tuple(self._consumers):
            consumer.stop()
        await gatherResults([source.stop() for _, source in self._sources])
        limit = self.configuration.stopTimeout
        await gatherResults([destination.stop(limit) for destination in self._destinations.values()])
        await self._positions.stop()
        for entrance in self._entrances.values():
            entrance.stopProducing()
        for resolver in self._resolvers:
            resolver.stop()
        self._bound = False

    def stopService(self) -> Deferred[None]:
        """
        End gracefully.

        :return: fires when everything has ended, a second (for the sources), ``stop-timeout`` and
            ``drain-timeout`` later at most.
        """
        super().stopService()
        self._stopped = True
        return Deferred.fromCoroutine(self._stop())

    # For the program that composes the relay.

    def send(self, message: bytes, to: Iterable[str] = ()) -> Deferred[None]:
        """
        Relay one message.

        :param message: the message alone, without framing; converted as every other.
        :param to: names of destinations; default: all.
        :return: fires when it was accepted; before the first start, too, and then it waits.  Fails with
            ``BufferFull`` if it can't be accepted, and with
            ``RelayStopped`` after a stop.
        :raises ConfigurationError: for a destination that does not exist.
        """
        if self._stopped:
            return fail(RelayStopped("the relay has stopped and takes no more messages"))
        wanted = frozenset(to)
        self._checkNames(wanted)
        return self._entrance(tuple(name for name in self._destinations if name in wanted or not wanted)).send(message)

    def _checkNames(self, names: Iterable[str]) -> None:
        """
        Refuse names of destinations that do not exist.
        """
        for name in names:
            if name not in self._destinations:
                known = ", ".join(self._destinations)
                raise ConfigurationError(
                    Problem("send", "to", f"there is no destination {name}", f"use one of {known}")
                )

    def _entrance(self, to: tuple[str, ...]) -> Entrance:
        """
        The entrance to some destinations.
        """
        if to not in self._entrances:
            feed = self._program if to == self._program.to else self._feeds.add(f"{PROGRAM} to {', '.join(to)}", to)
            origin = attrs.evolve(self._origin, source=feed.name)
            self._entrances[to] = Entrance(feed.route, feed.throttle, origin, feed.counters)
        return self._entrances[to]

    def whenSettled(self) -> Deferred[None]:
        """
        Fires when everything that was accepted before this call has settled at every destination.  What other threads
        have put into the inlet by now is among it.

        :return: fails with ``RelayStopped`` if the relay stops before.
        """
        self.inlet.flush()
        waiting = [destination.whenSettled() for destination in self._destinations.values()]
        return gatherResults(waiting, consumeErrors=True).addCallbacks(lambda _: None, _firstFailure)

    def consumer(self) -> IConsumer:
        """
        A consumer that relays what a producer writes: framed messages, the framing told from the first bytes.
        """
        feed = self._program
        size = max(each.maxMessageSize for each in self.configuration.destinations)
        consumer = RelayConsumer(self._reactor, feed.route, feed.throttle, self._origin, feed.counters, size)
        self._consumers.add(consumer)
        if self._stopped:
            consumer.stop()
        return consumer

    def snapshot(self) -> Snapshot:
        """
        The state now.
        """
        addresses = {settings.name: _addresses(source) for settings, source in self._sources}
        files = {settings.name: source.files for settings, source in self._sources if isinstance(source, FileSource)}
        sources = tuple(
            feed.snapshot(addresses.get(feed.name, ()), files.get(feed.name, ())) for feed in self._feeds.all
        )
        destinations = tuple(destination.snapshot() for destination in self._destinations.values())
        return Snapshot(self._reactor.seconds(), sources, destinations)


def _firstFailure(reason: Failure) -> Failure:
    """
    What failed first of several things.
    """
    return reason.value.subFailure if isinstance(reason.value, FirstError) else reason


def _addresses(source: ISource) -> tuple[str, ...]:
    """
    Where a source listens, for people.
    """
    return tuple(map(_addressText, source.listening))


def _addressText(address: IAddress) -> str:
    """
    One address.
    """
    if isinstance(address, IPv4Address | IPv6Address):
        return str(Server(address.host, address.port))
    return os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else str(address)


def identityOf(link: Link) -> str:
    """
    Who the server of a connection proved to be, for people; empty without TLS.
    """
    peer = peerOf(link.transport)
    return (
        "" if peer is None else f" ({', '.join(peer.subjectNames)}, certificate valid until {peer.notAfter:%Y-%m-%d})"
    )
