"""
From a store to a server over RELP: each message is answered, and settles by that.

A batch settles when all its messages have been answered with 200.  At most ``window`` messages are out in batches that
have not settled, so that a loss sends no more than that again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from weakref import WeakKeyDictionary

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from .batches import Batch
from .delivery import Delivery
from .failover import CHECKPOINT
from .link import Ending, ILinked, Link
from .liveness import Sample
from .relpclient import Accepted, ClientSession, Ended, Opened, Refused
from .sender import Sender
from .socketoptions import acknowledgeAtOnce

#: Sessions that a probe has opened, by their links, until the sender takes them over.
Sessions = MutableMapping[Link, ClientSession]


@attrs.define(eq=False)
class _Out:
    """
    One batch that is out.

    :ivar number: that of its first message.
    :ivar position: the store's position behind it.
    :ivar at: when it was written.
    :ivar unanswered: how many of its messages have no answer yet.
    :ivar refused: which of its messages were answered with an error (by their places in the batch), and how.
    """

    number: int
    batch: Batch
    position: int
    at: float
    unanswered: int
    refused: dict[int, str] = attrs.field(factory=dict)


class RelpSender(Sender):
    """
    Writes one store to one connection, in a RELP session.

    :ivar _accepted: how many messages the server has taken in this session.
    :ivar _heardAt: when the server last said anything.
    :ivar _opened: whether the server has opened the session.
    :ivar _overdue: whether an answer was, when it was looked last, and nothing has come since.
    """

    def __init__(self, delivery: Delivery, sessions: Sessions) -> None:
        super().__init__(delivery)
        self._sessions = sessions
        self._out: deque[_Out] = deque()
        self._accepted = 0
        self._messagesOut = 0
        self._overdue = False
        self._refusal: str | None = None
        self._answered: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """
        Open a session, if a probe has not done so, and send behind that without waiting.
        """
        self._heardAt = self.delivery.clock.seconds()
        session = self._sessions.pop(self.link, None)
        self._session = session or ClientSession(self.delivery.firstNumber)
        self._opened = session is not None
        if session is None:
            self.transport.write(self._session.open())
        super().connectionMade()

    # Out.

    def _hasRoom(self, now: float) -> bool:
        """
        Whether one more batch fits the window, and the numbers of the session.  Nothing is sent behind a refusal: what
        the server will be left for is to be little.
        """
        largest = self.delivery.largestBatch or 1
        fits = self._messagesOut + largest <= self.delivery.settings.window
        return fits and self._session.room >= largest and self._refusal is None

    def _write(self, batch: Batch, now: float) -> None:
        """
        Write a batch as frames.
        """
        out = _Out(self._session.number, batch, self.delivery.store.sent, now, batch.count)
        self._out.append(out)
        self._messagesOut += batch.count
        if batch.count:
            self.transport.write(self._session.frames(self.delivery.payloadOf(batch), batch.count))

    def stopSending(self) -> Deferred[None] | None:
        """
        Write nothing more, and let the answers come first: a server throws away those that it has not sent when it sees
        our end.
        """
        self._unregister()
        self._answered = Deferred()
        self._answered.addCallback(lambda _: self._close())
        answered = self._answered
        self._lookAnswered()
        return answered

    def _close(self) -> None:
        """
        End the session, if the server has not.
        """
        if self.link.whyGone is None and not self._session.ended:
            self.transport.write(self._session.close())

    # Answers.

    def dataReceived(self, data: bytes) -> None:
        """
        Take in answers.
        """
        acknowledgeAtOnce(self.transport)
        self._heardAt, self._overdue = self.delivery.clock.seconds(), False
        ended = False
        for event in self._session.receive(data):
            match event:
                case Accepted(first, count):
                    self._take(first, count)
                case Refused(number, code, text):
                    self._refuse(number, f"{code} {text}".strip())
                case Ended():
                    ended = True
                case Opened():
                    self._opened = True
        self._settle()
        if self._session.error is not None:
            self.link.abort("protocol", f"RELP: {self._session.error}")
        elif ended and self.link.finishing is None:
            self.link.abort("eof", "the server ended the RELP session")
        else:
            self._lookAnswered()
            self.offer()

    def _take(self, first: int, count: int) -> None:
        """
        Messages were answered with 200.
        """
        self._accepted += count
        end = first + count
        for out in self._out:
            covered = min(end, out.number + out.batch.count) - max(first, out.number)
            out.unanswered -= max(0, covered)
            if end <= out.number + out.batch.count:
                return

    def _refuse(self, number: int, answer: str) -> None:
        """
        A message was answered with an error: it is kept, and the server will be left.
        """
        self._refusal = answer
        for out in self._out:
            if out.number <= number < out.number + out.batch.count:
                out.refused[number - out.number] = answer
                out.unanswered -= 1

    def _lookAnswered(self) -> None:
        """
        When everything that is out was answered, our end may go out, or the server is left that refused something.
        """
        if any(out.unanswered for out in self._out):
            return
        if self._answered is not None:
            # A server that is left anyway is left as agreed.
            if not self._answered.called:
                self._answered.callback(None)
        elif self._refusal is not None:
            self.link.abort("protocol", f"RELP: the server refused a message: {self._refusal}")

    # What settles.

    def _settle(self, retention: int | None = None) -> None:
        """
        Settle the batches that were answered, in their order.
        """
        position = 0
        while self._out and not self._out[0].unanswered and not self._out[0].refused:
            out = self._out.popleft()
            self._messagesOut -= out.batch.count
            position = out.position
        self.delivery.store.acknowledge(position)
        self._settleUpTo(position)

    def _settleEnd(self, ending: Ending) -> None:
        """
        What was answered has settled; the way in which the connection ended tells nothing more.
        """
        self.delivery.counters.checkpoints += ending.clean and ending.reason == CHECKPOINT

    def _ended(self, ending: Ending, sent: int, unsettled: bool) -> None:
        """
        Keep nothing but the refused messages of batches that were answered, and set those aside that have been refused
        often enough.
        """
        if self._refusal is None:
            super()._ended(ending, sent, unsettled)
        else:
            if self._accepted:
                # What it took settles, though its batches may not.
                self.link.prove()
            for out in self._out:
                if not out.unanswered:
                    self.delivery.keepRefused(out.position - 1, out.batch, out.refused, self._accepted > 0)

    # Looking at the connection.

    def _judge(self, now: float, sample: Sample) -> tuple[str, str] | None:
        """
        A server that does not answer is stalled, whatever its kernel takes.
        """
        limit = self._liveness.stallTimeout
        waiting = next((out.at for out in self._out if out.unanswered), None) if self._opened else self._heardAt
        wasOverdue, self._overdue = self._overdue, waiting is not None and now - max(waiting, self._heardAt) >= limit
        # When this process stood still for that long, what the server said meanwhile is only read after the first look.
        if wasOverdue and self._overdue:
            return "stalled", f"no RELP answer from the server for {limit:g} s"
        return super()._judge(now, sample)

    def _checkpointDue(self, now: float) -> bool:
        """
        Answers settle everything.  Only when the session has no numbers left it is ended, and another one opened.
        """
        return self._session.room < (self.delivery.largestBatch or 1) and not self._out


@implementer(ILinked)
class Greeter(Protocol):
    """
    Opens a session for a probe.

    :ivar opened: fires with the session when the server has opened it.  Fails with ``RelpError`` if it does not.
    """

    link: Link
    transport: ITransport

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.opened: Deferred[ClientSession] = Deferred()

    def connectionMade(self) -> None:
        """
        Ask.
        """
        self.transport.write(self._session.open())

    def dataReceived(self, data: bytes) -> None:
        """
        Take in the answer.
        """
        events, error = self._session.receive(data), self._session.error
        if not self.opened.called:
            if error is not None:
                self.opened.errback(error)
            elif any(isinstance(event, Opened) for event in events):
                self.opened.callback(self._session)
        if error is not None:
            self.link.abort("protocol", f"RELP: {error}")
        elif self._session.ended:
            # Before the stream could take it over.
            self.link.abort("eof", "the server ended the RELP session")

    def stopSending(self) -> None:
        """
        Nothing was going to be sent.
        """


def newSessions() -> Sessions:
    """
    Where to keep sessions.  A link that is gone takes its session with it.
    """
    return WeakKeyDictionary()
