"""
What a program says of itself, as syslog messages (RFC 5424): shared by its observers and handlers.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from threading import local

import attrs

from ..inlet import Inlet

#: Facility "user" (RFC 5424, 6.2.1), which is for what programs say.
_FACILITY = 1

#: The longest fields that RFC 5424 (6) allows.
_HOSTNAME, _APP_NAME, _MSGID = 255, 48, 32

_NOT_PRINTABLE = re.compile(r"[^!-~]")

#: Which threads are relaying something right now.
_here = local()


@attrs.frozen
class Entry:
    """
    One thing that a program said.

    :ivar severity: 0 to 7 (RFC 5424, 6.2.1).
    :ivar seconds: when, since the epoch.
    :ivar topic: which part of the program: a namespace, a logger's name.
    :ivar text: what; may have several lines.
    """

    severity: int
    seconds: float
    topic: str
    text: str


class ProgramLog:
    """
    Puts what a program says into an inlet.

    What is said while something is being relayed, by the same thread, is not relayed: it may be about the relaying,
    and would go round for ever.
    """

    def __init__(self, inlet: Inlet, appName: str | None) -> None:
        self._inlet = inlet
        self._names = _field(inlet.origin.host.decode("ascii", "replace"), _HOSTNAME) + b" "
        self._names += _field(os.path.basename(sys.argv[0]) if appName is None else appName, _APP_NAME)

    def relay(self, entry: Callable[[], Entry]) -> None:
        """
        Relay one entry.  From any thread; neither blocks nor raises.

        :param entry: makes it.  If that fails, a message is counted as dropped.
        """
        if getattr(_here, "relaying", False):
            return
        _here.relaying = True
        try:
            made = entry()
            if made.text:
                self._inlet.put(self._message(made))
        except Exception:
            self._inlet.drop("unformattable")
        finally:
            _here.relaying = False

    def _message(self, entry: Entry) -> bytes:
        """
        The entry as RFC 5424 has it, without structured data.
        """
        return b"<%d>1 %s %s %d %s - %s" % (
            _FACILITY * 8 + entry.severity,
            _timestamp(entry.seconds),
            self._names,
            os.getpid(),
            _field(entry.topic, _MSGID),
            entry.text.encode("utf-8", "backslashreplace"),
        )


def isOwn(topic: object) -> bool:
    """
    Whether a namespace or a logger's name is one of this package.  What the relay says is not for itself to relay:
    each message could make it say something again.
    """
    return isinstance(topic, str) and (topic == "logrelay" or topic.startswith("logrelay."))


def _timestamp(seconds: float) -> bytes:
    """
    A time in UTC with microseconds (RFC 5424, 6.2.3), or the nil value for one that makes no sense.
    """
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError, OSError):
        return b"-"
    return moment.isoformat(timespec="microseconds").encode() + b"Z"


def _field(text: str, limit: int) -> bytes:
    """
    A text as a header field: printable ASCII without spaces, or the nil value.
    """
    return _NOT_PRINTABLE.sub("_", text)[:limit].encode() or b"-"
