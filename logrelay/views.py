"""
What can be known of a connection from outside its protocol; and what of one of which nothing is.
"""

from __future__ import annotations

import sys

import attrs
from zope.interface import Attribute, Interface, implementer

from .liveness import Sample


class IConnectionView(Interface):
    """
    What can be known of one connection from outside its protocol.
    """

    admitted: bool = Attribute("Whether the server is known to have taken us, where TLS leaves that open.")
    roundTrip: float = Attribute("The smoothed round-trip time in seconds; 0 where it is not known.")

    def sample() -> Sample:
        """
        What is known now, in bytes as they are on the wire.
        """

    def plain(offset: int) -> int:
        """
        How many bytes of the protocol's own stream lie wholly within ``offset`` bytes on the wire.
        """

    def guard(limit: float) -> None:
        """
        Have the kernel give the connection up when the peer has acknowledged nothing for ``limit`` seconds, in case
        nobody here does; 0: never.
        """

    def undecided() -> bool:
        """
        After the end: whether it cannot be told yet how it ended, since our own end is still under way.  A reset that
        answers it tells that the peer had not read everything.
        """

    def reason() -> str | None:
        """
        After the end: why the kernel says that it ended (``eof``, ``reset``, ``ack-timeout``, ``keepalive``,
        ``unreachable``); ``None`` if it does not know.
        """

    def drained() -> bool:
        """
        After an end that we began: whether everything reached the peer, our own end included, and the peer then ended
        too, without a reset.
        """

    def emptied() -> bool:
        """
        After an end that the peer began: whether it is certain that it had read all that its kernel had acknowledged.
        """

    def close() -> None:
        """
        Let go of what the view holds.  Always to be called.
        """


@implementer(IConnectionView)
@attrs.define(eq=False)
class BlindView:
    """
    The view of a transport that is no TCP socket: whatever was written counts as acknowledged.
    """

    admitted: bool = False
    roundTrip: float = 0.0

    def sample(self) -> Sample:
        """
        Nothing is ever known to be outstanding.
        """
        return Sample(taken=sys.maxsize, acked=sys.maxsize, closed=False)

    def guard(self, limit: float) -> None:
        """
        Nobody watches.
        """

    def undecided(self) -> bool:
        """
        Nothing more will be known.
        """
        return False

    def plain(self, offset: int) -> int:
        """
        The offset itself.
        """
        return offset

    def reason(self) -> str | None:
        """
        Not known.
        """
        return None

    def drained(self) -> bool:
        """
        Not known to be otherwise.
        """
        return True

    def emptied(self) -> bool:
        """
        Not known.
        """
        return False

    def close(self) -> None:
        """
        Nothing is held.
        """
