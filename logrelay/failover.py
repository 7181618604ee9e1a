"""
What a client factory and those around it talk about: how to rotate, what state it is in, what it tells.
"""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from zope.interface import Interface

from .config import FailbackSettings
from .link import Link

#: Why a connection is ended that is to be made again to the same server, so that everything sent on it settles.
CHECKPOINT = "checkpoint"

#: Why a connection is ended since the stream moves to the primary.
FAILBACK = "failback"

#: Why a connection is ended since there is another configuration, by which it would not have been made.
RELOAD = "reload"

#: Why a connection is ended since an operator wants another server.
OPERATOR = "operator"

#: Why a connection is ended since the factory stops.
FINISHED = "finished"


@attrs.frozen
class Policy:
    """
    How to rotate.  Times are in seconds.

    :ivar failoverDelay: between two attempts of one round.
    :ivar timeReopen: the longest wait after a round.
    :ivar drainTimeout: how long a server may take to end its side of a connection.
    :ivar keepalive: TCP keepalive: idle time, interval, number of probes; ``None``: the system's choice.
    :ivar failback: how to return to the primary; ``None``: stay.
    """

    failoverDelay: float = 0
    timeReopen: float = 60
    drainTimeout: float = 5
    keepalive: tuple[int, int, int] | None = (5, 2, 3)
    failback: FailbackSettings | None = None


class IGreeting(Interface):
    """
    A protocol factory that wants more of a server than that it can be connected to.
    """

    def greet(link: Link) -> Deferred[None]:
        """
        Have the server show that it is what it should be, on a connection that a probe made and the stream may go on
        over later.

        :return: fires when it has; it may be cancelled.
        """


class FailoverObserver:
    """
    Told what a factory does; servers are named by their place in the list.  Override what is of interest.  Whatever is
    raised here is logged, and changes nothing.
    """

    def attempted(self, server: int) -> None:
        """
        An attempt begins.
        """

    def attemptFailed(self, server: int, reason: str, text: str) -> None:
        """
        It came to nothing, or its connection ended before it was proved.
        """

    def connected(self, server: int, link: Link, reason: str) -> None:
        """
        A connection stands and is used from now on.

        :param reason: why the last one ended; ``start`` if there was none.
        """

    def lost(self, server: int, link: Link) -> None:
        """
        A proved connection ended, other than by our wish; ``link.ending`` says how.
        """

    def roundFailed(self, server: int, wait: float) -> None:
        """
        No server could be used; ``server`` is tried after ``wait`` seconds.
        """

    def probing(self) -> None:
        """
        A probe of the primary begins.
        """

    def probed(self, good: int, required: int) -> None:
        """
        The primary answered as it should.
        """

    def probeFailed(self, reason: str, text: str) -> None:
        """
        The primary did not.
        """


@attrs.frozen
class Idle:
    """
    Not started, or stopped.
    """

    since: float


@attrs.frozen
class Waiting:
    """
    Between two attempts.

    :ivar until: when the next one is made.
    """

    until: float


@attrs.frozen
class Connecting:
    """
    An attempt is under way.
    """

    since: float


@attrs.frozen
class Connected:
    """
    A connection is in use.
    """

    link: Link
    since: float


@attrs.frozen
class Returning:
    """
    The failover's connection is being ended, for the primary's that stands already.
    """

    link: Link
    primary: Link
    since: float


State = Idle | Waiting | Connecting | Connected | Returning
