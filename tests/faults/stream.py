"""
The messages of a trial: numbered, sent to the relay over a real connection at a steady rate, as fast as it lets us.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from ..relays import counted, numbered

#: Bytes of each message, and of what stands before its text.
SIZE = 200
HEAD = len(b"<13>1 - host app - - - ")

#: What a poisonous message has in it, in place of some of its filling.
POISON = b"poison"

#: Seconds between two writes.
_BEAT = 0.02

#: Written at once, where no rate is given.
_CHUNK = 2000


def messages(first: int, end: int, poisonous: int | None = None) -> list[bytes]:
    """
    The messages with these numbers.

    :param poisonous: the number of the one that has the mark.
    """
    made = numbered(end - first, SIZE, first)
    if poisonous is not None and first <= poisonous < end:
        clean = made[poisonous - first]
        made[poisonous - first] = clean[: -len(POISON)] + POISON
    return made


class Stream:
    """
    One connection to the relay.

    :ivar sent: how many messages were written.
    :ivar poisonous: the number of the message that has the mark, if any has.
    """

    def __init__(self, connection: socket.socket, limit: float) -> None:
        """
        :param limit: how long the relay may let us wait, in seconds.
        """
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(limit)
        self.sent = 0
        self.poisonous: int | None = None
        self._connection = connection
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def send(self, count: int) -> None:
        """
        Send so many messages now.
        """
        self._connection.sendall(counted(messages(self.sent, self.sent + count, self.poisonous)))
        self.sent += count

    def flow(self, count: int, rate: int) -> None:
        """
        Begin to send so many messages, in a thread of its own.

        :param rate: how many a second; 0: as fast as they are taken.
        """
        self.wait()
        self._thread = threading.Thread(target=self._flow, args=(count, rate), daemon=True)
        self._thread.start()

    def _flow(self, count: int, rate: int) -> None:
        first, began = self.sent, time.monotonic()
        while (left := first + count - self.sent) and not self._over.is_set():
            if not rate:
                self.send(min(left, _CHUNK))
                continue
            due = first + int((time.monotonic() - began) * rate) - self.sent
            if due > 0:
                self.send(min(left, due))
            self._over.wait(_BEAT)

    def wait(self) -> None:
        """
        Wait until all that flows has been written.
        """
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """
        Let nothing more flow.
        """
        self._over.set()
        self.wait()

    def close(self) -> None:
        """
        Send nothing more, and end.
        """
        self._over.set()
        # A write that the relay lets wait ends by this.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self.wait()
        self._connection.close()
