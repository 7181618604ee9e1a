"""
Tests for L{logrelay.tlsendpoint}: real handshakes, in memory.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.errors import NotVerified
from logrelay.reasons import EndedInHandshake, TLSTimeout, reasonOf, textOf
from logrelay.tls import ClientTLS, peerOf
from logrelay.tlsendpoint import VerifiedTLSEndpoint

from .certificates import Folder
from .ends import SECRET, Far, Near, Recording, tlsServer
from .tlscases import BAD, GOOD, NAMED, ROOT, VERSIONS, Case, serverContext

SHOWN = ROOT.issue("logs.example.com")


@implementer(IStreamClientEndpoint)
class Memory:
    """
    Connects to a server in memory, at once.
    """

    def __init__(self, clock: Clock, server: IProtocol) -> None:
        self.clock = clock
        self.server = server

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        See ``IStreamClientEndpoint``.
        """
        client = protocolFactory.buildProtocol(iosim.FakeAddress())
        assert client is not None
        self.transport = iosim.FakeTransport(client, False)
        self.pump = iosim.connect(
            self.server, iosim.FakeTransport(self.server, True), client, self.transport, greet=False
        )
        return succeed(client)

    def flush(self) -> None:
        """
        Carry everything over, in both directions.
        """
        self.pump.flush()
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
            self.pump.flush()


class MemoryTests(SynchronousTestCase):
    """
    L{VerifiedTLSEndpoint}, with a clock and without sockets.
    """

    def setUp(self) -> None:
        """
        A clock, on which in the end no call may be left.
        """
        self.clock = Clock()
        self.near = Recording(Near)
        self.far = Far()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def creator(self, case: Case) -> IOpenSSLClientConnectionCreator:
        """
        Our side of TLS.
        """
        self.folder = Folder(self.mktemp())
        return ClientTLS(case.settings(self.folder), lambda warning: None).creatorFor(case.server)

    def endpoint(self, server: IProtocol, case: Case = GOOD["name"]) -> VerifiedTLSEndpoint:
        """
        An endpoint that leads to a server.
        """
        self.memory = Memory(self.clock, server)
        return VerifiedTLSEndpoint(self.clock, self.memory, self.creator(case), 10)

    def showing(self, case: Case, version: int = SSL.TLS1_3_VERSION, **more: Any) -> Deferred[IProtocol]:
        """
        Connect to a server that speaks TLS.
        """
        creator = self.creator(case)
        self.near, self.far = Recording(Near), Far()
        context = serverContext(self.folder, case.shows, version, **more)
        self.memory = Memory(self.clock, tlsServer(context, self.far, self.clock))
        attempt = VerifiedTLSEndpoint(self.clock, self.memory, creator, 10).connect(self.near)
        self.memory.flush()
        return attempt

    def test_interface(self) -> None:
        """
        It is an endpoint.
        """
        verifyObject(IStreamClientEndpoint, self.endpoint(Protocol()))

    def test_refused(self) -> None:
        """
        A bad server never sees a byte: the protocol is not even built, and the failure says why.
        """
        for name, case in BAD.items():
            for version, number in VERSIONS.items():
                failure = self.failureResultOf(self.showing(case, number), NotVerified)
                where = f"{name}, {version}: {failure.value}"
                self.assertIn(case.refusal, textOf(failure), where)
                self.assertEqual(reasonOf(failure), "tls-verify", where)
                self.assertEqual((self.near.built, self.far.received), ([], b""), where)
                self.assertIsNone(self.successResultOf(self.far.lost), where)

    def test_accepted(self) -> None:
        """
        With a good one the protocol is connected, and what it sends arrives, and the other way round.
        """
        for name, case in GOOD.items():
            for version, number in VERSIONS.items():
                protocol = self.successResultOf(self.showing(case, number))
                assert isinstance(protocol, Near)
                self.assertEqual(self.far.received, SECRET, f"{name}, {version}")
                peer = peerOf(protocol.transport)
                assert peer is not None
                self.assertEqual(peer.sha256, case.shows.digest.hex())
                assert self.far.transport is not None
                self.far.transport.write(b"hello")
                self.memory.flush()
                self.assertEqual(protocol.received, b"hello")
                protocol.transport.loseConnection()
                self.memory.flush()
                self.assertIsNotNone(protocol.reason)

    def test_oneProtocol(self) -> None:
        """
        The factory builds one protocol, which alone stands behind the transport from then on.
        """
        protocol = self.successResultOf(self.showing(GOOD["name"]))
        assert isinstance(protocol, Near)
        self.assertEqual(self.near.built, [protocol])
        self.assertIs(protocol.transport.wrappedProtocol, protocol)
        self.far.transport.loseConnection()  # type: ignore[union-attr]
        self.memory.flush()
        self.assertIsNotNone(protocol.reason)

    def test_clientRefusedBefore(self) -> None:
        """
        A TLS 1.2 server that refuses our certificate ends the handshake: an alert.
        """
        failure = self.failureResultOf(self.showing(GOOD["name"], SSL.TLS1_2_VERSION, trusted=ROOT.pem))
        self.assertEqual(reasonOf(failure), "tls-alert")
        self.assertIn("the server sent a TLS alert: handshake failure", textOf(failure))
        self.assertEqual((self.near.built, self.far.received), ([], b""))

    def test_clientRefusedAfter(self) -> None:
        """
        With TLS 1.3 it does so afterwards: the connection is made, and then lost by an alert; the server has nothing.
        """
        protocol = self.successResultOf(self.showing(GOOD["name"], SSL.TLS1_3_VERSION, trusted=ROOT.pem))
        assert isinstance(protocol, Near)
        assert protocol.reason is not None
        self.assertEqual(reasonOf(protocol.reason), "tls-alert")
        self.assertIn("the server sent a TLS alert: certificate required", textOf(protocol.reason))
        self.assertEqual(self.far.received, b"")

    def test_notChecked(self) -> None:
        """
        A handshake without a check, as when a session is resumed, is complete, and all the same no proof.
        """
        folder = Folder(self.mktemp())
        tls = ClientTLS(GOOD["name"].settings(folder), lambda warning: None)
        context = serverContext(folder, SHOWN, SSL.TLS1_2_VERSION, configure=lambda each: each.set_session_id(b"x"))
        sessions: list[Any] = []

        @implementer(IOpenSSLClientConnectionCreator)
        class Resuming:
            def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
                connection = tls.newConnection(NAMED)
                for session in sessions:
                    connection.set_session(session)
                return connection

        def attempt() -> Deferred[IProtocol]:
            self.far = Far()
            self.memory = Memory(self.clock, tlsServer(context, self.far, self.clock))
            result = VerifiedTLSEndpoint(self.clock, self.memory, Resuming(), 10).connect(self.near)
            self.memory.flush()
            return result

        protocol = self.successResultOf(attempt())
        assert isinstance(protocol, Near)
        # OpenSSL forgets the session of a connection that is freed before it was shut down.
        first = self.far, self.memory
        sessions.append(protocol.transport.getHandle().get_session())
        failure = self.failureResultOf(attempt(), NotVerified)
        self.memory.flush()
        self.assertEqual(textOf(failure), "the server's certificate was not checked")
        self.assertEqual((len(self.near.built), self.far.received), (1, b""))
        self.assertIsNot(self.far, first[0])

    def test_silent(self) -> None:
        """
        A server that never answers is left after the time limit.
        """
        attempt = self.endpoint(self.far).connect(self.near)
        self.memory.flush()
        self.clock.advance(9.9)
        self.assertNoResult(attempt)
        self.clock.advance(0.1)
        failure = self.failureResultOf(attempt, TLSTimeout)
        self.assertEqual((reasonOf(failure), textOf(failure)), ("tls-timeout", "no TLS handshake within 10 s"))
        self.memory.flush()
        self.assertIsNone(self.successResultOf(self.far.lost))
        self.assertEqual(self.near.built, [])

    def test_refusedAndStuck(self) -> None:
        """
        The reason stays our refusal, also when the connection then does not end.
        """
        case = BAD["self-signed"]
        self.memory = Memory(self.clock, self.far)
        attempt = VerifiedTLSEndpoint(self.clock, self.memory, self.creator(case), 10).connect(self.near)
        self.memory.flush()
        server = SSL.Connection(serverContext(self.folder, case.shows, SSL.TLS1_3_VERSION), None)
        server.set_accept_state()
        server.bio_write(self.far.received)
        self.assertRaises(SSL.WantReadError, server.do_handshake)
        self.memory.transport.protocol.dataReceived(server.bio_read(2**15))
        self.assertNoResult(attempt)
        self.clock.advance(10)
        self.failureResultOf(attempt, NotVerified)

    def test_ended(self) -> None:
        """
        A server that closes the connection instead of answering.
        """
        attempt = self.endpoint(self.far).connect(self.near)
        assert self.far.transport is not None
        self.far.transport.loseConnection()
        self.memory.flush()
        failure = self.failureResultOf(attempt, EndedInHandshake)
        self.assertEqual(reasonOf(failure), "eof")
        self.assertIn("during the TLS handshake", textOf(failure))

    def test_notTLS(self) -> None:
        """
        A server that does not speak TLS.
        """
        attempt = self.endpoint(self.far).connect(self.near)
        assert self.far.transport is not None
        self.far.transport.write(b"220 mail.example.com ESMTP\r\n")
        self.memory.flush()
        failure = self.failureResultOf(attempt, SSL.Error)
        self.assertEqual(reasonOf(failure), "tls-alert")
        self.assertIn("TLS failed: ", textOf(failure))

    def test_cancel(self) -> None:
        """
        Cancelled during the handshake, the connection is dropped.
        """
        attempt = self.endpoint(self.far).connect(self.near)
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.memory.flush()
        self.assertIsNone(self.successResultOf(self.far.lost))
        self.assertEqual(self.near.built, [])

    def test_brokenFactory(self) -> None:
        """
        Where there is no protocol, or it breaks down when it is connected, the connection is dropped.
        """

        class Broken(Protocol):
            def connectionMade(self) -> None:
                raise ZeroDivisionError()

        for build, error in (
            (lambda: None, NoProtocol),
            (lambda: 1 / 0, ZeroDivisionError),
            (Broken, ZeroDivisionError),
        ):
            creator, self.far = self.creator(GOOD["name"]), Far()
            context = serverContext(self.folder, SHOWN, SSL.TLS1_3_VERSION)
            self.memory = Memory(self.clock, tlsServer(context, self.far, self.clock))
            attempt = VerifiedTLSEndpoint(self.clock, self.memory, creator, 10).connect(Recording(build))  # type: ignore[arg-type]
            self.memory.flush()
            self.failureResultOf(attempt, error)
            self.assertIsNone(self.successResultOf(self.far.lost))
