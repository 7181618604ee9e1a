"""
Relays in processes of their own, as an operator starts them, and log servers for them.  Everything here blocks, with
time limits.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing

from .relays import split

#: How long anything may take.  Python alone takes a second to start on a busy machine.
LIMIT = 20.0

#: Runs its arguments as systemd would, with the sockets whose descriptors are in the first one, from 3 on.
ACTIVATE = """
import os, sys
passed = [os.dup(int(number)) for number in sys.argv[1].split(",")]
for place, number in enumerate(passed):
    os.dup2(number, 100 + place)
for place in range(len(passed)):
    os.dup2(100 + place, 3 + place)
    os.set_inheritable(3 + place, True)
os.closerange(100, 100 + len(passed))
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(passed))
os.execv(sys.argv[2], sys.argv[2:])
"""


def waitFor(condition: Callable[[], object], what: str) -> None:
    """
    Wait until something is so.

    :raises AssertionError: it took too long; with ``what`` should have been.
    """
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {LIMIT:g} s: {what}")
        time.sleep(0.01)


def script(name: str) -> str:
    """
    The path of a command that is installed beside this Python.
    """
    return str(Path(sys.executable).with_name(name))


class Sink:
    """
    A log server on loopback, for one connection at a time.

    :ivar port: where it listens.
    """

    def __init__(self, case: SynchronousTestCase, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._listener.settimeout(LIMIT)
        case.addCleanup(self._listener.close)
        self.port: int = self._listener.getsockname()[1]
        self._case = case
        self._tls = tls
        self._connection: socket.socket | None = None
        self.data = b""

    def close(self) -> None:
        """
        Take no more connections, and end the one that there is.
        """
        if self._connection is None:
            self.accept()
        self._listener.close()
        assert self._connection is not None
        self._connection.close()
        self._connection = None

    def accept(self) -> None:
        """
        Wait for a connection, and for its handshake.
        """
        connection, _ = self._listener.accept()
        connection.settimeout(LIMIT)
        self._case.addCleanup(connection.close)
        self._connection = connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    @property
    def messages(self) -> list[bytes]:
        """
        What was read so far.
        """
        return split(self.data, Framing.OCTET_COUNTING)

    def read(self, count: int) -> list[bytes]:
        """
        Read so many messages.
        """
        while len(self.messages) < count:
            if not self.receive():
                raise AssertionError(f"the connection has ended after {self.messages}")
        return self.messages

    def readAll(self) -> list[bytes]:
        """
        Read until the relay ends the connection gracefully, and end it, too.
        """
        if self._connection is None:
            self.accept()
        while self.receive():
            pass
        assert self._connection is not None
        self._connection.close()
        self._connection = None
        return self.messages

    def receive(self) -> bytes:
        """
        Read what comes next; nothing if the connection ends.
        """
        if self._connection is None:
            self.accept()
        assert self._connection is not None
        data = self._connection.recv(65536)
        self.data += data
        return data


class Process:
    """
    A process of ours, killed when a test ends.

    :ivar said: the file with what it says, on either output.
    """

    def __init__(
        self,
        case: SynchronousTestCase,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        cwd: str = "/",
        inherited: Sequence[int] = (),
    ) -> None:
        self.said = Path(case.mktemp()).resolve()
        with self.said.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                pass_fds=inherited,
            )
        case.addCleanup(self._end)

    @property
    def stdin(self) -> IO[bytes]:
        """
        Its standard input.
        """
        assert self.popen.stdin is not None
        return self.popen.stdin

    def _end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.stdin.close()

    def wait(self) -> int:
        """
        Wait for its end.

        :return: its exit status; negative if a signal ended it.
        """
        return self.popen.wait(LIMIT)

    def says(self, pattern: str) -> str:
        """
        Wait until it has said something.

        :return: the first group of the pattern, or all that it matched.
        """
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self.said.read_text(), re.MULTILINE)
            found.extend([match] if match else [])
            return bool(found) or self.popen.poll() is not None

        waitFor(look, pattern)
        if not found:
            raise AssertionError(f"ended without having said {pattern}:\n{self.said.read_text()}")
        return found[0][1] if found[0].re.groups else found[0][0]


class Foreground(Process):
    """
    ``twistd -n logrelay``.
    """

    def __init__(
        self,
        case: SynchronousTestCase,
        *arguments: str,
        wrapper: Sequence[str] = (),
        options: Sequence[str] = (),
        inherited: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> None:
        """
        :param arguments: for ``logrelay``.
        :param wrapper: a command that runs the one that it is given.
        :param options: more options for ``twistd``.
        """
        command = [script("twistd"), "-n", "--pidfile=", *options, "logrelay", *arguments]
        super().__init__(case, [*wrapper, *command], environment, cwd, inherited)

    @classmethod
    def activated(
        cls, case: SynchronousTestCase, sockets: Sequence[socket.socket], *arguments: str, **environment: str
    ) -> Foreground:
        """
        One that systemd would have started, with these sockets.
        """
        numbers = [each.fileno() for each in sockets]
        wrapper = [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers))]
        return cls(case, *arguments, wrapper=wrapper, inherited=numbers, environment=environment)

    def address(self, source: str) -> tuple[str, int]:
        """
        Where a source listens, as soon as it does.
        """
        host, _, port = self.says(rf"source {re.escape(source)} listens on (\S+)").rpartition(":")
        return host, int(port)


def sendLines(address: tuple[str, int], *lines: bytes) -> None:
    """
    Send lines over TCP, and end.
    """
    with socket.create_connection(address, timeout=LIMIT) as sender:
        sender.sendall(b"".join(line + b"\n" for line in lines))
