"""
The messages that a destination does not deliver: those that are dropped, and those that are put into a file for people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from . import events
from .batches import Batch
from .complaints import Reminder
from .counters import DestinationCounters
from .deadletters import DeadLetters
from .events import EventLog


class Drops:
    """
    Counts them, and tells of them.

    :ivar deadLetters: the file.
    """

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        counters: DestinationCounters,
        deadLetters: DeadLetters,
        log: EventLog,
        sourceDropped: Callable[[str, str, int], None],
    ) -> None:
        """
        :param name: of the destination.
        :param sourceDropped: told of all that are dropped: of which source, why, how many.
        """
        self._name = name
        self._counters = counters
        self.deadLetters = deadLetters
        self._log = log
        self._sourceDropped = sourceDropped
        self._reminder = Reminder(clock, self._tell)

    def drop(self, source: str, reason: str, count: int) -> None:
        """
        Count messages that were given up, and say so now and then.
        """
        self._counters.dropped[reason] += count
        self._sourceDropped(source, reason, count)
        self._reminder.add((source, reason), count)

    def _tell(self, key: Any, count: int) -> None:
        """
        Say how many messages of a source were given up, and why.
        """
        source, reason = key
        self._log.tell(events.Dropped(self._name, source, reason, count))

    def flush(self) -> None:
        """
        Say what was not said: the destination stops.
        """
        self._reminder.flush()

    def setAside(self, batch: Batch, message: bytes, why: str) -> bool:
        """
        Put a message into the dead-letter file.

        :return: whether it is there.
        """
        path = str(self.deadLetters.path)
        try:
            self.deadLetters.add(batch, message, why)
        except OSError as error:
            self._log.tell(events.CannotSetAside(self._name, path, error.strerror or str(error)))
            return False
        self._counters.setAside += 1
        self._log.tell(events.SetAside(self._name, batch.origin.source, path, why))
        return True
