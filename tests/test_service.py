"""
The relay as a service: how it starts and stops, and what a program that composes it can do.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from io import BytesIO
from typing import Any

import attrs
from twisted.application.service import IService, MultiService
from twisted.internet import reactor
from twisted.internet.interfaces import IPushProducer
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.protocols.basic import FileSender
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay import events
from logrelay.config import BufferSettings, Configuration
from logrelay.entrance import MAX_WAITING
from logrelay.errors import BufferFull, ConfigurationError, RelayStopped
from logrelay.service import LogRelayService
from logrelay.sources import CannotListen, RelayHandler

from .loopback import openDescriptors, scripted
from .relays import MANY, SMALL, RelayCase, addressOf, client, destination, heard, numbered, small, source


class LifeTests(RelayCase):
    """
    From the beginning to the end.
    """

    def test_interface(self) -> None:
        """
        It is a service.
        """
        verifyObject(IService, LogRelayService(reactor, Configuration((), (destination(self.server()),))))

    @scripted
    async def test_nothingIsOpenedBefore(self) -> None:
        """
        To build it opens nothing: the process may still fork, and change its user.
        """
        server = self.server()
        before = await openDescriptors(reactor)
        relay = LogRelayService(reactor, Configuration((source(),), (destination(server),)))
        self.assertEqual(await openDescriptors(reactor), before)
        self.assertEqual([each.addresses for each in relay.snapshot().sources], [(), ()])
        self.assertEqual(relay.snapshot().destinations[0].state, "idle")

    @scripted
    async def test_bindsAllOrNothing(self) -> None:
        """
        If one source can't have its socket the error names it, and the others let go of theirs.
        """
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        number = taken.getsockname()[1]
        sources = (source(name="fine"), source(f"tcp:{number}:interface=127.0.0.1"))
        relay = LogRelayService(reactor, Configuration(sources, (destination(self.server()),)))
        before = await openDescriptors(reactor)
        with self.assertRaises(CannotListen) as caught:
            relay.privilegedStartService()
        self.assertIn(f"tcp:{number}:interface=127.0.0.1", str(caught.exception))
        self.assertEqual(await openDescriptors(reactor), before)
        taken.close()
        relay.startService()
        self.assertEqual(relay.snapshot().sources[2].addresses, (f"127.0.0.1:{number}",))
        await relay.stopService()

    @scripted
    async def test_composed(self) -> None:
        """
        It works as a child of a service that runs already, and ends with it.
        """
        server = self.server()
        application = MultiService()
        application.startService()
        relay = LogRelayService(reactor, Configuration((source(),), (destination(server),)))
        relay.setServiceParent(application)
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
        self.assertEqual(await self.arrived(server, 1), [b"one"])
        address = addressOf(relay)
        await application.stopService()
        self.assertEqual(server.ends, ["fin"])
        self.assertEqual(relay.snapshot().sources[1].addresses, ())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(address)

    @scripted
    async def test_severalInOneApplication(self) -> None:
        """
        An application may have several relays.
        """
        application = MultiService()
        servers = [self.server(), self.server()]
        for server in servers:
            LogRelayService(reactor, Configuration((), (destination(server),))).setServiceParent(application)
        application.startService()
        for relay in application.services:
            await relay.send(b"one")
        await application.stopService()
        self.assertEqual([server.messages for server in servers], [[b"one"]] * 2)

    @scripted
    async def test_restart(self) -> None:
        """
        What was stopped can be started again, and all ways in are open again.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source()])
        for word in (b"first", b"second"):
            with client(self, relay) as sender:
                sender.sendall(b"by tcp: " + word + b"\n")
            await self.arrived(server, 1 + 3 * (word == b"second"))
            await relay.send(b"sent: " + word)
            RelayHandler(relay.inlet).handle(logging.LogRecord("x", 30, "", 1, word.decode(), (), None))
            await relay.stopService()
            if word == b"first":
                relay.startService()
        texts = [message.rpartition(b" - ")[2] for message in server.messages]
        expected = [b"%b%b" % (how, word) for word in (b"first", b"second") for how in (b"by tcp: ", b"sent: ", b"")]
        self.assertEqual(texts, expected)

    @scripted
    async def test_stopTwice(self) -> None:
        """
        A second stop changes nothing and waits as well.
        """
        server = self.server()
        relay = self.relay([destination(server)])
        await relay.send(b"one")
        first, second = relay.stopService(), relay.stopService()
        await first
        await second
        self.assertEqual((server.messages, server.ends), ([b"one"], ["fin"]))

    @scripted
    async def test_stoppedBeforeItStarted(self) -> None:
        """
        A relay that never ran stops at once.
        """
        relay = LogRelayService(reactor, Configuration((source(),), (destination(self.server()),)))
        relay.privilegedStartService()
        self.successResultOf(relay.send(b"never sent"))
        before = reactor.seconds()
        await relay.stopService()
        self.assertLess(reactor.seconds() - before, 1)
        self.assertEqual(relay.snapshot().destinations[0].counters.dropped, {"stopped": 1})

    @scripted
    async def test_logged(self) -> None:
        """
        Every event is in Twisted's log: as text, with its fields, at its level, and of our namespace.
        """
        logged: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_namespace") == "logrelay":
                logged.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        server = self.server()
        relay = self.relay([destination(server)], [source(name="apps")])
        told = heard(relay)
        await self.until(lambda: told)
        await relay.stopService()
        listening, connected, stopped = logged
        address = relay.configuration.destinations[0].servers[0]
        self.assertRegex(formatEvent(listening), r"^source apps listens on 127\.0\.0\.1:\d+$")
        self.assertEqual(formatEvent(connected), f"central: connected to {address}")
        self.assertEqual((connected["event_id"], connected["server"]), ("Connected", str(address)))
        self.assertEqual(connected["log_level"], LogLevel.info)
        self.assertEqual(formatEvent(stopped), "central: stopped")


class SendTests(RelayCase):
    """
    Single messages of the program.
    """

    @scripted
    async def test_send(self) -> None:
        """
        A message is converted as every other, with our name as the host.
        """
        server = self.server()
        relay = self.relay([destination(server, format="rfc5424")])
        await relay.send(b"<29>1 2003-10-11T22:14:15Z h a - - - as it is")
        await relay.send(b"made")
        first, second = await self.arrived(server, 2)
        self.assertEqual(first, b"<29>1 2003-10-11T22:14:15Z h a - - - as it is")
        self.assertRegex(second, rb"^<13>1 \S+ relay\.example\.com - - - - made$")

    @scripted
    async def test_beforeTheStart(self) -> None:
        """
        What is sent before the start is kept for it.
        """
        server = self.server()
        relay = LogRelayService(reactor, Configuration((), (destination(server),)))
        self.successResultOf(relay.send(b"early"))
        relay.startService()
        self.addCleanup(relay.stopService)
        self.assertEqual(await self.arrived(server, 1), [b"early"])

    @scripted
    async def test_to(self) -> None:
        """
        A message goes to the destinations that are named, once to each, in whatever order they are named.
        """
        servers = [self.server() for _ in range(3)]
        relay = self.relay([destination(server, name=name) for server, name in zip(servers, "abc", strict=True)])
        await relay.send(b"ca", to=["c", "a"])
        await relay.send(b"aac", to=["a", "a", "c"])
        await relay.send(b"all")
        await relay.send(b"cba", to=["c", "b", "a"])
        for server, expected in zip(
            servers, ([b"ca", b"aac", b"all", b"cba"], [b"all", b"cba"], [b"ca", b"aac", b"all", b"cba"]), strict=True
        ):
            self.assertEqual(await self.arrived(server, len(expected)), expected)
        counted = {each.name: each.counters.received for each in relay.snapshot().sources}
        self.assertEqual(counted, {"program": 2, "program to a, c": 2})

    def test_unknownDestination(self) -> None:
        """
        A destination that does not exist is an error that names those that do.
        """
        relay = LogRelayService(reactor, Configuration((), (destination(self.server()),)))
        with self.assertRaisesRegex(ConfigurationError, "there is no destination centrall; use one of central"):
            relay.send(b"x", to=["centrall"])

    @scripted
    async def test_bufferFull(self) -> None:
        """
        When the buffer is full a thousand messages wait, and the next one fails; when a server takes them, all that
        were accepted arrive, in order.
        """
        server = self.server()
        await server.refuse()
        relay = self.relay([small(server, timeReopen=0.1)])
        messages = numbered(MANY + MAX_WAITING, 1000)
        sent = [relay.send(message) for message in messages]
        refused = [place for place, each in enumerate(sent) if each.called and place > MANY]
        self.failureResultOf(sent[refused[0]], BufferFull)
        for place in refused:
            sent[place].addErrback(lambda reason: reason.trap(BufferFull))
        waiting = [each for each in sent[: refused[0]] if not each.called]
        self.assertEqual(len(waiting), MAX_WAITING)
        self.assertEqual(relay.snapshot().sources[0].heldBy, ("central",))
        server.listen()
        for each in waiting:
            await each
        expected = messages[: refused[0]]
        self.assertEqual(await self.arrived(server, len(expected)), expected)

    @scripted
    async def test_newEntranceToAFullDestination(self) -> None:
        """
        A message to destinations that were never named together waits, too, if one of them is full already.
        """
        server, other = self.server(), self.server()
        await server.refuse()
        relay = self.relay([small(server, timeReopen=0.1), destination(other, name="other")])
        while (sent := relay.send(b"x" * 1000)).called:
            pass
        late = relay.send(b"late", to=["central"])
        fine = relay.send(b"fine", to=["other"])
        self.assertNoResult(late)
        self.successResultOf(fine)
        server.listen()
        await sent
        await late

    @scripted
    async def test_dropped(self) -> None:
        """
        A message that a destination drops fails, and is counted where it came from; the others have it.
        """
        server, other = self.server(), self.server()
        await server.refuse()
        drops = BufferSettings(SMALL.size, "drop-newest")
        relay = self.relay([small(server, buffer=drops), destination(other, name="other")])
        sent = [relay.send(message) for message in numbered(MANY, 1000)]
        failed = [each for each in sent if isinstance(each.result, object) and each.result is not None]
        self.assertGreater(len(failed), 50)
        for each in failed:
            self.failureResultOf(each, BufferFull)
        await self.arrived(other, MANY)
        state = relay.snapshot()
        self.assertEqual(state.sources[0].counters.dropped, {"overflow": len(failed)})
        self.assertEqual(state.destinations[0].counters.dropped, {"overflow": len(failed)})

    @scripted
    async def test_afterAStop(self) -> None:
        """
        When the relay is stopped nothing more is taken, and what waits for room gets none.
        """
        server = self.server()
        await server.refuse()
        relay = self.relay([small(server)])
        await self.until(lambda: relay.snapshot().destinations[0].state == "waiting")
        while (sent := relay.send(b"x" * 1000)).called:
            pass
        stopping = relay.stopService()
        self.failureResultOf(relay.send(b"late"), RelayStopped)
        await stopping
        self.failureResultOf(sent, RelayStopped)


class SettledTests(RelayCase):
    """
    Knowing that everything has settled.
    """

    @scripted
    async def test_nothingIsOut(self) -> None:
        """
        If nothing is out everything has settled.
        """
        relay = self.relay([destination(self.server())])
        self.successResultOf(relay.whenSettled())

    @scripted
    async def test_confirmed(self) -> None:
        """
        Everything has settled when the servers of all destinations have confirmed it.
        """
        servers = [self.server(), self.server()]
        relay = self.relay([destination(server, name=name) for server, name in zip(servers, "ab", strict=True)])
        await relay.send(b"one")
        await relay.whenSettled()
        self.assertEqual([server.messages for server in servers], [[b"one"]] * 2)
        self.assertEqual([server.ends[0] for server in servers], ["fin"] * 2)
        counted = [each.counters for each in relay.snapshot().destinations]
        self.assertEqual([(each.settled, each.switches) for each in counted], [(1, 0)] * 2)

    @scripted
    async def test_notWithoutAServer(self) -> None:
        """
        As long as one destination has no server nothing has settled; a stop says that nothing will.
        """
        server, dead = self.server(), self.server()
        await dead.refuse()
        relay = self.relay([destination(server), destination(dead, name="dead")])
        await relay.send(b"one")
        settled = relay.whenSettled()
        await self.until(lambda: relay.snapshot().destinations[0].counters.settled)
        self.assertNoResult(settled)
        cancelled = relay.whenSettled().addErrback(lambda _: None)
        cancelled.cancel()
        await relay.stopService()
        self.failureResultOf(settled, RelayStopped)

    @scripted
    async def test_thenStop(self) -> None:
        """
        A program that waits for it and then stops the relay leaves nothing behind.
        """
        server = self.server()
        relay = self.relay([destination(server)])
        await relay.send(b"one")
        await relay.whenSettled()
        await relay.stopService()
        self.assertEqual((server.messages, relay.snapshot().destinations[0].state), ([b"one"], "idle"))

    @scripted
    async def test_otherThreads(self) -> None:
        """
        What other threads have logged before is among it.
        """
        server = self.server()
        relay = self.relay([destination(server)])
        log = logging.Logger("shop")
        log.addHandler(RelayHandler(relay.inlet))
        await deferToThread(log.warning, "bye")
        log.warning("good bye")
        await relay.whenSettled()
        self.assertEqual([message.rpartition(b" - ")[2] for message in server.messages], [b"bye", b"good bye"])


@implementer(IPushProducer)
@attrs.define(eq=False)
class Pushing:
    """
    A push producer that writes lines as long as it may.
    """

    relay: LogRelayService
    produced: int = 0
    pauses: int = 0
    paused: bool = False
    stopped: bool = False
    consumer: Any = None

    def run(self) -> None:
        """
        Write one more line, and go on.
        """
        if not self.paused and not self.stopped:
            [message] = numbered(1, 900, self.produced)
            self.consumer.write(message + b"\n")
            self.produced += 1
            reactor.callLater(0, self.run)

    def start(self) -> None:
        """
        Begin.
        """
        self.consumer = self.relay.consumer()
        self.consumer.registerProducer(self, True)
        self.run()

    def pauseProducing(self) -> None:
        self.paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        if self.paused:
            self.paused = False
            reactor.callLater(0, self.run)

    def stopProducing(self) -> None:
        self.stopped = True


class ConsumerTests(RelayCase):
    """
    Twisted's producers.
    """

    @scripted
    async def test_file(self) -> None:
        """
        A file of more than the buffer's size arrives, whole and in order.
        """
        server = self.server()
        relay = self.relay([small(server, delivery="acked")])
        messages = numbered(5000, 200)
        content = b"".join(message + b"\n" for message in messages)
        self.assertGreater(len(content), 3 * SMALL.size)
        await FileSender().beginFileTransfer(BytesIO(content), relay.consumer())
        self.assertEqual(await self.arrived(server, 5000), messages)

    @scripted
    async def test_pushProducer(self) -> None:
        """
        A push producer is paused when the buffer is full, and resumed when a server makes room.
        """
        server = self.server()
        await server.refuse()
        relay = self.relay([small(server, timeReopen=0.1)])
        told = heard(relay)
        producer = Pushing(relay)
        producer.start()
        await self.until(lambda: producer.paused)
        self.assertIn(events.SourcePaused("program", "central"), told)
        count = producer.produced
        await self.turns()
        self.assertEqual(producer.produced, count)
        self.assertLess(relay.snapshot().destinations[0].bufferCost, SMALL.size)
        server.listen()
        await self.until(lambda: producer.produced > 2 * count)
        self.assertIn(events.SourceResumed("program"), told)
        await relay.stopService()
        self.assertTrue(producer.stopped)
        self.assertEqual(server.messages, numbered(producer.produced, 900))

    @scripted
    async def test_afterAStop(self) -> None:
        """
        A file that is being sent when the relay stops is told so, and so is one that comes later.
        """
        relay = self.relay([destination(self.server())])
        first = FileSender().beginFileTransfer(BytesIO(b"line\n" * 1_000_000), relay.consumer())
        await self.turns()
        await relay.stopService()
        self.failureResultOf(first)
        self.failureResultOf(FileSender().beginFileTransfer(BytesIO(b"line\n"), relay.consumer()))


class SnapshotTests(RelayCase):
    """
    The state at one moment.
    """

    @scripted
    async def test_frozen(self) -> None:
        """
        A snapshot does not change with the relay.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source("udp:0:interface=127.0.0.1", name="udp")])
        before = relay.snapshot()
        await relay.send(b"one")
        await relay.whenSettled()
        self.assertEqual(before.sources[0].counters.received, 0)
        self.assertEqual(before.destinations[0].counters.settled, 0)
        after = relay.snapshot()
        self.assertEqual(after.sources[0].counters.received, 1)
        self.assertEqual(after.destinations[0].counters.settled, 1)
        self.assertGreaterEqual(after.at, before.at)
        self.assertEqual([each.name for each in after.sources], ["program", "udp"])
        await self.until(lambda: relay.snapshot().destinations[0].active == str(server.server))

    @scripted
    async def test_pausedAgainAndAgain(self) -> None:
        """
        A source that is faster than the servers waits again and again; that is said once a minute.
        """
        relay = self.relay([small(self.server(), delivery="acked", throttle=5000)])
        told = heard(relay)
        producer = Pushing(relay)
        producer.start()
        await self.until(lambda: producer.pauses > 5)
        waits = [event for event in told if isinstance(event, events.SourcePaused | events.SourceResumed)]
        self.assertEqual(waits, [events.SourcePaused("program", "central"), events.SourceResumed("program")])

    @scripted
    async def test_whoWaitsForWhom(self) -> None:
        """
        It says which destinations a source waits for, and the log does; what can't wait is not said to.
        """
        one, two = self.server(), self.server()
        await one.refuse()
        await two.refuse()
        udp = source("udp:0:interface=127.0.0.1", name="udp")
        relay = self.relay(
            [small(one, name="one", timeReopen=0.1), small(two, name="two", timeReopen=0.1)],
            [source(name="tcp"), udp],
        )
        told = heard(relay)
        sender = client(self, relay)
        sender.setblocking(False)

        def stuffed() -> bool:
            with contextlib.suppress(BlockingIOError):
                sender.send(b"x" * 900 + b"\n")
            return relay.snapshot().sources[1].heldBy == ("one", "two")

        await self.until(stuffed)
        held = {each.name: each.heldBy for each in relay.snapshot().sources}
        self.assertEqual(held, {"program": (), "tcp": ("one", "two"), "udp": ()})
        self.assertEqual(
            [each for each in told if isinstance(each, events.SourcePaused)], [events.SourcePaused("tcp", "one")]
        )
        one.listen()
        await self.until(lambda: relay.snapshot().sources[1].heldBy == ("two",))
        self.assertNotIn(events.SourceResumed("tcp"), told)
        two.listen()
        await self.until(lambda: events.SourceResumed("tcp") in told)
        self.assertEqual(
            [each for each in told if isinstance(each, events.SourceResumed)], [events.SourceResumed("tcp")]
        )
