"""
Syslog over streams.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
from errno import ECONNABORTED, EMFILE
from functools import partial
from threading import Thread
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.batches import Batch, Framing, Origin
from logrelay.complaints import Complaints
from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.sources import CannotListen, ISource
from logrelay.sources.acceptor import ACCEPTS_PER_TURN, REST, Acceptor
from logrelay.sources.connection import FAREWELL, HANDSHAKE_LIMIT
from logrelay.sources.exact import LARGE_READ
from logrelay.sources.flow import STEP
from logrelay.sources.sockets import BoundSocket, openSocket
from logrelay.sources.stream import StreamSource
from logrelay.sources.tap import MUCH, PLENTY, Tap
from logrelay.sources.tap import REST as MOMENT
from logrelay.throttle import Throttle

from .sourcing import KeptRoute, folder, listening, logged

PEER = IPv4Address("TCP", "192.0.2.7", 4711)


class PeerTransport(StringTransport):
    """
    A peer's transport in memory, that can be half-closed.
    """

    writeDisconnecting = False

    def loseWriteConnection(self) -> None:
        """
        Tell the peer that no more is written.
        """
        self.writeDisconnecting = True


class StreamCase(SynchronousTestCase):
    """
    A source on a clock, that listens on loopback but is handed its connections by the test.
    """

    tls: Any = None

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.route = KeptRoute()
        self.throttle = Throttle()
        self.counters = SourceCounters()

    def source(self, **options: object) -> StreamSource:
        """
        A source that listens.
        """
        settings = listening("tcp:0:interface=127.0.0.1", **options)
        source = StreamSource(
            self.reactor, settings, self.route, self.throttle, self.counters, b"me", openSocket, self.tls
        )
        source.bind()
        self.addCleanup(source.stop)
        source.start()
        return source

    def accept(self, source: StreamSource, clients: int = 1) -> list[socket.socket]:
        """
        Connect to a source, and let it accept.
        """
        [address] = source.listening
        assert isinstance(address, IPv4Address)
        connected = []
        for _ in range(clients):
            client = socket.create_connection((address.host, address.port), timeout=5)
            self.addCleanup(client.close)
            connected.append(client)
        for acceptor in self.reactor.getReaders():
            acceptor.doRead()
        return connected

    def connect(self, source: StreamSource, address: Any = PEER) -> tuple[IProtocol, PeerTransport]:
        """
        A connection, as the reactor makes one of what is adopted.
        """
        self.accept(source)
        _, family, factory = self.reactor.adoptedStreamConnections[-1]
        self.assertEqual(family, socket.AF_INET)
        protocol = factory.buildProtocol(address)
        transport = PeerTransport(peerAddress=address)
        protocol.makeConnection(transport)
        return protocol, transport


class ConnectionTests(StreamCase):
    """
    What comes on connections.
    """

    def test_source(self) -> None:
        """
        It is a source.
        """
        verifyObject(ISource, self.source())

    def test_messages(self) -> None:
        """
        Messages are delivered as they become whole, with their peer's numeric address, and counted.
        """
        protocol, _ = self.connect(self.source())
        protocol.dataReceived(b"<13>one\n<13>tw")
        protocol.dataReceived(b"o\n")
        self.assertEqual(self.route.messages, [b"<13>one", b"<13>two"])
        origin = Origin("tcp:0:interface=127.0.0.1", b"192.0.2.7")
        self.assertEqual({batch.origin for batch in self.route.batches}, {origin})
        self.assertEqual((self.counters.received, self.counters.connections), (2, 1))

    def test_mappedPeer(self) -> None:
        """
        An IPv4 peer that reached an IPv6 socket is written as IPv4.
        """
        protocol, _ = self.connect(self.source(), IPv6Address("TCP", "::ffff:192.0.2.7", 1))
        protocol.dataReceived(b"one\n")
        self.assertEqual(self.route.batches[0].origin.host, b"192.0.2.7")

    def test_unixPeer(self) -> None:
        """
        What comes over a UNIX socket is this host's, as programs write it.
        """
        protocol, _ = self.connect(self.source(), UNIXAddress(None))
        protocol.dataReceived(b"one\n")
        self.assertEqual(self.route.batches[0].origin, Origin("tcp:0:interface=127.0.0.1", b"me", local=True))

    def test_remainderIsHeld(self) -> None:
        """
        The route is told how many bytes of an unfinished message are kept, in steps, when that changes, and at the end
        that there are none.
        """
        protocol, _ = self.connect(self.source())
        protocol.dataReceived(b"one\n")
        self.assertEqual(self.route.holds, [])
        protocol.dataReceived(b"12345")
        protocol.dataReceived(b"678\n90")
        self.assertEqual(self.route.holds, [STEP])
        protocol.dataReceived(b"x" * STEP)
        self.assertEqual(self.route.holds, [STEP, STEP])
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.route.held, 0)

    def test_lastLine(self) -> None:
        """
        A last line without LF is a message.
        """
        protocol, _ = self.connect(self.source())
        protocol.dataReceived(b"one\ntwo")
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.route.messages, [b"one", b"two"])

    def test_framing(self) -> None:
        """
        The framing is told from each connection's first bytes, unless it is configured.
        """
        counted, _ = self.connect(self.source())
        counted.dataReceived(b"3 one")
        lines, _ = self.connect(self.source(framing=Framing.LF))
        lines.dataReceived(b"3 one\n")
        self.assertEqual(self.route.messages, [b"one", b"3 one"])

    def test_badFrame(self) -> None:
        """
        A stream that makes no sense is cut off after the messages that did, counted, and said once a minute.
        """
        lines = logged(self)
        source = self.source()
        for _ in range(3):
            protocol, transport = self.connect(source)
            protocol.dataReceived(b"3 onenonsense")
            self.assertTrue(transport.disconnected)
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.route.messages, [b"one"] * 3)
        self.assertEqual(self.counters.badFrames, 3)
        self.assertEqual(self.route.held, 0)
        self.assertEqual(len(lines), 1)
        self.assertIn("closed the connection of 192.0.2.7", lines[0])

    def test_cutMessages(self) -> None:
        """
        Lines whose head alone is kept, and frames that a connection's end cuts off, are said, once a minute each.
        """
        lines = logged(self)
        source = self.source(maxMessageSize=480)
        for data in (b"x" * 500 + b"\n", b"x" * 500, b"5 abc", b"5 abc"):
            protocol, _ = self.connect(source)
            protocol.dataReceived(data)
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.counters.overlong, self.counters.incomplete), (2, 2))
        overlong, incomplete = lines
        self.assertIn("a message of 192.0.2.7 was longer than max-message-size; its head is kept", overlong)
        self.assertIn("192.0.2.7 ended within a frame, which is dropped", incomplete)

    def test_servedInTurn(self) -> None:
        """
        After a pause those are read first that have waited longest.
        """
        source = self.source()
        connections = [self.connect(source) for _ in range(3)]
        connections[0][0].dataReceived(b"one\n")
        order: list[int] = []
        self.throttle.hold("store")
        for place, (_, transport) in enumerate(connections):
            transport.resumeProducing = partial(order.append, place)  # type: ignore[method-assign]
        self.throttle.release("store")
        self.assertEqual(order, [1, 2, 0])
        for protocol, _ in connections:
            protocol.connectionLost(Failure(ConnectionDone()))

    def test_held(self) -> None:
        """
        A held source's connections are paused, also new ones, and forgotten when they end.
        """
        source = self.source()
        _, first = self.connect(source)
        self.throttle.hold("store")
        protocol, second = self.connect(source)
        self.assertEqual([first.producerState, second.producerState], ["paused", "paused"])
        protocol.connectionLost(Failure(ConnectionDone()))
        self.throttle.release("store")
        self.assertEqual([first.producerState, second.producerState], ["producing", "paused"])

    def test_failureStaysWithItsConnection(self) -> None:
        """
        A failure on one connection lets nothing behind, and does not touch another.
        """
        source = self.source()
        broken, _ = self.connect(source)
        sound, _ = self.connect(source)

        def fail(batch: Batch) -> None:
            raise RuntimeError("no store")

        broken.dataReceived(b"unfinished")
        self.route.onDeliver = fail
        self.assertRaises(RuntimeError, broken.dataReceived, b"one\n")
        broken.dataReceived(b"unfinished")
        self.assertRaises(RuntimeError, broken.connectionLost, Failure(ConnectionDone()))
        self.route.onDeliver = lambda batch: None
        self.assertEqual(self.route.held, 0)
        sound.dataReceived(b"two\n")
        self.assertEqual(self.route.messages[-1], b"two")


class AcceptingTests(StreamCase):
    """
    Which connections are taken.
    """

    def test_nothingBeforeStart(self) -> None:
        """
        A bound source listens but reads nothing, and a stopped one can be bound again.
        """
        settings = listening("tcp:0:interface=127.0.0.1")
        source = StreamSource(self.reactor, settings, self.route, self.throttle, self.counters, b"me", openSocket)
        self.assertEqual(source.listening, ())
        for _ in range(2):
            source.bind()
            self.assertEqual(self.reactor.getReaders(), [])
            self.assertEqual(len(source.listening), 1)
            self.successResultOf(source.stop())
            self.assertEqual(source.listening, ())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_neverBound(self) -> None:
        """
        A source that was never bound can be stopped.
        """
        settings = listening("tcp:0")
        source = StreamSource(self.reactor, settings, self.route, self.throttle, self.counters, b"me", openSocket)
        self.successResultOf(source.stop())

    def test_tooManyConnections(self) -> None:
        """
        Connections beyond ``max-connections`` are closed at once and counted; when one ends there is room again.
        """
        lines = logged(self)
        source = self.source(maxConnections=1)
        protocol, _ = self.connect(source)
        for client in self.accept(source, 2):
            self.assertEqual(client.recv(1), b"")
        self.assertEqual((self.counters.connections, self.counters.refused), (1, 2))
        self.assertEqual(len(lines), 1)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.connect(source)
        self.assertEqual((self.counters.connections, self.counters.refused), (2, 2))

    def test_options(self) -> None:
        """
        The kernel is asked to find out when an idle peer is gone, and to send at once what is said to it.
        """
        options: list[int] = []

        def adopt(descriptor: int, family: int, factory: object) -> None:
            with socket.socket(fileno=os.dup(descriptor)) as adopted:
                options.append(adopted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
                options.append(adopted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
                options.append(adopted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                self.assertFalse(adopted.getblocking() and os.get_blocking(descriptor))

        self.reactor.adoptStreamConnection = adopt  # type: ignore[method-assign]
        self.accept(self.source())
        self.assertEqual(options, [1, 60, 1])


class EndTests(StreamCase):
    """
    The end of a source.
    """

    def test_farewell(self) -> None:
        """
        At the end peers are told so, what they have under way is still taken, and the end waits for theirs.
        """
        source = self.source()
        protocol, transport = self.connect(source)
        ended = source.stop()
        self.assertTrue(transport.writeDisconnecting)
        self.assertEqual(self.reactor.getReaders(), [])
        protocol.dataReceived(b"last words")
        self.assertNoResult(ended)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)
        self.assertEqual(self.route.messages, [b"last words"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_waitingAtTheEnd(self) -> None:
        """
        All who have connected and wait to be accepted are, also when they are more than one turn accepts: the kernel
        would reset them.
        """
        source = self.source()
        [address] = source.listening
        assert isinstance(address, IPv4Address)
        for _ in range(ACCEPTS_PER_TURN + 1):
            self.addCleanup(socket.create_connection((address.host, address.port), timeout=5).close)
        source.stop()
        self.assertEqual(len(self.reactor.adoptedStreamConnections), ACCEPTS_PER_TURN + 1)

    def test_peersThatDoNotEnd(self) -> None:
        """
        Peers that do not end their side within a second are cut off.
        """
        source = self.source()
        protocol, transport = self.connect(source)
        ended = source.stop()
        self.reactor.advance(FAREWELL - 0.01)
        self.assertFalse(transport.disconnected)
        self.reactor.advance(0.01)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)

    def test_pathThatCannotBeRemoved(self) -> None:
        """
        A socket's path that can't be removed at the end is said, and does not keep it from ending.
        """

        class Stuck(BoundSocket):
            def close(self) -> None:
                self.socket.close()
                raise PermissionError(1, "not permitted")

        lines = logged(self)
        settings = listening("tcp:0:interface=127.0.0.1")
        source = StreamSource(
            self.reactor,
            settings,
            self.route,
            self.throttle,
            self.counters,
            b"me",
            lambda settings: Stuck(openSocket(settings).socket),
        )
        source.bind()
        self.successResultOf(source.stop())
        self.assertIn("could not be removed: not permitted", lines[0])


class FakeListener:
    """
    A listening socket that has errors to tell.
    """

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0

    def fileno(self) -> int:
        return 99

    def accept(self) -> tuple[socket.socket, None]:
        """
        The next answer, or nothing more.
        """
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else BlockingIOError()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, socket.socket)
        return answer, None

    def close(self) -> None:
        """
        Nothing to close.
        """


class AcceptorTests(SynchronousTestCase):
    """
    What goes wrong when connections are accepted.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.admitted: list[int] = []

    def acceptor(self, *answers: object) -> tuple[Acceptor, FakeListener]:
        """
        An acceptor that reads.
        """
        listener = FakeListener(*answers)
        bound: Any = BoundSocket(listener)  # type: ignore[arg-type]
        acceptor = Acceptor(self.reactor, bound, self.admit, Complaints(self.reactor, "tcp"))
        acceptor.startReading()
        return acceptor, listener

    def admit(self, connection: socket.socket) -> None:
        """
        Take a connection.
        """
        self.admitted.append(connection.fileno())

    def pair(self) -> socket.socket:
        """
        One end of a connection.
        """
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        return ours

    def test_originalIsClosed(self) -> None:
        """
        What was admitted has been duplicated by then: the original is closed.
        """
        connection = self.pair()
        self.acceptor(connection)[0].doRead()
        self.assertEqual(len(self.admitted), 1)
        self.assertEqual(connection.fileno(), -1)

    def test_brokenConnection(self) -> None:
        """
        A connection that ended before it was accepted is passed over.
        """
        self.acceptor(OSError(ECONNABORTED, "aborted"), self.pair())[0].doRead()
        self.assertEqual(len(self.admitted), 1)

    def test_noDescriptors(self) -> None:
        """
        When the host has no descriptors left, nothing is accepted for a while; then it goes on.  It is said once.
        """
        lines = logged(self)
        acceptor, _ = self.acceptor(OSError(EMFILE, "too many"), OSError(EMFILE, "too many"), self.pair())
        for _ in range(2):
            acceptor.doRead()
            self.assertEqual(self.reactor.getReaders(), [])
            self.reactor.advance(REST)
            self.assertEqual(self.reactor.getReaders(), [acceptor])
        acceptor.doRead()
        self.assertEqual(len(self.admitted), 1)
        self.assertEqual(len(lines), 1)
        acceptor.close()
        self.assertEqual(self.reactor.getReaders(), [])

    def test_closedWhileResting(self) -> None:
        """
        An acceptor that is closed while it rests does not come back.
        """
        acceptor, _ = self.acceptor(OSError(EMFILE, "too many"))
        acceptor.doRead()
        acceptor.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_failureWhenAdmitting(self) -> None:
        """
        A failure with one connection does not end accepting.
        """

        def fail(connection: socket.socket) -> None:
            self.admit(connection)
            raise RuntimeError("no factory")

        self.admit, admit = fail, self.admit  # type: ignore[method-assign]
        acceptor, _ = self.acceptor(self.pair(), self.pair())
        self.admit = admit  # type: ignore[method-assign]
        acceptor.doRead()
        self.assertEqual(len(self.admitted), 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_othersHaveTheirTurn(self) -> None:
        """
        However many wait, only so many are accepted in one turn of the reactor.
        """
        acceptor, listener = self.acceptor(*[OSError(ECONNABORTED, "aborted")] * (ACCEPTS_PER_TURN * 2))
        acceptor.doRead()
        self.assertEqual(listener.asked, ACCEPTS_PER_TURN)
        self.assertEqual(acceptor.fileno(), 99)


@implementer(IOpenSSLServerConnectionCreator)
class ServerCreator:
    """
    Shows one certificate, and wants one of a client if it is told whose.
    """

    def __init__(self, certificate: trustme.LeafCert, clientCA: trustme.CA | None = None) -> None:
        self.context = SSL.Context(SSL.TLS_METHOD)
        with certificate.private_key_and_cert_chain_pem.tempfile() as path:
            self.context.use_certificate_chain_file(path)
            self.context.use_privatekey_file(path)
        if clientCA is not None:
            with clientCA.cert_pem.tempfile() as path:
                self.context.load_verify_locations(path)
            self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, None)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        A new connection.
        """
        return SSL.Connection(self.context, None)


class TLSClient:
    """
    A TLS client in memory, of the standard library.
    """

    def __init__(self, authority: trustme.CA, protocol: IProtocol, transport: PeerTransport) -> None:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="relay.example.com")
        self.protocol = protocol
        self.transport = transport

    def exchange(self) -> None:
        """
        Carry over what each has to say to the other.
        """
        self.protocol.dataReceived(self.outgoing.read())
        self.incoming.write(self.transport.value())
        self.transport.clear()

    def shakeHands(self) -> None:
        """
        Do the whole handshake.
        """
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.exchange()
            else:
                break
        self.exchange()

    def send(self, data: bytes) -> None:
        """
        Send something.
        """
        self.tls.write(data)
        self.exchange()


class TLSTests(StreamCase):
    """
    Connections over TLS.
    """

    authority = trustme.CA()

    def setUp(self) -> None:
        super().setUp()
        self.tls = ServerCreator(self.authority.issue_cert("relay.example.com"))

    def client(self, source: StreamSource) -> tuple[TLSClient, PeerTransport]:
        """
        A client that has connected.
        """
        protocol, transport = self.connect(source)
        return TLSClient(self.authority, protocol, transport), transport

    def test_messages(self) -> None:
        """
        Messages come through.
        """
        client, _ = self.client(self.source())
        client.shakeHands()
        client.send(b"one\n")
        self.assertEqual(self.route.messages, [b"one"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        client.protocol.connectionLost(Failure(ConnectionDone()))

    def test_readsRecords(self) -> None:
        """
        A connection is read in small pieces, so that OpenSSL keeps no large buffer for it.
        """
        client, transport = self.client(self.source())
        self.assertEqual(transport.bufferSize, 16 * 1024)  # type: ignore[attr-defined]
        client.protocol.connectionLost(Failure(ConnectionDone()))

    def test_slowHandshake(self) -> None:
        """
        A peer that does not finish its handshake in time is closed and counted.
        """
        lines = logged(self)
        source = self.source()
        client, transport = self.client(source)
        self.reactor.advance(HANDSHAKE_LIMIT - 0.01)
        self.assertFalse(transport.disconnected)
        self.reactor.advance(0.01)
        self.assertTrue(transport.disconnected)
        client.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.counters.refused, 1)
        self.assertEqual(len(lines), 1)
        self.assertIn("did not finish the TLS handshake within 10 s", lines[0])
        self.successResultOf(source.stop())

    def test_noTLSAtAll(self) -> None:
        """
        A peer that does not speak TLS is counted, and nothing of what it says is taken.
        """
        protocol, transport = self.connect(self.source())
        protocol.dataReceived(b"<13>plain text\n" * 10)
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.counters.refused, self.route.messages), (1, []))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_justLooking(self) -> None:
        """
        A peer that only tries whether the port is open is no failure.
        """
        lines = logged(self)
        protocol, _ = self.connect(self.source())
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.counters.refused, lines), (0, []))

    def test_noClientCertificate(self) -> None:
        """
        A client without the certificate that is required gives us no message, even if its own handshake looks done.
        """
        self.tls = ServerCreator(self.authority.issue_cert("relay.example.com"), self.authority)
        client, transport = self.client(self.source())
        client.shakeHands()
        client.send(b"one\n")
        self.assertTrue(transport.disconnecting)
        client.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.counters.refused, self.route.messages), (1, []))

    def test_notPausedDuringTheHandshake(self) -> None:
        """
        While the source is held a handshake can still be done; then the connection is paused like the others.
        """
        self.throttle.hold("store")
        client, transport = self.client(self.source())
        self.assertEqual(transport.producerState, "producing")
        client.shakeHands()
        self.assertEqual(transport.producerState, "paused")
        client.protocol.connectionLost(Failure(ConnectionDone()))

    def test_farewell(self) -> None:
        """
        At the end a peer gets a close_notify, and what it has under way is still taken.
        """
        source = self.source()
        client, _ = self.client(source)
        client.shakeHands()
        ended = source.stop()
        client.send(b"last words\n")
        self.assertEqual(client.tls.read(), b"")
        client.protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)
        self.assertEqual(self.route.messages, [b"last words"])

    def test_farewellDuringTheHandshake(self) -> None:
        """
        A client whose side of the handshake is done may have sent messages before ours is.
        """
        source = self.source()
        client, transport = self.client(source)
        self.assertRaises(ssl.SSLWantReadError, client.tls.do_handshake)
        client.exchange()
        client.tls.do_handshake()
        client.tls.write(b"one\ntwo\n")
        ended = source.stop()
        self.assertFalse(transport.disconnecting)
        client.exchange()
        self.assertEqual(self.route.messages, [b"one", b"two"])
        client.send(b"last words\n")
        self.assertEqual(client.tls.read(), b"")
        client.protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)
        self.assertEqual(self.route.messages, [b"one", b"two", b"last words"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_farewellWithoutAHandshake(self) -> None:
        """
        A client that does not come through its handshake keeps the end waiting for no longer than the farewell.
        """
        source = self.source()
        client, transport = self.client(source)
        ended = source.stop()
        self.reactor.advance(FAREWELL - 0.01)
        self.assertFalse(transport.disconnecting)
        self.reactor.advance(0.01)
        self.assertTrue(transport.disconnecting)
        client.protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)


class LoopbackTests(TestCase):
    """
    Real sockets and the real reactor.
    """

    timeout = 20

    def setUp(self) -> None:
        self.route = KeptRoute()
        self.throttle = Throttle()
        self.counters = SourceCounters()

    def started(self, settings: SourceSettings, tls: ServerCreator | None = None) -> StreamSource:
        """
        A source that runs until the end of the test.
        """
        from twisted.internet import reactor

        source = StreamSource(reactor, settings, self.route, self.throttle, self.counters, b"me", openSocket, tls)
        source.bind()
        source.start()
        self.addCleanup(source.stop)
        return source

    def client(self, source: StreamSource) -> socket.socket:
        """
        A connected client.
        """
        [address] = source.listening
        if isinstance(address, UNIXAddress):
            client = socket.socket(socket.AF_UNIX)
            client.connect(os.fsdecode(address.name or b""))
        else:
            assert isinstance(address, IPv4Address | IPv6Address)
            client = socket.create_connection((address.host, address.port), timeout=5)
        self.addCleanup(client.close)
        return client

    async def exchange(self, settings: SourceSettings) -> Batch:
        """
        Send two messages over a connection, and see them arrive.
        """
        client = self.client(self.started(settings))
        client.sendall(b"<13>one\n<13>two")
        client.close()
        self.assertEqual(await self.route.whenReceived(2), [b"<13>one", b"<13>two"])
        return self.route.batches[0]

    async def checkTCP(self) -> None:
        batch = await self.exchange(listening("tcp:0:interface=127.0.0.1"))
        self.assertEqual(batch.origin.host, b"127.0.0.1")

    def test_tcp(self) -> Deferred[None]:
        """
        TCP over IPv4.
        """
        return Deferred.fromCoroutine(self.checkTCP())

    async def checkTCP6(self) -> None:
        batch = await self.exchange(listening(r"tcp:0:interface=\:\:1"))
        self.assertEqual(batch.origin.host, b"::1")

    def test_tcp6(self) -> Deferred[None]:
        """
        TCP over IPv6.
        """
        return Deferred.fromCoroutine(self.checkTCP6())

    async def checkUnix(self) -> None:
        batch = await self.exchange(listening(f"unix:{folder(self)}/log"))
        self.assertEqual(batch.origin, Origin(batch.origin.source, b"me", local=True))

    def test_unix(self) -> Deferred[None]:
        """
        A UNIX stream.
        """
        return Deferred.fromCoroutine(self.checkUnix())

    async def checkReset(self) -> None:
        source = self.started(listening("tcp:0:interface=127.0.0.1"))
        for _ in range(3):
            client = self.client(source)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        self.client(source).sendall(b"one\n")
        self.assertEqual(await self.route.whenReceived(1), [b"one"])

    def test_reset(self) -> Deferred[None]:
        """
        Peers that reset their connections before they are accepted harm nobody.
        """
        return Deferred.fromCoroutine(self.checkReset())

    async def checkPause(self) -> None:
        from twisted.internet import reactor
        from twisted.internet.task import deferLater

        self.route.onDeliver = lambda batch: self.throttle.hold("store")
        client = self.client(self.started(listening("tcp:0:interface=127.0.0.1")))
        client.sendall(b"one\n")
        await self.route.whenReceived(1)
        client.sendall(b"two\n")
        await deferLater(reactor, 0.05)
        self.assertEqual(self.route.messages, [b"one"])
        self.throttle.release("store")
        self.assertEqual(await self.route.whenReceived(2), [b"one", b"two"])

    def test_pause(self) -> Deferred[None]:
        """
        A held connection is not read, and nothing of it is lost.
        """
        return Deferred.fromCoroutine(self.checkPause())

    async def checkStop(self) -> None:
        source = self.started(listening("tcp:0:interface=127.0.0.1"))
        client = self.client(source)
        client.sendall(b"one\n")
        await self.route.whenReceived(1)
        [address] = source.listening
        assert isinstance(address, IPv4Address)
        ended = source.stop()
        client.sendall(b"two\n")
        client.close()
        await ended
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertRaises(ConnectionRefusedError, socket.create_connection, (address.host, address.port), 5)

    def test_stop(self) -> Deferred[None]:
        """
        At the end what a peer has under way is taken, then the port is free.
        """
        return Deferred.fromCoroutine(self.checkStop())

    def test_stopWithIdlePeer(self) -> Deferred[None]:
        """
        An idle peer that does not react keeps the end waiting for no longer than the farewell.
        """
        source = self.started(listening("tcp:0:interface=127.0.0.1"))
        client = self.client(source)
        client.sendall(b"one\n")

        def stop(messages: list[bytes]) -> Deferred[None]:
            return source.stop()

        return self.route.whenReceived(1).addCallback(stop)

    async def checkTLS(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("relay.example.com")
        source = self.started(listening("tls:0:interface=127.0.0.1"), ServerCreator(certificate))
        context = ssl.create_default_context()
        authority.configure_trust(context)
        answers: list[bytes] = []
        plain = self.client(source)

        def talk() -> None:
            with context.wrap_socket(plain, server_hostname="relay.example.com") as client:
                client.sendall(b"one\n")
                answers.append(client.recv(1))
                client.sendall(b"two\n")
                client.unwrap()

        thread = Thread(target=talk)
        thread.start()
        self.addCleanup(thread.join)
        await self.route.whenReceived(1)
        await source.stop()
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.assertEqual(answers, [b""])

    def test_tls(self) -> Deferred[None]:
        """
        TLS: at the end the client gets a close_notify, and what it has under way is still taken.
        """
        return Deferred.fromCoroutine(self.checkTLS())


class BindTests(SynchronousTestCase):
    """
    Binding.
    """

    def test_cannotListen(self) -> None:
        """
        A source that can't be bound says so, and stops without complaint.
        """
        reactor = MemoryReactorClock()
        settings = listening("tcp:0:interface=192.0.2.1")
        source = StreamSource(reactor, settings, KeptRoute(), Throttle(), SourceCounters(), b"me", openSocket)
        self.assertRaises(CannotListen, source.bind)
        self.successResultOf(source.stop())


class TapTests(SynchronousTestCase):
    """
    L{Tap}: a transport that rests, and that the throttle holds.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = StringTransport()
        self.tap = Tap(self.clock, self.transport, LARGE_READ)

    def test_rests(self) -> None:
        """
        After a read that brought much it rests for a moment; not after a small one, nor after a full one, behind which
        more is waiting.
        """
        for size in (1, MUCH - 1, LARGE_READ, LARGE_READ, 1):
            self.tap.rest(size)
            self.assertEqual(self.transport.producerState, "producing")
        self.tap.rest(MUCH)
        self.tap.rest(MUCH)
        self.assertEqual(self.transport.producerState, "paused")
        self.clock.advance(MOMENT)
        self.assertEqual((self.transport.producerState, self.clock.getDelayedCalls()), ("producing", []))

    def test_plenty(self) -> None:
        """
        It does not rest after reads that brought plenty together, though the last one was not full; after the next such
        read it does.
        """
        for size in (LARGE_READ, MUCH, PLENTY):
            self.tap.rest(size)
            self.assertEqual(self.transport.producerState, "producing")
        self.tap.rest(MUCH)
        self.assertEqual(self.transport.producerState, "paused")

    def test_held(self) -> None:
        """
        The end of the rest does not read what the throttle holds, nor does the throttle end the rest.
        """
        self.tap.rest(MUCH)
        self.tap.pauseProducing()
        self.clock.advance(MOMENT)
        self.assertEqual(self.transport.producerState, "paused")
        self.tap.resumeProducing()
        self.assertEqual(self.transport.producerState, "producing")
        self.tap.rest(MUCH)
        self.tap.pauseProducing()
        self.tap.resumeProducing()
        self.assertEqual(self.transport.producerState, "paused")
        self.clock.advance(MOMENT)
        self.assertEqual(self.transport.producerState, "producing")

    def test_stopped(self) -> None:
        """
        At the end of the connection no call is left.
        """
        self.tap.rest(MUCH)
        self.tap.stopProducing()
        self.tap.stopProducing()
        self.assertEqual(self.clock.getDelayedCalls(), [])
