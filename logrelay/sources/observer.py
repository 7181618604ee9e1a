"""
Relaying what a Twisted program logs.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText
from zope.interface import implementer

from ..inlet import Inlet
from .program import Entry, ProgramLog, isOwn

_SEVERITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}


@implementer(ILogObserver)
class RelayObserver:
    """
    Relays the events of ``twisted.logger``: ``globalLogPublisher.addObserver(RelayObserver(service.inlet))``.

    From any thread, never blocking; what finds no room is dropped and counted.  The relay's own events are left out.
    """

    def __init__(self, inlet: Inlet, appName: str | None = None) -> None:
        """
        :param inlet: ``LogRelayService.inlet``.
        :param appName: APP-NAME of the messages; default: the name that the program was started by.
        """
        self._log = ProgramLog(inlet, appName)

    def __call__(self, event: LogEvent) -> None:
        """
        Relay one event, with its traceback if it has one.
        """
        if not isOwn(event.get("log_namespace")):
            self._log.relay(lambda: _entry(event))


def _entry(event: LogEvent) -> Entry:
    """
    What an event says.  Old-style events have no level.
    """
    level = event.get("log_level") or (LogLevel.error if event.get("isError") else LogLevel.info)
    return Entry(
        severity=_SEVERITIES[level],
        seconds=event.get("log_time") or event.get("time") or 0,
        topic=str(event.get("log_namespace") or ""),
        text=eventAsText(event, includeTimestamp=False, includeSystem=False),
    )
