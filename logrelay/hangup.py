"""
SIGHUP: the configuration file is read again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from .config import Configuration
from .errors import LogRelayError, OrderRefused
from .service import LogRelayService

_log = Logger(namespace="logrelay")


class Hangup:
    """
    Has a relay read its configuration again whenever the process gets SIGHUP.  Signals that come while that is done
    mean one more reload after it: the file may have been read before it was changed.
    """

    def __init__(self, reactor: Any, relay: LogRelayService, read: Callable[[], Configuration] | None) -> None:
        """
        :param reactor: provides ``IReactorFromThreads``.
        :param read: reads the configuration; ``None`` where there is no file.
        """
        self._reactor = reactor
        self._relay = relay
        self._read = read
        self._reloading = self._again = False

    def install(self) -> None:
        """
        Take the signal from now on.
        """
        # In a signal handler nothing else may be called: the reactor could be anywhere.
        signal.signal(signal.SIGHUP, lambda number, frame: self._reactor.callFromThread(self.reload))

    def reload(self) -> None:
        """
        Reload, or do so again after the reload that is under way.
        """
        if self._reloading:
            self._again = True
        else:
            self._reloading = True
            # Also without a file it is a reload, which fails: whoever waits for it has to be told.
            self._relay.reload(self._read or _nothing).addBoth(self._done)

    def _done(self, result: Any) -> None:
        """
        A reload has ended.  What was wrong with the configuration has been told.
        """
        if isinstance(result, Failure) and not result.check(LogRelayError):
            _log.failure("a reload went wrong", result)
        self._reloading = False
        again, self._again = self._again, False
        if again:
            self.reload()


def _nothing() -> Configuration:
    """
    Read the configuration where there is no file.

    :raises OrderRefused: always.
    """
    raise OrderRefused("SIGHUP: this relay was started with flags, so there is no file to read; restart it instead")
