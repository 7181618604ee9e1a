"""
From a store to a server: the push producer, and when what it wrote need not be written again.

The sender keeps no messages.  It takes batches from the store while the transport lets it, remembers where each one
ends in the stream (the window), and settles them in the store as the peer's acknowledgements pass.  When its
connection is gone it settles what is certain and rewinds the store; the next sender begins there.

A *checkpoint* settles everything: the sender ends the connection gracefully, and a server that has read our end has
read all before it.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .batches import Batch
from .bucket import Bucket
from .calming import LOOK, Calming
from .config import DestinationSettings
from .delivery import Delivery
from .failover import CHECKPOINT
from .link import UNANSWERED, Ending, ILinked, Link
from .liveness import Liveness, Sample
from .window import PARSED, Window

#: How often, in seconds, a connection is looked at for acknowledgements and for life.
TICK = 0.1

#: The kernel's own time limit is so many seconds longer than ours: it is for the case that ours does not work.
BACKSTOP = 30.0


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
        self._window = Window(delivery.most, delivery.mostHistory, settings.replayTime)
        self._passed = 0
        self._lookedAt = self._settledAt = self._wroteAt = float("-inf")
        self._patience = delivery.patience()
        self._liveness = Liveness(settings.ackTimeout, settings.stallTimeout * self._patience)
        self._tickCall: IDelayedCall | None = None
        self._bucketCall: IDelayedCall | None = None
        self._lookCall: IDelayedCall | None = None
        self._calming: Calming | None = None

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
        delivery, store = self.delivery, self.delivery.store
        self._settle()
        ending = self.link.ending
        assert ending is not None
        self._settleEnd(ending)
        unsettled, sent = store.settled < store.sent, store.sent
        delivery.rewound = store.rewind()
        self._ended(ending, sent, unsettled)

    def _settleEnd(self, ending: Ending) -> None:
        """
        Settle what the way in which the connection ended makes certain.
        """
        delivery = self.delivery
        if ending.clean:
            self._settleUpTo(delivery.store.sent)
            delivery.counters.checkpoints += ending.reason == CHECKPOINT
        elif ending.reason == UNANSWERED:
            delivery.onUnanswered()
        elif ending.emptied:
            self._settle(min(self._window.retention, PARSED))

    def _ended(self, ending: Ending, sent: int, unsettled: bool) -> None:
        """
        Remember what the end may mean.

        :param sent: how far the store had been sent; it is rewound by now.
        :param unsettled: whether any of that has not settled.
        """
        if unsettled and not ending.clean and ending.reason != UNANSWERED:
            self.delivery.lost(sent)

    def _stop(self) -> None:
        """
        Take no more from the store, and cancel every timer.
        """
        self.delivery.store.onReadable = _nothing
        if self._calming is not None:
            self._calming.stop()
        for call in (self._tickCall, self._bucketCall, self._lookCall):
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
            self._unregister()
            return
        self.paused = False
        now = self.delivery.clock.seconds()
        if now - self._settledAt >= LOOK or self.delivery.store.full:
            self._look()
        self.offer()

    def _look(self) -> None:
        """
        Settle what was acknowledged.  While sources wait for room, what makes it is looked for more often than by the
        tick.
        """
        self._settledAt = self.delivery.clock.seconds()
        self._settle()
        waits = self._lookCall is not None and self._lookCall.active()
        if self.delivery.store.full and not waits and self.link.whyGone is None:
            self._lookCall = self.delivery.clock.callLater(LOOK, self._look)

    def stopProducing(self) -> None:
        """
        The transport will not want more; ``connectionLost`` follows.
        """
        self.paused = True

    def offer(self) -> None:
        """
        Write what the store has, as long as the transport, the peer and the throttle let us.
        """
        if self.paused or self.link.whyGone is not None:
            # If it was given up, the transport tells us on the next turn.
            return
        delivery = self.delivery
        store, counters, bucket = delivery.store, delivery.counters, delivery.bucket
        now = delivery.clock.seconds()
        while not self.paused and self._hasRoom(now) and (bucket is None or self._mayTake(bucket, now)):
            batch = self._next()
            if batch is None:
                break
            self._count(batch)
            if store.sent <= delivery.furthest:
                counters.resent += batch.count
            else:
                delivery.furthest = store.sent
            if bucket is not None:
                bucket.take(batch.count)
            self._write(batch, now)
        if now - self._lookedAt >= LOOK:
            self._lookedAt = now
            self._window.advertised(self.link.view.sample().window)

    def _count(self, batch: Batch) -> None:
        """
        Count a batch that is written.
        """
        self.delivery.counters.sent += batch.count
        self.delivery.counters.sentBytes += len(batch.payload)

    def _hasRoom(self, now: float) -> bool:
        """
        Whether the peer may be sent more.  TCP's own window decides that, but a peer that seems not to read gets only
        what will tell whether it does: what its kernel has and it never reads would have to be sent again.
        """
        liveness = self._liveness
        return not liveness.suspects(now) or now - self._wroteAt >= liveness.trickle

    def _next(self) -> Batch | None:
        """
        The next batch to send; ``None`` if there is none for this connection.
        """
        return self.delivery.store.next()

    def _write(self, batch: Batch, now: float) -> None:
        """
        Write a batch.  The store has handed out up to and with it.
        """
        self._wroteAt = now
        payload = self.delivery.payloadOf(batch)
        self._window.wrote(len(payload), batch.cost, self.delivery.store.sent, now)
        self.transport.write(payload)

    def _mayTake(self, bucket: Bucket, now: float) -> bool:
        """
        Ask the token bucket, and come back when it says no.
        """
        wait = bucket.wait(now)
        if wait > 0 and not (self._bucketCall is not None and self._bucketCall.active()):
            self._bucketCall = self.delivery.clock.callLater(wait, self.offer)
        return wait <= 0

    def sits(self, now: float) -> bool:
        """
        Whether it could write something now, and has not.
        """
        link, bucket = self.link, self.delivery.bucket
        isOver = link.whyGone is not None or link.finishing is not None or link.ceasing
        if self.paused or isOver or not self._hasNext() or not self._hasRoom(now):
            return False
        return (bucket is None or bucket.wait(now) == 0) and not link.view.sample().closed

    def _hasNext(self) -> bool:
        """
        Whether the store has a batch in memory for this connection.
        """
        return self.delivery.store.peek(self.delivery.store.sent) is not None

    def stopSending(self) -> Deferred[None] | None:
        """
        The link is about to end gracefully: write nothing more.  Acknowledgements still settle.

        :return: fires when the peer is calm; ``None`` where its end proves nothing that is of interest.
        """
        self._unregister()
        if not self._window.most:
            return None
        self._calming = Calming(self.delivery, self.link, self._window)
        return self._calming.done

    def _unregister(self) -> None:
        """
        Produce no more.
        """
        self.paused = True
        cast(IConsumer, self.transport).unregisterProducer()

    # Acknowledgements.

    def _tick(self) -> None:
        """
        Look at the connection.
        """
        delivery = self.delivery
        now = delivery.clock.seconds()
        self._tickCall = delivery.clock.callLater(TICK, self._tick)
        self._follow(delivery.settings)
        sample = self.link.view.sample()
        verdict = self._judge(now, sample)
        if verdict is not None:
            self.link.abort(*verdict)
            return
        liveness = self._liveness
        limit = max(liveness.ackTimeout, liveness.stallTimeout) + BACKSTOP
        self.link.view.guard(limit if sample.waiting else 0)
        self._settle()
        if self.link.finishing is None and self._checkpointDue(now):
            self.link.finish(CHECKPOINT, delivery.settings.drainTimeout, patient=True)
        else:
            # What was held back from a peer that seemed not to read.
            self.offer()

    def _follow(self, settings: DestinationSettings) -> None:
        """
        Go by the settings as they are now: a reload may have changed them.
        """
        liveness, window = self._liveness, self._window
        liveness.ackTimeout, liveness.stallTimeout = settings.ackTimeout, settings.stallTimeout * self._patience
        window.most, window.memory, window.keep = self.delivery.most, self.delivery.mostHistory, settings.replayTime

    def _judge(self, now: float, sample: Sample) -> tuple[str, str] | None:
        """
        Whether to give the connection up: reason and text if so.
        """
        verdict = self._liveness.observe(now, sample)
        return None if verdict is None else (verdict, _TEXTS[verdict].format(self._liveness))

    def _settle(self, retention: int | None = None) -> None:
        """
        Settle what the peer's acknowledgements allow.

        :param retention: what to take for W, where more is known than it tells.
        """
        delivery = self.delivery
        view, store = self.link.view, delivery.store
        sample = view.sample()
        self._window.advertised(sample.window)
        offset = view.plain(sample.taken if delivery.settings.delivery == "written" else sample.acked)
        now = delivery.clock.seconds()
        acked, settled = self._window.acknowledged(min(offset, self._window.written), now, retention)
        store.acknowledge(acked)
        self._passed = max(self._passed, settled)
        if self.link.admitted or self._window.isRead(offset):
            # A server that refuses our certificate, after the handshake, reads none of this.
            self._settleUpTo(self._passed)

    def _settleUpTo(self, position: int) -> None:
        """
        Settle what lies before a position of the store; if that is something, this connection delivers.
        """
        if position > self.delivery.store.settled:
            self.link.prove()
            self.delivery.settleUpTo(position)

    def _checkpointDue(self, now: float) -> bool:
        """
        Whether everything sent on this connection should be settled now (spec 3.2).
        """
        delivery, store = self.delivery, self.delivery.store
        oldest = self._window.oldest
        if oldest is None or store.settled == store.sent or delivery.most == 0 or delivery.refusing():
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
