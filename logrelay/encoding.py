"""
Payloads: messages to framed bytes and back (RFC 6587).

A payload is canonical in its framing: with LF framing each message is followed by exactly one LF, with octet counting
each has its length before it, in decimal without leading zeros, and one space.  No message is empty or ends in CR, LF
or NUL.  So a payload can be taken apart without checking it, and two of one framing can be joined.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from .batches import MAX_BATCH, Batch, Framing, Origin
from .remembered import Remembered

#: What senders put behind a message and what is not part of it.
TRAILING = b"\r\n\0"

#: Frame headers of three digits, which nearly all messages have, and the lengths they tell.  One look-up in place of
#: a search and a conversion makes walking over frames a third faster.
THREE_DIGITS = {b"%d " % size: size for size in range(100, 1000)}

#: Frame headers by length.  4096: longer messages are few, and each costs much more than its header.
_headers: Remembered[int, bytes] = Remembered(lambda size: b"%d " % size, 4096)

#: A message sent with LF framing must not hold these: receivers split at LF and NUL, and strip CR.
_SPACED = bytes.maketrans(TRAILING, b"   ")
_SPACED_BUT_LF = bytes.maketrans(b"\r\0", b"  ")

#: What was split last, and into what.  A decoder splits what a read has brought, to count it, and just behind it a
#: conversion wants the same pieces: to split is a tenth of what a converted message costs.
_split: tuple[bytes | None, list[bytes]] = None, []


def pieces(lines: bytes) -> list[bytes]:
    """
    Split lines.

    :param lines: end in LF.
    :return: the lines, and behind the last one something empty.  Others get the same list: it must not be changed.
    """
    global _split
    whole, split = _split
    if whole is not lines:
        split = lines.split(b"\n")
        _split = lines, split
    return split


def lineEnds(data: bytes) -> int:
    """
    Count the LFs.  ``bytes.count`` looks at each byte for itself, and takes up to ten times as long as this does.
    """
    return len(data) - len(data.replace(b"\n", b""))


def messagesOf(batch: Batch) -> list[bytes]:
    """
    Take a batch apart, for the few who have to look at each message.
    """
    payload = batch.payload
    if batch.framing is Framing.LF:
        return pieces(payload)[:-1]
    messages = []
    position = 0
    while position < len(payload):
        size = THREE_DIGITS.get(payload[position : position + 4])
        if size is None:
            start = payload.index(b" ", position) + 1
            end = start + int(payload[position:start])
        else:
            start = position + 4
            end = start + size
        messages.append(payload[start:end])
        position = end
    return messages


def partOf(batch: Batch, start: int, end: int) -> Batch:
    """
    The messages of a batch from one place up to another, counted from 0, as a batch; it may be empty.
    """
    messages = messagesOf(batch)
    before, within = (sum(_sizes(part, batch.framing)) for part in (messages[:start], messages[start:end]))
    payload = batch.payload[before : before + within]
    return Batch(payload, len(messages[start:end]), batch.framing, batch.origin)


def _sizes(messages: list[bytes], framing: Framing) -> Iterator[int]:
    """
    How many bytes each message takes when it is framed.
    """
    if framing is Framing.LF:
        return (len(each) + 1 for each in messages)
    return (len(each) + len(_headers[len(each)]) for each in messages)


def batchesOf(
    messages: Iterable[bytes], framing: Framing, origin: Origin, maxMessageSize: int | None = None
) -> list[Batch]:
    """
    Make batches of messages that came one by one: datagrams, records of a program.

    Trailing CR, LF and NUL are stripped, and messages that are empty then are left out.  Sources want
    :attr:`Framing.OCTET_COUNTING`, which holds any message as it is; with :attr:`Framing.LF` each CR, LF and NUL inside
    a message becomes a space.

    :param maxMessageSize: longer messages keep this many bytes of their head; ``None`` for no limit.
    """
    heads = (message[:maxMessageSize].rstrip(TRAILING) for message in messages)
    return encode([head for head in heads if head], framing, origin)


def encode(messages: list[bytes], framing: Framing, origin: Origin) -> list[Batch]:
    """
    Frame messages, none of which is empty or ends in CR, LF or NUL.

    :return: as few batches as hold them, each at most :data:`MAX_BATCH` bytes and one message.
    """
    payload = _framed(messages, framing)
    if len(payload) <= MAX_BATCH:
        return [Batch(payload, len(messages), framing, origin)] if messages else []
    return _cut(payload, list(accumulate(_sizes(messages, framing))), framing, origin)


def batchOf(messages: list[bytes], framing: Framing, origin: Origin) -> Batch:
    """
    Frame messages as one batch, whatever its size: what is left of another one.  It may be empty.
    """
    return Batch(_framed(messages, framing), len(messages), framing, origin)


def _framed(messages: list[bytes], framing: Framing) -> bytes:
    """
    The payload that holds messages.
    """
    if framing is Framing.OCTET_COUNTING:
        headers = _headers
        return b"".join([headers[len(message)] + message for message in messages])
    payload = b"\n".join([*messages, b""])
    if b"\r" in payload or b"\0" in payload or lineEnds(payload) > len(messages):
        payload = b"\n".join([*(message.translate(_SPACED) for message in messages), b""])
    return payload


def reframed(batch: Batch, framing: Framing) -> list[Batch]:
    """
    Bring a batch into another framing; the same batch, if its bytes already are what would be sent.
    """
    if batch.framing is not framing:
        return encode(messagesOf(batch), framing, batch.origin)
    payload = batch.payload
    if framing is Framing.LF and (b"\r" in payload or b"\0" in payload):
        return [Batch(payload.translate(_SPACED_BUT_LF), batch.count, framing, batch.origin)]
    return [batch]


def fits(batch: Batch, limit: int) -> bool:
    """
    Tell whether no message of a batch is longer than ``limit`` bytes, looking at each only if there is need.
    """
    # All but one take at least two bytes each, so this is the longest that one can be.
    if len(batch.payload) - 2 * (batch.count - 1) <= limit:
        return True
    if batch.framing is Framing.LF:
        return not hasLongLine(batch.payload, limit)
    return max(map(len, messagesOf(batch))) <= limit


def hasLongLine(lines: bytes, limit: int) -> bool:
    """
    Tell whether a line is longer than ``limit`` bytes, in leaps of that length.

    :param lines: ends in LF.
    """
    position = 0
    while len(lines) - position > limit + 1:
        position = lines.rfind(b"\n", position, position + limit + 1) + 1
        if not position:
            return True
    return False


def _cut(payload: bytes, ends: list[int], framing: Framing, origin: Origin) -> list[Batch]:
    """
    Cut a payload that is too large for one batch, each time behind the message that fills a batch.

    :param ends: the offset at which each frame ends.
    """
    batches = []
    start = first = 0
    while first < len(ends):
        last = min(bisect_left(ends, start + MAX_BATCH, first), len(ends) - 1)
        batches.append(Batch(payload[start : ends[last]], last + 1 - first, framing, origin))
        start, first = ends[last], last + 1
    return batches
