"""
Networks that fail, with this process on one host and servers on others.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred

from logrelay.config import FailbackSettings
from logrelay.servers import Server

from ..figures import show
from ..loopback import scripted
from ..netns import Host, Network, missing
from ..relays import destination
from ..together import together
from .namespaces import HostServer, inside
from .trials import LIMITS, FaultCase, Stream, Watch, size

#: An address that RFC 5737 keeps for documentation, on no wire of ours, and a name that RFC 2606 keeps unknown.
ELSEWHERE, NOBODY = "198.51.100.1", "nobody.invalid"

KEEPALIVE = LIMITS["keepalive"][0] + LIMITS["keepalive"][1] * LIMITS["keepalive"][2]


class NetworkFaultTests(FaultCase):
    """
    A relay on a host of its own; each trial has a primary on another, and all failovers are on a third.
    """

    skip = missing()

    def setUp(self) -> None:
        """
        Go there.
        """
        self.network = Network()
        self.addCleanup(self.network.close)
        self.network.open()
        self.client, self.safe = self.network.host(), self.network.host()
        there = ExitStack()
        there.enter_context(inside(self.client))
        self.addCleanup(there.close)

    def failover(self, **options: Any) -> HostServer:
        """
        A server that is going to be reached.
        """
        return self.on(self.safe, **options)

    def on(self, host: Host, **options: Any) -> HostServer:
        """
        A server on a host, until the end of the test.
        """
        server = HostServer(host, **options)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.kill()))
        return server

    @scripted
    async def test_blackHole(self) -> None:
        """
        A server whose packets vanish is left in time, whatever the relay is doing, for the reason that fits, and
        nothing is lost.  When it is back, the stream returns to it.
        """
        # The hosts get these one after the other.
        tls = self.tls(*(f"192.0.2.{number}" for number in range(1, 21)))
        await together(
            self,
            self.busy("black hole, busy"),
            self.busy("black hole, busy, TLS", tls.context, **tls.options),
            self.idleThenMessage("black hole, idle, then a message"),
            self.idle("black hole, idle"),
            self.atStart("black hole at the start"),
            self.heals("black hole, with failback"),
        )

    async def vanishes(self, what: str, context: SSL.Context | None = None, **options: Any) -> tuple[Any, ...]:
        """
        A stream flows, and the host of the server in use becomes a black hole.
        """
        host = self.network.host()
        primary, failover = self.on(host, context=context), self.failover(context=context)
        watch, stream = self.watched(primary, failover, **options)
        stream.flow()
        await self.until(lambda: size(primary) > 100_000)
        host.blackHole()
        await self.leaves(what, watch, time.monotonic(), "ack-timeout", LIMITS["ackTimeout"], failover)
        return host, primary, failover, watch, stream

    async def busy(self, what: str, context: SSL.Context | None = None, **options: Any) -> None:
        """
        Data is out.
        """
        _, primary, failover, _, stream = await self.vanishes(what, context, **options)
        await self.delivered(what, stream, primary, failover)

    async def heals(self, what: str) -> None:
        """
        So it is here, and then the black hole ends.
        """
        failback = FailbackSettings(tcpProbeInterval=0.5, successfulProbesRequired=2)
        host, primary, failover, watch, stream = await self.vanishes(what, failback=failback)
        before, healed = size(primary), time.monotonic()
        host.heal()
        await self.until(lambda: size(primary) > before)
        show(f"{what}: first message at the primary {time.monotonic() - healed:.2f} s after it healed")
        self.assertTrue(watch.destination.servers[0].active)
        await self.delivered(what, stream, primary, failover)

    def quiet(self) -> tuple[Host, HostServer, HostServer, Watch, Stream]:
        """
        A relay that is going to be idle.
        """
        host = self.network.host()
        primary, failover = self.on(host), self.failover()
        watch, stream = self.watched(primary, failover)
        stream.send(10)
        return host, primary, failover, watch, stream

    async def idleThenMessage(self, what: str) -> None:
        """
        Nothing is out, and then something is.
        """
        host, primary, failover, watch, stream = self.quiet()
        await self.until(lambda: size(primary))
        host.blackHole()
        began = time.monotonic()
        stream.send(1)
        await self.leaves(what, watch, began, "ack-timeout", LIMITS["ackTimeout"], failover)
        await self.delivered(what, stream, primary, failover)

    async def idle(self, what: str) -> None:
        """
        Nothing is out.
        """
        host, primary, failover, watch, stream = self.quiet()
        await self.until(lambda: size(primary))
        host.blackHole()
        await self.leaves(what, watch, time.monotonic(), "keepalive", KEEPALIVE, failover)
        stream.send(1)
        await self.delivered(what, stream, primary, failover)

    async def atStart(self, what: str) -> None:
        """
        Nobody answers.
        """
        host = self.network.host()
        primary, failover = self.on(host), self.failover()
        host.blackHole()
        began = time.monotonic()
        watch, stream = self.watched(primary, failover)
        stream.send(1000)
        await self.leaves(what, watch, began, "connect-timeout", LIMITS["connectTimeout"], failover)
        await self.delivered(what, stream, failover)

    @scripted
    async def test_noWay(self) -> None:
        """
        A server that there is no way to, or no address of, is passed over at once.
        """
        subprocess.run(["ip", "-n", self.client.name, "route", "add", "unreachable", "203.0.113.0/24"], check=True)
        await together(
            self,
            self.passedOver("no route", ELSEWHERE, "unreachable"),
            self.passedOver("a route that leads nowhere", "203.0.113.1", "unreachable"),
            self.passedOver("no address", NOBODY, "dns"),
        )

    async def passedOver(self, what: str, host: str, reason: str) -> None:
        """
        The next server gets everything.
        """
        failover = self.failover()
        settings = attrs.evolve(destination(failover, **LIMITS), servers=(Server(host, 601), failover.server))
        began = time.monotonic()
        watch, stream = self.watchedTo(settings)
        stream.send(1000)
        await self.leaves(what, watch, began, reason, 0, failover)
        await self.delivered(what, stream, failover)
