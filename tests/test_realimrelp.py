"""
RELP to Debian's rsyslog (imrelp): every window, TCP and TLS, and what a killed server leaves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from twisted.internet.threads import deferToThread

from logrelay.servers import Server
from logrelay.service import LogRelayService

from .faults.trials import FaultCase
from .loopback import scripted
from .real import RsyslogRelp, ServerTls, missing
from .relays import destination, numbered
from .together import together

#: Messages of so many bytes each.
COUNT, SIZE = 20_000, 200


def textOf(message: bytes) -> bytes:
    """
    What a server writes of a message.
    """
    return message.partition(b" - - - ")[2]


class ImrelpTests(FaultCase):
    """
    A relay in this process, and rsyslog.
    """

    skip = missing(RsyslogRelp)

    def imrelp(self, tls: ServerTls | None = None, **options: Any) -> RsyslogRelp:
        """
        A server that is not started yet.
        """
        server = RsyslogRelp(Path(self.mktemp()).resolve(), tls=tls, **options)
        self.addCleanup(server.close)
        return server

    async def relayTo(self, *servers: RsyslogRelp, **options: Any) -> LogRelayService:
        """
        Start servers, and a relay for them.
        """
        for server in servers:
            await deferToThread(server.start)
        settings = destination(self.server(), driver="relp", **options)
        names = tuple(Server(server.host, server.port) for server in servers)
        return self.relay([attrs.evolve(settings, servers=names)])

    @scripted
    async def test_everyWindow(self) -> None:
        """
        Everything arrives once, in its order, whatever the window, over TCP and over TLS, and settles.
        """
        tls = self.tls("127.0.0.1")
        await together(
            self,
            *(self.window(size, None) for size in (1, 128, 5000)),
            *(self.window(size, tls.files, **tls.options) for size in (1, 128, 5000)),
        )

    async def window(self, size: int, files: ServerTls | None, **options: Any) -> None:
        """
        One window.
        """
        server = self.imrelp(files)
        relay = await self.relayTo(server, window=size, **options)
        messages = numbered(2000 if size == 1 else COUNT, SIZE)
        for message in messages:
            relay.send(message)
        await relay.whenSettled()
        self.assertEqual(await deferToThread(server.waitFor, len(messages)), [textOf(each) for each in messages])
        await relay.stopService()

    @scripted
    async def test_killed(self) -> None:
        """
        A server that is killed in mid-stream had written all that it had answered (its queue is Direct), and no more
        than the window arrives twice, over TCP and over TLS.
        """
        tls = self.tls("127.0.0.1")
        await together(
            self,
            *(self.kill(size, None) for size in (1, 128, 5000)),
            *(self.kill(size, tls.files, **tls.options) for size in (1, 128, 5000)),
        )

    async def kill(self, size: int, files: ServerTls | None, **options: Any) -> None:
        """
        One window.
        """
        one, two = self.imrelp(files), self.imrelp(files)
        relay = await self.relayTo(one, two, window=size, **options)
        # With a window of one each message is a round trip among six relays' work: on a busy machine that takes long.
        messages = numbered(1000 if size == 1 else COUNT, SIZE)
        for message in messages:
            relay.send(message)
        await self.until(lambda: relay.snapshot().destinations[0].counters.settled > len(messages) // 4, limit=60)
        await deferToThread(one.kill)
        await relay.whenSettled()
        first, second = one.messages(), two.messages()
        texts = [textOf(each) for each in messages]
        self.assertEqual(set(texts) - {*first, *second}, set())
        self.assertLessEqual(len(first) + len(second) - len(texts), size)
        self.assertEqual(second, texts[len(texts) - len(second) :])
        self.assertLessEqual(relay.snapshot().destinations[0].counters.resent, size)
        await relay.stopService()

    @scripted
    async def test_relayGoes(self) -> None:
        """
        A relay that stops has had an answer to everything that it sent; nothing is left for the next one to send again.
        """
        server = self.imrelp()
        relay = await self.relayTo(server, window=128)
        for message in numbered(COUNT, SIZE):
            relay.send(message)
        await self.until(lambda: relay.snapshot().destinations[0].counters.settled > 1000)
        await relay.stopService()
        counters = relay.snapshot().destinations[0].counters
        self.assertEqual((counters.settled, counters.unconfirmed), (COUNT, 0))
        self.assertEqual(server.messages(), [textOf(each) for each in numbered(COUNT, SIZE)])
