"""
Files, followed by whole relays on the real reactor.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from logrelay.config import SourceSettings, SpoolSettings
from logrelay.configfile import readConfiguration
from logrelay.events import Undelivered
from logrelay.service import LogRelayService
from logrelay.snapshot import FileSnapshot
from logrelay.sources.wakeup import WakeUp
from logrelay.tls import checkFiles, checkSourceFiles

from .loopback import openDescriptors, scripted, until
from .relays import LogServer, RelayCase, destination, heard
from .sourcing import folder


class FilesTests(RelayCase):
    """
    From a file to a server.
    """

    def setUp(self) -> None:
        self.folder = Path(folder(self))
        self.log = self.folder / "app.log"
        self.log.touch()

    def following(self, *servers: LogServer, **options: Any) -> LogRelayService:
        """
        A relay that follows the log.

        :param options: of its destination.
        """
        source = SourceSettings("app.log", "file", path=str(self.log), to=("central",))
        state = str(self.folder / "state")
        return self.relay([destination(*servers, **options)], [source], stateDir=state, stopTimeout=1)

    def shown(self, relay: LogRelayService) -> FileSnapshot:
        """
        How far the log is.
        """
        [shown] = next(source.files for source in relay.snapshot().sources if source.files)
        return shown

    def write(self, *lines: bytes) -> None:
        """
        Append lines.
        """
        with self.log.open("ab") as writer:
            writer.write(b"".join(line + b"\n" for line in lines))

    @scripted
    async def test_endToEnd(self) -> None:
        """
        Lines arrive in their order, before, while and after the log is rotated and the relay ends and begins again;
        none twice, if it was asked to end.
        """
        server = self.server()
        before = await openDescriptors(reactor)
        self.write(b"one")
        relay = self.following(server)
        await self.arrived(server, 1)
        self.write(b"two")
        self.log.rename(self.folder / "app.log.1")
        self.write(b"three")
        await self.arrived(server, 3)
        await relay.stopService()
        self.write(b"four")
        self.log.rename(self.folder / "app.log.2")
        self.log.write_bytes(b"five\nsi")
        relay = self.following(server)
        await self.arrived(server, 5)
        self.write(b"x")
        await self.arrived(server, 6)
        shown = self.shown(relay)
        self.assertEqual((shown.path, shown.read, shown.lag), (str(self.log), self.log.stat().st_size, 0))
        await relay.stopService()
        self.assertEqual(server.messages, [b"one", b"two", b"three", b"four", b"five", b"six"])
        await server.kill()
        self.assertLessEqual(await openDescriptors(reactor), before)

    @scripted
    async def test_notDelivered(self) -> None:
        """
        What no server took before the relay ended is read again when it begins.
        """
        server = self.server()
        await server.refuse()
        self.write(b"one", b"two")
        relay = self.following(server)
        told = heard(relay)
        await self.until(lambda: relay.snapshot().destinations[0].unsentBatches)
        await relay.stopService()
        self.assertTrue(any(isinstance(event, Undelivered) for event in told))
        server.listen()
        self.following(server)
        self.assertEqual(await self.arrived(server, 2), [b"one", b"two"])

    @scripted
    async def test_spool(self) -> None:
        """
        What a spool has on disk is not read again, though no server has it.
        """
        server = self.server()
        await server.refuse()
        self.write(b"one", b"two")
        spool = SpoolSettings(str(self.folder / "spool"))
        relay = self.following(server, spool=spool)
        await self.until(lambda: self.shown(relay).safe == 8)
        await relay.stopService()
        self.write(b"three")
        server.listen()
        relay = self.following(server, spool=spool)
        await self.arrived(server, 3)
        await relay.stopService()
        self.assertEqual(server.messages, [b"one", b"two", b"three"])

    @scripted
    async def test_twoDestinations(self) -> None:
        """
        A position is that of the destination that is most behind.
        """
        one, other = self.server(), self.server()
        await other.refuse()
        self.write(b"one", b"two")
        both = [destination(one, delivery="written"), destination(other, name="other", delivery="written")]
        source = SourceSettings("app.log", "file", path=str(self.log), to=("central", "other"))
        relay = self.relay(both, [source], stateDir=str(self.folder / "state"), stopTimeout=1)
        await self.arrived(one, 2)
        await self.until(lambda: not relay.snapshot().destinations[0].unsettledBatches)
        self.assertEqual(self.shown(relay).safe, 0)
        other.listen()
        await self.until(lambda: self.shown(relay).safe == 8)
        self.assertEqual(other.messages, [b"one", b"two"])

    @scripted
    async def test_full(self) -> None:
        """
        A store that is full holds the source, and loses nothing.
        """
        server = self.server()
        server.stall()
        with self.log.open("wb") as writer:
            for number in range(200_000):
                writer.write(b"%06d %b\n" % (number, b"x" * 592))
        relay = self.following(server)
        await self.until(lambda: relay.snapshot().sources[1].heldBy)
        snapshot = relay.snapshot().destinations[0]
        self.assertLess(snapshot.bufferCost, snapshot.bufferSize)
        server.resume()
        await self.until(lambda: sum(map(len, server.connections[0]._pieces)) >= 200_000 * 603)
        self.assertEqual([int(line[:6]) for line in server.messages], list(range(200_000)))


class ExampleTests(SynchronousTestCase):
    """
    The example of the documentation.
    """

    def test_isRead(self) -> None:
        """
        It is a configuration that follows files.
        """
        path = Path(__file__).resolve().parent.parent / "docs" / "examples" / "files.toml"
        configuration = readConfiguration(str(path), checkFiles, checkSourceFiles)
        self.assertEqual(configuration.sources[0].path, "/var/log/app/*.log")


class WakeUpTests(TestCase):
    """
    What tells at once.
    """

    timeout = 20

    @scripted
    async def test_tells(self) -> None:
        """
        That a file came, was written to, and went is told; in a folder that is removed and made again, too.
        """
        told: list[tuple[str, bool]] = []
        top = Path(folder(self)) / "logs"
        wakeUp = WakeUp(reactor, lambda path, moved: told.append((path, moved)))
        self.addCleanup(wakeUp.stop)
        for _ in range(2):
            top.mkdir()
            path = top / "app.log"
            wakeUp.watch([str(top), str(top / "nowhere")])
            path.touch()
            await until(reactor, lambda: (str(top / "app.log"), True) in told)
            told.clear()
            path.write_bytes(b"line\n")
            await until(reactor, lambda: (str(top / "app.log"), False) in told)
            shutil.rmtree(top)
            await until(reactor, lambda: (str(top), True) in told)
            told.clear()

    @scripted
    async def test_ends(self) -> None:
        """
        Nothing is left open.
        """
        before = await openDescriptors(reactor)
        wakeUp = WakeUp(reactor, lambda path, moved: None)
        wakeUp.watch([folder(self)])
        wakeUp.stop()
        wakeUp.stop()
        self.assertEqual(await openDescriptors(reactor), before)
