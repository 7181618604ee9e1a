"""
What sources and destinations have to do with each other: lengths of messages, and doubles.
"""

from __future__ import annotations

from ..config import smallestBuffer, smallestSpool
from ..values import sizeText
from .parts import Entry, Part, Relay
from .remarks import Remarks
from .treatments import DEFAULT_MESSAGE


def fit(relay: Relay, destination: Part, remarks: Remarks) -> None:
    """
    Have a destination take the longest messages of its sources, and its stores hold them.
    """
    longest = DEFAULT_MESSAGE, 0
    for source in relay.sources:
        entry = source.find("max-message-size")
        if entry is not None and destination.name in source.to:
            longest = max(longest, (_bytes(entry), entry.line))
    if longest[0] > DEFAULT_MESSAGE and destination.find("max-message-size") is None:
        destination.put("max-message-size", *longest)
    size = max(DEFAULT_MESSAGE, _bytes(destination.find("max-message-size")))
    for key, least in (("buffer.size", smallestBuffer(size)), ("spool.size", smallestSpool(size))):
        entry = destination.find(key)
        if entry is not None and _bytes(entry) < least:
            destination.put(key, least, entry.line)
            what = f"{destination.origin}: {key} became {sizeText(least)}"
            remarks.add(entry.line, what, "that is the least with messages of this length")


def _bytes(entry: Entry | None) -> int:
    """
    The size that a key is set to; 0 if it is not.
    """
    return entry.value if entry is not None and isinstance(entry.value, int) else 0


def merge(relay: Relay) -> None:
    """
    Make one source of those that are the same: what comes there then goes to the destinations of each.
    """
    known: dict[str, Part] = {}
    for source in relay.sources:
        place = repr(sorted((key, entry.value) for key, entry in source.keys.items()))
        known.setdefault(place, source).to.update(source.to)
    relay.sources = list(known.values())
    for source in relay.sources:
        source.to = {each.name: None for each in relay.destinations if each.name in source.to}
