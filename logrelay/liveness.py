"""
Whether a peer still takes our data, told from what the kernel knows.

Two ways to hang have to be told apart, since they deserve different patience.  On a *dead path* data is out and no
acknowledgement comes.  A *stalled* peer acknowledges (it answers window probes) and keeps its window closed; one that
does not even answer those has gone since.  TCP's keepalive sees neither, and TCP_USER_TIMEOUT takes the one for the
other.
"""

from __future__ import annotations

import attrs

#: A server reads as long as its window reaches further, by such a share at least of what was acknowledged meanwhile,
#: and so many bytes.  (Without that it reaches a little further too: by up to 0.4 was seen, since kernels count memory
#: and not bytes.)  It does not when so many bytes were acknowledged and its window did not.
SHARE, ADVANCE, ENOUGH = 0.5, 16 * 1024, 32 * 1024

#: When a server has not read for such a share of ``stall-timeout``, it is suspected, and gets only one batch each time
#: that such a share has passed.  Each is acknowledged with the window of that moment: of a server that is only slow it
#: reaches far by then.
SUSPECTED, TRICKLE = 0.25, 0.1


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
    :ivar stallTimeout: seconds without an acknowledgement since the window was seen closed, or since the server ceased
        to read, which is some time before that: its kernel goes on to take data until its buffer is full.
    :ivar _looked: when it was looked whether the server reads: the bytes acknowledged, and how far the window reached.
    :ivar _unreadSince: since when it does not.
    """

    ackTimeout: float
    stallTimeout: float
    _acked: int = 0
    _closedSince: float | None = None
    _silentSince: float | None = None
    _unansweredSince: float | None = None
    _looked: tuple[int, int] | None = None
    _unreadSince: float | None = None

    def observe(self, now: float, sample: Sample) -> str | None:
        """
        Take a sample in.

        :return: ``ack-timeout``, ``stalled``, or ``None`` while there is hope.
        """
        self._observeReading(now, sample)
        moved = sample.acked > self._acked
        if moved or not sample.waiting:
            self._acked = sample.acked
            self._closedSince = self._silentSince = self._unansweredSince = None
            return self._judgeReading(now) if moved else None
        if sample.closed:
            return self._observeClosed(now, sample)
        # A window that opens without an acknowledgement, and closes again, has been closed all the time.
        if self._silentSince is None:
            self._silentSince = now
        return "ack-timeout" if now - self._silentSince >= self.ackTimeout else None

    def _observeReading(self, now: float, sample: Sample) -> None:
        """
        Note since when the server does not read, as far as its windows tell.
        """
        if sample.window is None:
            return
        reach = sample.acked + sample.window
        acked, reached = self._looked or (sample.acked, reach - ADVANCE)
        taken = sample.acked - acked
        madeRoom = self._closedSince is not None and sample.acked > self._acked
        if madeRoom or reach - reached >= max(ADVANCE, SHARE * taken):
            self._unreadSince = None
        elif taken < ENOUGH:
            return
        elif self._unreadSince is None:
            # Not since it was looked last: there may have been nothing to read.
            self._unreadSince = now
        self._looked = sample.acked, reach

    def _unreadFor(self, now: float) -> float:
        """
        For how many seconds the server has not read.
        """
        return 0.0 if self._unreadSince is None else now - self._unreadSince

    def suspects(self, now: float) -> bool:
        """
        Whether the server seems not to read.
        """
        return self._unreadFor(now) >= SUSPECTED * self.stallTimeout

    @property
    def trickle(self) -> float:
        """
        A suspected server is to get no more than a batch in so many seconds.
        """
        return TRICKLE * self.stallTimeout

    def _judgeReading(self, now: float) -> str | None:
        """
        Whether the server has not read for too long, though its window may not be closed yet.  Only asked when that was
        just told: of a pause nothing is known.
        """
        return "stalled" if self._unreadFor(now) >= self.stallTimeout else None

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
        return self._judgeReading(now) or ("stalled" if now - self._closedSince >= self.stallTimeout else None)
