"""
``on-switch``: a command that is run whenever another server is in use.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol, connectionDone
from twisted.python.failure import Failure

from . import events
from .events import Event, EventLog, Switched

#: A command may take so many seconds.
LIMIT = 30.0

#: When the relay stops, so many.
LIMIT_AT_STOP = 5.0

#: And then so many more to tidy up, between SIGTERM and SIGKILL.
GRACE = 2.0

#: So many bytes of what it writes are kept: the last ones, which tell why something failed.
OUTPUT = 1000

#: All that it has of our environment: nothing.  There may be secrets in that, and what systemd told us alone.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

#: Makes a process group of the command, so that what it starts ends with it.  Python has changed what becomes of some
#: signals, which a new program would keep.
_LEADER = """
import os, signal, sys
os.setsid()
os.chdir("/")
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execv(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error.strerror}")
"""


@attrs.frozen
class _Change:
    """
    What a command is run for.
    """

    event: Switched
    at: float

    @property
    def environment(self) -> dict[str, str]:
        """
        What the command is told.
        """
        return {
            **ENVIRONMENT,
            "LOGRELAY_DESTINATION": self.event.destination,
            "LOGRELAY_BEFORE": self.event.before,
            "LOGRELAY_AFTER": self.event.after,
            "LOGRELAY_REASON": self.event.reason,
            "LOGRELAY_AT": f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }


class Hook:
    """
    Runs a command at each switch, one at a time.  While one runs, the last switch of each destination waits, and those
    before it are left out.
    """

    def __init__(self, reactor: Any, command: Callable[[], tuple[str, ...]], log: EventLog) -> None:
        """
        :param reactor: provides ``IReactorProcess`` and ``IReactorTime``.
        :param command: the program and its arguments, as configured now; empty for none.
        """
        self._reactor = reactor
        self._command = command
        self._log = log
        self._waiting: dict[str, _Change] = {}
        self._running: _Run | None = None
        self._works = False

    def start(self) -> None:
        """
        Run commands from now on.
        """
        self._works = True

    def stop(self) -> Deferred[None]:
        """
        Run no more of them, and let the one that runs end soon.

        :return: fires when none runs.
        """
        self._works = False
        self._waiting.clear()
        if self._running is None:
            return succeed(None)
        self._running.hurry(LIMIT_AT_STOP)
        return self._running.ended

    def observe(self, event: Event) -> None:
        """
        There may be another server in use.
        """
        if self._works and self._command() and isinstance(event, Switched):
            # The newest one is the last in its turn, too.
            self._waiting.pop(event.destination, None)
            self._waiting[event.destination] = _Change(event, self._reactor.seconds())
            self._go()

    def _go(self) -> None:
        """
        Run the command for what has waited longest, if none runs.
        """
        if self._running is not None or not self._waiting:
            return
        change = self._waiting.pop(next(iter(self._waiting)))
        command = self._command()
        if not command:
            # A reload has taken it away.
            self._waiting.clear()
            return
        run = _Run(self._reactor, command[0])
        started = [sys.executable, "-I", "-S", "-c", _LEADER, *command]
        try:
            self._reactor.spawnProcess(run, sys.executable, started, change.environment)
        except Exception as error:
            # Out of memory, processes or descriptors.
            run.cancel()
            self._log.tell(events.CommandFailed(command[0], f"it cannot be started: {error}"))
            return
        self._running = run
        run.ended.addCallback(lambda _: self._over(run))

    def _over(self, run: _Run) -> None:
        """
        The command has ended.
        """
        self._running = None
        if run.why:
            self._log.tell(events.CommandFailed(run.program, run.why, run.output))
        else:
            self._log.tell(events.CommandRan(run.program, run.took, run.output))
        self._go()


class _Run(ProcessProtocol):
    """
    One run of a command.  It has ended when the process has, and nobody holds its output any more.

    :ivar ended: fires then.
    :ivar why: why it has failed; empty if it has not.
    """

    transport: Any

    def __init__(self, reactor: Any, program: str) -> None:
        self._reactor = reactor
        self.program = program
        self.ended: Deferred[None] = Deferred()
        self.why = ""
        self.took = 0.0
        self._began = reactor.seconds()
        self._output = b""
        self._isLong = False
        self._call: IDelayedCall | None = reactor.callLater(LIMIT, self._expire, LIMIT)

    def connectionMade(self) -> None:
        """
        It has nothing to read.
        """
        # The transport forgets it when the process has ended, and others of the group may live on.
        self._group = self.transport.pid
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep the end of what it writes.
        """
        output = self._output + data
        self._isLong = self._isLong or len(output) > OUTPUT
        self._output = output[-OUTPUT:]

    @property
    def output(self) -> str:
        """
        What it wrote, in one line.
        """
        lines = self._output.decode("utf-8", "backslashreplace").splitlines()
        shown = (line.strip() for line in lines)
        text = " | ".join(
            "".join(each if each.isprintable() else "?" for each in line.expandtabs(1)) for line in shown if line
        )
        return f"...{text}" if self._isLong else text

    def hurry(self, limit: float) -> None:
        """
        Give it so many seconds from now, if it has more.
        """
        if self._call is not None and self._call.getTime() > self._reactor.seconds() + limit and not self.why:
            self._call.cancel()
            self._call = self._reactor.callLater(limit, self._expire, limit)

    def cancel(self) -> None:
        """
        Wait no more.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _expire(self, limit: float) -> None:
        """
        It takes too long: let it tidy up.
        """
        self.why = f"it had not ended after {limit:g} s"
        self._call = self._reactor.callLater(GRACE, self._kill)
        self._signal(signal.SIGTERM)

    def _kill(self) -> None:
        """
        It does not.  What it has started may have left its group and still have its output: that is not waited for.
        """
        self._call = None
        self._signal(signal.SIGKILL)
        self.transport.loseConnection()

    def _signal(self, number: int) -> None:
        """
        Send a signal to its process group.
        """
        try:
            os.killpg(self._group, number)
        except ProcessLookupError:
            # Either nothing is left of it, or it has not come to be the leader of a group yet.
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess(number)

    def processEnded(self, reason: Failure = connectionDone) -> None:
        """
        It has ended.
        """
        self.cancel()
        self.took = self._reactor.seconds() - self._began
        error = reason.value
        if not self.why and not isinstance(error, ProcessDone):
            number = getattr(error, "signal", None)
            self.why = f"signal {number}" if number else f"exit status {getattr(error, 'exitCode', None)}"
        self.ended.callback(None)
