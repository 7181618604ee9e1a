"""
A TCP connection in memory, for :mod:`logrelay.testing`.

What the client writes passes through three buffers: the transport's own, that of the client's kernel, and that of the
server's kernel.  Only then it is read.  So acknowledged is not yet read, and what is not read is lost by a reset.
Nothing moves but when the clock goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import attrs
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IConsumer, IProducer, IProtocol, IPushProducer, IReactorTime, ITCPTransport
from twisted.logger import Logger
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure
from zope.interface import implementer

from .liveness import Sample
from .views import IConnectionView

_log = Logger(namespace="logrelay.testing")

#: What a transport buffers before it pauses its producer; Twisted's number.
_PAUSE_ABOVE = 64 * 1024

#: What the sending kernel takes beyond what is acknowledged, and the receiving one beyond what is read.
KERNEL_BUFFER = 64 * 1024


class FakeConnection:
    """
    A connection, as the server sees it.

    :ivar transport: the client's side.
    :ivar received: what the server read.
    :ivar unread: what its kernel has acknowledged, and the server has not read.
    :ivar ended: how the client ended its side: ``eof`` or ``reset``; ``None`` if the server has not noticed an end.
    :ivar answersEnd: whether the server closes when the client has ended its side.
    :ivar reachable: whether packets arrive, in either direction.
    """

    def __init__(self, clock: IReactorTime, protocol: IProtocol, address: IPv4Address) -> None:
        self._clock = clock
        self.transport = MemoryTransport(clock, self, protocol, address)
        self.received = b""
        self.unread = b""
        self.ended: str | None = None
        self.answersEnd = True
        self.reachable = True
        self._reading = True
        self._closed = False

    def stall(self) -> None:
        """
        Read nothing.  The kernel goes on to take data until its buffer is full.
        """
        self._reading = False

    def resume(self) -> None:
        """
        Read again.
        """
        self._reading = True
        self.transport.later()

    def vanish(self) -> None:
        """
        Let packets go nowhere, in both directions.
        """
        self.reachable = False

    def send(self, data: bytes) -> None:
        """
        Say something to the client.
        """
        self._later(self.transport.hears, data)

    def close(self) -> None:
        """
        Close: gracefully if everything was read, with a reset otherwise, as kernels do.
        """
        if self.unread:
            self.reset()
        elif not self._closed:
            self._closed = True
            self._later(self.transport.lost, error.ConnectionDone(), "eof")

    def reset(self) -> None:
        """
        Reset the connection.  What was not read is lost.
        """
        self._closed = True
        self.unread = b""
        self._later(self.transport.lost, error.ConnectionLost(), "reset")

    def _later(self, tell: Callable[..., None], *what: object) -> None:
        """
        Send a packet to the client.
        """

        def arrive() -> None:
            if self.reachable:
                tell(*what)

        self._clock.callLater(0, arrive)

    # From the client.

    def takes(self, data: bytes) -> int:
        """
        Data has come.

        :return: how many bytes of it the kernel acknowledges.
        """
        if not self.reachable or self._closed:
            return 0
        self._read()
        taken = data[: KERNEL_BUFFER - len(self.unread)]
        self.unread += taken
        self._read()
        return len(taken)

    def _read(self) -> None:
        """
        The server reads, unless it stalls.
        """
        if self._reading:
            self.received, self.unread = self.received + self.unread, b""

    def hearsEnd(self, how: str) -> None:
        """
        The client has ended its side.  The server notices a FIN behind all data, a reset at once.
        """
        if self.reachable and self.ended is None and (how == "reset" or (self._reading and not self.unread)):
            self.ended = how
            if how == "eof" and self.answersEnd:
                self.close()

    @property
    def window(self) -> int:
        """
        How much the server's kernel has room for.
        """
        return KERNEL_BUFFER - len(self.unread)

    @property
    def windowClosed(self) -> bool:
        """
        Whether the client's kernel is told to wait.
        """
        return self.reachable and self.window <= 0


@implementer(ITCPTransport, IConsumer)
class MemoryTransport:
    """
    The client's side of a connection.

    :ivar connected: whether the client holds the connection.
    :ivar taken: how many bytes its kernel took.
    :ivar acked: how many of them the server's kernel acknowledged.
    :ivar ending: how the server ended it: ``eof`` or ``reset``; ``None`` if it did not.
    :ivar endSent: whether our side has ended, behind all that was written.
    """

    def __init__(self, clock: IReactorTime, connection: FakeConnection, protocol: IProtocol, peer: IPv4Address) -> None:
        self._clock = clock
        self.connection = connection
        self._protocol = protocol
        self._peer = peer
        self.connected = True
        self.taken = 0
        self.acked = 0
        self.ending: str | None = None
        self.endSent = False
        self._losing = False
        self._losingWrite = False
        self._buffer = b""
        self._outstanding = b""
        self._scheduled = False
        self._producer: IPushProducer | None = None
        self._streaming = False
        self._producerPaused = False
        self._noDelay = self._keepAlive = False

    # ITransport and IConsumer.

    def write(self, data: bytes) -> None:
        """
        Write, unless our side has ended.
        """
        if not self.connected or self.endSent:
            return
        self._buffer += data
        if self._producer is not None and self._streaming and len(self._buffer) > _PAUSE_ABOVE:
            self._producerPaused = True
            self._producer.pauseProducing()
        self.later()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Write all of it.
        """
        self.write(b"".join(data))

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Have a producer write.

        :raises RuntimeError: if there is one.
        """
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer, self._streaming, self._producerPaused = cast(IPushProducer, producer), streaming, False
        if not streaming:
            self._producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        Forget the producer.
        """
        self._producer = None
        self.later()

    def loseConnection(self) -> None:
        """
        Close, when everything is written.
        """
        self._losing = True
        self.later()

    # ITCPTransport.

    def loseWriteConnection(self) -> None:
        """
        End our side, when everything is written.
        """
        self._losingWrite = True
        self.later()

    def abortConnection(self) -> None:
        """
        Reset the connection; what the server's kernel has not got is lost.
        """
        self._clock.callLater(0, self._abort)

    def _abort(self) -> None:
        if self.connected:
            self.connection.hearsEnd("reset")
            self.lost(error.ConnectionAborted(), None)

    def getHost(self) -> IPv4Address:
        """
        Our address.
        """
        return IPv4Address("TCP", "192.0.2.2", self._peer.port)

    def getPeer(self) -> IPv4Address:
        """
        The server's address.
        """
        return self._peer

    def getTcpNoDelay(self) -> bool:
        """
        Whether small writes go out at once.
        """
        return self._noDelay

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Have small writes go out at once.
        """
        self._noDelay = enabled

    def getTcpKeepAlive(self) -> bool:
        """
        Whether the kernel probes an idle connection.
        """
        return self._keepAlive

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Have the kernel probe an idle connection.
        """
        self._keepAlive = enabled

    # What happens.

    def later(self) -> None:
        """
        Move data when the clock goes on.
        """
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._move)

    def _move(self) -> None:
        """
        Move data from buffer to buffer, as far as there is room; then ask for more, or end.
        """
        self._scheduled = False
        while self._step():
            pass
        if self.connected and not self._buffer:
            self._written()
        if self.endSent and not self._outstanding:
            self.connection.hearsEnd("eof")

    def _step(self) -> int:
        """
        Move data once.

        :return: how many bytes moved.
        """
        taken = self._buffer[: KERNEL_BUFFER - len(self._outstanding)]
        self._buffer = self._buffer[len(taken) :]
        self.taken += len(taken)
        self._outstanding += taken
        acked = self.connection.takes(self._outstanding)
        self._outstanding = self._outstanding[acked:]
        self.acked += acked
        return len(taken) + acked

    def _written(self) -> None:
        """
        The kernel has everything.
        """
        if self._producer is not None and (self._producerPaused or not self._streaming):
            self._producerPaused = False
            self._producer.resumeProducing()
        elif self._losing:
            self.endSent = True
            self.lost(error.ConnectionDone(), None)
        elif self._losingWrite:
            self.endSent = True

    def hears(self, data: bytes) -> None:
        """
        The server says something.
        """
        if self.connected and not self._losing:
            try:
                self._protocol.dataReceived(data)
            except Exception as problem:
                _log.failure("a protocol failed")
                self.connection.hearsEnd("eof")
                self.lost(problem, None)

    def lost(self, reason: Exception, ending: str | None) -> None:
        """
        The connection is gone.
        """
        if not self.connected:
            return
        self.connected = False
        self.ending = ending
        if self._producer is not None:
            self._producer.stopProducing()
            self._producer = None
        try:
            self._protocol.connectionLost(Failure(reason))
        except Exception:
            _log.failure("a protocol failed")


@implementer(IConnectionView)
@attrs.define(eq=False)
class MemoryView:
    """
    What a kernel would know of a connection in memory.

    :ivar closed: whether it was let go of, as it has to be.
    """

    transport: MemoryTransport
    admitted: bool = False
    roundTrip: float = 0.0
    closed: bool = False

    def sample(self) -> Sample:
        """
        See ``IConnectionView``.
        """
        taken, acked, connection = self.transport.taken, self.transport.acked, self.transport.connection
        return Sample(taken, acked, acked < taken and connection.windowClosed, connection.window)

    def guard(self, limit: float) -> None:
        """
        See ``IConnectionView``.
        """

    def undecided(self) -> bool:
        """
        See ``IConnectionView``.
        """
        return False

    def plain(self, offset: int) -> int:
        """
        See ``IConnectionView``.
        """
        return offset

    def reason(self) -> str | None:
        """
        See ``IConnectionView``.
        """
        return self.transport.ending

    def drained(self) -> bool:
        """
        See ``IConnectionView``.
        """
        transport = self.transport
        return transport.ending == "eof" and transport.endSent and transport.acked == transport.taken

    def emptied(self) -> bool:
        """
        See ``IConnectionView``.
        """
        transport = self.transport
        return transport.ending == "eof" and not transport.endSent and transport.acked == transport.taken

    def close(self) -> None:
        """
        See ``IConnectionView``.
        """
        self.closed = True


registerAdapter(MemoryView, MemoryTransport, IConnectionView)
