"""
The sender: numbered messages at an even pace over one TCP connection, and an account of what the relay took of them.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import threading
import time
from pathlib import Path

from tests.faults.namespaces import inside
from tests.netns import Host

from .numbered import FRAME, frames

#: How often some are sent, in seconds: at 10,000 messages a second, 100 at a time.
BEAT = 0.01

#: What one write holds at most, in messages: after a hold-up it must not be the sender that floods the relay's reads.
BURST = 2000

#: How long the connection may take.  Seconds.
CONNECT = 5.0


def untaken(relay: int, connection: socket.socket) -> int:
    """
    How many bytes written to a connection its peer has not read: what waits in the kernel, on either side.

    :param relay: the peer's process.
    """
    unsent: int = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
    try:
        lines = Path(f"/proc/{relay}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return unsent
    own, port = connection.getsockname()[1], connection.getpeername()[1]
    for line in lines:
        _, local, remote, _, queues, *_ = line.split()
        if local.endswith(f":{port:04X}") and remote.endswith(f":{own:04X}"):
            return unsent + int(queues.partition(":")[2], 16)
    return unsent


class Feed:
    """
    One connection to a relay, on the relay's own host.

    :ivar began: when the first message was sent, on the monotonic clock.
    """

    def __init__(self, host: Host, port: int) -> None:
        with inside(host):
            self._socket = socket.create_connection(("127.0.0.1", port), CONNECT)
        self._socket.settimeout(0.2)
        self._written = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.began = 0.0

    @property
    def sent(self) -> int:
        """
        How many whole messages were written so far.
        """
        return self._written // FRAME

    @property
    def done(self) -> bool:
        """
        Whether all that was to be sent was written.
        """
        return self._thread is None or not self._thread.is_alive()

    def send(self, count: int, rate: int) -> None:
        """
        Begin to send ``count`` more, ``rate`` a second, and return.
        """
        assert self.done, "still sending"
        self.began = self.began or time.monotonic()
        self._thread = threading.Thread(target=self._send, args=(self.sent, count, rate), daemon=True)
        self._thread.start()

    def _send(self, first: int, count: int, rate: int) -> None:
        began, place = time.monotonic(), 0
        while place < count and not self._stopped.is_set():
            due = min(count, int((time.monotonic() - began) * rate) + 1, place + BURST)
            if due > place and not self._write(frames(first + place, due - place)):
                return
            place = due
            if place < (time.monotonic() - began) * rate:
                continue
            self._stopped.wait(BEAT)

    def _write(self, data: bytes) -> bool:
        """
        Write all, however long the relay lets us wait.

        :return: whether it was all written before we were stopped or cut off.
        """
        rest = memoryview(data)
        while rest and not self._stopped.is_set():
            try:
                number = self._socket.send(rest)
            except TimeoutError:
                continue
            except OSError:
                return False
            self._written += number
            rest = rest[number:]
        return not rest

    def taken(self, relay: int) -> int:
        """
        How many whole messages the relay has read: not what waits in the kernel, on either side.

        :param relay: its process.
        """
        return (self._written - untaken(relay, self._socket)) // FRAME

    def close(self) -> None:
        """
        Send no more, and end.
        """
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
