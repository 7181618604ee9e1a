"""
Numbered messages of one length: made, and found again in what servers have got.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import attrs

#: Bytes of each message, its header included.
SIZE = 200

#: RFC 5424.  The time says nothing, and must not change the length.
_HEADER = b"<14>1 2026-01-01T00:00:00.000000Z sender benchmark - - - "

#: Digits of a number: of more messages than any run sends.
_DIGITS = 8

_TEXT = b"number: %0*d %s;"
_FILL = b"x" * (SIZE - len(_HEADER) - len(_TEXT % (_DIGITS, 0, b"")))

#: A message that is whole: what a cut connection leaves of one has no end.
_WHOLE = re.compile(rb"number: (\d{%d}) x{%d};" % (_DIGITS, len(_FILL)))

_COUNT = b"%d " % SIZE

#: Bytes of a message with its octet count (RFC 6587).
FRAME = len(_COUNT) + SIZE


def frames(first: int, count: int) -> bytes:
    """
    Messages with successive numbers, octet-counted.
    """
    return b"".join(_COUNT + _HEADER + _TEXT % (_DIGITS, number, _FILL) for number in range(first, first + count))


@attrs.frozen
class Received:
    """
    Which messages came, and how often.

    :ivar times: by number.
    """

    times: Counter[int]

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Received:
        """
        What is whole in what some connections brought; a piece for each connection.
        """
        times: Counter[int] = Counter()
        for piece in pieces:
            times.update(map(int, _WHOLE.findall(piece)))
        return cls(times)

    def __add__(self, other: Received) -> Received:
        """
        Both.
        """
        return Received(self.times + other.times)

    @property
    def distinct(self) -> int:
        """
        How many different messages came.
        """
        return len(self.times)

    @property
    def duplicates(self) -> int:
        """
        How many came beside the first of each number.
        """
        return self.times.total() - len(self.times)
