"""
RELP at a source.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay import events
from logrelay.batches import Origin
from logrelay.config import MIB, BufferSettings, SourceTLSSettings
from logrelay.relpclient import Accepted, ClientSession, Ended, Event, Opened, Refused
from logrelay.service import LogRelayService
from logrelay.sources import ISource
from logrelay.sources.connection import FAREWELL
from logrelay.sources.factory import sourceFor
from logrelay.sources.flow import STEP
from logrelay.sources.relp import MOST_UNANSWERED, REFUSED
from logrelay.sources.stream import StreamSource

from .certificates import Authority, Folder
from .loopback import scripted
from .relays import RelayCase, addressOf, counted, destination, heard, numbered, source
from .relpcases import OPEN, OPENED, answers, syslogs
from .sourcing import KeptRoute, listening, logged
from .test_sources_stream import PeerTransport, StreamCase

END = b"0 serverclose 0\n"


class FlowTests(StreamCase):
    """
    One connection, on a clock.
    """

    def source(self, **options: object) -> StreamSource:
        """
        A source that listens.
        """
        settings = listening("tcp:0:interface=127.0.0.1", type="relp", **options)
        source = sourceFor(self.reactor, settings, self.route, self.throttle, self.counters, b"me")
        assert isinstance(source, StreamSource)
        verifyObject(ISource, source)
        source.bind()
        self.addCleanup(source.stop)
        source.start()
        return source

    def opened(self, source: StreamSource | None = None) -> tuple[Any, PeerTransport]:
        """
        A connection with an open session.
        """
        protocol, transport = self.connect(source or self.source())
        protocol.dataReceived(OPEN)
        self.assertEqual(transport.value(), OPENED)
        transport.clear()
        return protocol, transport

    def test_messages(self) -> None:
        """
        Messages are delivered as they become whole, as those of a sender that is told, and counted.
        """
        protocol, _ = self.opened()
        protocol.dataReceived(syslogs(2, b"<13>one", b"<13>two")[:-3])
        protocol.dataReceived(b"wo\n"[-3:])
        self.assertEqual(self.route.messages, [b"<13>one", b"<13>two"])
        origin = Origin("tcp:0:interface=127.0.0.1", b"192.0.2.7", answered=True)
        self.assertEqual({batch.origin for batch in self.route.batches}, {origin})
        self.assertEqual((self.counters.received, self.counters.connections), (2, 1))

    def test_answeredWhenAccepted(self) -> None:
        """
        A message is answered when every store has it and not before, however late that is and in whatever order.
        """
        self.route.answer = None
        protocol, transport = self.opened()
        protocol.dataReceived(syslogs(2, b"one", b"two"))
        protocol.dataReceived(syslogs(4, b"three"))
        self.assertEqual(transport.value(), b"")
        first, second = self.route.waiting
        second(True)
        self.assertEqual(transport.value(), answers(4))
        first(True)
        self.assertEqual(transport.value(), answers(4, 2, 3))

    def test_afterTheEnd(self) -> None:
        """
        What is accepted when the connection has ended is not answered.
        """
        self.route.answer = None
        protocol, transport = self.opened()
        protocol.dataReceived(syslogs(2, b"one"))
        protocol.connectionLost(Failure(ConnectionDone()))
        self.route.waiting[0](True)
        self.assertEqual(transport.value(), b"")

    def test_emptyMessages(self) -> None:
        """
        Empty messages are answered, and that is all.
        """
        protocol, transport = self.opened()
        protocol.dataReceived(b"2 syslog 0\n" + syslogs(3, b"\n"))
        self.assertEqual((transport.value(), self.route.batches), (answers(2, 3), []))

    def test_givenUp(self) -> None:
        """
        What a destination gives up for its length is refused, and its neighbours are not.
        """
        self.route = KeptRoute(certain=10)
        self.route.answer = None
        protocol, transport = self.opened()
        protocol.dataReceived(syslogs(2, b"short", b"a longer one", b"short", b"short"))
        self.assertEqual([batch.count for batch in self.route.batches], [1, 1, 2])
        for accepted, taken in zip(self.route.waiting, (True, False, True), strict=True):
            accepted(taken)
        refused = answers(3, text=b"500 " + REFUSED.encode())
        self.assertEqual(transport.value(), answers(2) + refused + answers(4, 5))

    def test_anotherLimit(self) -> None:
        """
        Which messages are answered by themselves is asked anew each time: a route may lead elsewhere by then.
        """
        self.route = KeptRoute(certain=100)
        protocol, _ = self.opened()
        protocol.dataReceived(syslogs(2, b"short", b"a longer one"))
        self.route.certain = 10
        protocol.dataReceived(syslogs(4, b"short", b"a longer one"))
        self.assertEqual([batch.count for batch in self.route.batches], [2, 1, 1])

    def test_nonsense(self) -> None:
        """
        A client that makes no sense is told the end after the answers to what did, which is counted and said once a
        minute; it has a moment to end its side.
        """
        lines = logged(self)
        source = self.source()
        for _ in range(3):
            protocol, transport = self.opened(source)
            protocol.dataReceived(syslogs(2, b"one") + b"nonsense")
            protocol.dataReceived(b"more of it")
            self.assertEqual(transport.value(), answers(2) + END)
            self.assertEqual((transport.writeDisconnecting, transport.disconnected), (True, False))
            self.reactor.advance(FAREWELL)
            self.assertTrue(transport.disconnected)
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.route.messages, [b"one"] * 3)
        self.assertEqual(self.counters.badFrames, 3)
        [line] = lines
        self.assertIn("closed the connection of 192.0.2.7: no RELP frame: nonsense", line)

    def test_close(self) -> None:
        """
        A client that closes gets the answers that are missing, and then the end.
        """
        self.route.answer = None
        protocol, transport = self.opened()
        protocol.dataReceived(syslogs(2, b"one") + b"3 close 0\n")
        self.assertEqual((transport.value(), transport.writeDisconnecting), (b"", False))
        self.route.waiting[0](True)
        self.assertEqual(transport.value(), answers(2) + b"3 rsp 0\n" + END)
        self.assertTrue(transport.writeDisconnecting)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        When the source stops, what was taken is still answered, then comes the end; nothing more is taken.
        """
        self.route.answer = None
        source = self.source()
        protocol, transport = self.opened(source)
        protocol.dataReceived(syslogs(2, b"one"))
        ended = source.stop()
        protocol.dataReceived(syslogs(3, b"two"))
        self.assertEqual((transport.value(), transport.writeDisconnecting), (b"", False))
        self.route.waiting[0](True)
        self.assertEqual((transport.value(), transport.writeDisconnecting), (answers(2) + END, True))
        self.assertNoResult(ended)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)
        self.assertEqual((self.route.messages, self.reactor.getDelayedCalls()), ([b"one"], []))

    def test_stopWithoutAnswers(self) -> None:
        """
        A stop does not wait for ever for stores that do not say whether they have a message.
        """
        self.route.answer = None
        source = self.source()
        protocol, transport = self.opened(source)
        protocol.dataReceived(syslogs(2, b"one"))
        ended = source.stop()
        self.reactor.advance(FAREWELL)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(ended)

    def test_mostUnanswered(self) -> None:
        """
        A client with too many messages without an answer is not read until half of them have one.
        """
        self.route.answer = None
        protocol, transport = self.opened()
        half = MOST_UNANSWERED // 2
        for first in (2, 2 + half):
            protocol.dataReceived(syslogs(first, *[b"x"] * half))
        self.assertEqual(transport.producerState, "producing")
        protocol.dataReceived(syslogs(2 + 2 * half, b"x"))
        self.assertEqual(transport.producerState, "paused")
        for accepted in self.route.waiting:
            self.assertEqual(transport.producerState, "paused")
            accepted(True)
            if transport.value().count(b"\n") > half:
                break
        self.assertEqual(transport.producerState, "producing")

    def test_unreadAnswers(self) -> None:
        """
        A client that does not read its answers is not read, nor if the throttle lets it.
        """
        _, transport = self.opened()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        self.throttle.hold("store")
        self.throttle.release("store")
        self.assertEqual(transport.producerState, "paused")
        transport.producer.resumeProducing()
        self.assertEqual(transport.producerState, "producing")

    def test_noRest(self) -> None:
        """
        A client that waits for answers is read at once, however much a read has brought.
        """
        protocol, transport = self.opened()
        protocol.dataReceived(syslogs(2, *[b"x" * 1000] * 10))
        self.assertEqual(transport.producerState, "producing")

    def test_remainderIsHeld(self) -> None:
        """
        The route is told, in steps, how many bytes of an unfinished frame are kept, and at the end that there are none.
        """
        protocol, _ = self.opened()
        protocol.dataReceived(b"2 syslog 9 123")
        self.assertEqual(self.route.held, STEP)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.route.held, 0)

    def test_overlong(self) -> None:
        """
        A message that is too long keeps its head and is answered; it is counted and said.
        """
        lines = logged(self)
        protocol, transport = self.opened(self.source(maxMessageSize=500))
        protocol.dataReceived(syslogs(2, b"x" * 501, b"y"))
        self.assertEqual(self.route.messages, [b"x" * 500, b"y"])
        self.assertEqual((self.counters.overlong, transport.value()), (1, answers(2, 3)))
        self.assertIn("a message of 192.0.2.7 was longer than max-message-size", lines[0])

    def test_tooManyConnections(self) -> None:
        """
        More than ``max-connections`` are not served.
        """
        source = self.source(maxConnections=1)
        self.opened(source)
        self.accept(source)
        self.assertEqual((self.counters.refused, len(self.reactor.adoptedStreamConnections)), (1, 1))


class Client(Protocol):
    """
    A RELP client.

    :ivar answered: what became of each message, by its number: 200, or another code.
    """

    transport: Any

    def __init__(self) -> None:
        self.session = ClientSession()
        self.events: list[Event] = []
        self.answered: dict[int, int] = {}
        self.gone = False

    def connectionMade(self) -> None:
        """
        Open the session.
        """
        self.transport.write(self.session.open())

    def send(self, messages: list[bytes]) -> None:
        """
        Send all at once.
        """
        self.transport.write(self.session.frames(counted(messages), len(messages)))

    def dataReceived(self, data: bytes) -> None:
        """
        Keep account.
        """
        for event in self.session.receive(data):
            match event:
                case Accepted():
                    self.answered.update(dict.fromkeys(range(event.first, event.first + event.count), 200))
                case Refused():
                    self.answered[event.number] = event.code
                case _:
                    self.events.append(event)
        assert self.session.error is None, self.session.error

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.gone = True


@implementer(IOpenSSLClientConnectionCreator)
class Trusting:
    """
    Makes the client's side of TLS connections, with any server.
    """

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLClientConnectionCreator``.
        """
        return SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)


class RelayTests(RelayCase):
    """
    A relay on loopback, with a RELP source.
    """

    async def client(self, relay: LogRelayService, tls: bool = False) -> Client:
        """
        A client whose session is open.
        """
        host, port = addressOf(relay)
        endpoint: Any = TCP4ClientEndpoint(reactor, host, port)
        if tls:
            endpoint = wrapClientTLS(Trusting(), endpoint)
        factory = Factory.forProtocol(Client)
        factory.noisy = False
        client: Any = await endpoint.connect(factory)
        self.addCleanup(lambda: client.gone or client.transport.abortConnection())
        await self.until(lambda: client.events == [Opened()])
        assert isinstance(client, Client)
        return client

    def relp(self, text: str = "tcp:0:interface=127.0.0.1", **options: Any) -> Any:
        """
        The settings of a RELP source.
        """
        return source(text, type="relp", **options)

    async def relayed(self, relay: LogRelayService, server: Any, tls: bool = False) -> None:
        """
        Thousands of messages are answered, and arrive in order; a stop of the relay ends the session.
        """
        client, sent = await self.client(relay, tls), numbered(5000, 200)
        client.send(sent)
        await self.until(lambda: len(client.answered) == len(sent))
        self.assertEqual(client.answered, dict.fromkeys(range(2, 5002), 200))
        self.assertEqual(await self.arrived(server, len(sent)), sent)
        await relay.stopService()
        await self.until(lambda: client.gone)
        self.assertEqual(client.events, [Opened(), Ended()])

    @scripted
    async def test_tcp(self) -> None:
        """
        Over TCP.
        """
        server = self.server()
        await self.relayed(self.relay([destination(server)], [self.relp()]), server)

    @scripted
    async def test_tls(self) -> None:
        """
        Over TLS.
        """
        folder = Folder(self.mktemp())
        shown = Authority.root().issue("127.0.0.1")
        files = SourceTLSSettings(folder.write("cert.pem", shown.certPEM), folder.write("key.pem", shown.keyPEM))
        server = self.server()
        relay = self.relay([destination(server)], [self.relp("tls:0:interface=127.0.0.1")], files)
        await self.relayed(relay, server, tls=True)

    @scripted
    async def test_windowOfOne(self) -> None:
        """
        A client that waits for each answer before it sends on gets each.
        """
        server = self.server()
        client, sent = await self.client(self.relay([destination(server)], [self.relp()])), numbered(100)
        for message in sent:
            client.send([message])
            await self.until(lambda: not client.session.outstanding)
        self.assertEqual(await self.arrived(server, len(sent)), sent)

    @scripted
    async def test_close(self) -> None:
        """
        A client that closes gets its answers and the end.
        """
        server = self.server()
        client = await self.client(self.relay([destination(server)], [self.relp()]))
        client.send([b"<13>one"])
        client.transport.write(client.session.close())
        await self.until(lambda: client.gone)
        self.assertEqual((client.events, client.answered), ([Opened(), Ended()], {2: 200}))

    async def full(self, overflow: str) -> None:
        """
        Into a store that is full, with a server that does not read.
        """
        server = self.server()
        server.stall()
        settings = destination(server, buffer=BufferSettings(4 * MIB, overflow))
        relay = self.relay([settings], [self.relp()])
        told = heard(relay)
        # The kernel takes some megabytes between the relay and the server that does not read.
        client, sent = await self.client(relay), numbered(20_000, 1000)
        client.send(sent)
        await self.until(lambda: any(isinstance(each, events.SourcePaused) for each in told))
        self.assertLess(len(client.answered), len(sent))
        server.resume()
        await self.until(lambda: len(client.answered) == len(sent))
        self.assertEqual(set(client.answered.values()), {200})
        await self.arrived(server, len(sent))
        self.assertEqual(server.messages, sent)
        _, feed = relay.snapshot().sources
        self.assertEqual(feed.counters.dropped, {})

    @scripted
    async def test_fullBlocks(self) -> None:
        """
        A source whose destination is full waits.
        """
        await self.full("block")

    @scripted
    async def test_fullDropsNewest(self) -> None:
        """
        So it does where the policy is to drop the newest: nothing that was answered is dropped.
        """
        await self.full("drop-newest")

    @scripted
    async def test_fullDropsOldest(self) -> None:
        """
        And where it is to drop the oldest.
        """
        await self.full("drop-oldest")

    @scripted
    async def test_oversize(self) -> None:
        """
        A message that a destination gives up for its length is refused; all others of the same read are accepted.
        """
        server = self.server()
        settings = destination(server, maxMessageSize=700, oversize="drop")
        client = await self.client(self.relay([settings], [self.relp()]))
        sent = [*numbered(3, 90), *numbered(1, 701), *numbered(3, 90), *numbered(2, 700)]
        client.send(sent)
        await self.until(lambda: len(client.answered) == len(sent))
        self.assertEqual([number for number, code in client.answered.items() if code != 200], [5])
        self.assertEqual(client.answered[5], 500)
        self.assertEqual(await self.arrived(server, 8), sent[:3] + sent[4:])
