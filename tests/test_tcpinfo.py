"""
What the kernel knows of connections: on loopback sockets, since nothing else can show it.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from logrelay.socketoptions import keepAlive, lowerTransport
from logrelay.tcpinfo import SocketView, viewOf
from logrelay.views import BlindView, IConnectionView

from .loopback import Client, openDescriptors, scripted, tlsPair, turn, until

#: A server that reads what comes, in a process of its own.
READER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection = listener.accept()[0]
while connection.recv(65536):
    pass
"""

RESET = struct.pack("ii", 1, 0)


class BlindViewTests(SynchronousTestCase):
    """
    L{BlindView}, and which transports have a better one.
    """

    def test_interface(self) -> None:
        """
        It is a view.
        """
        verifyObject(IConnectionView, BlindView())

    def test_everythingIsAcknowledged(self) -> None:
        """
        Nothing is known, so nothing is waited for.
        """
        view = BlindView()
        sample = view.sample()
        self.assertEqual((sample.acked, sample.closed), (sample.taken, False))
        self.assertGreater(sample.acked, 1 << 60)
        self.assertEqual((view.plain(7), view.reason(), view.drained(), view.roundTrip), (7, None, True, 0.0))
        view.close()

    def test_unknownTransports(self) -> None:
        """
        A transport that is no socket, and that nobody knows how to look at, has this view.
        """
        self.assertIsInstance(viewOf(StringTransport()), BlindView)
        self.assertIsNone(lowerTransport(StringTransport()))


class SocketCase(TestCase):
    """
    A client, and a server that the test itself is, with a plain socket.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(Any, reactor)
        self.listener = self.listen("127.0.0.1")
        self.servers: list[socket.socket] = []
        self.clients: list[Client] = []
        self.addCleanup(self.cleanUp)

    def listen(self, host: str) -> socket.socket:
        """
        Listen.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family)
        self.addCleanup(listener.close)
        return listener

    @scripted
    async def cleanUp(self) -> None:
        """
        Leave nothing behind.
        """
        for client in self.clients:
            client.transport.abortConnection()
        for server in self.servers:
            server.close()
        await self.until(lambda: all(client.lost for client in self.clients))

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Let the reactor work until something is so.
        """
        await until(self.reactor, condition)

    async def connect(self) -> tuple[Client, socket.socket]:
        """
        A client, and the server's side of its connection.
        """
        host, port = self.listener.getsockname()[:2]
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        client = cast(Client, await kind(self.reactor, host, port).connect(Factory.forProtocol(Client)))
        server = self.listener.accept()[0]
        self.clients.append(client)
        self.servers.append(server)
        return client, server

    async def stuff(self, client: Client) -> int:
        """
        Write until the server's window is closed, and the transport's buffer is not empty.

        :return: how much was written.
        """
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        written = 0
        while client.events[-1] != "paused" or not client.view.sample().closed:
            if client.events[-1] != "paused":
                client.transport.write(b"x" * 200_000)
                written += 200_000
            await turn(self.reactor)
        return written

    async def ended(self, client: Client) -> tuple[str | None, bool]:
        """
        How the connection ended: why, and whether the server had read everything.
        """
        await self.until(lambda: client.lost)
        return client.why, client.drained


def known(client: Client) -> tuple[int, int, bool]:
    """
    What was taken and acknowledged, and whether the window is closed.
    """
    sample = client.view.sample()
    return sample.taken, sample.acked, sample.closed


class SampleTests(SocketCase):
    """
    L{SocketView.sample}, while a connection stands.
    """

    @scripted
    async def test_interface(self) -> None:
        """
        TCP connections have the view that asks the kernel, over both IP versions.
        """
        for host in ("127.0.0.1", "::1"):
            self.listener = self.listen(host)
            client, server = await self.connect()
            self.assertIsInstance(client.view, SocketView)
            verifyObject(IConnectionView, client.view)
            server.close()
            await self.ended(client)

    @scripted
    async def test_unixSockets(self) -> None:
        """
        Unix sockets have nothing to tell.
        """
        path = os.path.relpath(self.mktemp())
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        endpoint = UNIXClientEndpoint(self.reactor, path)
        client = cast(Client, await endpoint.connect(Factory.forProtocol(Client)))
        self.clients.append(client)
        self.assertIsInstance(client.view, BlindView)

    @scripted
    async def test_acknowledged(self) -> None:
        """
        What the server's kernel has is acknowledged, whether the server reads it or not.
        """
        client, _ = await self.connect()
        self.assertEqual(known(client), (0, 0, False))
        client.transport.write(b"x" * 5)
        await self.until(lambda: client.view.sample().acked)
        self.assertEqual(known(client), (5, 5, False))
        self.assertEqual(client.view.plain(3), 3)
        self.assertGreater(client.view.roundTrip, 0)
        self.assertLess(client.view.roundTrip, 1)

    @scripted
    async def test_exact(self) -> None:
        """
        The number of acknowledged bytes is what the server can still read when our side is gone, and stays known after
        the end.
        """
        client, server = await self.connect()
        written = await self.stuff(client)
        # Zero window probes may still carry a byte over.
        await self.until(lambda: client.view.sample() == client.view.sample())
        sample = client.view.sample()
        self.assertTrue(sample.closed)
        self.assertLess(sample.acked, sample.taken)
        self.assertLess(sample.taken, written)
        client.transport.abortConnection()
        await self.until(lambda: client.lost)
        got = 0
        try:
            while data := server.recv(1 << 20):
                got += len(data)
        except ConnectionResetError:
            pass
        self.assertEqual(got, sample.acked)

    @scripted
    async def test_ownEndDoesNotCount(self) -> None:
        """
        Our FIN is acknowledged too, and is no byte of the stream.
        """
        client, server = await self.connect()
        client.transport.write(b"x" * 5)
        client.transport.loseWriteConnection()
        server.settimeout(10)
        await self.until(lambda: select.select([server], [], [], 0)[0] and len(server.recv(10, socket.MSG_PEEK)) == 5)
        await turn(self.reactor)
        self.assertEqual(known(client), (5, 5, False))

    @scripted
    async def test_stoppedServer(self) -> None:
        """
        A server process that is stopped acknowledges until its window is closed, and that shows; when it goes on, all
        goes out.
        """
        reader = subprocess.Popen([sys.executable, "-c", READER], stdout=subprocess.PIPE)
        assert reader.stdout is not None
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", int(reader.stdout.readline()))
        client = cast(Client, await endpoint.connect(Factory.forProtocol(Client)))
        self.clients.append(client)
        os.kill(reader.pid, signal.SIGSTOP)
        written = await self.stuff(client)
        self.assertIsNone(client.lost)
        os.kill(reader.pid, signal.SIGCONT)
        await self.until(lambda: known(client) == (written, written, False))

    @scripted
    async def test_otherSystems(self) -> None:
        """
        Where the kernel does not tell, what it took counts as acknowledged, what it does not take as kept out by the
        peer, and our end as confirmed by the peer's.
        """
        self.patch(sys, "platform", "darwin")
        client, server = await self.connect()
        await self.stuffElsewhere(client)
        sample = client.view.sample()
        self.assertEqual((sample.acked, sample.closed, client.view.roundTrip), (sample.taken, True, 0.0))
        self.assertTrue(sample.waiting)
        server.close()
        self.assertEqual(await self.ended(client), ("reset", False))
        client, server = await self.connect()
        client.transport.loseWriteConnection()
        await self.until(lambda: select.select([server], [], [], 0)[0])
        server.close()
        self.assertEqual(await self.ended(client), ("eof", True))

    async def stuffElsewhere(self, client: Client) -> None:
        """
        Write until there is a pause.
        """
        client.transport.registerProducer(client, True)  # type: ignore[attr-defined]
        for _ in range(100):
            client.transport.write(b"x" * 200_000)
        await turn(self.reactor)

    @scripted
    async def test_afterwards(self) -> None:
        """
        A view that was closed has nothing to tell, and no error to raise.
        """
        client, server = await self.connect()
        server.close()
        await self.ended(client)
        self.assertEqual(known(client), (0, 0, False))
        self.assertEqual(client.view.reason(), "eof")

    @scripted
    async def test_keepalive(self) -> None:
        """
        The times of keepalive reach the kernel; a system that lacks one of them keeps its own.
        """
        client, _ = await self.connect()
        lower = lowerTransport(client.transport)
        assert lower is not None
        keepAlive(lower.socket, (7, 3, 4))
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        times = [lower.socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
        self.assertEqual(times, [7, 3, 4])
        self.patch(socket, "TCP_KEEPIDLE", None)
        keepAlive(lower.socket, (9, 9, 9))
        self.assertEqual(lower.socket.getsockopt(socket.IPPROTO_TCP, 4), 7)


class GuardTests(SocketCase):
    """
    The kernel's own time limit.
    """

    @scripted
    async def test_guard(self) -> None:
        """
        It is set, changed and taken away, in milliseconds.
        """
        client, _ = await self.connect()
        lower = lowerTransport(client.transport)
        assert lower is not None
        seen = []
        for limit in (40, 40, 100.5, 0):
            client.view.guard(limit)
            seen.append(lower.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        self.assertEqual(seen, [40_000, 40_000, 100_500, 0])

    @scripted
    async def test_gone(self) -> None:
        """
        It may come too late.
        """
        client, server = await self.connect()
        server.close()
        await self.until(lambda: client.lost)
        client.view.guard(40)


class EndTests(SocketCase):
    """
    How connections end.
    """

    @scripted
    async def test_fin(self) -> None:
        """
        A server that has read everything and closes: an end of file, and not one that we wanted.
        """
        client, server = await self.connect()
        server.close()
        self.assertEqual(await self.ended(client), ("eof", False))

    @scripted
    async def test_reset(self) -> None:
        """
        A reset.
        """
        client, server = await self.connect()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.close()
        self.assertEqual(await self.ended(client), ("reset", False))

    @scripted
    async def test_finThenReset(self) -> None:
        """
        A server that shuts down both ways, and then closes with data unread (as syslog-ng does): Twisted sees a clean
        end, and the kernel a reset.
        """
        client, server = await self.connect()
        client.transport.write(b"unread")
        await self.until(lambda: client.view.sample().acked == 6)
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        self.assertEqual(await self.ended(client), ("reset", False))
        assert client.lost is not None
        self.assertTrue(client.lost.check(ConnectionDone))

    @scripted
    async def test_resetSeenByWriting(self) -> None:
        """
        The kernel tells an error once: also where it is the one who writes that gets to know it, it is kept.
        """
        client, server = await self.connect()
        client.transport.pauseProducing()  # type: ignore[attr-defined]
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.close()
        client.transport.write(b"too late")
        self.assertEqual(await self.ended(client), ("reset", False))

    @scripted
    async def test_answeredEnd(self) -> None:
        """
        We end our side, the server reads everything, and ends its own: everything arrived.
        """
        client, server = await self.connect()
        client.transport.write(b"all of it")
        client.transport.loseWriteConnection()
        await self.until(lambda: client.view.sample().acked == 9)
        self.assertEqual((server.recv(100), server.recv(100)), (b"all of it", b""))
        server.close()
        self.assertEqual(await self.ended(client), ("eof", True))

    @scripted
    async def test_endAnsweredByReset(self) -> None:
        """
        We end our side, and the server goes away without having read everything.
        """
        client, server = await self.connect()
        client.transport.write(b"unread")
        client.transport.loseWriteConnection()
        await self.until(lambda: client.view.sample().acked == 6)
        server.close()
        self.assertEqual(await self.ended(client), ("reset", False))

    @scripted
    async def test_endsBeforeOurs(self) -> None:
        """
        Our end waits behind data when the server's comes: not everything arrived, although nothing was reset.
        """
        client, server = await self.connect()
        await self.stuff(client)
        client.transport.unregisterProducer()  # type: ignore[attr-defined]
        client.transport.loseWriteConnection()
        await turn(self.reactor)
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(await self.ended(client), ("eof", False))

    @scripted
    async def test_endsBeforeAll(self) -> None:
        """
        Our kernel has everything, our end included, when the server's comes; the server's kernel has not.
        """
        client, server = await self.connect()
        client.transport.write(b"x" * 1_000_000)
        await self.until(lambda: client.view.sample().taken == 1_000_000)
        self.assertLess(client.view.sample().acked, 1_000_000)
        client.transport.loseWriteConnection()
        await turn(self.reactor)
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(await self.ended(client), ("eof", False))

    @scripted
    async def test_ourClose(self) -> None:
        """
        When we close, the kernel has no reason to tell.
        """
        client, server = await self.connect()
        client.transport.write(b"bye")
        client.transport.loseConnection()
        self.assertEqual(await self.ended(client), (None, False))
        self.assertEqual(server.recv(10), b"bye")

    @scripted
    async def test_abort(self) -> None:
        """
        The server gets our reset although there was a duplicate of the descriptor: when the view is closed.
        """
        client, server = await self.connect()
        client.transport.abortConnection()
        await self.until(lambda: client.lost)
        self.assertRaises(ConnectionResetError, server.recv, 10)

    @scripted
    async def test_errors(self) -> None:
        """
        Each error of the kernel has its name, whether data was out or not.
        """
        for number, data, why in (
            (errno.ECONNRESET, b"", "reset"),
            (errno.EPIPE, b"", "reset"),
            (errno.ECONNABORTED, b"", "reset"),
            (errno.EHOSTUNREACH, b"", "unreachable"),
            (errno.ENETUNREACH, b"", "unreachable"),
            (errno.EHOSTDOWN, b"", "unreachable"),
            (errno.ENETDOWN, b"", "unreachable"),
            (errno.ETIMEDOUT, b"", "keepalive"),
            (errno.ETIMEDOUT, b"out", "ack-timeout"),
            (errno.EPROTO, b"", None),
        ):
            for reading in (True, False):
                client, _ = await self.connect()
                await self.failing(client, number, data, reading)
                self.assertEqual((client.why, client.drained), (why, False), f"{errno.errorcode[number]} {data!r}")
                assert client.lost is not None
                self.assertTrue(client.lost.check(ConnectionLost))

    async def failing(self, client: Client, number: int, data: bytes, reading: bool) -> None:
        """
        Have the kernel fail, when it is asked for data or given some.
        """
        lower = lowerTransport(client.transport)
        assert lower is not None
        lower.socket = FailingSocket(lower.socket, number)  # type: ignore[assignment]
        if data:
            # The kernel took it, and nobody acknowledges.
            client.view._taken += len(data)  # type: ignore[attr-defined]
        problem = lower.doRead() if reading else lower.writeSomeData(b"x")
        self.assertIsInstance(problem, ConnectionLost)
        lower.connectionLost(Failure(problem))

    @scripted
    async def test_notYet(self) -> None:
        """
        A kernel that only has nothing, or no room, for now has not failed.
        """
        client, _ = await self.connect()
        lower = lowerTransport(client.transport)
        assert lower is not None
        real = lower.socket
        lower.socket = FailingSocket(real, errno.EAGAIN)  # type: ignore[assignment]
        self.assertEqual((lower.doRead(), lower.writeSomeData(b"x")), (None, 0))
        lower.socket = real
        client.transport.write(b"later")
        await self.until(lambda: known(client) == (5, 5, False))

    @scripted
    async def test_descriptors(self) -> None:
        """
        However connections end, no descriptor is left.
        """
        before = await openDescriptors(self.reactor)
        for end in (self.test_fin, self.test_reset, self.test_answeredEnd, self.test_ourClose, self.test_abort):
            await end()
        for server in self.servers:
            server.close()
        self.assertEqual(await openDescriptors(self.reactor), before)


class FailingSocket:
    """
    A socket that fails.
    """

    def __init__(self, real: socket.socket, number: int) -> None:
        self.real = real
        self.number = number

    def recv(self, size: int) -> bytes:
        """
        Fail.
        """
        raise OSError(self.number, os.strerror(self.number))

    def send(self, data: bytes) -> int:
        """
        Fail.
        """
        raise OSError(self.number, os.strerror(self.number))

    def __getattr__(self, name: str) -> Any:
        """
        All else is the real one's.
        """
        return getattr(self.real, name)


class WrappedTests(SocketCase):
    """
    Views through what stands around a socket.
    """

    @scripted
    async def test_lowerTransport(self) -> None:
        """
        The connection is found under any number of wrappers.
        """
        wrapped = WrappingFactory(WrappingFactory(Factory.forProtocol(Client)))
        endpoint = TCP4ClientEndpoint(self.reactor, *self.listener.getsockname())
        client = cast(Any, await endpoint.connect(wrapped)).wrappedProtocol.wrappedProtocol
        self.servers.append(self.listener.accept()[0])
        self.clients.append(client)
        self.assertIsInstance(lowerTransport(client.transport), Connection)
        self.assertIsNot(lowerTransport(client.transport), client.transport)

    @scripted
    async def test_unknownWrapper(self) -> None:
        """
        Of a wrapper that is not known it is not known either how much of the stream lies in what was acknowledged: so
        none.  How it ended is known.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, *self.listener.getsockname())
        wrapper = cast(Any, await endpoint.connect(WrappingFactory(Factory.forProtocol(Client))))
        client, server = wrapper.wrappedProtocol, self.listener.accept()[0]
        self.servers.append(server)
        self.clients.append(client)
        client.transport.write(b"data")
        await self.until(lambda: client.view.sample().acked == 4)
        self.assertEqual(client.view.plain(4), 0)
        self.assertEqual(server.recv(10), b"data")
        server.close()
        self.assertEqual(await self.ended(client), ("eof", True))


class TLSTests(TestCase):
    """
    Views through TLS.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(Any, reactor)
        self.server, self.endpoint = tlsPair(self.reactor, self.mktemp())
        self.client = Client()
        self.addCleanup(self.cleanUp)

    @scripted
    async def cleanUp(self) -> None:
        """
        Leave nothing behind.
        """
        if self.client.events == ["made"]:
            self.client.transport.abortConnection()
        await self.server.stop()
        await self.until(lambda: self.client.lost)

    async def until(self, condition: Callable[[], object]) -> None:
        """
        Let the reactor work until something is so.
        """
        await until(self.reactor, condition)

    async def connect(self) -> Client:
        """
        Connect a client.
        """
        attempt: Deferred[IProtocol] = self.endpoint.connect(Factory.forProtocol(lambda: self.client))
        await attempt
        await self.until(lambda: self.server.connections)
        return self.client

    @scripted
    async def test_offsets(self) -> None:
        """
        Acknowledged records are mapped to the plain text in them, to the last byte, although the view is made only when
        the handshake is over.
        """
        client = await self.connect()
        self.assertGreater(client.view.sample().taken, 100)
        client.transport.write(b"x" * 5)
        await self.until(lambda: client.view.plain(client.view.sample().acked) == 5)
        client.transport.write(b"x" * 100_000)
        await self.until(lambda: client.view.plain(client.view.sample().acked) == 100_005)
        sample = client.view.sample()
        self.assertEqual(sample.acked, sample.taken)

    @scripted
    async def test_answeredEnd(self) -> None:
        """
        Our close_notify is answered by the server's: everything arrived.
        """
        client = await self.connect()
        client.transport.write(b"x" * 100_000)
        client.transport.loseConnection()
        await self.until(lambda: client.lost)
        self.assertEqual((len(self.server.received), client.drained), (100_000, True))

    @scripted
    async def test_answeredByFin(self) -> None:
        """
        A server may answer our close_notify by closing the connection, without a close_notify of its own.
        """
        client = await self.connect()
        raw = self.server.connections[0].transport.transport  # type: ignore[attr-defined]
        client.transport.write(b"data")
        await self.until(lambda: self.server.received == b"data")
        raw.protocol.connectionLost = lambda reason: None
        raw.protocol.dataReceived = lambda data: raw.loseConnection()
        client.transport.loseConnection()
        await self.until(lambda: client.lost)
        self.server.connections[0].gone = True
        self.assertEqual((client.why, client.drained), ("eof", True))

    @scripted
    async def test_endsBeforeOurs(self) -> None:
        """
        The server's close_notify comes while ours waits behind data: not everything arrived.
        """
        client = await self.connect()
        client.transport.write(b"the handshake is over on both sides")
        await self.until(lambda: self.server.received)
        await self.server.stall()
        client.transport.write(b"x" * 1_000_000)
        client.transport.loseConnection()
        await self.until(lambda: client.view.sample().taken > 1_000_000)
        # It sends a close_notify, and waits for ours, which it does not read.
        await self.server.close()
        await self.until(lambda: client.lost)
        self.assertEqual((client.why, client.drained), (None, False))

    @scripted
    async def test_otherSystems(self) -> None:
        """
        Elsewhere all that left for the wire counts as acknowledged.
        """
        self.patch(sys, "platform", "darwin")
        client = await self.connect()
        client.transport.write(b"x" * 1000)
        await self.until(lambda: client.view.plain(client.view.sample().acked) == 1000)
