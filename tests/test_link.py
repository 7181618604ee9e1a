"""
Links: one connection, from when it stands to its end.
"""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IAddress, IProtocol, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.connector import LinkFactory
from logrelay.link import ADMITTED_AFTER, PROVED_AFTER, UNANSWERED, Ending, ILinked, Link
from logrelay.memory import KERNEL_BUFFER
from logrelay.socketoptions import NOTSENT_LOWAT
from logrelay.testing import FakeServer, MemoryView

from .loopback import LoopbackServer, openDescriptors, scripted, tlsPair, turn, until


class Talker(Protocol):
    """
    A protocol that keeps what happens to it, and knows nothing of links.
    """

    transport: ITCPTransport

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.heard.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep why.
        """
        self.lost = reason


@implementer(ILinked)
class LinkedTalker(Talker):
    """
    One that does.
    """

    link: Link

    def __init__(self) -> None:
        super().__init__()
        self.stopped = 0
        self.endingSeen: Ending | None = None

    def connectionMade(self) -> None:
        """
        The link is there already.
        """
        assert self.link is not None

    def stopSending(self) -> None:
        """
        Count it.
        """
        self.stopped += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The link knows how it ended.
        """
        super().connectionLost(reason)
        self.endingSeen = self.link.ending


class LinkCase(SynchronousTestCase):
    """
    A link to a server in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer(self.clock)
        self.lost: list[Link] = []
        self.provedAt: list[float] = []

    def connect(self) -> Link:
        """
        A link that stands.
        """
        attempt = self.server.endpoint.connect(LinkFactory(lambda: Link(self.clock)))
        self.clock.advance(0)
        link = self.successResultOf(attempt)
        assert isinstance(link, Link)
        link.onLost = self.lost.append
        link.onProved = lambda link: self.provedAt.append(self.clock.seconds())
        return link

    def attach(self, link: Link) -> LinkedTalker:
        """
        Have a protocol use the link.
        """
        return cast(LinkedTalker, link.attach(Factory.forProtocol(LinkedTalker)))

    def assertEnded(self, link: Link, reason: str, clean: bool) -> None:
        """
        A link has ended so, was told once, and has left nothing behind.
        """
        self.clock.advance(0)
        ending = link.ending
        assert ending is not None
        self.assertEqual((ending.reason, ending.clean), (reason, clean))
        self.assertTrue(ending.text)
        self.assertEqual(link.whyGone, (ending.reason, ending.text))
        self.assertEqual(self.lost, [link])
        assert isinstance(link.view, MemoryView)
        self.assertTrue(link.view.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class AttachTests(LinkCase):
    """
    L{Link.attach}: a protocol takes over.
    """

    def test_protocols(self) -> None:
        """
        Any protocol can use a link: it gets the transport, what the peer says, and the end.
        """
        link = self.connect()
        protocol = link.attach(Factory.forProtocol(Talker))
        assert isinstance(protocol, Talker)
        self.assertIs(protocol.transport, link.transport)
        protocol.transport.write(b"hello")
        self.server.connections[0].send(b"hi")
        self.clock.advance(0)
        self.assertEqual((self.server.received, protocol.heard), (b"hello", [b"hi"]))
        self.server.close()
        self.clock.advance(0)
        self.assertIsNotNone(protocol.lost)
        self.assertEnded(link, "eof", False)

    def test_linked(self) -> None:
        """
        A protocol that wants to has the link before it is connected, and finds there how it ended.
        """
        link = self.connect()
        protocol = self.attach(link)
        verifyObject(ILinked, protocol)
        self.server.reset()
        self.assertEnded(link, "reset", False)
        self.assertEqual(protocol.endingSeen, link.ending)

    def test_address(self) -> None:
        """
        The factory gets the peer's address, or the one that is given.
        """
        seen: list[IAddress | None] = []

        class Noting(Factory):
            def buildProtocol(self, addr: IAddress | None) -> Protocol:
                seen.append(addr)
                return Protocol()

        self.connect().attach(Noting())
        self.connect().attach(Noting(), cast(IAddress, "another"))
        self.assertEqual(seen, [self.server.address, "another"])

    def test_earlyWords(self) -> None:
        """
        What the peer said before there was a protocol is kept for it.
        """
        link = self.connect()
        self.server.connections[0].send(b"220 ")
        self.server.connections[0].send(b"welcome")
        self.clock.advance(0)
        protocol = self.attach(link)
        self.assertEqual(protocol.heard, [b"220 ", b"welcome"])

    def test_tooManyEarlyWords(self) -> None:
        """
        But not without bound.
        """
        link = self.connect()
        self.server.connections[0].send(b"x" * 65536)
        self.clock.advance(0)
        self.assertIsNone(link.whyGone)
        self.server.connections[0].send(b"x")
        self.assertEnded(link, "eof", False)

    def test_noProtocol(self) -> None:
        """
        A factory may decline.
        """

        class Declining(Factory):
            def buildProtocol(self, addr: object) -> None:
                return None

        self.assertRaises(NoProtocol, self.connect().attach, Declining())


class EndTests(LinkCase):
    """
    How links end.
    """

    def test_nobodyInterested(self) -> None:
        """
        A link that nobody owns may end too.
        """
        attempt = self.server.endpoint.connect(LinkFactory(lambda: Link(self.clock)))
        self.clock.advance(PROVED_AFTER)
        link = self.successResultOf(attempt)
        assert isinstance(link, Link)
        self.server.reset()
        self.clock.advance(0)
        self.assertIsNotNone(link.ending)

    def test_abort(self) -> None:
        """
        What we gave up has our reason, and the first one counts.
        """
        link = self.connect()
        self.assertIsNone(link.whyGone)
        link.abort("stalled", "first")
        self.assertEqual(link.whyGone, ("stalled", "first"))
        link.abort("ack-timeout", "second")
        link.finish("operator", 5)
        self.assertIsNone(link.finishing)
        self.assertEnded(link, "stalled", False)
        self.assertEqual(self.server.connections[0].ended, "reset")
        link.abort("ack-timeout", "third")
        self.assertEnded(link, "stalled", False)

    def test_brokenProtocol(self) -> None:
        """
        A protocol that fails at the end does not keep the owner from being told.
        """

        class Broken(Talker):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise ValueError("unexpected")

        link = self.connect()
        link.attach(Factory.forProtocol(Broken))
        self.server.reset()
        self.assertEnded(link, "reset", False)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_brokenReader(self) -> None:
        """
        A protocol that fails at what it hears loses the connection.
        """

        class Broken(Talker):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError("unexpected")

        link = self.connect()
        link.attach(Factory.forProtocol(Broken))
        self.server.connections[0].send(b"hi")
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIsNotNone(link.ending)

    def test_protocolCloses(self) -> None:
        """
        A protocol may close or reset its connection by itself.
        """
        for end, reason in (("loseConnection", "eof"), ("abortConnection", "reset")):
            self.lost.clear()
            link = self.connect()
            getattr(self.attach(link).transport, end)()
            self.assertEnded(link, reason, False)


class FinishTests(LinkCase):
    """
    L{Link.finish}: a graceful end.
    """

    def test_answered(self) -> None:
        """
        Everything goes out, then our end; the server's end makes it a clean one, with the reason that was given.
        """
        link = self.connect()
        protocol = self.attach(link)
        protocol.transport.write(b"x" * 500_000)
        link.finish("checkpoint", 5)
        self.assertEqual((link.finishing, protocol.stopped), ("checkpoint", 1))
        self.assertEnded(link, "checkpoint", True)
        self.assertEqual((len(self.server.received), self.server.connections[0].ended), (500_000, "eof"))

    def test_withoutProtocol(self) -> None:
        """
        A link that no protocol uses, or one that knows nothing of links, can be ended too.
        """
        for attached in (False, True):
            self.lost.clear()
            link = self.connect()
            if attached:
                link.attach(Factory.forProtocol(Talker))
            link.finish("probe", 5)
            self.assertEnded(link, "probe", True)

    def test_unanswered(self) -> None:
        """
        A server that has everything and does not end its side in time is left.
        """
        self.server.ignoreEnds()
        link = self.connect()
        self.attach(link).transport.write(b"data")
        link.finish("checkpoint", 5)
        self.clock.advance(4.9)
        self.assertIsNone(link.whyGone)
        self.clock.advance(0.1)
        self.assertEnded(link, UNANSWERED, False)

    def test_resetInstead(self) -> None:
        """
        A server that resets, or closes with data unread, has not read everything.
        """
        self.server.stall()
        link = self.connect()
        self.attach(link).transport.write(b"data")
        link.finish("checkpoint", 5)
        self.clock.advance(1)
        self.server.close()
        self.assertEnded(link, "reset", False)

    def test_behind(self) -> None:
        """
        A server that does not even take the data in time is left for that.
        """
        self.server.stall()
        link = self.connect()
        self.attach(link).transport.write(b"x" * 3 * KERNEL_BUFFER)
        link.finish("operator", 5)
        self.clock.advance(5)
        self.assertEnded(link, "ack-timeout", False)

    def test_patient(self) -> None:
        """
        Where nobody waits for the end, the limit is only for the time from when the server's kernel has everything.
        """
        self.server.stall()
        self.server.ignoreEnds()
        link = self.connect()
        self.attach(link).transport.write(b"x" * 3 * KERNEL_BUFFER)
        link.finish("checkpoint", 5, patient=True)
        for _ in range(10):
            self.clock.advance(5)
            self.assertIsNone(link.whyGone)
        self.server.resume()
        self.clock.advance(4)
        self.assertIsNone(link.whyGone)
        self.clock.advance(5)
        self.assertEnded(link, UNANSWERED, False)

    def test_again(self) -> None:
        """
        An end that is under way gets a new reason and a new limit, from now; the same reason changes nothing.
        """
        self.server.stall()
        link = self.connect()
        protocol = self.attach(link)
        protocol.transport.write(b"x" * 3 * KERNEL_BUFFER)
        link.finish("checkpoint", 5, patient=True)
        self.clock.advance(4)
        link.finish("finished", 5)
        self.assertEqual((link.finishing, protocol.stopped), ("finished", 1))
        self.clock.advance(4)
        link.finish("finished", 5)
        self.clock.advance(0.9)
        self.assertIsNone(link.whyGone)
        self.clock.advance(0.1)
        self.assertEnded(link, "ack-timeout", False)

    def test_abortedWhileEnding(self) -> None:
        """
        What is ending can be given up.
        """
        self.server.ignoreEnds()
        link = self.connect()
        link.finish("checkpoint", 5)
        link.abort("stalled", "no use")
        self.assertEnded(link, "stalled", False)

    def test_transportAborted(self) -> None:
        """
        A protocol that resets its connection while it is ending does not make that clean.
        """
        self.server.ignoreEnds()
        link = self.connect()
        protocol = self.attach(link)
        link.finish("checkpoint", 5)
        protocol.transport.abortConnection()
        self.assertEnded(link, "reset", False)


class ProofTests(LinkCase):
    """
    When a link is proved.
    """

    def test_byTime(self) -> None:
        """
        A connection that has been up for ten seconds is proved, and that is told once.
        """
        link = self.connect()
        self.clock.pump([1] * 9)
        self.assertFalse(link.proved)
        self.clock.pump([1] * 10)
        self.assertTrue(link.proved)
        self.assertEqual(self.provedAt, [PROVED_AFTER])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bySuccess(self) -> None:
        """
        Its protocol may prove it earlier.
        """
        link = self.connect()
        self.clock.pump([1] * 3)
        link.prove()
        link.prove()
        self.clock.pump([1] * 20)
        self.assertEqual(self.provedAt, [3])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closedWindow(self) -> None:
        """
        A server that does not read proves nothing: the time counts from when its window is open again.
        """
        self.server.stall()
        link = self.connect()
        self.attach(link).transport.write(b"x" * 3 * KERNEL_BUFFER)
        self.clock.pump([1] * 30)
        self.assertFalse(link.proved)
        self.server.resume()
        self.clock.pump([1] * 9)
        self.assertFalse(link.proved)
        self.clock.pump([1] * 2)
        self.assertTrue(link.proved)


class LoopbackCase(TestCase):
    """
    Links on sockets.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(Any, reactor)

    async def connect(self, server: LoopbackServer, endpoint: Any, keepalive: tuple[int, int, int] | None) -> Link:
        """
        A link, and what it has to leave.
        """
        link = cast(Link, await endpoint.connect(LinkFactory(lambda: Link(self.reactor, keepalive))))
        self.addCleanup(self.cleanUp, link, server)
        return link

    @scripted
    async def cleanUp(self, link: Link, server: LoopbackServer) -> None:
        """
        Leave nothing behind.
        """
        link.abort("finished", "the test is over")
        await until(self.reactor, lambda: link.ending)
        await server.stop()


class SocketLinkTests(LoopbackCase):
    """
    Over TCP.
    """

    @scripted
    async def test_options(self) -> None:
        """
        Small batches go out at once; keepalive is set where it is configured.
        """
        for keepalive in ((7, 3, 4), None):
            server = LoopbackServer(self.reactor)
            link = await self.connect(server, server.endpoint, keepalive)
            self.assertTrue(link.transport.getTcpNoDelay())
            self.assertEqual(link.transport.getTcpKeepAlive(), keepalive is not None)
            raw = cast(Any, link.transport).socket
            if keepalive:
                self.assertEqual(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 7)
            self.assertEqual(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT), NOTSENT_LOWAT)
            link.keepAlive((9, 3, 4))
            self.assertEqual(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 9)
            lost: Deferred[Link] = Deferred()
            link.onLost = lost.callback
            link.abort("reset", "it is over")
            link.keepAlive((11, 3, 4))
            await lost

    @scripted
    async def test_checkpoint(self) -> None:
        """
        A graceful end confirms that the server has read everything, and leaves no descriptor.
        """
        server = LoopbackServer(self.reactor)
        before = await openDescriptors(self.reactor)
        link = await self.connect(server, server.endpoint, None)
        link.attach(Factory.forProtocol(Talker))
        link.transport.write(b"x" * 1_000_000)
        link.finish("checkpoint", 5)
        await until(self.reactor, lambda: link.ending and server.connections[0].gone)
        self.assertEqual(link.ending, Ending("checkpoint", True, "ended as agreed"))
        self.assertEqual(len(server.received), 1_000_000)
        self.assertEqual(await openDescriptors(self.reactor), before)

    @scripted
    async def test_unanswered(self) -> None:
        """
        A server that does not answer is reset, although its descriptor was duplicated.
        """
        server = LoopbackServer(self.reactor)
        await server.ignoreEnds()
        link = await self.connect(server, server.endpoint, None)
        link.transport.write(b"data")
        link.finish("checkpoint", 0.2)
        await until(self.reactor, lambda: link.ending)
        assert link.ending is not None
        self.assertEqual((link.ending.reason, link.ending.clean, server.received), (UNANSWERED, False, b"data"))
        server.connections[0].transport.write(b"is anybody there")
        await until(self.reactor, lambda: server.connections[0].gone)

    @scripted
    async def test_noDescriptor(self) -> None:
        """
        When no descriptor is left for watching it, a connection is given up, and its owner is told.
        """
        server = LoopbackServer(self.reactor)
        # What begins to work now would need descriptors too: the reactor, and the server.
        await turn(self.reactor)
        listener = server.listener
        listener.stopReading()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
        held: list[int] = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            os.close(held.pop())
        try:
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", server.number)
            link = await self.connect(server, endpoint, None)
        finally:
            for each in held:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            listener.startReading()
        self.assertIsNotNone(link.whyGone)
        await until(self.reactor, lambda: link.ending)
        self.assertEqual(link.whyGone, ("unreachable", "the connection cannot be watched: Too many open files"))


class JudgedTests(LoopbackCase):
    """
    How a server that ended first had read, told from the kernel; on sockets without a reactor behind them.
    """

    async def ending(self, size: int, end: Callable[[socket.socket], None]) -> Ending:
        """
        Send something to a server, let it end, and see how that is judged.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", listener.getsockname()[1])
        link = cast(Link, await endpoint.connect(LinkFactory(lambda: Link(self.reactor))))
        server, _ = listener.accept()
        self.addCleanup(server.close)
        if size:
            link.transport.write(b"x" * size)
            await until(self.reactor, lambda: link.view.sample().acked == size)
        end(server)
        await until(self.reactor, lambda: link.ending)
        assert link.ending is not None
        return link.ending

    @scripted
    async def test_readAll(self) -> None:
        """
        One that has read everything and closes, or is killed then, ended with nothing unread.
        """

        def readAll(server: socket.socket) -> None:
            left = 50_000
            while left:
                left -= len(server.recv(left))
            server.close()

        ending = await self.ending(50_000, readAll)
        self.assertEqual((ending.reason, ending.clean, ending.emptied), ("eof", False, True))

    @scripted
    async def test_unread(self) -> None:
        """
        One that closes with data unread resets the connection; also where it first shuts down both ways, as syslog-ng
        does, which looks like a clean end to a program, and is kept from running between the two.
        """

        def shutAndClose(server: socket.socket) -> None:
            server.shutdown(socket.SHUT_RDWR)
            server.close()

        def shutAndCloseLater(server: socket.socket) -> None:
            server.shutdown(socket.SHUT_RDWR)
            self.reactor.callLater(0.03, server.close)

        for end in (socket.socket.close, shutAndClose, shutAndCloseLater):
            ending = await self.ending(50_000, end)
            self.assertEqual((ending.reason, ending.clean, ending.emptied), ("reset", False, False))


class TLSLinkTests(LoopbackCase):
    """
    Over TLS.
    """

    @scripted
    async def test_checkpoint(self) -> None:
        """
        Our end is a close_notify behind all data, and the server's end confirms it.
        """
        server, endpoint = tlsPair(self.reactor, self.mktemp())
        link = await self.connect(server, endpoint, (5, 2, 3))
        link.attach(Factory.forProtocol(LinkedTalker))
        link.transport.write(b"x" * 1_000_000)
        link.finish("checkpoint", 5)
        await until(self.reactor, lambda: link.ending)
        self.assertEqual(link.ending, Ending("checkpoint", True, "ended as agreed"))
        self.assertEqual(len(server.received), 1_000_000)

    @scripted
    async def test_unanswered(self) -> None:
        """
        A server that does not read to our close_notify is left.
        """
        server, endpoint = tlsPair(self.reactor, self.mktemp())
        link = await self.connect(server, endpoint, None)
        await until(self.reactor, lambda: server.connections)
        await server.stall()
        link.transport.write(b"data")
        link.finish("checkpoint", 0.2)
        await until(self.reactor, lambda: link.ending)
        assert link.ending is not None
        self.assertEqual((link.ending.reason, link.ending.clean), (UNANSWERED, False))

    @scripted
    async def test_alert(self) -> None:
        """
        A server that refuses our certificate says so by an alert after the handshake, which is the reason then.
        """
        server, endpoint = tlsPair(self.reactor, self.mktemp(), wantsCertificate=True)
        link = await self.connect(server, endpoint, None)
        protocol: IProtocol = link.attach(Factory.forProtocol(Talker))
        await until(self.reactor, lambda: link.ending)
        assert link.ending is not None and isinstance(protocol, Talker)
        self.assertEqual((link.ending.reason, link.ending.clean), ("tls-alert", False))
        self.assertIn("certificate required", link.ending.text)
        self.assertFalse(link.view.admitted)

    @scripted
    async def test_admitted(self) -> None:
        """
        A server that does not refuse us shows it at once, by what it sends when our handshake has come.
        """
        server, endpoint = tlsPair(self.reactor, self.mktemp())
        began = self.reactor.seconds()
        link = await self.connect(server, endpoint, None)
        await until(self.reactor, lambda: link.view.admitted)
        self.assertLess(self.reactor.seconds() - began, ADMITTED_AFTER / 2)
        self.assertTrue(link.admitted)
        link.abort("operator", "not needed any more")
        await until(self.reactor, lambda: link.ending)
