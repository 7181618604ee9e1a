"""
What the tests of RELP share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from logrelay.batches import Batch, Framing, Origin
from logrelay.encoding import batchesOf, messagesOf
from logrelay.relpframes import OFFERS, frame
from logrelay.relpserver import Messages

ORIGIN = Origin("relp", b"192.0.2.1")

#: How every session begins.
OPEN = frame(1, b"open", OFFERS)
OPENED = frame(1, b"rsp", b"200 OK\n" + OFFERS)


def batched(messages: Iterable[bytes]) -> Batch | None:
    """
    Some messages as a batch; ``None`` if they all are empty.
    """
    batches = batchesOf(messages, Framing.OCTET_COUNTING, ORIGIN)
    assert len(batches) <= 1
    return batches[0] if batches else None


def taken(event: Messages) -> list[bytes]:
    """
    The messages that a server's session has taken.
    """
    messages = messagesOf(Batch(event.payload, event.messages, Framing.OCTET_COUNTING, ORIGIN))
    assert len(messages) == event.messages
    return messages


def chunks(data: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """
    Cut data into pieces of these lengths, and a last one.
    """
    position = 0
    for length in lengths:
        yield data[position : position + length]
        position += length
    yield data[position:]


def syslogs(first: int, *messages: bytes) -> bytes:
    """
    Messages as a client sends them.
    """
    return b"".join(frame(number, b"syslog", message) for number, message in enumerate(messages, first))


def answers(*numbers: int, text: bytes = b"200 OK") -> bytes:
    """
    Answers to messages.
    """
    return b"".join(frame(number, b"rsp", text) for number in numbers)
