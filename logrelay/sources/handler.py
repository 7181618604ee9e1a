"""
Relaying what a program logs through the standard library.
"""

from __future__ import annotations

import logging

from ..inlet import Inlet
from .program import Entry, ProgramLog, isOwn

#: Severities (RFC 5424, 6.2.1) by the lowest level that they are for.
_SEVERITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG = 7


class RelayHandler(logging.Handler):
    """
    Relays log records: ``logging.getLogger().addHandler(RelayHandler(service.inlet))``.

    From any thread, never blocking; what finds no room is dropped and counted.  The relay's own records are left out,
    and so are those that ``twisted.logger.STDLibLogObserver`` makes of the relay's own events.
    """

    def __init__(self, inlet: Inlet, appName: str | None = None, level: int | str = logging.NOTSET) -> None:
        """
        :param inlet: ``LogRelayService.inlet``.
        :param appName: APP-NAME of the messages; default: the name that the program was started by.
        :param level: records below it are left out.
        """
        super().__init__(level)
        self._log = ProgramLog(inlet, appName)

    def emit(self, record: logging.LogRecord) -> None:
        """
        Relay one record, with its traceback if it has one.
        """
        if not isOwn(record.name) and not _isOfOwnEvent(record):
            self._log.relay(lambda: self._entry(record))

    def _entry(self, record: logging.LogRecord) -> Entry:
        """
        What a record says.
        """
        severity = next((severity for level, severity in _SEVERITIES if record.levelno >= level), _DEBUG)
        try:
            text = self.format(record)
        except Exception:
            # Tells the programmer on standard error, as every handler does.
            self.handleError(record)
            raise
        return Entry(severity, record.created, record.name, text)


def _isOfOwnEvent(record: logging.LogRecord) -> bool:
    """
    Whether a record was made of an event of this package.
    """
    event = getattr(record.msg, "event", None)
    return isinstance(event, dict) and isOwn(event.get("log_namespace"))
