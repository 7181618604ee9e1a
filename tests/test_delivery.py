"""
What is promised of delivery, at every level and with every overflow policy: through started relays, to servers that
read, stall, die and come back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import pairwise, product
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.batches import Framing, Origin
from logrelay.config import BufferSettings, DestinationSettings, FailbackSettings, TLSSettings
from logrelay.destination import Destination
from logrelay.encoding import encode
from logrelay.events import EventLog
from logrelay.servers import Server
from logrelay.service import LogRelayService
from logrelay.snapshot import DestinationSnapshot
from logrelay.testing import FakeServer

from .certificates import Folder
from .loopback import scripted
from .relays import (
    MANY,
    SMALL,
    LogServer,
    RelayCase,
    addressOf,
    client,
    clock,
    connected,
    destination,
    heard,
    numbered,
    small,
    source,
)
from .tlscases import ROOT, serverContext

LEVELS = ("written", "acked", "replay")
POLICIES = ("block", "drop-newest", "drop-oldest")


@attrs.define(eq=False)
class Stream:
    """
    One relay with a level and a policy, the smallest buffer, and one server.

    :ivar sent: the messages that its sender wrote.
    """

    level: str
    policy: str
    server: LogServer
    relay: LogRelayService
    sender: ITCPTransport
    sent: list[bytes] = attrs.field(factory=list)

    def send(self, count: int, size: int = 1000) -> None:
        """
        Write messages to the relay.
        """
        messages = numbered(count, size, len(self.sent))
        self.sent += messages
        self.sender.write(b"".join(message + b"\n" for message in messages))

    @property
    def state(self) -> DestinationSnapshot:
        """
        The state of the destination.
        """
        return self.relay.snapshot().destinations[0]

    @property
    def dropped(self) -> int:
        """
        How many messages of the sender were dropped.
        """
        return self.relay.snapshot().sources[1].counters.dropped["overflow"]

    @property
    def received(self) -> int:
        """
        How many messages of the sender were taken in.
        """
        return self.relay.snapshot().sources[1].counters.received

    def __str__(self) -> str:
        return f"{self.level}, {self.policy}"


class StreamCase(RelayCase):
    """
    The same story for every level and policy, all at once.
    """

    timeout = 60

    async def forAll(self, story: Callable[[Stream], Coroutine[Deferred[Any], Any, None]], **options: Any) -> None:
        """
        Play it.
        """
        streams = []
        for level, policy in product(LEVELS, POLICIES):
            server = self.server()
            buffer = BufferSettings(SMALL.size, policy)
            settings = small(server, delivery=level, buffer=buffer, timeReopen=0.1)
            relay = self.relay([settings], [source(**options)])
            sender = await connected(addressOf(relay))
            self.addCleanup(sender.abortConnection)
            streams.append(Stream(level, policy, server, relay, sender))
        await gatherResults([Deferred.fromCoroutine(story(stream)) for stream in streams], consumeErrors=True)

    async def goesOn(self, stream: Stream) -> None:
        """
        Wait until something that is sent from now on arrives: the stream has not stopped for ever.
        """
        stream.send(1)
        sentAt = clock.seconds()
        while stream.sent[-1] not in stream.server.messages[-50:]:
            await self.turns()
            if stream.policy != "block" and clock.seconds() - sentAt > 0.3:
                # It may have been dropped.
                stream.send(1)
                sentAt = clock.seconds()

    def checkOrder(self, stream: Stream) -> None:
        """
        Assert that on each connection no message was before one that was sent earlier, or was there twice.
        """
        for connection in stream.server.connections:
            for one, next in pairwise(connection.messages):
                self.assertLess(one, next, str(stream))


class SmallestBufferTests(StreamCase):
    """
    The smallest buffer that there may be.
    """

    @scripted
    async def test_aServerThatReads(self) -> None:
        """
        Three buffers full arrive, in order; what does not is counted, and where sources wait there is none of that.
        """

        async def story(stream: Stream) -> None:
            stream.send(3 * MANY)
            await self.goesOn(stream)
            missing = set(stream.sent) - set(stream.server.messages)
            # Under drop-oldest a message that is on its way counts as dropped, and arrives all the same.
            self.assertLessEqual(len(missing), stream.dropped, str(stream))
            if stream.policy == "block":
                self.assertEqual((stream.server.messages, stream.dropped), (stream.sent, 0), str(stream))
            self.checkOrder(stream)

        await self.forAll(story)

    @scripted
    async def test_aServerThatRestarts(self) -> None:
        """
        A server dies with data unread, is away while more comes than the buffer holds, and comes back: the stream goes
        on, in order.  With ``replay``, where sources wait, nothing is lost.
        """

        async def story(stream: Stream) -> None:
            stream.send(100)
            await self.arrived(stream.server, 100)
            stream.server.stall()
            stream.send(100)
            await self.until(lambda: stream.received == 200 and stream.state.unsentBatches == 0)
            await stream.server.kill()
            stream.send(MANY)
            await self.until(lambda: stream.dropped or stream.relay.snapshot().sources[1].heldBy)
            self.assertLess(stream.state.bufferCost, SMALL.size + 128 * 1024)
            stream.server.reads = True
            stream.server.listen()
            await self.goesOn(stream)
            self.checkOrder(stream)
            if stream.policy == "block":
                self.assertEqual(stream.dropped, 0)
                lost = set(stream.sent) - set(stream.server.messages)
                # What a server's kernel had and the server did not read.
                self.assertLessEqual(lost, set() if stream.level == "replay" else set(stream.sent[100:200]))

        await self.forAll(story)

    @scripted
    async def test_dripping(self) -> None:
        """
        Peers whose long lines never end fill the buffer with what is not whole yet: others' messages pass all the same,
        in order, and so do those lines, when they end.
        """

        async def story(stream: Stream) -> None:
            drips = [await connected(addressOf(stream.relay)) for _ in range(2)]
            for drip in drips:
                self.addCleanup(drip.abortConnection)
                drip.write(b"a long line " + b"x" * 700_000)
            await self.until(lambda: stream.relay.snapshot().sources[1].counters.receivedBytes >= 2 * 700_000)
            for _ in range(5):
                stream.send(20)
                await self.goesOn(stream)
            self.checkOrder(stream)
            if stream.policy == "block":
                self.assertEqual(stream.server.messages, stream.sent)
            count = len(stream.server.messages)
            for drip in drips:
                drip.write(b"\n")
            if stream.policy == "block":
                await self.arrived(stream.server, count + 2)
                expected = (b"a long line " + b"x" * 1024)[:1024]
                self.assertEqual(stream.server.messages[count:], [expected] * 2)
            await self.goesOn(stream)

        await self.forAll(story, maxMessageSize=1024 * 1024)

    @scripted
    async def test_whatCannotWait(self) -> None:
        """
        Datagrams are read on while the buffer is full.  Under ``block`` and ``drop-newest`` the newest are dropped, and
        under ``drop-oldest`` the oldest; what is dropped is counted for the source and said once.
        """
        for policy in POLICIES:
            server = self.server()
            await server.refuse()
            relay = self.relay(
                [small(server, buffer=BufferSettings(SMALL.size, policy), timeReopen=0.1)],
                [source("udp:0:interface=127.0.0.1", name="udp")],
            )
            told = heard(relay)
            messages = numbered(MANY, 1000)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.connect(addressOf(relay))
                for place, message in enumerate(messages):
                    sender.send(message)
                    # So many have room in the kernel.
                    if place % 50 == 0 or place + 1 == MANY:
                        await self.until(partial(self.took, relay, place + 1))
            dropped = relay.snapshot().sources[1].counters.dropped["overflow"]
            self.assertGreater(dropped, 50)
            self.assertEqual(relay.snapshot().sources[1].heldBy, ())
            server.listen()
            expected = messages[dropped:] if policy == "drop-oldest" else messages[: MANY - dropped]
            self.assertEqual(await self.arrived(server, len(expected)), expected)
            [said] = [event for event in told if isinstance(event, events.Dropped)]
            self.assertEqual((said.destination, said.source, said.reason), ("central", "udp", "overflow"))

    def took(self, relay: LogRelayService, count: int) -> bool:
        """
        Whether the first source of a relay has taken in so many messages.
        """
        return relay.snapshot().sources[1].counters.received >= count


class CheckpointTests(RelayCase):
    """
    Everything that was sent is settled now and then.
    """

    async def checkpointed(self, send: int = 5, **options: Any) -> LogServer:
        """
        A server that was sent some messages, and then confirmed them all.
        """
        server, other = self.server(), self.server()
        relay = self.relay([destination(server, other, **options)], [source()])
        told = heard(relay)
        messages = numbered(send, 1000)
        sender = client(self, relay)
        sender.sendall(b"".join(message + b"\n" for message in messages))
        await self.until(lambda: relay.snapshot().destinations[0].counters.settled == send)
        await self.until(lambda: relay.snapshot().destinations[0].state == "connected")
        sender.sendall(b"the next\n")
        self.assertEqual(await self.arrived(server, send + 1), [*messages, b"the next"])
        state = relay.snapshot().destinations[0]
        self.assertEqual((state.counters.switches, state.counters.resent, other.connections), (0, 0, []))
        self.assertGreaterEqual(state.counters.checkpoints, 1)
        # It is neither a loss nor a new beginning to those who watch.
        self.assertEqual([type(event) for event in told], [events.Connected])
        sender.close()
        await relay.stopService()
        return server

    @scripted
    async def test_byAge(self) -> None:
        """
        When the oldest message that has not settled is old enough.
        """
        server = await self.checkpointed(checkpointAge=0.3)
        self.assertEqual(server.ends, ["fin", "fin"])

    @scripted
    async def test_byBytes(self) -> None:
        """
        When so many bytes went out.
        """
        await self.checkpointed(checkpoint=5000)

    @scripted
    async def test_overTLS(self) -> None:
        """
        Over TLS, too.
        """
        context = serverContext(Folder(self.mktemp()), ROOT.issue("127.0.0.1"), SSL.TLS1_3_VERSION)
        server = self.server(context=context)
        authority = Folder(self.mktemp()).write("ca.pem", ROOT.pem)
        relay = self.relay([destination(server, transport="tls", tls=TLSSettings(caFile=authority))])
        for number in range(3):
            await relay.send(b"%d" % number)
            await relay.whenSettled()
            self.assertEqual(len(server.messages), number + 1)
        await relay.stopService()
        self.assertEqual(set(server.ends), {"close_notify"})
        self.assertEqual(server.messages, [b"0", b"1", b"2"])

    @scripted
    async def test_unanswered(self) -> None:
        """
        A server that does not answer one gets no more of them, is not left for it, and loses nothing.
        """
        server, other = self.server(), self.server()
        server.answersEnds = False
        relay = self.relay([destination(server, other, checkpointAge=0.1, drainTimeout=0.3)])
        told = heard(relay)
        await relay.send(b"one")
        await self.until(lambda: any(isinstance(event, events.CheckpointRefused) for event in told))
        await self.until(lambda: server.messages == [b"one", b"one"])
        await relay.send(b"two")
        await self.until(lambda: server.messages == [b"one", b"one", b"two"])
        counters = relay.snapshot().destinations[0].counters
        self.assertEqual((counters.resent, counters.switches, other.connections), (1, 0, []))
        self.assertEqual(len(server.connections), 2)


class StopTests(RelayCase):
    """
    The graceful end.
    """

    @scripted
    async def test_everythingArrives(self) -> None:
        """
        What is stored when the relay is stopped arrives, however much it is; the server sees a clean end, and the next
        one is left alone.
        """
        context = serverContext(Folder(self.mktemp()), ROOT.issue("127.0.0.1"), SSL.TLS1_3_VERSION)
        authority = Folder(self.mktemp()).write("ca.pem", ROOT.pem)
        for tls, end in ((None, "fin"), (context, "close_notify")):
            server, other = self.server(context=tls), self.server()
            options: dict[str, Any] = {"transport": "tls", "tls": TLSSettings(caFile=authority)} if tls else {}
            relay = self.relay([destination(server, other, **options)])
            told = heard(relay)
            messages = numbered(5000, 200)
            for message in messages:
                relay.send(message)
            await relay.stopService()
            self.assertEqual((server.messages, server.ends, other.connections), (messages, [end], []))
            self.assertEqual([type(event) for event in told], [events.Connected, events.Stopped])

    @scripted
    async def test_beforeItIsConnected(self) -> None:
        """
        A relay that is stopped at once still connects, and delivers what it has; so a short program may log.
        """
        server = self.server()
        relay = self.relay([destination(server)])
        await relay.send(b"one")
        await relay.stopService()
        self.assertEqual((server.messages, server.ends), ([b"one"], ["fin"]))

    @scripted
    async def test_duringAFailover(self) -> None:
        """
        When a server has just died, what is stored goes to the next one.
        """
        server, other = self.server(), self.server()
        relay = self.relay([destination(server, other)])
        await relay.send(b"one")
        await self.arrived(server, 1)
        await server.refuse()
        server.connections[0].transport.abortConnection()
        await relay.send(b"two")
        await relay.stopService()
        self.assertEqual((other.messages, other.ends), ([b"one", b"two"], ["fin"]))

    @scripted
    async def test_whatAConnectionBrings(self) -> None:
        """
        What peers have under way is taken in and delivered.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source()])
        messages = numbered(2000, 500)
        with client(self, relay) as sender:
            sender.sendall(b"".join(message + b"\n" for message in messages))
            await self.turns()
        await relay.stopService()
        self.assertEqual(server.messages, messages)

    @scripted
    async def test_withoutAServer(self) -> None:
        """
        Where no server can be used it ends at once, and says what is lost.
        """
        server = self.server()
        await server.refuse()
        relay = self.relay([destination(server)], stopTimeout=30)
        told = heard(relay)
        await relay.send(b"one")
        await self.until(lambda: relay.snapshot().destinations[0].state == "waiting")
        before = clock.seconds()
        await relay.stopService()
        self.assertLess(clock.seconds() - before, 2)
        self.assertEqual(told[-2:], [events.Undelivered("central", 1, 0), events.Stopped("central")])
        self.assertEqual(relay.snapshot().destinations[0].counters.dropped, {"stopped": 1})

    @scripted
    async def test_timeLimits(self) -> None:
        """
        A server that reads no more holds the end up for ``stop-timeout`` and ``drain-timeout``, no longer.
        """
        server = self.server()
        server.stall()
        relay = self.relay([destination(server, drainTimeout=0.5)], stopTimeout=0.5)
        told = heard(relay)
        for message in numbered(400, 60_000):
            relay.send(message)
        await self.until(lambda: server.connections)
        before = clock.seconds()
        await relay.stopService()
        self.assertLess(clock.seconds() - before, 3)
        [left] = [event for event in told if isinstance(event, events.Undelivered)]
        self.assertGreater(left.unsent + left.unconfirmed, 0)


class FailoverTests(RelayCase):
    """
    From server to server in mid-stream.
    """

    async def failsOver(self, *servers: LogServer, **options: Any) -> None:
        """
        Let the first server die with data unread, while more is coming.
        """
        one, two = servers
        relay = self.relay([destination(one, two, **options)], [source()])
        told = heard(relay)
        messages = numbered(3000, 500)
        with client(self, relay) as sender:
            sender.sendall(b"".join(message + b"\n" for message in messages[:1000]))
            await self.arrived(one, 1000)
            one.stall()
            # No more than its kernel takes, so that all of it is sent.
            sender.sendall(b"".join(message + b"\n" for message in messages[1000:1200]))
            await self.until(lambda: relay.snapshot().sources[1].counters.received == 1200)
            await self.until(lambda: relay.snapshot().destinations[0].unsentBatches == 0)
            await one.kill()
            sender.sendall(b"".join(message + b"\n" for message in messages[1200:]))
        await self.until(lambda: messages[-1] in two.messages)
        read = len(one.messages)
        self.assertGreaterEqual(read, 1000)
        self.assertEqual(one.messages, messages[:read])
        first = messages.index(two.messages[0])
        self.assertLessEqual(first, read)
        # What was sent before comes first, in order, then what was new.
        self.assertEqual(two.messages, messages[first:])
        counters = relay.snapshot().destinations[0].counters
        self.assertEqual(counters.resent, 1200 - first)
        self.assertEqual(counters.switches, 1)
        [switched] = [event for event in told if isinstance(event, events.Switched)]
        self.assertEqual((switched.before, switched.after), (str(one.server), str(two.server)))

    @scripted
    async def test_tcp(self) -> None:
        """
        Both servers together have everything, each in order, and what is sent again comes first.
        """
        await self.failsOver(self.server(), self.server())

    @scripted
    async def test_lines(self) -> None:
        """
        So it is with lines.
        """
        await self.failsOver(self.server(Framing.LF), self.server(Framing.LF))

    @scripted
    async def test_tls(self) -> None:
        """
        And so it is over TLS.
        """
        context = serverContext(Folder(self.mktemp()), ROOT.issue("127.0.0.1"), SSL.TLS1_2_VERSION)
        authority = Folder(self.mktemp()).write("ca.pem", ROOT.pem)
        servers = [self.server(context=context) for _ in range(2)]
        await self.failsOver(*servers, transport="tls", tls=TLSSettings(caFile=authority))

    @scripted
    async def test_failback(self) -> None:
        """
        When the primary is back the stream returns to it, in order, with nothing lost and nothing twice.
        """
        one, two = self.server(), self.server()
        failback = FailbackSettings(tcpProbeInterval=0.2, successfulProbesRequired=1)
        await one.refuse()
        relay = self.relay([destination(one, two, failback=failback, delivery="acked")], [source()])
        await self.until(lambda: two.connections)
        one.listen()
        with client(self, relay) as sender:
            sent = 0
            while not one.messages:
                [message] = numbered(1, start=sent)
                sender.sendall(message + b"\n")
                sent += 1
                await self.turns()
        await self.until(lambda: len(one.messages) + len(two.messages) == sent)
        self.assertEqual(two.messages + one.messages, numbered(sent))
        self.assertEqual(two.ends, ["fin"])


class ThrottleTests(RelayCase):
    """
    So many messages a second.
    """

    @scripted
    async def test_realTime(self) -> None:
        """
        A stream takes the time that it should, and nothing is lost.
        """
        server = self.server()
        relay = self.relay([destination(server, throttle=1000)], [source()])
        messages = numbered(1500)
        with client(self, relay) as sender:
            sender.sendall(b"".join(message + b"\n" for message in messages))
        await self.arrived(server, 1)
        began, before = clock.seconds(), len(server.messages)
        self.assertEqual(await self.arrived(server, 1500), messages)
        rate = (1500 - before) / (clock.seconds() - began)
        # A busy machine makes it slower, never faster.
        self.assertLess(rate, 1050)
        self.assertGreater(rate, 500)


class ThrottledClockTests(SynchronousTestCase):
    """
    The same on a clock.
    """

    def test_tenSeconds(self) -> None:
        """
        Over ten seconds the rate is within five per cent, be it small or large, and however batches come.
        """
        for rate, size in ((2.5, 1), (40, 7), (1000, 700), (20_000, 900)):
            time = Clock()
            server = FakeServer(time)
            settings = DestinationSettings("central", (Server("one", 601),), framing=Framing.LF, throttle=rate)
            throttled = Destination(time, settings, [server.endpoint], EventLog(), lambda *what: None)
            throttled.start()
            batches = encode([b"%d" % number for number in range(size)], Framing.LF, Origin("tcp", b"host"))
            for _ in range(round(11 * rate / size) + 1):
                for batch in batches:
                    throttled.append(batch)
            time.pump([0.01] * 1000)
            count = server.received.count(b"\n")
            self.assertLess(abs(count - 10 * rate), 0.05 * 10 * rate + 1, f"{rate}: {count}")
            throttled.stop(0)
            time.pump([1] * 10)
