"""
The far end of a relay, as a process: it takes messages and counts them.

It is one thread that reads whatever has come in large pieces, so that it takes little from the relay; where nobody
looks at delays it lets a little gather before it reads again.  The lines that it is told: ``count`` (how many messages
have come so far, and when the first and the last did, on the monotonic clock) and ``report`` (what is found in all).
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import ssl
import struct
import sys
import time
from typing import Any

from .child import LIFE
from .messages import delays, percentile
from .numbered import Received
from .sinkstreams import Plain, Relp, Stream, Tls

#: What is read at once, at most, in bytes.
CHUNK = 1 << 20

#: If less than so many bytes were there to be read, it waits for so many seconds.
FEW, GATHER = 1 << 17, 0.001

#: A port that was closed with a reset opens again after so many seconds.
REOPEN = 1.0


class Serving:
    """
    The process.
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        self._transport = specification["transport"]
        self._keep = specification["keep"]
        self._mark = specification["mark"].encode()
        self._strikes, self._every = specification["strikes"], specification["every"]
        self._context: ssl.SSLContext | None = None
        if self._transport == "tls":
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*specification["files"])
            # Nobody comes back, so that nobody has to read any.
            self._context.num_tickets = 0
        self._selector = selectors.DefaultSelector()
        self._streams: dict[socket.socket, tuple[Stream, str]] = {}
        self._listeners: dict[str, socket.socket] = {}
        self._kept: list[Stream] = []
        self._closed: list[tuple[float, str]] = []
        self._port = specification["port"]
        for address in specification["addresses"]:
            self._listen(address)
        self._buffer = bytearray(CHUNK)
        self._count, self._first, self._last, self._connected = 0, 0.0, 0.0, 0.0
        self._struck, self._due = 0, self._every

    def _listen(self, address: str) -> None:
        listener = socket.create_server((address, self._port), backlog=4096)
        listener.setblocking(False)
        self._port = listener.getsockname()[1]
        self._listeners[address] = listener
        self._selector.register(listener, selectors.EVENT_READ, address)

    def serve(self) -> None:
        """
        Until standard input ends.
        """
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ)
        _say({"port": self._port})
        gathers = not self._keep and self._transport != "relp"
        end = time.monotonic() + LIFE
        while time.monotonic() < end:
            brought = 0
            for key, _ in self._selector.select(0.1):
                if isinstance(key.fileobj, socket.socket):
                    if key.data:
                        self._accept(key.fileobj, key.data)
                    elif key.fileobj in self._streams:
                        brought += self._read(key.fileobj)
                elif not self._answer():
                    return
            if self._closed and time.monotonic() > self._closed[0][0]:
                self._listen(self._closed.pop(0)[1])
            if gathers and 0 < brought < FEW:
                time.sleep(GATHER)

    def _answer(self) -> bool:
        """
        Answer whoever asks.

        :return: whether there is somebody.
        """
        words = os.read(0, 4096).split()
        for word in words:
            if word == b"count":
                _say(
                    {"count": self._count, "first": self._first, "last": self._last, "connected": self._connected},
                )
            else:
                _say(self._report())
        return bool(words)

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = {"strikes": self._struck}
        if self._keep == "times":
            waits = [each / 1e6 for stream in self._kept for each in delays(stream.pieces)]
            if waits:
                report |= {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99)}
        elif self._keep == "numbers":
            received = Received.of(b"".join(piece for _, piece in stream.pieces) for stream in self._kept)
            report |= {"distinct": received.distinct, "doubles": received.duplicates}
        return report

    def _accept(self, listener: socket.socket, address: str) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connected = time.monotonic()
        stream: Stream
        if self._context is not None:
            stream = Tls(connection, self._mark, self._context)
        elif self._transport == "relp":
            stream = Relp(connection, self._mark)
        else:
            stream = Plain(connection, self._mark)
        self._streams[connection] = stream, address
        if self._keep:
            self._kept.append(stream)
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> int:
        """
        Take what a connection has.

        :return: how many bytes that was.
        """
        stream, address = self._streams[connection]
        try:
            size = stream.fill(self._buffer)
        except BlockingIOError:
            return 0
        except OSError:
            size = -1
        if size < 0:
            self._drop(connection)
            return 0
        now = time.monotonic_ns()
        if self._keep:
            stream.pieces.append((now, bytes(self._buffer[:size])))
        if count := stream.count(self._buffer, size):
            self._last = now / 1e9
            self._first = self._first or self._last
            self._count += count
            if self._struck < self._strikes and self._count >= self._due:
                self._strike(address)
        return size

    def _strike(self, address: str) -> None:
        """
        Close the port that messages come in by, with a reset.
        """
        self._struck += 1
        self._due = self._count + self._every
        listener = self._listeners.pop(address)
        self._selector.unregister(listener)
        listener.close()
        for connection, (_, via) in list(self._streams.items()):
            if via == address:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._drop(connection)
        self._closed.append((time.monotonic() + REOPEN, address))

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._streams[connection]
        connection.close()


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    Serving(json.loads(sys.argv[1])).serve()
