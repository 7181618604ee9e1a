"""
Tests of relays whose destinations have spools: started, stopped and started again, on the real reactor.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import Configuration, DestinationSettings, SpoolSettings
from logrelay.counters import DestinationCounters
from logrelay.disk import CannotOpen, Disk
from logrelay.errors import RelayStopped
from logrelay.events import EventLog
from logrelay.servers import Server
from logrelay.service import LogRelayService
from logrelay.spool import SpoolLocked

from .relays import LogServer, RelayCase, client, clock, counted, destination, heard, numbered, small, source


class SpooledCase(RelayCase):
    """
    A relay with a spool.
    """

    def setUp(self) -> None:
        """
        Have a folder for it.
        """
        self.path = str(Path(self.mktemp()).absolute())

    def spooled(self, *servers: LogServer, **options: Any) -> DestinationSettings:
        """
        A destination with a spool.
        """
        options.setdefault("timeReopen", 0.05)
        return destination(*servers, spool=SpoolSettings(self.path, 4 * 1024 * 1024, "normal"), **options)

    async def down(self) -> LogServer:
        """
        A server that nobody can reach.
        """
        server = self.server()
        await server.kill()
        return server


class StopTests(SpooledCase):
    """
    What a relay leaves behind when it stops, and finds when it starts.
    """

    async def stopped(self, server: LogServer, messages: list[bytes]) -> list[events.Event]:
        """
        A relay that took in messages for a server that is down, and has stopped.
        """
        relay = self.relay([self.spooled(server)], [source()])
        told = heard(relay)
        connection = client(self, relay)
        connection.sendall(counted(messages))
        connection.close()
        await self.until(lambda: relay.snapshot().destinations[0].counters.accepted == len(messages))
        await relay.stopService()
        return told

    async def test_kept(self) -> None:
        """
        What no server got before the stop is in the spool, is said to be, and goes out after the next start, in order.
        """
        server, messages = await self.down(), numbered(300)
        told = await self.stopped(server, messages)
        self.assertIn(events.Kept("central", self.path, 300), told)
        self.assertFalse([each for each in told if isinstance(each, events.Undelivered)])
        server.listen()
        relay = self.relay([self.spooled(server)], [source()])
        self.assertEqual(await self.arrived(server, 300), messages)
        await relay.whenSettled()
        await relay.stopService()
        self.assertEqual(sorted(path.name for path in Path(self.path).iterdir()), ["lock", "settled"])

    async def test_primaryFirst(self) -> None:
        """
        After a start the primary comes first again, and what was unsettled goes to it.
        """
        server, messages = await self.down(), numbered(50)
        await self.stopped(server, messages)
        other = self.server()
        self.relay([self.spooled(other, server)])
        self.assertEqual(await self.arrived(other, 50), messages)
        self.assertEqual(server.messages, [])

    async def test_stopSends(self) -> None:
        """
        A stop sends what is in the spool while a server is connected, and then nothing of it is left.
        """
        server, messages = self.server(), numbered(2000)
        relay = self.relay([self.spooled(server)], [source()])
        connection = client(self, relay)
        connection.sendall(counted(messages))
        connection.close()
        await self.until(lambda: relay.snapshot().sources[1].counters.received == 2000)
        await relay.stopService()
        self.assertEqual(server.messages, messages)
        self.assertEqual(sorted(path.name for path in Path(self.path).iterdir()), ["lock", "settled"])

    async def test_again(self) -> None:
        """
        The same service can start again.
        """
        server = self.server()
        relay = self.relay([self.spooled(server)])
        for number in range(3):
            await relay.send(b"<13>%d" % number)
            await self.arrived(server, number + 1)
            await relay.stopService()
            relay.startService()
        self.assertEqual(server.messages, [b"<13>0", b"<13>1", b"<13>2"])

    async def test_whenSettled(self) -> None:
        """
        Whoever waits until everything has settled waits for what is not on disk yet, too.
        """
        server = self.server()
        relay = self.relay([self.spooled(server)])
        sent = relay.send(b"<13>one")
        settled = relay.whenSettled()
        self.assertFalse(sent.called or settled.called)
        await settled
        self.assertTrue(sent.called)
        self.assertEqual(server.messages, [b"<13>one"])

    async def test_whenSettledAtAStop(self) -> None:
        """
        Whoever waits for what is not delivered is told that the relay has stopped.
        """
        relay = self.relay([self.spooled(await self.down())])
        await relay.send(b"<13>one")
        settled: Deferred[None] = relay.whenSettled()
        await relay.stopService()
        await self.assertFailure(settled, RelayStopped)

    async def test_resent(self) -> None:
        """
        What was sent before a kill and had not settled is sent again, and counted as that.
        """
        server, messages = self.server(), numbered(20)
        relay = self.relay([self.spooled(server)])
        for message in messages:
            await relay.send(message)
        await self.arrived(server, 20)
        # The copy is what a kill would leave.
        copy = Path(self.mktemp()).absolute()
        await self.until(lambda: (Path(self.path) / "settled").stat().st_size)
        await deferLater(clock, 1.2)
        copy.mkdir()
        for path in Path(self.path).iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        await relay.stopService()
        self.path = str(copy)
        relay = self.relay([self.spooled(server)])
        self.assertEqual((await self.arrived(server, 40))[20:], messages)
        self.assertEqual(relay.snapshot().destinations[0].counters.resent, 20)


class StartTests(SpooledCase):
    """
    Starts that fail leave nothing behind.
    """

    async def test_locked(self) -> None:
        """
        A relay whose spool somebody else has does not start, and has neither sockets nor the spools of other
        destinations.
        """
        server = self.server()
        self.relay([self.spooled(server)])
        free = str(Path(self.mktemp()).absolute())
        first = destination(server, name="first", spool=SpoolSettings(free))
        configuration = [first, self.spooled(server)]
        self.assertRaises(SpoolLocked, self.relay, configuration, [source()])
        self.relay([destination(server, name="first", spool=SpoolSettings(free))])

    async def test_askedWhoHasIt(self) -> None:
        """
        Whoever looks who has the folder holds it for a moment; a relay that starts just then starts.
        """
        server = self.server()
        await self.relay([self.spooled(server)]).stopService()
        asks = os.open(f"{self.path}/lock", os.O_RDONLY)
        fcntl.flock(asks, fcntl.LOCK_SH)
        timer = threading.Timer(0.005, os.close, (asks,))
        timer.start()
        self.addCleanup(timer.join)
        self.relay([self.spooled(server)])

    async def test_noFolder(self) -> None:
        """
        A folder that can't be had is an error that says what to do.
        """
        Path(self.path).write_text("a file")
        error = self.assertRaises(CannotOpen, self.relay, [self.spooled(self.server())])
        self.assertIn("central: the spool cannot be opened: ", str(error))
        self.assertIn("change destination.central.spool.path", str(error))

    async def test_damaged(self) -> None:
        """
        What can't be read is said, and does not keep the relay from starting.
        """
        folder = Path(self.path)
        folder.mkdir()
        (folder / "batch-0000000000000000-message-0000000000000000.sqlite3").write_bytes(b"")
        (folder / "batch-0000000000000005-message-0000000000000009.sqlite3").write_bytes(b"x")
        server = self.server()
        told: list[events.Event] = []
        relay = self.observed([self.spooled(server)], told)
        await relay.send(b"<13>one")
        self.assertEqual(await self.arrived(server, 1), [b"<13>one"])
        damages = [each for each in told if isinstance(each, events.SpoolDamaged)]
        self.assertEqual(damages[0].messages, 9)
        self.assertEqual(len(list((folder / "quarantine").iterdir())), 2)

    def observed(self, destinations: list[DestinationSettings], told: list[events.Event]) -> LogRelayService:
        """
        A relay, and all that it tells from its start.
        """
        relay = LogRelayService(clock, Configuration((), tuple(destinations)))
        relay.log.observers.append(told.append)
        relay.startService()
        self.addCleanup(relay.stopService)
        return relay


class ToldTests(SynchronousTestCase):
    """
    What is told of a disk.
    """

    def test_illAndWellInTurns(self) -> None:
        """
        A disk that is ill and well again in turns is told of once a minute.
        """
        clock = Clock()
        told: list[events.Event] = []
        settings = DestinationSettings("central", (Server("192.0.2.1", 601),), spool=SpoolSettings("spool"))
        disk = Disk(clock, settings, DestinationCounters(), lambda *what: None, EventLog([told.append]))
        broken, mended = events.SpoolBroken("central", "spool", "full"), events.SpoolMended("central", "spool")
        for _ in range(5):
            disk.spool.broken(OSError("full"))
            disk.spool.mended()
            clock.advance(5)
        self.assertEqual(told, [broken, mended])
        clock.advance(60)
        disk.spool.broken(OSError("full"))
        self.assertEqual(told, [broken, mended, broken])


class BacklogTests(SpooledCase):
    """
    What waits on disk.
    """

    async def test_snapshot(self) -> None:
        """
        The state says how much is on disk, and of how much.
        """
        relay = self.relay([self.spooled(await self.down())], [source()])
        await relay.send(b"<13>one")
        state = relay.snapshot().destinations[0]
        assert state.spool is not None
        self.assertEqual((state.spool.path, state.spool.size, state.spool.broken), (self.path, 4 * 1024 * 1024, ""))
        self.assertGreater(state.spool.used, 8000)
        self.assertEqual((state.unsentBatches, state.unsettledBatches), (1, 0))

    async def test_smallMemory(self) -> None:
        """
        With the smallest memory a backlog that is many times larger goes out in order, across kills of the server.
        """
        server = await self.down()
        settings = small(
            server, timeReopen=0.05, spool=SpoolSettings(self.path, 4 * 1024 * 1024, "normal"), framing=Framing.LF
        )
        relay = self.relay([settings], [source()])
        messages = numbered(2500, 1000)
        connection = client(self, relay)
        connection.settimeout(None)
        # The reactor must be free meanwhile.
        sent = deferToThread(connection.sendall, counted(messages))
        await self.until(lambda: relay.snapshot().destinations[0].counters.accepted >= 2500)
        server.framing = Framing.LF
        server.listen()
        await self.arrived(server, 500)
        await server.kill()
        server.listen()
        await self.until(lambda: len(set(server.messages)) == 2500)
        await relay.whenSettled()
        self.assertEqual(sorted(set(server.messages)), messages)
        await sent
