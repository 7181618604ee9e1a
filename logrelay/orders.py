"""
What an operator orders of one destination: which server to use, and which not.

Whatever is ordered, the rotation is what knows it afterwards; here is only how the stream gets there.  A server that is
to be used is connected to before the one in use is let go, so that an order which cannot be carried out changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from .client import FailoverClientFactory
from .errors import OrderRefused, RelayStopped
from .failover import FINISHED, OPERATOR, Connected, Idle, Returning, Waiting
from .link import Link
from .probe import LinkLost
from .reasons import reasonOf, textOf


@attrs.frozen
class Probed:
    """
    What a probe of a server found.

    :ivar reason: why it is not usable, by its name in the specification (1.6); empty if it is.
    :ivar text: the same for people.
    :ivar seconds: how long the probe took.
    """

    server: str
    reason: str
    text: str
    seconds: float


class Orders:
    """
    Carries orders out, one after the other: its owner sees to that.
    """

    def __init__(self, factory: FailoverClientFactory, nameOf: Callable[[int], str]) -> None:
        """
        :param nameOf: the name of a server, by its place in the list.
        """
        self._factory = factory
        self._nameOf = nameOf
        self._probe: Deferred[Link | None] | None = None
        self._stopped = True

    def start(self) -> None:
        """
        The destination starts: orders are carried out.
        """
        self._stopped = False

    def stop(self) -> None:
        """
        The destination stops: give up what is under way, and begin nothing more.  It may still deliver for a while.
        """
        self._stopped = True
        if self._probe is not None:
            self._probe.cancel()

    async def switch(self, server: int) -> None:
        """
        Use a server, and stay there until it fails or :meth:`release` is called.

        :raises OrderRefused: if it is drained, or a connected relay cannot reach it; then nothing has changed.
        :raises RelayStopped: if the relay is not running.
        """
        self._refuseStopped()
        factory, name = self._factory, self._nameOf(server)
        if server in factory.rotation.drained:
            raise OrderRefused(f"{name} is drained; undrain it first")
        await self._use(server, f"{name} is not used")

    async def release(self) -> None:
        """
        Go back to the primary, and have an operator's choice not hold any more.

        :raises OrderRefused: if the primary is drained, or a connected relay cannot reach it; the choice holds no more,
            but the server in use is the same.
        :raises RelayStopped: if the relay is not running.
        """
        self._refuseStopped()
        rotation = self._factory.rotation
        rotation.release(self._now)
        self._factory.scheduleProbes()
        if 0 in rotation.drained:
            raise OrderRefused(f"{self._nameOf(0)}, the primary, is drained; undrain it first")
        await self._use(0, f"{self._nameOf(0)}, the primary, is not used")

    async def probe(self, server: int) -> Probed:
        """
        See whether a server could be used, without using it.  It counts for nothing else.

        :raises RelayStopped: if the relay is not running.
        """
        self._refuseStopped()
        began = self._now
        reason, text = "", "it connects, and keeps the connection"
        try:
            await self._connection(server, keep=False)
        except LinkLost as error:
            reason, text = error.ending.reason, error.ending.text
        except RelayStopped:
            raise
        except Exception:
            failure = Failure()
            reason, text = reasonOf(failure), textOf(failure)
        return Probed(self._nameOf(server), reason, text, self._now - began)

    async def drain(self, server: int) -> None:
        """
        Do not use a server until :meth:`undrain`.  If it is in use, the stream moves to the next one first.

        :raises OrderRefused: if there is no other.
        :raises RelayStopped: if the relay is not running.
        """
        factory, rotation = self._factory, self._factory.rotation
        if rotation.eligible - (server not in rotation.drained) < 1:
            raise OrderRefused(f"{self._nameOf(server)} is the last server that is not drained, and has to stay")
        self._refuseStopped()
        if isinstance(factory.state, Returning) and server == 0:
            # The stream is on its way there, and stays where it is.
            await self._moveOver(None, lambda: rotation.drain(server, self._now), rotation.current)
            return
        if rotation.current != server:
            rotation.drain(server, self._now)
            factory.scheduleProbes()
            return
        after, link = rotation.after(server), None
        if isinstance(factory.state, Connected | Returning):
            try:
                link = await self._connection(after, keep=True)
            except RelayStopped:
                raise
            except Exception:
                # It is tried again, and then those after it.
                link = None
        await self._moveOver(link, lambda: rotation.drain(server, self._now), after)

    async def undrain(self, server: int) -> None:
        """
        A server may be used again.  If none is in use, the wait for the others is over.

        :raises RelayStopped: if the relay is not running.
        """
        self._refuseStopped()
        factory = self._factory
        factory.rotation.undrain(server, self._now)
        factory.scheduleProbes()
        if isinstance(factory.state, Waiting) and factory.state.until > self._now:
            await factory.hold()
            factory.resume()

    def _refuseStopped(self) -> None:
        """
        :raises RelayStopped: if the relay is not running, or will not for long.
        """
        if self._stopped:
            raise RelayStopped("the relay is not running")

    @property
    def _now(self) -> float:
        return self._factory.clock.seconds()

    async def _use(self, server: int, otherwise: str) -> None:
        """
        Have the stream go to a server.

        :param otherwise: what is so if it cannot, for people.
        """
        factory, rotation, link = self._factory, self._factory.rotation, None
        if isinstance(factory.state, Connected | Returning):
            if rotation.current == server and isinstance(factory.state, Connected):
                rotation.choose(server, self._now)
                factory.scheduleProbes()
                return
            try:
                link = await self._connection(server, keep=True)
            except RelayStopped:
                raise
            except Exception as error:
                failure = Failure()
                lost = error.ending if isinstance(error, LinkLost) else None
                reason, text = (lost.reason, lost.text) if lost else (reasonOf(failure), textOf(failure))
                raise OrderRefused(f"{otherwise}: {reason}: {text}") from error
        await self._moveOver(link, lambda: rotation.choose(server, self._now), server)

    async def _connection(self, server: int, keep: bool) -> Link | None:
        """
        Probe a server.

        :param keep: hand out the connection.
        :raises RelayStopped: if the relay stops meanwhile.
        """
        self._probe = self._factory.proberOf(server).probe(keep)
        try:
            return await self._probe
        except Exception as error:
            # An attempt that was cancelled fails in its own way.
            if self._stopped:
                raise RelayStopped("the relay has stopped") from error
            raise
        finally:
            self._probe = None

    async def _moveOver(self, link: Link | None, turn: Callable[[], None], server: int) -> None:
        """
        End what is under way, and go on with another server.

        :param link: a connection to it, if one stands.
        :param turn: tells the rotation.
        """
        factory = self._factory
        if isinstance(factory.state, Idle):
            if link is not None:
                link.abort(FINISHED, "not needed any more")
            raise RelayStopped("the relay is not running")
        await factory.hold(OPERATOR)
        isStopped = isinstance(factory.state, Idle)
        if not isStopped:
            turn()
            if factory.rotation.current != server and link is not None:
                link.abort(FINISHED, "not needed any more")
                link = None
        factory.resume(link)
        if isStopped:
            raise RelayStopped("the relay has stopped")
