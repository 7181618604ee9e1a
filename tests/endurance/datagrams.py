"""
A UDP client, which nobody can hold: what there is no room for is lost, and counted by the relay.
"""

from __future__ import annotations

import socket
import threading

from .messages import payload

#: The numbers begin here, behind all of a RELP client.
FIRST = 12_000_000


class Datagrams:
    """
    Sends numbered messages at an even pace, in a thread of its own.

    :ivar sent: how many were.
    """

    def __init__(self, port: int, pause: float = 0.005, size: int = 500) -> None:
        """
        :param pause: between two messages, in seconds.
        :param size: of each, in bytes.
        """
        self.sent = 0
        self._port, self._pause, self._size = port, pause, size
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """
        Begin.
        """
        self._thread.start()

    def _run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            while not self._over.wait(self._pause):
                message = payload([FIRST + self.sent], self._size).partition(b" ")[2]
                sender.sendto(message, ("127.0.0.1", self._port))
                self.sent += 1

    def close(self) -> None:
        """
        Send no more.
        """
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
