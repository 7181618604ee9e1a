"""
The failback probe: is the primary well enough to return to?

An accepted connection shows a listening port, not a server.  So a probe connects just as the stream would (with the
same verification over TLS), and then waits: a server that accepts and closes, or a TLS 1.3 server that refuses our
certificate, shows it only after that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from .connector import LinkFactory
from .errors import LogRelayError, RelpError
from .link import UNANSWERED, Ending, Link

#: A good primary keeps the connection for so many seconds, or two round trips where they are longer.
PATIENCE = 1.0


class LinkLost(LogRelayError):
    """
    The connection ended before the probe was done.

    :ivar ending: how.
    """

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.text)
        # A server that does not read to the end of what it gets has a name among the reasons.
        self.ending = attrs.evolve(ending, reason="stalled") if ending.reason == UNANSWERED else ending


@attrs.frozen
class Prober:
    """
    Makes probes of one server.

    :ivar greet: what has to succeed on a connection besides, such as opening a session; with its own failures.
    :ivar verify: whether each probe but the last half-closes and wants the server's own end: a living process.
    :ivar drainTimeout: how long that may take, in seconds.
    """

    clock: IReactorTime
    endpoint: IStreamClientEndpoint
    newLink: Callable[[], Link]
    verify: bool
    drainTimeout: float
    greet: Callable[[Link], Deferred[None]] | None = None

    def probe(self, keep: bool) -> Deferred[Link | None]:
        """
        Make one probe.  Its time limits are those of the endpoint, and those above.

        :param keep: hand out the connection, for the stream to move to, instead of ending it.
        :return: the connection if it was to be kept.  Fails with what a connection attempt fails with, or with
            :class:`LinkLost`.
        """
        return Deferred.fromCoroutine(self._probe(keep))

    async def _probe(self, keep: bool) -> Link | None:
        link = cast(Link, await self.endpoint.connect(LinkFactory(self.newLink)))
        lost: Deferred[None] = Deferred()
        link.onLost = lambda _: lost.callback(None)
        try:
            await self._greets(link, lost)
            await self._stays(link, lost)
            if keep:
                return link
            link.finish("probe", self.drainTimeout)
            await lost
            assert link.ending is not None
            if self.verify and not link.ending.clean:
                raise LinkLost(link.ending)
        except CancelledError:
            link.abort("cancelled", "the probe was given up")
            raise
        return None

    async def _greets(self, link: Link, lost: Deferred[None]) -> None:
        """
        Wait until the server has shown what is wanted of it.

        :raises LinkLost: if it does not.
        """
        if self.greet is None or link.ending is not None:
            return
        greeted = self.greet(link)
        lost.addCallback(lambda _: greeted.cancel())
        greeted.addTimeout(self.drainTimeout, self.clock)
        try:
            await greeted
        except RelpError as error:
            link.abort("protocol", str(error))
            raise LinkLost(Ending("protocol", False, f"RELP: {error}")) from error
        except TimeoutError as error:
            link.abort("stalled", "no answer")
            raise LinkLost(Ending("stalled", False, f"no session within {self.drainTimeout:g} s")) from error
        except CancelledError:
            if link.ending is None:
                raise
            raise LinkLost(link.ending) from None

    async def _stays(self, link: Link, lost: Deferred[None]) -> None:
        """
        Wait long enough to see a server that closes at once.

        :raises LinkLost: if it does.
        """
        if link.ending is None:
            patience = max(PATIENCE, 2 * link.view.roundTrip)
            enough: Deferred[None] = Deferred()
            call = self.clock.callLater(patience, enough.callback, None)
            lost.addCallback(lambda _: None if enough.called else enough.callback(None))
            try:
                await enough
            finally:
                if call.active():
                    call.cancel()
        if link.ending is not None:
            raise LinkLost(link.ending)
