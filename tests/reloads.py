"""
Reloads under load, of a relay in a process of its own: ``python -m tests.reloads [COUNT]``.

The relay goes round three configurations.  Some sources, servers and destinations are in all of them, some are not.
Clients number their messages; log servers look which have come, and both count connections.  None of it is the relay's
code.  What has to hold: no message is lost, and no connection is closed whose source or server is in all of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import attrs

from .certificates import Folder
from .relpserver import RelpSession
from .tlscases import ROOT
from .twistds import LIMIT, script

#: Each client writes so many messages at a time, so often (in seconds): 2,000 a second, padded to so many bytes.
BURST, PAUSE, SIZE = 40, 0.02, 120

#: Between two reloads, in seconds.
BETWEEN = 0.1

#: A RELP client has so many messages out without an answer.
WINDOW = 200

_NUMBERED = re.compile(rb"([a-z]+)-([0-9]{7});")
_ANSWER = re.compile(rb"([0-9]+) rsp ([0-9]+)(?: ([0-9]{3})[^\n]*|)")


@attrs.define(eq=False)
class LogServer:
    """
    A log server.

    :ivar kind: ``tcp``, ``tls`` or ``relp``.
    :ivar found: the numbers that have come, by the names of the clients, in their order.
    :ivar opened: how many connections there were, of which ``ended`` are over.
    """

    name: str
    kind: str
    port: int = 0
    found: dict[str, list[int]] = attrs.field(factory=dict)
    opened: int = 0
    ended: int = 0

    async def listen(self, context: ssl.SSLContext) -> asyncio.Server:
        """
        Take connections.
        """
        tls = context if self.kind == "tls" else None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        One connection.
        """
        self.opened += 1
        session, rest = RelpSession(), b""
        try:
            while data := await reader.read(65536):
                if self.kind == "relp":
                    replies = []
                    for message, reply in session.take(data):
                        self._look(message or b"")
                        replies.append(reply)
                    writer.write(b"".join(replies))
                    if session.over:
                        break
                else:
                    rest = self._look(rest + data)[-SIZE:]
        finally:
            self.ended += 1
            writer.close()

    def _look(self, data: bytes) -> bytes:
        """
        Find the numbers in some data.

        :return: what is behind the last one.
        """
        end = 0
        for match in _NUMBERED.finditer(data):
            self.found.setdefault(match[1].decode(), []).append(int(match[2]))
            end = match.end()
        return data[end:]


@attrs.define(eq=False)
class Client:
    """
    A client of one source, which connects again when it is left.

    :ivar kind: ``tcp``, ``tls`` or ``relp``.
    :ivar sent: how many messages were written; with RELP, answered.
    :ivar left: how often the relay ended its connection, and ``reset`` how often not in order.
    """

    name: str
    kind: str
    port: int
    context: ssl.SSLContext
    sent: int = 0
    left: int = 0
    reset: int = 0
    stopping: bool = False

    async def run(self) -> None:
        """
        Send, until it is to stop.
        """
        while not self.stopping:
            try:
                tls = self.context if self.kind == "tls" else None
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
            except OSError:
                # The source is in some of the configurations only.
                await asyncio.sleep(0.02)
                continue
            talk = self._ask if self.kind == "relp" else self._write
            try:
                self.left += await talk(reader, writer)
            except ConnectionError:
                self.left += 1
                self.reset += 1
            finally:
                writer.close()

    def _messages(self, first: int, count: int) -> Iterator[bytes]:
        """
        Some numbered messages.
        """
        for number in range(first, first + count):
            yield (b"%b-%07d;" % (self.name.encode(), number)).ljust(SIZE, b"x")

    async def _write(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """
        Send lines.

        :return: whether the relay has left us.
        """
        leaving = asyncio.ensure_future(reader.read())
        try:
            while not self.stopping and not leaving.done():
                writer.write(b"".join(message + b"\n" for message in self._messages(self.sent, BURST)))
                self.sent += BURST
                await writer.drain()
                await asyncio.sleep(PAUSE)
            if leaving.done():
                await leaving
                return True
            if self.kind == "tcp":
                writer.write_eof()
                await leaving
            return False
        finally:
            leaving.cancel()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """
        Send messages in a RELP session, from the first that has no answer.

        :return: whether the relay has left us.
        """
        offers = b"relp_version=0\nrelp_software=tests\ncommands=syslog"
        writer.write(b"1 open %d %b\n" % (len(offers), offers))
        base, out, answered = self.sent, 0, 0
        listening = asyncio.ensure_future(reader.readuntil(b"\n"))
        while True:
            if not self.stopping and out - answered + BURST <= WINDOW:
                frames = enumerate(self._messages(base + out, BURST), out + 2)
                writer.write(b"".join(b"%d syslog %d %b\n" % (number, len(each), each) for number, each in frames))
                out += BURST
            if self.stopping and out == answered:
                listening.cancel()
                return False
            deadline = time.monotonic() + PAUSE
            while (left := deadline - time.monotonic()) > 0:
                await asyncio.wait([listening], timeout=left)
                if not listening.done():
                    continue
                try:
                    line = listening.result()
                except (asyncio.IncompleteReadError, ConnectionError):
                    return True
                match = _ANSWER.match(line)
                if match is None and line.startswith(b"0 serverclose"):
                    return True
                # Answers to messages come in their order from this relay; that to "open" has the number 1.
                if match is not None and match[3] == b"200" and int(match[1]) > 1:
                    answered = int(match[1]) - 1
                    self.sent = base + answered
                listening = asyncio.ensure_future(reader.readuntil(b"\n"))


def freePort() -> int:
    """
    A port that nobody listens on now.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


#: Which servers each destination has in each of the three configurations, the primary first; and other options.
#: ``plain``, ``secret`` and ``answered`` always have their first one, wherever it stands in the list, and so keep it.
#: ``moving`` goes from server to server, and changes its framing.  ``extra`` is not in the first one.
DESTINATIONS = {
    "plain": ("plaina plainb", "plainc plaina", "plaina plainc plainb"),
    "secret": ("secreta secretb", "secretb secreta", "secreta"),
    "answered": ("answereda answeredb", "answeredb answereda", "answereda"),
    "moving": ("movinga", "movingb movinga", "movingb"),
    "extra": ("", "extraa", "extraa"),
}
OPTIONS = {
    "plain": ("", "time-reopen = 5", "ack-timeout = 20"),
    "secret": ("", "throttle = 100000", 'buffer = {size = "8MiB"}'),
    "answered": ("", "window = 500", ""),
    "moving": ("", 'framing = "lf"', ""),
    "extra": ("", "", ""),
}

#: Where each source leads in each of the three configurations; empty where it is not.
SOURCES = {
    "tcp": ("plain", "plain extra", "plain extra"),
    "tls": ("secret", "secret", "secret"),
    "relp": ("answered", "answered", "answered"),
    "mover": ("moving", "moving", "moving"),
    "tcptoo": ("plain", "", ""),
    "tlstoo": ("", "secret", ""),
    "relptoo": ("", "", "answered"),
}


def kindOf(name: str) -> str:
    """
    What a source or a server of this name talks.
    """
    if name.startswith(("relp", "answered")):
        return "relp"
    return "tls" if name.startswith(("tls", "secret")) else "tcp"


def isCommon(name: str, which: dict[str, tuple[str, str, str]]) -> bool:
    """
    Whether a source or a destination is in all of them.
    """
    return all(which[name])


@attrs.define(eq=False)
class Trial:
    """
    One trial.

    :ivar descriptors: how many the relay had in each round, with the first configuration.
    """

    folder: Folder
    servers: dict[str, LogServer] = attrs.field(factory=dict)
    clients: dict[str, Client] = attrs.field(factory=dict)
    reloads: int = 0
    descriptors: list[int] = attrs.field(factory=list)

    def configuration(self, which: int) -> str:
        """
        One of the three, as a file.
        """
        files = self.folder.path.resolve()
        lines = []
        for name, to in SOURCES.items():
            if to[which]:
                kind = kindOf(name)
                lines.append("[[source]]")
                lines.append(f'type = "{"relp" if kind == "relp" else "syslog"}"')
                listen = f"{'tls' if kind == 'tls' else 'tcp'}:{self.clients[name].port}:interface=127.0.0.1"
                lines += [f'listen = "{listen}"', f"to = {to[which].split()}"]
        for name, servers in DESTINATIONS.items():
            if servers[which]:
                first, *others = (f"127.0.0.1:{self.servers[each].port}" for each in servers[which].split())
                lines += [f"[destination.{name}]", f'primary = "{first}"', f"failovers = {others}", 'format = "as-is"']
                lines.append('driver = "relp"' if name == "answered" else "")
                lines.append('transport = "tls"' if name == "secret" else "")
                lines.append(OPTIONS[name][which])
                lines += [f"[destination.{name}.tls]", f'ca-file = "{files}/ca.pem"'] if name == "secret" else []
        lines += ["[source-tls]", f'cert-file = "{files}/cert.pem"', f'key-file = "{files}/key.pem"']
        return "\n".join(lines) + "\n"

    async def run(self, count: int) -> None:
        """
        Make so many reloads.
        """
        certificate = ROOT.issue("127.0.0.1")
        self.folder.write("ca.pem", ROOT.pem)
        cert, key = self.folder.write("cert.pem", certificate.certPEM), self.folder.write("key.pem", certificate.keyPEM)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(cert, key)
        calling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        calling.load_verify_locations(cadata=ROOT.pem.decode())
        names = {each for servers in DESTINATIONS.values() for each in " ".join(servers).split()}
        self.servers = {name: LogServer(name, kindOf(name)) for name in sorted(names)}
        listeners = [await server.listen(serving) for server in self.servers.values()]
        self.clients = {name: Client(name, kindOf(name), freePort(), calling) for name in SOURCES}
        path = self.folder.write("relay.toml", self.configuration(0).encode())
        with (self.folder.path / "log").open("wb") as log:
            command = [script("twistd"), "-n", "--pidfile=", "logrelay", "--config", str(Path(path).resolve())]
            relay = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd="/")
        try:
            await self._reload(relay, count, Path(path))
        finally:
            if relay.returncode is None:
                relay.kill()
            await relay.wait()
            for listener in listeners:
                listener.close()

    async def _reload(self, relay: asyncio.subprocess.Process, count: int, path: Path) -> None:
        """
        Load the relay, and have it reload.
        """
        await self._said("moving: connected", 1)
        running = [asyncio.ensure_future(client.run()) for client in self.clients.values()]
        await asyncio.sleep(0.5)
        for number in range(1, count + 1):
            path.write_text(self.configuration(number % 3))
            relay.send_signal(signal.SIGHUP)
            await self._said("reloaded: ", number)
            self.reloads = number
            await asyncio.sleep(BETWEEN)
            if number % 3 == 0:
                self.descriptors.append(len(os.listdir(f"/proc/{relay.pid}/fd")))
        for client in self.clients.values():
            client.stopping = True
        await asyncio.gather(*running)
        deadline = time.monotonic() + LIMIT
        while self.lost() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        relay.send_signal(signal.SIGTERM)
        await asyncio.wait_for(relay.wait(), LIMIT)

    async def _said(self, what: str, times: int) -> None:
        """
        Wait until the relay has said something so often.
        """
        deadline = time.monotonic() + LIMIT
        while (said := self.log).count(what) < times:
            if time.monotonic() > deadline or "not reloaded" in said or "Traceback" in said:
                raise AssertionError(f"not said {times} times: {what}\n{said[-5000:]}")
            await asyncio.sleep(0.01)

    @property
    def log(self) -> str:
        """
        What the relay has said.
        """
        return (self.folder.path / "log").read_text()

    # What came of it.

    def arrived(self, client: str) -> tuple[int, int]:
        """
        How many messages of a client have arrived at the destination that it always feeds, and how many of them twice.
        """
        servers = " ".join(DESTINATIONS[max(SOURCES[client]).split()[0]]).split()
        found = [number for name in set(servers) for number in self.servers[name].found.get(client, [])]
        wanted = [number for number in found if number < self.clients[client].sent]
        return len(set(wanted)), len(found) - len(set(found))

    def lost(self) -> int:
        """
        How many messages have not arrived.
        """
        return sum(client.sent - self.arrived(name)[0] for name, client in self.clients.items())

    def gaps(self) -> int:
        """
        How many gaps there are in what ``extra`` got: one for each time that it was not there.
        """
        numbers = sorted(set(self.servers["extraa"].found.get("tcp", [])))
        return sum(after != before + 1 for before, after in pairwise(numbers))

    def closed(self) -> int:
        """
        How many connections were closed that were to stay, of clients and to servers.
        """
        clients = sum(client.left for name, client in self.clients.items() if isCommon(name, SOURCES))
        return clients + sum(self.servers[f"{name}a"].opened - 1 for name in ("plain", "secret", "answered"))

    def __str__(self) -> str:
        rows = [
            f"{'client':>12} {'sent':>8} {'arrived':>8} {'lost':>5} {'twice':>6} {'left':>5} {'reset':>5}  in all three"
        ]
        for name, client in self.clients.items():
            arrived, twice = self.arrived(name)
            common = "yes" if isCommon(name, SOURCES) else "no"
            counts = f"{client.sent:>8} {arrived:>8} {client.sent - arrived:>5} {twice:>6}"
            rows.append(f"{name:>12} {counts} {client.left:>5} {client.reset:>5}  {common}")
        rows.append(f"{'server':>12} {'messages':>8} {'connections':>12}")
        for name, server in self.servers.items():
            rows.append(f"{name:>12} {sum(map(len, server.found.values())):>8} {server.opened:>12}")
        rows.append(
            f"extra was away {(self.reloads - 1) // 3} times in between; in what it got there are {self.gaps()} gaps"
        )
        rows.append(f"descriptors with the first configuration: {min(self.descriptors)} to {max(self.descriptors)}")
        rows.append(f"{self.reloads} reloads: {self.lost()} messages lost, {self.closed()} connections closed")
        return "\n".join(rows)


def main(count: int) -> int:
    """
    Make so many reloads, and print what came of it.
    """
    with tempfile.TemporaryDirectory() as path:
        trial = Trial(Folder(path + "/trial"))
        began = time.monotonic()
        asyncio.run(trial.run(count))
        print(f"{trial}\n{time.monotonic() - began:.0f} s")
        good = trial.lost() == trial.closed() == 0
        if not good:
            print(trial.log[-20000:])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
