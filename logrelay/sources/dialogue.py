"""
What a connection and its flow know of each other: the one has the transport, the other knows what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer

from ..batches import Origin
from ..config import SourceSettings
from ..counters import SourceCounters
from ..errors import LogRelayError
from ..framing import decoderFor
from ..routing import IRoute
from .flow import Flow


class Peer(Protocol):
    """
    A connection, as the flow knows it that it belongs to.
    """

    origin: Origin

    def write(self, data: bytes) -> None:
        """
        Say something.
        """

    def produce(self, producer: IPushProducer | None) -> None:
        """
        From now on tell a producer when what we say is not read, and when it is again; ``None``: tell nobody.
        """

    def part(self) -> None:
        """
        Say nothing more, and give the peer a moment to end its side too.
        """

    def hold(self, reason: str) -> None:
        """
        Read nothing more, as long as this reason holds.
        """

    def release(self, reason: str) -> None:
        """
        Read again, unless there is another reason not to.  One that does not hold is no error.
        """


class IFlow(Protocol):
    """
    What the bytes of one connection mean.

    :ivar patient: whether the peer does not wait for what we say: then its bytes may be left to gather for a moment.
    """

    patient: bool

    def begin(self) -> None:
        """
        The connection stands.
        """

    def take(self, data: bytes) -> LogRelayError | None:
        """
        Deliver the messages that ``data`` makes whole.

        :return: why the stream makes no sense any more, if so; told once.
        """

    def fail(self) -> bool:
        """
        The stream makes no sense any more.

        :return: whether the flow has parted from its peer; if not, the connection is to be cut off.
        """

    def farewell(self) -> None:
        """
        The source stops: part from the peer as soon as everything is said.
        """

    def end(self) -> None:
        """
        The connection has ended: forget the rest.
        """


#: Makes the flow of one connection.
NewFlow = Callable[[Peer, SourceSettings, IRoute, SourceCounters], IFlow]


class SyslogFlow(Flow):
    """
    Syslog, framed as RFC 6587 has it.  We say nothing to the peer.
    """

    patient = True

    def __init__(self, peer: Peer, settings: SourceSettings, route: IRoute, counters: SourceCounters) -> None:
        super().__init__(decoderFor(settings.framing, peer.origin, settings.maxMessageSize, counters), route)
        self._peer = peer

    def begin(self) -> None:
        """
        Nothing has to be said.
        """

    def fail(self) -> bool:
        """
        There is no way to tell the peer.
        """
        return False

    def farewell(self) -> None:
        """
        There is nothing to wait for.
        """
        self._peer.part()
