"""
Formats: what a destination wants its messages to be like, and the conversion of whole batches into that.

What already is as wanted passes byte for byte, as the same batch.  What is in the other format is converted; what has
a PRI but no header that we know becomes the text under a new header, and so does what has no PRI at all.  What begins
with ``<`` and is neither is left alone, since a wrong guess would do more harm than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

import attrs

from .batches import Batch, Framing
from .conversion import Rewritten, ToRFC3164, ToRFC5424
from .encoding import batchesOf, encode, fits, messagesOf, reframed
from .stamping import Numbering, Stamper

#: A character of UTF-8 that has begun but not ended; and how one goes on.
_BEGUN = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
_CONTINUED = re.compile(rb"[\x80-\xbf]")

#: Conversion makes a message longer by less than this, in bytes: by a PRI, a timestamp, a host of up to 255 bytes, and
#: a mark that numbers it.
GROWTH = 600


@attrs.frozen
class Form:
    """
    What a destination wants its messages to be like.  Destinations that want the same share converted batches.

    :ivar format: ``rfc5424``, ``rfc3164`` or ``as-is``.
    :ivar framing: how they are told apart on the wire.
    :ivar maxMessageSize: how long a message may be, in bytes, after conversion and with its stamp.
    :ivar oversize: what becomes of longer ones: ``truncate`` or ``drop``.
    :ivar stamp: the name of the element that numbers each message; empty for none.
    """

    format: str
    framing: Framing
    maxMessageSize: int = 65536
    oversize: str = "truncate"
    stamp: str = ""


@attrs.frozen
class Converted:
    """
    What became of a batch.

    :ivar batches: the messages in the form wanted.
    :ivar unparsed: how many of them are unchanged because they begin with ``<`` but are of no known format.  To be
        counted once for a source, however many forms are wanted of it.
    :ivar truncated: how many were cut, being too long.
    :ivar dropped: how many were given up, being too long.
    """

    batches: list[Batch]
    unparsed: int = 0
    truncated: int = 0
    dropped: int = 0


class Converter:
    """
    Brings batches into one form.
    """

    def __init__(self, form: Form, numbering: Numbering | None = None) -> None:
        """
        :param numbering: what stamps are numbered by; a form without a stamp needs none.
        """
        self.form = form
        self._rewriter = _REWRITERS[form.format]()
        self._stamper: Stamper | None = None
        if form.stamp:
            assert numbering is not None, "a stamp needs numbers"
            self._stamper = Stamper(form.stamp, numbering)

    def convert(self, batch: Batch, now: float) -> Converted:
        """
        Bring a batch into the form.

        :param now: seconds since the epoch: when it arrived.
        """
        framing, limit = self.form.framing, self.form.maxMessageSize
        rewritten = self._rewriter.rewrite(batch, now)
        messages = rewritten.messages
        if self._stamper is not None:
            messages = self._stamper.stamped(messagesOf(batch) if messages is None else messages)
        if messages is None:
            batches = reframed(batch, framing)
            if all(fits(each, limit) for each in batches):
                return Converted(batches, rewritten.unparsed)
            messages = [message for each in batches for message in messagesOf(each)]
        elif fits(batch, limit - GROWTH) or max(map(len, messages)) <= limit:
            return Converted(encode(messages, framing, batch.origin), rewritten.unparsed)
        tooLong = sum(len(message) > limit for message in messages)
        if self.form.oversize == "drop":
            kept = [message for message in messages if len(message) <= limit]
            return Converted(encode(kept, framing, batch.origin), rewritten.unparsed, dropped=tooLong)
        cut = batchesOf((shortened(message, limit) for message in messages), framing, batch.origin)
        gone = len(messages) - sum(each.count for each in cut)  # their heads were nothing but line ends
        return Converted(cut, rewritten.unparsed, tooLong - gone, gone)


class _AsIs:
    """
    Changes nothing.
    """

    def rewrite(self, batch: Batch, now: float) -> Rewritten:
        return Rewritten(None, 0)


class _Rewriter(Protocol):
    """
    Brings messages into one format.
    """

    def rewrite(self, batch: Batch, now: float) -> Rewritten:
        """
        Rewrite those messages of a batch that are not in the format.
        """


_REWRITERS: dict[str, Callable[[], _Rewriter]] = {"rfc5424": ToRFC5424, "rfc3164": ToRFC3164, "as-is": _AsIs}


def shortened(message: bytes, limit: int) -> bytes:
    """
    Cut a message to at most ``limit`` bytes, before a character of UTF-8 rather than through it.
    """
    head = message[:limit]
    begun = _BEGUN.search(head, max(limit - 3, 0))
    if begun and _CONTINUED.match(message, limit):
        return head[: begun.start()]
    return head
