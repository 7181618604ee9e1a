"""
What the tests of the ways in for a program share: a route that answers, and a clock that turns.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from logrelay.batches import Batch, Framing, Origin
from logrelay.counters import SourceCounters
from logrelay.encoding import messagesOf
from logrelay.routing import IRoute
from logrelay.store import Accepted, Secured
from logrelay.throttle import Throttle

ORIGIN = Origin("program", b"host")


@implementer(IRoute)
class AnsweringRoute:
    """
    Keeps every message, and says what it is to say of it.

    :ivar taken: what it answers.
    :ivar onDeliver: called after each batch.
    """

    def __init__(self) -> None:
        self.certain = 65536
        self.messages: list[bytes] = []
        self.framings: list[Framing] = []
        self.held = 0
        self.taken = True
        self.onDeliver: Callable[[], None] = lambda: None

    def deliver(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Keep it.
        """
        self.messages += messagesOf(batch)
        self.framings.append(batch.framing)
        self.onDeliver()
        if accepted is not None:
            accepted(self.taken)

    def hold(self, delta: int) -> None:
        """
        Keep account.
        """
        self.held += delta


class TurningClock(Clock):
    """
    A clock that goes on like a reactor: what is to be called at once is called on the next turn.
    """

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        """
        See ``IReactorTime``.
        """
        return super().callLater(delay or 0.001, callable, *args, **kw)

    def turn(self) -> None:
        """
        One turn.
        """
        self.advance(0.001)


class ProgramCase(SynchronousTestCase):
    """
    A route and a throttle.
    """

    def setUp(self) -> None:
        self.clock = TurningClock()
        self.route = AnsweringRoute()
        self.throttle = Throttle()
        self.counters = SourceCounters()
