"""
What the tests of the sources share: a route that keeps what it is given, and sources that wait to be built.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from logrelay.batches import Batch
from logrelay.config import SourceSettings
from logrelay.encoding import messagesOf
from logrelay.listening import parseListen
from logrelay.routing import IRoute
from logrelay.store import Accepted, Secured


@implementer(IRoute)
class KeptRoute:
    """
    Keeps every batch.

    :ivar certain: messages of up to so many bytes are never given up for their length.
    :ivar held: the bytes that decoders have said they keep.
    :ivar onDeliver: called after each batch.
    :ivar answer: what it says of each batch, at once; ``None``: it leaves that to the test.
    :ivar waiting: where it is to be said.
    :ivar secures: whether each batch is secured at once; otherwise the test does it.
    :ivar securing: what is to be told then.
    """

    def __init__(self, certain: int = 65536) -> None:
        self.certain = certain
        self.batches: list[Batch] = []
        self.held = 0
        self.holds: list[int] = []
        self.onDeliver: Callable[[Batch], None] = lambda batch: None
        self.answer: bool | None = True
        self.waiting: list[Accepted] = []
        self.secures = True
        self.securing: list[Secured] = []
        self._waiting: list[tuple[int, Deferred[list[bytes]]]] = []

    def deliver(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Keep a batch.
        """
        self.batches.append(batch)
        self.onDeliver(batch)
        if accepted is not None and self.answer is None:
            self.waiting.append(accepted)
        elif accepted is not None and self.answer is not None:
            accepted(self.answer)
        if secured is not None and self.secures:
            secured()
        elif secured is not None:
            self.securing.append(secured)
        ready = [pair for pair in self._waiting if pair[0] <= len(self.messages)]
        self._waiting = [pair for pair in self._waiting if pair not in ready]
        for _, told in ready:
            told.callback(self.messages)

    def hold(self, delta: int) -> None:
        """
        Keep account.
        """
        self.holds.append(delta)
        self.held += delta

    @property
    def messages(self) -> list[bytes]:
        """
        All messages, in order.
        """
        return [message for batch in self.batches for message in messagesOf(batch)]

    def whenReceived(self, count: int) -> Deferred[list[bytes]]:
        """
        Fires with the messages when there are so many.
        """
        told: Deferred[list[bytes]] = Deferred()
        if len(self.messages) >= count:
            told.callback(self.messages)
        else:
            self._waiting.append((count, told))
        return told


def listening(text: str, **options: object) -> SourceSettings:
    """
    The settings of a source that listens somewhere.
    """
    return SourceSettings(text, listen=parseListen(text), **options)  # type: ignore[arg-type]


def folder(case: SynchronousTestCase) -> str:
    """
    A folder whose name is short enough for the path of a UNIX socket.
    """
    made = tempfile.mkdtemp(prefix="logrelay-")
    case.addCleanup(shutil.rmtree, made)
    return made


def logged(case: SynchronousTestCase) -> list[str]:
    """
    What our sources log from now on, as it fills.
    """
    lines: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if str(event.get("log_namespace", "")).startswith("logrelay"):
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    case.addCleanup(globalLogPublisher.removeObserver, observe)
    return lines
