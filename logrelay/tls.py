"""
TLS, failing closed.  This module and its neighbours whose names begin with ``tls`` are all that know of OpenSSL.

Twisted's own client options are not used.  Here a connection counts as verified only when OpenSSL found the chain
good, and then the name and the pins were found good, and all of this left its mark on the connection: whatever goes
wrong on the way, an exception or a check that never ran, leaves it unverified.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    ITransport,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from .config import SourceTLSSettings, TLSSettings
from .errors import NotVerified
from .servers import Server
from .tlsconnection import VerifiedConnection, reasonIn
from .tlscontexts import Built, buildClient, buildServer, checkFiles, checkSourceFiles
from .tlsfiles import clientPaths, serverPaths
from .tlspeer import PeerCertificate, referenceHost
from .watched import Watched

__all__ = [
    "ClientTLS",
    "PeerCertificate",
    "ServerTLS",
    "checkFiles",
    "checkSourceFiles",
    "peerOf",
    "tlsFactory",
    "tlsReason",
    "tlsText",
]

#: Twisted 22.4 does without a clock; later ones would take the global reactor if none was given.
_WANTS_CLOCK = "clock" in inspect.signature(TLSMemoryBIOFactory.__init__).parameters


class ClientTLS:
    """
    The TLS of one destination: the same for all its servers, but for who each of them has to be.
    """

    def __init__(self, settings: TLSSettings, warn: Callable[[str], None]) -> None:
        """
        Read every file.

        :param warn: told when changed files cannot be used, and when a revocation list is past its date.
        :raises ConfigurationError: if the files cannot be used.
        """
        self._pins = settings.pins
        self._warn = warn
        self._saidExpired: Built | None = None
        self._files = Watched(lambda: clientPaths(settings), lambda: buildClient(settings), warn)

    @property
    def notAfter(self) -> datetime | None:
        """
        When the certificate that we show expires, in UTC; ``None`` where there is none.
        """
        return self._files.latest.notAfter

    @property
    def listsUntil(self) -> datetime | None:
        """
        When the first of the revocation lists is to be replaced, in UTC; ``None`` where there is none.
        """
        return self._files.latest.listsUntil

    def read(self) -> None:
        """
        Read the files again if they have changed; a new connection does the same.
        """
        self._files.current()

    def creatorFor(self, server: Server) -> IOpenSSLClientConnectionCreator:
        """
        What makes connections that have to end at one server.

        :raises ValueError: if no certificate could name such a host.
        """
        name = None if server.address else referenceHost(server).encode("ascii")
        return _Creator(self, server, name)

    def newConnection(self, server: Server) -> VerifiedConnection:
        """
        One connection, by what the files hold now.
        """
        files = self._files.current()
        return VerifiedConnection(files.context, server, self._pins, lambda: self._listExpired(files))

    def _listExpired(self, files: Built) -> None:
        """
        Say once for each reading of the files that a revocation list is old.
        """
        if self._saidExpired is not files:
            self._saidExpired = files
            self._warn("a list in crl-file is past its date; it is still used, but newer revocations are not known")


@implementer(IOpenSSLClientConnectionCreator)
@attrs.frozen
class _Creator:
    """
    Makes connections for Twisted.

    :ivar name: what to ask for by SNI (RFC 6066, section 3); ``None`` for addresses, which it does not allow.
    """

    tls: ClientTLS
    server: Server
    name: bytes | None

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLClientConnectionCreator``.
        """
        connection = self.tls.newConnection(self.server)
        if self.name is not None:
            connection.set_tlsext_host_name(self.name)
        return connection


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    The TLS of listeners.
    """

    def __init__(self, settings: SourceTLSSettings, warn: Callable[[str], None]) -> None:
        """
        Read every file.

        :param warn: told when changed files cannot be used.
        :raises ConfigurationError: if the files cannot be used.
        """
        self._files = Watched(lambda: serverPaths(settings), lambda: buildServer(settings), warn)

    @property
    def notAfter(self) -> datetime | None:
        """
        When the certificate that we show expires, in UTC.
        """
        return self._files.latest.notAfter

    def read(self) -> None:
        """
        Read the files again if they have changed; a new connection does the same.
        """
        self._files.current()

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLServerConnectionCreator``.
        """
        return SSL.Connection(self._files.current().context, None)


def tlsFactory(
    creator: IOpenSSLClientConnectionCreator | IOpenSSLServerConnectionCreator,
    isClient: bool,
    factory: IProtocolFactory,
    clock: IReactorTime,
) -> TLSMemoryBIOFactory:
    """
    A factory that puts TLS between a transport and what another factory builds.
    """
    more: dict[str, Any] = {"clock": clock} if _WANTS_CLOCK else {}
    return TLSMemoryBIOFactory(creator, isClient, factory, **more)


def peerOf(transport: ITransport) -> PeerCertificate | None:
    """
    Who the server at the other end of a connection proved to be; ``None`` without TLS.
    """
    handle = getattr(transport, "getHandle", lambda: None)()
    return handle.peer if isinstance(handle, VerifiedConnection) else None


def tlsReason(failure: Failure) -> str | None:
    """
    What TLS has to say of a failure: ``tls-verify`` if we refused the server, ``tls-alert`` if the other side sent an
    alert or broke the protocol, during the handshake or after it; ``eof`` if the stream just ended, without the
    close_notify that TLS wants; ``None`` if it has nothing to do with TLS.
    """
    error = failure.value
    if isinstance(error, NotVerified):
        return "tls-verify"
    if not isinstance(error, SSL.Error):
        return None
    # pyOpenSSL takes an end for an error of the system, though with records in memory there is no such error.
    ended = isinstance(error, SSL.SysCallError) or "unexpected eof" in reasonIn(error).lower()
    return "eof" if ended else "tls-alert"


def tlsText(failure: Failure) -> str:
    """
    A failure for which there is a ``tlsReason``, in a few words.
    """
    error = failure.value
    if isinstance(error, NotVerified):
        return str(error)
    if tlsReason(failure) == "eof":
        return "the server closed the connection without ending the TLS stream"
    reason = reasonIn(error)
    _, alert, after = reason.partition("alert ")
    return f"the server sent a TLS alert: {after}" if alert else f"TLS failed: {reason}"
