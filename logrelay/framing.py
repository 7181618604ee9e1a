"""
Framing: from what a stream brings, cut anywhere, to batches of whole messages (RFC 6587).

With LF framing a message ends at LF.  With octet counting it has its length before it (``5 hello``).  Which of the two
a peer speaks is told from its first bytes, where the configuration does not say.
"""

from __future__ import annotations

import re
from typing import Protocol

import attrs

from .batches import Batch, Framing, Origin
from .counters import SourceCounters
from .decoding import CountDecoder, LineDecoder
from .encoding import batchesOf, messagesOf
from .errors import FramingError

__all__ = ["Decoder", "batchesOf", "decoderFor", "messagesOf"]

#: How a stream of counted frames begins, and how it may yet be going to.
_COUNT = re.compile(rb"[0-9]{1,9} ")
_DIGITS = re.compile(rb"[0-9]{0,9}")


class Decoder(Protocol):
    """
    Takes one stream apart.  It never raises, and never keeps more than one message of the longest allowed.
    """

    @property
    def held(self) -> int:
        """
        The bytes of an unfinished message that are kept.
        """

    @property
    def error(self) -> FramingError | None:
        """
        Why the stream makes no sense any more; the connection has to be closed.  What follows is ignored.
        """

    def decode(self, data: bytes) -> list[Batch]:
        """
        Take in what was read.

        :return: the messages completed by it, also those before an error.
        """

    def finish(self) -> list[Batch]:
        """
        Take note that the stream has ended.

        :return: the last line, where it has no LF.  An unfinished counted frame is dropped, and counted.
        """


def decoderFor(framing: Framing | None, origin: Origin, maxMessageSize: int, counters: SourceCounters) -> Decoder:
    """
    Make the decoder for one connection.

    :param framing: ``None`` to tell it from the first bytes.
    :param origin: what every batch of this connection bears.
    :param maxMessageSize: longer lines keep this many bytes of their head; longer counted frames are an error.
    :param counters: what is counted: ``received``, ``receivedBytes``, ``overlong``, ``badFrames``, ``incomplete``.
    """
    if framing is None:
        return _AutoDecoder(origin, maxMessageSize, counters)
    if framing is Framing.LF:
        return LineDecoder(origin, maxMessageSize, counters)
    return CountDecoder(origin, maxMessageSize, counters)


@attrs.define
class _AutoDecoder:
    """
    Leaves the work to one of the others as soon as it knows which: one to nine digits and a space at the very
    beginning mean octet counting, anything else LF.
    """

    _origin: Origin
    _maxMessageSize: int
    _counters: SourceCounters
    _head: bytes = b""
    _chosen: Decoder | None = None

    @property
    def held(self) -> int:
        return len(self._head) if self._chosen is None else self._chosen.held

    @property
    def error(self) -> FramingError | None:
        return None if self._chosen is None else self._chosen.error

    def decode(self, data: bytes) -> list[Batch]:
        if self._chosen is None:
            self._head = data = self._head + data
            if _DIGITS.fullmatch(data):
                return []
            framing = Framing.OCTET_COUNTING if _COUNT.match(data) else Framing.LF
            return self._choose(framing).decode(data)
        return self._chosen.decode(data)

    def finish(self) -> list[Batch]:
        chosen = self._chosen
        if chosen is None:
            # Nothing but digits: the beginning of a frame, not a message.
            head = self._head
            chosen = self._choose(Framing.OCTET_COUNTING)
            chosen.decode(head)
        return chosen.finish()

    def _choose(self, framing: Framing) -> Decoder:
        self._head = b""
        self._chosen = decoderFor(framing, self._origin, self._maxMessageSize, self._counters)
        return self._chosen
