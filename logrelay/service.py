"""
The service: a relay, as any application composes it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from random import SystemRandom
from weakref import WeakSet

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, FirstError, fail, gatherResults
from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure

from . import events
from .batches import Origin
from .config import PROGRAM, Configuration
from .consumer import RelayConsumer
from .destination import Destination
from .difference import differenceOf
from .entrance import Entrance
from .errors import ConfigurationError, Problem, RelayStopped
from .eventlogger import logEvent
from .events import EventLog
from .expiry import Expiry
from .feeds import Feed
from .health import Health
from .hook import Hook
from .inlet import Inlet
from .listeners import addressesOf
from .parts import Parts
from .snapshot import ReloadSnapshot, Snapshot
from .sources import FileSource
from .sources.interface import Reactor
from .stamping import Numbering, bootName
from .steering import Steering

_log = Logger(namespace="logrelay")

#: The kernel's: it needs no seed, and two processes never share it.
_chance = SystemRandom().random


class LogRelayService(Service):
    """
    A relay, as a service for any application.

    :ivar configuration: what it was told to do.
    :ivar log: where its events are told; add observers to it.
    :ivar steering: what an operator may order.
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
        numbering = Numbering(bootName(reactor.seconds(), chance()))
        self._parts = Parts(reactor, self.log, numbering, self._hostname, configuration.stateDir)
        self._origin = Origin(PROGRAM, self._hostname)
        self._entrances: dict[frozenset[str], Entrance] = {}
        # Those that the program still has; the others have nothing to stop.
        self._consumers: WeakSet[RelayConsumer] = WeakSet()
        self._stopped = False
        self._startedAt = 0.0
        # Reloads and an operator's orders, one after the other.
        self._reloading = DeferredLock()
        self._lastReload: ReloadSnapshot | None = None
        self.steering = Steering(self._reloading, lambda: self._destinations, self.log)
        program = self._program
        self.inlet = Inlet(reactor, program.route, self._origin, program.counters, tell=self.log.tell)
        self._health = Health(reactor, lambda: self._destinations.values())
        self._expiry = Expiry(reactor, self.log, self._renewed)
        self._hook = Hook(reactor, lambda: self.configuration.onSwitch, self.log)
        self.log.observers += [self._expiry.observe, self._hook.observe]
        nothing = attrs.evolve(configuration, sources=(), destinations=(), sourceTLS=None)
        self._parts.begin(differenceOf(nothing, configuration))

    @property
    def _program(self) -> Feed:
        """
        What the program itself feeds into.
        """
        return self._parts.feeds[PROGRAM]

    @property
    def _destinations(self) -> dict[str, Destination]:
        """
        The destinations, by their names.
        """
        return self._parts.destinations

    # Service.

    def privilegedStartService(self) -> None:
        """
        Bind the sockets, while the process may still use low ports.

        :raises LogRelayError: naming the source that could not be bound.
        """
        super().privilegedStartService()
        self._parts.listeners.bind()

    def startService(self) -> None:
        """
        Begin to connect, then to listen.

        :raises LogRelayError: naming the source that could not be bound, or the spool that could not be opened.
        """
        self._parts.listeners.bind()
        self._parts.openStores()
        super().startService()
        self._stopped = False
        self._startedAt = self._reactor.seconds()
        self.inlet.start()
        self._hook.start()
        self._parts.start()
        self._health.start()
        self._expiry.start()

    def _renewed(self) -> Snapshot:
        """
        The state now, after certificates have been read whose files have changed.
        """
        self._parts.readCertificates()
        return self.snapshot()

    async def _stop(self) -> None:
        """
        Close the sources, deliver what is stored, end the connections.
        """
        self._expiry.stop()
        self.inlet.stop()
        for consumer in tuple(self._consumers):
            consumer.stop()
        await self._parts.stop(self.configuration.stopTimeout)
        for entrance in self._entrances.values():
            entrance.stopProducing()
        # What a reload has left to end.
        await self._reloading.run(lambda: None)
        await self._parts.finish()
        self._health.stop()
        await self._hook.stop()

    def stopService(self) -> Deferred[None]:
        """
        End gracefully.

        :return: fires when everything has ended, a second (for the sources), ``stop-timeout`` and
            ``drain-timeout`` later at most.
        """
        super().stopService()
        self._stopped = True
        return Deferred.fromCoroutine(self._stop())

    def reload(self, configuration: Configuration | Callable[[], Configuration], force: bool = False) -> Deferred[str]:
        """
        Go over to another configuration, after what reloads are under way.  What is in both goes on; stores and
        counters stay.

        :param configuration: what to do from now on; or what reads it, when it is its turn.
        :param force: remove destinations though not everything there has settled: that is lost.
        :return: what has changed, for people, when what is not wanted any more has ended.  Fails with
            ``LogRelayError`` if the new configuration can't be had; then nothing has changed.
        """
        return self._reloading.run(lambda: Deferred.fromCoroutine(self._reload(configuration, force)))

    async def _reload(self, wanted: Configuration | Callable[[], Configuration], force: bool) -> str:
        """
        Go over, and say how that went.
        """
        self.log.tell(events.Reloading())
        try:
            if self._stopped:
                raise RelayStopped("the relay has stopped")
            configuration = wanted if isinstance(wanted, Configuration) else wanted()
            difference = differenceOf(self.configuration, configuration)
            await self._parts.change(difference, force, lambda: self._reloaded(configuration, str(difference)))
            return str(difference)
        except Exception as error:
            why = "; ".join(str(error).splitlines()) or repr(error)
            self._lastReload = ReloadSnapshot(self._reactor.seconds(), True, why)
            self.log.tell(events.ReloadFailed(why))
            raise

    def _reloaded(self, configuration: Configuration, what: str) -> None:
        """
        Another configuration is in use.
        """
        self.configuration = configuration
        for to in tuple(self._entrances):
            gone = to - set(self._destinations)
            if gone:
                entrance = self._entrances.pop(to)
                entrance.close(f"there is no destination {', '.join(sorted(gone))} any more")
                self._parts.feeds.remove(_entranceName(to))
        self._lastReload = ReloadSnapshot(self._reactor.seconds(), False, what)
        self.log.tell(events.Reloaded(what))

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
        return self._entrance(wanted if wanted != set(self._destinations) else frozenset()).send(message)

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

    def _entrance(self, wanted: frozenset[str]) -> Entrance:
        """
        The entrance to some destinations; none: to all.
        """
        if wanted not in self._entrances:
            to = tuple(name for name in self._destinations if name in wanted)
            feed = self._parts.feeds.add(_entranceName(wanted), to) if wanted else self._program
            origin = attrs.evolve(self._origin, source=feed.name)
            self._entrances[wanted] = Entrance(feed.route, feed.throttle, origin, feed.counters)
        return self._entrances[wanted]

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
        listening = self._parts.listeners.sources
        addresses = {name: addressesOf(source) for name, source in listening.items()}
        files = {name: source.files for name, source in listening.items() if isinstance(source, FileSource)}
        sources = tuple(
            feed.snapshot(addresses.get(feed.name, ()), files.get(feed.name, ())) for feed in self._parts.feeds.all
        )
        notAfter = self._parts.notAfter
        return Snapshot(
            at=self._reactor.seconds(),
            startedAt=self._startedAt if self.running and not self._stopped else None,
            bound=self._parts.listeners.bound,
            sources=sources,
            destinations=tuple(self._parts.snapshots()),
            ownNotAfter=None if notAfter is None else notAfter.timestamp(),
            ailments=self._health.ailments,
            reload=self._lastReload,
        )


def _entranceName(to: Iterable[str]) -> str:
    """
    The name of what the program sends to some destinations only.
    """
    return f"{PROGRAM} to {', '.join(sorted(to))}"


def _firstFailure(reason: Failure) -> Failure:
    """
    What failed first of several things.
    """
    return reason.value.subFailure if isinstance(reason.value, FirstError) else reason
