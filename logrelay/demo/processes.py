"""
The demo's other processes: started, listened to, and ended in every case.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import attrs
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ..errors import LogRelayError

#: How long a process may take to be ready, and to end; seconds.  A busy machine needs a few for Python alone.
READY_LIMIT = END_LIMIT = 10.0

#: What is kept of what a process says; a traceback fits, and none says more.
_SAID_LIMIT = 64 * 1024


class DemoFailed(LogRelayError):
    """
    The host's fault: something that the demo needs did not happen.
    """


class Child(ProcessProtocol):
    """
    One process.  It says ``ready`` when it is, runs until its standard input ends, and may then say more.

    :ivar name: for people.
    :ivar output: what it has said so far.
    """

    transport: IProcessTransport

    def __init__(self, reactor: Any, name: str, onTrouble: Callable[[str], object]) -> None:
        """
        :param onTrouble: told if the process ends without having been asked to.
        """
        self._reactor = reactor
        self.name = name
        self.output = ""
        self._onTrouble = onTrouble
        self._errors = ""
        self._ready: Deferred[None] | None = Deferred()
        # Those who wait for its end; None when it has come.
        self._waiting: list[Deferred[str]] | None = []

    # From the process.

    def outReceived(self, data: bytes) -> None:
        """
        Note what it says.
        """
        self.output = (self.output + data.decode("utf-8", "replace"))[-_SAID_LIMIT:]
        if self._ready is not None and self.output.startswith("ready\n"):
            ready, self._ready = self._ready, None
            ready.callback(None)

    def errReceived(self, data: bytes) -> None:
        """
        Note what it complains of.
        """
        self._errors = (self._errors + data.decode("utf-8", "replace"))[-_SAID_LIMIT:]

    def processEnded(self, reason: Failure) -> None:
        """
        Tell those who wait for it; if nobody does, something went wrong.
        """
        waiting, self._waiting = self._waiting, None
        for waiter in waiting or ():
            waiter.callback(self.output)
        if not waiting:
            last = self._errors.strip().rpartition("\n")[2] or reason.getErrorMessage()
            self._onTrouble(f"{self.name} has ended, and should not have: {last}")

    # From the demo.

    @property
    def pid(self) -> int | None:
        """
        Its process id; ``None`` when it has ended.
        """
        return self.transport.pid  # type: ignore[no-any-return]

    def whenReady(self) -> Deferred[None]:
        """
        Fires when it is ready; to be asked once.  Fails with :class:`DemoFailed` if that takes too long.
        """
        ready = self._ready or succeed(None)
        return ready.addTimeout(READY_LIMIT, self._reactor, self._tooLate)

    def finish(self) -> Deferred[str]:
        """
        Ask it to end.

        :return: fires with all its output when it has.  Fails with :class:`DemoFailed` if that takes too long.
        """
        self.transport.closeStdin()
        return self._whenEnded().addTimeout(END_LIMIT, self._reactor, self._tooLate)

    def kill(self) -> Deferred[str]:
        """
        End it at once, by SIGKILL: it can do nothing more.

        :return: fires with all its output when it has ended.
        """
        ended = self._whenEnded()
        # It may have ended already, and its end be on the way to us.
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        return ended

    def _whenEnded(self) -> Deferred[str]:
        """
        Fires with all its output when it has ended.
        """
        if self._waiting is None:
            return succeed(self.output)
        ended: Deferred[str] = Deferred()
        self._waiting.append(ended)
        return ended

    def _tooLate(self, _: object, limit: float) -> NoReturn:
        raise DemoFailed(f"{self.name} did not do within {limit:g} s what it should; is this host very busy?")


@attrs.define(eq=False)
class Processes:
    """
    All processes of a demo.

    :ivar onTrouble: told if one ends without having been asked to.
    """

    reactor: Any
    onTrouble: Callable[[str], object]
    _children: list[Child] = attrs.field(factory=list)

    def spawn(self, name: str, program: str, *arguments: object) -> Child:
        """
        Start one of the demo's programs, by its file: so it does not load the relay, and is found wherever that is.

        :param name: what to call the process.
        :param program: the name of its module beside this one.
        """
        child = Child(self.reactor, name, self.onTrouble)
        path = Path(__file__).with_name(f"{program}.py")
        # -P: the program's folder is no place to look for modules in.
        command = [sys.executable, "-P", str(path), *map(str, arguments)]
        self.reactor.spawnProcess(child, sys.executable, command, env=dict(os.environ))
        self._children.append(child)
        return child

    def endAll(self) -> Deferred[Any]:
        """
        End whatever still runs.

        :return: fires when nothing does.
        """
        return gatherResults([child.kill() for child in self._children])
