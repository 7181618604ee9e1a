"""
Tests for L{logrelay.tls} and L{logrelay.tlsconnection}: real handshakes, in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.config import SourceTLSSettings, TLSSettings
from logrelay.errors import ConfigurationError, NotVerified
from logrelay.servers import Server
from logrelay.tls import ClientTLS, PeerCertificate, ServerTLS, checkFiles, checkSourceFiles, peerOf, tlsReason, tlsText
from logrelay.tlsconnection import VerifiedConnection

from .certificates import EXPIRED, Certificate, Folder, setEnvironment
from .certificates import GOOD as PERIOD
from .tlscases import BAD, FOREIGN, GOOD, IPV4, MIDDLE, NAMED, ROOT, VERSIONS, Case, serverContext

#: What an end of a handshake came to: ``None`` if it is complete, or its error.
Outcome = SSL.Error | None

SHOWN = ROOT.issue("logs.example.com", "127.0.0.1")
CLIENT = MIDDLE.issue("me.example.com")


def shift(source: SSL.Connection, target: SSL.Connection) -> bytes:
    """
    Move the records that wait at one end to the other, and give them.
    """
    moved = b""
    while True:
        try:
            data = source.bio_read(2**15)
        except SSL.WantReadError:
            return moved
        moved += data
        target.bio_write(data)


def step(connection: SSL.Connection) -> Outcome:
    """
    Have one end go on with its handshake.
    """
    try:
        connection.do_handshake()
    except SSL.Error as error:
        return error
    return None


def handshake(client: SSL.Connection, server: SSL.Connection) -> tuple[Outcome, Outcome]:
    """
    Do as much of the handshake as the two ends agree on.
    """
    ends = client, server
    outcomes: list[Outcome] = [SSL.WantReadError(), SSL.WantReadError()]
    moved = True
    while moved:
        moved = False
        for here, there in ((0, 1), (1, 0)):
            if isinstance(outcomes[here], SSL.WantReadError):
                outcomes[here] = step(ends[here])
            moved = bool(shift(ends[here], ends[there])) or moved
    return outcomes[0], outcomes[1]


def read(connection: SSL.Connection) -> bytes:
    """
    Everything that can be decrypted.
    """
    data = b""
    while True:
        try:
            data += connection.recv(2**16)
        except SSL.WantReadError:
            return data


class TLSTests(SynchronousTestCase):
    """
    What all these tests use.
    """

    def setUp(self) -> None:
        """
        An empty folder, and what was warned of.
        """
        self.folder = Folder(self.mktemp())
        self.write = self.folder.write
        self.warnings: list[str] = []

    def settings(self, **more: Any) -> TLSSettings:
        """
        Settings that trust the usual authority.
        """
        return attrs.evolve(TLSSettings(caFile=self.write("ca.pem", ROOT.pem)), **more)

    def identity(self, own: Certificate = CLIENT) -> dict[str, str]:
        """
        Settings that show a certificate.
        """
        return {"certFile": self.write("me.pem", own.certPEM), "keyFile": self.write("me.key", own.keyPEM)}

    def client(self, settings: TLSSettings, server: Server = NAMED) -> VerifiedConnection:
        """
        Our end.
        """
        return self.connection(ClientTLS(settings, self.warnings.append), server)

    def connection(self, tls: ClientTLS, server: Server = NAMED) -> VerifiedConnection:
        """
        Our end of one connection, as Twisted makes it.
        """
        connection = tls.creatorFor(server).clientConnectionForTLS(None)  # type: ignore[arg-type]
        connection.set_connect_state()
        assert isinstance(connection, VerifiedConnection)
        return connection

    def server(self, version: int = SSL.TLS1_3_VERSION, shows: Certificate = SHOWN, **more: Any) -> SSL.Connection:
        """
        The other end.
        """
        connection = SSL.Connection(serverContext(self.folder, shows, version, **more), None)
        connection.set_accept_state()
        return connection

    def connected(self, version: int) -> tuple[VerifiedConnection, SSL.Connection]:
        """
        Both ends, after the handshake.
        """
        client, server = self.client(self.settings()), self.server(version)
        self.assertEqual(handshake(client, server), (None, None))
        return client, server


class VerificationTests(TLSTests):
    """
    Who passes for a server, and who does not.
    """

    def meet(self, case: Case, version: int) -> tuple[VerifiedConnection, Outcome]:
        """
        Meet a server.
        """
        self.folder = Folder(self.mktemp())
        self.warnings = []
        client = self.client(case.settings(self.folder), case.server)
        outcome, _ = handshake(client, self.server(version, case.shows))
        self.assertEqual(len(self.warnings), case.warnings)
        return client, outcome

    def test_refused(self) -> None:
        """
        A bad server is refused by every version of TLS, the handshake fails, and there is a reason for people.
        """
        for name, case in BAD.items():
            for version, number in VERSIONS.items():
                client, outcome = self.meet(case, number)
                where = f"{name}, {version}: {client.refusal}, {outcome}"
                self.assertIsNone(client.peer, where)
                self.assertIn(case.refusal, client.refusal or "", where)
                self.assertIn("certificate verify failed", str(outcome), where)

    def test_accepted(self) -> None:
        """
        A good server is accepted, and who it is remains known.
        """
        for name, case in GOOD.items():
            for version, number in VERSIONS.items():
                client, outcome = self.meet(case, number)
                self.assertEqual((client.refusal, outcome), (None, None), f"{name}, {version}")
                self.assertEqual(client.peer, PeerCertificate.of(case.shows.certificate), f"{name}, {version}")

    def test_selfSignedOnPurpose(self) -> None:
        """
        A self-signed certificate is good where it is itself trusted, if it names the server.
        """
        shows = BAD["self-signed"].shows
        for server, good in ((NAMED, True), (IPV4, False)):
            client, _ = self.meet(Case(shows, server, trusted=shows.certPEM), SSL.TLS1_3_VERSION)
            self.assertEqual(client.peer is not None, good)

    def test_platformRoots(self) -> None:
        """
        Without ca-file and ca-dir it is the platform's authorities that count.
        """
        for trusted, good in ((FOREIGN, False), (ROOT, True)):
            setEnvironment(self, SSL_CERT_FILE=self.write("platform.pem", trusted.pem), SSL_CERT_DIR="")
            client = self.client(TLSSettings())
            handshake(client, self.server())
            self.assertEqual(client.peer is not None, good)

    def test_anyException(self) -> None:
        """
        Whatever goes wrong in the check, the server is refused.
        """

        class Broken:
            def to_cryptography(self) -> x509.Certificate:
                raise ZeroDivisionError("broken")

        client = self.client(self.settings())
        client.peer = PeerCertificate.of(SHOWN.certificate)
        self.assertFalse(client.judge(Broken(), 0, 0, True))  # type: ignore[arg-type]
        self.assertIsNone(client.peer)
        self.assertIn("cannot be checked: ZeroDivisionError", client.refusal or "")

    def test_firstReasonCounts(self) -> None:
        """
        When more goes wrong later, the reason told is still the first.
        """
        client = self.client(self.settings())
        certificate = crypto.X509.from_cryptography(SHOWN.certificate)
        client.judge(certificate, 20, 0, False)
        client.judge(certificate, 23, 0, False)
        self.assertIn("unknown authority", client.refusal or "")

    def test_resumedSession(self) -> None:
        """
        A resumed session completes without any check, and so leaves the server unverified.
        """
        context = serverContext(
            self.folder, SHOWN, SSL.TLS1_2_VERSION, configure=lambda each: each.set_session_id(b"x")
        )
        tls = ClientTLS(self.settings(), self.warnings.append)
        first, second = self.connection(tls), self.connection(tls)
        servers = [SSL.Connection(context, None) for _ in range(2)]
        for each in servers:
            each.set_accept_state()
        self.assertEqual(handshake(first, servers[0]), (None, None))
        self.assertIsNotNone(first.peer)
        session = first.get_session()
        assert session is not None
        second.set_session(session)
        self.assertEqual(handshake(second, servers[1]), (None, None))
        self.assertEqual(first.master_key(), second.master_key())
        self.assertIsNone(second.peer)

    def test_serverName(self) -> None:
        """
        Names are asked for by SNI, without the last dot; addresses are not.
        """
        for server, asked in (
            (NAMED, b"logs.example.com"),
            (Server("logs.example.com.", 1), b"logs.example.com"),
            (IPV4, None),
        ):
            client, far = self.client(self.settings(), server), self.server()
            self.assertEqual(handshake(client, far), (None, None))
            self.assertEqual(far.get_servername(), asked)

    def test_impossibleName(self) -> None:
        """
        A host that no certificate can name is an error at once.
        """
        tls = ClientTLS(self.settings(), self.warnings.append)
        self.assertRaises(ValueError, tls.creatorFor, Server("lögs.example.com", 1))

    def test_minimumVersion(self) -> None:
        """
        A server that speaks only older versions of TLS than wanted is refused.
        """
        for wanted, spoken in (("1.2", SSL.TLS1_1_VERSION), ("1.3", SSL.TLS1_2_VERSION)):
            client = self.client(self.settings(minVersion=wanted))
            outcome, _ = handshake(client, self.server(spoken))
            self.assertIsInstance(outcome, SSL.Error)
            self.assertIsNone(client.peer)
        client = self.client(self.settings(minVersion="1.3"))
        self.assertEqual(handshake(client, self.server()), (None, None))
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.3")

    def test_creator(self) -> None:
        """
        The creator provides what Twisted wants.
        """
        creator = ClientTLS(self.settings(), self.warnings.append).creatorFor(NAMED)
        verifyObject(IOpenSSLClientConnectionCreator, creator)


class ClientCertificateTests(TLSTests):
    """
    The certificate that we show.
    """

    def test_shown(self) -> None:
        """
        It is shown, with its chain, to servers that ask.
        """
        for version in VERSIONS.values():
            far = self.server(version, trusted=ROOT.pem)
            self.assertEqual(handshake(self.client(self.settings(**self.identity())), far), (None, None))
            shown = far.get_peer_certificate()
            assert shown is not None
            self.assertEqual(shown.to_cryptography(), CLIENT.certificate)

    def test_encryptedKey(self) -> None:
        """
        Its key may be encrypted.
        """
        settings = self.settings(
            certFile=self.write("me.pem", CLIENT.certPEM),
            keyFile=self.write("me.key", CLIENT.encryptedKeyPEM(b"secret")),
            keyPassphraseFile=self.write("passphrase", b"secret\n"),
        )
        far = self.server(trusted=ROOT.pem)
        self.assertEqual(handshake(self.client(settings), far), (None, None))

    def test_expiry(self) -> None:
        """
        It is known when it expires, and one that has expired is not refused by us.
        """
        self.assertIsNone(ClientTLS(self.settings(), self.warnings.append).notAfter)
        old = ROOT.issue("me.example.com", period=EXPIRED)
        tls = ClientTLS(self.settings(**self.identity(old)), self.warnings.append)
        self.assertEqual(tls.notAfter, EXPIRED[1])

    def test_refusedBefore(self) -> None:
        """
        In TLS 1.2 a server's refusal of our certificate ends the handshake: an alert, by name.
        """
        for identity in ({}, self.identity(FOREIGN.issue("me.example.com"))):
            client = self.client(self.settings(**identity))
            outcome, _ = handshake(client, self.server(SSL.TLS1_2_VERSION, trusted=ROOT.pem))
            assert outcome is not None
            failure = Failure(outcome)
            self.assertEqual(tlsReason(failure), "tls-alert")
            self.assertIn("the server sent a TLS alert: ", tlsText(failure))

    def test_refusedAfter(self) -> None:
        """
        In TLS 1.3 it comes after the handshake, which to us was complete: an alert too.
        """
        for identity in ({}, self.identity(FOREIGN.issue("me.example.com"))):
            client = self.client(self.settings(**identity))
            mine, theirs = handshake(client, self.server(SSL.TLS1_3_VERSION, trusted=ROOT.pem))
            self.assertIsNone(mine)
            self.assertIsInstance(theirs, SSL.Error)
            failure = Failure(self.assertRaises(SSL.Error, client.recv, 100))
            self.assertEqual(tlsReason(failure), "tls-alert")
            self.assertIn("the server sent a TLS alert: ", tlsText(failure))
            self.assertFalse(client.peerEnded)


class ReloadTests(TLSTests):
    """
    Files that change.
    """

    def outcome(self, connection: VerifiedConnection, shows: Certificate) -> bool:
        """
        Whether a server is accepted.
        """
        handshake(connection, self.server(shows=shows))
        return connection.peer is not None

    def test_newRoots(self) -> None:
        """
        The next connection trusts whom the new files name; one that was made before does not notice.
        """
        tls = ClientTLS(self.settings(), self.warnings.append)
        foreign = FOREIGN.issue("logs.example.com")
        before = self.connection(tls)
        self.write("ca.pem", FOREIGN.pem + b"\n")
        self.assertTrue(self.outcome(self.connection(tls), foreign))
        self.assertFalse(self.outcome(self.connection(tls), SHOWN))
        self.assertTrue(self.outcome(before, SHOWN))
        self.assertEqual(self.warnings, [])

    def test_newRevocations(self) -> None:
        """
        A certificate that is revoked later is refused from then on.
        """
        settings = self.settings(crlFile=self.write("crl.pem", ROOT.revoke()))
        tls = ClientTLS(settings, self.warnings.append)
        self.assertTrue(self.outcome(self.connection(tls), SHOWN))
        self.write("crl.pem", ROOT.revoke(SHOWN))
        self.assertFalse(self.outcome(self.connection(tls), SHOWN))

    def test_newIdentity(self) -> None:
        """
        A renewed certificate is shown to the next server, when both its files have come.
        """
        tls = ClientTLS(self.settings(**self.identity()), self.warnings.append)
        renewed = MIDDLE.issue("me.example.com", period=(PERIOD[0], EXPIRED[1]))
        self.write("me.pem", renewed.certPEM)
        self.connection(tls)
        self.assertEqual((tls.notAfter, len(self.warnings)), (PERIOD[1], 1))
        self.assertIn("is not the key of the first certificate", self.warnings[0])
        self.connection(tls)
        self.write("me.key", renewed.keyPEM)
        self.connection(tls)
        self.assertEqual((tls.notAfter, len(self.warnings)), (EXPIRED[1], 1))

    def test_oldRevocations(self) -> None:
        """
        That a list is past its date is said once for each time the files are read.
        """
        case = GOOD["not revoked, by an old list"]
        settings = case.settings(self.folder)
        tls = ClientTLS(settings, self.warnings.append)
        for _ in range(3):
            self.assertTrue(self.outcome(self.connection(tls), case.shows))
        self.assertEqual(len(self.warnings), 1)
        assert tls.listsUntil is not None
        self.assertLess(tls.listsUntil, datetime.now(UTC))
        self.write("crl.pem", case.revocations + b"\n")
        self.assertTrue(self.outcome(self.connection(tls), case.shows))
        self.assertEqual(len(self.warnings), 2)

    def test_badAtFirst(self) -> None:
        """
        Bad files are an error at first.
        """
        settings = TLSSettings(caFile=self.write("ca.pem", b""))
        self.assertRaises(ConfigurationError, ClientTLS, settings, self.warnings.append)


class CheckTests(TLSTests):
    """
    What is told of files when a configuration is read.
    """

    def test_good(self) -> None:
        """
        There is nothing to tell of good files, nor of a certificate that has expired.
        """
        self.assertEqual(checkFiles(self.settings(**self.identity())), [])
        self.assertEqual(checkFiles(self.settings(**self.identity(ROOT.issue(period=EXPIRED)))), [])
        self.assertEqual(checkSourceFiles(SourceTLSSettings(**self.identity())), [])

    def test_bad(self) -> None:
        """
        All that is wrong is told at once.
        """
        bad = {"certFile": self.write("me.pem", b""), "keyFile": self.write("me.key", b"")}
        self.assertEqual([key for key, _, _ in checkFiles(self.settings(**bad))], ["cert-file", "key-file"])
        self.assertEqual([key for key, _, _ in checkSourceFiles(SourceTLSSettings(**bad))], ["cert-file", "key-file"])

    def test_weakKey(self) -> None:
        """
        What only OpenSSL objects to is told too.
        """
        try:
            weak = rsa.generate_private_key(65537, 512)
        except ValueError:  # today's cryptography makes none so weak, and today's OpenSSL takes no stronger one
            weak = rsa.generate_private_key(65537, 1024)
        name = SHOWN.certificate.subject
        certificate = x509.CertificateBuilder(name, name, weak.public_key(), 1, *PERIOD).sign(weak, SHA256())
        own = attrs.evolve(SHOWN, certificate=certificate, key=weak)
        for complaints in (
            checkFiles(self.settings(**self.identity(own))),
            checkSourceFiles(SourceTLSSettings(**self.identity(own))),
        ):
            self.assertEqual([key for key, _, _ in complaints], ["cert-file"])
            self.assertIn("key too small", complaints[0][1])


class ServerTLSTests(TLSTests):
    """
    L{ServerTLS}.
    """

    def meet(self, tls: ServerTLS, **identity: str) -> Outcome:
        """
        What becomes of a client.
        """
        server = tls.serverConnectionForTLS(None)  # type: ignore[arg-type]
        server.set_accept_state()
        client = self.client(self.settings(**identity))
        return handshake(client, server)[1]

    def listening(self, own: Certificate = SHOWN, **more: str) -> ServerTLS:
        """
        Our end.
        """
        certFile, keyFile = self.write("server.pem", own.certPEM), self.write("server.key", own.keyPEM)
        return ServerTLS(SourceTLSSettings(certFile, keyFile, **more), self.warnings.append)

    def test_interface(self) -> None:
        """
        It provides what Twisted wants.
        """
        verifyObject(IOpenSSLServerConnectionCreator, self.listening())

    def test_anybody(self) -> None:
        """
        Without client-ca-file any client may come.
        """
        self.assertIsNone(self.meet(self.listening()))

    def test_clientCertificates(self) -> None:
        """
        With it, only clients with a certificate of these authorities.
        """
        tls = self.listening(clientCAFile=self.write("clients.pem", ROOT.pem))
        self.assertIsNone(self.meet(tls, **self.identity()))
        self.assertIsInstance(self.meet(tls), SSL.Error)
        self.assertIsInstance(self.meet(tls, **self.identity(FOREIGN.issue("me.example.com"))), SSL.Error)
        self.assertIsInstance(self.meet(tls, **self.identity(ROOT.issue(period=EXPIRED))), SSL.Error)

    def test_minimumVersion(self) -> None:
        """
        TLS 1.2 at least.
        """
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        client = SSL.Connection(context, None)
        client.set_connect_state()
        server = self.listening().serverConnectionForTLS(None)  # type: ignore[arg-type]
        server.set_accept_state()
        self.assertIn("unsupported protocol", str(handshake(client, server)[1]))

    def test_reload(self) -> None:
        """
        A renewed certificate is shown to the next client.
        """
        tls = self.listening()
        self.assertEqual(tls.notAfter, PERIOD[1])
        self.listening(ROOT.issue("logs.example.com", period=(PERIOD[0], EXPIRED[1])))
        self.assertIsInstance(self.meet(tls), SSL.Error)
        self.assertEqual(tls.notAfter, EXPIRED[1])


class CountingTests(TLSTests):
    """
    What lies in how much ciphertext.
    """

    def test_neverOverstated(self) -> None:
        """
        However much of the ciphertext the other side has, it can read all that counts as acknowledged by then.
        """
        for version in VERSIONS.values():
            client, server = self.connected(version)
            begun = client.cipherOut
            wire = b""
            for size in (1, 3000, 16384, 7):
                self.assertEqual(client.send(b"x" * size), size)
                wire += shift(client, self.server())
            self.assertEqual(client.cipherOut, begun + len(wire))
            readable = acked = 0
            for position in range(len(wire) + 1):
                if position > 0:
                    server.bio_write(wire[position - 1 : position])
                readable += len(read(server))
                acked = client.plainAcked(begun + position)
                self.assertEqual(acked, readable)
            self.assertEqual(acked, 1 + 3000 + 16384 + 7)

    def test_handshakeCounts(self) -> None:
        """
        The handshake's own bytes are on the wire too.
        """
        for version in VERSIONS.values():
            client, server = self.client(self.settings(**self.identity())), self.server(version, trusted=ROOT.pem)
            onWire = 0
            for _ in range(5):
                step(client)
                onWire += len(shift(client, server))
                step(server)
                shift(server, client)
            self.assertEqual((client.cipherOut, client.plainAcked(onWire)), (onWire, 0))
            client.send(b"message")
            onWire += len(shift(client, server))
            self.assertEqual((client.plainAcked(onWire - 1), client.plainAcked(onWire)), (0, 7))

    def test_ticketsFromTheServer(self) -> None:
        """
        What a TLS 1.3 server sends after the handshake disturbs nothing.
        """
        client, server = self.connected(SSL.TLS1_3_VERSION)
        self.assertEqual(read(client), b"")
        client.send(b"message")
        begun = client.cipherOut
        wire = shift(client, server)
        self.assertEqual(client.plainAcked(begun + len(wire)), 7)
        self.assertEqual(read(server), b"message")

    def test_severalRecordsAtOnce(self) -> None:
        """
        Records that leave in pieces count with the last piece.
        """
        client, _ = self.connected(SSL.TLS1_3_VERSION)
        for _ in range(3):
            client.send(b"x" * 16384)
        begun = client.cipherOut
        self.assertEqual(len(client.bio_read(2**15)), 2**15)
        self.assertEqual(client.plainAcked(begun + 2**15), 0)
        rest = len(client.bio_read(2**15))
        self.assertEqual(client.plainAcked(begun + 2**15 + rest - 1), 0)
        self.assertEqual(client.plainAcked(begun + 2**15 + rest), 3 * 16384)

    def test_peerEnded(self) -> None:
        """
        A close_notify from the other side is noted; the end of the connection alone is none.
        """
        for version in VERSIONS.values():
            client, server = self.connected(version)
            server.shutdown()
            shift(server, client)
            self.assertFalse(client.peerEnded)
            self.assertRaises(SSL.ZeroReturnError, client.recv, 100)
            self.assertTrue(client.peerEnded)
            client, _ = self.connected(version)
            client.bio_shutdown()
            self.assertRaises(SSL.SysCallError, client.recv, 100)
            self.assertFalse(client.peerEnded)


class ReasonTests(TLSTests):
    """
    L{tlsReason} and L{tlsText}.
    """

    def check(self, error: Exception, reason: str | None, text: str = "") -> None:
        """
        Check both.
        """
        failure = Failure(error)
        self.assertEqual(tlsReason(failure), reason)
        if reason is not None:
            self.assertEqual(tlsText(failure), text)

    def test_refusal(self) -> None:
        """
        Our own refusal is told as it was found.
        """
        self.check(NotVerified("the certificate expired"), "tls-verify", "the certificate expired")

    def test_alerts(self) -> None:
        """
        The names of alerts differ between versions of OpenSSL.
        """
        for reason in ("tlsv1 alert unknown ca", "ssl/tls alert unknown ca"):
            error = SSL.Error([("SSL routines", "", reason)])
            self.check(error, "tls-alert", "the server sent a TLS alert: unknown ca")

    def test_notTLS(self) -> None:
        """
        A server that does not speak TLS breaks the protocol.
        """
        client = self.client(self.settings())
        step(client)
        client.bio_write(b"220 mail.example.com ESMTP\r\n")
        error = step(client)
        assert error is not None
        failure = Failure(error)
        self.assertEqual(tlsReason(failure), "tls-alert")
        self.assertIn("TLS failed: ", tlsText(failure))

    def test_ends(self) -> None:
        """
        A connection that just ended broke no rule of TLS but one, whatever pyOpenSSL calls it.
        """
        for error in (
            SSL.SysCallError(-1, "Unexpected EOF"),
            SSL.SysCallError(104, "ECONNRESET"),
            SSL.Error([("SSL routines", "", "unexpected eof while reading")]),
            SSL.Error([]),
            SSL.Error(),
        ):
            self.check(error, "eof", "the server closed the connection without ending the TLS stream")

    def test_others(self) -> None:
        """
        Other failures are not TLS's.
        """
        self.check(ConnectionError(), None)


class PeerOfTests(TLSTests):
    """
    L{peerOf}.
    """

    def test_withoutTLS(self) -> None:
        """
        Without TLS nobody has proved anything.
        """
        self.assertIsNone(peerOf(StringTransport()))

    def test_foreignTLS(self) -> None:
        """
        Nor has anybody to a connection that is not ours.
        """

        class Transport(StringTransport):
            getHandle: Callable[[], object] = self.server

        self.assertIsNone(peerOf(Transport()))
