"""
RELP at a source: each message is answered when every destination's store has it.
"""

from __future__ import annotations

from enum import Enum
from functools import partial

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ..batches import Batch, Framing
from ..config import SourceSettings
from ..counters import SourceCounters
from ..errors import LogRelayError
from ..relpserver import Closing, Messages, Reply, ServerSession
from ..routing import IRoute
from .dialogue import Peer
from .flow import Account

#: When a connection has more messages than this without an answer, it is not read until half of them are answered.
#: Twice the largest window in use (librelp allows any, we send 5,000 at most): a client that keeps to its window is
#: never held by it, and one that does not can't fill the memory with numbers to be answered.
MOST_UNANSWERED = 10_000

#: What a message is answered with that a destination has given up.
REFUSED = "a destination did not take it: longer than its max-message-size"


class _Stage(Enum):
    """
    How far a flow is: messages are taken; those taken are still to be answered; nothing is said any more.
    """

    TAKING = 1
    ANSWERING = 2
    OVER = 3


@implementer(IPushProducer)
class RelpFlow:
    """
    RELP, the server's side of one connection.

    It is the producer of the answers, so that a client which does not read them is not read either.

    :ivar _unanswered: how many messages have no answer yet.
    """

    patient = False

    def __init__(self, peer: Peer, settings: SourceSettings, route: IRoute, counters: SourceCounters) -> None:
        self._peer = peer
        # A message that a destination may give up for its length is delivered, and so answered, by itself.
        self._session = ServerSession(settings.maxMessageSize, route.certain)
        self._route = route
        self._counters = counters
        self._account = Account(route)
        self._stage = _Stage.TAKING
        self._unanswered = 0

    def begin(self) -> None:
        """
        From now on be told when answers are not read.
        """
        self._peer.produce(self)

    def take(self, data: bytes) -> LogRelayError | None:
        """
        Deliver the messages that are whole now; later come the answers.
        """
        if self._stage is not _Stage.TAKING:
            return None
        self._counters.receivedBytes += len(data)
        overlong = self._session.overlong
        # A reload may have changed it.
        self._session.alone = self._route.certain
        for event in self._session.receive(data):
            match event:
                case Messages():
                    self._deliver(event)
                case Reply():
                    self._peer.write(event.data)
                case Closing():
                    self.farewell()
        self._counters.overlong += self._session.overlong - overlong
        self._account.keep(self._session.held)
        self._counters.badFrames += self._session.error is not None
        return self._session.error

    def _deliver(self, event: Messages) -> None:
        """
        Hand messages on; empty ones only need an answer.
        """
        self._unanswered += event.count
        if self._unanswered > MOST_UNANSWERED:
            self._peer.hold("answers")
        if not event.messages:
            self._answer(event, True)
            return
        self._counters.received += event.messages
        batch = Batch(event.payload, event.messages, Framing.OCTET_COUNTING, self._peer.origin)
        self._route.deliver(batch, partial(self._answer, event))

    def _answer(self, event: Messages, taken: bool) -> None:
        """
        Every destination has said whether it took the messages.
        """
        if self._stage is _Stage.OVER:
            return
        code, text = (200, "OK") if taken else (500, REFUSED)
        self._peer.write(self._session.answer(event.first, event.count, code, text))
        self._unanswered -= event.count
        if self._unanswered <= MOST_UNANSWERED // 2:
            self._peer.release("answers")
        if self._stage is _Stage.ANSWERING and not self._unanswered:
            self._part()

    def fail(self) -> bool:
        """
        Tell the client that the session is over.  What it has no answer for, it will send again.
        """
        if self._stage is not _Stage.OVER:
            self._part()
        return True

    def farewell(self) -> None:
        """
        Take nothing more, and end the session when everything is answered.
        """
        if self._stage is _Stage.TAKING:
            self._stage = _Stage.ANSWERING
            if not self._unanswered:
                self._part()

    def _part(self) -> None:
        """
        End the session.
        """
        self._stage = _Stage.OVER
        # With a producer registered, Twisted would wait for its end before it ends the connection.
        self._peer.produce(None)
        self._peer.write(self._session.end())
        self._peer.part()

    def end(self) -> None:
        """
        The connection has ended.
        """
        self._stage = _Stage.OVER
        self._account.keep(0)

    # The producer of answers.

    def pauseProducing(self) -> None:
        """
        The client does not read them.
        """
        self._peer.hold("unread")

    def resumeProducing(self) -> None:
        """
        It reads them again.
        """
        self._peer.release("unread")

    def stopProducing(self) -> None:
        """
        It never will.
        """
