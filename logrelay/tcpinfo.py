"""
What the kernel knows of a connection, and how it ended (Linux: tcp(7), ``TCP_INFO``).

Twisted does not say how a connection ended: a reset that follows a FIN reaches ``connectionLost`` as a clean end, and
the error number is dropped.  And the descriptor is closed before ``connectionLost`` is called.  So a view holds a
duplicate of the descriptor, and replaces four methods of the transport, for this connection alone: ``doRead`` and
``writeSomeData``, which keep the error number, and count what the kernel took; ``readConnectionLost``, which gives a
reset that follows the peer's end the time to come; and ``connectionLost``, which notes the state of the connection
before Twisted ends our side of it.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress
from typing import Protocol as TypingProtocol
from typing import cast

from twisted.internet import main
from twisted.internet.interfaces import IPushProducer, IReactorTime, ITransport
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from .liveness import Sample
from .socketoptions import lowerTransport
from .views import BlindView, IConnectionView

#: ``struct tcp_info`` up to and with ``tcpi_snd_wnd``, which Linux 5.4 added.
_INFO_SIZE = 232

#: Room for newer kernels' longer ``struct tcp_info``; the rest is ignored.
_INFO_ROOM = 280

#: Where the fields that are read stand in it.
_STATE, _PROBES, _UNACKED, _RTT, _BYTES_ACKED, _NOTSENT, _SND_WND = 0, 3, 24, 68, 120, 144, 228

#: States of a connection (include/net/tcp_states.h): the peer has ended its side and we have not; both have, and
#: nothing is under way any more, which the kernel tells of as closed.
_CLOSE_WAIT = 8
_OVER = frozenset({6, 7})

#: What only means that the kernel has nothing, or no room, for now.
_LATER = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})

#: A server that shuts down both ways and then closes with data unread, as syslog-ng and Twisted do, sends its end, and
#: the reset when it gets round to closing: at once, but for what the scheduler lets run in between on a busy host.  So
#: many seconds are waited for it, looking at these intervals.
RESET_WITHIN, _LOOK_AGAIN = 0.05, 0.002

_RESET_ERRORS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_UNREACHABLE_ERRORS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class _PlainOffsets(TypingProtocol):
    """
    A TLS connection that maps acknowledged ciphertext to acknowledged plain text.

    :ivar peerEnded: whether the peer's close_notify has come.
    :ivar admitted: whether the peer is known to have taken us.
    """

    peerEnded: bool
    admitted: bool

    @property
    def cipherOut(self) -> int:
        """
        How many bytes of ciphertext have been made.
        """
        ...

    def plainAcked(self, cipherAcked: int) -> int:
        """
        How many bytes of plain text lie wholly within so many bytes of ciphertext.
        """
        ...


def viewOf(transport: ITransport) -> IConnectionView:
    """
    The best view of a transport that there is.  Transports that are no sockets may be adapted to one.

    :raises OSError: if there is no descriptor left for it.
    """
    lower = lowerTransport(transport)
    if lower is None or lower.socket.family not in (socket.AF_INET, socket.AF_INET6):
        view: IConnectionView = IConnectionView(transport, None) or BlindView()
        return view
    return SocketView(transport, lower)


@implementer(IConnectionView)
class SocketView:
    """
    The view of a TCP connection.
    """

    def __init__(self, transport: ITransport, lower: Connection) -> None:
        self._socket = lower.socket.dup()
        self._lower = lower
        self._guarded = 0
        self._stateAtEnd: int | None = None
        self._errno: int | None = None
        self._sawEOF = False
        self._halfClosed = False
        self._bare = transport is lower
        handle = getattr(transport, "getHandle", lambda: None)()
        self._tls = cast(_PlainOffsets, handle) if hasattr(handle, "plainAcked") else None
        self._taken = self._takenBefore()
        self._replaceRead(lower)
        self._replaceWrite(lower)
        self._replaceEOF(lower)
        self._replaceEnd(lower)

    def _takenBefore(self) -> int:
        """
        How many bytes the kernel took before this view began to count: those of a TLS handshake.
        """
        before = self._info()
        while before is not None:
            queued, after = self._queued(), self._info()
            if after is not None and _acked(after) == _acked(before):
                return queued + _acked(after)
            # An acknowledgement came in between.
            before = after
        return 0 if self._tls is None else self._tls.cipherOut

    def _replaceRead(self, lower: Connection) -> None:
        """
        Keep how reading ends.  The method is Twisted's own, but for that.
        """

        def doRead() -> object:
            try:
                data = lower.socket.recv(lower.bufferSize)
            except OSError as error:
                return self._failed(error, None)
            if not data:
                self._sawEOF = True
                self._halfClosed = lower._writeDisconnected
            return lower._dataReceived(data)

        lower.doRead = doRead  # type: ignore[method-assign, assignment]

    def _replaceWrite(self, lower: Connection) -> None:
        """
        Count what the kernel takes, and keep the error that ends writing: the kernel tells it once.
        """

        def writeSomeData(data: bytes) -> object:
            try:
                written = lower.socket.send(memoryview(data)[: lower.SEND_LIMIT])
            except OSError as error:
                return self._failed(error, 0)
            self._taken += written
            return written

        lower.writeSomeData = writeSomeData  # type: ignore[method-assign, assignment]

    def _replaceEOF(self, lower: Connection) -> None:
        """
        When the peer ends first, end our side a little later: only as long as it is open a reset is seen.
        """
        end, clock = lower.readConnectionLost, cast(IReactorTime, lower.reactor)

        def readConnectionLost(reason: Failure) -> None:
            if self._halfClosed or self.sample().acked == 0:
                end(reason)
                return
            # What is written from now on could not be read any more, and would be answered by a reset in any case.
            lower.stopWriting()
            lower._writeDisconnected = True
            producer = IPushProducer(lower.producer, None)
            if producer is not None:
                producer.pauseProducing()
            look(reason, clock.seconds() + RESET_WITHIN)

        def look(reason: Failure, until: float) -> None:
            if lower.disconnected:
                # It was given up meanwhile.
                return
            left = until - clock.seconds()
            if self._pendingError() or left <= 0:
                end(reason)
            else:
                clock.callLater(min(left, _LOOK_AGAIN), look, reason, until)

        lower.readConnectionLost = readConnectionLost  # type: ignore[method-assign]

    def _replaceEnd(self, lower: Connection) -> None:
        """
        Note the state of the connection before Twisted ends our side.
        """
        end = lower.connectionLost

        def connectionLost(reason: Failure) -> None:
            info = self._info()
            self._stateAtEnd = None if info is None else info[_STATE]
            end(reason)

        lower.connectionLost = connectionLost  # type: ignore[method-assign]

    def _failed(self, error: OSError, later: int | None) -> object:
        """
        What to tell Twisted of an error: ``later`` if it only means to try again.
        """
        if error.errno in _LATER:
            return later
        self._errno = error.errno
        return main.CONNECTION_LOST

    def _info(self) -> bytes | None:
        """
        The kernel's ``struct tcp_info``, or ``None`` where there is none that is new enough.
        """
        if sys.platform != "linux":
            return None
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_ROOM)
        except OSError:
            return None
        return info if len(info) >= _INFO_SIZE else None

    @property
    def admitted(self) -> bool:
        """
        As the TLS connection knows it.
        """
        return self._tls is not None and self._tls.admitted

    @property
    def roundTrip(self) -> float:
        """
        The kernel's smoothed round-trip time, in seconds.
        """
        info = self._info()
        return 0.0 if info is None else _u32(info, _RTT) / 1e6

    def sample(self) -> Sample:
        """
        What the kernel knows now.  Where it does not tell, what it took counts as acknowledged, and what it does not
        take as kept out by the peer.

        Our FIN counts too once it is acknowledged: the limit takes care of that.
        """
        info = self._info()
        if info is None:
            queued = self._queuedHere()
            return Sample(self._taken, self._taken, queued > 0, queued=queued)
        acked = min(_acked(info), self._taken)
        window = _u32(info, _SND_WND)
        closed = window == 0 or (_u32(info, _UNACKED) == 0 and _u32(info, _NOTSENT) > 0)
        return Sample(self._taken, acked, closed, window, info[_PROBES] > 0)

    def _queuedHere(self) -> int:
        """
        How many bytes wait in Twisted's own buffer.
        """
        lower = self._lower
        return len(lower.dataBuffer) - lower.offset + lower._tempDataLen

    def guard(self, limit: float) -> None:
        """
        By ``TCP_USER_TIMEOUT``.  It is only to be set while data is out: on an idle connection it would take the place
        of the number of keepalive probes.
        """
        option, wanted = getattr(socket, "TCP_USER_TIMEOUT", None), int(limit * 1000)
        if option is not None and wanted != self._guarded:
            self._guarded = wanted
            with suppress(OSError):
                # The connection may be gone already.
                self._socket.setsockopt(socket.IPPROTO_TCP, option, wanted)

    def plain(self, offset: int) -> int:
        """
        Through the marks of the TLS connection, where there is one.  Of a wrapper that is not known, nothing is.
        """
        if self._tls is not None:
            return self._tls.plainAcked(offset)
        return offset if self._bare else 0

    def reason(self) -> str | None:
        """
        From the error number that ended reading, or the one still pending on the socket.
        """
        number = self._errno or self._pendingError()
        if number in _RESET_ERRORS:
            return "reset"
        if number in _UNREACHABLE_ERRORS:
            return "unreachable"
        if number == errno.ETIMEDOUT:
            sample = self.sample()
            return "ack-timeout" if sample.acked < sample.taken else "keepalive"
        return "eof" if self._sawEOF else None

    def _pendingError(self) -> int:
        """
        The error that waits on the socket.  Asking clears it, so it is kept.
        """
        try:
            pending = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError:
            return 0
        if pending:
            self._errno = pending
        return pending

    def undecided(self) -> bool:
        """
        Until both ends are acknowledged, or there is an error.
        """
        if self._errno or self._pendingError():
            return False
        info = self._info()
        return info is not None and info[_STATE] not in _OVER

    def emptied(self) -> bool:
        """
        The peer's FIN had come when we ended our side, and that was acknowledged: a kernel answers with a reset when
        its process closes the connection with data unread.
        """
        if self._stateAtEnd != _CLOSE_WAIT or self._errno or self._pendingError():
            return False
        info = self._info()
        return info is not None and info[_STATE] in _OVER

    def drained(self) -> bool:
        """
        TCP: we sent our FIN, it was acknowledged, and then came the peer's own.  TLS: all records are acknowledged, our
        close_notify among them, and the peer ended by its own or by a FIN.  And there was no error.

        A peer that ends on its own just when our end is under way cannot always be told from one that has read it.
        """
        if self._errno or self._pendingError():
            return False
        if self._bare and self._stateAtEnd is not None:
            return self._halfClosed and self._stateAtEnd in _OVER
        if self._bare:
            return self._halfClosed and self._queued() == 0
        sample = self.sample()
        written = sample.taken if self._tls is None else self._tls.cipherOut
        ended = self._sawEOF or (self._tls is not None and self._tls.peerEnded)
        return ended and sample.acked >= written

    def _queued(self) -> int:
        """
        How many bytes, with our FIN, the kernel took and the peer has not acknowledged; 0 where it does not tell.
        """
        if sys.platform != "linux":
            return 0
        queued = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4)
        return cast(int, struct.unpack("=i", queued)[0])

    def close(self) -> None:
        """
        Close the duplicate.  An aborted connection is reset only now, since only now its last descriptor goes.
        """
        self._socket.close()


def _acked(info: bytes) -> int:
    """
    How many bytes the peer has acknowledged; our SYN, which ``tcpi_bytes_acked`` counts, is none.
    """
    return max(cast(int, struct.unpack_from("=Q", info, _BYTES_ACKED)[0]) - 1, 0)


def _u32(info: bytes, offset: int) -> int:
    """
    One 32-bit field of ``struct tcp_info``.
    """
    return cast(int, struct.unpack_from("=I", info, offset)[0])
