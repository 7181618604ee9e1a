"""
What a store wants done on disk, and what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ..batches import Batch
from .bundles import Stored
from .record import Cursor


@attrs.frozen
class Damage:
    """
    Something on disk could not be read.

    :ivar path: the database.
    :ivar why: what is wrong with it.
    :ivar messages: how many messages that were in it, or in its log, are lost at most.
    """

    path: Path
    why: str
    messages: int


@attrs.frozen
class Job:
    """
    What is to be done next on disk.

    :ivar end: what lies before it has been taken in, as far as the store was told.
    :ivar settled: what lies before it is not needed any more.
    :ivar furthest: the position up to which batches were ever sent.
    :ivar append: batches to take in, as many of the first ones as have room.
    :ivar read: where to read on, if anything is to be read.
    :ivar budget: about how many bytes to read.
    :ivar sync: whether the record has to survive a power cut from now on.
    :ivar survey: from where on to say what the oldest database has, if that is wanted.
    """

    end: Cursor
    settled: Cursor
    furthest: int
    append: Sequence[Batch] = ()
    read: Cursor | None = None
    budget: int = 0
    sync: bool = False
    survey: Cursor | None = None


@attrs.frozen
class Oldest:
    """
    What the oldest database has, from some place on.

    :ivar end: where it ends.
    :ivar messages: how many of each source can be read.
    :ivar answered: whether any sender was told that they are taken.
    """

    end: Cursor
    messages: Mapping[str, int]
    answered: bool


@attrs.define
class Done:
    """
    What came of a job.

    :ivar appended: how many of the batches are on disk now.
    :ivar error: why not all, if that is no matter of room.
    :ivar loaded: what was read.
    :ivar read: where to read on.
    :ivar isReadable: whether it makes sense to read on at once.
    :ivar damages: what could not be read, and never will be.
    :ivar used: bytes on disk, what the log may still add included.
    :ivar oldest: what the oldest database has, if that was asked for and can be told.
    """

    appended: int = 0
    error: Exception | None = None
    loaded: list[Stored] = attrs.field(factory=list)
    read: Cursor | None = None
    isReadable: bool = True
    damages: list[Damage] = attrs.field(factory=list)
    used: int = 0
    oldest: Oldest | None = None
