"""
The client's side of a RELP session, without I/O: messages to bytes, and bytes to answers.
"""

from __future__ import annotations

import re

import attrs

from .encoding import THREE_DIGITS
from .errors import RelpError
from .relp import CLIENT, State, Step
from .relpframes import MAX_NUMBER, OFFERS, Header, Remainder, checkEnd, frame, headerAt, offersIn, shown

#: The last number that a message may have: the one behind it is for ``close``.
LAST_NUMBER = MAX_NUMBER - 1

#: The longest answer, in bytes.  librelp allows itself 80 bytes of text, and to ``open`` some dozens of offers of up to
#: 288 bytes each; nobody has a reason for more.
MAX_ANSWER = 128 * 1024

#: What all servers known say to nearly every message, and a run of it.
_RUN = re.compile(rb"(?:[0-9]{1,9} rsp 6 200 OK\n)+")
_NUMBER = re.compile(rb"([0-9]{1,9}) rsp 6 200 OK\n")

_ANSWER = re.compile(rb"([0-9]{3})(?: ([^\n]*+))?(?:\n|\Z)")


@attrs.frozen
class Opened:
    """
    The server has opened the session.
    """


@attrs.frozen
class Accepted:
    """
    The server has taken messages with consecutive numbers.
    """

    first: int
    count: int


@attrs.frozen
class Refused:
    """
    The server has not taken a message.

    :ivar code: what it says instead of 200.
    :ivar text: what it says to people, one line.
    """

    number: int
    code: int
    text: str


@attrs.frozen
class Ended:
    """
    The server has ended the session: because we asked it to, or by itself.  It answers nothing any more.
    """


Event = Opened | Accepted | Refused | Ended


class ClientSession:
    """
    One session, from ``open`` to its end.

    :ivar error: why the server makes no sense any more; the connection has to be closed.  What follows is ignored.
    :ivar number: the number of the next frame.
    :ivar _oldest: the number of the first message that has not been answered; all before have.
    :ivar _early: the numbers of those behind it that have.
    :ivar _closing: the number of ``close``, if it was said.
    """

    def __init__(self, first: int = 1, last: int = LAST_NUMBER) -> None:
        """
        :param first: the number of ``open``.  Servers want 1.
        :param last: the largest number that a message may have.
        """
        self.error: RelpError | None = None
        self.number = first
        self._first = first
        self._last = last
        self._state = State.NEW
        self._oldest = first + 1
        self._early: set[int] = set()
        self._closing: int | None = None
        self._rest = Remainder()

    # What we say.

    def open(self) -> bytes:
        """
        Open the session.  Messages may be sent right behind it.
        """
        return self._ask(Step.OPEN, OFFERS)

    def frames(self, payload: bytes, count: int) -> bytes:
        """
        Send messages, which get the numbers from :attr:`number` on.

        :param payload: octet-counted and canonical (see :mod:`logrelay.encoding`): each message with its length
            before it, which is how the data of a RELP frame stand in it too.
        :param count: how many messages it holds; at most :attr:`room`.
        """
        assert count <= self.room, (count, self.room)
        self._move(Step.SYSLOG)
        sizes = THREE_DIGITS
        frames = []
        position, number = 0, self.number
        while position < len(payload):
            size = sizes.get(payload[position : position + 4])
            if size is None:
                start = payload.index(b" ", position) + 1
                end = start + int(payload[position:start])
            else:
                end = position + 4 + size
            frames.append(b"%d syslog %b\n" % (number, payload[position:end]))
            position = end
            number += 1
        assert number == self.number + count, (number, self.number, count)
        self.number = number
        return b"".join(frames)

    def close(self) -> bytes:
        """
        Ask the server to end the session, which it does when it has answered everything before.
        """
        self._closing = self.number
        return self._ask(Step.CLOSE)

    def _ask(self, step: Step, data: bytes = b"") -> bytes:
        """
        Say something that gets the next number.
        """
        self._move(step)
        self.number += 1
        command = step.value
        assert isinstance(command, bytes), step
        return frame(self.number - 1, command, data)

    def _move(self, step: Step) -> None:
        """
        Take a step of our own, which has to be allowed.
        """
        assert step in CLIENT[self._state], (self._state, step)
        self._state = CLIENT[self._state][step]

    @property
    def room(self) -> int:
        """
        How many more messages this session has numbers for.
        """
        return max(0, self._last + 1 - self.number)

    @property
    def ended(self) -> bool:
        """
        Whether it is over: the server answers nothing any more, and is to be told nothing.
        """
        return self._state is State.ENDED

    @property
    def exhausted(self) -> bool:
        """
        Whether it has none left: it has to be closed, and another one opened.
        """
        return self.room == 0

    @property
    def outstanding(self) -> int:
        """
        How many messages have not been answered.
        """
        return max(0, self._end - self._oldest) - len(self._early)

    @property
    def _end(self) -> int:
        """
        The number behind that of the last message.
        """
        return self.number if self._closing is None else self._closing

    # What the server says.

    def receive(self, data: bytes) -> list[Event]:
        """
        Take in what was read.

        :return: what it means, in the order of the server's answers, also what came before an error.
        """
        events: list[Event] = []
        try:
            self._read(data, events)
        except RelpError as error:
            self.error = error
            self._state = State.ENDED
        return events

    def _read(self, data: bytes, events: list[Event]) -> None:
        """
        Go from frame to frame.
        """
        data = b"" if self._state is State.ENDED else self._rest.join(data)
        position = 0
        while position < len(data) and self._state is not State.ENDED:
            run = _RUN.match(data, position)
            if run is not None:
                self._run([int(number) for number in _NUMBER.findall(run[0])], events)
                position = run.end()
                continue
            header = headerAt(data, position)
            if header is None:
                self._rest.keep(data[position:], missing=1)
                return
            if header.end - header.start > MAX_ANSWER:
                raise RelpError(f"an answer of {header.end - header.start} bytes, more than anybody needs")
            if header.end >= len(data):
                self._rest.keep(data[position:], missing=header.end + 1 - len(data))
                return
            checkEnd(data, header)
            self._frame(header, data[header.start : header.end], events)
            position = header.end + 1

    def _run(self, numbers: list[int], events: list[Event]) -> None:
        """
        Take in answers of 200, which nearly always are to the oldest messages, in order.
        """
        first, count = self._oldest, len(numbers)
        inOrder = not self._early and first + count <= self._end and numbers == list(range(first, first + count))
        if inOrder and Step.ANSWERED in CLIENT[self._state]:
            self._heard(Step.ANSWERED)
            self._oldest += count
            _append(events, first, count)
            return
        for number in numbers:
            if self._state is not State.ENDED:
                self._answer(number, b"200 OK", events)

    def _frame(self, header: Header, data: bytes, events: list[Event]) -> None:
        """
        Take in one frame.
        """
        if header.command == b"rsp":
            self._answer(header.number, data, events)
        elif header.number == 0 and header.command == b"serverclose":
            self._heard(Step.SERVERCLOSE)
            events.append(Ended())
        else:
            raise RelpError(f"a frame that is no answer: {header.number} {shown(header.command)}")

    def _answer(self, number: int, data: bytes, events: list[Event]) -> None:
        """
        Take in one answer.
        """
        if number == self._closing:
            self._heard(Step.CLOSED)
            events.append(Ended())
        elif number == self._first:
            self._heard(Step.OPENED)
            _checkOpened(number, data)
            events.append(Opened())
        else:
            self._heard(Step.ANSWERED)
            code, text = _codeIn(number, data)
            self._answered(number)
            if code == 200:
                _append(events, number, 1)
            else:
                events.append(Refused(number, code, text))

    def _heard(self, step: Step) -> None:
        """
        Take a step of the server's.

        :raises RelpError: if it has no place here.
        """
        if step not in CLIENT[self._state]:
            raise RelpError(f"{step.value} where there can't be one: the session is {self._state.value}")
        self._state = CLIENT[self._state][step]

    def _answered(self, number: int) -> None:
        """
        Note that a message has been answered.
        """
        if not self._oldest <= number < self._end or number in self._early:
            raise RelpError(f"an answer to {number}, which is nothing that waits for one")
        self._early.add(number)
        while self._oldest in self._early:
            self._early.remove(self._oldest)
            self._oldest += 1


def _append(events: list[Event], first: int, count: int) -> None:
    """
    Add accepted messages, to the last event where they follow on it.
    """
    last = events[-1] if events else None
    if isinstance(last, Accepted) and last.first + last.count == first:
        events[-1] = Accepted(last.first, last.count + count)
    else:
        events.append(Accepted(first, count))


def _codeIn(number: int, data: bytes) -> tuple[int, str]:
    """
    The code of an answer, and its text.

    :raises RelpError: if it has none.
    """
    match = _ANSWER.match(data)
    if match is None:
        raise RelpError(f"an answer to {number} without a code: {shown(data)}")
    return int(match[1]), shown(match[2] or b"")


def _checkOpened(number: int, data: bytes) -> None:
    """
    Check that a server has opened the session, and takes messages.

    :raises RelpError: if not.
    """
    code, text = _codeIn(number, data)
    if code != 200:
        raise RelpError(f"the server does not open a session: {code} {text}")
    _, _, offers = data.partition(b"\n")
    if b"syslog" not in offersIn(offers).get(b"commands", [b"syslog"]):
        raise RelpError("the server does not take messages: it offers no syslog command")
