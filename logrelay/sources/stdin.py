"""
Standard input as a source.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from ..batches import Framing, Origin
from ..complaints import Complaints
from ..config import SourceSettings
from ..counters import SourceCounters
from ..eventlogger import logEvent
from ..events import Observer, SourceEnded
from ..framing import decoderFor
from ..routing import IRoute
from ..throttle import Throttle
from .flow import Cuts, Flow
from .interface import ISource, Reactor, unavailable

#: Bytes for each read: as many as a pipe holds.
READ_SIZE = 64 * 1024


class Input(FileDescriptor):
    """
    Reads a descriptor that is not ours to change.

    Twisted's ``StandardIO`` makes it non-blocking, and with it the terminal that it may share with standard output,
    the log and the shell.  There is no need: it is read once for each time that it is ready.  Regular files always are;
    where epoll refuses them, Twisted's reactor asks for them turn by turn.

    :ivar _received: is given what was read.
    :ivar _ended: called once, at the end of input.
    """

    def __init__(
        self, reactor: Reactor, descriptor: int, received: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        super().__init__(reactor)
        self.connected = 1
        self._descriptor = descriptor
        self._received = received
        self._ended = ended

    def fileno(self) -> int:
        """
        The descriptor to watch.
        """
        return self._descriptor

    def doRead(self) -> Exception | None:
        """
        Read once.
        """
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            # A terminal that has hung up.
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._received(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """
        The end of input.
        """
        super().connectionLost(reason)
        self._ended()


@implementer(ISource)
class StdinSource:
    """
    Takes messages from standard input until it ends.  The relay goes on after that.
    """

    listening: tuple[IAddress, ...] = ()

    def __init__(
        self,
        reactor: Reactor,
        settings: SourceSettings,
        route: IRoute,
        throttle: Throttle,
        counters: SourceCounters,
        hostname: bytes,
        descriptor: int = 0,
        tell: Observer = logEvent,
    ) -> None:
        self.settings = settings
        self._reactor = reactor
        self._throttle = throttle
        self._descriptor = descriptor
        # Text that happens to begin with a number is no octet counting; who pipes frames in says so.
        framing = settings.framing or Framing.LF
        decoder = decoderFor(framing, Origin(settings.name, hostname), settings.maxMessageSize, counters)
        self._flow = Flow(decoder, route)
        self._complaints = Complaints(reactor, settings.name, tell)
        self._cuts = Cuts(counters, self._complaints)
        self._tell = tell
        self._input: Input | None = None

    def bind(self) -> None:
        """
        Look whether there is a standard input.

        :raises CannotListen: if it is closed.
        """
        try:
            if self._descriptor == 0 and sys.__stdin__ is None:
                # It was closed when Python began.  By now the number may be that of another file.
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            os.fstat(self._descriptor)
        except OSError as error:
            raise unavailable(self.settings, error) from error

    def start(self) -> None:
        """
        Begin to read.
        """
        self._input = Input(self._reactor, self._descriptor, self._received, self._end)
        self._input.startReading()
        self._throttle.add(self._input)

    def _received(self, data: bytes) -> None:
        """
        Deliver the messages that are whole now.
        """
        error = self._flow.take(data)
        self._cuts.look("standard input")
        if error is not None:
            self._complaints.say("framing", str(error))
            self._end()

    def _end(self) -> None:
        """
        Read no more.
        """
        if self._input is not None:
            reading, self._input = self._input, None
            self._throttle.remove(reading)
            reading.stopReading()
            self._flow.end()
            self._cuts.look("standard input")
            self._complaints.flush()
            self._tell(SourceEnded(self.settings.name))

    def stop(self) -> Deferred[None]:
        """
        Read no more, if it has not ended by itself.
        """
        self._end()
        return succeed(None)
