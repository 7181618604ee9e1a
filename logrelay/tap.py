"""
The twistd plugin: flags or a file to a service.  The only module that names the global reactor.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from twisted.application.service import IService, MultiService
from twisted.internet.interfaces import IReactorCore

from .config import Configuration
from .control.service import ControlService
from .errors import ConfigurationError, LogRelayError, Problem
from .hangup import Hangup
from .notify import Notifier, watchingIn
from .options import Options
from .service import LogRelayService
from .tls import checkFiles, checkSourceFiles

__all__ = ["Options", "makeService"]


class Process(MultiService):
    """
    What a process of its own wants, and an application that composes the relay does not.
    """

    def __init__(self, reactor: IReactorCore, hangup: Callable[[], None]) -> None:
        """
        :param hangup: takes SIGHUP from now on.
        """
        super().__init__()
        self._reactor = reactor
        self._hangup = hangup

    def privilegedStartService(self) -> None:
        """
        Allow as many connections as the system does, and begin.

        :raises LogRelayError: if something can't be had; twistd ends the process then.
        """
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            # Where the hard limit is none, the soft one may not be.
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with _plainErrors():
            super().privilegedStartService()

    def startService(self) -> None:
        """
        Begin, take SIGHUP for a reload, and make a second SIGTERM, during a graceful stop, end the process at once.

        :raises LogRelayError: if something can't be had; twistd ends the process then.
        """
        with _plainErrors():
            super().startService()
        self._hangup()
        self._reactor.addSystemEventTrigger("before", "shutdown", self._nextOneKills)

    def _nextOneKills(self) -> None:
        """
        From now on the signal does what it does by default.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _plainErrors() -> Iterator[None]:
    """
    Let errors of ours end the process with their text, which says all.  Forty lines of where they came from would only
    hide it.
    """
    try:
        yield
    except LogRelayError:
        sys.excepthook = lambda kind, error, trace: print(error, file=sys.stderr)
        raise


def makeService(options: Options) -> IService:
    """
    Build the service that ``twistd logrelay`` runs.  A bad configuration ends the process, a line for each mistake.
    """
    from twisted.internet import reactor

    def read() -> Configuration:
        configuration = options.configuration(checkFiles, checkSourceFiles)
        _checkStdin(options, configuration)
        return configuration

    try:
        relay = LogRelayService(reactor, read())
        again = None if options.configFile is None else read
        process = Process(reactor, Hangup(reactor, relay, again).install)
        relay.setServiceParent(process)
        # What comes later starts after the relay, and stops before it.
        ControlService(reactor, relay, relay.configuration.control, again).setServiceParent(process)
        if relay.configuration.http is not None:
            # Who does not want it does not load it.
            from .web.service import HTTPService

            HTTPService(reactor, relay, relay.configuration.http).setServiceParent(process)
        watching = watchingIn(os.environ)
        if watching is not None:
            Notifier(reactor, relay, watching).setServiceParent(process)
    except ConfigurationError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise SystemExit(1) from None
    return process


def _checkStdin(options: Options, configuration: Configuration) -> None:
    """
    Refuse to read standard input as a daemon, which has none.

    :raises ConfigurationError: if that is wanted.
    """
    parent = getattr(options, "parent", None)
    if parent is None or parent.get("nodaemon"):
        return
    for source in configuration.sources:
        if source.type == "stdin":
            raise ConfigurationError(
                Problem("twistd", source.name, "a daemon has no standard input", "write twistd -n logrelay")
            )
