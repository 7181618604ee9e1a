"""
One stream of messages, from the bytes that were read to the route.
"""

from __future__ import annotations

from ..batches import FILL, Batch
from ..complaints import Complaints
from ..counters import SourceCounters
from ..errors import FramingError
from ..framing import Decoder
from ..routing import IRoute


class Cuts:
    """
    Says so when messages of a source did not come in whole.

    :ivar _overlong: how many had been counted when it was looked at last; so is ``_incomplete``.
    """

    def __init__(self, counters: SourceCounters, complaints: Complaints) -> None:
        self._counters = counters
        self._complaints = complaints
        self._overlong = counters.overlong
        self._incomplete = counters.incomplete

    def look(self, peer: str) -> None:
        """
        Look whether the decoders have counted any, after ``peer`` was read.
        """
        overlong, incomplete = self._counters.overlong, self._counters.incomplete
        if overlong > self._overlong:
            why = f"a message of {peer} was longer than max-message-size; its head is kept"
            self._complaints.say("overlong", why, overlong - self._overlong)
            self._overlong = overlong
        if incomplete > self._incomplete:
            why = f"{peer} ended within a frame, which is dropped"
            self._complaints.say("incomplete", why, incomplete - self._incomplete)
            self._incomplete = incomplete


#: What a decoder keeps is counted up to a multiple of so many bytes: what it is exactly changes with each read, and to
#: tell that costs as much as to store what was read.
STEP = 512


class Account:
    """
    Keeps a route's account of what one decoder keeps, since it is not whole yet; in steps of :data:`STEP` bytes.

    :ivar _told: how many bytes the route has been told of.
    """

    def __init__(self, route: IRoute) -> None:
        self._route = route
        self._told = 0

    def keep(self, size: int) -> None:
        """
        Tell the route how much is kept, if that has changed.
        """
        size = -(-size // STEP) * STEP
        if size != self._told:
            delta, self._told = size - self._told, size
            self._route.hold(delta)


class Flow:
    """
    Decodes a stream, delivers its messages, and keeps the route's account of what is not whole yet.
    """

    def __init__(self, decoder: Decoder, route: IRoute) -> None:
        self._decoder = decoder
        self._route = route
        self._account = Account(route)

    def take(self, data: bytes) -> FramingError | None:
        """
        Deliver the messages that ``data`` makes whole.

        :return: why the stream makes no sense any more, if so.  It has to be closed then.
        """
        # Each piece goes from the decoder to the stores before the next: what was just split and counted is at hand yet
        # when it is converted.
        for start in range(0, len(data), FILL):
            self._deliver(self._decoder.decode(data[start : start + FILL]))
        return self._decoder.error

    def end(self) -> None:
        """
        Deliver what the end of the stream makes whole, a last line without LF, and forget the rest.
        """
        try:
            if self._decoder.error is None:
                self._deliver(self._decoder.finish())
        finally:
            self._account.keep(0)

    def _deliver(self, batches: list[Batch]) -> None:
        """
        Deliver batches, then tell the route what is kept.  In this order: keeping less can make room, and so let other
        data in before these.
        """
        for batch in batches:
            self._route.deliver(batch)
        self._account.keep(self._decoder.held)
