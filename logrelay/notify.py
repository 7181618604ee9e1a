"""
What systemd is told of a relay: that it is ready, what it does, that it is well (sd_notify(3)).
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from .complaints import Reminder
from .events import Event, Reloaded, ReloadFailed, Reloading
from .service import LogRelayService
from .snapshot import DestinationSnapshot, Snapshot
from .verdict import whyLeft

#: How often, in seconds, the status is looked at besides when something happens.
LOOK = 5.0

#: A notification that finds the socket full is sent again after so many seconds.
AGAIN = 0.1

#: So many of them are kept, more than there ever are between two looks; and a status may have so many characters.
KEPT, STATUS = 100, 500

#: A stop takes so many seconds longer than its time limits: for the sources, the command of on-switch, and to spare.
SPARE = 20.0

_log = Logger(namespace="logrelay.notify")


@attrs.frozen
class Watching:
    """
    Where systemd wants to be told, and how often.

    :ivar address: of a unix datagram socket.
    :ivar interval: the watchdog's, in seconds; ``None`` where there is none.
    :ivar pid: the process that the watchdog is for; ``None`` for any.
    """

    address: str
    interval: float | None = None
    pid: int | None = None


def watchingIn(environment: Mapping[str, str]) -> Watching | None:
    """
    What systemd has put into the environment; ``None`` if there is nothing of it, or nothing that makes sense.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    micros, pid = _number(environment.get("WATCHDOG_USEC", "")), _number(environment.get("WATCHDOG_PID", ""))
    return Watching(address, micros / 1e6 if micros else None, pid)


def _number(text: str) -> int | None:
    """
    A whole number; ``None`` for anything else.
    """
    return int(text) if text.isascii() and text.isdigit() else None


class Notifier(Service):
    """
    Tells systemd of a relay.  Add it after the relay to the service that has both: it starts when the relay has its
    sockets.
    """

    def __init__(self, reactor: Any, relay: LogRelayService, watching: Watching) -> None:
        """
        :param reactor: provides ``IReactorTime``.
        """
        self._reactor = reactor
        self._relay = relay
        self._watching = watching
        self._call: IDelayedCall | None = None
        self._again: IDelayedCall | None = None
        self._socket: socket.socket | None = None
        self._unsent: deque[bytes] = deque(maxlen=KEPT)
        self._status = ""
        self._feeds = False
        self._failures = Reminder(reactor, self._failed)

    @property
    def _interval(self) -> float:
        """
        Seconds between two looks: half of what the watchdog allows.
        """
        interval = self._watching.interval
        return min(LOOK, interval / 2) if self._feeds and interval else LOOK

    def startService(self) -> None:
        """
        The relay has started.  All else that starts with it does so in this turn of the reactor, so that the next one
        is the time to say so.
        """
        super().startService()
        pid = self._watching.pid
        # twistd may have forked since it was set.
        self._feeds = self._watching.interval is not None and pid in (None, os.getpid())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._relay.log.observers.append(self._observe)
        self._call = self._reactor.callLater(0, self._ready)

    def stopService(self) -> None:
        """
        The relay stops, as long as its configuration lets it take.
        """
        super().stopService()
        self._relay.log.observers.remove(self._observe)
        configuration = self._relay.configuration
        drains = (each.drainTimeout for each in configuration.destinations)
        longest = configuration.stopTimeout + max(drains, default=0) + SPARE
        self._tell(
            "STOPPING=1", f"STATUS={statusOf(self._relay.snapshot())}", f"EXTEND_TIMEOUT_USEC={longest * 1e6:.0f}"
        )
        self._failures.flush()
        for call in (self._call, self._again):
            if call is not None and call.active():
                call.cancel()
        assert self._socket is not None
        self._socket.close()
        self._call = self._again = self._socket = None

    def _ready(self) -> None:
        """
        Everything has started.
        """
        self._status = statusOf(self._relay.snapshot())
        self._tell("READY=1", f"STATUS={self._status}")
        self._look()

    def _observe(self, event: Event) -> None:
        """
        Something has happened: see what that changes, on the next turn.
        """
        match event:
            case Reloading():
                # By the clock of the kernel, not the reactor's: systemd compares them.
                now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")
            case Reloaded() | ReloadFailed():
                self._tell("READY=1")
        if self._call is not None and self._call.active():
            self._call.reset(0)

    def _look(self) -> None:
        """
        Say that all is well, and what has changed.
        """
        self._call = self._reactor.callLater(self._interval, self._look)
        snapshot = self._relay.snapshot()
        status = statusOf(snapshot)
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")
        if self._feeds and not snapshot.ailments:
            self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        """
        Send a notification.
        """
        self._unsent.append("\n".join(lines).encode())
        self._send()

    def _send(self) -> None:
        """
        Send what there is, as far as the socket takes it.
        """
        address = self._watching.address
        target = "\0" + address[1:] if address.startswith("@") else address
        while self._unsent and self._socket is not None:
            try:
                self._socket.sendto(self._unsent[0], target)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.ENOBUFS):
                    if self._again is None or not self._again.active():
                        self._again = self._reactor.callLater(AGAIN, self._send)
                    return
                self._failures.add(error.strerror or str(error))
            self._unsent.popleft()

    def _failed(self, why: Hashable, times: int) -> None:
        """
        Say that nobody is told: not each time, which may be twice a second.
        """
        again = f" [{times} times]" if times > 1 else ""
        _log.warn(
            "systemd cannot be told at {address}: {why}{again}",
            address=self._watching.address,
            why=why,
            again=again,
            times=times,
        )


def statusOf(snapshot: Snapshot) -> str:
    """
    The line that ``systemctl status`` shows: what is wrong, and which server each destination uses, and why.
    """
    ailments = [f"ill: {each}" for each in snapshot.ailments]
    line = "; ".join([*ailments, *map(_statusOf, snapshot.destinations)])
    line = "".join(each if each.isprintable() else "?" for each in line)
    return line if len(line) <= STATUS else f"{line[: STATUS - 3]}..."


def _statusOf(destination: DestinationSnapshot) -> str:
    """
    The server that one destination uses, and why.
    """
    name, active = destination.name, destination.active
    if active is None:
        failed = [each for each in destination.servers if each.failedAt is not None]
        last = max(failed, key=lambda each: each.failedAt or 0, default=None)
        return f"{name}: no server in use" + (f", last tried {last.name} ({last.reason})" if last else "")
    if destination.switches and destination.switches[0].after == active:
        switch = destination.switches[0]
        return f"{name}: {active} in use after {switch.before} ({switch.reason})"
    why = "" if destination.servers[0].active else whyLeft(destination)
    return f"{name}: {active} in use" + (f" ({why})" if why else "")
