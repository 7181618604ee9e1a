"""
Followed files, while the configuration changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from logrelay.config import DestinationSettings, SourceSettings, SpoolSettings
from logrelay.service import LogRelayService
from logrelay.snapshot import FileSnapshot

from .loopback import openDescriptors, scripted
from .relays import RelayCase, destination
from .sourcing import folder


class FilesReloadCase(RelayCase):
    """
    A relay that follows a log, and how to change it.
    """

    def setUp(self) -> None:
        self.folder = Path(folder(self))
        self.log = self.folder / "app.log"
        self.log.touch()

    def source(self, pattern: str = "app.log", **options: Any) -> SourceSettings:
        """
        A source of files in the folder.
        """
        return SourceSettings(pattern, "file", path=str(self.folder / pattern), **options)

    def following(self, *destinations: DestinationSettings, **options: Any) -> LogRelayService:
        """
        A relay that follows the log.
        """
        options.setdefault("stopTimeout", 1)
        return self.relay(destinations, [self.source()], stateDir=str(self.folder / "state"), **options)

    async def reload(
        self,
        relay: LogRelayService,
        sources: list[SourceSettings] | None = None,
        destinations: list[DestinationSettings] | None = None,
        force: bool = False,
    ) -> None:
        """
        Have other sources, or destinations, from now on.
        """
        before = relay.configuration
        await relay.reload(
            attrs.evolve(
                before,
                sources=before.sources if sources is None else tuple(sources),
                destinations=before.destinations if destinations is None else tuple(destinations),
            ),
            force,
        )

    def write(self, *lines: bytes) -> None:
        """
        Append lines.
        """
        with self.log.open("ab") as writer:
            writer.write(b"".join(line + b"\n" for line in lines))

    def shown(self, relay: LogRelayService) -> FileSnapshot:
        """
        How far the log is.
        """
        [shown] = next(source.files for source in relay.snapshot().sources if source.files)
        return shown


class RemovedDestinationTests(FilesReloadCase):
    """
    A destination goes, and the source stays.
    """

    @scripted
    async def test_forced(self) -> None:
        """
        Nobody waits for what was lost with its memory: positions go on.
        """
        server, down = self.server(), self.server()
        await down.refuse()
        central = destination(server, delivery="written")
        relay = self.following(central, destination(down, name="gone"))
        self.write(b"one", b"two")
        await self.until(lambda: relay.snapshot().destinations[1].unsentBatches)
        await self.reload(relay, destinations=[central], force=True)
        self.write(b"three")
        await self.until(lambda: self.shown(relay).safe == self.log.stat().st_size)
        self.assertEqual(server.messages, [b"one", b"two", b"three"])

    @scripted
    async def test_notOnDisk(self) -> None:
        """
        Nor for what had not come into its spool.
        """
        server, down = self.server(), self.server()
        await down.refuse()
        central = destination(server, delivery="written")
        spool = SpoolSettings(str(self.folder / "spool"), 4 * 1024 * 1024)
        relay = self.following(central, destination(down, name="gone", spool=spool))
        await self.until(lambda: self.shown(relay))
        for place in range(8):
            self.write(*(b"%d %06d %b" % (place, number, b"x" * 1000) for number in range(1000)))
        await self.until(lambda: relay.snapshot().sources[1].heldBy)
        await self.reload(relay, destinations=[central])
        await self.until(lambda: len(server.messages) == 8000)
        await self.until(lambda: self.shown(relay).safe == self.log.stat().st_size)

    @scripted
    async def test_stopMeanwhile(self) -> None:
        """
        What one that goes still delivers while the relay stops is not delivered again after that.
        """
        server, slow = self.server(), self.server()
        slow.stall()
        central = destination(server, delivery="written")
        relay = self.following(central, destination(slow, name="gone", delivery="acked", ackTimeout=30))
        self.write(*(b"%06d %b" % (number, b"x" * 1000) for number in range(10_000)))
        await self.until(lambda: len(server.messages) == 10_000)
        done = Deferred.fromCoroutine(self.reload(relay, destinations=[central], force=True))
        await self.turns()
        stopped = relay.stopService()
        await self.until(lambda: relay.snapshot().destinations[0].state == "idle")
        await self.turns(20)
        slow.resume()
        await stopped
        await done
        self.assertEqual(len(slow.messages), 10_000)
        relay = self.following(central)
        await self.until(lambda: self.shown(relay))
        self.write(b"last")
        await self.until(lambda: server.messages[-1] == b"last")
        self.assertEqual(len(server.messages), 10_001)


class ChangedSourceTests(FilesReloadCase):
    """
    The destination stays, and the source changes.
    """

    async def changed(self, *sources: list[SourceSettings]) -> None:
        """
        Lines that are read, and not settled, while the source changes arrive once.
        """
        server = self.server()
        await server.refuse()
        relay = self.following(destination(server, timeReopen=0.1))
        before = await openDescriptors(reactor)
        self.write(b"one", b"two")
        await self.until(lambda: relay.snapshot().destinations[0].unsentBatches)
        for each in sources:
            await self.reload(relay, each)
            await self.turns(20)
        # An attempt to connect may be under way.
        self.assertLessEqual(await openDescriptors(reactor), before + 1)
        self.write(b"three")
        await self.until(lambda: self.shown(relay).read == 14)
        self.assertEqual(self.shown(relay).safe, 0)
        server.listen()
        await self.arrived(server, 3)
        await relay.stopService()
        self.write(b"four")
        relay = self.relay(
            relay.configuration.destinations, relay.configuration.sources, stateDir=relay.configuration.stateDir
        )
        await self.arrived(server, 4)
        await relay.stopService()
        self.assertEqual(server.messages, [b"one", b"two", b"three", b"four"])

    @scripted
    async def test_size(self) -> None:
        """
        Another limit.
        """
        await self.changed([self.source(maxMessageSize=1000)])

    @scripted
    async def test_away(self) -> None:
        """
        It goes, and comes back.
        """
        await self.changed([], [self.source()])

    @scripted
    async def test_pattern(self) -> None:
        """
        Another pattern that names the same file.
        """
        await self.changed([self.source("*.log")])

    @scripted
    async def test_patternLater(self) -> None:
        """
        The same, some time after the first went.
        """
        await self.changed([], [self.source("*.log")])

    @scripted
    async def test_thereAndBack(self) -> None:
        """
        Another pattern, and then the first again.
        """
        await self.changed([self.source("*.log")], [self.source()])
