"""
What a sink does with one connection: reading, and counting messages.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

#: Bytes that are taken from the socket of a TLS connection at once, at most: what they hold must fit the buffer.
_CIPHERED = 1 << 18

_OPEN = re.compile(rb"1 open (\d+) ")
_OFFERS = b"200 OK\nrelp_version=0\nrelp_software=sink\ncommands=syslog"


class Stream:
    """
    One connection.

    :ivar pieces: what is kept of it: when it came, in nanoseconds, and what.
    """

    def __init__(self, connection: socket.socket, mark: bytes) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self._socket = connection
        self._mark = mark
        self._tail = b""

    def fill(self, buffer: bytearray) -> int:
        """
        Read what has come.

        :return: how many bytes are in the buffer now; less than 0: it has ended.
        :raises OSError: it is gone; or ``BlockingIOError``, and nothing is there.
        """
        raise NotImplementedError

    def count(self, buffer: bytearray, size: int) -> int:
        """
        How many messages are in it: each counts with the piece that its mark is complete in.
        """
        keep = len(self._mark) - 1
        found = buffer.count(self._mark, 0, size)
        if self._tail:
            found += (self._tail + buffer[: min(keep, size)]).count(self._mark)
        self._tail = bytes(buffer[size - keep : size] if size >= keep else (self._tail + buffer[:size])[-keep:])
        return found


class Plain(Stream):
    """
    Over TCP.
    """

    def fill(self, buffer: bytearray) -> int:
        """
        One read.
        """
        return self._socket.recv_into(buffer) or -1


class Tls(Stream):
    """
    Over TLS: what is there is taken in one read from the socket, where OpenSSL would take each record with two.
    """

    def __init__(self, connection: socket.socket, mark: bytes, context: ssl.SSLContext) -> None:
        super().__init__(connection, mark)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._verified = False

    def fill(self, buffer: bytearray) -> int:
        """
        Go on with the handshake, or read.
        """
        data = self._socket.recv(_CIPHERED)
        if not data:
            return -1
        self._incoming.write(data)
        size = 0
        try:
            if not self._verified:
                self._tls.do_handshake()
                self._verified = True
            # With a buffer it gives a number, whatever its types say.
            read: Any = self._tls.read
            view = memoryview(buffer)
            while got := read(len(buffer) - size, view[size:]):
                size += got
        except ssl.SSLWantReadError:
            return size
        except ssl.SSLError:
            pass
        finally:
            if answer := self._outgoing.read():
                self._socket.sendall(answer)
        return size or -1


class Relp(Stream):
    """
    RELP.  Its loop does not look at each message: they come with successive numbers, and hold no line feeds.
    """

    def __init__(self, connection: socket.socket, mark: bytes) -> None:
        super().__init__(connection, mark)
        self._number = 0
        self._begun = b""
        self._unsaid = bytearray()

    def fill(self, buffer: bytearray) -> int:
        """
        Read, and answer what is complete.
        """
        size = self._socket.recv_into(buffer)
        if not size:
            return -1
        complete = buffer.count(b"\n", 0, size) if self._number else self._open(bytes(buffer[:size]))
        if complete:
            first = self._number + 1
            self._number += complete
            self._unsaid += b"".join([b"%d rsp 6 200 OK\n" % each for each in range(first, self._number + 1)])
        self._say()
        return size

    def _open(self, data: bytes) -> int:
        """
        The beginning of a session.

        :return: how many messages follow its first frame.
        """
        self._begun += data
        match = _OPEN.match(self._begun)
        if match is None or len(self._begun) <= (end := match.end() + int(match[1])):
            return 0
        self._unsaid += b"1 rsp %d %b\n" % (len(_OFFERS), _OFFERS)
        self._number = 1
        return self._begun.count(b"\n", end + 1)

    def _say(self) -> None:
        """
        Write what is answered; what does not fit goes with the next.
        """
        try:
            while self._unsaid:
                del self._unsaid[: self._socket.send(self._unsaid)]
        except BlockingIOError:
            pass
