"""
The calm before our end of a connection goes out.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from .delivery import Delivery
from .link import Link
from .window import Window

#: Before our end goes out, a peer has to be *calm*: everything acknowledged for so many seconds (or two round trips
#: where they are longer), and such a share of its largest window open again.  A server that is stopped when it has our
#: end and data unread ends the connection just as one does that has read everything; stopped before that, it resets it.
CALM, OPEN_AGAIN = 0.02, 0.75

#: How often the server is looked at, in seconds.
LOOK = 0.01


class Calming:
    """
    Waits until a peer has most probably read everything, before our end goes out to it.

    :ivar done: fires then; after half the ``drain-timeout`` at the latest.
    """

    def __init__(self, delivery: Delivery, link: Link, window: Window) -> None:
        self._clock = delivery.clock
        self._link = link
        self._window = window
        self._until = delivery.clock.seconds() + delivery.settings.drainTimeout / 2
        self._calmSince: float | None = None
        self._call: IDelayedCall | None = None
        self.done: Deferred[None] = Deferred()
        self._look()

    def stop(self) -> None:
        """
        The connection is gone.
        """
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _look(self) -> None:
        """
        Look at the peer, and come back.
        """
        now = self._clock.seconds()
        if not self._isCalm():
            self._calmSince = None
        elif self._calmSince is None:
            self._calmSince = now
        calm = self._calmSince is not None and now - self._calmSince >= max(CALM, 2 * self._link.view.roundTrip)
        if calm or now >= self._until:
            self.done.callback(None)
        else:
            self._call = self._clock.callLater(LOOK, self._look)

    def _isCalm(self) -> bool:
        """
        Whether the peer has everything, and room for as much as it ever had.
        """
        view, window = self._link.view, self._window
        sample = view.sample()
        if view.plain(sample.acked) < window.written:
            return False
        return sample.window is None or sample.window >= OPEN_AGAIN * window.widest
