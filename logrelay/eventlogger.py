"""
Events in Twisted's log.
"""

from __future__ import annotations

import attrs
from twisted.logger import Logger, LogLevel

from .events import Event

_log = Logger(namespace="logrelay")


def logEvent(event: Event) -> None:
    """
    Write an event to Twisted's log, its fields beside its text.
    """
    fields = attrs.asdict(event, recurse=False)
    _log.emit(LogLevel.levelWithName(event.level), "{event}", event=event, event_id=type(event).__name__, **fields)
