"""
Why an attempt to connect failed, by its name in the specification (1.6), and in words.
"""

from __future__ import annotations

import errno
import os
import socket

from twisted.internet import defer, error
from twisted.python.failure import Failure

from .errors import LogRelayError
from .tls import tlsReason, tlsText

#: Sentences are for one line of a log.
_TEXT_LIMIT = 300


class ConnectTimeout(LogRelayError, TimeoutError):
    """
    The look-up of the name and all its addresses together took too long.
    """


class TLSTimeout(LogRelayError, TimeoutError):
    """
    The TLS handshake took too long.
    """


class EndedInHandshake(LogRelayError, ConnectionError):
    """
    The connection ended before the TLS handshake did.
    """


#: The first that fits counts.
_BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((TLSTimeout,), "tls-timeout"),
    ((ConnectTimeout, error.TimeoutError, error.TCPTimedOutError, defer.TimeoutError), "connect-timeout"),
    ((error.DNSLookupError, error.UnknownHostError, socket.gaierror), "dns"),
    ((error.ConnectionRefusedError,), "refused"),
    ((EndedInHandshake, error.ConnectionDone), "eof"),
    ((error.ConnectionLost,), "reset"),
)

_BY_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "connect-timeout",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
}

_TEXTS = {
    "dns": "no address was found for the name",
    "connect-timeout": "nobody answered in time",
    "eof": "the server closed the connection",
    "reset": "the connection was lost",
}


def reasonOf(failure: Failure) -> str:
    """
    The reason's name.  What has no name of its own (no route, no such local address, no descriptor left) kept us from
    reaching the server, and so counts as ``unreachable``.
    """
    for kinds, reason in _BY_TYPE:
        if isinstance(failure.value, kinds):
            return reason
    return tlsReason(failure) or _BY_ERRNO.get(_errnoOf(failure.value) or 0, "unreachable")


def textOf(failure: Failure) -> str:
    """
    The same in a few words, on one line.
    """
    value = failure.value
    number = _errnoOf(value)
    if tlsReason(failure) is not None:
        text = tlsText(failure)
    elif isinstance(value, LogRelayError):
        text = str(value)
    elif number:
        text = os.strerror(number)
    else:
        text = _TEXTS.get(reasonOf(failure)) or f"{type(value).__name__}: {value}"
    return " ".join(text.split())[:_TEXT_LIMIT]


def _errnoOf(value: BaseException | None) -> int | None:
    """
    The system's number of an error, where there is one.
    """
    number = value.osError if isinstance(value, error.ConnectError) else getattr(value, "errno", None)
    return number if isinstance(number, int) and number > 0 else None
