"""
The contract of a store: the only queue between sources and servers.

A store is one ordered list of batches with cursors in it, each a count of batches since the store began:

    settled <= acked <= sent <= end

``append`` moves *end*, ``next`` moves *sent*, ``settle`` moves *settled* and lets go of what lies before it.
``rewind`` moves *sent* back to *settled*: nothing is ever put back in, so replayed and new messages cannot change
places.  ``acked`` only serves ``drop-oldest``, which gives up first what a server's kernel already has.

Reading may be late: a store on disk hands out a batch only when it is durable.  So a reader asks ``next`` until it
answers ``None``, and is told through ``onReadable`` when to ask again.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Attribute, Interface

from .batches import Batch

#: Told whether a batch was accepted (durably, where the store is on disk) or dropped.
Accepted = Callable[[bool], None]

#: Told that no crash of the relay can lose a batch any more: it has settled, is durable on disk, or was given up.
Secured = Callable[[], None]


class IStore(Interface):
    """
    One ordered list of batches, from acceptance to settlement.
    """

    durable: bool = Attribute("Whether what was accepted survives a crash of the relay.")
    settled: int = Attribute("How many batches have been settled or given up: the position of the first one kept.")
    acked: int = Attribute("Everything before this position is in a server's kernel; a rewind moves it back, too.")
    sent: int = Attribute("How many batches have been handed out since the last rewind, counted from the beginning.")
    end: int = Attribute("How many batches have been accepted.")
    cost: int = Attribute("Bytes of memory in use, what ``hold`` added included up to a share of the store.")
    messages: int = Attribute("How many messages have neither settled nor been given up.")
    unsent: int = Attribute("How many messages have not been handed out, or not since the last rewind.")
    full: bool = Attribute("Whether ``onFull`` was the last of it and ``onRoom`` that was called.")
    crowded: bool = Attribute("Whether the cost has reached the high mark, whatever it consists of.")
    arriving: int = Attribute("How many batches have been appended and not been answered yet.")
    onReadable: Callable[[], None] = Attribute("Called when ``next`` may have something again.")
    onSettled: Callable[[], None] = Attribute("Called when the settled cursor has moved.")
    onFull: Callable[[], None] = Attribute("Called when the high mark is reached and a server could make room.")
    onRoom: Callable[[], None] = Attribute("Called when, after that, the low mark is reached, or no server could.")

    def append(batch: Batch, accepted: Accepted | None = None) -> None:
        """
        Take a batch in, or drop it by the overflow policy, and say which through ``accepted``.
        """

    def whenTaken(taken: Callable[[], None]) -> None:
        """
        Call something when every ``append`` so far has been answered; at once, if that is so.
        """

    def next() -> Batch | None:
        """
        Hand out the next batch that has not been sent, and count it as sent.
        """

    def peek(position: int) -> Batch | None:
        """
        Look at the batch at a position that has not settled; ``None`` if there is none, or it is not at hand.
        """

    def amend(position: int, batch: Batch) -> None:
        """
        Put what is left of a batch in its place, after some of its messages have settled or were set aside.  The batch
        must not be out: ``position`` is at ``sent`` or behind it.
        """

    def acknowledge(position: int) -> None:
        """
        Note that everything before ``position``, which must have been sent, is in a server's kernel.  Positions
        already passed are no error.
        """

    def settle(position: int) -> None:
        """
        Let go of everything before ``position``, which must have been sent.  Positions already passed are no error.
        """

    def rewind() -> int:
        """
        Hand out again everything that was sent and has not settled.

        :return: how many messages that is.
        """

    def hold(delta: int) -> None:
        """
        Count ``delta`` more (or fewer) bytes of memory that are not in batches: the decoders' remainders.
        """
