"""
One trial of a relay with a spool: so many messages in, and all of them out again.
"""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import attrs

from logrelay.spool.reading import look
from tests.real import RealServer, RsyslogToRelp, freePort, waitUntil

from .feed import untaken
from .spooled import SpoolingLogRelay
from .throughput import LIMIT, MARK, Sink, cpuSeconds

#: Bytes of each message, its line feed included.
SIZE = 250

_HEAD = b"<13>Jan  1 00:00:00 sender benchmark[1]: " + MARK
_MESSAGE = _HEAD + b"x" * (SIZE - len(_HEAD) - 1) + b"\n"

#: How many messages are written at a time: 250 kB.
_BLOCK = 1000

#: How many connections they come over: one alone is read in turn with a moment of rest, which would limit it.
CONNECTIONS = 4

#: Makes a relay, from a folder for its files and the port of its server.
Maker = Callable[[Path, int], RealServer]


@attrs.frozen
class Up:
    """
    What came of a trial with a server that is there.

    :ivar rate: messages a second, from the first one in to the last one out.
    :ivar cpu: CPU seconds of the relay for a million messages.
    :ivar bundle: bytes that one commit brought on disk, the median; 0 without a spool of ours.
    :ivar disk: bytes a second that the disk takes, in blocks of that size, each synced.
    """

    rate: float
    cpu: float
    bundle: float = 0
    disk: float = 0


@attrs.frozen
class Down:
    """
    What came of a trial with a server that comes later.

    :ivar rate: messages a second, until the relay has all.
    :ivar drain: messages a second, from the connection to the last one out.
    """

    rate: float
    drain: float


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
    block = _MESSAGE * _BLOCK
    with suppress(OSError):
        for _ in range(blocks):
            connection.sendall(block)


@contextmanager
def running(make: Maker, sink: int) -> Iterator[tuple[ExitStack, RealServer]]:
    """
    A relay, which is gone in the end with all of its files.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logrelay-benchmark-")))
        # What others have left for the kernel to write is not for this one to wait for.
        os.sync()
        relay = make(folder / "relay", sink)
        stack.callback(relay.close)
        relay.start(timeout=20)
        time.sleep(0.5)
        yield stack, relay


def up(make: Maker, number: int) -> Up:
    """
    Send messages through a relay to a server that is there.

    :raises TimeoutError: if not all came.
    """
    sink = Sink()
    with running(make, sink.port) as (stack, relay):
        stack.callback(sink.close)
        before, began = cpuSeconds(relay.pid), time.monotonic()
        stack.callback(Sender(relay.port, number).close)
        return _outcome(relay, sink, number, before, began)


def _outcome(relay: RealServer, sink: Sink, number: int, before: float, began: float) -> Up:
    """
    Wait until all have come, and say how that went.

    :param before: the CPU seconds that the relay had used before.
    """
    rate = _arrived(relay, sink, number, began)
    cpu = (cpuSeconds(relay.pid) - before) / number * 1e6
    relay.kill()
    if not (isinstance(relay, SpoolingLogRelay) and relay.sync):
        return Up(rate, cpu)
    folder = relay.directory / "spool/central"
    bundle = _bundle(folder)
    return Up(rate, cpu, bundle, syncedRate(folder, int(bundle)))


def _arrived(relay: RealServer, sink: Sink, number: int, began: float) -> float:
    """
    Wait until all have come.

    :return: how many that is in a second.
    """
    waitUntil(lambda: sink.count >= number, f"all of {number} messages", LIMIT)
    rate = number / (time.monotonic() - began)
    # rsyslog sends some twice when its server comes back.
    assert sink.count == number or not isinstance(relay, SpoolingLogRelay), (sink.count, number)
    return rate


def _bundle(folder: Path) -> float:
    """
    The median of the bytes that the commits brought which are still there.
    """
    sizes = [len(row.payload) for file in look(folder).files for row in file.open().rowsFrom(0)]
    return statistics.median(sizes)


def syncedRate(folder: Path, size: int, limit: float = 0.3) -> float:
    """
    Bytes a second that can be written in blocks of a size, each one synced.

    :param limit: for about how many seconds it is tried.
    """
    block, written = os.urandom(size), 0
    path = folder / "blocks"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        began = time.monotonic()
        while time.monotonic() < began + limit:
            written += os.write(file, block)
            os.fdatasync(file)
        return written / (time.monotonic() - began)
    finally:
        os.close(file)
        path.unlink()


def down(make: Maker, number: int) -> Down:
    """
    Send messages to a relay whose server comes when it has all of them.

    :raises TimeoutError: if it does not take them, or not all came.
    """
    port = freePort()
    with running(make, port) as (stack, relay):
        began = time.monotonic()
        sender = Sender(relay.port, number)
        stack.callback(sender.close)
        waitUntil(lambda: _has(relay, sender, number), "all is taken", LIMIT)
        rate = number / (time.monotonic() - began)
        sink = Sink(port)
        stack.callback(sink.close)
        waitUntil(lambda: sink.began, "the relay connects", LIMIT)
        return Down(rate, _arrived(relay, sink, number, sink.began))


def _has(relay: RealServer, sender: Sender, number: int) -> bool:
    """
    Whether a relay has all messages: ours on disk, where it has a spool; others somewhere.
    """
    if isinstance(relay, SpoolingLogRelay) and relay.sync:
        return look(relay.directory / "spool/central").record.end.message >= number
    return sender.isRead(relay.pid)


def relp(make: Maker, number: int) -> Up:
    """
    Have rsyslog send messages by RELP through a relay to a server that is there.

    :raises TimeoutError: if not all came.
    """
    sink = Sink()
    with running(make, sink.port) as (stack, relay):
        stack.callback(sink.close)
        client = RsyslogToRelp(relay.directory.with_name("client"), to=("127.0.0.1", relay.port), window=128)
        stack.callback(client.close)
        client.start(timeout=20)
        time.sleep(0.5)
        before, began = cpuSeconds(relay.pid), time.monotonic()
        stack.callback(Sender(client.port, number).close)
        return _outcome(relay, sink, number, before, began)
