"""
Print each stamped message once: ``python dedupe.py [FILE]``

Reads messages as logrelay sends them, a line each, from a file or from standard input.  Needs nothing but Python.

It remembers the numbers that it has seen of each start of a relay (``boot``), as ranges.  Where nothing is missing that
is a single range, however many messages there are; where only some of a relay's messages come here, there are more.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator

#: The SD-ID of the stamps: what stands as ``stamp`` in the relay's configuration.
STAMP = "logrelay@32473"

#: So many starts of relays are remembered, those longest unheard of forgotten first.  A double comes within minutes,
#: and few relays start so often.
BOOTS = 100

#: So many ranges of numbers for each, the lowest forgotten first (less than 1 MB).  What is forgotten, and then comes
#: again, is printed again: a double is better than a loss.
RANGES = 10_000

#: PRI and version, five fields, then structured data: elements, whose values may hold escaped quotes and brackets.
_BEGIN = rb"<\d{1,3}>1 (?:\S+ ){5}"
_ELEMENT = rb'\[[^ =\]"]+(?: [^ =\]"]+="(?:[^"\\\]]|\\.)*+")*+\]'
_STAMP = re.compile(
    _BEGIN + rb"(?:" + _ELEMENT + rb")*?\[" + re.escape(STAMP.encode()) + rb' boot="([^"\\\]]+)" seq="(\d{1,20})"\]'
)


class Ranges:
    """
    A set of whole numbers, as ranges.
    """

    def __init__(self) -> None:
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, number: int) -> bool:
        """
        Add a number.

        :return: whether it is new.
        """
        first, last = self._first, self._last
        place = bisect_right(first, number)
        if place and number <= last[place - 1]:
            return False
        joinsLower = place > 0 and last[place - 1] == number - 1
        joinsUpper = place < len(first) and first[place] == number + 1
        if joinsLower and joinsUpper:
            del first[place]
            del last[place - 1]
        elif joinsLower:
            last[place - 1] = number
        elif joinsUpper:
            first[place] = number
        else:
            first.insert(place, number)
            last.insert(place, number)
            if len(first) > RANGES:
                del first[0], last[0]
        return True


class Seen:
    """
    Which stamps have come.
    """

    def __init__(self) -> None:
        self._boots: dict[bytes, Ranges] = {}

    def isNew(self, message: bytes) -> bool:
        """
        Tell whether a message has not come before; one without a stamp never has.
        """
        stamp = _STAMP.match(message)
        if stamp is None:
            return True
        # Put back in at the end: the dictionary is ordered by when each was heard of last.
        numbers = self._boots.pop(stamp[1], None) or Ranges()
        self._boots[stamp[1]] = numbers
        if len(self._boots) > BOOTS:
            del self._boots[next(iter(self._boots))]
        return numbers.add(int(stamp[2]))


def once(messages: Iterable[bytes]) -> Iterator[bytes]:
    """
    Each message once.
    """
    return filter(Seen().isNew, messages)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") if sys.argv[1:] else sys.stdin.buffer as messages:
        for message in once(messages):
            sys.stdout.buffer.write(message)
            sys.stdout.buffer.flush()
