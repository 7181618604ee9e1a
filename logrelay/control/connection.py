"""
One client of the control socket: lines in, lines out, everything bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from .requests import MAX_LINE, Refusal, Request, answerOf, parseRequest, refusalOf


@attrs.frozen
class Limits:
    """
    How long a client may take, in seconds.  It is a program on this host: all but the first takes it milliseconds.

    :ivar idle: until the next request; a person who types them has to think.
    :ivar request: from the first byte of a request to its last.
    :ivar reading: to read what it is answered.
    :ivar farewell: to end its side after we have ended ours.
    """

    idle: float = 300
    request: float = 10
    reading: float = 10
    farewell: float = 2


@implementer(IHalfCloseableProtocol, IPushProducer)
class ControlConnection(Protocol):
    """
    Requests are carried out one after the other.  Nothing more is read while one is under way, or while its client does
    not read what it was answered; so a connection holds one request, the rest of one read, and 64 KiB of answers and
    one answer more at most.
    """

    transport: Any

    def __init__(
        self,
        clock: IReactorTime,
        carryOut: Callable[[Request], Deferred[Any]],
        ended: Callable[[ControlConnection], None],
        refusal: Refusal | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        :param ended: told when nothing is left of it.
        :param refusal: why nothing is to be carried out for this client.
        """
        self._clock = clock
        self._carryOut = carryOut
        self._whenEnded = ended
        self._refusal = refusal
        self._limits = limits or Limits()
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._working = False
        self._paused = False
        self._finished = False
        self._closing = False
        self._awaited = ""
        self._call: IDelayedCall | None = None
        self._next: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Begin, unless it is refused.
        """
        self.transport.registerProducer(self, True)
        if self._refusal is not None:
            self._end(self._refusal)
        self._watch()

    def dataReceived(self, data: bytes) -> None:
        """
        Take requests.
        """
        if self._closing:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines += lines
        if len(self._rest) >= MAX_LINE:
            # It is told when those before it were answered.
            self._lines.append(self._rest)
            self._rest = b""
        self._goOn()

    def readConnectionLost(self) -> None:
        """
        The client will ask nothing more; what it has asked it is answered.
        """
        self._finished = True
        if self._closing:
            self.transport.loseConnection()
            return
        if self._rest:
            self._lines.append(self._rest)
            self._rest = b""
        self._goOn()

    def writeConnectionLost(self) -> None:
        """
        Not of interest.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nothing is left of it.  An order that is under way goes on.
        """
        self._closing = True
        self._lines.clear()
        self._stopWaiting()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._whenEnded(self)

    def stop(self) -> None:
        """
        The relay stops.
        """
        if self._working or self._lines:
            self._end(Refusal("stopped", "the relay is stopping"))
        else:
            self._close()
        self._watch()

    # One request after the other.

    def _goOn(self) -> None:
        """
        See what is to be done now: at most one request in a turn of the reactor, which has messages to relay.
        """
        if not self._closing and not self._working and not self._paused:
            if self._lines:
                if self._next is None:
                    self._next = self._clock.callLater(0, self._takeNext)
            elif self._finished:
                self._close()
        self._watch()
        if not self._finished and not self._closing:
            if self._lines or self._working or self._paused:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def _takeNext(self) -> None:
        """
        Carry out the next request.
        """
        self._next = None
        if self._working or self._paused or self._closing:
            return
        line = self._lines.popleft()
        if len(line) >= MAX_LINE:
            self._end(Refusal("malformed", f"the request is longer than {MAX_LINE} bytes"))
            self._watch()
            return
        self._working = True
        try:
            work = self._carryOut(parseRequest(line))
        except Refusal as refusal:
            self._answer(refusalOf(refusal))
        else:
            work.addCallbacks(lambda result: self._answer(answerOf(result)), self._refused)

    def _refused(self, failure: Failure) -> None:
        """
        A request was not carried out.
        """
        assert isinstance(failure.value, Refusal)
        self._answer(refusalOf(failure.value))

    def _answer(self, line: bytes) -> None:
        """
        Answer the request that is under way.
        """
        self._working = False
        if not self._closing:
            self.transport.write(line)
            self._goOn()

    # The end.

    def _end(self, refusal: Refusal) -> None:
        """
        Say why nothing more will be done, and close.
        """
        if not self._closing:
            self.transport.write(refusalOf(refusal))
            self._close()

    def _close(self) -> None:
        """
        Close.  A client that has more to say is read until it has seen the end: if something unread were left, the
        kernel would tell it of a reset, in place of what we said last.
        """
        if not self._closing:
            self._closing = True
            self._lines.clear()
            self._rest = b""
            self.transport.unregisterProducer()
            if self._finished:
                self.transport.loseConnection()
            else:
                self.transport.loseWriteConnection()
                self.transport.resumeProducing()

    # IPushProducer: of answers.

    def pauseProducing(self) -> None:
        """
        The client does not read.
        """
        self._paused = True
        self._watch()

    def resumeProducing(self) -> None:
        """
        It has read.
        """
        self._paused = False
        self._goOn()

    def stopProducing(self) -> None:
        """
        The connection is gone.
        """

    # Time limits.

    def _watch(self) -> None:
        """
        Wait for what comes next, so long as it may take.
        """
        awaited, limit = self._expected()
        if awaited != self._awaited:
            self._stopWaiting()
            self._awaited = awaited
            if awaited:
                self._call = self._clock.callLater(limit, self._tooLate)

    def _expected(self) -> tuple[str, float]:
        """
        What the client is to do now, and how long that may take.  Nothing, while a request is under way: its limits are
        those of connections to servers.
        """
        limits = self._limits
        if self._closing:
            return "the end was not seen", limits.farewell
        if self._paused:
            return "answers were not read", limits.reading
        if self._working or self._lines:
            return "", 0
        return ("a request did not end", limits.request) if self._rest else ("nothing was asked", limits.idle)

    def _stopWaiting(self) -> None:
        """
        Nothing is awaited.
        """
        self._awaited = ""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _tooLate(self) -> None:
        """
        The client took too long.
        """
        self._call = None
        if self._closing or self._paused:
            self.transport.abortConnection()
        else:
            awaited, limit = self._expected()
            self._end(Refusal("slow", f"{awaited} for {limit:g} s"))
            self._watch()
