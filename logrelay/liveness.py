"""
Whether a peer still takes our data, told from what the kernel knows.

Two ways to hang have to be told apart, since they deserve different patience.  On a *dead path* data is out and no
acknowledgement comes.  A *stalled* peer acknowledges (it answers window probes) and keeps its window closed.
TCP's keepalive sees neither, and TCP_USER_TIMEOUT takes the one for the other.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Sample:
    """
    What is known of a connection at one moment.

    :ivar taken: bytes of the stream that our kernel took.
    :ivar acked: bytes of the stream that the peer's kernel acknowledged.
    :ivar closed: whether the peer's window keeps the rest from being sent.
    """

    taken: int
    acked: int
    closed: bool


@attrs.define(eq=False)
class Liveness:
    """
    Turns samples of one connection into a verdict.

    :ivar ackTimeout: seconds without an acknowledgement while data is out.
    :ivar stallTimeout: seconds without an acknowledgement since the window was seen closed.
    """

    ackTimeout: float
    stallTimeout: float
    _acked: int = 0
    _closedSince: float | None = None
    _silentSince: float | None = None

    def observe(self, now: float, sample: Sample) -> str | None:
        """
        Take a sample in.

        :return: ``ack-timeout``, ``stalled``, or ``None`` while there is hope.
        """
        if sample.acked > self._acked or sample.acked >= sample.taken:
            self._acked = sample.acked
            self._closedSince = self._silentSince = None
            return None
        if sample.closed:
            self._silentSince = None
            if self._closedSince is None:
                self._closedSince = now
            return "stalled" if now - self._closedSince >= self.stallTimeout else None
        # A window that opens without an acknowledgement, and closes again, has been closed all the time.
        if self._silentSince is None:
            self._silentSince = now
        return "ack-timeout" if now - self._silentSince >= self.ackTimeout else None
