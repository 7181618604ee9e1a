"""
An ``IConnector`` over rotating endpoints.

Endpoints wrap the factory that they connect and never call ``clientConnectionFailed`` or ``clientConnectionLost``.
This connector does, so that what ``ReconnectingClientFactory`` inherits to its subclasses works unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, NotConnectingError
from twisted.internet.interfaces import IAddress, IConnector, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .failover import OPERATOR
from .link import Link

if TYPE_CHECKING:
    from .client import FailoverClientFactory

_log = Logger(namespace="logrelay.connector")


class LinkFactory(Factory):
    """
    Builds the link of one attempt.
    """

    noisy = False

    def __init__(self, build: Callable[[], Link]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Link:
        """
        The link that carries whatever will be attached to it.
        """
        return self._build()


@implementer(IConnector)
class EndpointConnector:
    """
    Connects a factory to the endpoint that the factory names at each attempt.

    :ivar link: the connection, from when it stands until the next one does.
    """

    def __init__(self, factory: FailoverClientFactory, newLink: Callable[[], Link]) -> None:
        self.factory = factory
        self._newLink = newLink
        self._attempt: Deferred[Link] | None = None
        self.link: Link | None = None

    def connect(self) -> None:
        """
        Make one attempt at the server whose turn it is.
        """
        self.factory.doStart()
        endpoint = self.factory.nextEndpoint()
        self._attempt = attempt = cast(Deferred[Link], maybeDeferred(endpoint.connect, LinkFactory(self._newLink)))
        # Told before it is known how it goes, and when it can be given up.
        self.factory.startedConnecting(self)
        attempt.addCallbacks(self._made, self._failed)
        attempt.addErrback(lambda reason: _log.failure("an attempt to connect went wrong", reason))

    def _failed(self, reason: Failure) -> None:
        """
        The attempt came to nothing.
        """
        self._attempt = None
        self.factory.clientConnectionFailed(self, reason)
        self.factory.doStop()

    def adopt(self, link: Link) -> None:
        """
        Use a connection that a probe made.
        """
        self.factory.doStart()
        self._made(link)

    def _made(self, link: Link) -> None:
        """
        A connection stands.
        """
        self._attempt = None
        self.link = link
        link.onLost = self._lost
        if link.ending is not None:
            self._lost(link)
        elif link.whyGone is None:
            self.factory.linkMade(link)

    def _lost(self, link: Link) -> None:
        """
        The connection is gone.
        """
        assert link.ending is not None
        self.factory.clientConnectionLost(self, Failure(ConnectionDone(link.ending.text)))
        self.factory.doStop()

    def stopConnecting(self) -> None:
        """
        Give up the attempt that is under way.

        :raises NotConnectingError: if there is none.
        """
        if self._attempt is None:
            raise NotConnectingError()
        self._attempt.cancel()

    def disconnect(self) -> None:
        """
        Give up the attempt, or end the connection gracefully.
        """
        if self._attempt is not None:
            self.stopConnecting()
        elif self.link is not None:
            self.link.finish(OPERATOR, self.factory.policy.drainTimeout)

    def getDestination(self) -> IStreamClientEndpoint:  # type: ignore[override]
        """
        The endpoint whose turn it is.
        """
        return self.factory.nextEndpoint()
