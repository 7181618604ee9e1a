"""
From sources to servers, through a started relay.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import BufferSettings, SourceTLSSettings, TLSSettings
from logrelay.service import LogRelayService
from logrelay.sources import RelayHandler, RelayObserver

from .certificates import Folder
from .loopback import scripted
from .relays import (
    MANY,
    SMALL,
    RelayCase,
    addressOf,
    client,
    connected,
    counted,
    destination,
    heard,
    numbered,
    small,
    source,
    split,
)
from .sourcing import folder
from .tlscases import FOREIGN, MIDDLE, ROOT, serverContext
from .vectors import loadVectors


def held(relay: LogRelayService) -> tuple[str, ...]:
    """
    What makes the first source of a relay wait.
    """
    return relay.snapshot().sources[1].heldBy


class VectorsTests(RelayCase):
    """
    What real senders put on the wire, relayed as it is.
    """

    @scripted
    async def test_vectors(self) -> None:
        """
        The messages of each vector come out, byte for byte, whatever the vectors before it were; those with a mistake
        in them are noticed.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source()])
        expected = b""
        for vector in loadVectors():
            before = relay.snapshot().sources[1].counters
            with client(self, relay) as sender:
                for chunk in vector.chunks:
                    sender.sendall(chunk)
                    await self.turns()
                with contextlib.suppress(OSError):  # The relay closes what makes no sense.
                    sender.shutdown(socket.SHUT_WR)
                sender.setblocking(False)
                await self.until(lambda: self.ended(sender))
            expected += counted(vector.messages)
            await self.arrived(server, len(split(expected, server.framing)))
            self.assertEqual(server.connections[0].data, expected, vector.name)
            counters = relay.snapshot().sources[1].counters
            mistakes = counters.badFrames + counters.incomplete - before.badFrames - before.incomplete
            self.assertEqual(mistakes, 1 if vector.error else 0, vector.name)

    def ended(self, sender: socket.socket) -> bool:
        """
        Whether the relay has ended a connection.
        """
        try:
            return sender.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


class SourcesTests(RelayCase):
    """
    From every kind of source.
    """

    @scripted
    async def test_tcp(self) -> None:
        """
        Several peers at once, each in its own framing, each in order, the end of one without a last line end.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source()])
        lines, frames = numbered(500), numbered(500, start=500)
        with client(self, relay) as one, client(self, relay) as two:
            one.sendall(b"\n".join(lines))
            two.sendall(counted(frames))
        await self.arrived(server, 1000)
        self.assertEqual([message for message in server.messages if message in set(lines)], lines)
        self.assertEqual([message for message in server.messages if message in set(frames)], frames)
        [connection] = server.connections
        self.assertEqual(connection.data, counted(connection.messages))

    @scripted
    async def test_tcp6(self) -> None:
        """
        From an IPv6 peer, whose address becomes the host of its messages.
        """
        server = self.server()
        relay = self.relay([destination(server, format="rfc5424")], [source("tcp:0:interface=\\:\\:1")])
        host, port = addressOf(relay)
        self.assertEqual(host, "[::1]")
        with socket.create_connection(("::1", port), timeout=5) as sender:
            sender.sendall(b"one\n")
        [message] = await self.arrived(server, 1)
        self.assertRegex(message, rb"^<13>1 \S+ ::1 - - - - one$")

    @scripted
    async def test_tls(self) -> None:
        """
        From peers with a certificate that is good, and from no others, to a server that requires one of ours.
        """
        files = Folder(self.mktemp())
        own = MIDDLE.issue("relay.example.com")
        cert, key = files.write("own.pem", own.certPEM), files.write("own.key", own.keyPEM)
        authority = files.write("ca.pem", ROOT.pem)
        shown = ROOT.issue("127.0.0.1")
        context = serverContext(Folder(self.mktemp()), shown, SSL.TLS1_3_VERSION, ROOT.pem)
        server = self.server(context=context)
        tls = TLSSettings(caFile=authority, certFile=cert, keyFile=key)
        relay = self.relay(
            [destination(server, transport="tls", tls=tls)],
            [source("tls:0:interface=127.0.0.1")],
            SourceTLSSettings(cert, key, authority),
        )
        told = heard(relay)
        foreign = FOREIGN.issue()
        files.write("foreign.pem", foreign.certPEM + foreign.keyPEM)
        files.write("both.pem", own.certPEM + own.keyPEM)
        for certificate in (str(files.path / "both.pem"), None, str(files.path / "foreign.pem")):
            await deferToThread(self.sendOverTLS, addressOf(relay), authority, certificate)
        await self.until(lambda: server.messages)
        await self.until(lambda: relay.snapshot().sources[1].counters.refused == 2)
        [connected] = [event for event in told if isinstance(event, events.Connected)]
        self.assertRegex(connected.identity, r"^ \(127\.0\.0\.1, certificate valid until \d{4}-\d\d-\d\d\)$")
        await relay.stopService()
        self.assertEqual((server.messages, server.ends), ([b"secret"], ["close_notify"]))

    def sendOverTLS(self, address: tuple[str, int], authority: str, certificate: str | None) -> None:
        """
        Send a message, in another thread.  Over TLS 1.3 a client need not notice that it is refused.
        """
        context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            context.load_cert_chain(certificate)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="relay.example.com") as sender,
        ):
            sender.sendall(b"secret\n")
            sender.unwrap()

    @scripted
    async def test_udp(self) -> None:
        """
        Each datagram is a message, whatever is in it; what is larger than a message may be is cut.
        """
        server = self.server()
        relay = self.relay([destination(server)], [source("udp:0:interface=127.0.0.1", maxMessageSize=50_000)])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(addressOf(relay))
            for datagram in (b"one\n", b"two\nlines", b"x" * 60_000):
                sender.send(datagram)
        self.assertEqual(await self.arrived(server, 3), [b"one", b"two\nlines", b"x" * 50_000])
        self.assertEqual(relay.snapshot().sources[1].counters.overlong, 1)

    @scripted
    async def test_unix(self) -> None:
        """
        From UNIX sockets, streams and datagrams, as programs write to /dev/log: without a host, for which ours stands.
        """
        server = self.server()
        paths = [os.path.join(folder(self), name) for name in ("stream", "datagrams")]
        relay = self.relay(
            [destination(server, format="rfc3164")],
            [source(f"unix:{paths[0]}"), source(f"unix-dgram:{paths[1]}", mode=0o600)],
        )
        for path, kind in zip(paths, (socket.SOCK_STREAM, socket.SOCK_DGRAM), strict=True):
            with socket.socket(socket.AF_UNIX, kind) as sender:
                sender.connect(path)
                sender.send(b"<13>Oct 11 22:14:15 app[7]: " + os.path.basename(path).encode())
        await self.arrived(server, 2)
        self.assertEqual(
            sorted(server.messages),
            [b"<13>Oct 11 22:14:15 relay.example.com app[7]: " + name for name in (b"datagrams", b"stream")],
        )
        self.assertEqual([Path(path).stat().st_mode & 0o777 for path in paths], [0o666, 0o600])
        self.assertEqual([each.addresses for each in relay.snapshot().sources[1:]], [(paths[0],), (paths[1],)])
        await relay.stopService()
        self.assertEqual([os.path.exists(path) for path in paths], [False, False])

    @scripted
    async def test_programs(self) -> None:
        """
        From twisted.logger and from logging, in other threads and in the reactor's.
        """
        server = self.server()
        relay = self.relay([destination(server)])
        standard = logging.Logger("shop")
        standard.addHandler(RelayHandler(relay.inlet, "web"))
        twisted = Logger("shop.cart", observer=RelayObserver(relay.inlet, "web"))

        def log(name: str) -> None:
            for number in range(100):
                standard.warning("%s %d", name, number)
                twisted.info("{name} {number}", name=name, number=number)

        await gatherResults([deferToThread(log, name) for name in ("one", "two")])
        log("here")
        await relay.whenSettled()
        for name in ("one", "two", "here"):
            for pri, topic in ((12, "shop"), (14, "shop.cart")):
                start = f"<{pri}>1 "
                own = [
                    message.decode().rpartition(" ")[2]
                    for message in server.messages
                    if message.decode().startswith(start) and f" {topic} - {name} " in message.decode()
                ]
                self.assertEqual(own, [str(number) for number in range(100)])
        self.assertEqual(relay.snapshot().sources[0].counters.received, 600)


class FormsTests(RelayCase):
    """
    What servers get.
    """

    MESSAGES = (
        b'<29>1 2003-10-11T22:14:15.003Z host app 17 id [x@1 k="v"] one',
        b"<29>Oct 11 22:14:15 host app[17]: two",
        b"three\0\nlines\rhere",
        b"<29>four",
        b"<nothing> five",
    )

    async def sent(self, **options: Any) -> list[bytes]:
        """
        What a server gets of the messages.
        """
        server = self.server(options["framing"])
        relay = self.relay([destination(server, **options)], [source()])
        with client(self, relay) as sender:
            sender.sendall(counted(self.MESSAGES))
        await self.arrived(server, len(self.MESSAGES))
        self.assertEqual(relay.snapshot().sources[1].counters.unparsed, 0 if options["format"] == "as-is" else 1)
        [connection] = server.connections
        self.assertEqual(split(connection.data, options["framing"]), server.messages)
        return server.messages

    @scripted
    async def test_asIs(self) -> None:
        """
        As it is, message by message; with LF framing no message has more than one line.
        """
        self.assertEqual(await self.sent(format="as-is", framing=Framing.OCTET_COUNTING), list(self.MESSAGES))
        expected = [message.translate(bytes.maketrans(b"\n\r\0", b"   ")) for message in self.MESSAGES]
        self.assertEqual(await self.sent(format="as-is", framing=Framing.LF), expected)

    @scripted
    async def test_rfc5424(self) -> None:
        """
        RFC 5424, with octet counting.
        """
        one, two, three, four, five = await self.sent(format="rfc5424", framing=Framing.OCTET_COUNTING)
        self.assertEqual((one, five), (self.MESSAGES[0], self.MESSAGES[4]))
        self.assertRegex(two, rb"^<29>1 20\d\d-10-1\dT\S+ host app 17 - - two$")
        self.assertRegex(three, rb"^<13>1 20\S+ 127\.0\.0\.1 - - - - three\0\nlines\rhere$")
        self.assertRegex(four, rb"^<29>1 20\S+ 127\.0\.0\.1 - - - - four$")

    @scripted
    async def test_rfc3164(self) -> None:
        """
        RFC 3164, in lines.
        """
        one, two, three, four, five = await self.sent(format="rfc3164", framing=Framing.LF)
        self.assertRegex(one, rb"^<29>Oct 1\d \d\d:\d\d:15 host app\[17\]: one$")
        self.assertEqual((two, five), (self.MESSAGES[1], self.MESSAGES[4]))
        self.assertRegex(three, rb"^<13>\w{3} [ \d]\d \S+ 127\.0\.0\.1 three  lines here$")
        self.assertRegex(four, rb"^<29>\w{3} [ \d]\d \S+ 127\.0\.0\.1 four$")

    @scripted
    async def test_oversize(self) -> None:
        """
        Messages that are too long for a destination are cut for the one that wants that, and dropped for the other;
        both are counted, and what is dropped is said.
        """
        cutting, dropping = self.server(), self.server()
        relay = self.relay(
            [
                destination(cutting, name="cutting", maxMessageSize=10),
                destination(dropping, name="dropping", maxMessageSize=10, oversize="drop"),
            ],
            [source(name="tcp")],
        )
        told = heard(relay)
        with client(self, relay) as sender:
            sender.sendall(b"short\n" + b"much too long\n" * 2 + b"the last\n")
        self.assertEqual(await self.arrived(cutting, 4), [b"short", b"much too l", b"much too l", b"the last"])
        self.assertEqual(await self.arrived(dropping, 2), [b"short", b"the last"])
        one, other = (each.counters for each in relay.snapshot().destinations)
        self.assertEqual((one.truncated, one.dropped), (2, {}))
        self.assertEqual((other.truncated, other.dropped), (0, {"oversize": 2}))
        self.assertEqual(relay.snapshot().sources[1].counters.dropped, {"oversize": 2})
        self.assertIn(events.Dropped("dropping", "tcp", "oversize", 2), told)


class RoutesTests(RelayCase):
    """
    Several destinations.
    """

    @scripted
    async def test_to(self) -> None:
        """
        Each source feeds the destinations that it names; one that names none feeds all.
        """
        servers = {name: self.server() for name in "ab"}
        relay = self.relay(
            [destination(server, name=name) for name, server in servers.items()],
            [source(name="all"), source(name="only a", to=("a",)), source(name="only b", to=("b",))],
        )
        for place, text in enumerate((b"all", b"a", b"b")):
            with client(self, relay, place) as sender:
                sender.sendall(text + b"\n")
        for name, server in servers.items():
            self.assertEqual(sorted(await self.arrived(server, 2)), sorted([b"all", name.encode()]))

    @scripted
    async def test_aDeadDestination(self) -> None:
        """
        A destination without a server makes a source wait that it shares with another, if it blocks; if it drops, the
        other gets everything.
        """
        for overflow in ("drop-newest", "drop-oldest", "block"):
            alive, dead = self.server(), self.server()
            await dead.refuse()
            relay = self.relay(
                [
                    destination(alive, name="alive", delivery="acked"),
                    small(dead, name="dead", buffer=BufferSettings(SMALL.size, overflow), timeReopen=0.1),
                ],
                [source()],
            )
            # More than the buffer and one large read.
            many = 2 * MANY
            messages = numbered(many, 1000)
            sender = await connected(addressOf(relay))
            sender.write(b"".join(message + b"\n" for message in messages))
            if overflow == "block":
                await self.until(partial(held, relay))
                self.assertEqual(held(relay), ("dead",))
                await self.turns()
                self.assertLess(len(alive.messages), many)
                dead.listen()
                self.assertEqual(await self.arrived(dead, many), messages)
            self.assertEqual(await self.arrived(alive, many), messages)
            lost = relay.snapshot().destinations[1].counters.dropped["overflow"]
            self.assertEqual(lost > 0, overflow != "block")
            self.assertEqual(relay.snapshot().sources[1].counters.dropped["overflow"], lost)
            sender.abortConnection()
            await relay.stopService()
