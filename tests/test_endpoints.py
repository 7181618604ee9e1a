"""
Tests for L{logrelay.endpoints}: in memory, and over loopback.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.config import DestinationSettings, TLSSettings
from logrelay.endpoints import LimitedEndpoint, endpointFor
from logrelay.errors import NotVerified
from logrelay.reasons import ConnectTimeout, TLSTimeout, reasonOf, textOf
from logrelay.resolver import PoolResolver
from logrelay.servers import Server
from logrelay.tls import ClientTLS, tlsFactory

from .certificates import Certificate, Folder
from .ends import SECRET, Far, Near, Recording, Showing
from .tlscases import BAD, GOOD, ROOT, VERSIONS, Case, serverContext

SHOWN = ROOT.issue("logs.example.com")


class Names:
    """
    A name server, and the threads and the reactor of those who ask it.
    """

    def __init__(self) -> None:
        self.table: dict[str, list[str]] = {}
        self.silent = False
        self.resolver = PoolResolver(
            self,  # type: ignore[arg-type]
            getaddrinfo=self.getaddrinfo,
            startThread=self.startThread,
        )
        self.resolver.start()

    def getaddrinfo(self, name: str, port: int, *rest: Any) -> Sequence[tuple[Any, ...]]:
        """
        As C{socket.getaddrinfo}.
        """
        kinds = [(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in self.table.get(name, ())]
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in kinds]

    def startThread(self, work: Callable[[], None]) -> None:
        """
        Work at once, or never.
        """
        if not self.silent:
            work()

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        """
        See ``IReactorFromThreads``.
        """
        function(*arguments)


def settingsFor(**more: Any) -> DestinationSettings:
    """
    A destination's settings.
    """
    return DestinationSettings("central", (), **more)


class AddressTests(SynchronousTestCase):
    """
    What C{endpointFor} makes of servers, with a clock and without sockets.
    """

    def setUp(self) -> None:
        """
        A reactor, on which in the end no call may be left.
        """
        self.reactor = MemoryReactorClock()
        self.names = Names()
        self.near = Recording(Near)
        self.addCleanup(lambda: self.assertEqual(self.reactor.getDelayedCalls(), []))

    def connect(self, host: str, **settings: Any) -> Deferred[IProtocol]:
        """
        Begin an attempt.
        """
        endpoint = endpointFor(self.reactor, Server(host, 6514), settingsFor(**settings), self.names.resolver, None)
        verifyObject(IStreamClientEndpoint, endpoint)
        attempt: Deferred[IProtocol] = endpoint.connect(self.near)
        return attempt

    def tried(self) -> list[tuple[str, int]]:
        """
        The addresses tried so far.
        """
        return [client[:2] for client in self.reactor.tcpClients]

    def refuse(self, number: int) -> None:
        """
        One of them refuses.
        """
        factory = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(self.reactor.connectors[number], Failure(ConnectionRefusedError(111)))

    def accept(self, number: int) -> None:
        """
        One of them accepts.
        """
        factory: Any = self.reactor.tcpClients[number][2]
        factory.buildProtocol(None).makeConnection(StringTransport())

    def test_literals(self) -> None:
        """
        Addresses are connected to as they are, from the local address if one is set.
        """
        for host, localip, bindAddress in (
            ("127.0.0.1", "", None),
            ("127.0.0.1", "127.0.0.3", ("127.0.0.3", 0)),
            ("::1", "", None),
            ("::1", "::2", ("::2", 0)),
        ):
            attempt = self.connect(host, localip=localip)
            self.assertEqual(self.tried()[-1], (host, 6514))
            self.assertEqual(self.reactor.tcpClients[-1][4], bindAddress)
            self.accept(len(self.reactor.tcpClients) - 1)
            self.assertIsInstance(self.successResultOf(attempt), Near)

    def test_name(self) -> None:
        """
        Of a name all addresses are tried, the next one soon after the one before, and the first that accepts is used.
        """
        self.names.table["logs"] = ["192.0.2.1", "2001:db8::2", "192.0.2.3"]
        attempt = self.connect("logs", localip="192.0.2.9")
        self.assertEqual(self.tried(), [("192.0.2.1", 6514)])
        self.reactor.advance(0.1)
        self.assertEqual(self.tried()[1:], [("2001:db8::2", 6514)])
        self.assertEqual(self.reactor.tcpClients[1][4], ("192.0.2.9", 0))
        self.accept(1)
        self.assertIsInstance(self.successResultOf(attempt), Near)
        self.assertEqual(len(self.tried()), 2)
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)

    def test_anyName(self) -> None:
        """
        A name with an underscore is looked up as any other.
        """
        self.names.table["log_server"] = ["192.0.2.1"]
        attempt = self.connect("log_server")
        self.accept(0)
        self.successResultOf(attempt)

    def test_lookedUpAnew(self) -> None:
        """
        Each attempt looks the name up.
        """
        self.names.table["logs"] = ["192.0.2.1"]
        endpoint = endpointFor(self.reactor, Server("logs", 6514), settingsFor(), self.names.resolver, None)
        for number, address in enumerate(("192.0.2.1", "192.0.2.2")):
            self.names.table["logs"] = [address]
            attempt = endpoint.connect(self.near)
            self.assertEqual(self.tried()[number:], [(address, 6514)])
            self.accept(number)
            self.successResultOf(attempt)

    def test_allRefuse(self) -> None:
        """
        When all addresses refuse, the server does, soon after the last one.
        """
        self.names.table["logs"] = ["192.0.2.1", "192.0.2.2"]
        attempt = self.connect("logs")
        self.refuse(0)
        self.reactor.advance(0.1)
        self.refuse(1)
        self.reactor.advance(0.1)
        failure = self.failureResultOf(attempt)
        self.assertEqual((reasonOf(failure), textOf(failure)), ("refused", "Connection refused"))

    def test_noAddress(self) -> None:
        """
        A name without addresses.
        """
        failure = self.failureResultOf(self.connect("logs"))
        self.assertEqual(reasonOf(failure), "dns")

    def test_oneLimit(self) -> None:
        """
        There is one time limit for the look-up and all addresses together.
        """
        self.names.table["logs"] = ["192.0.2.1", "192.0.2.2"]
        for host, tried in (("logs", 2), ("192.0.2.3", 3)):
            attempt = self.connect(host, connectTimeout=2)
            self.reactor.pump([0.1] * 19)
            self.assertNoResult(attempt)
            self.reactor.advance(0.11)
            failure = self.failureResultOf(attempt, ConnectTimeout)
            self.assertEqual((reasonOf(failure), textOf(failure)), ("connect-timeout", "not connected within 2 s"))
            self.assertEqual(len(self.tried()), tried)
        for connector in self.reactor.connectors:
            self.assertTrue(connector.stoppedConnecting)

    def test_silentNameServer(self) -> None:
        """
        It holds for the look-up too.  The next attempt fails at once while the look-up still hangs.
        """
        self.names.silent = True
        attempt = self.connect("logs")
        self.reactor.advance(10)
        failure = self.failureResultOf(attempt, ConnectTimeout)
        self.assertEqual(reasonOf(failure), "connect-timeout")
        self.assertEqual(reasonOf(self.failureResultOf(self.connect("logs"))), "dns")

    def test_cancel(self) -> None:
        """
        Cancelled, an attempt stops wherever it is.
        """
        self.names.table["logs"] = ["192.0.2.1", "192.0.2.2"]
        for host in ("logs", "192.0.2.3"):
            attempt = self.connect(host)
            self.reactor.advance(0.1)
            attempt.cancel()
            self.failureResultOf(attempt)
        for connector in self.reactor.connectors:
            self.assertTrue(connector.stoppedConnecting)
        self.names.silent = True
        attempt = self.connect("logs")
        attempt.cancel()
        self.failureResultOf(attempt)

    def test_thenTLS(self) -> None:
        """
        With TLS the time limit for connecting ends when the connection stands, and that of TLS begins.
        """
        tls = ClientTLS(GOOD["name"].settings(Folder(self.mktemp())), lambda warning: None)
        settings = settingsFor(connectTimeout=3, tlsTimeout=5)
        endpoint = endpointFor(self.reactor, Server("127.0.0.1", 6514), settings, self.names.resolver, tls)
        attempt = endpoint.connect(self.near)
        self.reactor.advance(2)
        transport = StringTransport()
        factory: Any = self.reactor.tcpClients[0][2]
        factory.buildProtocol(None).makeConnection(transport)
        self.reactor.advance(4.9)
        self.assertNoResult(attempt)
        self.assertFalse(transport.disconnected)
        self.reactor.advance(0.1)
        self.failureResultOf(attempt, TLSTimeout)
        self.assertTrue(transport.disconnected)

    def test_limited(self) -> None:
        """
        L{LimitedEndpoint} is an endpoint.
        """
        inner = TCP4ClientEndpoint(self.reactor, "127.0.0.1", 1)
        verifyObject(IStreamClientEndpoint, LimitedEndpoint(self.reactor, inner, 1))


class LoopbackTests(TestCase):
    """
    C{endpointFor} over real sockets.
    """

    timeout = 60

    def setUp(self) -> None:
        """
        The real reactor.
        """
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.names = Names()
        self.near = Recording(Near)
        self.far = Recording(Far)
        self.folder = Folder(self.mktemp())

    def listen(self, factory: IProtocolFactory) -> int:
        """
        A server; which port it has.
        """
        port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def listenTLS(self, shows: Certificate, version: int) -> int:
        """
        A server that speaks TLS.
        """
        context = serverContext(self.folder, shows, version)
        return self.listen(tlsFactory(Showing(context), False, self.far, self.reactor))

    def connect(self, host: str, port: int, tls: TLSSettings | None = None, **settings: Any) -> Deferred[Any]:
        """
        One attempt.
        """
        client = None if tls is None else ClientTLS(tls, lambda warning: None)
        endpoint = endpointFor(self.reactor, Server(host, port), settingsFor(**settings), self.names.resolver, client)
        attempt: Deferred[Any] = endpoint.connect(self.near)
        return attempt

    @inlineCallbacks
    def hangUp(self, protocol: Near) -> Generator[Deferred[Any], Any, None]:
        """
        End a connection, from both sides.
        """
        protocol.transport.loseConnection()
        yield self.far.built[-1].lost

    def cases(self, table: dict[str, Case]) -> Generator[tuple[str, Case, int, TLSSettings], None, None]:
        """
        All of them that IPv4 can do, with a server for each.
        """
        for name, case in table.items():
            if ":" not in case.server.host:
                self.names.table[case.server.host] = ["127.0.0.1"]
                for version, number in VERSIONS.items():
                    port = self.listenTLS(case.shows, number)
                    yield f"{name}, {version}", case, port, case.settings(self.folder)

    @inlineCallbacks
    def test_refused(self) -> Generator[Deferred[Any], Any, None]:
        """
        A bad server gets nothing.
        """
        for where, case, port, tls in self.cases(BAD):
            failure = yield self.assertFailure(self.connect(case.server.host, port, tls), NotVerified)
            self.assertIn(case.refusal, str(failure), where)
            yield self.far.built[-1].lost
            self.assertEqual((self.near.built, self.far.built[-1].received), ([], b""), where)

    @inlineCallbacks
    def test_accepted(self) -> Generator[Deferred[Any], Any, None]:
        """
        A good one gets everything.
        """
        for where, case, port, tls in self.cases(GOOD):
            protocol = yield self.connect(case.server.host, port, tls)
            yield self.hangUp(protocol)
            self.assertEqual(self.far.built[-1].received, SECRET, where)

    @inlineCallbacks
    def test_acknowledgedBytes(self) -> Generator[Deferred[Any], Any, None]:
        """
        Everything that went over the wire was counted, and all plain text in it.
        """
        tls = GOOD["name"].settings(self.folder)
        self.names.table["logs.example.com"] = ["127.0.0.1"]
        for version in VERSIONS.values():
            protocol = yield self.connect("logs.example.com", self.listenTLS(SHOWN, version), tls)
            connection = protocol.transport.getHandle()
            protocol.transport.write(b"x" * 100000)
            yield self.hangUp(protocol)
            self.assertEqual(len(self.far.built[-1].received), len(SECRET) + 100000)
            self.assertEqual(connection.plainAcked(connection.cipherOut), len(SECRET) + 100000)

    @inlineCallbacks
    def test_deadAddress(self) -> Generator[Deferred[Any], Any, None]:
        """
        A name whose first address is dead is connected by its second.
        """
        port = self.listen(self.far)
        self.names.table["logs"] = ["127.0.0.2", "127.0.0.1"]
        protocol = yield self.connect("logs", port)
        yield self.hangUp(protocol)
        self.assertEqual(self.far.built[-1].received, SECRET)

    @inlineCallbacks
    def test_localip(self) -> Generator[Deferred[Any], Any, None]:
        """
        Connections come from the local address that is set; one that is not ours is no way to reach anything.
        """
        port = self.listen(self.far)
        self.names.table["logs"] = ["127.0.0.1"]
        for host in ("logs", "127.0.0.1"):
            protocol = yield self.connect(host, port, localip="127.0.0.3")
            self.assertEqual(protocol.transport.getHost().host, "127.0.0.3")
            yield self.hangUp(protocol)
        failures: list[Failure] = []
        yield self.connect("127.0.0.1", port, localip="192.0.2.1").addErrback(failures.append)
        self.assertEqual([reasonOf(failure) for failure in failures], ["unreachable"])

    @inlineCallbacks
    def test_refusedPort(self) -> Generator[Deferred[Any], Any, None]:
        """
        Nobody listens.
        """
        port = self.reactor.listenTCP(0, self.far, interface="127.0.0.1")
        number = port.getHost().port
        yield port.stopListening()
        failures: list[Failure] = []
        yield self.connect("127.0.0.1", number).addErrback(failures.append)
        self.assertEqual([reasonOf(failure) for failure in failures], ["refused"])

    @inlineCallbacks
    def test_silent(self) -> Generator[Deferred[Any], Any, None]:
        """
        A server that never answers is left, and no socket with it.
        """
        tls = GOOD["name"].settings(self.folder)
        attempt = self.connect("127.0.0.1", self.listen(self.far), tls, tlsTimeout=0.05)
        yield self.assertFailure(attempt, TLSTimeout)
        yield self.far.built[-1].lost
        self.assertEqual(self.near.built, [])

    @inlineCallbacks
    def test_startAndStop(self) -> Generator[Deferred[Any], Any, None]:
        """
        The factory is told of the use that is made of it.
        """
        told: list[str] = []
        self.near.startFactory = lambda: told.append("start")  # type: ignore[method-assign]
        self.near.stopFactory = lambda: told.append("stop")  # type: ignore[method-assign]
        self.names.table["logs.example.com"] = ["127.0.0.1"]
        port = self.listenTLS(SHOWN, SSL.TLS1_3_VERSION)
        protocol = yield self.connect("logs.example.com", port, GOOD["name"].settings(self.folder))
        self.assertEqual(told, ["start"])
        yield self.hangUp(protocol)
        while protocol.reason is None:
            pause: Deferred[None] = Deferred()
            self.reactor.callLater(0, pause.callback, None)
            yield pause
        self.assertEqual(told, ["start", "stop"])
