"""
What systemd is told, and how it says that it wants to be.
"""

from __future__ import annotations

from typing import cast

import attrs
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import Configuration
from logrelay.events import EventLog
from logrelay.notify import STATUS, Notifier, Watching, statusOf, watchingIn
from logrelay.service import LogRelayService
from logrelay.snapshot import Snapshot, SwitchSnapshot

from .snapshots import destination, relay, server


class WatchingTests(SynchronousTestCase):
    """
    The environment.
    """

    def test_environment(self) -> None:
        """
        Without a socket nobody is told; of the rest, what makes no sense counts as absent.
        """
        for environment, expected in (
            ({}, None),
            ({"NOTIFY_SOCKET": ""}, None),
            ({"NOTIFY_SOCKET": "vsock:2:1234"}, None),
            ({"NOTIFY_SOCKET": "/run/n"}, Watching("/run/n")),
            ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "2500000"}, Watching("@n", 2.5)),
            ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "7"}, Watching("@n", 1, 7)),
            ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "-1", "WATCHDOG_PID": "x"}, Watching("@n")),
        ):
            self.assertEqual(watchingIn(environment), expected)


@attrs.frozen
class Still:
    """
    A relay to which nothing happens.
    """

    configuration: Configuration = attrs.field(factory=lambda: Configuration(sources=(), destinations=()))
    log: EventLog = attrs.field(factory=lambda: EventLog([], lambda: None))

    def snapshot(self) -> Snapshot:
        """
        It is well.
        """
        return relay()


class FailureTests(SynchronousTestCase):
    """
    Nobody to tell.
    """

    def test_saidOnceAMinute(self) -> None:
        """
        That nobody is there is said at once, and then once a minute, however often the watchdog is fed.
        """
        clock, still = Clock(), Still()
        notifier = Notifier(clock, cast(LogRelayService, still), Watching("/nonexistent", 1))
        with capturedLogs() as logs:
            notifier.startService()
            clock.pump([0.25] * 4 * 130)
            notifier.stopService()
        times = [event["times"] for event in logs]
        self.assertEqual((len(times), times[0], sum(times) > 200), (4, 1, True))
        self.assertEqual((clock.getDelayedCalls(), still.log.observers), ([], []))


class StatusTests(SynchronousTestCase):
    """
    The line of ``systemctl status``.
    """

    def test_lines(self) -> None:
        """
        It names the server in use of each destination and why, and what is wrong.
        """
        switch = SwitchSnapshot(5, "a", "b", "eof")
        failed = (server("a", reason="eof", failedAt=1.0), server("b", reason="refused", failedAt=2.0))
        for snapshot, line in (
            (relay(), "central: b in use (a: eof)"),
            (relay(destination(servers=(server("b", active=True),))), "central: b in use"),
            (relay(destination(switches=(switch,))), "central: b in use after a (eof)"),
            (relay(destination(servers=failed)), "central: no server in use, last tried b (refused)"),
            (relay(destination(servers=(server("a"),))), "central: no server in use"),
            (relay(destination(), destination("x")), "central: b in use (a: eof); x: b in use (a: eof)"),
            (relay(ailments=("the disk\nhangs",)), "ill: the disk?hangs; central: b in use (a: eof)"),
        ):
            self.assertEqual(statusOf(snapshot), line)

    def test_length(self) -> None:
        """
        However many destinations there are, it is a line.
        """
        line = statusOf(relay(*(destination(f"d{number}") for number in range(1000))))
        self.assertEqual((len(line), line[-3:]), (STATUS, "..."))
