"""
RELP with Debian's rsyslog: our client's session with imrelp, and omrelp with our source.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from logrelay.config import SourceTLSSettings
from logrelay.relpclient import Accepted, ClientSession, Ended, Event, Opened
from logrelay.relpframes import frame
from logrelay.servers import Server
from logrelay.service import LogRelayService

from .certificates import Authority, Folder
from .loopback import scripted
from .real import RsyslogRelp, RsyslogToRelp, ServerTls, missing
from .relays import LogServer, RelayCase, addressOf, connected, counted, destination, numbered, source
from .relpcases import OPEN, syslogs
from .wiretap import Tapped, Wiretap

#: What a client may say, and how many messages are answered 200 and whether the session is over, by librelp.
TALKS = {
    "open": (OPEN, 0, False),
    "messages": (OPEN + syslogs(2, b"<13>one", b"<13>two"), 2, False),
    "empty": (OPEN + b"2 syslog 0\n" + syslogs(3, b"<13>two"), 2, False),
    "leading zeros": (OPEN + b"0002 syslog 07 <13>one\n", 1, False),
    "message before open": (b"1 syslog 1 a\n" + frame(2, b"open", b"commands=syslog") + syslogs(3, b"<13>b"), 1, False),
    "close": (OPEN + syslogs(2, b"<13>one") + b"3 close 0\n", 1, True),
    "close before open": (b"1 close 0\n", 0, True),
    "something after close": (OPEN + b"2 close 0\n" + syslogs(3, b"<13>one"), 0, True),
    "second open": (OPEN + frame(2, b"open", b"commands=syslog"), 0, True),
    "no offers": (b"1 open 0\n", 0, True),
    "unknown command": (OPEN + b"2 starttls 0\n", 0, True),
    "upper case": (OPEN + b"2 SYSLOG 1 a\n", 0, True),
    "digit in a command": (OPEN + b"2 sys1og 1 a\n", 0, True),
    "hint": (OPEN + b"0 hint 0\n", 0, True),
    "CR": (OPEN + b"2 syslog 7 <13>one\r\n", 0, True),
    "too short a length": (OPEN + b"2 syslog 6 <13>one\n", 0, True),
    "number left out": (OPEN + syslogs(2, b"<13>one") + syslogs(4, b"<13>two"), 1, True),
    "number again": (OPEN + syslogs(2, b"<13>one") + syslogs(2, b"<13>two"), 1, True),
    "ten digits": (OPEN + b"0000000002 syslog 1 a\n", 0, True),
}

_ACCEPTED = re.compile(rb"^(\d+) rsp 6 200 OK$", re.MULTILINE)
_SYSLOG = re.compile(rb"(\d+) syslog (\d+) ")


def talk(address: tuple[str, int], data: bytes) -> tuple[int, bool]:
    """
    Say something to a server.

    :return: how many messages it has taken, and whether it has ended the session and the connection.
    """
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(data)
        heard = b""
        # It has said all that it will when there are as many lines as are due, or it ends; so a moment is enough.
        connection.settimeout(0.3)
        try:
            while more := connection.recv(65536):
                heard += more
        except TimeoutError:
            return len(_ACCEPTED.findall(heard)), False
    return len(_ACCEPTED.findall(heard)), heard.endswith(b"0 serverclose 0\n")


def answered(tapped: Tapped) -> list[bytes]:
    """
    The messages that a client was told to be taken on a connection, from the bytes that went over it.
    """
    sent, position = {}, 0
    data = tapped.client.data
    while (match := _SYSLOG.search(data, position)) is not None:
        position = match.end() + int(match[2])
        sent[int(match[1])] = data[match.end() : position]
    return [sent[int(number)] for number in _ACCEPTED.findall(tapped.server.data)]


class RsyslogCase(RelayCase):
    """
    Certificates, servers and clients.
    """

    skip = missing(RsyslogRelp)
    timeout = 90

    def setUp(self) -> None:
        """
        Make the certificates that both sides show.
        """
        folder, authority = Folder(self.mktemp()), Authority.root()
        shown = authority.issue("127.0.0.1")
        certFile, keyFile = folder.write("cert.pem", shown.certPEM), folder.write("key.pem", shown.keyPEM)
        caFile = folder.write("ca.pem", authority.pem)
        self.tls = ServerTls(Path(certFile), Path(keyFile), Path(caFile))
        self.sourceTLS = SourceTLSSettings(certFile, keyFile, caFile)

    def path(self) -> Path:
        """
        Where a program may work.
        """
        return Path(self.mktemp()).resolve()

    def relayTo(self, server: LogServer, listen: str = "tcp:0:interface=127.0.0.1") -> LogRelayService:
        """
        A relay with a RELP source.
        """
        tls = self.sourceTLS if listen.startswith("tls") else None
        return self.relay([destination(server)], [source(listen, type="relp")], tls)

    async def rsyslog(self, to: tuple[str, int], **options: Any) -> RsyslogToRelp:
        """
        rsyslog that sends there.
        """
        started = RsyslogToRelp(self.path(), to=to, **options)
        self.addCleanup(started.close)
        await deferToThread(started.start)
        return started


class TalkTests(RsyslogCase):
    """
    What librelp's server says to a client, ours says too.
    """

    @scripted
    async def test_imrelp(self) -> None:
        """
        The table is true of imrelp.
        """
        server = RsyslogRelp(self.path())
        self.addCleanup(server.close)
        await deferToThread(server.start)
        for name, (data, taken, over) in TALKS.items():
            got = await deferToThread(talk, (server.host, server.port), data)
            self.assertEqual(got, (taken, over), name)

    @scripted
    async def test_ours(self) -> None:
        """
        And of our source.
        """
        relay = self.relayTo(self.server())
        for name, (data, taken, over) in TALKS.items():
            got = await deferToThread(talk, addressOf(relay), data)
            self.assertEqual(got, (taken, over), name)


class ClientTests(RsyslogCase):
    """
    Our client's session with imrelp.
    """

    def converse(self, server: RsyslogRelp, sent: list[bytes]) -> list[Event]:
        """
        Open, send and close at once, and hear what there is to hear.
        """
        session = ClientSession()
        events: list[Event] = []
        with socket.create_connection((server.host, server.port), timeout=20) as connection:
            connection.sendall(session.open() + session.frames(counted(sent), len(sent)) + session.close())
            while data := connection.recv(65536):
                events += session.receive(data)
        self.assertIsNone(session.error)
        return events

    @scripted
    async def test_everythingAtOnce(self) -> None:
        """
        Whatever the main queue of rsyslog is, messages sent behind ``open`` without waiting are answered, and in its
        file, in order.
        """
        for queue in ("Direct", "FixedArray"):
            server, sent = RsyslogRelp(self.path(), queue=queue), numbered(2000)
            self.addCleanup(server.close)
            await deferToThread(server.start)
            events = await deferToThread(self.converse, server, sent)
            self.assertEqual((events[0], events[-1]), (Opened(), Ended()))
            accepted = [each for each in events[1:-1] if isinstance(each, Accepted)]
            self.assertEqual(sum(each.count for each in accepted), len(sent))
            lines = await deferToThread(server.waitFor, len(sent))
            self.assertEqual(lines, [message.split(b" - - - ")[1] for message in sent])


class SourceTests(RsyslogCase):
    """
    rsyslog's omrelp with our source.
    """

    async def send(self, rsyslog: RsyslogToRelp, messages: list[bytes]) -> None:
        """
        Give rsyslog something to send.
        """
        (await connected((rsyslog.host, rsyslog.port))).write(counted(messages))

    async def windows(self, listen: str, tls: ServerTls | None) -> None:
        """
        Thousands of messages, with small windows, the usual one, and a large one.  (With 1 librelp takes
        128, and with 2 it gets 10 messages a second through, to its own server too; so a window of one is tested with
        our own client.)
        """
        for window in (1, 128, 5000):
            server = self.server()
            relay = self.relayTo(server, listen)
            rsyslog = await self.rsyslog(addressOf(relay), window=window, sendsTls=tls)
            sent = numbered(20_000, 200)
            await self.send(rsyslog, sent)
            self.assertEqual(await self.arrived(server, len(sent)), sent, window)
            await deferToThread(rsyslog.stop)
            _, feed = relay.snapshot().sources
            self.assertEqual((feed.counters.received, feed.counters.badFrames), (len(sent), 0))

    @scripted
    async def test_tcp(self) -> None:
        """
        Over TCP everything arrives, once and in order.
        """
        await self.windows("tcp:0:interface=127.0.0.1", None)

    @scripted
    async def test_tls(self) -> None:
        """
        Over TLS too, with certificates on both sides.
        """
        await self.windows("tls:0:interface=127.0.0.1", self.tls)

    def tapped(self, relay: LogRelayService) -> Wiretap:
        """
        A wire to a relay.
        """
        tap = Wiretap(reactor, Server(*addressOf(relay)))
        self.addCleanup(tap.stop)
        return tap

    async def goneOn(self, server: LogServer, count: int) -> None:
        """
        Wait until some more messages have arrived.
        """
        await self.until(lambda: sum(len(each.data) for each in server.connections) >= count * 200)

    @scripted
    async def test_rsyslogKilled(self) -> None:
        """
        rsyslog is killed in mid-stream: whatever it was told to be taken arrives, and it can come back.
        """
        server = self.server()
        tap = self.tapped(self.relayTo(server))
        rsyslog = await self.rsyslog((tap.address.host, tap.address.port))
        sent = numbered(60_000, 200)
        await self.send(rsyslog, sent)
        await self.goneOn(server, 5000)
        rsyslog.kill()
        told = {message for each in tap.connections for message in answered(each)}
        self.assertTrue(1000 < len(told) < len(sent), len(told))
        await self.until(lambda: told <= set(server.messages))
        await deferToThread(rsyslog.start)
        await self.send(rsyslog, sent[:1000])
        await self.until(lambda: len(tap.connections) > 1 and len(answered(tap.connections[-1])) == 1000)

    @scripted
    async def test_relayDropped(self) -> None:
        """
        The relay's side is gone in mid-stream, three times: everything arrives, with not more doubles than windows.
        """
        server = self.server()
        relay = self.relayTo(server)
        tap = self.tapped(relay)
        rsyslog = await self.rsyslog((tap.address.host, tap.address.port))
        sent = numbered(40_000, 200)
        await self.send(rsyslog, sent)
        for number in range(3):
            await self.goneOn(server, 8000 * (number + 1))
            tap.connections[-1].client.transport.abortConnection()
            tap.connections[-1].server.transport.abortConnection()
            await self.until(lambda: len(tap.connections) > number + 1)  # noqa: B023
        await self.until(lambda: len(set(server.messages)) == len(sent))
        self.assertEqual(set(server.messages), set(sent))
        self.assertLessEqual(len(server.messages) - len(sent), 3 * rsyslog.window)

    @scripted
    async def test_relayRestarted(self) -> None:
        """
        The relay stops in mid-stream, and another one takes its place: everything arrives.
        """
        server = self.server()
        relay = self.relayTo(server)
        _, port = addressOf(relay)
        rsyslog = await self.rsyslog(("127.0.0.1", port))
        sent = numbered(40_000, 200)
        await self.send(rsyslog, sent)
        await self.goneOn(server, 8000)
        await relay.stopService()
        before = len(server.messages)
        self.assertLess(before, len(sent))
        self.relayTo(server, f"tcp:{port}:interface=127.0.0.1")
        await self.until(lambda: len(set(server.messages)) == len(sent))
        self.assertEqual(set(server.messages), set(sent))
