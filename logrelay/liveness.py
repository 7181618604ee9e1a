"""
Whether a peer still takes our data, told from what the kernel knows.

Two ways to hang have to be told apart, since they deserve different patience.  On a *dead path* data is out and no
acknowledgement comes.  A *stalled* peer acknowledges (it answers window probes) and keeps its window closed; one that
does not even answer those has gone since.  TCP's keepalive sees neither, and TCP_USER_TIMEOUT takes the one for the
other.
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
    :ivar window: how many bytes the peer has room for, as it last said; ``None`` where that is not known.
    :ivar unanswered: whether a question about the closed window has gone out and no answer has come.
    :ivar queued: bytes that our kernel has no room for; told only where nothing else of the peer is known.
    """

    taken: int
    acked: int
    closed: bool
    window: int | None = None
    unanswered: bool = False
    queued: int = 0

    @property
    def waiting(self) -> bool:
        """
        Whether the peer owes an acknowledgement.
        """
        return self.acked < self.taken or self.queued > 0


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
    _unansweredSince: float | None = None

    def observe(self, now: float, sample: Sample) -> str | None:
        """
        Take a sample in.

        :return: ``ack-timeout``, ``stalled``, or ``None`` while there is hope.
        """
        if sample.acked > self._acked or not sample.waiting:
            self._acked = sample.acked
            self._closedSince = self._silentSince = self._unansweredSince = None
            return None
        if sample.closed:
            return self._observeClosed(now, sample)
        # A window that opens without an acknowledgement, and closes again, has been closed all the time.
        if self._silentSince is None:
            self._silentSince = now
        return "ack-timeout" if now - self._silentSince >= self.ackTimeout else None

    def _observeClosed(self, now: float, sample: Sample) -> str | None:
        """
        The window is closed.
        """
        self._silentSince = None
        if self._closedSince is None:
            self._closedSince = now
        if not sample.unanswered:
            self._unansweredSince = None
        elif self._unansweredSince is None:
            self._unansweredSince = now
        elif now - self._unansweredSince >= self.ackTimeout:
            return "ack-timeout"
        return "stalled" if now - self._closedSince >= self.stallTimeout else None
