"""
What each path has, and who may ask for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from ipaddress import ip_address
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

from ..rendering import asData, unreadiness
from ..snapshot import Snapshot
from .channel import Request
from .collector import expositionOf
from .history import History
from .page import contentOf, documentOf
from .replies import Answer, notAllowed, refusal
from .stream import Stream

T = TypeVar("T")

#: The page's own files.
_STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

#: What takes time to make is made once for all who ask within so many times that: asking often costs little.
_KEPT = 10


class Answers:
    """
    Answers requests, from the relay's snapshot.

    :ivar stream: the page's news.
    """

    def __init__(
        self, reactor: IReactorTime, snapshot: Callable[[], Snapshot], history: History, onlyLoopback: bool
    ) -> None:
        """
        :param snapshot: takes the snapshot.
        :param onlyLoopback: whether this host alone can connect.
        """
        self._snapshot = snapshot
        self._onlyLoopback = onlyLoopback
        exposition = expositionOf(snapshot)
        document = Kept(reactor, lambda: documentOf(snapshot(), history))
        status = Kept(reactor, lambda: json.dumps(asData(snapshot()), indent=1).encode())
        self._metrics: dict[str, Kept[tuple[bytes, str]]] = {
            kind: Kept(reactor, lambda kind=kind: exposition(kind))  # type: ignore[misc]
            for kind in ("", "application/openmetrics-text")
        }
        self.stream = Stream(reactor, lambda: contentOf(snapshot(), history))
        self._paths: dict[bytes, Callable[[Request], Answer | None]] = {
            b"/": lambda request: Answer(document(), "text/html; charset=utf-8"),
            b"/status": lambda request: Answer(status(), "application/json"),
            b"/metrics": self._metricsFor,
            b"/health": lambda request: _said(snapshot().ailments),
            b"/ready": lambda request: _said(tuple(unreadiness(snapshot()))),
            b"/events": self._events,
        }
        for name, kind in _STATIC.items():
            answer = Answer(files(__package__).joinpath("static", name).read_bytes(), kind)
            self._paths[b"/static/" + name.encode()] = lambda request, answer=answer: answer  # type: ignore[misc]

    def __call__(self, request: Request) -> Answer | None:
        """
        Answer a request; ``None`` if that is done later.
        """
        found = self._paths.get(request.path)
        return self._refusal(request) or (refusal(404, "there is nothing here") if found is None else found(request))

    def _refusal(self, request: Request) -> Answer | None:
        """
        Why a request is not answered.
        """
        if request.method not in (b"GET", b"HEAD"):
            return notAllowed()
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) > 1 or (not hosts and request.clientproto == b"HTTP/1.1"):
            return refusal(400, "a request has one Host header")
        # A page of somebody else's, whose name was made to mean 127.0.0.1, would be read as ours by a browser.
        if self._onlyLoopback and hosts and not _isOwn(hosts[0]):
            return refusal(421, "ask by the address, or as localhost; a proxy has to send Host: 127.0.0.1")
        # Another site's page may lead here, but it may not load anything: it would only take places.
        sites = request.requestHeaders.getRawHeaders(b"sec-fetch-site", [])
        modes = request.requestHeaders.getRawHeaders(b"sec-fetch-mode", [])
        if b"cross-site" in sites and b"navigate" not in modes:
            return refusal(403, "this is not for the pages of other sites")
        return None

    def _metricsFor(self, request: Request) -> Answer:
        """
        The metrics, in the format that is wanted.
        """
        accepted = b",".join(request.requestHeaders.getRawHeaders(b"accept", [])).decode("ascii", "replace")
        kind = next((kind for kind in self._metrics if kind and kind in accepted), "")
        body, contentType = self._metrics[kind]()
        return Answer(body, contentType)

    def _events(self, request: Request) -> Answer | None:
        """
        The page's news.
        """
        if request.method == b"HEAD":
            return Answer(b"", "text/event-stream")
        return self.stream.listen(request)


def _said(reasons: tuple[str, ...]) -> Answer:
    """
    Good, or why not: a line for each reason.
    """
    return refusal(503, "\n".join(reasons)) if reasons else Answer(b"ok\n")


def _isOwn(host: bytes) -> bool:
    """
    Whether what a request calls us can't be a name that somebody else owns: an address, or a name of this host alone
    (RFC 6761, 6.3).
    """
    name = host.decode("ascii", "replace").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if f".{name.rstrip('.')}".endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Kept(Generic[T]):
    """
    Something that is made when it is asked for, and kept for a time that depends on what it took to make.
    """

    def __init__(self, reactor: IReactorTime, make: Callable[[], T]) -> None:
        self._reactor = reactor
        self._make = make
        self._from = self._until = 0.0
        self._made: T | None = None

    def __call__(self) -> T:
        """
        It.
        """
        began = self._reactor.seconds()
        # The reactor's clock is the host's, which may be put back: by hours, even.
        if self._made is None or not self._from <= began < self._until:
            self._made = self._make()
            self._from = now = self._reactor.seconds()
            self._until = now + _KEPT * max(0, now - began)
        return self._made
