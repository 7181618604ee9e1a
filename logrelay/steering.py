"""
An operator's orders to a relay: finds who is meant, and carries them out one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from . import events
from .destination import Destination
from .errors import OrderRefused
from .events import EventLog
from .orders import Probed
from .values import meant, shown

T = TypeVar("T")


class Steering:
    """
    What can be ordered of a running relay.  Destinations and servers are meant by their names; where there is one
    destination only, its name may be left out.  A server may be named without its port where that is enough.

    Each order waits for the one before, and for a reload that is under way.  What an order fails with is
    ``OrderRefused``, which says why it cannot be carried out, or ``RelayStopped``.
    """

    def __init__(
        self, lock: DeferredLock, destinations: Callable[[], Mapping[str, Destination]], log: EventLog
    ) -> None:
        """
        :param lock: held by whatever changes the relay.
        """
        self._lock = lock
        self._destinations = destinations
        self._log = log

    def switch(self, server: str, destination: str = "") -> Deferred[None]:
        """
        Use a server, and stay there until it fails, or until :meth:`failback`.

        :return: fires when it is in use or, where none was, when it is being tried.  A relay that is connected does not
            leave the server in use before the other one stands.
        """

        async def switch(where: Destination) -> None:
            place = serverOf(where, server)
            await where.orders.switch(place)
            self._log.tell(events.Chosen(where.settings.name, where.reporter.servers[place]))

        return self._order(destination, switch)

    def failback(self, destination: str = "") -> Deferred[None]:
        """
        Go back to the primary now, and let no choice of a server hold any more.

        :return: as of :meth:`switch`.
        """

        async def failback(where: Destination) -> None:
            self._log.tell(events.Released(where.settings.name))
            await where.orders.release()

        return self._order(destination, failback)

    def probe(self, server: str = "", destination: str = "") -> Deferred[Probed]:
        """
        See whether a server could be used, without using it.

        :param server: default: the primary.
        """

        async def probe(where: Destination) -> Probed:
            return await where.orders.probe(serverOf(where, server) if server else 0)

        return self._order(destination, probe)

    def drain(self, server: str, destination: str = "") -> Deferred[None]:
        """
        Do not use a server, until :meth:`undrain`.  The last one of a destination cannot be drained.

        :return: fires when it is not in use any more.
        """

        async def drain(where: Destination) -> None:
            place = serverOf(where, server)
            isNew = place not in where.factory.rotation.drained
            await where.orders.drain(place)
            if isNew:
                self._log.tell(events.Drained(where.settings.name, where.reporter.servers[place]))

        return self._order(destination, drain)

    def undrain(self, server: str, destination: str = "") -> Deferred[None]:
        """
        A server may be used again.
        """

        async def undrain(where: Destination) -> None:
            place = serverOf(where, server)
            if place not in where.factory.rotation.drained:
                raise OrderRefused(f"{where.reporter.servers[place]} is not drained")
            await where.orders.undrain(place)
            self._log.tell(events.Undrained(where.settings.name, where.reporter.servers[place]))

        return self._order(destination, undrain)

    def _order(self, destination: str, work: Callable[[Destination], Coroutine[Any, Any, T]]) -> Deferred[T]:
        """
        Do something to a destination when it is its turn.
        """

        async def order() -> T:
            return await work(self._find(destination))

        return self._lock.run(lambda: Deferred.fromCoroutine(order()))

    def _find(self, name: str) -> Destination:
        """
        The destination of a name.

        :raises OrderRefused: if there is none.
        """
        destinations = self._destinations()
        if not name and len(destinations) == 1:
            return next(iter(destinations.values()))
        if name in destinations:
            return destinations[name]
        known = ", ".join(destinations)
        if not name:
            raise OrderRefused(f"there are {len(destinations)} destinations; name one of {known}")
        raise OrderRefused(f"there is no destination {shown(name)}; {_remedy(name, destinations)}")


def serverOf(destination: Destination, name: str) -> int:
    """
    Which server of a destination is meant, by its place in the list.

    :raises OrderRefused: if that cannot be told.
    """
    servers = destination.settings.servers
    # The port, and the brackets of an IPv6 address, may be left out.
    found = [place for place, server in enumerate(servers) if name in (str(server), server.host)]
    if len(found) == 1:
        return found[0]
    names = [str(server) for server in servers]
    if found:
        raise OrderRefused(f"{shown(name)} is {len(found)} servers; write the port too: {', '.join(names)}")
    where, hosts = destination.settings.name, [server.host for server in servers]
    raise OrderRefused(f"there is no server {shown(name)} in destination {where}; {_remedy(name, names, hosts)}")


def _remedy(name: str, known: Mapping[str, object] | list[str], also: Sequence[str] = ()) -> str:
    """
    What to write instead.

    :param also: what may be written, and is not listed.
    """
    guess = meant(name, [*known, *also])
    return f"did you mean {guess}?" if guess else f"name one of {', '.join(known)}"
