"""
Load for a relay, each kind a process of its own: ``python -m tests.loads KIND ARGUMENT...``.

Each says in lines of JSON what it has to say.  It ends when its standard input does, and after a minute at the latest.
:class:`Load` is the other end of that.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

TOP = Path(__file__).resolve().parent.parent

#: No load lives longer, whatever happens to who started it.  Seconds.
LIFE = 60

#: A numbered message of a good source, as the sink finds it.
_GOOD = re.compile(rb"good-(\w+)-(\d+);")


class Load:
    """
    One process of this module.

    :cvar module: whose kinds there are.
    """

    module: ClassVar[str] = "tests.loads"

    def __init__(self, kind: str, *arguments: object, log: Path | None = None) -> None:
        """
        Start it.

        :param log: what it writes to standard error is appended to this file; ``None``: it goes where ours does.
        """
        command = [sys.executable, "-m", self.module, kind, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        errors = None if log is None else log.open("ab")
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        if errors is not None:
            errors.close()

    @property
    def pid(self) -> int:
        """
        The process.
        """
        return self._process.pid

    def told(self) -> Any:
        """
        The next line that it says.

        :raises AssertionError: if it has ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} has ended"
        return json.loads(line)

    def ask(self, what: str = "?") -> Any:
        """
        Have it say how it stands.

        :param what: what else it is to do: ``read`` for a sink that is slow.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self.told()

    def end(self) -> None:
        """
        Have it begin to end.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()

    def finish(self) -> Any:
        """
        Have it end, and say how that went.
        """
        self.end()
        last = self.told()
        self._process.wait()
        return last

    def close(self) -> None:
        """
        Leave nothing behind, whatever has happened: for ``addCleanup``.
        """
        endProcess(self._process)


def endProcess(process: subprocess.Popen[Any]) -> None:
    """
    End a process with pipes to its standard input and output, and close them.
    """
    assert process.stdin is not None and process.stdout is not None
    process.kill()
    process.wait()
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()


def peak(pid: int) -> int:
    """
    The most memory that a process ever had (VmHWM), in bytes.
    """
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) * 1024


# The relay, and the far end.


def relay(path: str) -> None:
    """
    The relay with a configuration file, as ``twistd -n`` runs it; asked, it gives its snapshot.
    """
    from attrs import asdict
    from twisted.application.service import Application, IServiceCollection
    from twisted.internet import reactor, stdio
    from twisted.internet.protocol import connectionDone
    from twisted.logger import globalLogBeginner, textFileLogObserver
    from twisted.protocols.basic import LineOnlyReceiver
    from twisted.python.failure import Failure

    from logrelay.tap import Options, makeService

    class Questions(LineOnlyReceiver):
        delimiter = b"\n"

        def lineReceived(self, line: bytes) -> None:
            tell(asdict(service.snapshot()))

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            reactor.stop()

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    options = Options()
    options.parseOptions(["--config", path])
    process: Any = makeService(options)
    service, *_ = process
    application: Any = Application("relay")
    process.setServiceParent(IServiceCollection(application))
    process.privilegedStartService()
    process.startService()
    reactor.addSystemEventTrigger("before", "shutdown", process.stopService)
    stdio.StandardIO(Questions())
    reactor.run()
    tell(asdict(service.snapshot()))


def sink(manner: str) -> None:
    """
    A log server.  Asked, it tells of each good source how many of its messages have come.

    :param manner: ``reads``; ``deaf``: it does not; ``talks``: it also sends as much as is taken from it; ``slow``: it
        reads 64 KiB each 10 ms, until it is asked to ``read``.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    tell(listener.getsockname()[1])
    numbers: dict[str, set[int]] = {}
    tails: dict[socket.socket, bytes] = {}
    waiting: list[Any] = [0, listener]
    noise = random.Random(1).randbytes(65536)
    while True:
        ready, writable, _ = select.select(waiting, list(tails) if manner == "talks" else [], [])
        for each in writable:
            with suppress(OSError):
                each.send(noise)
        for each in ready:
            if each == 0:
                asked = sys.stdin.readline()
                if not asked:
                    return
                if asked == "read\n":
                    manner = "reads"
                tell({tag: len(found) for tag, found in numbers.items()})
            elif each is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                tails[connection] = b""
                if manner != "deaf":
                    waiting.append(connection)
            elif data := received(each, 65536 if manner == "slow" else 1 << 20):
                text = tails[each] + data
                tails[each] = text[-64:]
                for tag, number in _GOOD.findall(text):
                    numbers.setdefault(tag.decode(), set()).add(int(number))
                if manner == "slow":
                    time.sleep(0.01)
            else:
                waiting.remove(each)
                del tails[each]
                each.close()


def good(tag: str, rate: str, *ports: str) -> None:
    """
    Sources as they should be, one for each port: numbered messages on one connection, so many a second.  At the end it
    tells of how many they were, each.
    """
    connections = [socket.create_connection(("127.0.0.1", int(port))) for port in ports]
    unsent = [b""] * len(ports)
    began, number = time.monotonic(), 0
    while not asked(0.005):
        due = int((time.monotonic() - began) * float(rate))
        for place, connection in enumerate(connections):
            name = f"{tag}{place}".encode()
            lines = b"".join(b"<13>1 - - good - - - good-%b-%d;\n" % (name, each) for each in range(number, due))
            unsent[place] += lines
            # One that has to wait must not make the others wait.
            with suppress(BlockingIOError):
                unsent[place] = unsent[place][connection.send(unsent[place], socket.MSG_DONTWAIT) :]
        number = due
    for connection, rest in zip(connections, unsent, strict=True):
        connection.sendall(rest)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    tell(number)


# Those that misbehave.  They tell once when they have done their worst, and stay until they are to leave.


def endless(port: str, what: str, size: str) -> None:
    """
    One connection, ``size`` bytes of something: ``x``, ``nul``, ``random``; ``x`` and ``nul`` without any LF.
    """
    connection = socket.create_connection(("127.0.0.1", int(port)))
    chance = random.Random(size)
    left = int(size)
    while left > 0:
        block = chance.randbytes(65536) if what == "random" else (b"\0" if what == "nul" else b"x") * 65536
        with suppress(ConnectionError):
            connection.sendall(block)
        left -= len(block)
    tell("done")
    asked(None)


def drip(port: str, count: str, size: str) -> None:
    """
    Many connections, each with ``size`` bytes of a line that never ends, and a byte more now and then.
    """
    connections = _connected(int(port), int(count))
    for connection in connections:
        connection.setblocking(True)
        connection.sendall(b"<13>" + b"d" * (int(size) - 4))
    tell("done")
    while not asked(0.2):
        for connection in random.sample(connections, len(connections) // 10):
            # The relay may have stopped.
            with suppress(ConnectionError):
                connection.send(b"d")


def connects(port: str, count: str) -> None:
    """
    Connections all at once, with a message each, which stay.  Tells how many the relay has closed.
    """
    connections = _connected(int(port), int(count))
    for connection in connections:
        # Where the relay's kernel had no room for one, it learns of it only now.
        with suppress(ConnectionError):
            connection.send(b"<13>connected\n")
    tell("done")
    asked(None)
    tell(sum(map(_over, connections)))


def cut(port: str, count: str) -> None:
    """
    Connections that are reset in mid-frame, one after the other: half of them at once, the others when the relay has
    had a moment to accept them.
    """
    for number in range(int(count)):
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.sendall(b"400 <13>1 - - cut - - - and no mo")
        time.sleep(0.001 * (number % 2))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    tell("done")
    asked(None)


def counted(port: str, count: str) -> None:
    """
    Connections with a frame that is much too long, one after the other.  Tells how many of them the relay has closed.
    """
    closed = 0
    for _ in range(int(count)):
        connection = socket.create_connection(("127.0.0.1", int(port)))
        with suppress(ConnectionError):
            connection.sendall(b"999999999 " + b"c" * 100_000)
        connection.settimeout(10)
        closed += _over(connection)
        connection.close()
    tell(closed)
    asked(None)


def flood(port: str, rate: str) -> None:
    """
    Datagrams, so many a second.
    """
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", int(port)))
    began, number = time.monotonic(), 0
    tell("done")
    while not asked(0.002):
        due = int((time.monotonic() - began) * float(rate))
        for each in range(number, due):
            with suppress(OSError):
                sender.send(b"<13>flood: %d %b" % (each, b"f" * 100))
        number = max(number, due)
    tell(number)


def eager(port: str, count: str) -> None:
    """
    Connections that send whatever is taken from them.  Tells how many bytes were.
    """
    connections = _connected(int(port), int(count))
    lines = (b"<13>1 - - eager - - - " + b"e" * 500 + b"\n") * 100
    sent = 0
    tell("done")
    while not asked(0):
        _, writable, _ = select.select([], connections, [], 0.1)
        for connection in writable:
            # The rest of a line that was cut is made up for by the next one's beginning: it is a line, too.
            sent += connection.send(lines)
    tell(sent)


def many(tag: str, port: str, count: str, size: str, most: str) -> None:
    """
    Connections that send whatever is taken from them, in numbered messages of ``size`` bytes, as a good source's are;
    ``most`` each, in whole 64s, so that what kernels keep does not take minutes to be read.  When they are to end each
    sends the rest of its message, ends its side, and waits for the relay's end.  Tells of how many messages they were,
    each.
    """
    connections = _connected(int(port), int(count))
    poll = select.epoll()
    places = {}
    for place, connection in enumerate(connections):
        # Little is to be under way: it is the relay's memory that is of interest, not the kernel's.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        places[connection.fileno()] = place
        poll.register(connection, select.EPOLLOUT)
    numbers, unsent = [0] * len(connections), [b""] * len(connections)
    tell("done")
    while not asked(0):
        for descriptor, _ in poll.poll(0.1):
            place = places[descriptor]
            if not unsent[place]:
                first = numbers[place]
                if first >= int(most):
                    poll.unregister(descriptor)
                    continue
                numbers[place] += 64
                unsent[place] = b"".join(_line(tag, place, number, int(size)) for number in range(first, first + 64))
            unsent[place] = unsent[place][connections[place].send(unsent[place]) :]
    for place in range(len(connections)):
        # Messages of which nothing was sent need not be.
        numbers[place] -= len(unsent[place]) // int(size)
        unsent[place] = unsent[place][: len(unsent[place]) % int(size)]
    for connection, rest in zip(connections, unsent, strict=True):
        connection.setblocking(True)
        connection.sendall(rest)
        connection.shutdown(socket.SHUT_WR)
    for connection in connections:
        connection.recv(1)
    tell({f"{tag}{place}": number for place, number in enumerate(numbers)})


def _line(tag: str, place: int, number: int, size: int) -> bytes:
    """
    A message of ``size`` bytes, its end included.
    """
    return (b"<13>1 - - many - - - good-%b%d-%d;" % (tag.encode(), place, number)).ljust(size - 1, b"m") + b"\n"


def _connected(port: int, count: int) -> list[socket.socket]:
    """
    So many connections, begun all at once.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = [socket.socket() for _ in range(count)]
    poll = select.poll()
    for connection in connections:
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        poll.register(connection, select.POLLOUT)
    left = count
    while left:
        for descriptor, _ in poll.poll():
            poll.unregister(descriptor)
            left -= 1
    return connections


def received(connection: socket.socket, most: int) -> bytes:
    """
    What has come; nothing at the end of the stream.
    """
    try:
        return connection.recv(most)
    except OSError:
        return b""


def _over(connection: socket.socket) -> bool:
    """
    Whether the peer has closed a connection.
    """
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except OSError:
        return False


def tell(what: object) -> None:
    """
    Say something to who started this.
    """
    print(json.dumps(what, default=str), flush=True)


def asked(wait: float | None) -> bool:
    """
    Whether it is time to go: the end of standard input, for which is waited.
    """
    ready, _, _ = select.select([0], [], [], wait)
    return bool(ready)


KINDS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (relay, sink, good, endless, drip, connects, cut, counted, flood, eager, many)
}

if __name__ == "__main__":
    signal.alarm(LIFE)
    KINDS[sys.argv[1]](*sys.argv[2:])
