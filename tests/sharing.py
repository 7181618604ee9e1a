"""
Load for relays that share a port, and the log server behind them: ``python -m tests.sharing KIND ARGUMENT...``, told
and asked as those of :mod:`tests.loads` are.

Every message has who sent it, on which of its connections, and a number.
"""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import attrs

from .loads import LIFE, Load, asked, received, tell

_NUMBERED = re.compile(rb"from-(\w+)-(\d+)-(\d+);")

#: A client that is not answered for so long has failed.  Seconds.
_PATIENCE = 10


class SharingLoad(Load):
    """
    One process of this module.
    """

    module = "tests.sharing"


@attrs.define(eq=False)
class _Arrived:
    """
    What one connection of a relay has brought.

    :ivar last: the last number of each connection of a client, by both.
    """

    tail: bytes = b""
    last: dict[tuple[bytes, bytes], int] = attrs.field(factory=dict)

    def take(self, data: bytes) -> Iterator[tuple[bytes, int, bool]]:
        """
        Find the messages.

        :return: of each who sent it, its number, and whether it came behind all that were sent before it on the same
            connection.
        """
        text = self.tail + data
        end = text.rfind(b";") + 1
        self.tail = text[end:]
        for client, connection, number in _NUMBERED.findall(text[:end]):
            before = self.last.get((client, connection), -1)
            self.last[client, connection] = int(number)
            yield client, int(number), int(number) > before


def witness() -> None:
    """
    A log server.  Asked, it tells how many different messages of each client have come, how many came twice, how many
    out of order, and of how many clients each relay's connection has brought something.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    tell(listener.getsockname()[1])
    numbers: dict[bytes, set[int]] = {}
    relays: dict[Any, _Arrived] = {}
    all_: list[_Arrived] = []
    twice = disorder = 0
    while True:
        ready, _, _ = select.select([0, listener, *relays], [], [])
        for each in ready:
            if each == 0:
                if not sys.stdin.readline():
                    return
                shares = [len({client for client, _ in arrived.last}) for arrived in all_]
                counts = {client.decode(): len(found) for client, found in numbers.items()}
                tell({"counts": counts, "twice": twice, "disorder": disorder, "shares": shares})
            elif each is listener:
                connection, _ = listener.accept()
                all_.append(_Arrived())
                relays[connection] = all_[-1]
            elif data := received(each, 1 << 20):
                for client, number, inOrder in relays[each].take(data):
                    found = numbers.setdefault(client, set())
                    twice += number in found
                    disorder += not inOrder
                    found.add(number)
            else:
                # This is what tells the relay that everything was read.
                del relays[each]
                each.close()


@attrs.define(eq=False)
class Client:
    """
    One client: as good as a client of plain syslog can be.  When the relay ends the connection it ends its side,
    connects again and goes on; after a reset it can't know what was read, and sends everything of that connection
    again.

    :ivar first: the number of the connection's first message.
    :ivar next: the number of the next message.
    """

    name: str
    address: tuple[str, int]
    connection: socket.socket = attrs.field(init=False)
    connections: int = 0
    first: int = 0
    next: int = 0

    def __attrs_post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        """
        Connect, and go on.
        """
        self.connection = socket.create_connection(self.address, timeout=_PATIENCE)
        self.connections += 1
        self.first = self.next

    def send(self, end: int) -> None:
        """
        Send what is due.

        :raises ConnectionError: it was reset.
        """
        head = f"<13>1 - - shared - - - from-{self.name}-{self.connections}"
        lines = (f"{head}-{number};\n" for number in range(self.next, end))
        self.connection.sendall("".join(lines).encode())
        self.next = max(self.next, end)

    def end(self) -> None:
        """
        End our side; the relay's has come, or comes then.

        :raises ConnectionError: it was reset.
        """
        self.connection.shutdown(socket.SHUT_WR)
        assert self.connection.recv(1) == b""
        self.connection.close()

    def again(self) -> int:
        """
        Connect again after a reset.

        :return: how many messages are to be sent again.
        """
        self.connection.close()
        count = self.next - self.first
        self.next = self.first
        self.connect()
        return count


def clients(host: str, port: str, count: str, rate: str) -> None:
    """
    Clients that send so many messages a second, each.  Asked, it tells how often relays have ended their connections.
    At the end it tells of how many messages they were, each; how often a connection was reset; and how many messages
    were sent again then.
    """
    all_ = [Client(f"c{place}", (host, int(port))) for place in range(int(count))]
    began, ended, resets, again = time.monotonic(), 0, 0, 0
    tell("done")
    going, open_ = True, list(all_)
    while open_:
        if going:
            due = int((time.monotonic() - began) * float(rate))
        watched: list[Any] = [0, *(each.connection for each in open_)] if going else []
        ready, _, _ = select.select(watched, [], [], 0.005)
        if 0 in ready:
            going = bool(sys.stdin.readline())
            if going:
                tell(ended)
        for each in tuple(open_):
            try:
                each.send(due)
                if not going:
                    each.end()
                    open_.remove(each)
                elif each.connection in ready:
                    each.end()
                    ended += 1
                    each.connect()
            except ConnectionError:
                resets += 1
                again += each.again()
    tell({"sent": {each.name: each.next for each in all_}, "resets": resets, "again": again})


def datagrams(host: str, port: str, count: str, rate: str) -> None:
    """
    Sockets that send so many numbered datagrams a second, all together.  Tells at the end how many each has sent.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    senders = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(int(count))]
    for each in senders:
        each.connect((host, int(port)))
    numbers = [0] * len(senders)
    began, sent = time.monotonic(), 0
    tell("done")
    while not asked(0.002):
        due = int((time.monotonic() - began) * float(rate))
        # Not all at once what a busy machine has kept us from: that would be another rate.
        end = min(due, sent + 50)
        for place in (number % len(senders) for number in range(sent, end)):
            senders[place].send(b"<13>1 - - shared - - - from-d%d-0-%d;" % (place, numbers[place]))
            numbers[place] += 1
        sent = max(sent, end)
    tell({f"d{place}": number for place, number in enumerate(numbers)})


KINDS = {each.__name__: each for each in (witness, clients, datagrams)}

if __name__ == "__main__":
    signal.alarm(LIFE)
    KINDS[sys.argv[1]](*sys.argv[2:])
