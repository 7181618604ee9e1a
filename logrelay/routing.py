"""
Routes: from one source to the stores of its destinations.

A batch is converted once for each distinct form that its destinations want; those that want the same form get the
very same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs
from zope.interface import Attribute, Interface, implementer

from .batches import Batch
from .counters import SourceCounters
from .formats import GROWTH, Converter, Form
from .stamping import Numbering
from .store import Accepted, Secured


class IRoute(Interface):
    """
    Where a source delivers what it has decoded.
    """

    certain: int = Attribute("Messages of up to so many bytes are never given up for their length; at least 0.")

    def deliver(batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Convert a batch once for each form wanted and append it to every destination's store.

        :param accepted: called once, when every store has said whether it took the batch; with ``True`` if all did.
        :param secured: called once, when no crash of the relay can lose the batch any more, at any destination: it has
            settled there, is durable on disk, or was given up.
        """

    def hold(delta: int) -> None:
        """
        Count ``delta`` bytes more (or fewer) that decoders of this source keep, in every destination's store.
        """


class Taker(Protocol):
    """
    A destination, as far as a route knows it.
    """

    @property
    def form(self) -> Form:
        """
        The form in which it wants its messages.
        """

    def append(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Take in a batch of this form.
        """

    def shortened(self, batch: Batch, truncated: int, oversize: int) -> None:
        """
        Be told how many messages of a batch were cut, or given up, since they were too long.
        """

    def hold(self, delta: int) -> None:
        """
        Count bytes that decoders keep.
        """


@attrs.frozen
class Lane:
    """
    The destinations that want one form.
    """

    converter: Converter
    takers: tuple[Taker, ...]


class Tally:
    """
    Waits until every store has said whether it took its part of a batch.
    """

    def __init__(self, accepted: Accepted | None) -> None:
        """
        :param accepted: told once, whether all parts were taken; ``None`` where nobody wants to know.
        """
        self._accepted = accepted
        self._open = 1
        self._all = True

    def expected(self) -> Accepted | None:
        """
        One more part is on its way.

        :return: what its store has to answer to.
        """
        if self._accepted is None:
            return None
        self._open += 1
        return self._answer

    def close(self, taken: bool = True) -> None:
        """
        No more parts will come.

        :param taken: whether nothing was given up on the way.
        """
        self._answer(taken)

    def _answer(self, taken: bool) -> None:
        """
        An answer has come.
        """
        self._all = self._all and taken
        self._open -= 1
        if self._open == 0 and self._accepted is not None:
            self._accepted(self._all)


class Securing:
    """
    Waits until every part of a batch is secured.
    """

    # There is one for each batch that is not, and they may be many.
    __slots__ = ("_open", "_secured")

    def __init__(self, secured: Secured | None) -> None:
        """
        :param secured: told once, when all parts are; ``None`` where nobody wants to know.
        """
        self._secured = secured
        self._open = 1

    def expected(self) -> Secured | None:
        """
        One more part is on its way.

        :return: what is to be told of it.
        """
        if self._secured is None:
            return None
        self._open += 1
        return self.close

    def close(self) -> None:
        """
        One part is secured; or, once, no more parts will come.
        """
        self._open -= 1
        if self._open == 0 and self._secured is not None:
            self._secured()


@implementer(IRoute)
class Route:
    """
    The way of one source's batches.
    """

    def __init__(
        self, takers: Sequence[Taker], counters: SourceCounters, clock: Callable[[], float], numbering: Numbering
    ) -> None:
        """
        :param clock: tells the time, in seconds since the epoch.
        :param numbering: what stamps are numbered by, shared by all routes of the relay.
        """
        self._counters = counters
        self._clock = clock
        self._numbering = numbering
        self._held = 0
        self._takers: tuple[Taker, ...] = ()
        self._lanes: list[Lane] = []
        self.certain = 0
        self.lead(takers)

    def lead(self, takers: Sequence[Taker]) -> Iterator[tuple[Taker, int]]:
        """
        Lead to these from now on, each in the form that it wants now.  Those who wait for an answer about a batch that
        was delivered before get it from whom it was delivered to.

        :return: by how many bytes what decoders keep has changed for whom.  They are to be told, but not before all
            routes are as they shall be: keeping less can make room, and so let more in.
        """
        before, self._takers = self._takers, tuple(takers)
        forms = dict.fromkeys(taker.form for taker in takers)
        self.certain = max(0, min((form.maxMessageSize - GROWTH for form in forms), default=0))
        self._lanes = [
            Lane(Converter(form, self._numbering), tuple(each for each in takers if each.form == form))
            for form in forms
        ]
        gone = [(taker, -self._held) for taker in before if taker not in self._takers]
        return iter(gone + [(taker, self._held) for taker in self._takers if taker not in before])

    def deliver(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Convert, and append to every store.
        """
        now = self._clock()
        # Most are not asked about, and then nothing is made for it: on each read, that can be seen.
        isAsked = accepted is not None or secured is not None
        tally, securing = (Tally(accepted), Securing(secured)) if isAsked else (None, None)
        unparsed, whole = 0, True
        for lane in self._lanes:
            converted = lane.converter.convert(batch, now)
            unparsed = max(unparsed, converted.unparsed)
            for taker in lane.takers:
                if converted.truncated or converted.dropped:
                    taker.shortened(batch, converted.truncated, converted.dropped)
                    whole = whole and not converted.dropped
                for part in converted.batches:
                    if tally is None or securing is None:
                        taker.append(part)
                    else:
                        taker.append(part, tally.expected(), securing.expected())
        self._counters.unparsed += unparsed
        if tally is not None and securing is not None:
            tally.close(whole)
            securing.close()

    def hold(self, delta: int) -> None:
        """
        Count what decoders keep.
        """
        self._held += delta
        for taker in self._takers:
            taker.hold(delta)
