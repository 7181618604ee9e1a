"""
A log server that only counts: ``python -m tests.endurance.receiver PORT COUNTS`` counts how often each numbered message
has come, in a file that others look into meanwhile.
"""

from __future__ import annotations

import argparse
import mmap
import re
import selectors
import signal
import socket
import struct
import time
from pathlib import Path

from .messages import numbersIn, rest

#: So many numbers are counted.
NUMBERS = 16_000_000

#: Before the counts: how many bytes have come, and when the first one came, on the monotonic clock.
HEAD = struct.Struct("<Qd")

#: No receiver lives longer.  Seconds.
LIFE = 3600

_FRAME = re.compile(rb"([0-9]{1,9}) (syslog|open|close) ([0-9]+)[ \n]")
_READ = 1024 * 1024
_OFFERS = b"200 OK\nrelp_version=0\ncommands=syslog"


class Plain:
    """
    Messages over TCP, which nobody answers.
    """

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> tuple[list[int], bytes]:
        """
        The numbers in what was read, and what to answer.
        """
        data = self._rest + data
        self._rest = rest(data)
        return numbersIn(data), b""


class Relp:
    """
    Messages over RELP, which are answered when they have been counted.
    """

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> tuple[list[int], bytes]:
        """
        See :meth:`Plain.take`.
        """
        data, position = self._rest + data, 0
        numbers: list[int] = []
        answers: list[bytes] = []
        while header := _FRAME.match(data, position):
            size = int(header[3])
            start = header.end() if size else header.end() - 1
            if len(data) <= start + size:
                break
            position = start + size + 1
            if header[2] == b"syslog":
                numbers += numbersIn(data[position - 13 : position])
                answers.append(b"%b rsp 6 200 OK\n" % header[1])
            elif header[2] == b"open":
                answers.append(b"%b rsp %d %b\n" % (header[1], len(_OFFERS), _OFFERS))
            else:
                answers.append(b"%b rsp 0\n0 serverclose 0\n" % header[1])
        self._rest = data[position:]
        return numbers, b"".join(answers)


class Counts:
    """
    The file.
    """

    def __init__(self, path: Path) -> None:
        """
        Open it, and make it if it is not there.
        """
        with path.open("a+b") as file:
            file.truncate(HEAD.size + NUMBERS)
            self._map = mmap.mmap(file.fileno(), HEAD.size + NUMBERS)

    def count(self, numbers: list[int], size: int) -> None:
        """
        Count some messages, and all bytes that came.
        """
        came, began = HEAD.unpack_from(self._map)
        HEAD.pack_into(self._map, 0, came + size, began or time.monotonic())
        for number in numbers:
            place = HEAD.size + number
            self._map[place] = min(255, self._map[place] + 1)

    @property
    def began(self) -> float:
        """
        When the first byte came; 0: none has.
        """
        return float(HEAD.unpack_from(self._map)[1])

    def forget(self) -> None:
        """
        Let the next byte be the first one.
        """
        HEAD.pack_into(self._map, 0, self.came, 0.0)

    @property
    def came(self) -> int:
        """
        How many bytes have come.
        """
        return int(HEAD.unpack_from(self._map)[0])

    def times(self, end: int) -> bytes:
        """
        How often each message came, for all numbers below ``end``.
        """
        return self._map[HEAD.size : HEAD.size + end]


def serve(port: int, counts: Counts, relp: bool) -> None:
    """
    Serve until the process is ended.
    """
    listener = socket.create_server(("127.0.0.1", port))
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                accepted, _ = listener.accept()
                selector.register(accepted, selectors.EVENT_READ, Relp() if relp else Plain())
                continue
            connection, session = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            try:
                data = connection.recv(_READ)
                numbers, answers = session.take(data)
                counts.count(numbers, len(data))
                connection.sendall(answers)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                connection.close()


def main() -> None:
    """
    Be one.
    """
    signal.alarm(LIFE)
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--relp", action="store_true")
    options = parser.parse_args()
    serve(options.port, Counts(options.counts), options.relp)


if __name__ == "__main__":
    main()
