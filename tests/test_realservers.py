"""
The relay with the real programs: Debian's syslog-ng and rsyslog as servers, and loggen as the client.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import DestinationSettings, SourceTLSSettings, TLSSettings
from logrelay.servers import Server
from logrelay.service import LogRelayService

from .certificates import Authority, Folder
from .figures import show
from .loopback import scripted
from .real import Loggen, RealServer, Rsyslog, ServerTls, SyslogNg, missing, sequences
from .relays import RelayCase, addressOf, client, heard, source
from .sourcing import folder as shortFolder
from .together import Trial, together
from .wiretap import ALERT, Wiretap

AUTHORITY = Authority.root()

#: What each driver implies.
DRIVERS: dict[str, dict[str, Any]] = {
    "syslog": {"format": "rfc5424", "framing": Framing.OCTET_COUNTING},
    "network": {"format": "rfc3164", "framing": Framing.LF},
}

#: Load for a server that is stopped: so many messages a second, for so many seconds; it is stopped after so many.
RATE, SECONDS, STOP = 10_000, 5, 2


class SyslogNgFields(SyslogNg):
    """
    Writes what it parsed, field by field.
    """

    def configuration(self) -> str:
        """
        The same, with another template.
        """
        fields = "$PRI|$S_UNIXTIME|$HOST|$PROGRAM|$PID|$MSGID|$SDATA|$MSG"
        return super().configuration().replace("$MSG", fields)


class RsyslogFields(Rsyslog):
    """
    Writes what it parsed, field by field.
    """

    def configuration(self) -> str:
        """
        The same, with another template.
        """
        names = ("hostname", "app-name", "procid", "msgid", "structured-data", "msg")
        fields = "|".join(["%pri%", "%timereported:::date-unixtimestamp%", *(f"%{name}%" for name in names)])
        return super().configuration().replace("%msg%", fields)


class RealCase(RelayCase):
    """
    A relay in this process, and real servers.
    """

    skip = missing(SyslogNg, Rsyslog, Loggen)
    timeout = 60

    def setUp(self) -> None:
        """
        Make the certificates that servers and relay show.
        """
        self.folder = Folder(self.mktemp())
        shown = AUTHORITY.issue("127.0.0.1")
        certFile, keyFile = self.folder.write("cert.pem", shown.certPEM), self.folder.write("key.pem", shown.keyPEM)
        caFile = self.folder.write("ca.pem", AUTHORITY.pem)
        self.serverTLS = ServerTls(Path(certFile), Path(keyFile), Path(caFile))
        self.clientTLS = TLSSettings(caFile=caFile, certFile=certFile, keyFile=keyFile)
        self.sourceTLS = SourceTLSSettings(certFile, keyFile)

    async def started(self, kind: type[RealServer], driver: str = "syslog", transport: str = "tcp") -> RealServer:
        """
        A server, until the end of the test.
        """
        server = kind(Path(self.mktemp()).resolve(), driver, self.serverTLS if transport == "tls" else None)
        self.addCleanup(server.close)
        await deferToThread(server.start)
        return server

    def to(self, *servers: Server, driver: str = "syslog", transport: str = "tcp") -> DestinationSettings:
        """
        A destination with some servers.
        """
        tls = self.clientTLS if transport == "tls" else None
        return DestinationSettings("central", servers, driver=driver, transport=transport, tls=tls, **DRIVERS[driver])


def at(server: RealServer) -> Server:
    """
    A real server, as a relay knows it.
    """
    return Server(server.host, server.port)


def text(number: int) -> bytes:
    """
    The text of a message.
    """
    return b"message number %d of some" % number


async def send(relay: LogRelayService, begin: int, end: int) -> None:
    """
    Send messages with some numbers.
    """
    for number in range(begin, end):
        await relay.send(b"<13>1 2024-05-06T07:08:09Z here app 1 - - " + text(number))


if TYPE_CHECKING:
    Base = RealCase
else:
    Base = object


class DeliveryMixin(Base):
    """
    What holds for every server, driver and transport.
    """

    kind: type[RealServer]

    def each(self, trial: Callable[[str, str], Trial]) -> Deferred[None]:
        """
        Run a trial with each driver over each transport.
        """
        trials = [trial(driver, transport) for driver in DRIVERS for transport in ("tcp", "tls")]
        return Deferred.fromCoroutine(together(self, *trials))

    def test_settlesAndEndsGracefully(self) -> Deferred[None]:
        """
        The server confirms checkpoints, over TLS with our certificate too, so that ``whenSettled`` fires.  What is
        sent just before a stop arrives, and the stop loses nothing and waits for nothing.
        """
        return self.each(self.settlesAndEnds)

    async def settlesAndEnds(self, driver: str, transport: str) -> None:
        """
        With one driver over one transport.
        """
        server = await self.started(self.kind, driver, transport)
        relay = self.relay([self.to(at(server), driver=driver, transport=transport)])
        told = heard(relay)
        for count in (300, 600):
            await send(relay, count - 300, count)
            await relay.whenSettled()
            arrived = await deferToThread(server.waitFor, count)
            self.assertEqual(arrived, [text(number) for number in range(count)])
        counters = relay.snapshot().destinations[0].counters
        self.assertEqual((counters.checkpoints, counters.settled, counters.resent), (2, 600, 0))
        await send(relay, 600, 900)
        began = time.monotonic()
        await relay.stopService()
        self.assertLess(time.monotonic() - began, 3)
        arrived = await deferToThread(server.waitFor, 900)
        self.assertEqual(arrived, [text(number) for number in range(900)])
        self.assertEqual([event for event in told if event.level != "info"], [])
        self.assertEqual(told[-1], events.Stopped("central"))

    @scripted
    async def test_closeNotifyBeforeFin(self) -> None:
        """
        Over TLS a checkpoint and a stop send a close_notify, then a FIN, and no reset.
        """
        server = await self.started(self.kind, transport="tls")
        tap = Wiretap(reactor, at(server))
        self.addCleanup(tap.stop)
        relay = self.relay([self.to(tap.address, transport="tls")])
        await send(relay, 0, 100)
        await relay.whenSettled()
        await send(relay, 100, 200)
        await relay.stopService()
        await deferToThread(server.waitFor, 200)
        await self.until(lambda: len(tap.connections) == 2 and all(each.client.ended for each in tap.connections))
        ends = [(each.lastRecord, each.client.ended) for each in tap.connections]
        self.assertEqual(ends, [(ALERT, "fin"), (ALERT, "fin")])


class SyslogNgDeliveryTests(DeliveryMixin, RealCase):
    """
    syslog-ng.
    """

    kind = SyslogNg


class RsyslogDeliveryTests(DeliveryMixin, RealCase):
    """
    rsyslog.
    """

    kind = Rsyslog


class ContentTests(RealCase):
    """
    What the servers make of converted messages.
    """

    async def fields(self, kind: type[RealServer], driver: str, messages: list[bytes]) -> list[list[str]]:
        """
        What a server parses of each message: priority, seconds since the epoch, host, program, process, message id,
        structured data, text.  What is absent is empty.
        """
        server = await self.started(kind, driver)
        relay = self.relay([self.to(at(server), driver=driver)], [source()])
        with client(self, relay) as sender:
            sender.sendall(b"".join(message + b"\n" for message in messages))
        lines = await deferToThread(server.waitFor, len(messages))
        rows = [line.decode().split("|") for line in lines]
        return [["" if field == "-" else field.strip() for field in row] for row in rows]

    @scripted
    async def test_fromOldToNew(self) -> None:
        """
        What comes in as RFC 3164 reaches RFC 5424 servers with the same priority, time, host, program, process, text.
        """
        now = int(time.time())
        stamp = time.strftime("%b %e %H:%M:%S", time.localtime(now)).encode()
        messages = [
            b"<34>%b mymachine su[77]: 'su root' failed" % stamp,
            b"<165>%b 192.0.2.7 program: text: with [brackets]" % stamp,
        ]
        for kind in (SyslogNgFields, RsyslogFields):
            first, second = await self.fields(kind, "syslog", messages)
            self.assertEqual(first, ["34", str(now), "mymachine", "su", "77", "", "", "'su root' failed"])
            self.assertEqual(second, ["165", str(now), "192.0.2.7", "program", "", "", "", "text: with [brackets]"])

    @scripted
    async def test_fromNewToOld(self) -> None:
        """
        What comes in as RFC 5424 reaches RFC 3164 servers with all of that; structured data and message id are gone.
        """
        now = int(time.time())
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.25Z", time.gmtime(now)).encode()
        messages = [
            b"<34>1 %b mymachine su 77 ID47 - 'su root' failed" % stamp,
            b'<165>1 %b 192.0.2.7 program - - [a@32473 b="c"] text: with [brackets]' % stamp,
        ]
        for kind in (SyslogNgFields, RsyslogFields):
            first, second = await self.fields(kind, "network", messages)
            self.assertEqual(first, ["34", str(now), "mymachine", "su", "77", "", "", "'su root' failed"])
            self.assertEqual(second, ["165", str(now), "192.0.2.7", "program", "", "", "", "text: with [brackets]"])


class LoggenTests(RealCase):
    """
    loggen, through each kind of source.
    """

    async def through(self, listen: str, number: int = 1000, **options: Any) -> None:
        """
        Everything that loggen sends to one source, with some options, arrives in order.
        """
        server = self.server()
        relay = self.relay([self.to(server.server)], [source(listen)], self.sourceTLS)
        _, settings = relay.snapshot().sources
        target: Any = Path(settings.addresses[0]) if listen.startswith("unix") else addressOf(relay)
        load = Loggen.start(target, rate=number // 2, number=number, **options)
        self.addCleanup(load.close)
        self.assertEqual(await deferToThread(load.wait), number, listen)
        arrived = await self.arrived(server, number)
        self.assertEqual(sequences(arrived), [(0, each) for each in range(number)], listen)
        self.assertEqual([message for message in arrived if not message.startswith(b"<38>1 ")], [], listen)

    @scripted
    async def test_everySource(self) -> None:
        """
        Over TCP, TLS, UDP and both kinds of unix sockets everything arrives, as RFC 5424, in either framing.
        """
        folder = shortFolder(self)
        await together(
            self,
            self.through("tcp:0:interface=127.0.0.1"),
            self.through("tcp:0:interface=127.0.0.1", framed=True),
            self.through("tls:0:interface=127.0.0.1", tls=True),
            # It begins with as many as it sends in a second, at once; the kernel has room for 282.
            self.through("udp:0:interface=127.0.0.1", number=200, datagrams=True),
            self.through(f"unix:{folder}/stream"),
            self.through(f"unix-dgram:{folder}/datagrams", datagrams=True),
        )


class EndTests(RealCase):
    """
    A server that is stopped while messages flow.
    """

    async def stopped(self, kind: type[RealServer], other: type[RealServer], transport: str) -> None:
        """
        By SIGTERM, as an operator does: the relay goes on with the next server, and nothing is lost.
        """
        primary = await self.started(kind, transport=transport)
        failover = await self.started(other, transport=transport)
        relay = self.relay([self.to(at(primary), at(failover), transport=transport)], [source()])
        ends: list[tuple[float, str]] = []

        def note(event: events.Event) -> None:
            if isinstance(event, events.ConnectionEnded | events.AttemptFailed):
                ends.append((time.monotonic(), event.reason))

        relay.log.observers.append(note)
        load = Loggen.start(addressOf(relay), rate=RATE, seconds=SECONDS)
        self.addCleanup(load.close)
        await deferLater(reactor, STOP, lambda: None)
        self.assertEqual(failover.messages(), [])
        terminated = time.monotonic()
        stopping = deferToThread(primary.stop)
        await self.until(failover.last)
        first = time.monotonic()
        await stopping
        number = await deferToThread(load.wait)
        await self.until(lambda: relay.snapshot().sources[1].counters.received == number)
        await relay.stopService()
        # It has read everything by now; it may still be writing.
        await self.until(lambda: (0, number - 1) in sequences(failover.last()))
        # In a thread: the others, whose times are taken, are served by this one.
        count, arrived = await deferToThread(self.counted, primary, failover)
        doubles = count - len(arrived)
        show(
            f"{kind.__name__} over {transport} stopped at {RATE} messages/s: {number} sent, {len(arrived)} arrived, "
            f"{doubles} twice; first message at {other.__name__} {first - ends[0][0]:.3f} s after the connection's end "
            f"({ends[0][1]}), {first - terminated:.3f} s after the SIGTERM"
        )
        self.assertEqual(len({(0, sequence) for sequence in range(number)} - arrived), 0)
        self.assertGreater(number, RATE * SECONDS / 2)
        self.assertIn(ends[0][1], ("eof", "reset"))
        self.assertLess(first - ends[0][0], 0.5)

    def counted(self, *servers: RealServer) -> tuple[int, set[tuple[int, int]]]:
        """
        How many messages arrived, and which.
        """
        messages = [message for each in servers for message in each.messages()]
        return len(messages), set(sequences(messages))

    @scripted
    async def test_sigterm(self) -> None:
        """
        syslog-ng and rsyslog, over TCP and TLS.
        """
        await together(
            self,
            *(
                self.stopped(kind, other, transport)
                for kind, other in ((SyslogNg, Rsyslog), (Rsyslog, SyslogNg))
                for transport in ("tcp", "tls")
            ),
        )
