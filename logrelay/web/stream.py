"""
The page's news: server-sent events (HTML Living Standard, 9.2).

An event is the whole content of the page, or only says that there is nothing new.  So whoever is slow misses some and
is none the worse for it: nothing waits for anybody, but for what the connection itself has not sent yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ..events import Event
from .channel import Request
from .replies import Answer, refusal
from .words import stamp

_log = Logger(namespace="logrelay.web")

#: So many browsers at a time; a page that nobody looks at lets go.
LISTENERS = 20

#: Seconds between events, if nothing happens; and after something did, so that what happens together is one event.
EVERY, SOON = 2.0, 0.1

#: Who has read nothing for so many seconds is gone.
PATIENCE = 30.0

#: To draw the page takes at most this share of the time.
SHARE = 0.05

#: Browsers connect again after so many milliseconds.
_RETRY = 2000

_LINE_END = re.compile(rb"\r\n|\r|\n")


@implementer(IPushProducer)
class Listener:
    """
    One browser.
    """

    def __init__(self, request: Request, reactor: IReactorTime, gone: Callable[[Listener], None]) -> None:
        self._request = request
        self._reactor = reactor
        self._pausedAt: float | None = None
        request.channel.stay()
        request.begin(Answer(b"", "text/event-stream"))
        # A proxy must not collect what comes.
        request.setHeader(b"X-Accel-Buffering", b"no")
        request.notifyFinish().addBoth(lambda _: gone(self))
        request.write(b"retry: %d\n\n" % _RETRY)
        request.registerProducer(self, True)

    def tell(self, event: bytes) -> None:
        """
        Send an event, unless it would have to wait.
        """
        if self._pausedAt is None:
            self._request.write(event)
        elif self._reactor.seconds() - self._pausedAt > PATIENCE:
            self._request.channel.transport.abortConnection()

    def close(self) -> None:
        """
        There will be no more.
        """
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        """
        What was sent is not read yet.
        """
        if self._pausedAt is None:
            self._pausedAt = self._reactor.seconds()

    def resumeProducing(self) -> None:
        """
        It is.  The next event will tell all.
        """
        self._pausedAt = None

    def stopProducing(self) -> None:
        """
        The connection is gone.
        """


class Stream:
    """
    Tells all browsers what is new.

    :ivar listeners: those that are there.
    """

    def __init__(self, reactor: IReactorTime, draw: Callable[[], bytes]) -> None:
        """
        :param draw: draws the content of the page.
        """
        self._reactor = reactor
        self._draw = draw
        self.listeners: list[Listener] = []
        self._next: IDelayedCall | None = None
        self._notBefore = 0.0
        self._last = b""

    def listen(self, request: Request) -> Answer | None:
        """
        One more browser.
        """
        if len(self.listeners) >= LISTENERS:
            return refusal(503, f"{LISTENERS} pages are live already; close one", **{"Retry-After": "10"})
        listener = Listener(request, self._reactor, self._gone)
        self.listeners.append(listener)
        self._last = b""
        self._tellIn(0)
        return None

    def happened(self, event: Event) -> None:
        """
        Something happened in the relay: tell it soon.
        """
        if self.listeners:
            self._tellIn(SOON)

    def _tellIn(self, seconds: float) -> None:
        """
        Send an event then, or sooner if one is due sooner; but not so often that it would cost too much.
        """
        now = self._reactor.seconds()
        at = max(now + seconds, self._notBefore)
        if self._next is not None:
            if self._next.getTime() <= at:
                return
            self._next.cancel()
        self._next = self._reactor.callLater(at - now, self._tell)

    def _tell(self) -> None:
        """
        Send an event to all.
        """
        self._next = None
        if not self.listeners:
            return
        began = self._reactor.seconds()
        try:
            drawn = self._draw()
        except Exception:
            _log.failure("the page could not be drawn")
            drawn = self._last
        now = self._reactor.seconds()
        self._notBefore = now + max(0, now - began) / SHARE
        event = eventOf("beat", b"", now) if drawn == self._last else eventOf("state", drawn, now)
        self._last = drawn
        for listener in tuple(self.listeners):
            listener.tell(event)
        self._tellIn(EVERY)

    def _gone(self, listener: Listener) -> None:
        """
        A browser is gone.
        """
        self.listeners.remove(listener)

    def close(self) -> None:
        """
        Tell all that this was all.
        """
        if self._next is not None:
            self._next.cancel()
            self._next = None
        for listener in tuple(self.listeners):
            listener.tell(eventOf("end", b"", self._reactor.seconds()))
            listener.close()


def eventOf(kind: str, data: bytes, now: float) -> bytes:
    """
    An event as it is on the wire.

    :param now: becomes the event's id, for people.
    """
    # Each of these ends a line there, and what follows must not pass for a field of the event.
    lines = b"".join(b"data: %b\n" % line for line in _LINE_END.split(data))
    return b"event: %b\nid: %b\n%b\n" % (kind.encode(), stamp(now).encode(), lines)
