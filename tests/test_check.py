"""
``check --connect`` looks at servers as the relay would.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import timedelta

import attrs
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IOpenSSLServerConnectionCreator, ITransport
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from logrelay.check import Finding, findings
from logrelay.config import Configuration, DestinationSettings, TLSSettings
from logrelay.servers import Server

from .certificates import NOW, Authority, Certificate, Folder
from .tlscases import VERSIONS, serverContext

ROOT = Authority.root()
GOOD = ROOT.issue("127.0.0.1", "logs.example.com")
OURS = ROOT.issue("relay.example.com")


class Sink(Protocol):
    """
    A server that counts what it gets.
    """

    transport: ITransport

    def __init__(self, sinks: Sinks) -> None:
        self.sinks = sinks

    def connectionMade(self) -> None:
        """
        Close at once, if that is what it is to do.
        """
        self.sinks.connections += 1
        if self.sinks.closes:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Count.
        """
        self.sinks.received += len(data)


class Sinks(ServerFactory):
    """
    Builds them.

    :ivar closes: whether they close each connection at once.
    """

    noisy = False

    def __init__(self, closes: bool = False) -> None:
        self.closes = closes
        self.connections = 0
        self.received = 0

    def buildProtocol(self, addr: IAddress | None) -> Sink:
        """
        One for a connection.
        """
        return Sink(self)


@implementer(IOpenSSLServerConnectionCreator)
@attrs.frozen
class Creator:
    """
    Gives Twisted a server's connections.
    """

    context: SSL.Context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        One connection.
        """
        return SSL.Connection(self.context, None)


class CheckTests(TestCase):
    """
    Real servers on loopback.
    """

    timeout = 30

    def setUp(self) -> None:
        """
        No server yet.
        """
        self.sinks: list[Sinks] = []
        self.warnings: list[str] = []

    def listen(self, factory: Sinks, context: SSL.Context | None = None) -> Server:
        """
        Start a server.
        """
        port: IListeningPort
        if context is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, Creator(context), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.sinks.append(factory)
        return Server("127.0.0.1", port.getHost().port)  # type: ignore[attr-defined]

    def listenTLS(
        self, shows: Certificate, version: str = "TLS 1.3", trusted: bytes = b"", closes: bool = False
    ) -> Server:
        """
        Start a server that speaks TLS.
        """
        context = serverContext(Folder(self.mktemp()), shows, VERSIONS[version], trusted)
        return self.listen(Sinks(closes), context)

    def tls(self, own: Certificate | None = None) -> TLSSettings:
        """
        What a destination needs to know for TLS.
        """
        folder = Folder(self.mktemp())
        settings = TLSSettings(caFile=folder.write("ca.pem", ROOT.pem))
        if own is None:
            return settings
        certFile, keyFile = folder.write("me.pem", own.certPEM), folder.write("me.key", own.keyPEM)
        return attrs.evolve(settings, certFile=certFile, keyFile=keyFile)

    def check(self, *destinations: DestinationSettings) -> Deferred[Iterable[Finding]]:
        """
        Look at all servers.
        """
        configuration = Configuration(sources=(), destinations=destinations)
        return Deferred.fromCoroutine(findings(reactor, configuration, self.warnings.append))

    def destination(self, *servers: Server, tls: TLSSettings | None = None) -> DestinationSettings:
        """
        A destination with short time limits.
        """
        transport = "tcp" if tls is None else "tls"
        return DestinationSettings("central", servers, transport=transport, tls=tls, tlsTimeout=0.3, connectTimeout=5)

    def refused(self) -> Server:
        """
        A server that does not run.
        """
        holder = socket.socket()
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        return Server("127.0.0.1", holder.getsockname()[1])

    async def _tls(self, version: str) -> None:
        """
        One destination over TLS, with servers of every kind.
        """
        servers = (
            self.listenTLS(GOOD, version),
            self.listenTLS(ROOT.issue("other.example.com"), version),
            self.refused(),
            self.listen(Sinks()),
            self.listenTLS(GOOD, version, closes=True),
            self.listenTLS(GOOD, version, trusted=ROOT.pem),
        )
        found = list(await self.check(self.destination(*servers, tls=self.tls())))
        self.assertEqual([each.server for each in found], [str(each) for each in servers])
        self.assertEqual(
            [each.reason for each in found], ["", "tls-verify", "refused", "tls-timeout", "eof", "tls-alert"]
        )
        self.assertIn("names only other.example.com, not 127.0.0.1", found[1].text)
        self.assertEqual([each.received for each in self.sinks if each is not self.sinks[2]], [0] * 4)

    def test_tls(self) -> Deferred[None]:
        """
        A good server is good; one with a wrong name, one that refuses connections, one that never answers the
        handshake, one that closes after it and one that wants a certificate from us are not, for a reason by its name.
        None of them gets a byte.
        """
        return Deferred.fromCoroutine(self._tls("TLS 1.2"))

    def test_tls13(self) -> Deferred[None]:
        """
        The same with TLS 1.3, where a server refuses our certificate only after our handshake is complete.
        """
        return Deferred.fromCoroutine(self._tls("TLS 1.3"))

    def test_proof(self) -> Deferred[None]:
        """
        Of a good server it is told who it proved to be, by which version of TLS, until when, and the days left.
        """

        async def run() -> None:
            server = self.listenTLS(GOOD, trusted=ROOT.pem)
            (found,) = await self.check(self.destination(server, tls=self.tls(OURS)))
            until = NOW + timedelta(days=100)
            self.assertEqual(
                str(found),
                f"central: {server}: ok: TLSv1.3, proved to be logs.example.com, 127.0.0.1; "
                f"its certificate is valid until {until:%Y-%m-%d}, 99 days left",
            )
            self.assertEqual((self.sinks[0].connections, self.sinks[0].received), (1, 0))

        return Deferred.fromCoroutine(run())

    def test_tcp(self) -> Deferred[None]:
        """
        Over TCP a server is good if it keeps the connection; two destinations are looked at together.
        """

        async def run() -> None:
            good, closing = self.listen(Sinks()), self.listen(Sinks(closes=True))
            found = await self.check(
                self.destination(good, closing), attrs.evolve(self.destination(self.refused()), name="other")
            )
            self.assertEqual(
                next(map(str, found)),
                f"central: {good}: ok: connected; over TCP no server proves who it is",
            )
            self.assertEqual(
                [(each.destination, each.reason) for each in found],
                [("central", ""), ("central", "eof"), ("other", "refused")],
            )

        return Deferred.fromCoroutine(run())

    def test_name(self) -> Deferred[None]:
        """
        A name is looked up as the relay would; one that does not exist is ``dns``.
        """

        async def run() -> None:
            (found,) = await self.check(self.destination(Server("no-such-host.invalid", 514)))
            self.assertEqual(found.reason, "dns")

        return Deferred.fromCoroutine(run())

    def test_oldList(self) -> Deferred[None]:
        """
        What is odd about certificates is told, with the destination's name.
        """

        async def run() -> None:
            server = self.listenTLS(GOOD)
            folder = Folder(self.mktemp())
            old = folder.write("crl.pem", ROOT.revoke(nextUpdate=NOW - timedelta(days=1)))
            (found,) = await self.check(self.destination(server, tls=attrs.evolve(self.tls(), crlFile=old)))
            self.assertEqual(found.reason, "")
            self.assertEqual(len(self.warnings), 1)
            self.assertIn("central: a list in crl-file is past its date", self.warnings[0])

        return Deferred.fromCoroutine(run())
