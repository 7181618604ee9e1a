"""
The public fakes: they behave as TCP does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    NoProtocol,
    TimeoutError,
)
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.errors import NotVerified
from logrelay.reasons import reasonOf
from logrelay.testing import FakeServer, MemoryTransport
from logrelay.views import IConnectionView

from .loopback import Client, LoopbackServer, scripted, tlsPair, turn, until
from .tlscases import BAD

if TYPE_CHECKING:
    _Base = TestCase
else:
    _Base = object


class ServerContract(_Base):
    """
    What holds for a server in memory and for one on a socket.  Users provide a TestCase, and:

    :ivar server: the server.
    """

    server: Any

    async def does(self, what: str, *arguments: object) -> None:
        """
        Have the server do something.
        """
        raise NotImplementedError

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Let time pass until something is so.
        """
        raise NotImplementedError

    async def turn(self) -> None:
        """
        Let the reactor turn.
        """
        raise NotImplementedError

    def attempt(self) -> Deferred[Any]:
        """
        Begin to connect a client.
        """
        endpoint: IStreamClientEndpoint = self.server.endpoint
        return endpoint.connect(Factory.forProtocol(Client))

    async def connect(self) -> Client:
        """
        Connect a client.
        """
        before = len(self.server.connections)
        client = await self.result(self.attempt())
        assert isinstance(client, Client)
        await self.until(lambda: len(self.server.connections) > before)
        return client

    async def result(self, attempt: Deferred[Any]) -> object:
        """
        What comes of an attempt: the protocol, or what it failed with.
        """
        results: list[Any] = []
        attempt.addBoth(results.append)
        await self.until(lambda: results)
        return results[0].value if isinstance(results[0], Failure) else results[0]

    async def stuff(self, client: Client) -> int:
        """
        Write while the transport lets us, until the server's window is closed.

        :return: how much was written.
        """
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        written = 0
        while client.events[-1] != "paused" or not client.view.sample().closed:
            if client.events[-1] != "paused":
                client.transport.write(b"x" * 60_000)
                written += 60_000
            await self.turn()
        return written

    @scripted
    async def test_transportAndView(self) -> None:
        """
        A client has a TCP transport that is a consumer, and that there is a view of.
        """
        client = await self.connect()
        self.assertTrue(verifyObject(ITCPTransport, client.transport))
        self.assertTrue(verifyObject(IConsumer, client.transport))
        self.assertTrue(verifyObject(IConnectionView, client.view))
        for switch, ask in (
            (client.transport.setTcpKeepAlive, client.transport.getTcpKeepAlive),
            (client.transport.setTcpNoDelay, client.transport.getTcpNoDelay),
        ):
            switch(True)
            self.assertTrue(ask())
        self.assertTrue(client.transport.getHost().port)
        self.assertTrue(client.transport.getPeer().host)

    @scripted
    async def test_delivers(self) -> None:
        """
        What is written arrives in order, and is acknowledged.
        """
        client = await self.connect()
        client.transport.write(b"one")
        client.transport.writeSequence([b"two", b"three"])
        await self.until(lambda: self.server.received == b"onetwothree")
        await self.until(lambda: client.view.sample().acked == 11)
        sample = client.view.sample()
        self.assertEqual((sample.taken, sample.closed, client.view.plain(7)), (11, False, 7))

    @scripted
    async def test_serverTalks(self) -> None:
        """
        A client hears what the server says.
        """
        client = await self.connect()
        await self.does("send", b"hello")
        await self.until(lambda: client.heard == b"hello")

    @scripted
    async def test_refuses(self) -> None:
        """
        Where nobody listens an attempt is refused, and later ones are accepted again.
        """
        await self.does("refuse")
        self.assertIsInstance(await self.result(self.attempt()), ConnectionRefusedError)
        await self.does("accept")
        await self.connect()

    @scripted
    async def test_hangs(self) -> None:
        """
        An attempt that is not answered fails when its time is over, or when it is given up.
        """
        await self.does("hang")
        self.assertIsInstance(await self.result(self.attempt()), TimeoutError)
        attempt = self.attempt()
        attempt.cancel()
        self.assertIsInstance(await self.result(attempt), ConnectingCancelledError)
        self.assertEqual(self.server.connections, [])

    @scripted
    async def test_noProtocol(self) -> None:
        """
        A factory may raise, or decline a connection: the attempt fails.
        """

        class Broken(Factory):
            def buildProtocol(self, addr: object) -> Protocol:
                raise ValueError("broken")

        class Declining(Factory):
            def buildProtocol(self, addr: object) -> None:
                return None

        for factory, kind in ((Broken(), ValueError), (Declining(), NoProtocol)):
            self.assertIsInstance(await self.result(self.server.endpoint.connect(factory)), kind)

    @scripted
    async def test_slams(self) -> None:
        """
        A server may accept and close at once: the client connects all the same.
        """
        await self.does("slam")
        client = await self.connect()
        await self.until(lambda: client.lost)
        self.assertEqual((client.events, client.why, client.drained), (["made", "lost"], "eof", False))

    @scripted
    async def test_lies(self) -> None:
        """
        A server may show a certificate that names another: it is refused, and gets nothing.
        """
        await self.does("lie")
        problem = await self.result(self.attempt())
        assert isinstance(problem, NotVerified)
        self.assertEqual((reasonOf(Failure(problem)), self.server.received), ("tls-verify", b""))

    @scripted
    async def test_closes(self) -> None:
        """
        The end that a server makes is an end of file, and not the end that we wanted.
        """
        client = await self.connect()
        client.transport.write(b"data")
        await self.until(lambda: self.server.received)
        await self.does("close")
        await self.until(lambda: client.lost)
        assert client.lost is not None
        self.assertTrue(client.lost.check(ConnectionDone))
        self.assertEqual((client.why, client.drained), ("eof", False))

    @scripted
    async def test_resets(self) -> None:
        """
        A reset is told as one.
        """
        client = await self.connect()
        await self.does("reset")
        await self.until(lambda: client.lost)
        assert client.lost is not None
        self.assertTrue(client.lost.check(ConnectionLost))
        self.assertEqual((client.why, client.drained), ("reset", False))

    @scripted
    async def test_answersOurEnd(self) -> None:
        """
        A server that reads answers our end with its own, when it has read everything.
        """
        client = await self.connect()
        client.transport.write(b"x" * 200_000)
        client.transport.loseWriteConnection()
        await self.until(lambda: client.lost)
        self.assertEqual(self.server.received, b"x" * 200_000)
        self.assertEqual((client.why, client.drained), ("eof", True))
        self.assertEqual(self.server.connections[0].ended, "eof")

    @scripted
    async def test_ignoresOurEnd(self) -> None:
        """
        A server may keep the connection: it still can talk, and nothing more can be written.
        """
        await self.does("ignoreEnds")
        client = await self.connect()
        client.transport.write(b"data")
        client.transport.loseWriteConnection()
        await self.until(lambda: self.server.connections[0].ended == "eof")
        client.transport.write(b"more")
        await self.does("send", b"still here")
        await self.until(lambda: client.heard == b"still here")
        self.assertEqual((self.server.received, client.lost), (b"data", None))

    @scripted
    async def test_stallsAndResumes(self) -> None:
        """
        A server that does not read closes its window when its buffer is full, and the transport pauses its producer;
        all goes on when it reads again.
        """
        await self.does("stall")
        client = await self.connect()
        written = await self.stuff(client)
        sample = client.view.sample()
        self.assertGreater(sample.taken, sample.acked)
        self.assertGreater(sample.acked, 0)
        self.assertEqual(self.server.received, b"")
        await self.does("resume")
        await self.until(lambda: len(self.server.received) == written and client.events[-1] == "resumed")
        await self.until(lambda: client.view.sample().acked == written)
        self.assertEqual(client.view.sample().closed, False)

    @scripted
    async def test_acknowledgedIsNotRead(self) -> None:
        """
        What was acknowledged and not read is lost when the server goes away, and it shows as a reset.
        """
        await self.does("stall")
        client = await self.connect()
        client.transport.write(b"unread")
        await self.until(lambda: client.view.sample().acked == 6)
        await self.does("close")
        await self.until(lambda: client.lost)
        self.assertEqual((self.server.received, client.why, client.drained), (b"", "reset", False))

    @scripted
    async def test_stalledServerDoesNotAnswer(self) -> None:
        """
        A server that does not read does not notice our end, until it reads.
        """
        await self.does("stall")
        clients = [await self.connect(), await self.connect()]
        for client, data in zip(clients, (b"data", b""), strict=True):
            client.transport.write(data)
            client.transport.loseWriteConnection()
        await self.until(lambda: clients[0].view.sample().acked == 4)
        await self.turn()
        self.assertEqual([each.lost for each in clients], [None, None])
        self.assertEqual([each.ended for each in self.server.connections], [None, None])
        await self.does("resume")
        await self.until(lambda: all(each.lost for each in clients))
        self.assertEqual((self.server.received, [each.drained for each in clients]), (b"data", [True, True]))

    @scripted
    async def test_loseConnection(self) -> None:
        """
        A client may close: the server gets everything, and an end of file.
        """
        client = await self.connect()
        client.transport.write(b"x" * 100_000)
        client.transport.loseConnection()
        await self.until(lambda: client.lost and self.server.connections[0].ended)
        self.assertEqual((len(self.server.received), self.server.connections[0].ended), (100_000, "eof"))
        self.assertEqual((client.why, client.drained), (None, False))

    @scripted
    async def test_abortConnection(self) -> None:
        """
        A client may reset: never within the call.
        """
        client = await self.connect()
        client.transport.abortConnection()
        self.assertEqual(client.lost, None)
        await self.until(lambda: client.lost and self.server.connections[0].ended)
        assert client.lost is not None
        self.assertTrue(client.lost.check(ConnectionAborted))
        self.assertEqual((self.server.connections[0].ended, client.why, client.drained), ("reset", None, False))
        client.transport.abortConnection()
        client.transport.write(b"too late")
        await self.turn()
        self.assertEqual(client.events, ["made", "lost"])

    @scripted
    async def test_producerIsStopped(self) -> None:
        """
        A producer is told when the connection is gone, before the protocol; a late one at once.
        """
        client = await self.connect()
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        await self.does("reset")
        await self.until(lambda: client.lost)
        self.assertEqual(client.events, ["made", "stopped", "lost"])
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        self.assertEqual(client.events[3:], ["stopped"])

    @scripted
    async def test_oneProducer(self) -> None:
        """
        There is one producer at a time.
        """
        client = await self.connect()
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        try:
            client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        except RuntimeError:
            client.transport.unregisterProducer()  # type: ignore[attr-defined]
            client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        else:
            self.fail("a second producer was taken")

    @scripted
    async def test_pullProducer(self) -> None:
        """
        A pull producer is asked whenever the transport is empty.
        """
        client = await self.connect()
        client.produces = 3
        client.transport.registerProducer(client, False)  # type: ignore[attr-defined]
        await self.until(lambda: self.server.received == b"p" * 30 and client.events[-1] == "resumed")

    @scripted
    async def test_unreadIsReadAfterOurReset(self) -> None:
        """
        What the server's kernel has, the server can still read when we have gone.
        """
        await self.does("stall")
        client = await self.connect()
        client.transport.write(b"unread")
        await self.until(lambda: client.view.sample().acked == 6)
        client.transport.abortConnection()
        await self.until(lambda: client.lost)
        await self.does("resume")
        await self.until(lambda: self.server.received == b"unread")


class MemoryTests(ServerContract, TestCase):
    """
    The server in memory, and time from a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer(self.clock)

    def tearDown(self) -> None:
        for connection in self.server.open:
            connection.transport.abortConnection()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def does(self, what: str, *arguments: object) -> None:
        target = self.server.connections[-1] if what == "send" else self.server
        getattr(target, what)(*arguments)

    async def until(self, condition: Callable[[], object]) -> None:
        self.clock.advance(0)
        for _ in range(100):
            if condition():
                return
            self.clock.advance(0.25)
        raise AssertionError("not within 25 s")

    async def turn(self) -> None:
        self.clock.advance(0)


class LoopbackTests(ServerContract, TestCase):
    """
    A server on a socket: what the fakes are held against.
    """

    timeout = 30

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = reactor
        self.server = LoopbackServer(reactor)
        self.clients: list[Client] = []
        self.addCleanup(self.cleanUp)

    @scripted
    async def cleanUp(self) -> None:
        """
        Leave nothing behind.
        """
        for client in self.clients:
            client.transport.abortConnection()
        await self.server.stop()
        await self.until(lambda: all(client.lost for client in self.clients))

    async def connect(self) -> Client:
        client = await super().connect()
        self.clients.append(client)
        return client

    async def does(self, what: str, *arguments: object) -> None:
        if what == "lie":
            await self.server.stop()
            self.server, _ = tlsPair(self.reactor, self.mktemp(), case=BAD["wrong IPv4 address"])
        else:
            await getattr(self.server, what)(*arguments)

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.reactor, condition)

    async def turn(self) -> None:
        await turn(self.reactor)


class FakeServerTests(SynchronousTestCase):
    """
    What only a server in memory can do.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer(self.clock, timeout=10)

    def connect(self) -> Client:
        """
        Connect a client.
        """
        client = self.successResultOf(self.attempt())
        assert isinstance(client, Client)
        return client

    def attempt(self) -> Deferred[Any]:
        """
        Begin to connect a client, and let the server answer.
        """
        attempt = self.server.endpoint.connect(Factory.forProtocol(Client))
        self.clock.advance(0)
        return attempt

    def test_counts(self) -> None:
        """
        A server counts attempts, and knows which connections its clients still hold.
        """
        first, second = self.connect(), self.connect()
        first.transport.abortConnection()
        self.clock.advance(0)
        self.assertEqual(self.server.attempts, 2)
        self.assertEqual([connection.transport for connection in self.server.open], [second.transport])

    def test_nothingHappensWithinACall(self) -> None:
        """
        Nothing happens until the clock goes on.
        """
        client = self.connect()
        client.transport.write(b"data")
        self.server.close()
        self.assertEqual((self.server.received, client.lost), (b"", None))

    def test_vanishes(self) -> None:
        """
        When packets go nowhere nothing is acknowledged, no end is seen, and new attempts get no answer.
        """
        client = self.connect()
        client.transport.write(b"before")
        self.clock.advance(0)
        self.server.vanish()
        client.transport.write(b"after")
        self.server.connections[0].send(b"hello")
        self.server.reset()
        self.clock.advance(1)
        sample = client.view.sample()
        self.assertEqual((sample.taken, sample.acked, sample.closed), (11, 6, False))
        self.assertEqual((self.server.received, client.heard, client.lost), (b"before", b"", None))
        attempt = self.attempt()
        self.assertNoResult(attempt)
        self.clock.advance(10)
        self.failureResultOf(attempt, TimeoutError)
        client.transport.abortConnection()
        self.clock.advance(0)
        self.assertEqual(self.server.connections[0].ended, None)

    def test_lateWordsAreNotHeard(self) -> None:
        """
        A client that closes does not hear any more.
        """
        client = self.connect()
        client.transport.loseConnection()
        self.server.connections[0].send(b"hello")
        self.clock.advance(0)
        self.assertEqual((client.heard, client.events), (b"", ["made", "lost"]))

    def test_protocolsMayFail(self) -> None:
        """
        Errors of a protocol are logged; one that can't take what it hears loses its connection.
        """

        class Failing(Client):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError("unexpected")

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                raise ValueError("unexpected too")

        attempt = self.server.endpoint.connect(Factory.forProtocol(Failing))
        self.clock.advance(0)
        client = self.successResultOf(attempt)
        assert isinstance(client, Failing)
        self.server.connections[0].send(b"hello")
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        assert client.lost is not None
        self.assertTrue(client.lost.check(ValueError))
        self.assertEqual(self.server.open, [])

    def test_nobodyToSlam(self) -> None:
        """
        A factory that declines can't be slammed.
        """

        class Declining(Factory):
            def buildProtocol(self, addr: object) -> None:
                return None

        self.server.slam()
        attempt = self.server.endpoint.connect(Declining())
        self.clock.advance(0)
        self.failureResultOf(attempt, NoProtocol)

    def test_transports(self) -> None:
        """
        The transport is the public class, and its view is closed when it was let go of.
        """
        client = self.connect()
        self.assertIsInstance(client.transport, MemoryTransport)
        self.server.reset()
        self.clock.advance(0)
        self.assertTrue(client.view.closed)  # type: ignore[attr-defined]
