"""
Power cuts along a record of what was done to a spool.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import attrs

from .numbered import bench, drain
from .recorded import SIZE
from .records import Entry
from .replay import Disk, Luck, always, never, sometimes

#: Of so many cuts one leaves nothing that was not synced, one leaves all, and the others some.
_KINDS = 6


@attrs.define
class Cuts:
    """
    What came of some power cuts.

    :ivar states: how many there were.
    :ivar lossy: how many of them lost anything.
    :ivar messages: the most messages that one lost.
    :ivar size: the most bytes that one lost.
    :ivar alarms: how many of them made the spool say that something is damaged.
    """

    states: int = 0
    refused: int = 0
    lossy: int = 0
    messages: int = 0
    size: int = 0
    alarms: int = 0
    troubles: list[str] = attrs.field(factory=list)


@attrs.define
class Story:
    """
    A record, gone through from its beginning.

    :ivar allowed: how many bytes a power cut may take.
    :ivar after: the folder that the last power cut has left.
    :ivar needed: how large each message is that was accepted and has not settled, by its number.
    """

    disk: Disk
    chance: random.Random
    allowed: int
    after: Path
    cuts: Cuts
    needed: dict[int, int] = attrs.field(factory=dict)

    def apply(self, entry: Entry) -> None:
        """
        Go on.
        """
        if entry.kind != "M":
            self.disk.apply(entry)
            return
        what, *numbers = entry.data.decode().split()
        if what == "accepted":
            first, end, size = map(int, numbers)
            self.needed.update(dict.fromkeys(range(first, end), size))
        else:
            for number in [each for each in self.needed if each < int(numbers[0])]:
                del self.needed[number]

    def build(self) -> None:
        """
        Cut the power now.
        """
        lucks: list[Luck] = [never, always, *[sometimes(self.chance)] * (_KINDS - 2)]
        shutil.rmtree(self.after, ignore_errors=True)
        self.disk.build(self.after, self.chance.choice(lucks))

    def cut(self, what: str) -> None:
        """
        Cut the power now, and start again.
        """
        self.build()
        self.look(what)

    def look(self, what: str) -> set[int]:
        """
        Start with what the power cut has left.

        :return: the numbers of the messages that are still there.
        """
        self.cuts.states += 1
        place = bench(self.after, SIZE)
        try:
            spool = place.spool()
            seen = drain(spool, place.worker.catchUp)
            place.close(spool)
        except Exception as error:
            self.cuts.refused += 1
            self.cuts.troubles.append(f"{what}: {type(error).__name__}: {error}")
            return set()
        self.cuts.alarms += bool(place.damages)
        self._judge(what, seen)
        return set(seen)

    def _judge(self, what: str, seen: list[int]) -> None:
        """
        Look at what was read.
        """
        lost = self.needed.keys() - set(seen)
        size = sum(self.needed[number] for number in lost)
        self.cuts.lossy += bool(lost)
        self.cuts.messages = max(self.cuts.messages, len(lost))
        self.cuts.size = max(self.cuts.size, size)
        if seen != sorted(set(seen)):
            self.cuts.troubles.append(f"{what}: not delivered in order")
        if size > self.allowed:
            self.cuts.troubles.append(f"{what}: {len(lost)} messages are lost: {min(lost)} to {max(lost)}")
