"""
The server's side of a RELP session, without I/O: bytes to messages, and answers to bytes.
"""

from __future__ import annotations

import attrs

from .batches import FILL
from .encoding import THREE_DIGITS, TRAILING
from .errors import RelpError
from .relp import SERVER, State, Step
from .relpframes import MAX_NUMBER, OFFERS, Header, Remainder, checkEnd, frame, headerAt, offersIn, shown

#: The most data that ``open`` may have, in bytes: librelp allows some dozens of offers of up to 288 bytes each.
MAX_REQUEST = 64 * 1024

_COMMANDS = {step.value: step for step in (Step.OPEN, Step.SYSLOG, Step.CLOSE)}
_END = frame(0, b"serverclose")
_CR = ord("\r")


@attrs.frozen
class Messages:
    """
    Messages with consecutive numbers, which wait for an answer.

    :ivar first: the number of the first; behind the largest comes 1.
    :ivar count: how many numbers they take, those of empty messages included.
    :ivar payload: the messages, octet-counted and canonical (see :mod:`logrelay.encoding`).
    :ivar messages: how many are in the payload: all but the empty ones.
    """

    first: int
    count: int
    payload: bytes
    messages: int


@attrs.frozen
class Reply:
    """
    The session answers by itself.

    :ivar data: to be written, before what is written later.
    """

    data: bytes


@attrs.frozen
class Closing:
    """
    The client wants to end the session: answer what has not been answered, and then end it.
    """


Event = Messages | Reply | Closing


class ServerSession:
    """
    One session, from the first byte to its end.

    :ivar error: why the client makes no sense any more; the session has to be ended.  What follows is ignored.
    :ivar alone: messages of more bytes than this come in events of their own.
    :ivar overlong: how many messages were too long, and have lost what was too much.
    :ivar _number: the number that the next frame must have.
    :ivar _discard: how many bytes of an overlong message have to come yet, and are of no use.
    :ivar _frames: the messages of the event in the making, each with its length before it; ``_taken`` is how many
        numbers they take.
    """

    def __init__(self, maxMessageSize: int, alone: int | None = None, first: int = 1) -> None:
        """
        :param maxMessageSize: longer messages keep this many bytes of their head.
        :param alone: messages of more bytes than this come in events of their own, so that each can be answered by
            itself; ``None``: none do.
        :param first: the number of the first frame.  Clients begin with 1.
        """
        self.error: RelpError | None = None
        self.overlong = 0
        self._maxMessageSize = maxMessageSize
        self.alone = maxMessageSize if alone is None else alone
        self._number = first
        self._state = State.NEW
        self._closing: int | None = None
        self._rest = Remainder()
        self._discard = 0
        self._frames: list[bytes] = []
        self._taken = 0

    @property
    def held(self) -> int:
        """
        The bytes of an unfinished frame that are kept.
        """
        return len(self._rest)

    # What the client says.

    def receive(self, data: bytes) -> list[Event]:
        """
        Take in what was read.

        :return: what it means, in order, also what came before an error.  Messages of one read come together, as far as
            they fit a batch (:data:`logrelay.batches.FILL`, and one message).
        """
        events: list[Event] = []
        try:
            for start in range(0, len(data), FILL):
                self._read(data[start : start + FILL], events)
                self._flush(events)
        except RelpError as error:
            self._flush(events)
            self.error = error
        return events

    def _read(self, data: bytes, events: list[Event]) -> None:
        """
        Go from frame to frame.
        """
        if self.error is not None or self._state is State.ENDED:
            return
        if self._discard:
            gone = min(self._discard, len(data))
            self._discard -= gone
            data = data[gone:]
        data = self._rest.join(data)
        position: int | None = 0
        while position is not None and position < len(data):
            if self._state is State.OPEN:
                position = self._plain(data, position)
            position = self._frame(data, position, events)

    def _plain(self, data: bytes, position: int) -> int:
        """
        Take messages as nearly all are, as long as they are: 100 to 999 bytes, and nothing behind that is not part of
        them.

        :return: where something else begins.
        """
        sizes, add = THREE_DIGITS, self._frames.append
        number = first = self._number
        while True:
            header = b"%d syslog " % number
            start = position + len(header)
            size = sizes.get(data[start : start + 4])
            if size is None or size > self.alone or size > self._maxMessageSize or number == MAX_NUMBER:
                break
            end = start + 4 + size
            if data[position:start] != header or data[end : end + 1] != b"\n" or data[end - 1] <= _CR:
                break
            add(data[start:end])
            position = end + 1
            number += 1
        self._number = number
        self._taken += number - first
        return position

    def _frame(self, data: bytes, position: int, events: list[Event]) -> int | None:
        """
        Take one frame, whatever it is.

        :return: where the next one begins; ``None``, if there is no whole one.
        """
        header = headerAt(data, position)
        if header is None:
            self._rest.keep(data[position:], missing=1)
            return None
        step = self._step(header)
        if header.end >= len(data):
            self._keep(data, position, header)
            return None
        checkEnd(data, header)
        if step is Step.SYSLOG and self._state is State.OPEN:
            self._message(data[header.start : header.end], events)
        else:
            self._flush(events)
            self._command(step, header.number, data[header.start : header.end], events)
            self._number = _following(header.number)
        self._state = SERVER[self._state][step]
        return header.end + 1

    def _step(self, header: Header) -> Step:
        """
        What a frame is, and whether it may be that.
        """
        if header.number != self._number:
            raise RelpError(f"the transaction number {header.number} where {self._number} was due")
        step = _COMMANDS.get(header.command)
        if step is None:
            raise RelpError(f"an unknown command: {shown(header.command)}")
        if step not in SERVER[self._state]:
            raise RelpError(f"the command {shown(header.command)} while the session is {self._state.value}")
        if step is not Step.SYSLOG and header.end - header.start > MAX_REQUEST:
            raise RelpError(f"{shown(header.command)} with {header.end - header.start} bytes, more than it can need")
        return step

    def _keep(self, data: bytes, position: int, header: Header) -> None:
        """
        Keep a frame whose end has not come.  From one that is too long a shorter one is made, as soon as that is here.
        """
        head = header.start + self._maxMessageSize
        if header.command != Step.SYSLOG.value or header.end <= head:
            self._rest.keep(data[position:], missing=header.end + 1 - len(data))
        elif len(data) < head:
            self._rest.keep(data[position:], missing=head - len(data))
        else:
            self.overlong += 1
            self._discard = header.end - len(data)
            size = self._maxMessageSize
            self._rest.keep(b"%d syslog %d %b" % (header.number, size, data[header.start : head]), missing=1)

    def _message(self, message: bytes, events: list[Event]) -> None:
        """
        Take one message.
        """
        if len(message) > self._maxMessageSize:
            self.overlong += 1
            message = message[: self._maxMessageSize]
        message = message.rstrip(TRAILING)
        alone = len(message) > self.alone
        if alone:
            self._flush(events)
        if message:
            self._frames.append(b"%d %b" % (len(message), message))
        self._taken += 1
        self._number = _following(self._number)
        if alone:
            self._flush(events)

    def _flush(self, events: list[Event]) -> None:
        """
        Finish the event in the making.
        """
        if self._taken:
            first = (self._number - self._taken - 1) % MAX_NUMBER + 1
            events.append(Messages(first, self._taken, b"".join(self._frames), len(self._frames)))
            self._frames.clear()
            self._taken = 0

    def _command(self, step: Step, number: int, data: bytes, events: list[Event]) -> None:
        """
        Take what is no message of an open session.
        """
        if step is Step.CLOSE:
            self._closing = number
            events.append(Closing())
        elif step is Step.SYSLOG:
            events.append(Reply(self.answer(number, 1, 500, "the session is not open")))
        elif b"syslog" in offersIn(data).get(b"commands", []):
            events.append(Reply(frame(number, b"rsp", b"200 OK\n" + OFFERS)))
        else:
            events.append(Reply(self.answer(number, 1, 500, "the client offers no syslog command")))
            raise RelpError("a client that can't send messages: it offers no syslog command")

    # What we say.

    def answer(self, first: int, count: int, code: int = 200, text: str = "OK") -> bytes:
        """
        Answer messages with consecutive numbers.  Answers may be given in any order.

        :param text: for people: one line of at most 80 bytes.
        """
        data = f"{code} {text}".encode()
        answer = b"%%d rsp %d %b\n" % (len(data), data.replace(b"%", b"%%"))
        if first + count <= MAX_NUMBER + 1:
            return b"".join([answer % number for number in range(first, first + count)])
        return b"".join([answer % ((number - 1) % MAX_NUMBER + 1) for number in range(first, first + count)])

    def end(self) -> bytes:
        """
        End the session: answer ``close``, if the client has said so, and say that this was all.
        """
        if self._state is State.ENDED:
            return b""
        self._state = SERVER[self._state][Step.SERVERCLOSE]
        return (b"" if self._closing is None else frame(self._closing, b"rsp")) + _END


def _following(number: int) -> int:
    """
    The transaction number behind another.
    """
    return number % MAX_NUMBER + 1
