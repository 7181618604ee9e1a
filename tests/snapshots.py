"""
Snapshots of relays that do not exist, for tests of what shows them.
"""

from __future__ import annotations

from typing import Any

import attrs

from logrelay.counters import DestinationCounters, SourceCounters
from logrelay.snapshot import DestinationSnapshot, ServerSnapshot, Snapshot, SourceSnapshot

MIB = 1024 * 1024


def server(name: str, **changes: Any) -> ServerSnapshot:
    """
    A server that has nothing special.
    """
    plain = ServerSnapshot(
        name=name, active=False, drained=False, reason="", text="", failedAt=None, identity=(), notAfter=None
    )
    return attrs.evolve(plain, **changes)


def destination(name: str = "central", **changes: Any) -> DestinationSnapshot:
    """
    A destination that is connected to the second of its two servers, and whose first one has failed.
    """
    servers = (
        server("a", reason="eof", text="it ended", failedAt=900.0),
        server("b", active=True),
    )
    plain = DestinationSnapshot(
        name=name,
        state="connected",
        since=900.0,
        reason="eof",
        servers=servers,
        proved=True,
        chosen=False,
        goodProbes=0,
        requiredProbes=3,
        bufferCost=2048,
        bufferSize=64 * MIB,
        crowded=False,
        unsentBatches=0,
        unsettledBatches=0,
        unsent=0,
        inFlight=0,
        oldest=None,
        ownNotAfter=None,
        listsUntil=None,
        switches=(),
        spool=None,
        counters=DestinationCounters(sent=1234, resent=34),
        activeSince=900.0,
    )
    return attrs.evolve(plain, **changes)


def source(name: str = "tcp:5140", **changes: Any) -> SourceSnapshot:
    """
    A source that has received something.
    """
    return attrs.evolve(SourceSnapshot(name, (), (), SourceCounters(received=1200)), **changes)


def relay(*destinations: DestinationSnapshot, **changes: Any) -> Snapshot:
    """
    A relay that is well, and was started at 100.
    """
    plain = Snapshot(
        at=1000.0,
        startedAt=100.0,
        bound=True,
        sources=(source(),),
        destinations=destinations or (destination(),),
    )
    return attrs.evolve(plain, **changes)
