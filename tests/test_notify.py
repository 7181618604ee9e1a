"""
What systemd is told, and how it says that it wants to be.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.notify import STATUS, Watching, statusOf, watchingIn
from logrelay.snapshot import SwitchSnapshot

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
