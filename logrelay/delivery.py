"""
What the senders of one destination share, from connection to connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
from twisted.internet.interfaces import IReactorTime

from .batches import Batch
from .bucket import Bucket
from .config import DestinationSettings
from .counters import DestinationCounters
from .encoding import batchOf, messagesOf, partOf
from .search import Search
from .servers import Places, moved
from .store import IStore

#: So many refusals (on two servers, where there are two) set a message aside.
REFUSALS = 3

#: So many do though all were of one server: the others may be down, and until then each connection to that one ends
#: with a window of messages, and the refused one is sent again.
REFUSALS_ON_ONE = 6

#: Sets a message of a batch aside: the batch, the message, and why.  It says whether that could be done.
SetAside = Callable[[Batch, bytes, str], bool]


@attrs.define(eq=False)
class Delivery:
    """
    What the senders of one destination share.

    :ivar server: tells which server is in use, by its place in the list.
    :ivar refusing: whether the server in use does not answer checkpoints; decided by ``onUnanswered``.
    :ivar onUnanswered: told when a checkpoint was not answered.
    :ivar patience: how many times ``stall-timeout`` a server may keep its window closed.
    :ivar onDelivered: told whenever something has settled.
    :ivar setAside: puts a message into the dead-letter file.
    :ivar onSearching: told when a search begins.
    :ivar search: what is known of losses in a row, and of the search for a poison message.
    :ivar firstNumber: for RELP: the number that a session begins with.  Servers want 1.
    :ivar refusals: which messages servers have refused, by the positions of their batches: the servers, one for each
        time.
    :ivar wanted: the store position that somebody waits to see settled.
    :ivar furthest: the store position up to which batches were ever written: what lies before it is written again.
    :ivar rewound: how many messages the end of the last connection left to be sent again.
    """

    clock: IReactorTime
    settings: DestinationSettings
    store: IStore
    counters: DestinationCounters
    server: Callable[[], int]
    refusing: Callable[[], bool]
    onUnanswered: Callable[[], None]
    patience: Callable[[], int]
    onDelivered: Callable[[], None]
    setAside: SetAside
    onSearching: Callable[[], None]
    bucket: Bucket | None = None
    search: Search = attrs.field(
        default=attrs.Factory(lambda self: Search(len(self.settings.servers)), takes_self=True)
    )
    firstNumber: int = 1
    refusals: dict[int, dict[bytes, list[int]]] = attrs.field(factory=dict)
    wanted: int = 0
    furthest: int = 0
    rewound: int = 0

    @property
    def most(self) -> int:
        """
        W is never more than this, in bytes.
        """
        return self.settings.replayMax if self.settings.delivery == "replay" else 0

    @property
    def mostHistory(self) -> int:
        """
        What was acknowledged and is kept to be sent again is never more than this, in bytes: no server makes room by
        taking it, and the rest of the store is for what comes.
        """
        buffer, spool = self.settings.buffer.size // 2, self.settings.spool
        return buffer if spool is None else min(buffer, spool.size // 4)

    @property
    def largestBatch(self) -> int | None:
        """
        How many messages a batch may hold, so that it can be sent as a whole; ``None`` for any number.

        A RELP window of four batches is kept full while each is answered.
        """
        limits = [] if self.bucket is None else [self.bucket.largestBatch]
        if self.settings.driver == "relp":
            limits.append(max(1, self.settings.window // 4))
        return min(limits, default=None)

    @property
    def searches(self) -> bool:
        """
        Whether the next connection is used to look for a poison message.  Levels that keep nothing send nothing again,
        and a server that does not answer checkpoints can confirm no slice.
        """
        if self.settings.delivery not in ("replay", "relp") or (self.settings.delivery == "replay" and self.refusing()):
            return False
        # On disk, what comes first may not be at hand after a start; then nothing was lost yet, either.
        return self.search.active(self.store.settled) and self.store.peek(self.store.settled) is not None

    def reconfigure(self, settings: DestinationSettings, places: Places) -> None:
        """
        Deliver by other settings from now on.

        :param places: where each server of the old list is in the new one.
        """
        if settings.throttle != self.settings.throttle:
            self.bucket = Bucket(settings.throttle) if settings.throttle else None
        self.settings = settings
        self.search.remap(places, len(settings.servers))
        self.refusals = {
            position: {message: list(moved(servers, places)) for message, servers in messages.items()}
            for position, messages in self.refusals.items()
        }

    def payloadOf(self, batch: Batch) -> bytes:
        """
        A batch as it is framed on the wire now.  It was stored with another framing if that was changed since.
        """
        framing = self.settings.framing
        return batch.payload if batch.framing is framing else batchOf(messagesOf(batch), framing, batch.origin).payload

    def takeRewound(self) -> int:
        """
        How many messages the end of the last connection left to be sent again.  They are told once.
        """
        rewound, self.rewound = self.rewound, 0
        return rewound

    def lost(self, sent: int) -> None:
        """
        The connection was lost with something unsettled; everything before ``sent`` had been written.
        """
        before = self.search.active(self.store.settled)
        self.search.lost(self.server(), sent)
        if self.searches and not before:
            self.onSearching()

    def settleUpTo(self, position: int) -> bool:
        """
        Settle what lies before a position of the store.

        :return: whether that is anything.
        """
        if position <= self.store.settled:
            return False
        self.onDelivered()
        self.search.settled(position)
        self.store.settle(position)
        return True

    def settlePart(self, batch: Batch, count: int) -> None:
        """
        Settle the first ``count`` messages of a batch, if it still is the store's first one, and none of it is out.
        """
        if self._isFirst(batch):
            self.counters.settled += count
            self.onDelivered()
            self._leave(partOf(batch, count, batch.count))

    def setFirstAside(self, batch: Batch, why: str) -> None:
        """
        Put the first message of a batch into the dead-letter file and out of the store, if the batch still is the first
        one there, and none of it is out.  If the file can't be written, it stays where it is.
        """
        if self._isFirst(batch) and self.setAside(batch, messagesOf(batch)[0], why):
            self.search.setAside()
            self._leave(partOf(batch, 1, batch.count))

    def keepRefused(self, position: int, batch: Batch, refused: Mapping[int, str], acceptsAny: bool) -> None:
        """
        Of a batch that was answered, keep only what the server has refused, and of that nothing that it was the last
        time for (spec 3.7).

        A server that refuses all that it is sent is ill, and that says nothing of the messages; but those that were
        refused before, among others that were not, may be all that there is.

        :param position: of the batch, none of which is out.
        :param refused: the places of the refused messages in the batch, and the server's answers.
        :param acceptsAny: whether the server has taken any message in this session.
        """
        if self.store.peek(position) is not batch:
            return
        messages = messagesOf(batch)
        known = self.refusals.get(position, {})
        now: dict[bytes, list[int]] = {}
        kept = []
        for place, answer in sorted(refused.items()):
            message = messages[place]
            servers = list(known.get(message, []))
            if acceptsAny or servers:
                servers.append(self.server())
            if not (self._refusedEnough(servers) and self.setAside(batch, message, f"servers refuse it: {answer}")):
                kept.append(message)
                if servers:
                    now[message] = servers
        self.counters.settled += batch.count - len(refused)
        others = {each: those for each, those in self.refusals.items() if self.store.settled <= each != position}
        self.refusals = {**others, **({position: now} if now else {})}
        self.store.amend(position, batchOf(kept, batch.framing, batch.origin))

    def _refusedEnough(self, servers: list[int]) -> bool:
        """
        Whether a message that these servers refused, one after the other, is one that none will take.
        """
        enough = REFUSALS if len(set(servers)) > 1 or len(self.settings.servers) == 1 else REFUSALS_ON_ONE
        return len(servers) >= enough

    def _isFirst(self, batch: Batch) -> bool:
        """
        Whether a batch is the store's first one.  It may have been given up meanwhile, to make room.
        """
        return self.store.peek(self.store.settled) is batch

    def _leave(self, rest: Batch) -> None:
        """
        Leave this of the store's first batch.
        """
        position = self.store.settled
        self.store.amend(position, rest)
        if not rest.count:
            self.store.next()
            self.settleUpTo(position + 1)
