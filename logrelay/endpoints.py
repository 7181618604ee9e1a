"""
Endpoints for servers: one attempt to connect, with all its time limits, that succeeds only when the server is verified.

An endpoint is made of up to three layers: Twisted's own (addresses, or a name and all its addresses); around it a
limit for the look-up and all addresses together; around that TLS, where the destination wants it.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from .config import DestinationSettings
from .reasons import ConnectTimeout
from .servers import Server
from .tls import ClientTLS
from .tlsendpoint import VerifiedTLSEndpoint

#: So many seconds after one address the next one is tried, if there is no answer or a bad one.  The least that RFC 8305
#: (section 5) recommends: until then a server whose only address refuses does not count as failed.
ATTEMPT_DELAY = 0.1

#: What ``HostnameEndpoint`` is told to look up.  It refuses names that resolvers know, such as those with an
#: underscore, so the name really looked up is put in by the resolver that it gets.
_STAND_IN = "server.invalid"


def endpointFor(
    reactor: Any,
    server: Server,
    settings: DestinationSettings,
    resolver: IHostnameResolver,
    tls: ClientTLS | None,
) -> IStreamClientEndpoint:
    """
    The endpoint for one server of a destination.

    :param reactor: provides ``IReactorTCP`` and ``IReactorTime``.
    :param tls: proves who the server is; ``None`` for plain TCP.
    :return: its ``connect`` fires with the factory's protocol when the server is connected, and verified; or fails
        with something that ``logrelay.reasons`` has a name for.
    """
    endpoint: IStreamClientEndpoint = LimitedEndpoint(
        reactor, _plainEndpoint(reactor, server, settings, resolver), settings.connectTimeout
    )
    if tls is None:
        return endpoint
    return VerifiedTLSEndpoint(reactor, endpoint, tls.creatorFor(server), settings.tlsTimeout)


def _plainEndpoint(
    reactor: Any, server: Server, settings: DestinationSettings, resolver: IHostnameResolver
) -> IStreamClientEndpoint:
    """
    Twisted's endpoint for a server.
    """
    local = (settings.localip, 0) if settings.localip else None
    # Ours is the limit that counts; theirs is for each address.
    limit = settings.connectTimeout + 1
    address = server.address
    if address is None:
        named = _NamedReactor(reactor, _NamedResolver(resolver, server.host))
        return HostnameEndpoint(named, _STAND_IN, server.port, limit, local, ATTEMPT_DELAY)
    if address.version == 4:
        return TCP4ClientEndpoint(reactor, server.host, server.port, limit, local)
    return TCP6ClientEndpoint(reactor, server.host, server.port, limit, local)


@implementer(IHostnameResolver)
@attrs.frozen
class _NamedResolver:
    """
    Looks up one name, whatever it is asked for.
    """

    resolver: IHostnameResolver
    name: str

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, *rest: Any, **more: Any
    ) -> IHostResolution:
        """
        See ``IHostnameResolver``.
        """
        return self.resolver.resolveHostName(resolutionReceiver, self.name, *rest, **more)


@implementer(IReactorPluggableNameResolver)
@attrs.frozen
class _NamedReactor:
    """
    What ``HostnameEndpoint`` needs of a reactor, with a resolver of ours.
    """

    reactor: Any
    nameResolver: IHostnameResolver

    def __getattr__(self, name: str) -> Any:
        """
        All else is the real reactor's.
        """
        return getattr(self.reactor, name)


@implementer(IStreamClientEndpoint)
@attrs.frozen
class LimitedEndpoint:
    """
    One time limit for everything that another endpoint does.

    :ivar limit: seconds.
    """

    clock: IReactorTime
    endpoint: IStreamClientEndpoint
    limit: float

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        See ``IStreamClientEndpoint``.
        """
        attempt: Deferred[IProtocol] = self.endpoint.connect(protocolFactory)
        attempt.addTimeout(self.limit, self.clock, self._tooLong)
        return attempt

    def _tooLong(self, result: object, limit: float) -> Failure:
        """
        What was cancelled fails in many ways.
        """
        return Failure(ConnectTimeout(f"not connected within {limit:g} s"))
