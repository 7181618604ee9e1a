"""
What has to be so before a destination may be removed: it holds nothing any more that would be lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from .destination import Destination
from .errors import Problem, RelayStopped, ReloadRefused
from .failover import Connected


async def emptied(clock: IReactorTime, leaving: Iterable[Destination], pause: Callable[[str], None]) -> None:
    """
    See that destinations hold nothing that would be lost with them.  What a server in use can confirm within
    ``drain-timeout`` it is asked to.  What is on disk is not lost.

    :param pause: has what leads to a destination of this name wait, as far as it can be made to.
    :raises ReloadRefused: if something is left.
    """
    leaving = [each for each in leaving if not each.store.durable]
    for destination in leaving:
        await _settle(clock, destination, pause)
    problems = [_notEmpty(each) for each in leaving if each.store.messages]
    if problems:
        raise ReloadRefused(*problems)


async def _settle(clock: IReactorTime, destination: Destination, pause: Callable[[str], None]) -> None:
    """
    Have the server in use, if there is one, confirm all that a destination holds.
    """
    deadline = clock.seconds() + destination.settings.drainTimeout
    # More than once, since what can't be made to wait goes on to come.
    while destination.store.messages and isinstance(destination.factory.state, Connected):
        left = deadline - clock.seconds()
        if left <= 0:
            return
        pause(destination.settings.name)
        try:
            await destination.whenSettled().addTimeout(left, clock)
        except (TimeoutError, RelayStopped):
            return


def _notEmpty(destination: Destination) -> Problem:
    """
    Why a destination can't be removed.
    """
    name, left = destination.settings.name, destination.store.messages
    what = f"can't be removed: {left} messages there are not settled, and would be lost with its memory"
    remedy = (
        "put it back and wait until a server has them, with nothing that leads to it; or say logrelay reload --force"
    )
    return Problem("reload", f"destination.{name}", what, remedy)
