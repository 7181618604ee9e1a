"""
The one crossing from other threads into the reactor's.
"""

from __future__ import annotations

from collections import Counter
from threading import RLock
from typing import Any

import attrs
from twisted.logger import Logger

from .batches import Framing, Origin
from .complaints import Complaints
from .counters import SourceCounters
from .eventlogger import logEvent
from .events import Observer
from .framing import batchesOf
from .routing import IRoute

#: At most so many messages wait for the reactor thread: some tenths of a second of what a busy program logs, and
#: little enough that a reactor that is late is not made later by one huge turn.
WAITING_MESSAGES = 10_000

#: And at most so many bytes of them: large messages must not take more memory than a small store has.
WAITING_BYTES = 8 * 1024 * 1024


class Inlet:
    """
    Takes messages from any thread, never blocks, and hands them to a route in the reactor thread.

    However many messages wait, the reactor is woken once, and what has gathered by then becomes one batch.  So it
    also works in the reactor thread itself, where the messages are delivered on a later turn; before the reactor
    runs, when they wait for it; and after :meth:`stop`, when they are dropped and counted.

    :ivar origin: where the messages come from; its host is what goes into their headers.  Not pausable: a thread that
        logs must not wait.
    """

    _log = Logger(namespace="logrelay.inlet")

    def __init__(
        self,
        reactor: Any,
        route: IRoute,
        origin: Origin,
        counters: SourceCounters,
        maxMessageSize: int = 65536,
        limit: int = WAITING_MESSAGES,
        limitBytes: int = WAITING_BYTES,
        tell: Observer = logEvent,
    ) -> None:
        """
        :param reactor: provides ``IReactorFromThreads`` and ``IReactorTime``.
        :param tell: told what goes wrong.
        """
        self.origin = attrs.evolve(origin, pausable=False)
        self._reactor = reactor
        self._route = route
        self._counters = counters
        self._complaints = Complaints(reactor, origin.source, tell)
        self._maxMessageSize = maxMessageSize
        self._limit = limit
        self._limitBytes = limitBytes
        # A plain lock would hang where a signal handler or a destructor logs while this thread holds it.
        self._lock = RLock()
        self._waiting: list[bytes] = []
        self._waitingBytes = 0
        self._dropped: Counter[str] = Counter()
        self._wakeUpDue = False
        self._stopped = False

    def put(self, message: bytes) -> bool:
        """
        Leave a message for the reactor thread.  From any thread; neither blocks nor raises.

        :return: whether it was taken; otherwise it has been dropped and counted.
        """
        with self._lock:
            refusal = self._refusal(len(message))
            if refusal:
                self._dropped[refusal] += 1
            else:
                self._waiting.append(message)
                self._waitingBytes += len(message)
            self._wakeUp()
        return not refusal

    def _refusal(self, size: int) -> str:
        """
        The reason why a message of this size can't be taken; empty if it can.
        """
        if self._stopped:
            return "inlet-stopped"
        if len(self._waiting) >= self._limit or self._waitingBytes + size > self._limitBytes:
            return "inlet-full"
        return ""

    def drop(self, reason: str) -> None:
        """
        Count a message that could not even be put.  From any thread.
        """
        with self._lock:
            self._dropped[reason] += 1
            self._wakeUp()

    def start(self) -> None:
        """
        Take messages again after :meth:`stop`.
        """
        self._stopped = False

    def stop(self) -> None:
        """
        Deliver what waits, and take nothing more.  In the reactor thread.
        """
        self._stopped = True
        self.flush()

    def _wakeUp(self) -> None:
        """
        Ask the reactor thread to come by, unless it has been asked already.  With the lock held.
        """
        if not self._wakeUpDue:
            self._wakeUpDue = True
            self._reactor.callFromThread(self.flush)

    def flush(self) -> None:
        """
        Deliver what waits, and count what was dropped: the counters belong to the reactor thread.  In that thread only.
        """
        with self._lock:
            messages, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, Counter()
            self._waitingBytes = 0
            self._wakeUpDue = False
        for reason, count in dropped.items():
            self._counters.dropped[reason] += count
            self._complaints.say(reason, "messages from this program were dropped", count)
        try:
            self._deliver(messages)
        except Exception:
            # Let out, it would be logged in Twisted's name, and be relayed through here again and again.
            self._log.failure("{source}: messages could not be delivered", source=self.origin.source)
        if self._stopped:
            self._complaints.flush()

    def _deliver(self, messages: list[bytes]) -> None:
        """
        Make batches of messages and deliver them.
        """
        self._counters.receivedBytes += sum(map(len, messages))
        limit = self._maxMessageSize
        if max(map(len, messages), default=0) > limit:
            overlong = sum(len(message) > limit for message in messages)
            self._counters.overlong += overlong
            self._complaints.say("overlong", "a message was longer than max-message-size; its head is kept", overlong)
            messages = [message[:limit] for message in messages]
        for batch in batchesOf(messages, Framing.OCTET_COUNTING, self.origin):
            self._counters.received += batch.count
            self._route.deliver(batch)
