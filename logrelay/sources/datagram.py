"""
Syslog over datagrams: UDP and UNIX sockets.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from ..batches import Framing, Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..encoding import TRAILING
from ..eventlogger import logEvent
from ..events import Observer
from ..framing import batchesOf
from ..routing import IRoute
from .interface import IAdjustable, IListener, Reactor
from .sockets import BoundSocket, growReceiveBuffer, numericHost, receiveBuffer

#: At most so many datagrams, or bytes, are read before other descriptors have their turn: some milliseconds.  Both are
#: needed, since a datagram may be empty.
DATAGRAMS_PER_TURN = 1000
BYTES_PER_TURN = 256 * 1024

#: After a turn that brought more than one datagram, and no more than this, the socket rests for so many seconds: each
#: would be a turn of its own otherwise.  At 40,000 datagrams a second this takes two thirds of the CPU away, and at
#: 120,000 a third.
FEW, REST = 256, 0.001

#: Only a socket that has room for so many bytes rests: more than can come in two milliseconds, which the reactor may
#: make of one.  (The kernel counts some 800 for a message of 250.)
AMPLE = 1024 * 1024

#: While datagrams come, the kernel is asked this often how many it had to drop.
DROPS_INTERVAL = 1.0

#: Linux tells the true length of a datagram that did not fit the buffer.
_FLAGS = socket.MSG_TRUNC if sys.platform == "linux" else 0

#: Linux's SO_MEMINFO, and where in its numbers the drops are (SK_MEMINFO_DROPS in linux/sock_diag.h).
_SO_MEMINFO, _MEMINFO, _DROPS = 55, struct.Struct("=9I"), 8


class DatagramReader(FileDescriptor):
    """
    Reads a datagram socket.  What one turn of the reactor finds there is handed over together.

    Twisted's ports would do neither for UNIX sockets that systemd passes, nor tell what was cut off.

    :ivar reading: whether it reads, though it may rest from that.
    :ivar _handOver: is given the messages by their senders, each one's in the order of arrival.
    """

    def __init__(
        self,
        reactor: Reactor,
        bound: BoundSocket,
        maxMessageSize: int,
        counters: SourceCounters,
        complaints: Complaints,
        handOver: Callable[[dict[str, list[bytes]]], None],
    ) -> None:
        super().__init__(reactor)
        self._clock = reactor
        self.bound = bound
        self.limitTo(maxMessageSize)
        self._counters = counters
        self._complaints = complaints
        self._handOver = handOver
        self._mayRest = not bound.local and receiveBuffer(bound.socket) >= AMPLE
        self._resting: IDelayedCall | None = None

        self.reading = False

    def startReading(self) -> None:
        """
        Read from now on.
        """
        self.reading = True
        super().startReading()

    def stopReading(self) -> None:
        """
        Read nothing more.
        """
        self.reading = False
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        super().stopReading()

    def _rest(self) -> None:
        """
        Let more come together.
        """
        super().stopReading()
        self._resting = self._clock.callLater(REST, self._rested)

    def _rested(self) -> None:
        """
        The moment is over.
        """
        self._resting = None
        super().startReading()

    def limitTo(self, maxMessageSize: int) -> None:
        """
        Keep so many bytes of a message.
        """
        self._limit = maxMessageSize
        self._buffer = memoryview(bytearray(maxMessageSize + 1))

    def fileno(self) -> int:
        """
        The descriptor to watch.
        """
        return self.bound.socket.fileno()

    def doRead(self) -> None:
        """
        Read what waits, up to a limit.
        """
        receive, buffer, limit = self.bound.socket.recvfrom_into, self._buffer, self._limit
        local = self.bound.local
        senders: dict[str, list[bytes]] = {}
        total = count = 0
        while count < DATAGRAMS_PER_TURN and total < BYTES_PER_TURN:
            try:
                size, address = receive(buffer, 0, _FLAGS)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                # The kernel tells each error once; the socket goes on.
                self._complaints.say("socket", f"reading failed: {error.strerror}")
                break
            count += 1
            total += size
            message = bytes(buffer[:size]) if size <= limit else self._shortened(size)
            senders.setdefault("" if local else address[0], []).append(message)
        if senders:
            self._counters.receivedBytes += total
            self._handOver(senders)
            if self._mayRest and 1 < count <= FEW and self.reading and self._resting is None:
                self._rest()

    def _shortened(self, size: int) -> bytes:
        """
        The head of a datagram that is longer than a message may be.  One that is so only by what stands behind its
        message is not over-long.
        """
        message = bytes(self._buffer[:size]).rstrip(TRAILING)
        if size > len(self._buffer) or len(message) > self._limit:
            self._counters.overlong += 1
            self._complaints.say("overlong", "a datagram was longer than max-message-size; its head is kept")
        return message[: self._limit]


@implementer(IListener, IAdjustable)
class DatagramSource:
    """
    Takes datagrams, each of which is a message.  It can't be paused: the kernel would drop what it does not read.

    :ivar _open: binds the socket that is read.
    """

    _log = Logger(namespace="logrelay.sources")

    def __init__(
        self,
        reactor: Reactor,
        settings: SourceSettings,
        route: IRoute,
        counters: SourceCounters,
        hostname: bytes,
        open: Callable[[SourceSettings], BoundSocket],
        tell: Observer = logEvent,
    ) -> None:
        self.settings = settings
        self._reactor = reactor
        self._route = route
        self._counters = counters
        self._hostname = hostname
        self._open = open
        self._complaints = Complaints(reactor, settings.name, tell)
        self._reader: DatagramReader | None = None
        self._dropsSeen = 0
        self._dropsDue: IDelayedCall | None = None

    @property
    def listening(self) -> tuple[IAddress, ...]:
        """
        The address that is bound.
        """
        return () if self._reader is None else (self._reader.bound.address,)

    @property
    def bound(self) -> BoundSocket | None:
        """
        What it reads from.
        """
        return None if self._reader is None else self._reader.bound

    def bind(self, inherited: BoundSocket | None = None) -> None:
        """
        Bind the socket; datagrams wait in the kernel until :meth:`start`.

        :param inherited: the socket, where it is bound already.
        :raises CannotListen: if the address can't be had.
        """
        bound = inherited or self._open(self.settings)
        wanted = self.settings.soRcvbuf
        if wanted:
            granted = growReceiveBuffer(bound.socket, wanted)
            if granted < wanted:
                why = f"so-rcvbuf: the kernel gives {granted} of {wanted} bytes; raise net.core.rmem_max"
                self._complaints.say("so-rcvbuf", why)
        self._dropsSeen = _kernelDrops(bound.socket)
        limit = self.settings.maxMessageSize
        self._reader = DatagramReader(self._reactor, bound, limit, self._counters, self._complaints, self._deliver)

    def start(self) -> None:
        """
        Begin to read.
        """
        assert self._reader is not None, "bind comes first"
        self._reader.startReading()

    def adjust(self, settings: SourceSettings) -> None:
        """
        Take on another limit.
        """
        self.settings = settings
        if self._reader is not None:
            self._reader.limitTo(settings.maxMessageSize)

    def unbind(self) -> None:
        """
        Read nothing more.  What was read has been delivered.
        """
        if self._reader is not None:
            if self._dropsDue is not None:
                self._dropsDue.cancel()
                self._countDrops()
            reader, self._reader = self._reader, None
            reader.stopReading()
            try:
                reader.bound.close()
            except OSError as error:
                self._complaints.say("socket", f"{reader.bound.path} could not be removed: {error.strerror}")
            self._complaints.flush()

    def _deliver(self, senders: dict[str, list[bytes]]) -> None:
        """
        Deliver the messages of each sender.  What goes wrong must not end the source.
        """
        if self._dropsDue is None:
            self._dropsDue = self._reactor.callLater(DROPS_INTERVAL, self._countDrops)
        for sender, messages in senders.items():
            try:
                for batch in batchesOf(messages, Framing.OCTET_COUNTING, self._origin(sender)):
                    self._counters.received += batch.count
                    self._route.deliver(batch)
            except Exception:
                self._log.failure("source {source}: datagrams could not be delivered", source=self.settings.name)

    def _origin(self, sender: str) -> Origin:
        """
        Messages from the network are their sender's, those from UNIX sockets as programs of this host write them.
        """
        if sender:
            return Origin(self.settings.name, numericHost(sender), pausable=False)
        return Origin(self.settings.name, self._hostname, local=True, pausable=False)

    def _countDrops(self) -> None:
        """
        Count what the kernel dropped since it was asked last.
        """
        self._dropsDue = None
        assert self._reader is not None
        seen, self._dropsSeen = self._dropsSeen, _kernelDrops(self._reader.bound.socket)
        drops = (self._dropsSeen - seen) % 2**32
        if drops:
            self._counters.kernelDrops += drops
            self._complaints.say("kernel-drops", "the kernel dropped datagrams; raise so-rcvbuf", drops)

    def stop(self) -> Deferred[None]:
        """
        Close the socket.  What waits there is read before, as much as one turn reads: it would be lost.  At a socket of
        systemd's it goes on to wait.
        """
        reader, listen = self._reader, self.settings.listen
        isOurs = listen is not None and listen.kind != "systemd"
        if reader is not None and isOurs and reader.reading:
            reader.doRead()
        self.unbind()
        return succeed(None)


def _kernelDrops(bound: socket.socket) -> int:
    """
    How many datagrams the kernel has dropped on this socket, modulo 2**32; 0 where it does not tell.
    """
    try:
        answer = bound.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(answer)[_DROPS]) if len(answer) == _MEMINFO.size else 0
