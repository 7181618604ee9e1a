"""
Twisted's ``ReconnectingClientFactory``, made fit for more than one server: without its traps, and with one timer for
whatever comes next.

What is inherited computes the wait itself, lets jitter take it past the longest one, and is revived by a reset.  Here
:mod:`logrelay.backoff` computes it, and what is inherited only keeps it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import ReconnectingClientFactory

from .backoff import Backoff


class ReconnectingFactory(ReconnectingClientFactory):
    """
    A client factory whose protocols are built by another factory.

    :ivar protocolFactory: that one; it may be exchanged.
    :ivar backoff: how long to wait after a round.
    """

    clock: IReactorTime  # type: ignore[assignment]
    maxDelay: float  # type: ignore[assignment]
    noisy = False
    # The wait is computed by ``backoff``; what is inherited only has to keep it as it is.
    factor = 1.0
    jitter = 0.0

    def __init__(self, reactor: IReactorTime, protocolFactory: IProtocolFactory, longestWait: float) -> None:
        """
        :param longestWait: the longest wait after a round, in seconds.
        """
        self.clock = reactor
        self.protocolFactory = protocolFactory
        self.backoff = Backoff(longestWait, random.random)
        self.maxDelay = longestWait

    def startFactory(self) -> None:
        """
        The protocol factory is going to be used.
        """
        self.protocolFactory.doStart()

    def stopFactory(self) -> None:
        """
        The protocol factory is not used any more.
        """
        self.protocolFactory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:  # type: ignore[override]
        """
        A protocol for a connection that stands.
        """
        return self.protocolFactory.buildProtocol(addr)

    def resetDelay(self) -> None:
        """
        The next wait after a round is the first one again.  Unlike what is inherited, this revives nothing.
        """
        self.backoff.startOver()
        self.retries = 0

    def _callIn(self, delay: float, what: Callable[[], None]) -> None:
        """
        Do this next, and not what the timer was set for.  It is the one that ``retry`` sets and ``stopTrying`` cancels.
        """
        if self._callID is not None:
            self._callID.cancel()

        def call() -> None:
            self._callID = None
            what()

        self._callID = self.clock.callLater(delay, call)
