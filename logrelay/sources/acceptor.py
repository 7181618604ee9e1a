"""
Accepting connections, so that nothing a peer or the host does can end it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..complaints import Complaints
from .interface import Reactor
from .sockets import BoundSocket

#: At most so many connections are accepted before other descriptors have their turn.
ACCEPTS_PER_TURN = 100

#: How long nothing is accepted when the host has nothing left to accept with.  The kernel goes on reporting waiting
#: connections, so without a pause the relay would turn idly, and so log; meanwhile the peers wait in the backlog.
REST = 1.0

_EXHAUSTED = {EMFILE, ENFILE, ENOBUFS, ENOMEM}


class Acceptor(FileDescriptor):
    """
    Accepts connections on a listening socket while it is being read.

    Twisted's own port begins to read as soon as it is bound, makes every UNIX socket it adopts writable for all and
    removes it at its end, and answers a lack of descriptors with log lines for each connection.

    :ivar bound: what it accepts on, and closes at its end.
    :ivar _admit: is given each connected socket, and may duplicate it: the original is closed after.
    """

    _log = Logger(namespace="logrelay.sources")

    def __init__(
        self,
        reactor: Reactor,
        bound: BoundSocket,
        admit: Callable[[socket.socket], None],
        complaints: Complaints,
    ) -> None:
        super().__init__(reactor)
        self._clock = reactor
        self.bound = bound
        self._admit = admit
        self._complaints = complaints
        self._rest: IDelayedCall | None = None

    def fileno(self) -> int:
        """
        The descriptor to watch.
        """
        return self.bound.socket.fileno()

    def doRead(self) -> None:
        """
        Accept what waits, up to a limit.
        """
        self.accept(ACCEPTS_PER_TURN)

    def accept(self, most: int) -> None:
        """
        Accept what waits, so many at most.
        """
        for _ in range(most):
            try:
                connection, _ = self.bound.socket.accept()
                with connection:
                    self._admit(connection)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                    return
                # Anything else is over with this connection: it ended or was forbidden before it was accepted.
            except Exception:
                self._log.failure("a connection could not be set up")

    def _pause(self, error: OSError) -> None:
        """
        Accept nothing for a while.
        """
        self._complaints.say("exhausted", f"nothing can be accepted for {REST:g} s: {error.strerror}")
        self.stopReading()
        self._rest = self._clock.callLater(REST, self.startReading)

    def close(self) -> None:
        """
        Accept nothing any more.

        :raises OSError: if the path of the socket can't be removed.
        """
        if self._rest is not None and self._rest.active():
            self._rest.cancel()
        self.stopReading()
        self.bound.close()
