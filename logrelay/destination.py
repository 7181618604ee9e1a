"""
One destination at work: its store, its senders, its servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from . import events
from .ages import Ages
from .batches import Batch
from .bucket import Bucket
from .client import FailoverClientFactory
from .config import DestinationSettings
from .counters import DestinationCounters
from .deadletters import DeadLetters
from .delivery import Delivery
from .difference import talksAlike
from .disk import Disk
from .drops import Drops
from .encoding import encode, messagesOf
from .events import EventLog
from .failover import Idle, Policy, Returning, Waiting
from .formats import Form
from .linger import lingered
from .link import Link
from .orders import Orders
from .outbox import Outbox
from .reporter import Identity, Reporter
from .routing import Securing, Tally
from .senders import senderFactory
from .servers import Places, moved, placesOf
from .store import Accepted, IStore, Secured
from .waiters import Waiters


def policyOf(settings: DestinationSettings) -> Policy:
    """
    How to rotate among the servers of a destination.
    """
    return Policy(
        failoverDelay=settings.failoverDelay,
        timeReopen=settings.timeReopen,
        drainTimeout=settings.drainTimeout,
        keepalive=settings.keepalive,
        failback=settings.failback,
    )


class Destination:
    """
    Delivers one store to the first of its servers that works.

    :ivar store: what is still to be delivered.
    :ivar disk: its thread, if the store is on disk.
    :ivar ages: when that came in.
    :ivar counters: what was done so far.
    :ivar factory: the client factory, whose state says what is being done now.
    :ivar orders: what an operator may order.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: DestinationSettings,
        endpoints: Sequence[IStreamClientEndpoint],
        log: EventLog,
        dropped: Callable[[str, str, int], None],
        identityOf: Callable[[Link], Identity | None] = lambda link: None,
        stateDir: str = "state",
    ) -> None:
        """
        :param stateDir: where the dead-letter file is made when there is need of one.
        :param dropped: told whenever messages are given up: of which source, why, how many.
        :param identityOf: who the server of a connection proved to be.
        """
        self._clock = reactor
        self.settings = settings
        self.counters = DestinationCounters()
        self._log = log
        deadLetters = DeadLetters(Path(stateDir), settings.name, time.time)
        self._drops = Drops(reactor, settings.name, self.counters, deadLetters, log, dropped)
        self.disk: Disk | None = None
        self.store: IStore = self._newStore(reactor)
        self.ages = Ages()
        self._refusing: set[int] = set()
        self.delivery = Delivery(
            reactor,
            settings,
            self.store,
            self.counters,
            server=lambda: self.factory.rotation.current,
            refusing=lambda: self.factory.rotation.current in self._refusing,
            onUnanswered=self._unanswered,
            patience=lambda: self.factory.rotation.patience,
            onDelivered=lambda: self.factory.rotation.settled(),
            setAside=self._drops.setAside,
            onSearching=lambda: self._log.tell(events.Searching(settings.name)),
            bucket=Bucket(settings.throttle) if settings.throttle else None,
        )
        self._waiters = Waiters(self.store, self.delivery)
        self.store.onSettled = self._waiters.settled
        self.reporter = Reporter(
            settings.name,
            tuple(str(server) for server in settings.servers),
            self.counters,
            log,
            resent=self.delivery.takeRewound,
            identityOf=identityOf,
            clock=reactor.seconds,
        )
        protocols, policy = senderFactory(self.delivery), policyOf(settings)
        self.factory = FailoverClientFactory(reactor, endpoints, protocols, policy, self.reporter)
        self.orders = Orders(self.factory, lambda server: self.reporter.servers[server])

    def _newStore(self, reactor: IReactorTime) -> IStore:
        """
        The store: in memory, or on disk.
        """
        if self.settings.spool is None:
            return Outbox(self.settings.buffer, self.counters, self._drops.drop)
        self.disk = Disk(reactor, self.settings, self.counters, self._drops.drop, self._log)
        return self.disk.spool

    # As a route knows it.

    @property
    def form(self) -> Form:
        """
        The form in which messages are stored and sent.
        """
        settings = self.settings
        return Form(settings.format, settings.framing, settings.maxMessageSize, settings.oversize, settings.stamp)

    def append(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Store a batch, in parts if it is too large to be sent as a whole.
        """
        size = self.delivery.largestBatch
        if size is None or batch.count <= size:
            self._store(batch, accepted, secured)
            return
        messages = messagesOf(batch)
        parts = [messages[start : start + size] for start in range(0, len(messages), size)]
        tally, securing = Tally(accepted), Securing(secured)
        for small in (small for part in parts for small in encode(part, batch.framing, batch.origin)):
            self._store(small, tally.expected(), securing.expected())
        tally.close()
        securing.close()

    def _store(self, batch: Batch, accepted: Accepted | None, secured: Secured | None) -> None:
        """
        Store a batch.
        """
        self.ages.arrives(self.store.end, self._clock.seconds())
        if secured is not None:
            accepted = self._waiters.answering(accepted, secured)
        self.store.append(batch, accepted)

    def hold(self, delta: int) -> None:
        """
        Count bytes that decoders keep.
        """
        self.store.hold(delta)

    def shortened(self, batch: Batch, truncated: int, oversize: int) -> None:
        """
        Count messages of a batch that were cut, or given up, since they were too long.
        """
        self.counters.truncated += truncated
        if oversize:
            self._drops.drop(batch.origin.source, "oversize", oversize)

    # At work.

    def open(self) -> None:
        """
        Take the folder of a store on disk.

        :raises LogRelayError: if it cannot be had.
        """
        if self.disk is not None:
            self.disk.open()
            self.delivery.furthest = self.disk.spool.furthest

    def abandon(self) -> None:
        """
        Let go of what :meth:`open` took, instead of starting.
        """
        if self.disk is not None:
            self.disk.spool.abandon()

    def start(self) -> None:
        """
        Begin to deliver what is stored; the store has been opened.
        """
        self._waiters.start()
        if self.disk is not None:
            self.disk.start()
        self.factory.start()
        self.orders.start()

    def stop(self, limit: float) -> Deferred[None]:
        """
        Deliver what is stored for at most ``limit`` seconds, while there is a server for it; then end gracefully.

        :return: fires when nothing is left to do; what was not delivered stays in the store.
        """
        self.orders.stop()
        return lingered(self._clock, self.store, self.factory, limit).addCallback(self._end)

    def reconfigure(self, settings: DestinationSettings, endpoints: Sequence[IStreamClientEndpoint]) -> Deferred[None]:
        """
        Deliver by other settings from now on.  The store and the counters stay, and so does a connection that the new
        settings would have made too; any other ends gracefully first.

        :param endpoints: the same objects for what is unchanged.
        :return: fires when it is done; after ``drain-timeout`` at the latest.
        """
        places = placesOf(self.settings.servers, settings.servers)
        state, factory = self.factory.state, self.factory
        stays = talksAlike(self.settings, settings) and places[factory.rotation.current] is not None
        if isinstance(state, Returning):
            # Two servers are in use.
            stays = stays and places[0] == 0
        if stays or isinstance(state, Idle | Waiting):
            self._reconfigured(settings, endpoints, places)
            return succeed(None)
        held = factory.hold()
        held.addCallback(lambda _: self._reconfigured(settings, endpoints, places))
        return held.addCallback(lambda _: factory.resume())

    def _reconfigured(
        self, settings: DestinationSettings, endpoints: Sequence[IStreamClientEndpoint], places: Places
    ) -> None:
        """
        Take on settings that the connection in use, if there is one, agrees with.
        """
        before, self.settings = self.settings, settings
        # Over another transport a server may answer checkpoints that it did not answer before.
        self._refusing = set(moved(self._refusing, places)) if talksAlike(before, settings) else set()
        self.delivery.reconfigure(settings, places)
        self.reporter.remap(places, tuple(map(str, settings.servers)))
        protocols = self.factory.protocolFactory
        if before.driver != settings.driver:
            protocols = senderFactory(self.delivery)
        self.factory.reconfigure(endpoints, policyOf(settings), places, protocols)
        self.store.resize(settings.buffer)

    def _end(self, _: None) -> Deferred[None]:
        """
        End the connection, and say what is lost.
        """
        unsent = self.store.unsent
        ended = self.factory.stop()
        if self.disk is not None:
            self._waiters.closing()
            ended.addCallback(lambda _, disk: disk.close(), self.disk)
        return ended.addCallback(self._ended, unsent)

    def _ended(self, _: None, unsent: int) -> None:
        """
        Say what will not be delivered, and tell those who wait for it.

        :param unsent: how many messages no server was sent.
        """
        self._waiters.stopped()
        name, left = self.settings.name, self.store.messages
        if self.settings.spool is not None:
            if left:
                self._log.tell(events.Kept(name, self.settings.spool.path, left))
        else:
            self.counters.dropped["stopped"] += unsent
            self.counters.unconfirmed += left - unsent
            if left:
                self._log.tell(events.Undelivered(name, unsent, left - unsent))
        self._drops.flush()
        self._log.tell(events.Stopped(name))

    def forget(self) -> None:
        """
        It has stopped for good: what it did not deliver is given up, so that nobody brings it again.
        """
        self._waiters.giveUp()

    def whenSettled(self) -> Deferred[None]:
        """
        Fires when everything that the store has taken in so far has settled.  Fails with
        ``RelayStopped`` if the relay stops before.
        """
        return self._waiters.whenSettled()

    def _unanswered(self) -> None:
        """
        The server in use does not answer checkpoints: make no more of them there, and say so once.
        """
        server = self.factory.rotation.current
        if server in self._refusing:
            return
        self._refusing.add(server)
        name, limit = str(self.settings.servers[server]), self.settings.drainTimeout
        self._log.tell(events.CheckpointRefused(self.settings.name, name, limit))
