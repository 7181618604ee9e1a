"""
Servers that fail, on loopback.
"""

from __future__ import annotations

import time
from pathlib import Path

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from logrelay import events
from logrelay.config import FailbackSettings
from logrelay.servers import Server

from ..figures import show
from ..loopback import LoopbackServer, scripted
from ..real import RealServer, Rsyslog, SyslogNg, missing
from ..relays import LogServer, destination
from ..tlsmatrix import ClosingServer
from ..together import together
from .trials import LIMITS, FaultCase, size

#: A burst of messages, each of so many bytes: more than the kernel of a server takes that does not read, and less than
#: ``replay-max``.  The server's window closes when the burst is out.
BURST, LARGE = 400, 8000

#: Failback wants one good probe alone: the first one that is wrong and passes would be seen.
FAILBACK = FailbackSettings(tcpProbeInterval=0.3, successfulProbesRequired=1)

#: A paused server is seen by probes that want more than a connection.
VERIFY = FailbackSettings(tcpProbeInterval=0.5, successfulProbesRequired=2, probe="verify")


class ServerFaultTests(FaultCase):
    """
    A primary that fails, and a failover that does not.
    """

    def closing(self) -> LogServer:
        """
        A server that accepts and closes at once, until the end of the test.
        """
        server = ClosingServer()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.kill()))
        return server

    @scripted
    async def test_everyFault(self) -> None:
        """
        The server is left in time for the reason that fits, and nothing is lost.
        """
        await together(
            self,
            self.neverReads("accepts, never reads"),
            self.stopsReading("stops reading"),
            self.refuses("refuses"),
            self.unanswered("no answer to SYN"),
            self.closesAtOnce("accepts, closes at once"),
            self.ends("closes"),
            self.resets("resets"),
            self.endsTLS("ends the TLS stream while much is written"),
        )

    async def neverReads(self, what: str) -> None:
        """
        It takes the connection, and its kernel takes a little.
        """
        primary, failover = self.server(), self.server()
        primary.stall()
        watch, stream = self.watched(primary, failover)
        stream.send(BURST, LARGE)
        began = time.monotonic()
        await self.leaves(what, watch, began, "stalled", LIMITS["stallTimeout"], failover)
        await self.delivered(what, stream, failover)

    async def stopsReading(self, what: str) -> None:
        """
        It has read for a while.
        """
        primary, failover = self.server(), self.server()
        watch, stream = self.watched(primary, failover)
        stream.flow()
        await self.until(lambda: size(primary) > 100_000)
        primary.stall()
        stream.send(BURST, LARGE)
        began = time.monotonic()
        await self.leaves(what, watch, began, "stalled", LIMITS["stallTimeout"], failover)
        await self.delivered(what, stream, primary, failover)

    async def refuses(self, what: str) -> None:
        """
        Nobody listens.
        """
        primary, failover = self.server(), self.server()
        await primary.refuse()
        began = time.monotonic()
        watch, stream = self.watched(primary, failover)
        stream.send(1000)
        await self.leaves(what, watch, began, "refused", 0, failover)
        await self.delivered(what, stream, failover)

    async def unanswered(self, what: str) -> None:
        """
        Its kernel takes no more connections.
        """
        primary, failover = LoopbackServer(reactor), self.server()
        self.addCleanup(lambda: Deferred.fromCoroutine(primary.stop()))
        await primary.hang()
        servers = (Server("127.0.0.1", primary.number), failover.server)
        began = time.monotonic()
        watch, stream = self.watchedTo(attrs.evolve(destination(failover, **LIMITS), servers=servers))
        stream.send(1000)
        await self.leaves(what, watch, began, "connect-timeout", LIMITS["connectTimeout"], failover)
        await self.delivered(what, stream, failover)

    async def closesAtOnce(self, what: str) -> None:
        """
        With failback it never takes the stream, however often it is probed: the failover's connection stays.
        """
        primary, failover = self.closing(), self.server()
        began = time.monotonic()
        watch, stream = self.watched(primary, failover, failback=FAILBACK)
        stream.flow()
        # With what the relay had written by then unread, its kernel resets.
        await self.leaves(what, watch, began, "eof reset", 0, failover)
        await self.until(lambda: watch.destination.counters.probesFailed >= 5)
        probes, failed = watch.told(events.ProbeFailed), watch.destination.counters.probesFailed
        show(f"{what}: {failed} probes failed, ends of the failover's connections: {failover.ends}")
        self.assertEqual({event.reason for event in probes}, {"eof"})
        self.assertEqual((watch.told(events.ProbeSucceeded), failover.ends), ([], [None]))
        await self.delivered(what, stream, failover)

    async def ends(self, what: str) -> None:
        """
        It has delivered, reads to the end, and goes: it gets another try at once, then the next server gets its turn.
        """
        primary, failover = self.server(), self.server()
        watch, stream = self.watched(primary, failover, delivery="acked")
        stream.send(1000)
        await self.until(lambda: watch.destination.proved and len(primary.messages) == 1000)
        await primary.refuse()
        began = time.monotonic()
        primary.connections[0].transport.loseConnection()
        # Data on its way to a server that has closed would be answered by a reset.
        await self.until(lambda: watch.losses(began))
        stream.send(1000)
        await self.leaves(what, watch, began, "eof", 0, failover)
        self.assertEqual([reason for _, _, reason in watch.losses()], ["eof", "refused"])
        await self.delivered(what, stream, primary, failover)

    async def resets(self, what: str) -> None:
        """
        It crashes while data is under way.
        """
        primary, failover = self.server(), self.server()
        watch, stream = self.watched(primary, failover)
        stream.flow()
        await self.until(lambda: size(primary) > 100_000)
        began = time.monotonic()
        await primary.kill()
        await self.leaves(what, watch, began, "reset", 0, failover)
        await self.delivered(what, stream, primary, failover)

    async def endsTLS(self, what: str) -> None:
        """
        It says that this is the end, and goes, while there is more to write than the kernel takes at once.
        """
        tls = self.tls("127.0.0.1")
        primary, failover = self.server(context=tls.context), self.server(context=tls.context)
        watch, stream = self.watched(primary, failover, **tls.options)
        stream.send(1)
        await self.until(lambda: size(primary))
        # Or the relay, whose data has settled in part by then, would go on with it.
        await primary.refuse()
        for turn in range(40):
            stream.send(20, LARGE)
            await self.turns(1)
            if turn == 20:
                began = time.monotonic()
                primary.connections[0].transport.loseConnection()
        await self.leaves(what, watch, began, "eof reset", 0, failover)
        await self.delivered(what, stream, primary, failover)


class PausedServerTests(FaultCase):
    """
    Real servers that are paused: their kernels go on answering, they do not.
    """

    skip = missing(SyslogNg, Rsyslog)

    @scripted
    async def test_paused(self) -> None:
        """
        A paused server is left in time, over TCP and over TLS, and nothing is lost.  One that goes on gets the stream
        back.
        """
        await together(
            self, *(self.paused(kind, transport) for kind in (SyslogNg, Rsyslog) for transport in ("tcp", "tls"))
        )

    async def paused(self, kind: type[RealServer], transport: str) -> None:
        """
        One server over one transport.
        """
        what = f"SIGSTOP of {kind.__name__}, {transport}"
        tls = self.tls("127.0.0.1") if transport == "tls" else None
        primary = kind(Path(self.mktemp()).resolve(), tls=tls.files if tls else None)
        self.addCleanup(primary.close)
        await deferToThread(primary.start)
        failover = self.server(context=tls.context if tls else None)
        settings = destination(failover, **{**LIMITS, **(tls.options if tls else {})}, failback=VERIFY)
        servers = (Server(primary.host, primary.port), failover.server)
        watch, stream = self.watchedTo(attrs.evolve(settings, servers=servers))
        stream.send(100)
        await deferToThread(primary.waitFor, 100)
        primary.pause()
        stream.send(BURST, LARGE)
        began = time.monotonic()
        await self.leaves(what, watch, began, "stalled", LIMITS["stallTimeout"], failover)
        await self.until(lambda: watch.told(events.ProbeFailed))
        # Whether it had read the first ones nobody can know here, so they were all sent again.
        await self.delivered(what, stream, failover)
        resumed = time.monotonic()
        primary.resume()
        await self.until(lambda: watch.destination.servers[0].active)
        probes = {event.reason for event in watch.told(events.ProbeFailed)}
        show(f"{what}: probes failed ({', '.join(probes)}), back {time.monotonic() - resumed:.2f} s after SIGCONT")
        self.assertEqual(probes, {"tls-timeout" if transport == "tls" else "stalled"})
        stream.send(1)
        await watch.relay.whenSettled()
        last = stream.sent[-1].partition(b" - - - ")[2]
        await self.until(lambda: last in primary.messages()[-1:])
