"""
The ways to send a load; each returns when the kernel has all of it.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice

from . import numbered
from .messages import message, messages, stamp, stamped
from .wire import Files, Load

#: What one turn of a connection writes, at most, in bytes.
TURN = 1 << 18

#: How many messages one turn writes where there are more connections than a few: all of them are to be active at once.
SMALL_TURN = 20

#: How many messages may be without an answer, over RELP.
WINDOW = 1000

#: How many messages a frame of RELP's are made, and written, at a time.
_STEP = 100

#: Datagrams and numbered messages at a rate are sent so often, in seconds.
BEAT = 0.001

#: How long a connection may take to be made, in seconds.
CONNECT = 10.0

Address = tuple[str, int] | str


def send(load: Load, address: Address, files: Files | None) -> tuple[int, Sequence[socket.socket]]:
    """
    Send a load.

    :return: how many messages were sent, and the connections.
    """
    if load.wire.transport in ("udp", "unix-dgram"):
        return _datagrams(load, address)
    if load.wire.transport == "relp":
        return _relp(load, address)
    connections = [
        _connected(address, files if load.wire.transport == "tls" else None) for _ in range(load.connections)
    ]
    if load.kind == "blocks":
        return _blocks(load, connections), connections
    if load.kind == "singles":
        return _singles(load, connections[0]), connections
    if load.kind == "paced":
        return _paced(load, connections[0]), connections
    return _numbered(load, connections[0]), connections


def _connected(address: Address, files: Files | None = None) -> socket.socket:
    assert not isinstance(address, str)
    connection = socket.create_connection(address, CONNECT)
    if files is not None:
        context = ssl.create_default_context(cafile=files.ca)
        connection = context.wrap_socket(connection, server_hostname=address[0])
    connection.settimeout(None)
    return connection


def _blocks(load: Load, connections: Sequence[socket.socket]) -> int:
    """
    As fast as they are taken, many at once.
    """
    share, rest = divmod(load.number, len(connections))
    assert rest == 0, load
    turn = max(1, TURN // load.size, load.heads) if len(connections) < SMALL_TURN else SMALL_TURN
    turn = next(count for count in range(min(turn, share), 0, -1) if share % count == 0)
    view = memoryview(b"".join(messages(load.wire, load.size, turn, load.heads)))
    # How many whole blocks are still to be written after the one in hand, and what of that is left.
    left = dict.fromkeys(connections, (share // turn, view[:0]))
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_WRITE)
    while left:
        for key, _ in selector.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            blocks, part = left[ready]
            if not part and not blocks:
                selector.unregister(ready)
                del left[ready]
                continue
            if not part:
                blocks, part = blocks - 1, view
            with suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                part = part[ready.send(part) :]
            left[ready] = blocks, part
    return load.number


def _singles(load: Load, connection: socket.socket) -> int:
    """
    As fast as they are taken, each by itself.
    """
    contents, send = cycle(messages(load.wire, load.size, load.heads, load.heads)), connection.sendall
    for content in islice(contents, load.number):
        send(content)
    return load.number


def _due(load: Load, beat: float) -> Iterator[tuple[int, int]]:
    """
    Wait for the moments at which messages are due: the number of the first, and how many.
    """
    began, place = time.monotonic(), 0
    while place < load.number:
        due = min(load.number, int((time.monotonic() - began) * load.rate) + 1)
        if due > place:
            yield place, due - place
            place = due
        time.sleep(max(0.0, min(beat, began + place / load.rate - time.monotonic())))


def _paced(load: Load, connection: socket.socket) -> int:
    """
    At a rate, each message by itself, with the time.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    before, after = stamped(load.wire.form, load.wire.framing, load.size)
    for _, count in _due(load, 0.0001):
        for _ in range(count):
            connection.sendall(before + stamp(time.monotonic_ns()) + after)
    return load.number


def _numbered(load: Load, connection: socket.socket) -> int:
    """
    At a rate, each with a number of its own.
    """
    for first, count in _due(load, BEAT):
        connection.sendall(numbered.frames(first, count))
    return load.number


def _datagrams(load: Load, address: Address) -> tuple[int, Sequence[socket.socket]]:
    """
    Each message a datagram: over UDP at a rate, since nothing says that the relay has no room; to a unix socket as fast
    as they are taken.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_DGRAM)
    connection.connect(address)
    content = message(load.wire.form, load.size)
    counts = (count for _, count in _due(load, BEAT)) if load.rate else [load.number]
    refused = 0
    for count in counts:
        for _ in range(count):
            try:
                connection.send(content)
            except ConnectionRefusedError:
                refused += 1
    return load.number - refused, [connection]


def _relp(load: Load, address: Address) -> tuple[int, Sequence[socket.socket]]:
    """
    Over RELP, one connection, with a window.
    """
    connection = _connected(address)
    offers = b"relp_version=0\nrelp_software=sender\ncommands=syslog"
    connection.sendall(b"1 open %d %b\n" % (len(offers), offers))
    opened = b""
    while not opened.endswith(b"\n") or b"commands" not in opened:
        opened += connection.recv(1 << 16)
    content = message(load.wire.form, load.size)
    frame = b"%%d syslog %d %b\n" % (len(content), content)
    sent, answered = 0, 0
    while answered < load.number:
        if sent < load.number and sent - answered <= WINDOW - _STEP:
            count = min(_STEP, load.number - sent)
            connection.sendall(b"".join([frame % number for number in range(sent + 2, sent + 2 + count)]))
            sent += count
            continue
        # A server whose answers are small writes waits with the next for the kernel's acknowledgement of the last.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        # An answer is one line.
        data = connection.recv(1 << 16)
        if not data:
            return answered, [connection]
        answered += data.count(b"\n")
    return answered, [connection]
