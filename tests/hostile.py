"""
What a relay's control socket and its HTTP may meet: ``python -m tests.hostile [MINUTES]``.

A relay in a process of its own has messages flow through it, a thousand a second.  Meanwhile threads speak to both:
requests that are right, cut, garbled, oversized, slow, never read, and many at once.  What has to hold: no message is
lost or doubled, both still answer at the end, and the relay's memory and descriptors stay within bounds.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

from .real import freePort, waitUntil
from .twistds import script

#: Messages a second, in writes of so many.
RATE, WRITE = 1000, 20

#: Each of so many threads makes one connection after the other.
THREADS = 6

#: The relay may have so many MiB more than at the beginning, and so many descriptors: its most connections, and some.
MEMORY, DESCRIPTORS = 48, 160

_REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: 5\r\n\r\n",
    b"POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nabcde",
)
_ORDERS = (
    b'{"version": 1, "command": "status"}\n',
    b'{"version": 1, "command": "watch"}\n',
    b'{"version": 1, "command": "probe", "server": "127.0.0.1:1"}\n',
    b'{"version": 1, "command": "switch", "server": "nobody"}\n',
)


def garbled(chance: random.Random, data: bytes) -> bytes:
    """
    Some bytes of it changed, doubled or left out; or much more of them; or something else.
    """
    made = bytearray(data)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(made) + 1)
        made[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    match chance.randrange(8):
        case 0:
            return bytes(made) * chance.randrange(1, 200)
        case 1:
            return bytes(made[: chance.randrange(len(made) + 1)]) + b"x" * chance.choice((0, 100, 20_000, 200_000))
        case 2:
            return chance.randbytes(chance.randrange(2000))
        case _:
            return bytes(made)


@attrs.define(eq=False)
class Trial:
    """
    One relay, what is sent through it, and who is hostile to it.

    :ivar tried: how often each kind of thing was done.
    """

    folder: Path
    seed: int
    tried: Counter[str] = attrs.field(factory=Counter)
    arrived: Counter[int] = attrs.field(factory=Counter)
    sent: int = 0
    over: threading.Event = attrs.field(factory=threading.Event)

    def run(self, seconds: float) -> list[str]:
        """
        Be hostile for so long.

        :return: what does not hold.
        """
        web, inbound = freePort(), freePort()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
            (self.folder / "relay.toml").write_text(
                f'[[source]]\nlisten = "tcp:{inbound}:interface=127.0.0.1"\n'
                f'[destination.central]\nprimary = "127.0.0.1:{listener.getsockname()[1]}"\nformat = "as-is"\n'
                f'[control]\nsocket = "{self.control}"\n[http]\nlisten = "tcp:{web}"\n'
            )
            command = [script("twistd"), "-n", "--pidfile=", "logrelay", "--config", str(self.folder / "relay.toml")]
            with (self.folder / "log").open("wb") as log:
                relay = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
            try:
                return self._played(relay, web, inbound, seconds)
            finally:
                relay.kill()
                relay.wait()

    @property
    def control(self) -> str:
        """
        The control socket.
        """
        return str(self.folder / "control")

    def _played(self, relay: subprocess.Popen[bytes], web: int, inbound: int, seconds: float) -> list[str]:
        """
        Let everybody go on for a while, and see what came of it.
        """
        waitUntil(lambda: b"connected to" in (self.folder / "log").read_bytes(), "a connected relay", 20)
        self._health(web)
        before = self._size(relay.pid)
        threads = [threading.Thread(target=self._stream, args=(inbound,))]
        for number in range(THREADS):
            threads.append(threading.Thread(target=self._hostile, args=(random.Random(self.seed + number), web)))
        for thread in threads:
            thread.start()
        memory = descriptors = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end and relay.poll() is None:
            time.sleep(0.5)
            memory, descriptors = max(memory, self._size(relay.pid)), max(descriptors, self._descriptors(relay.pid))
        self.over.set()
        for thread in threads:
            thread.join()
        with suppress(TimeoutError):
            waitUntil(lambda: len(self.arrived) >= self.sent, "all messages", 20)
        troubles = [f"{self.sent - len(self.arrived)} messages lost"] if len(self.arrived) != self.sent else []
        doubled = sum(self.arrived.values()) - len(self.arrived)
        troubles += [f"{doubled} messages twice"] if doubled else []
        troubles += [f"{memory - before} MiB more than at first"] if memory - before > MEMORY else []
        troubles += [f"{descriptors} descriptors"] if descriptors > DESCRIPTORS else []
        troubles += self._answers(relay, web)
        said = (self.folder / "log").read_text(errors="replace")
        troubles += ["a traceback in the log:\n" + said[-3000:]] if "Traceback" in said else []
        tried = ", ".join(f"{what} {count:,}" for what, count in sorted(self.tried.items()))
        print(f"{self.sent:,} messages; {tried}; memory {before} to {memory} MiB, descriptors up to {descriptors}")
        return troubles

    def _answers(self, relay: subprocess.Popen[bytes], web: int) -> list[str]:
        """
        Whether both ways to ask still work, and the relay ends as it should.
        """
        troubles = []
        try:
            self._health(web)
        except OSError as error:
            troubles.append(f"no answer to /health: {error}")
        asked = subprocess.run(
            [script("logrelay"), "servers", "--socket", self.control],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if asked.returncode:
            troubles.append(f"logrelay servers: {asked.returncode}: {asked.stdout}{asked.stderr}")
        relay.send_signal(signal.SIGTERM)
        if relay.wait(20) != -signal.SIGTERM:
            troubles.append(f"the relay ended with {relay.returncode}")
        return troubles

    def _health(self, web: int) -> None:
        """
        Ask for it, however busy the relay is with others.
        """
        urllib.request.urlopen(f"http://127.0.0.1:{web}/health", timeout=20).close()

    def _size(self, pid: int) -> int:
        """
        Its memory, in MiB.
        """
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) >> 10 if found else 0

    def _descriptors(self, pid: int) -> int:
        """
        How many it has.
        """
        return len(os.listdir(f"/proc/{pid}/fd"))

    # The messages.

    def _serve(self, listener: socket.socket) -> None:
        """
        Count what arrives.
        """
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                rest = b""
                while data := connection.recv(65536):
                    *lines, rest = (rest + data).split(b";")
                    self.arrived.update(int(line[-7:]) for line in lines)

    def _stream(self, inbound: int) -> None:
        """
        Send numbered messages, steadily.
        """
        with socket.create_connection(("127.0.0.1", inbound)) as connection:
            while not self.over.is_set():
                numbers = range(self.sent, self.sent + WRITE)
                connection.sendall(b"".join(b"<13>number %07d;\n" % number for number in numbers))
                self.sent += WRITE
                time.sleep(WRITE / RATE)

    # The others.

    def _hostile(self, chance: random.Random, web: int) -> None:
        """
        One connection after the other, each in some way.
        """
        ways: tuple[Callable[[random.Random, int], None], ...] = (self._once, self._slowly, self._unread, self._crowd)
        while not self.over.is_set():
            way = chance.choices(ways, (20, 1, 1, 1))[0]
            self.tried[way.__name__.strip("_")] += 1
            # Being refused, cut off or kept waiting is what a hostile peer has to expect.
            with suppress(OSError):
                way(chance, web)

    def _connected(self, chance: random.Random, web: int) -> tuple[socket.socket, bytes]:
        """
        A connection to either, and something that it understands.
        """
        if chance.random() < 0.5:
            return socket.create_connection(("127.0.0.1", web), timeout=5), chance.choice(_REQUESTS)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        try:
            connection.connect(self.control)
        except OSError:
            connection.close()
            raise
        return connection, chance.choice(_ORDERS)

    def _once(self, chance: random.Random, web: int) -> None:
        """
        Ask, more or less well, and read a little of the answer.
        """
        connection, request = self._connected(chance, web)
        with connection:
            connection.sendall(garbled(chance, request) if chance.random() < 0.8 else request)
            if chance.random() < 0.7:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.2)
            connection.recv(chance.choice((1, 65536)))

    def _slowly(self, chance: random.Random, web: int) -> None:
        """
        Byte for byte, for a second.
        """
        connection, request = self._connected(chance, web)
        with connection:
            for byte in request[:20]:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

    def _unread(self, chance: random.Random, web: int) -> None:
        """
        Ask for much, and never read.
        """
        connection, request = self._connected(chance, web)
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.sendall(request * 100)
            time.sleep(1)

    def _crowd(self, chance: random.Random, web: int) -> None:
        """
        Many at once, and all of them idle for a while.
        """
        crowd: list[socket.socket] = []
        try:
            crowd.extend(self._connected(chance, web)[0] for _ in range(100))
            time.sleep(0.5)
        finally:
            for connection in crowd:
                connection.close()


def main(minutes: float) -> int:
    """
    Print what came of it.

    :return: 0 if everything holds.
    """
    seed = random.SystemRandom().randrange(2**32)
    with tempfile.TemporaryDirectory() as path:
        print(f"seed {seed}")
        troubles = Trial(Path(path), seed).run(minutes * 60)
    for trouble in troubles:
        print(trouble)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))
