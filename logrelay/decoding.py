"""
The two decoders: lines, and counted frames (RFC 6587).

Each hands on the bytes it was given wherever they already are a canonical payload, as those of nearly all senders are,
and takes them apart only where not.  It keeps no more than one unfinished message, and that in one buffer: kept as the
pieces that came, a message read byte by byte would take fifty times its size.
"""

from __future__ import annotations

import re

import attrs

from .batches import MAX_BATCH, Batch, Framing, Origin
from .counters import SourceCounters
from .encoding import THREE_DIGITS, TRAILING, hasLongLine, pieces
from .errors import FramingError

#: Where a frame starts: line feeds that do not belong there but do no harm, then the length.  Nine digits: more would
#: not fit 32 bits, and receivers differ on them.
_HEADER = re.compile(rb"\n*+([0-9]{1,9}+) ")
_HEADER_BEGUN = re.compile(rb"\n*+[0-9]{0,9}+\Z")

#: A frame is canonical if its first byte is above the one, and its last above the other; so are nearly all.
_ZERO, _CR = b"0\r"


def _portions(data: bytes) -> list[bytes]:
    """
    Cut what was read so that none of it, joined to an unfinished message, makes too large a batch.
    """
    if len(data) <= MAX_BATCH:
        return [data]
    return [data[start : start + MAX_BATCH] for start in range(0, len(data), MAX_BATCH)]


@attrs.define
class LineDecoder:
    """
    LF framing.

    :ivar _rest: the beginning of a line whose end has not come.  It takes one byte more than a message may have, which
        is what tells that the line is too long, and none after that.
    """

    _origin: Origin
    _maxMessageSize: int
    _counters: SourceCounters
    _rest: bytearray = attrs.field(factory=bytearray)
    error: FramingError | None = None

    @property
    def held(self) -> int:
        return len(self._rest)

    def decode(self, data: bytes) -> list[Batch]:
        self._counters.receivedBytes += len(data)
        return [batch for piece in _portions(data) for batch in self._decode(piece)]

    def finish(self) -> list[Batch]:
        return self._decode(b"\n") if self._rest else []

    def _decode(self, data: bytes) -> list[Batch]:
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return []
        if self._rest:
            lines = b"".join((self._rest, memoryview(data)[:end]))
            self._rest.clear()
        else:
            lines = data[:end]
        self._keep(data[end:])
        batches = self._batches(lines)
        self._counters.received += sum(batch.count for batch in batches)
        return batches

    def _keep(self, data: bytes) -> None:
        self._rest += data[: self._maxMessageSize + 1 - len(self._rest)]

    def _batches(self, lines: bytes) -> list[Batch]:
        # To split costs no more than to count, since both look at every byte, and it shows empty lines too.
        messages = pieces(lines)
        count = messages.index(b"")
        odd = b"\r" in lines or b"\0" in lines or count < len(messages) - 1
        if odd or hasLongLine(lines, self._maxMessageSize):
            return self._cleaned(messages)
        return [Batch(lines, count, Framing.LF, self._origin)]

    def _cleaned(self, messages: list[bytes]) -> list[Batch]:
        limit = self._maxMessageSize
        if max(map(len, messages)) > limit:
            self._counters.overlong += sum(len(message) > limit for message in messages)
            messages = [message[:limit] for message in messages]
        messages = [kept for message in messages if (kept := message.rstrip(TRAILING))]
        if not messages:
            return []
        return [Batch(b"\n".join((*messages, b"")), len(messages), Framing.LF, self._origin)]


@attrs.define
class CountDecoder:
    """
    Octet counting.

    :ivar _rest: the beginning of a frame whose end has not come.
    :ivar _missing: how many bytes have to come, at least, before it is of use to look at it again.
    """

    _origin: Origin
    _maxMessageSize: int
    _counters: SourceCounters
    _rest: bytearray = attrs.field(factory=bytearray)
    _missing: int = 0
    error: FramingError | None = None

    @property
    def held(self) -> int:
        return len(self._rest)

    def decode(self, data: bytes) -> list[Batch]:
        if self.error is not None:
            return []
        self._counters.receivedBytes += len(data)
        return [batch for piece in _portions(data) for batch in self._decode(piece)]

    def finish(self) -> list[Batch]:
        if self._rest:
            self._counters.incomplete += 1
            self._rest.clear()
        return []

    def _decode(self, data: bytes) -> list[Batch]:
        if self.error is not None:
            return []
        if self._rest:
            if len(data) < self._missing:
                self._rest += data
                self._missing -= len(data)
                return []
            data = b"".join((self._rest, data))
            self._rest.clear()
        payload, count = self._walk(data)
        self._counters.received += count
        return [Batch(payload, count, Framing.OCTET_COUNTING, self._origin)] if count else []

    def _walk(self, data: bytes) -> tuple[bytes, int]:
        """
        Go from frame to frame, and keep what lies behind the last whole one.

        :return: the frames' canonical payload, and how many they are.
        """
        parts: list[bytes] = []  # the payload up to ``passed``, where some frame had to be put right
        passed = position = count = 0
        while position < len(data):
            size = THREE_DIGITS.get(data[position : position + 4])
            start = position + 4
            if size is None:
                header = _HEADER.match(data, position)
                if header is None:
                    self._headerFrom(data, position)
                    break
                size = int(header[1])
                start = header.end()
            end = start + size
            if size > self._maxMessageSize:
                self._fail(f"a frame of {size} bytes, more than max-message-size ({self._maxMessageSize})")
                break
            if end > len(data):
                self._keep(data[position:], missing=end - len(data))
                break
            if data[position] > _ZERO and data[end - 1] > _CR:
                count += 1
            else:
                frame = _canonical(data[start:end])
                parts += (data[passed:position], frame)
                passed = end
                count += bool(frame)
            position = end
        parts.append(data[passed:position])
        return b"".join(parts), count

    def _headerFrom(self, data: bytes, position: int) -> None:
        """
        Keep the beginning of a frame's header; there is no whole one here.
        """
        if _HEADER_BEGUN.match(data, position):
            self._keep(data[position:], missing=1)
        else:
            self._fail(f"no octet count: {data[position : position + 10]!r}")

    def _keep(self, data: bytes, missing: int) -> None:
        """
        Keep the beginning of a frame.
        """
        self._rest += data.lstrip(b"\n")
        self._missing = missing

    def _fail(self, reason: str) -> None:
        """
        The stream makes no sense from here on.
        """
        self._counters.badFrames += 1
        self.error = FramingError(reason)


def _canonical(message: bytes) -> bytes:
    """
    Frame a message without what trails it; nothing, if there is nothing else.
    """
    message = message.rstrip(TRAILING)
    return b"%d %b" % (len(message), message) if message else b""
