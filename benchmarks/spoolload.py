"""
Load for a relay with a spool: messages of one size, as fast as they are taken.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from .feed import untaken
from .messages import messages
from .wire import Wire

#: Bytes of each message, its line feed included.
SIZE = 250

#: How many messages are written at a time: 250 kB.
_BLOCK = 1000

#: How many connections they come over: one alone is read in turn with a moment of rest, which would limit it.
CONNECTIONS = 4


class Sender:
    """
    Sends messages as fast as they are taken, over some connections at once, each with a thread of its own.
    """

    def __init__(self, port: int, number: int) -> None:
        """
        :param number: of messages; a multiple of 1000 for each connection.
        """
        blocks, rest = divmod(number, _BLOCK * CONNECTIONS)
        assert rest == 0, number
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self._threads = [threading.Thread(target=_send, args=(each, blocks), daemon=True) for each in self._sockets]
        for thread in self._threads:
            thread.start()

    def isRead(self, relay: int) -> bool:
        """
        Whether a process has read everything.
        """
        if any(thread.is_alive() for thread in self._threads):
            return False
        return not any(untaken(relay, each) for each in self._sockets)

    def close(self) -> None:
        """
        End the connections; what has not been written stays so.
        """
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()


def _send(connection: socket.socket, blocks: int) -> None:
    """
    Send so many times a thousand messages.  Where the relay has ended, it shows in what arrives.
    """
    block = b"".join(messages(Wire(), SIZE, _BLOCK, heads=1))
    with suppress(OSError):
        for _ in range(blocks):
            connection.sendall(block)
