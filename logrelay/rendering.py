"""
The state of a relay as data for other programs: what ``/status``, the live page and ``logrelay status --json`` give.

It is the snapshot, name by name (``unsentBatches`` is ``unsent-batches``), and what follows from it.  Times are seconds
since the epoch, sizes bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from .snapshot import DestinationSnapshot, ServerSnapshot, Snapshot

_CAPITAL = re.compile("(?=[A-Z])")


def asData(snapshot: Snapshot) -> dict[str, Any]:
    """
    A snapshot as what JSON knows.
    """
    return {**_data(snapshot), "ready": not tuple(unreadiness(snapshot)), "unready": list(unreadiness(snapshot))}


def _data(value: Any) -> Any:
    """
    Any part of a snapshot.
    """
    if attrs.has(type(value)):
        data = {keyOf(each.name): _data(getattr(value, each.name)) for each in attrs.fields(type(value))}
        if isinstance(value, ServerSnapshot):
            data["state"] = value.state
        elif isinstance(value, DestinationSnapshot):
            data["active"] = value.active
        return data
    if isinstance(value, tuple):
        return [_data(each) for each in value]
    return dict(value) if isinstance(value, dict) else value


def keyOf(name: str) -> str:
    """
    An attribute's name as a key.
    """
    return _CAPITAL.sub("-", name).lower()


def unreadiness(snapshot: Snapshot) -> Iterator[str]:
    """
    Why a relay should not be given messages now, for people; nothing if it should.

    It is ready when its sources have their sockets, and each destination has a server that has proved itself and is
    below the high mark of its store (spec 6.6).
    """
    if snapshot.startedAt is None:
        yield "the relay is not running"
    if not snapshot.bound:
        yield "the sources have no sockets"
    for each in snapshot.destinations:
        if each.active is None:
            yield f"{each.name}: no server is in use ({each.state})"
        elif not each.proved:
            yield f"{each.name}: {each.active} has not proved yet that it delivers"
        if each.crowded:
            yield f"{each.name}: its store is above the high mark"
