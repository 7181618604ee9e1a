"""
Numbered messages of one size.  The number stands at the end: where it is, the whole message is.
"""

from __future__ import annotations

import re

_HEADER = b"<13>1 - host app - - - "
_NUMBER = re.compile(rb"n(\d{10});")

#: Bytes of what stands at the end.
_MARK = len(b"n0123456789;")

#: The smallest message.
SMALLEST = len(_HEADER) + _MARK


def payload(numbers: list[int], size: int) -> bytes:
    """
    The messages with these numbers, octet-counted.

    :param size: of each message, in bytes.
    """
    start = b"%d %b%b" % (size, _HEADER, b"x" * (size - SMALLEST))
    return b"".join([b"%bn%010d;" % (start, number) for number in numbers])


def numbersIn(data: bytes) -> list[int]:
    """
    The numbers of the messages that end in some bytes.
    """
    return [int(number) for number in _NUMBER.findall(data)]


def rest(data: bytes) -> bytes:
    """
    What may be the beginning of a number, at the end of some bytes.
    """
    tail = data[1 - _MARK :]
    start = tail.rfind(b"n")
    return tail[start:] if start >= 0 else b""
