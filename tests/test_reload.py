"""
A relay that goes over to another configuration while it runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.threads import deferToThread

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import (
    BufferSettings,
    Configuration,
    DestinationSettings,
    SourceSettings,
    SourceTLSSettings,
    SpoolSettings,
    TLSSettings,
)
from logrelay.destination import Destination
from logrelay.destinationsnapshot import snapshotOf
from logrelay.difference import differenceOf
from logrelay.disk import CannotOpen
from logrelay.errors import BufferFull, ConfigurationError, LogRelayError, Problem, RelayStopped, ReloadRefused
from logrelay.events import Event
from logrelay.servers import Server
from logrelay.service import LogRelayService
from logrelay.sources import CannotListen, RelayHandler

from .certificates import Folder
from .loopback import openDescriptors, scripted
from .relays import (
    MANY,
    LogServer,
    RelayCase,
    addressOf,
    client,
    connected,
    destination,
    heard,
    numbered,
    small,
    source,
)
from .relpends import RelpServer
from .tlscases import ROOT, serverContext

#: What a configuration consists of.
Part = SourceSettings | DestinationSettings


def kinds(told: list[Event]) -> list[str]:
    """
    The kinds of some events.
    """
    return [type(event).__name__ for event in told]


class ReloadCase(RelayCase):
    """
    A relay, and how to change it.
    """

    def configuration(self, relay: LogRelayService, *parts: Part, **options: Any) -> Configuration:
        """
        The relay's configuration, but with these sources and destinations.
        """
        sources = tuple(each for each in parts if isinstance(each, SourceSettings))
        destinations = tuple(each for each in parts if isinstance(each, DestinationSettings))
        return attrs.evolve(relay.configuration, sources=sources, destinations=destinations, **options)

    async def reload(self, relay: LogRelayService, *parts: Part, **options: Any) -> None:
        """
        Have these sources and destinations from now on.
        """
        await relay.reload(self.configuration(relay, *parts, **options))

    async def refused(
        self,
        kind: type[Exception],
        relay: LogRelayService,
        *parts: Part,
        **options: Any,
    ) -> str:
        """
        Try to, and be refused: nothing has changed.
        """
        before, told = relay.configuration, heard(relay)
        shown = relay.snapshot()
        with self.assertRaises(kind) as caught:
            await self.reload(relay, *parts, **options)
        self.assertIs(relay.configuration, before)
        after = relay.snapshot()
        self.assertEqual([each.addresses for each in after.sources], [each.addresses for each in shown.sources])
        self.assertEqual([each.name for each in after.destinations], [each.name for each in shown.destinations])
        [failed] = [event for event in told if isinstance(event, events.ReloadFailed)]
        assert after.reload is not None
        self.assertEqual((after.reload.failed, after.reload.what), (True, failed.why))
        self.assertNotIn("Reloaded", kinds(told))
        return str(caught.exception)


class SourceTests(ReloadCase):
    """
    Sources that come, go and change.
    """

    @scripted
    async def test_addedAndRemoved(self) -> None:
        """
        One more source is listened on; one less lets its peers end; what stays keeps its connections.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source(name="stays"), source(name="goes")])
        told = heard(relay)
        stays, goes = client(self, relay), client(self, relay, 1)
        await self.turns()
        await self.reload(relay, central, source(name="stays"), source(name="comes"))
        self.assertEqual([event.source for event in told if isinstance(event, events.Listening)], ["comes"])
        what = "sources added: comes; sources removed: goes; sources unchanged: 1; destinations unchanged: 1"
        self.assertEqual([str(event) for event in told if isinstance(event, events.Reloaded)], [f"reloaded: {what}"])
        snapshot = relay.snapshot()
        self.assertEqual([each.name for each in snapshot.sources], ["program", "stays", "comes"])
        assert snapshot.reload is not None
        self.assertEqual((snapshot.reload.failed, snapshot.reload.what), (False, what))
        goes.settimeout(5)
        self.assertEqual(goes.recv(10), b"")
        with client(self, relay, 1) as comes:
            comes.sendall(b"one\n")
            await self.arrived(server, 1)
        stays.sendall(b"two\n")
        self.assertEqual(await self.arrived(server, 2), [b"one", b"two"])
        self.assertEqual(server.ends, [None])

    @scripted
    async def test_justConnected(self) -> None:
        """
        Who has connected just before a source goes is not reset: what came with it is taken in, and it is told the end.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source(), source(name="stays")])
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            reloaded = relay.reload(self.configuration(relay, central, source(name="stays")))
            self.assertEqual(await self.arrived(server, 1), [b"one"])
            self.assertEqual(await deferToThread(sender.recv, 10), b"")
        await reloaded

    @scripted
    async def test_justConnectedToTheNext(self) -> None:
        """
        Where another source takes its socket over, it takes over those who have just connected, too.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source()])
        with client(self, relay) as sender:
            sender.sendall(b"5 a\nb c")
            await self.reload(relay, central, source(framing=Framing.OCTET_COUNTING))
            self.assertEqual(await self.arrived(server, 1), [b"a\nb c"])
            sender.sendall(b"3 two")
            await self.arrived(server, 2)

    @scripted
    async def test_whereItLeads(self) -> None:
        """
        A source that only leads elsewhere keeps its connections, and what they have begun to send.
        """
        one, two = self.server(), self.server()
        a, b = destination(one, name="a"), destination(two, name="b")
        relay = self.relay([a, b], [source(to=("a",))])
        with client(self, relay) as sender:
            sender.sendall(b"one\ntw")
            await self.arrived(one, 1)
            await self.reload(relay, a, b, source(to=("b", "a")))
            self.assertEqual([each.bufferCost > 0 for each in relay.snapshot().destinations], [True, True])
            sender.sendall(b"o\n")
            await self.arrived(two, 1)
            await self.reload(relay, a, b, source(to=("b",)))
            sender.sendall(b"three\n")
            await self.arrived(two, 2)
        self.assertEqual((one.messages, two.messages), ([b"one", b"two"], [b"two", b"three"]))

    @scripted
    async def test_changed(self) -> None:
        """
        A source that listens in another way takes over the socket, and its counters; old connections end.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source()])
        before = relay.snapshot().sources[1].addresses
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(server, 1)
            reloaded = relay.reload(self.configuration(relay, central, source(framing=Framing.OCTET_COUNTING)))
            sender.sendall(b"on its way\n")
            sender.settimeout(5)
            self.assertEqual(await deferToThread(sender.recv, 10), b"")
        await reloaded
        with client(self, relay) as sender:
            sender.sendall(b"5 a\nb c")
            self.assertEqual(await self.arrived(server, 3), [b"one", b"on its way", b"a\nb c"])
        after = relay.snapshot().sources[1]
        self.assertEqual((after.addresses, after.counters.received, after.counters.connections), (before, 3, 2))

    @scripted
    async def test_limits(self) -> None:
        """
        Limits of a source apply without closing anything.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source(), source("udp:0:interface=127.0.0.1", to=("central",))])
        with client(self, relay) as first:
            first.sendall(b"one\n")
            await self.arrived(server, 1)
            changed = source(maxConnections=1), source("udp:0:interface=127.0.0.1", maxMessageSize=480)
            await self.reload(relay, central, *changed)
            with client(self, relay) as second:
                second.settimeout(5)
                self.assertEqual(await deferToThread(second.recv, 10), b"")
            first.sendall(b"two\n")
            await self.arrived(server, 2)
        host, _, port = relay.snapshot().sources[2].addresses[0].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x" * 500, (host, int(port)))
        self.assertEqual((await self.arrived(server, 3))[2], b"x" * 480)
        self.assertEqual([each.counters.refused for each in relay.snapshot().sources], [0, 1, 0])

    @scripted
    async def test_cannotListen(self) -> None:
        """
        If one can't be bound, the old configuration stays, with every connection and nothing left behind.
        """
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source()])
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        where = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(server, 1)
            new = destination(self.server(), name="new")
            sources = source(framing=Framing.LF), source("udp:0", to=("new",)), source(where)
            before = await openDescriptors(reactor)
            error = await self.refused(CannotListen, relay, central, new, *sources)
            what = "Address already in use; stop what uses it, or choose another"
            self.assertEqual(error, f"source {where}: cannot listen on {where}: {what}")
            self.assertEqual(await openDescriptors(reactor), before)
            sender.sendall(b"two\n")
            await self.arrived(server, 2)
        self.assertEqual([each.name for each in relay.snapshot().sources], ["program", source().name])

    @scripted
    async def test_certificates(self) -> None:
        """
        A certificate that was exchanged is shown to the next peer, and closes no connection; another one, or other
        rules, do.
        """
        server = self.server()
        central = destination(server)
        files = Folder(self.mktemp())
        settings = self.certificate(files, "a.example.com")
        relay = self.relay([central], [source("tls:0:interface=127.0.0.1")], settings)
        first, name = await self.connect(relay)
        self.assertEqual(name, "a.example.com")
        self.certificate(files, "b.example.com")
        await self.reload(relay, central, *relay.configuration.sources)
        second, name = await self.connect(relay)
        self.assertEqual(name, "b.example.com")
        for number, each in enumerate((first, second)):
            each.sendall(b"%d\n" % number)
            await self.arrived(server, number + 1)
        elsewhere = self.certificate(Folder(self.mktemp()), "c.example.com")
        reloaded = relay.reload(self.configuration(relay, central, *relay.configuration.sources, sourceTLS=elsewhere))
        self.assertEqual(await deferToThread(first.recv, 10), b"")
        first.close()
        second.close()
        await reloaded
        third, name = await self.connect(relay)
        self.assertEqual(name, "c.example.com")
        third.close()

    def certificate(self, files: Folder, name: str) -> SourceTLSSettings:
        """
        Write a certificate of a name.
        """
        own = ROOT.issue(name)
        return SourceTLSSettings(files.write("cert.pem", own.certPEM), files.write("key.pem", own.keyPEM))

    async def connect(self, relay: LogRelayService) -> tuple[ssl.SSLSocket, str]:
        """
        Connect over TLS.

        :return: the connection, and whom it leads to.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=ROOT.pem.decode())
        plain = client(self, relay)
        connected = await deferToThread(context.wrap_socket, plain)
        self.addCleanup(connected.close)
        certificate: Any = connected.getpeercert()
        [(_, name)] = certificate["subjectAltName"]
        return connected, name


class DestinationTests(ReloadCase):
    """
    Destinations that come, go and change.
    """

    @scripted
    async def test_added(self) -> None:
        """
        What leads to every destination leads to the new one, too: sources, and all ways in of the program.
        """
        one, two = self.server(), self.server()
        a, b = destination(one, name="a"), destination(two, name="b")
        relay = self.relay([a], [source()])
        consumer = relay.consumer()
        await relay.send(b"before")
        await self.reload(relay, a, b, source())
        with client(self, relay) as sender:
            sender.sendall(b"by tcp\n")
            await self.arrived(two, 1)
        consumer.write(b"by consumer\n")
        RelayHandler(relay.inlet).handle(logging.LogRecord("x", 30, "", 1, "by handler", (), None))
        await self.arrived(two, 3)
        await relay.send(b"sent")
        await relay.send(b"to b", to=["b"])
        await self.arrived(two, 5)
        self.assertEqual([each.rpartition(b" ")[2] for each in one.messages], [b"before", *self.words(two)[:4]])
        self.assertEqual(self.words(two), [b"tcp", b"consumer", b"handler", b"sent", b"b"])

    def words(self, server: LogServer) -> list[bytes]:
        """
        The last words of what a server has got.
        """
        return [each.rpartition(b" ")[2] for each in server.messages]

    @scripted
    async def test_removed(self) -> None:
        """
        One that is removed has what it holds settled by its server first, and ends gracefully.
        """
        one, two = self.server(), self.server()
        a, b = destination(one, name="a"), destination(two, name="b")
        relay = self.relay([a, b], [source()])
        told = heard(relay)
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(two, 1)
            await self.reload(relay, a, source())
            sender.sendall(b"two\n")
            await self.arrived(one, 2)
        self.assertEqual((two.messages, set(two.ends), one.ends), ([b"one"], {"fin"}, [None]))
        self.assertEqual([str(event) for event in told if isinstance(event, events.Removed)], ["b: removed"])
        self.assertNotIn("Undelivered", kinds(told))
        self.assertEqual([each.name for each in relay.snapshot().destinations], ["a"])
        with self.assertRaises(ConfigurationError):
            await relay.send(b"three", to=["b"])

    @scripted
    async def test_notEmpty(self) -> None:
        """
        What can't be settled must not be lost: the removal is refused, with how many messages there are, and what to
        do; unless it is forced, and then what is lost is said.
        """
        one, two = self.server(), self.server()
        await two.refuse()
        a, b = destination(one, name="a"), destination(two, name="b")
        relay = self.relay([a, b], [source()])
        with client(self, relay) as sender:
            sender.sendall(b"one\ntwo\n")
            await self.arrived(one, 2)
            error = await self.refused(ReloadRefused, relay, a, source())
            self.assertEqual(
                error,
                "reload: destination.b: can't be removed: 2 messages there are not settled, and would be lost with its "
                "memory; put it back and wait until a server has them, with nothing that leads to it; or say logrelay "
                "reload --force",
            )
            sender.sendall(b"three\n")
            await self.arrived(one, 3)
            self.assertEqual(relay.snapshot().destinations[1].unsentBatches, 2)
            told = heard(relay)
            await relay.reload(self.configuration(relay, a, source()), force=True)
            sender.sendall(b"four\n")
            await self.arrived(one, 4)
        self.assertIn(events.Undelivered("b", 3, 0), told)

    @scripted
    async def test_noAnswer(self) -> None:
        """
        A server that confirms nothing within ``drain-timeout`` does not let the destination go; sources wait as long.
        """
        one, two = self.server(), self.server()
        two.answersEnds = False
        a, b = destination(one, name="a"), destination(two, name="b", drainTimeout=0.5)
        relay = self.relay([a, b], [source()])
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(two, 1)
            await self.refused(ReloadRefused, relay, a, source())
            sender.sendall(b"two\n")
            await self.arrived(one, 2)
        self.assertEqual(relay.snapshot().sources[1].heldBy, ())

    @scripted
    async def test_renamed(self) -> None:
        """
        A destination of another name is another one: the old one goes, a new one comes.
        """
        server = self.server()
        relay = self.relay([destination(server, name="old")], [source(to=("old",))])
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(server, 1)
            await self.reload(relay, destination(server, name="new"), source(to=("new",)))
            sender.sendall(b"two\n")
            self.assertEqual(await self.arrived(server, 2), [b"one", b"two"])
        [shown] = relay.snapshot().destinations
        self.assertEqual((shown.name, shown.counters.accepted), ("new", 1))

    @scripted
    async def test_changed(self) -> None:
        """
        A destination whose servers change keeps its store and its counters.
        """
        one, two = self.server(), self.server()
        relay = self.relay([destination(one)], [source()])
        told = heard(relay)
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(one, 1)
            await self.reload(relay, destination(two), source())
            sender.sendall(b"two\n")
            await self.arrived(two, 1)
        self.assertEqual((one.messages, two.messages, one.ends), ([b"one"], [b"two"], ["fin"]))
        [switched] = [event for event in told if isinstance(event, events.Switched)]
        self.assertEqual(switched.reason, "reload")
        counters = relay.snapshot().destinations[0].counters
        self.assertEqual((counters.accepted, counters.sent, counters.resent, counters.switches), (2, 2, 0, 1))

    @scripted
    async def test_names(self) -> None:
        """
        Names are looked up by the options of now.
        """
        one, two = self.server(), self.server()
        central = destination(one)
        relay = self.relay([central], [source()])
        await relay.send(b"one")
        await self.arrived(one, 1)
        named = (Server("localhost", two.port),)
        await self.reload(relay, attrs.evolve(central, servers=named, ipProtocol="4", localip="127.0.0.1"), source())
        await relay.send(b"two")
        await self.arrived(two, 1)
        self.assertEqual(relay.snapshot().destinations[0].active, f"localhost:{two.port}")

    @scripted
    async def test_toTLS(self) -> None:
        """
        Other TLS options end the connection; the same files, though they hold something else now, do not.
        """
        context = serverContext(Folder(self.mktemp()), ROOT.issue("127.0.0.1"), SSL.TLS1_3_VERSION)
        server = self.server(context=context)
        files = Folder(self.mktemp())
        central = destination(server, transport="tls", tls=TLSSettings(caFile=files.write("ca.pem", ROOT.pem)))
        relay = self.relay([central], [source()])
        await relay.send(b"one")
        await self.arrived(server, 1)
        files.write("ca.pem", ROOT.pem + b"\n")
        await self.reload(relay, central, source())
        await relay.send(b"two")
        await self.arrived(server, 2)
        self.assertEqual(server.ends, [None])
        pinned = TLSSettings(caFile=files.write("other.pem", ROOT.pem))
        await self.reload(relay, destination(server, transport="tls", tls=pinned), source())
        await relay.send(b"three")
        self.assertEqual(await self.arrived(server, 3), [b"one", b"two", b"three"])
        self.assertEqual(server.ends, ["close_notify", None])
        missing = TLSSettings(caFile=str(files.path / "missing.pem"))
        error = await self.refused(
            ConfigurationError, relay, destination(server, transport="tls", tls=missing), source()
        )
        self.assertIn("missing.pem cannot be read", error)
        self.assertEqual(server.ends, ["close_notify", None])

    @scripted
    async def test_cannotStart(self) -> None:
        """
        If a new one can't begin, as when its store can't be opened, no other does, and no source is exchanged.
        """

        class Broken(Destination):
            def open(self) -> None:
                raise LogRelayError("no room for a store; make room")

        one, two = self.server(), self.server()
        relay = self.relay([destination(one)], [source()])
        difference = differenceOf(
            relay.configuration,
            self.configuration(relay, destination(one), source(framing=Framing.LF), source(name="new")),
        )
        prepared = relay._parts._prepare(difference)
        good, bad = (
            kind(reactor, destination(two, name=name), [endpoint], relay.log, lambda *what: None)
            for kind, name, endpoint in ((Destination, "good", self.way(two)), (Broken, "bad", self.way(two)))
        )
        ways = {**prepared.ways, "good": prepared.ways["central"], "bad": prepared.ways["central"]}
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(one, 1)
            before = relay.snapshot()
            with self.assertRaises(LogRelayError):
                relay._parts._exchange(attrs.evolve(prepared, destinations=[good, bad], ways=ways))
            sender.sendall(b"two\n")
            await self.arrived(one, 2)
        after = relay.snapshot()
        self.assertEqual([each.addresses for each in after.sources], [each.addresses for each in before.sources])
        self.assertEqual(snapshotOf(good).state, "idle")

    def way(self, server: LogServer) -> TCP4ClientEndpoint:
        """
        How to connect to a server.
        """
        return TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)


class SpoolTests(ReloadCase):
    """
    Destinations with a spool.
    """

    def spooled(self, server: LogServer, path: str, **options: Any) -> DestinationSettings:
        """
        One of them.
        """
        options.setdefault("timeReopen", 0.05)
        spool = SpoolSettings(path, 4 * 1024 * 1024, "normal")
        return destination(server, name="kept", spool=spool, **options)

    @scripted
    async def test_removed(self) -> None:
        """
        One that holds messages may be removed: they stay on disk, and it is said where.  When it comes back they are
        delivered, framed as is wanted then.
        """
        path = os.path.abspath(self.mktemp())
        up, down = self.server(), self.server(Framing.LF)
        await down.kill()
        other = destination(up)
        relay = self.relay([other, self.spooled(down, path)], [source()], stopTimeout=0.2)
        told = heard(relay)
        for number in range(3):
            await relay.send(b"before %d" % number)
        await self.reload(relay, other, source())
        self.assertEqual(
            [str(event) for event in told if isinstance(event, events.Kept | events.Removed)],
            [
                f"kept: 3 messages stay in the spool {path} until the next start",
                f"kept: removed; its spool stays in {path}",
            ],
        )
        await relay.send(b"between")
        down.listen()
        down.framing = Framing.OCTET_COUNTING
        await self.reload(relay, other, self.spooled(down, path), source())
        await relay.send(b"after")
        await self.until(lambda: len(down.messages) == 4)
        self.assertEqual(down.messages, [b"before 0", b"before 1", b"before 2", b"after"])
        await self.arrived(up, 5)

    @scripted
    async def test_cannotOpen(self) -> None:
        """
        One whose spool can't be had is not taken.
        """
        path = self.mktemp()
        with open(path, "wb"):
            pass
        server = self.server()
        central = destination(server)
        relay = self.relay([central], [source()])
        error = await self.refused(CannotOpen, relay, central, self.spooled(server, path), source(), source(name="new"))
        self.assertIn("kept: the spool cannot be opened", error)
        await relay.send(b"one")
        await self.arrived(server, 1)

    @scripted
    async def test_changed(self) -> None:
        """
        The spool itself can't be changed; how much memory goes with it can, and where it leads to.
        """
        path = os.path.abspath(self.mktemp())
        one, two = self.server(), self.server()
        relay = self.relay([self.spooled(one, path)], [source()])
        await self.refused(ReloadRefused, relay, self.spooled(one, path + "2"), source())
        await relay.send(b"one")
        await self.arrived(one, 1)
        smaller = self.spooled(two, path, buffer=BufferSettings(1024 * 1024, "drop-newest"))
        await self.reload(relay, smaller, source())
        await relay.send(b"two")
        self.assertEqual(await self.arrived(two, 1), [b"two"])
        self.assertEqual((one.messages, relay.snapshot().destinations[0].bufferSize), ([b"one"], 1024 * 1024))

    @scripted
    async def test_renamed(self) -> None:
        """
        One of another name can have the spool of one that went, after a reload without both.
        """
        path = os.path.abspath(self.mktemp())
        server = self.server()
        await server.refuse()
        other = destination(self.server())
        relay = self.relay([other, self.spooled(server, path)], [source()], stopTimeout=0.2)
        await relay.send(b"one")
        renamed = attrs.evolve(self.spooled(server, path), name="renamed")
        error = await self.refused(ReloadRefused, relay, other, renamed, source())
        self.assertIn(f"{path} is the spool of kept", error)
        await self.reload(relay, other, source())
        server.listen()
        await self.reload(relay, other, renamed, source())
        self.assertEqual(await self.arrived(server, 1), [b"one"])


class WaitingTests(ReloadCase):
    """
    What waits for room while the configuration changes.
    """

    @scripted
    async def test_sends(self) -> None:
        """
        A send that waits fires when all destinations of now have accepted it, and not before.
        """
        one, two = self.server(), self.server()
        one.stall()
        relay = self.relay([small(one, name="a", delivery="acked")])
        waiting = [relay.send(message) for message in numbered(MANY, 1000)]
        self.assertFalse(waiting[-1].called)
        await self.reload(relay, small(one, name="a", delivery="acked"), destination(two, name="b"))
        self.assertFalse(waiting[-1].called)
        one.resume()
        for each in waiting:
            await each
        self.assertEqual(await self.arrived(one, MANY), numbered(MANY, 1000))
        late = await self.arrived(two, 1)
        self.assertEqual(late, numbered(MANY, 1000)[-len(late) :])

    @scripted
    async def test_removed(self) -> None:
        """
        A send to a destination that is removed by force, and that has not accepted it, fails.
        """
        one, two = self.server(), self.server()
        await one.refuse()
        b = destination(two, name="b")
        relay = self.relay([small(one, name="a"), b])
        waiting = [relay.send(message, to=["a"]) for message in numbered(MANY, 1000)]
        self.assertFalse(waiting[-1].called)
        await relay.reload(self.configuration(relay, b), force=True)
        self.assertTrue(waiting[-1].called)
        with self.assertRaises(RelayStopped) as caught:
            await waiting[-1]
        self.assertEqual(str(caught.exception), "there is no destination a any more")
        await relay.send(b"goes on")
        await self.arrived(two, 1)
        for each in waiting[:-1]:
            with contextlib.suppress(RelayStopped, BufferFull):
                await each


class RelpTests(ReloadCase):
    """
    RELP on both sides.
    """

    @scripted
    async def test_window(self) -> None:
        """
        With a smaller window, what is stored already goes out as it is, and what comes after that keeps to the window.
        """
        server = RelpServer()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.close()))
        central = destination(server, driver="relp", window=5000)
        relay = self.relay([central], [source()])
        messages = numbered(8000)
        await relay.send(b"first")
        await self.until(lambda: relay.snapshot().destinations[0].counters.settled)
        server.stall()
        sender = await connected(addressOf(relay))
        sender.write(b"".join(message + b"\n" for message in messages))
        await self.until(lambda: relay.snapshot().destinations[0].counters.accepted == 8001)
        await self.reload(relay, attrs.evolve(central, window=128), source())
        server.resume()
        more = numbered(2000, start=8000)
        sender.write(b"".join(message + b"\n" for message in more))
        await self.until(lambda: len(server.sessions[0].messages) == 10_001)
        self.assertEqual((server.sessions[0].messages[1:], len(server.sessions)), (messages + more, 1))
        sender.loseConnection()


class OrderTests(ReloadCase):
    """
    Reloads, and starts and stops.
    """

    @scripted
    async def test_mistakes(self) -> None:
        """
        A configuration is read when it is its turn; what is wrong with it is told at once, all of it.
        """
        relay = self.relay([destination(self.server())])
        told = heard(relay)

        def read() -> Configuration:
            raise ConfigurationError(
                Problem("x:1", "a", "is bad", "mend it"), Problem("x:2", "b", "is too", "mend that")
            )

        with self.assertRaises(ConfigurationError):
            await relay.reload(read)
        self.assertEqual(told[-1], events.ReloadFailed("x:1: a: is bad; mend it; x:2: b: is too; mend that"))

    @scripted
    async def test_defect(self) -> None:
        """
        Whatever else goes wrong is told too.
        """
        relay = self.relay([destination(self.server())])
        told = heard(relay)
        with self.assertRaises(ZeroDivisionError):
            await relay.reload(lambda: Configuration((), (), stopTimeout=1 // 0))
        self.assertEqual(told[-1], events.ReloadFailed("integer division or modulo by zero"))

    @scripted
    async def test_onlyARestart(self) -> None:
        """
        What only a restart can change is refused.
        """
        central = destination(self.server())
        relay = self.relay([central])
        error = await self.refused(ReloadRefused, relay, central, stateDir="/elsewhere")
        self.assertIn("state-dir: cannot be changed from state to /elsewhere while the relay runs", error)

    @scripted
    async def test_oneAfterTheOther(self) -> None:
        """
        A reload waits for the one before it.
        """
        one, two, three = self.server(), self.server(), self.server()
        relay = self.relay([destination(one)])
        await relay.send(b"one")
        await self.arrived(one, 1)
        first = relay.reload(self.configuration(relay, destination(two)))
        second = relay.reload(lambda: self.configuration(relay, destination(three), stopTimeout=7))
        await first
        await second
        await relay.send(b"two")
        await self.arrived(three, 1)
        self.assertEqual(relay.configuration.stopTimeout, 7)

    @scripted
    async def test_beforeTheStart(self) -> None:
        """
        A relay that does not run yet is changed as well, and begins with what it was told last.
        """
        one, two = self.server(), self.server()
        relay = LogRelayService(reactor, Configuration((source(name="old"),), (destination(one, name="a"),)))
        await self.reload(relay, source(name="new"), destination(two, name="b"))
        self.assertEqual([each.name for each in relay.snapshot().sources], ["program", "new"])
        relay.privilegedStartService()
        await self.reload(relay, source(name="new"), source(name="newer"), destination(two, name="b"))
        relay.startService()
        self.addCleanup(lambda: relay.stopService())
        with client(self, relay, 1) as sender:
            sender.sendall(b"one\n")
            await self.arrived(two, 1)
        self.assertEqual(one.connections, [])

    @scripted
    async def test_restart(self) -> None:
        """
        What was stopped is not changed; when it starts again it is as it was changed last.
        """
        one, two = self.server(), self.server()
        relay = self.relay([destination(one)], [source()])
        await self.reload(relay, destination(two), source(maxMessageSize=1000), source("udp:0:interface=127.0.0.1"))
        await relay.stopService()
        await self.refused(RelayStopped, relay, destination(one))
        relay.startService()
        with client(self, relay) as sender:
            sender.sendall(b"one\n")
            await self.arrived(two, 1)
        self.assertEqual(len(relay.snapshot().sources), 3)

    @scripted
    async def test_stopMeanwhile(self) -> None:
        """
        A stop during a reload ends everything: what stays, what goes and what comes; nothing is left.
        """
        before = await openDescriptors(reactor)
        for removed in (False, True):
            one, two, three = self.server(), self.server(), self.server()
            one.answersEnds, three.answersEnds = False, removed
            old = [destination(one, drainTimeout=0.5), destination(three, name="gone", drainTimeout=0.5)]
            relay = self.relay(old, [source(), source(name="goes")])
            await relay.send(b"one")
            await self.arrived(one, 1)
            await self.arrived(three, 1)
            kept = [destination(two, drainTimeout=0.5), *old[not removed :]]
            wanted = self.configuration(relay, *kept[: 1 if removed else 2], source(name="new"))
            reload = relay.reload(wanted)
            reload.addErrback(lambda reason: reason.trap(RelayStopped, ReloadRefused))
            await self.turns(3)
            await relay.stopService()
            self.assertTrue(reload.called)
            self.assertEqual([each.state for each in relay.snapshot().destinations], ["idle"] * 2)
            for server in (one, two, three):
                await server.close()
        await self.turns()
        self.assertEqual(await openDescriptors(reactor), before)
