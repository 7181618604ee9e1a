"""
The last deliveries of a destination that is going to stop.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from .client import FailoverClientFactory
from .failover import Connected, Idle, Returning
from .store import IStore

#: It is looked so often, in seconds: a stop comes late by no more than that.
LOOK = 0.05


def lingered(clock: IReactorTime, store: IStore, factory: FailoverClientFactory, limit: float) -> Deferred[None]:
    """
    Let a store be delivered for at most ``limit`` seconds, while there is a server for it.

    :return: fires when everything is with a server, none is there, or the time is over.
    """
    ended: Deferred[None] = Deferred()
    deadline = clock.seconds() + limit

    def look() -> None:
        # What only our own kernel has would have to fit the time for the graceful end.
        done = (store.acked == store.end or not _delivers(factory)) and not store.arriving
        if done or clock.seconds() >= deadline:
            ended.callback(None)
        else:
            clock.callLater(LOOK, look)

    look()
    return ended


def _delivers(factory: FailoverClientFactory) -> bool:
    """
    Whether a server is in use, or one may be before a whole round has failed: at the start, and at a failover.
    """
    match factory.state:
        case Connected() | Returning():
            return True
        case Idle():
            return False
        case _:
            return factory.rotation.rounds == 0
