"""
All connections, and how many there may be.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.web import http

from .channel import CONNECTIONS, Channel, Handler


class Front(http.HTTPFactory):
    """
    All connections, so many at most.

    Where there are more, the one that has been without a whole request for longest makes room: who only holds
    connections open keeps nobody out.  If all are being answered, the new one is refused.
    """

    noisy = False
    # Our own time limit does not start again with each byte.
    timeOut = None

    def __init__(self, reactor: Any, handler: Handler) -> None:
        super().__init__(timeout=None, reactor=reactor)  # type: ignore[arg-type]
        self._handler = handler
        # Oldest first.
        self._channels: dict[Channel, None] = {}
        self._ended: Deferred[None] | None = None

    def startFactory(self) -> None:
        """
        There is no access log: the relay's own log is not for what is asked every few seconds.
        """

    def stopFactory(self) -> None:
        """
        Nor its end.
        """

    def log(self, request: http.Request) -> None:
        """
        Nor its lines.
        """

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """
        Take one more connection.
        """
        channel = Channel(self.reactor, self._handler, self._forget)
        channel.factory = self
        channel.timeOut = None
        if len(self._channels) >= CONNECTIONS:
            idle = next((each for each in self._channels if not each.busy), None)
            if idle is None:
                channel.tooMany = True
                return channel
            self._forget(idle)
            idle.transport.abortConnection()
        self._channels[channel] = None
        return channel

    def _forget(self, channel: Channel) -> None:
        """
        A connection is gone.
        """
        self._channels.pop(channel, None)
        if not self._channels and self._ended is not None:
            ended, self._ended = self._ended, None
            ended.callback(None)

    def close(self) -> Deferred[None]:
        """
        End all connections: who is being answered may still read that, for a moment.

        :return: fires when none is left.
        """
        if not self._channels:
            return succeed(None)
        self._ended = Deferred()
        ended = self._ended
        for channel in tuple(self._channels):
            channel.leave()
        return ended
