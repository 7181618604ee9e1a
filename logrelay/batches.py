"""
Batches: what flows through the relay.

A batch is what one read of a source brought, cut at the last whole message: some bytes and a count.  The relay
handles batches and never makes an object for each message; that is why it is fast.
"""

from __future__ import annotations

from enum import Enum

import attrs

#: A batch holds at most this many bytes, and one message more.  Large enough that the cost of a batch vanishes
#: beside that of its bytes, small enough that resending a whole one costs little.
MAX_BATCH = 64 * 1024

#: Sources of streams fill a batch with so many bytes of what they read.  It may have more by what conversion adds to
#: messages of 150 bytes and longer, or nearly each would become two.
FILL = 56 * 1024

#: What a batch that is under way takes besides its payload, in bytes.  Measured, with CPython 3.11 on 64-bit Linux, as
#: growth of the resident memory over many small batches: 130 for the batch, the payload's object and the store's slot;
#: 210 for the window's entry, its numbers and its slot; and up to 20 for what the allocator rounds up.
OVERHEAD = 360


class Framing(Enum):
    """
    How messages are told apart in a stream (RFC 6587).
    """

    LF = "lf"
    OCTET_COUNTING = "octet-counting"


@attrs.frozen
class Origin:
    """
    Where messages came from: what a missing header field is filled from, and who is told of a loss.

    :ivar source: the name of the source in the configuration.
    :ivar host: what stands for a missing host: our own name for local sources, the peer's numeric address for
        network ones.
    :ivar local: whether the messages are as programs write them to ``/dev/log``, without a host field.
    :ivar pausable: whether the source can be made to wait.  What cannot (datagrams, threads) loses its newest
        messages when a store is full.
    :ivar answered: whether its sender is told what became of them, as with RELP.  What it was told to be taken must
        not be dropped for lack of room; it waits instead, whatever the policy.
    """

    source: str
    host: bytes
    local: bool = False
    pausable: bool = True
    answered: bool = False


@attrs.frozen
class Batch:
    """
    Some whole messages, as the bytes that hold them.

    :ivar payload: the messages, each one framed: with a trailing LF, or with its octet count before it.  No
        message in it is empty or ends in CR, LF or NUL.
    :ivar count: how many messages it holds; at least 1.
    :ivar framing: how they are framed.  Needed, since a counted message may hold LF.
    :ivar origin: where they came from.
    """

    payload: bytes
    count: int
    framing: Framing
    origin: Origin

    @property
    def cost(self) -> int:
        """
        The memory that this batch takes from acceptance to settlement, in bytes: the payload and what is around it.
        """
        return len(self.payload) + OVERHEAD
