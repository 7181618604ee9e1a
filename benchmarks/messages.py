"""
The messages of our own sender, and what the sink finds in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from .wire import Wire

#: What every message holds once, those of loggen too, and so what the sink counts.
MARK = b"seq: "

#: The time in all headers: the second in which the process began.
_TIMES = {
    "rfc3164": time.strftime("%b %e %H:%M:%S").encode(),
    "rfc5424": time.strftime("1 %Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime()).encode(),
}
_HEADS = {"rfc3164": b"<%d>%b host%d program%d[%d]: ", "rfc5424": b"<%d>%b host%d program%d %d - - "}

_STAMP = b"at %019d;"
_STAMPED = re.compile(rb"at (\d{19});")


def message(form: str, size: int, text: bytes = b"", last: bytes = b"", sender: int = 0) -> bytes:
    """
    One message without its line feed, which ``size`` counts too.

    :param text: what stands in it before the filling; ``last``: behind it.
    :param sender: the number of the program that it is of; each has a header of its own.
    """
    header = _HEADS[form] % (sender % 8 + 8, _TIMES[form], sender % 20, sender // 20 % 5, sender + 100)
    head = header + MARK + text
    filling = size - len(head) - len(last) - 1
    assert filling >= 0, (form, size)
    return head + b"x" * filling + last


def framed(content: bytes, framing: str) -> bytes:
    """
    A message as it is sent over a stream.
    """
    return content + b"\n" if framing == "lf" else b"%d %b" % (len(content), content)


def messages(wire: Wire, size: int, count: int, heads: int) -> list[bytes]:
    """
    So many messages, framed and numbered.

    :param heads: how many different headers they have.
    """
    return [
        framed(message(wire.form, size, b"%010d " % number, sender=number % heads), wire.framing)
        for number in range(count)
    ]


def stamped(form: str, framing: str, size: int) -> tuple[bytes, bytes]:
    """
    What stands before and behind the time (see :func:`stamp`) in a message that ends with it.
    """
    whole = framed(message(form, size, last=_STAMP % 0), framing)
    before, after = whole.split(_STAMP % 0)
    return before, after


def stamp(nanoseconds: int) -> bytes:
    """
    The time when a message is written, on the monotonic clock.
    """
    return _STAMP % nanoseconds


def delays(pieces: Sequence[tuple[int, bytes]]) -> list[int]:
    """
    How long each message was on its way, in nanoseconds.

    :param pieces: what one connection brought: when each piece came, in nanoseconds, and the piece.  A message that is
        in two came with the second.
    """
    found: list[int] = []
    rest = b""
    for moment, piece in pieces:
        data, end = rest + piece, 0
        for match in _STAMPED.finditer(data):
            found.append(moment - int(match[1]))
            end = match.end()
        rest = data[max(end, len(data) - len(_STAMP % 0)) :]
    return found


def percentile(values: Sequence[float], part: float) -> float:
    """
    The least of the values that a part (0.5, 0.99) of them do not exceed.
    """
    ordered = sorted(values)
    return ordered[max(0, -int(-part * len(ordered) // 1) - 1)]
