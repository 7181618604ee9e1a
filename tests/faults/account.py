"""
What became of the messages of a trial, by what the servers wrote: lost, received more than once, out of order.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .stream import HEAD, SIZE


def numbersIn(data: bytes) -> list[int]:
    """
    The numbers of the whole messages in what a server wrote.  One that was cut off does not count.
    """
    # rsyslog may keep the space before the text.
    lines = (line.removeprefix(b" ") for line in data.split(b"\n"))
    return [int(line[:7]) for line in lines if len(line) == SIZE - HEAD]


def stretches(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """
    The stretches of numbers that count on by one: first and last of each.
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


@attrs.frozen
class Account:
    """
    The result.

    :ivar lost: the numbers of the messages that no server wrote.
    :ivar duplicates: how many copies there were beyond the first.
    :ivar late: how many messages servers wrote that went on after a stop; they are in no other number here.
    :ivar stretches: for each server, the stretches of messages that it wrote one after the other: one for each
        connection, where order is kept.
    """

    lost: tuple[int, ...]
    duplicates: int
    late: int
    stretches: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def of(cls, sent: int, received: Iterable[bytes], late: Iterable[bytes] = ()) -> Account:
        """
        Draw it up.

        :param sent: how many messages were, with the numbers from 0.
        :param received: what each server wrote.
        :param late: what some of them wrote after they had been stopped.
        """
        numbers = [numbersIn(data) for data in received]
        distinct = set().union(*numbers)
        return cls(
            lost=tuple(sorted(set(range(sent)) - distinct)),
            duplicates=sum(map(len, numbers)) - len(distinct),
            late=sum(len(numbersIn(data)) for data in late),
            stretches=tuple(tuple(stretches(each)) for each in numbers),
        )
