"""
``logrelay check --connect``: every server of every destination, connected to as the relay would.

Nothing is sent.  A connection is watched for a moment, since a server that accepts and closes, or a TLS 1.3 server
that refuses our certificate, shows it only after the handshake.  That is what a failback probe does, so it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IStreamClientEndpoint, ITransport
from twisted.python.failure import Failure

from .config import Configuration, DestinationSettings
from .endpoints import endpointFor
from .link import Link
from .probe import LinkLost, Prober
from .reasons import reasonOf, textOf
from .resolver import PoolResolver
from .tls import ClientTLS, peerOf

#: How long a server may take to end its side of a connection, in seconds.  It proves nothing here, so it is short.
END_LIMIT = 1.0


@attrs.frozen
class Finding:
    """
    What one server turned out to be.

    :ivar reason: why it can't be used, by its name in the specification (1.6); empty if it can.
    :ivar text: the rest, for people.
    """

    destination: str
    server: str
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.destination}: {self.server}: {self.reason or 'ok'}: {self.text}"


@attrs.frozen
class Examination:
    """
    Looks at one server.

    :ivar clock: provides ``IReactorTime``; its seconds are those of the epoch.
    """

    clock: Any
    destination: DestinationSettings
    server: str
    endpoint: IStreamClientEndpoint

    async def finding(self) -> Finding:
        """
        Connect, watch and end the connection; within the destination's time limits.
        """
        prober = Prober(self.clock, self.endpoint, self._newLink, verify=False, drainTimeout=END_LIMIT)
        try:
            link = await prober.probe(keep=True)
        except LinkLost as lost:
            return self._found(lost.ending.reason, lost.ending.text)
        except Exception:
            failure = Failure()
            return self._found(reasonOf(failure), textOf(failure))
        assert link is not None, "it was to be kept"
        text = proof(link.transport, datetime.fromtimestamp(self.clock.seconds(), UTC))
        await self._end(link)
        return self._found("", text)

    def _newLink(self) -> Link:
        return Link(self.clock, self.destination.keepalive)

    def _found(self, reason: str, text: str) -> Finding:
        return Finding(self.destination.name, self.server, reason, text)

    async def _end(self, link: Link) -> None:
        """
        End a connection gracefully, or within ``END_LIMIT`` in another way.
        """
        ended: Deferred[None] = Deferred()
        link.onLost = lambda _: ended.callback(None)
        link.finish("checked", END_LIMIT)
        await ended


def proof(transport: ITransport, now: datetime) -> str:
    """
    Who the server of a connection proved to be, for people.

    :param now: with a zone.
    """
    peer = peerOf(transport)
    if peer is None:
        return "connected; over TCP no server proves who it is"
    version = cast(Any, transport).getHandle().get_protocol_version_name()
    names = ", ".join(peer.subjectNames)
    days = (peer.notAfter - now).days
    return f"{version}, proved to be {names}; its certificate is valid until {peer.notAfter:%Y-%m-%d}, {days} days left"


def _warnOf(warn: Callable[[str], None], destination: str, what: str) -> None:
    """
    Say whose warning it is.
    """
    warn(f"{destination}: {what}")


async def findings(reactor: Any, configuration: Configuration, warn: Callable[[str], None]) -> Iterable[Finding]:
    """
    Look at every server of every destination, all at once.

    :param reactor: provides ``IReactorTCP``, ``IReactorTime`` and ``IReactorFromThreads``.
    :param warn: told what is odd about certificates.
    :return: what was found, in the order of the configuration.
    :raises ConfigurationError: if files that TLS needs can't be used any more.
    """
    resolvers = []
    examinations = []
    for each in configuration.destinations:
        resolver = PoolResolver(reactor, each.ipProtocol, each.localip)
        resolvers.append(resolver)
        tls = None if each.tls is None else ClientTLS(each.tls, partial(_warnOf, warn, each.name))
        for server in each.servers:
            endpoint = endpointFor(reactor, server, each, resolver, tls)
            examinations.append(Examination(reactor, each, str(server), endpoint))
    for resolver in resolvers:
        resolver.start()
    try:
        return await gatherResults([Deferred.fromCoroutine(each.finding()) for each in examinations])
    finally:
        for resolver in resolvers:
            resolver.stop()
