"""
When a connection is read, and when not.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from .exact import READ

#: After a read of so many bytes, and less than a full one, a connection rests for so many seconds.  At 400,000 messages
#: of 250 bytes a second this takes a third of the CPU away.  At 20,000 a second it adds about two milliseconds to the
#: delay of a message and leaves 80 % of the CPU free.
MUCH, REST = 4096, 0.002

#: Unless the reads of one turn brought so many bytes, up to the one that was not full: then as much may be there again
#: at once.  A peer that writes large blocks is kept from writing by what is not read; with a rest each time it came to
#: 130,000 messages a second, and now to seven times as many.
PLENTY = 64 * 1024


@implementer(IPushProducer)
class Tap:
    """
    Reads one transport while there is no reason not to.  The throttle may be one, and so is a read that brought much,
    for a moment.

    A peer that writes each message by itself would be read as fast as it writes, some messages at a time, and each
    read costs as much as hundreds of messages do.  The moment lets more come together.

    :ivar _reasons: why it is not read.
    :ivar _brought: how many bytes came since a read was last not full.
    """

    def __init__(self, clock: IReactorTime, transport: Any, full: int = READ) -> None:
        """
        :param full: how many bytes a read brings when more is waiting.
        """
        self._clock = clock
        self._transport = transport
        self._full = full
        self._reasons: set[str] = set()
        self._resting: IDelayedCall | None = None
        self._brought = 0

    def hold(self, reason: str) -> None:
        """
        Read nothing more, as long as this reason holds.
        """
        if not self._reasons:
            self._transport.pauseProducing()
        self._reasons.add(reason)

    def release(self, reason: str) -> None:
        """
        Read again, unless there is another reason not to.  One that does not hold is no error.
        """
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                self._transport.resumeProducing()

    def pauseProducing(self) -> None:
        """
        The throttle holds it.
        """
        self.hold("throttle")

    def resumeProducing(self) -> None:
        """
        The throttle holds it no more.
        """
        self.release("throttle")

    def stopProducing(self) -> None:
        """
        It is not to be read any more.
        """
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def rest(self, size: int) -> None:
        """
        A read has brought ``size`` bytes.  After a full one the next follows at once: more is waiting already.
        """
        self._brought += size
        if size >= self._full:
            return
        brought, self._brought = self._brought, 0
        if self._resting is None and size >= MUCH and brought < PLENTY:
            self.hold("rest")
            self._resting = self._clock.callLater(REST, self._rested)

    def _rested(self) -> None:
        """
        The moment is over.
        """
        self._resting = None
        self.release("rest")
