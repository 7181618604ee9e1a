"""
From a store to a server: the push producer, and when what it wrote need not be written again.

The sender keeps no messages.  It takes batches from the store while the transport lets it, remembers where each one
ends in the stream (the window), and settles them in the store as the peer's acknowledgements pass.  When its
connection is gone it settles what is certain and rewinds the store; the next sender begins there.

A *checkpoint* settles everything: the sender ends the connection gracefully, and a server that has read our end has
read all before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import attrs
from twisted.internet.interfaces import IAddress, IConsumer, IDelayedCall, IPushProducer, IReactorTime, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .bucket import Bucket
from .config import DestinationSettings
from .counters import DestinationCounters
from .failover import CHECKPOINT
from .link import UNANSWERED, ILinked, Link
from .liveness import Liveness
from .outbox import Outbox
from .window import Window

#: How often, in seconds, a connection is looked at for acknowledgements and for life.
TICK = 0.1


@attrs.define(eq=False)
class Delivery:
    """
    What the senders of one destination share, from connection to connection.

    :ivar wanted: the store position that somebody waits to see settled.
    :ivar furthest: the store position up to which batches were ever written: what lies before it is written again.
    :ivar rewound: how many messages the end of the last connection left to be sent again.
    :ivar refusing: whether the server in use does not answer checkpoints; decided by ``onUnanswered``.
    :ivar onUnanswered: told when a checkpoint was not answered.
    :ivar patience: how many times ``stall-timeout`` a server may keep its window closed.
    :ivar onDelivered: told whenever something has settled.
    """

    clock: IReactorTime
    settings: DestinationSettings
    store: Outbox
    counters: DestinationCounters
    refusing: Callable[[], bool]
    onUnanswered: Callable[[], None]
    patience: Callable[[], int]
    onDelivered: Callable[[], None]
    bucket: Bucket | None = None
    wanted: int = 0
    furthest: int = 0
    rewound: int = 0

    def takeRewound(self) -> int:
        """
        How many messages the end of the last connection left to be sent again.  They are told once.
        """
        rewound, self.rewound = self.rewound, 0
        return rewound

    @property
    def retention(self) -> int:
        """
        W: how many bytes have to be acknowledged after a batch before it settles.
        """
        return self.settings.replayMax if self.settings.delivery == "replay" else 0


class SenderFactory(Factory):
    """
    Builds the sender of each connection of a destination.
    """

    noisy = False

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def buildProtocol(self, addr: IAddress | None) -> Sender:
        """
        A sender that takes up where the last one left the store.
        """
        return Sender(self.delivery)


@implementer(IPushProducer, ILinked)
class Sender(Protocol):
    """
    Writes one store to one connection.

    :ivar paused: whether the transport asked for a pause.  Only the transport clears it: a new batch offers itself,
        it never resumes.
    """

    link: Link
    transport: ITransport

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        settings = delivery.settings
        self.paused = False
        self._window = Window(delivery.retention, settings.buffer.size // 2)
        self._passed = 0
        self._liveness = Liveness(settings.ackTimeout, settings.stallTimeout * delivery.patience())
        self._tickCall: IDelayedCall | None = None
        self._bucketCall: IDelayedCall | None = None

    # The connection.

    def connectionMade(self) -> None:
        """
        Begin with what the store has.
        """
        cast(IConsumer, self.transport).registerProducer(self, True)
        self.delivery.store.onReadable = self.offer
        self._tickCall = self.delivery.clock.callLater(TICK, self._tick)
        self.offer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Settle what is certain, and let the store hand out the rest again.
        """
        self._stop()
        store, counters = self.delivery.store, self.delivery.counters
        self._settle()
        ending = self.link.ending
        assert ending is not None
        if ending.clean:
            self._settleUpTo(store.sent)
            if ending.reason == CHECKPOINT:
                counters.checkpoints += 1
        elif ending.reason == UNANSWERED:
            self.delivery.onUnanswered()
        self.delivery.rewound = store.rewind()

    def _stop(self) -> None:
        """
        Take no more from the store, and cancel every timer.
        """
        self.delivery.store.onReadable = _nothing
        for call in (self._tickCall, self._bucketCall):
            if call is not None and call.active():
                call.cancel()

    # IPushProducer.

    def pauseProducing(self) -> None:
        """
        The transport has enough for now.
        """
        self.paused = True

    def resumeProducing(self) -> None:
        """
        The transport wants more, or cannot close while it has a producer.
        """
        if self.link.ceasing:
            self.stopSending()
            return
        self.paused = False
        self._settle()
        self.offer()

    def stopProducing(self) -> None:
        """
        The transport will not want more; ``connectionLost`` follows.
        """
        self.paused = True

    def offer(self) -> None:
        """
        Write what the store has, as long as the transport and the throttle let us.
        """
        delivery = self.delivery
        store, counters, bucket = delivery.store, delivery.counters, delivery.bucket
        now = delivery.clock.seconds()
        while not self.paused and (bucket is None or self._mayTake(bucket, now)):
            batch = store.next()
            if batch is None:
                break
            self._window.wrote(len(batch.payload), batch.cost, store.sent, now)
            counters.sent += batch.count
            counters.sentBytes += len(batch.payload)
            if store.sent <= delivery.furthest:
                counters.resent += batch.count
            else:
                delivery.furthest = store.sent
            if bucket is not None:
                bucket.take(batch.count)
            self.transport.write(batch.payload)

    def _mayTake(self, bucket: Bucket, now: float) -> bool:
        """
        Ask the token bucket, and come back when it says no.
        """
        wait = bucket.wait(now)
        if wait > 0 and not (self._bucketCall is not None and self._bucketCall.active()):
            self._bucketCall = self.delivery.clock.callLater(wait, self.offer)
        return wait <= 0

    def stopSending(self) -> None:
        """
        The link is about to end gracefully: write nothing more.  Acknowledgements still settle.
        """
        self.paused = True
        cast(IConsumer, self.transport).unregisterProducer()

    # Acknowledgements.

    def _tick(self) -> None:
        """
        Look at the connection.
        """
        now = self.delivery.clock.seconds()
        self._tickCall = self.delivery.clock.callLater(TICK, self._tick)
        verdict = self._liveness.observe(now, self.link.view.sample())
        if verdict is not None:
            self.link.abort(verdict, _TEXTS[verdict].format(self._liveness))
            return
        self._settle()
        if self.link.finishing is None and self._checkpointDue(now):
            self.link.finish(CHECKPOINT, self.delivery.settings.drainTimeout, patient=True)

    def _settle(self) -> None:
        """
        Settle what the peer's acknowledgements allow.
        """
        delivery = self.delivery
        view, store = self.link.view, delivery.store
        sample = view.sample()
        offset = view.plain(sample.taken if delivery.settings.delivery == "written" else sample.acked)
        acked, settled = self._window.acknowledged(min(offset, self._window.written))
        store.acknowledge(acked)
        self._passed = max(self._passed, settled)
        if self.link.admitted:
            self._settleUpTo(self._passed)

    def _settleUpTo(self, position: int) -> None:
        """
        Settle what lies before a position of the store; if that is something, this connection delivers.
        """
        if position > self.delivery.store.settled:
            self.delivery.onDelivered()
            self.link.prove()
            self.delivery.store.settle(position)

    def _checkpointDue(self, now: float) -> bool:
        """
        Whether everything sent on this connection should be settled now (spec 3.2).
        """
        delivery, store = self.delivery, self.delivery.store
        oldest = self._window.oldest
        if oldest is None or store.settled == store.sent or delivery.retention == 0 or delivery.refusing():
            return False
        settings = delivery.settings
        return (
            0 < settings.checkpoint <= self._window.written
            or now - oldest >= settings.checkpointAge
            or store.settled < delivery.wanted <= store.sent
            or (store.crowded and store.sent == store.end)
        )


def _nothing() -> None:
    """
    What a store's hook does between two connections.
    """


_TEXTS = {
    "ack-timeout": "data is out and nothing was acknowledged for {0.ackTimeout:g} s",
    "stalled": "the server has not read for {0.stallTimeout:g} s",
}
