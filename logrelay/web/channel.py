"""
Taking requests, so that nothing a peer does costs much, or lasts long.

A connection brings one request, without a body, and lasts for ten seconds; only the page's stream of news lasts longer,
and :mod:`logrelay.web.stream` has limits of its own for it.  What is refused is told why, in the same form as any other
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

from .replies import ALWAYS, Answer, notAllowed, refusal

_log = Logger(namespace="logrelay.web")

#: A connection lasts for so many seconds at most: for a request, and for reading the answer.
LASTS = 10.0

#: Who was refused may read the reason for so many seconds.
LINGERS = 1.0

#: So many connections at a time: some scrapers, some browsers (six each), and room for the streams.
CONNECTIONS = 64

#: Bytes of the request line, or of one header; of all of them; and how many headers.  Browsers send about one KiB.
LINE, HEADERS, HEADER_COUNT = 4096, 16384, 100


class Request(http.Request):
    """
    One request.

    :ivar channel: its connection.
    """

    channel: Channel

    def gotLength(self, length: int | None) -> None:
        """
        There is no body, so little is needed to keep it in.
        """
        self.content = BytesIO()

    def process(self) -> None:
        """
        Answer it; or leave it to who has taken it over.
        """
        try:
            answer = self.channel.handler(self)
        except Exception:
            _log.failure("a request for {path} could not be answered", path=self.path[:100])
            answer = refusal(500, "the relay could not answer this; its log says why")
        if answer is not None:
            self.answer(answer)

    def answer(self, answer: Answer) -> None:
        """
        Answer it.
        """
        self.begin(answer)
        self.setHeader(b"Content-Length", b"%d" % len(answer.body))
        self.write(answer.body)
        self.finish()

    def begin(self, answer: Answer) -> None:
        """
        Set the status and the headers of an answer.
        """
        self.setResponseCode(answer.code)
        for name, value in {**ALWAYS, "Content-Type": answer.kind, **answer.headers}.items():
            self.setHeader(name.encode(), value.encode())


#: Answers a request; ``None`` if it is answered later.
Handler = Callable[[Request], Answer | None]


class Channel(http.HTTPChannel):
    """
    One connection.

    :ivar handler: answers requests.
    :ivar busy: whether a whole request is here, and is being answered.
    :ivar tooMany: whether there are so many others that it can only be refused.
    """

    transport: Any
    requestFactory = Request
    MAX_LENGTH = LINE
    totalHeadersSize = HEADERS
    maxHeaders = HEADER_COUNT

    def __init__(self, reactor: IReactorTime, handler: Handler, gone: Callable[[Channel], None]) -> None:
        super().__init__()
        self._reactor = reactor
        self.handler = handler
        self._gone = gone
        self._end: IDelayedCall | None = None
        self._refused = False
        self.busy = self.tooMany = False

    def connectionMade(self) -> None:
        """
        The time runs.
        """
        super().connectionMade()
        if self.tooMany:
            self.refuse(refusal(503, f"{CONNECTIONS} requests are being answered; come back later"))
        else:
            self._endAfter(LASTS)

    def stay(self) -> None:
        """
        Do not end after a while: the stream does that.
        """
        self._endAfter(None)

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """
        One request is all.
        """
        request.setHeader(b"Connection", b"close")
        return False

    def allHeadersReceived(self) -> None:
        """
        Refuse a body before any of it comes in.
        """
        if self.length == 0:
            super().allHeadersReceived()
        elif self._command in (b"GET", b"HEAD"):
            self.refuse(refusal(413, "a request has no body here"))
        else:
            self.refuse(notAllowed())

    def allContentReceived(self) -> None:
        """
        Answer it.
        """
        self.busy = True
        super().allContentReceived()

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        Refuse a line that is too long.
        """
        self.refuse(refusal(431, f"a line of a request has {LINE} bytes at most here"))

    def _respondToBadRequestAndDisconnect(self) -> None:
        """
        Twisted calls this for whatever is not HTTP, or too much.
        """
        self.refuse(refusal(400, "this is not a request of HTTP/1.1, or has too many headers"))

    def refuse(self, answer: Answer) -> None:
        """
        Say why there is no answer, and end.
        """
        if self._refused or self.busy:
            return
        self._refused = True
        reason = http.RESPONSES.get(answer.code, b"")
        headers = {**ALWAYS, **answer.headers, "Content-Type": answer.kind, "Content-Length": str(len(answer.body))}
        lines = [f"{name}: {value}\r\n".encode() for name, value in {**headers, "Connection": "close"}.items()]
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (answer.code, reason, b"".join(lines), answer.body))
        self.transport.unregisterProducer()
        if self.tooMany:
            self.transport.loseConnection()
        else:
            # What comes in now is thrown away: to close at once would be a reset, which may take the answer along.
            self.transport.loseWriteConnection()
            self._endAfter(LINGERS)

    def dataReceived(self, data: bytes) -> None:
        """
        A part of a request.
        """
        if not self._refused:
            super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """
        The same for what has come in together with what was refused.
        """
        if not self._refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """
        The same.
        """
        if not self._refused:
            super().rawDataReceived(data)

    def timeoutConnection(self) -> None:
        """
        The time is over.
        """
        self._end = None
        if self.busy or self._refused:
            self.transport.abortConnection()
        else:
            self.refuse(refusal(408, f"a request has to be whole within {LASTS:g} seconds"))

    def leave(self) -> None:
        """
        End soon, or at once where nothing is being answered.
        """
        if self.busy:
            self.loseConnection()
            self._endAfter(LINGERS)
        else:
            self.transport.abortConnection()

    def _endAfter(self, seconds: float | None) -> None:
        """
        End then; ``None`` for never.
        """
        if self._end is not None:
            self._end.cancel()
        self._end = None if seconds is None else self._reactor.callLater(seconds, self.timeoutConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is gone.
        """
        self._endAfter(None)
        super().connectionLost(reason)
        self._gone(self)
