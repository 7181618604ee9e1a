"""
Both ends of connections, for tests: they keep what they get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from logrelay.tls import tlsFactory

#: What our end sends as soon as it may.
SECRET = b"<13>1 - - - - - - what a bad server must never see\n"


class Far(Protocol):
    """
    A log server's end.

    :ivar received: what it got, decrypted.
    :ivar lost: fires when the client is gone.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone.
        """
        self.lost.callback(None)


class Near(Protocol):
    """
    Our end: sends as soon as it may.

    :ivar received: what the server sent.
    :ivar reason: why the connection ended; ``None`` while it has not.
    """

    transport: TLSMemoryBIOProtocol

    def __init__(self) -> None:
        self.received = b""
        self.reason: Failure | None = None

    def connectionMade(self) -> None:
        """
        The server is verified, as far as we know.
        """
        self.transport.write(SECRET)

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        assert self.reason is None
        self.reason = reason


class Recording(Factory):
    """
    Builds protocols, and keeps them.
    """

    noisy = False

    def __init__(self, kind: Callable[[], Protocol]) -> None:
        self.kind = kind
        self.built: list[Any] = []

    def buildProtocol(self, addr: object) -> Protocol:
        """
        One more.
        """
        built = self.kind()
        self.built.append(built)
        return built


@implementer(IOpenSSLServerConnectionCreator)
@attrs.frozen
class Showing:
    """
    A server's side of TLS.
    """

    context: SSL.Context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLServerConnectionCreator``.
        """
        return SSL.Connection(self.context, None)


def tlsServer(context: SSL.Context, far: Far, clock: IReactorTime) -> Any:
    """
    The protocol of a server that speaks TLS, with its own end behind it.
    """
    factory: Any = tlsFactory(Showing(context), False, Factory.forProtocol(lambda: far), clock)
    return factory.buildProtocol(None)
