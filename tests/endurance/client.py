"""
A RELP client that keeps a journal: which of its messages were answered with 200.  What had no answer when a connection
is lost, it sends again, as any client does.
"""

from __future__ import annotations

import select
import socket
import threading
import time

from logrelay.relpclient import Accepted, ClientSession, Refused

from .messages import payload

#: So many messages may be without an answer.
WINDOW = 1000

#: Written at once at most, in messages.
_MOST = 200

#: What was held up for longer is not made up for: it would come as a flood.  Seconds.
_CREDIT = 0.25


class Client:
    """
    Sends numbered messages, from 0 on, in a thread of its own.

    :ivar journal: for each number below :attr:`made`, whether the message has been answered with 200.
    :ivar made: how many messages were made.
    :ivar connections: how many it has had.
    :ivar refused: what was said of messages that were refused.
    :ivar window: how many may be without an answer.
    :ivar ended: whether to end at once.
    """

    def __init__(self, port: int, rate: float, size: int, most: int, window: int = WINDOW) -> None:
        """
        :param rate: messages a second; 0: as many as are taken.
        :param size: of each message, in bytes.
        :param most: how many messages to make at most.
        """
        self.journal = bytearray()
        self.made = self.connections = 0
        self.refused: list[str] = []
        self._port, self._rate, self._size, self._most, self.window = port, rate, size, most, window
        self._credit, self._at = 0.0, time.monotonic()
        self._over = threading.Event()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # For who started it.

    @property
    def answered(self) -> int:
        """
        How many messages have been answered with 200.
        """
        return self.journal.count(1)

    def more(self, most: int) -> None:
        """
        Make so many at most.
        """
        self._most = most

    def stop(self) -> None:
        """
        Make no more; what was made is still brought to its end.
        """
        self._over.set()

    @property
    def done(self) -> bool:
        """
        Whether nothing more is made, and all that was made is answered.
        """
        return not self._wants and self.answered == self.made

    def close(self) -> None:
        """
        End at once.
        """
        self._over.set()
        self.ended.set()
        self._thread.join()

    # The thread.

    @property
    def _wants(self) -> bool:
        return self.made < self._most and not self._over.is_set()

    def _run(self) -> None:
        while not self.ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                    self.connections += 1
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _Session(self, connection).work()
            except OSError:
                self.ended.wait(0.02)

    def unanswered(self) -> list[int]:
        """
        What has to be sent again.
        """
        return [number for number, answered in enumerate(self.journal) if not answered]

    def fresh(self, room: int) -> list[int]:
        """
        Make some messages, as many as are due.
        """
        now = time.monotonic()
        self._credit = min(self._credit + (now - self._at) * self._rate, _CREDIT * self._rate)
        self._at = now
        due = min(room, int(self._credit)) if self._rate else room
        due = min(due, self._most - self.made) if self._wants else 0
        numbers = list(range(self.made, self.made + due))
        self._credit -= due if self._rate else 0
        self.journal.extend(bytes(due))
        self.made += due
        return numbers

    def answer(self, numbers: list[int]) -> None:
        """
        Some were answered with 200.
        """
        for number in numbers:
            self.journal[number] = 1

    def frames(self, session: ClientSession, numbers: list[int]) -> bytes:
        """
        Some messages as frames.
        """
        return session.frames(payload(numbers, self._size), len(numbers))


class _Session:
    """
    One connection.

    :ivar _numbers: of the messages in the order of their frames.
    """

    def __init__(self, client: Client, connection: socket.socket) -> None:
        self._client, self._connection = client, connection
        self._session = ClientSession()
        self._numbers: list[int] = []
        self._again = client.unanswered()
        self._out = memoryview(self._session.open())

    def work(self) -> None:
        """
        Send and listen until it ends.

        :raises OSError: the connection is lost.
        """
        self._connection.setblocking(False)
        while not self._client.ended.is_set():
            self._fill()
            wantsOut = [self._connection] if self._out else []
            readable, writable, _ = select.select([self._connection], wantsOut, [], 0.005)
            if writable:
                self._out = self._out[self._connection.send(self._out) :]
            if readable:
                data = self._connection.recv(262144)
                if not data:
                    raise OSError("the relay has ended the connection")
                self._hear(data)

    def _fill(self) -> None:
        """
        Make the next frames, when those before are out.
        """
        room = min(_MOST, self._client.window - self._session.outstanding)
        if self._out or room <= 0:
            return
        numbers, self._again = self._again[:room], self._again[room:]
        numbers = numbers or self._client.fresh(room)
        if numbers:
            self._numbers += numbers
            self._out = memoryview(self._client.frames(self._session, numbers))

    def _hear(self, data: bytes) -> None:
        """
        Take in answers.
        """
        for event in self._session.receive(data):
            match event:
                case Accepted(first, count):
                    # The session itself has had the first number.
                    self._client.answer(self._numbers[first - 2 : first - 2 + count])
                case Refused():
                    self._client.refused.append(event.text)
        if self._session.error is not None:
            raise OSError(str(self._session.error))
