"""
Bad input: every mistake in a configuration through the real commands, and anything at all into a started relay.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing
from logrelay.cli import main
from logrelay.service import LogRelayService
from logrelay.tap import Options, makeService

from .certificates import Authority, Folder
from .loopback import scripted
from .relays import LogServer, RelayCase, addressOf, destination, source
from .test_configfile import DESTINATION_LINES, DESTINATION_MISTAKES, FILE_MISTAKES, SOURCE_LINES, SOURCE_MISTAKES
from .test_options import MISTAKES, SIMPLE

TOP = Path(__file__).resolve().parent.parent

ROOT, OTHER = Authority.root(), Authority.root("Other Root")
OWN = ROOT.issue("relay.example.com")

#: What stands in the folder of every configuration here.
FILES = {
    "ca.pem": ROOT.pem,
    "me.pem": OWN.certPEM,
    "me.key": OWN.keyPEM,
    "crl.pem": ROOT.revoke(),
    "secret": b"secret",
    "certs/ca.pem": ROOT.pem,
    "empty.pem": b"",
    "other.key": OTHER.own.keyPEM,
    "locked.key": OWN.encryptedKeyPEM(b"another"),
    "broken.pem": ROOT.pem[:100] + ROOT.pem[200:],
    "papers/readme": b"no certificate",
}

TLS_LINES = DESTINATION_LINES + 'transport = "tls"\n[destination.central.tls]\n'
PAIR = "cert-file = 'me.pem'\nkey-file = 'me.key'\n"

#: Certificates that can't be used: what is written, the line, the key, words of what is wrong and of the remedy.
CERTIFICATE_MISTAKES = [
    ("ca-file = 'empty.pem'", 7, "ca-file", "holds no certificate", "BEGIN CERTIFICATE"),
    ("ca-file = 'broken.pem'", 7, "ca-file", "cannot be parsed", "anew"),
    ("ca-file = 'me.key'", 7, "ca-file", "holds no certificate", "BEGIN CERTIFICATE"),
    ("ca-file = 'loop'", 7, "ca-file", "can't be read: Too many levels", "can read"),
    ("ca-file = 'pipe'", 7, "ca-file", "is not a regular file", "can read"),
    ("ca-dir = 'papers'", 7, "ca-dir", "no file in", "trusted authorities"),
    ("crl-file = 'ca.pem'", 7, "crl-file", "holds no revocation list", "BEGIN X509 CRL"),
    ("cert-file = 'me.pem'\nkey-file = 'other.key'", 8, "key-file", "is not the key of", "that belongs to it"),
    ("cert-file = 'ca.pem'\nkey-file = 'me.key'", 8, "key-file", "is not the key of", "that belongs to it"),
    ("cert-file = 'me.key'\nkey-file = 'me.key'", 7, "cert-file", "holds no certificate", "BEGIN CERTIFICATE"),
    ("cert-file = 'me.pem'\nkey-file = 'me.pem'", 8, "key-file", "holds no private key", "PEM file"),
    ("cert-file = 'me.pem'\nkey-file = 'locked.key'", 8, "key-file", "is encrypted", "key-passphrase-file"),
    (
        "cert-file = 'me.pem'\nkey-file = 'locked.key'\nkey-passphrase-file = 'secret'",
        9,
        "key-passphrase-file",
        "does not open",
        "the right one",
    ),
]


@attrs.frozen
class Said:
    """
    How a command ended, and what it wrote.
    """

    status: object
    output: str
    errors: str


def said(command: Callable[[], object]) -> Said:
    """
    Run a command in this process.
    """
    output, errors = io.StringIO(), io.StringIO()
    status = None
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = command()
        except SystemExit as end:
            status = end.code
    return Said(status, output.getvalue(), errors.getvalue())


def twistd(*arguments: str) -> Said:
    """
    What ``twistd -n logrelay`` does before it starts anything.
    """

    def run() -> object:
        options = Options()
        options.parseOptions(list(arguments))
        return makeService(options)

    return said(run)


def process(*command: str) -> Said:
    """
    Run a command in a process of its own.
    """
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60)
    return Said(done.returncode, done.stdout, done.stderr)


#: ``twistd``, as a program.
PROGRAM = ("-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "logrelay")


class ConfigurationCase(SynchronousTestCase):
    """
    Works in a folder with certificates.
    """

    def setUp(self) -> None:
        self.folder = Folder(self.mktemp())
        for name, content in FILES.items():
            self.folder.write(name, content)
        os.symlink("loop", self.folder.path / "loop")
        os.mkfifo(self.folder.path / "pipe")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.path)

    def file(self, text: str) -> str:
        """
        A configuration file.
        """
        return self.folder.write("relay.toml", text.encode())

    def assertTold(self, told: Said, where: str, key: str, what: str, remedy: str) -> None:
        """
        One mistake is told, in a line on standard error, and the status is 1.
        """
        self.assertEqual((told.status, told.output), (1, ""), told)
        self.assertEqual(told.errors.count("\n"), 1, told)
        self.assertTrue(told.errors.startswith(f"{where}: {key}: "), told)
        self.assertRegex(told.errors, re.escape(what) + "[^\n]*; [^\n]*" + re.escape(remedy))


class CommandTests(ConfigurationCase):
    """
    The commands, without a process of their own.
    """

    def assertRefused(self, text: str, line: int | None, key: str, what: str, remedy: str) -> None:
        """
        Both commands refuse a file in the same words.
        """
        path = self.file(text)
        told = twistd("--config", path)
        self.assertTold(told, f"{path}:{line}" if line else path, key, what, remedy)
        self.assertEqual(said(lambda: main(["check", path])), told)

    def test_destinations(self) -> None:
        """
        Each mistake in a destination is told with file, line, key and remedy.
        """
        for lines, line, key, what, remedy in DESTINATION_MISTAKES:
            self.assertRefused(
                SOURCE_LINES + DESTINATION_LINES + lines, line, f"destination.central.{key}", what, remedy
            )

    def test_sources(self) -> None:
        """
        So is each in a source.
        """
        for lines, line, key, what, remedy in SOURCE_MISTAKES:
            self.assertRefused(DESTINATION_LINES + SOURCE_LINES + lines, line, f"source.{key}", what, remedy)

    def test_files(self) -> None:
        """
        And each outside of them.
        """
        for row in FILE_MISTAKES:
            self.assertRefused(*row)

    def test_certificates(self) -> None:
        """
        And certificates, keys and lists that can't be read, or do not belong together.
        """
        for lines, line, key, what, remedy in CERTIFICATE_MISTAKES:
            self.assertRefused(SOURCE_LINES + TLS_LINES + lines, line, f"destination.central.tls.{key}", what, remedy)

    def test_certificatesOfSources(self) -> None:
        """
        Those of listeners, too.
        """
        lines = DESTINATION_LINES + "[[source]]\nlisten = 'tls:0'\n[source-tls]\n"
        for more, line, key, what, remedy in (
            ("cert-file = 'none.pem'\nkey-file = 'me.key'", 6, "cert-file", "can't be read", "can read"),
            ("cert-file = 'me.pem'\nkey-file = 'other.key'", 7, "key-file", "is not the key of", "belongs to it"),
            (PAIR + "client-ca-file = 'empty.pem'", 8, "client-ca-file", "holds no certificate", "BEGIN CERTIFICATE"),
        ):
            self.assertRefused(lines + more, line, f"source-tls.{key}", what, remedy)

    def test_flags(self) -> None:
        """
        Each mistake in flags is told with the flag instead of file and line.
        """
        for arguments, flag, what, remedy in MISTAKES:
            self.assertTold(twistd(*SIMPLE, *arguments), f"--{flag}", flag, what, remedy)
        for key, what, remedy in (
            ("--cert-file=me.pem --key-file=other.key", "is not the key of", "belongs to it"),
            ("--cert-file=me.pem --key-file=locked.key", "is encrypted", "key-passphrase-file"),
        ):
            told = twistd(*SIMPLE, "--transport=tls", *key.split())
            self.assertTold(told, "--key-file", "key-file", what, remedy)

    def test_good(self) -> None:
        """
        Where there is no mistake nothing is told.
        """
        path = self.file(SOURCE_LINES + TLS_LINES + PAIR + "ca-file = 'ca.pem'\nca-dir = 'certs'\ncrl-file = 'crl.pem'")
        self.assertEqual(twistd("--config", path).errors, "")
        self.assertEqual(said(lambda: main(["check", path])), Said(0, f"{path}: ok\n", ""))


class ProcessTests(ConfigurationCase):
    """
    The same with real processes.
    """

    def test_file(self) -> None:
        """
        Every mistake in a file is told, a line each, in its order; with status 1, and without a traceback.
        """
        path = self.file(
            "[[source]]\nlisten = 'tcp:0'\n"
            "[destination.central]\nprimary = '127.0.0.1'\nfailovers = ['127.0.0.1:601']\ntransport = 'udp'\n"
            "[destination.files]\ndriver = 'file'\nprimary = 'a'\nfailover = []\n"
            "[destination.safe]\ntransport = 'tls'\nprimary = 'a'\n"
            "tls = {cert-file = 'me.pem', key-file = 'other.key'}\n"
        )
        told = process(*PROGRAM, "--config", path)
        self.assertEqual((told.status, told.output), (1, ""), told)
        lines = [line.removeprefix(path).split(": ")[:2] for line in told.errors.splitlines()]
        self.assertEqual(
            lines,
            [
                [":5", "destination.central.failovers"],
                [":6", "destination.central.transport"],
                [":8", "destination.files.driver"],
                [":10", "destination.files.failover"],
                [":14", "destination.safe.tls.key-file"],
            ],
            told,
        )
        self.assertEqual(process("-m", "logrelay", "check", path), told)

    def test_flags(self) -> None:
        """
        So is every mistake in flags.
        """
        told = process(*PROGRAM, "--listen", "tcp:0", "--driver", "kafka", "--failover", "", "--failover", "b:x")
        self.assertEqual((told.status, told.output), (1, ""), told)
        flags = [line.split(": ")[0] for line in told.errors.splitlines()]
        self.assertEqual(flags, ["--driver", "--primary", "--failover", "--failover"], told)

    def test_address(self) -> None:
        """
        What only shows when the sockets are bound is told in the same way.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            told = process(*PROGRAM, "--listen", listen, "--primary", "127.0.0.1")
        self.assertEqual(told.status, 1, told)
        self.assertRegex(told.output, f"source {listen}: cannot listen on {listen}: .*; stop what uses it")
        self.assertNotIn("Traceback", told.output + told.errors)


#: The longest message of the sources below; short, so that random bytes are often longer.
LONGEST = 480

#: What streams are made of.
_PIECES = (
    b"\n", b"\r\n", b"\0", b" ", b"<13>", b"<191>1 - h a p m - ", b"<0>Jan  1 00:00:00 h a[1]: ", b"<999>", b"\xff",
    b"12", b"3 ab", b"5 hello", b"0 ", b"480 " + b"c" * 480, b"481 " + b"c" * 481, b"999999999 ", b"1234567890 ",
    b"l" * 479, b"l" * 480, b"l" * 481, b"l" * 5000, b"<13>1 - - - - - [a b=\"\\\"]",
)  # fmt: skip


#: How every message begins that was converted to RFC 5424.
_RFC5424 = re.compile(rb"<\d{1,3}>1 (-|\d{4}-[^ ]+) ([!-~]+ ){4}(-|\[)")

#: What lines can't have in them, as it is written there.
_SPACES = bytes.maketrans(b"\r\n\0", b"   ")

#: The framings of their streams.
FRAMINGS = (None, Framing.LF, Framing.OCTET_COUNTING)


def stream(chance: random.Random) -> bytes:
    """
    Anything, and often what is nearly right: lines or frames, more or less of them in order.
    """
    framed = chance.choice((b"%b\n", b"%d %b"))
    order = chance.choice((0.0, 0.5, 0.9, 0.99))
    parts = []
    for _ in range(chance.randrange(60)):
        piece = chance.choice(_PIECES) + chance.randbytes(chance.randrange(10))
        if chance.random() < order:
            piece = piece[: LONGEST - 1]
            piece = framed % ((len(piece), piece) if framed.startswith(b"%d") else piece)
        parts.append(piece)
    return b"".join(parts)


def messagesIn(data: bytes, framing: Framing | None) -> Iterator[bytes]:
    """
    The messages of a stream, as the specification has them (5.1 and 5.2), without any code of the relay's.
    """
    if framing is None:
        counted = re.match(rb"[0-9]{1,9} ", data) or re.fullmatch(rb"[0-9]{1,9}", data)
        framing = Framing.OCTET_COUNTING if counted else Framing.LF
    if framing is Framing.LF:
        found = [line[:LONGEST] for line in data.split(b"\n")]
    else:
        found = []
        while (header := re.match(rb"\n*([0-9]{1,9}) ", data)) and int(header[1]) <= LONGEST:
            end = header.end() + int(header[1])
            if end > len(data):
                break
            found.append(data[header.end() : end])
            data = data[end:]
    return (stripped for message in found if (stripped := message.rstrip(b"\r\n\0")))


def messageIn(datagram: bytes) -> bytes:
    """
    The message in a datagram, in the same way; empty if there is none.
    """
    return datagram.rstrip(b"\r\n\0")[:LONGEST].rstrip(b"\r\n\0")


class AnyBytesTests(RelayCase):
    """
    Any bytes, cut anywhere, into a relay that has started.
    """

    #: Which streams; by hand many more were tried.
    seeds = range(100)

    async def send(self, address: tuple[str, int], data: bytes, chance: random.Random) -> None:
        """
        Send a stream in pieces, and end it.
        """
        with socket.create_connection(address) as connection:
            while data:
                size = chance.choice((1, 2, 10, 100, 1000, 10_000))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(data[:size])
                data = data[size:]
                await self.turns(1)

    async def arrives(self, servers: list[LogServer], expected: list[bytes]) -> None:
        """
        Just this has arrived as it was; and in other formats just as many messages, whole or unchanged.
        """
        await self.until(lambda: all(len(server.messages) >= len(expected) for server in servers))
        asIs, rfc5424, rfc3164 = (server.messages for server in servers)
        self.assertEqual(asIs, expected)
        for message, new, old in zip(expected, rfc5424, rfc3164, strict=True):
            self.assertTrue(_RFC5424.match(new) or message == new, (message, new))
            if not message.startswith(b"<"):
                self.assertTrue(new.endswith(b" - - - - " + message), (message, new))
                self.assertTrue(old.endswith(b" 127.0.0.1 " + message.translate(_SPACES)), (message, old))

    def start(self) -> tuple[LogRelayService, list[LogServer]]:
        """
        A relay that converts, with every kind of framing; datagrams are the last of its sources.
        """
        servers = [self.server(), self.server(), self.server(Framing.LF)]
        asIs, rfc5424, rfc3164 = servers
        destinations = [
            destination(asIs),
            destination(rfc5424, name="new", format="rfc5424"),
            destination(rfc3164, name="old", format="rfc3164"),
        ]
        sources = [source(name=str(framing), framing=framing, maxMessageSize=LONGEST) for framing in FRAMINGS]
        sources.append(source("udp:0:interface=127.0.0.1", maxMessageSize=LONGEST))
        return self.relay(destinations, sources), servers

    @scripted
    async def test_streams(self) -> None:
        """
        What makes sense of a stream arrives, byte for byte and in order; and in other formats just as many messages.
        """
        relay, servers = self.start()
        expected: list[bytes] = []
        for seed in self.seeds:
            chance = random.Random(seed)
            place = chance.randrange(len(FRAMINGS))
            data = stream(chance)
            before = len(expected)
            expected.extend(messagesIn(data, FRAMINGS[place]))
            await self.send(addressOf(relay, place), data, chance)
            await self.until(lambda: len(servers[0].messages) >= len(expected))
            self.assertEqual(servers[0].messages[before:], expected[before:], seed)
        await self.arrives(servers, expected)

    @scripted
    async def test_datagrams(self) -> None:
        """
        So does what makes sense of datagrams.
        """
        relay, servers = self.start()
        expected: list[bytes] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for seed in self.seeds:
                datagram = stream(random.Random(seed))
                expected += filter(None, [messageIn(datagram)])
                sender.sendto(datagram, addressOf(relay, len(FRAMINGS)))
                await self.turns(1)
        await self.arrives(servers, expected)
