"""
One trial of a relay with a spool: so many messages in, and all of them out again.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from logrelay.spool.reading import look
from tests.real import RealServer, RsyslogToRelp, freePort, waitUntil

from .measuring import cpuSeconds
from .relays.ours import WorkingLogRelay
from .sink import Sink
from .spoolload import Sender

#: Makes a relay, from a folder for its files and the port of its server.
Maker = Callable[[Path, int], RealServer]

#: A trial that takes longer has hung.  Seconds.
LIMIT = 120.0

#: Between a relay's start and the first message, so that its connection stands.  Seconds.
SETTLE = 0.3


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
        time.sleep(SETTLE)
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
    if not _spools(relay):
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
    assert sink.count == number or not isinstance(relay, WorkingLogRelay), (sink.count, number)
    return rate


def _spools(relay: RealServer) -> bool:
    """
    Whether it is ours, with a spool.
    """
    return isinstance(relay, WorkingLogRelay) and bool(relay.work.sync)


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
        sink = Sink(port=port)
        stack.callback(sink.close)
        waitUntil(lambda: sink.began, "the relay connects", LIMIT)
        return Down(rate, _arrived(relay, sink, number, sink.began))


def _has(relay: RealServer, sender: Sender, number: int) -> bool:
    """
    Whether a relay has all messages: ours on disk, where it has a spool; others somewhere.
    """
    if _spools(relay):
        return look(relay.directory / "spool/central").record.end.message >= number
    return sender.isRead(relay.pid)


def relp(make: Maker, number: int, window: int) -> Up:
    """
    Have rsyslog send messages by RELP through a relay to a server that is there.

    :param window: how many messages it sends before it waits for answers.
    :raises TimeoutError: if not all came.
    """
    sink = Sink()
    with running(make, sink.port) as (stack, relay):
        stack.callback(sink.close)
        client = RsyslogToRelp(relay.directory.with_name("client"), to=("127.0.0.1", relay.port), window=window)
        stack.callback(client.close)
        client.start(timeout=20)
        time.sleep(SETTLE)
        before, began = cpuSeconds(relay.pid), time.monotonic()
        stack.callback(Sender(client.port, number).close)
        return _outcome(relay, sink, number, before, began)
