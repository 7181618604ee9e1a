"""
What is shown of one destination: the state of its servers, its store and its connection at one moment.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime

from .client import FailoverClientFactory
from .destination import Destination
from .failover import Connected, Connecting, Idle, Returning, Waiting
from .reporter import Reporter
from .snapshot import DestinationSnapshot, ServerSnapshot

#: Names of the factory's states, for people.
_STATES = {
    Idle: "idle",
    Waiting: "waiting",
    Connecting: "connecting",
    Connected: "connected",
    Returning: "returning",
}


def snapshotOf(
    destination: Destination, notAfter: datetime | None = None, listsUntil: datetime | None = None
) -> DestinationSnapshot:
    """
    The state of a destination now.

    :param notAfter: when the certificate that we show there expires, in UTC.
    :param listsUntil: when the first revocation list is to be replaced, in UTC.
    """
    settings, store, disk = destination.settings, destination.store, destination.disk
    factory, reporter = destination.factory, destination.reporter
    state, rotation = factory.state, factory.rotation
    return DestinationSnapshot(
        name=settings.name,
        state=_STATES[type(state)],
        since=state.until if isinstance(state, Waiting) else state.since,
        reason=reporter.why,
        servers=tuple(_servers(factory, reporter)),
        proved=factory.proves,
        chosen=rotation.chosen,
        goodProbes=rotation.goodProbes,
        requiredProbes=rotation.required,
        bufferCost=store.cost,
        bufferSize=settings.buffer.size,
        unsentBatches=store.end - store.sent,
        unsettledBatches=store.sent - store.settled,
        crowded=store.crowded,
        unsent=store.unsent,
        inFlight=store.messages - store.unsent,
        oldest=destination.ages.oldest(store.settled, store.end),
        ownNotAfter=None if notAfter is None else notAfter.timestamp(),
        listsUntil=None if listsUntil is None else listsUntil.timestamp(),
        switches=tuple(reporter.switches),
        spool=None if disk is None else disk.snapshot(),
        counters=copy.deepcopy(destination.counters),
        activeSince=reporter.since if factory.inUse else None,
    )


def _servers(factory: FailoverClientFactory, reporter: Reporter) -> Iterator[ServerSnapshot]:
    """
    The state of each server.
    """
    rotation = factory.rotation
    inUse = rotation.current if factory.inUse else None
    for place, name in enumerate(reporter.servers):
        failed, identity = reporter.failures.get(place), reporter.identities.get(place)
        yield ServerSnapshot(
            name=name,
            active=place == inUse,
            drained=place in rotation.drained,
            reason=failed.reason if failed else "",
            text=failed.text if failed else "",
            failedAt=failed.at if failed else None,
            identity=identity.names if identity else (),
            notAfter=identity.notAfter.timestamp() if identity else None,
        )
