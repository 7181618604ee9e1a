"""
The ways to the servers of a destination: how names are looked up, what TLS is made of, and an endpoint for each server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IStreamClientEndpoint

from .config import DestinationSettings
from .difference import connectsAlike
from .endpoints import endpointFor
from .resolver import PoolResolver
from .tls import ClientTLS


@attrs.frozen
class Ways:
    """
    The ways to the servers of one destination.

    :ivar endpoints: one for each server, in their order.
    """

    settings: DestinationSettings
    resolver: PoolResolver
    tls: ClientTLS | None
    endpoints: tuple[IStreamClientEndpoint, ...]


def waysFor(
    reactor: Any, settings: DestinationSettings, warn: Callable[[str], None], before: Ways | None = None
) -> Ways:
    """
    Find the ways to the servers of a destination.  Nothing is opened, but certificates and keys are read.

    :param warn: told what is wrong with certificates.
    :param before: the ways that there are: what is unchanged is the same object.
    :raises ConfigurationError: if the files of its TLS options cannot be used.
    """
    resolver = _resolverFor(reactor, settings, before)
    tls = _tlsFor(settings, warn, before)
    known: dict[tuple[str, int], IStreamClientEndpoint] = {}
    if before is not None and connectsAlike(before.settings, settings):
        old = (server.identity for server in before.settings.servers)
        known = dict(zip(old, before.endpoints, strict=True))
    endpoints = (
        known.get(server.identity) or endpointFor(reactor, server, settings, resolver, tls)
        for server in settings.servers
    )
    return Ways(settings, resolver, tls, tuple(endpoints))


def _resolverFor(reactor: Any, settings: DestinationSettings, before: Ways | None) -> PoolResolver:
    """
    What looks up names.
    """
    wanted = (settings.ipProtocol, settings.localip)
    if before is not None and (before.settings.ipProtocol, before.settings.localip) == wanted:
        return before.resolver
    return PoolResolver(reactor, *wanted)


def _tlsFor(settings: DestinationSettings, warn: Callable[[str], None], before: Ways | None) -> ClientTLS | None:
    """
    What TLS is made of.  Files that have changed are seen at the next connection, also where this is the same.
    """
    if before is not None and before.settings.tls == settings.tls:
        return before.tls
    return None if settings.tls is None else ClientTLS(settings.tls, warn)
