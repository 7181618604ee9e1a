"""
What became of the messages of a trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .receiver import Counts


@attrs.frozen
class Account:
    """
    The result.

    :ivar answered: how many were answered with 200.
    :ivar lost: how many of those no server has got.
    :ivar duplicates: how many copies there were beside the first.
    """

    answered: int
    lost: int
    duplicates: int

    @classmethod
    def of(cls, journal: Sequence[int], counts: Counts) -> Account:
        """
        Draw it up.
        """
        journal = bytes(journal)
        times = counts.times(len(journal))
        lost = sum(1 for answered, came in zip(journal, times, strict=True) if answered and not came)
        return cls(journal.count(1), lost, duplicates(times))


def duplicates(times: bytes) -> int:
    """
    How many copies there were beside the first.
    """
    return sum(times) - (len(times) - times.count(0))
