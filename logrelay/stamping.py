"""
Stamps: a number in every message, so that a receiver can tell a double from a message that only looks the same.

What is resent after a failure may have arrived before.  With ``stamp`` each RFC 5424 message that the relay accepts
gets an SD-ELEMENT (RFC 5424, section 6.3) such as ``[logrelay@32473 boot="019abc3d5e6f-00c0ffee" seq="1"]``, the same
in every copy of it.  So whoever remembers the pairs of ``boot`` and ``seq`` can drop what has come before.

The element goes before those that are there already.  Those keep their bytes, the stamp stands in the same place of
every message, and it is still there when a message with very much structured data is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import attrs

from . import recognition

#: Random bits in the name of a start.  Relays that start in the same millisecond, or with clocks that are not set, have
#: the same name by chance only.
RANDOM_BITS = 32


def bootName(now: float, chance: float) -> str:
    """
    Name a start of the relay: no other has the same name, and of two starts the later one has the greater (as text).

    It rests on the clock and on chance, not on a disk, which might be full, or restored from a backup.

    :param now: seconds since the epoch.
    :param chance: a random number from 0 up to 1.
    """
    return f"{int(now * 1000):012x}-{int(chance * 2**RANDOM_BITS):08x}"


@attrs.define(eq=False)
class Numbering:
    """
    Counts the stamped messages of one relay, all of its routes together.

    :ivar boot: the name of this start.
    :ivar numbers: those to come; the first is 1.
    """

    boot: str
    numbers: Iterator[int] = attrs.field(factory=lambda: count(1))


class Stamper:
    """
    Puts stamps into messages.
    """

    def __init__(self, name: str, numbering: Numbering) -> None:
        """
        :param name: the SD-ID: ``name@`` and the enterprise number of whoever runs the relay.
        """
        self._name = name.encode("ascii")
        self._numbers = numbering.numbers
        self._begin = b'[%b boot="%b" seq="' % (self._name, numbering.boot.encode("ascii"))

    def stamped(self, messages: list[bytes]) -> list[bytes]:
        """
        Stamp those messages that are valid RFC 5424; the others are left alone.

        So is one with a stamp of this name: it came through another relay of the same owner, whose number already
        tells it from all others, and an SD-ID must not be in a message twice (RFC 5424, section 6.3.2).
        """
        begin, numbers, bears = self._begin, self._numbers, self._bears
        return [
            other or b'%b%b%d"]%b%b' % (header, begin, next(numbers), elements, text)
            if not elements or not bears(elements)
            else header + elements + text
            for header, elements, text, other in recognition.structured(messages)
        ]

    def _bears(self, elements: bytes) -> bool:
        """
        Whether one of some elements has our name.
        """
        # Nearly always there is no need to look closer.
        return self._name in elements and self._name in recognition.elementNames(elements)
