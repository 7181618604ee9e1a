"""
What a relay in a process of its own tells systemd, in its order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from .sourcing import folder as shortFolder
from .twistds import LIMIT, Foreground, Sink

LISTEN = "tcp:0:interface=127.0.0.1"

#: ptrace(2).
_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17

#: waitpid(2): for threads, too.
_WALL = 0x40000000


class NotifyCase(SynchronousTestCase):
    """
    A relay, and systemd's end of the socket.
    """

    abstract = False

    def setUp(self) -> None:
        # A socket's path may not be long.
        folder = Path(shortFolder(self))
        self.file = folder / "relay.toml"
        self.address = f"@{folder}" if self.abstract else str(folder / "n")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.address.replace("@", "\0"))
        self.socket.settimeout(LIMIT)
        self.sink, self.other = Sink(self), Sink(self)

    def configure(self, more: str = "", head: str = "") -> None:
        """
        Write the file.
        """
        servers = f'primary = "127.0.0.1:{self.sink.port}"\nfailovers = ["127.0.0.1:{self.other.port}"]\n'
        source = f'[[source]]\nlisten = "{LISTEN}"\n'
        self.file.write_text(f"{head}{source}[destination.x]\n{servers}drain-timeout = 1\n{more}")

    def start(self, **environment: str) -> Foreground:
        """
        Start it.
        """
        return Foreground(self, "--config", str(self.file), environment={"NOTIFY_SOCKET": self.address, **environment})

    def next(self) -> dict[str, str]:
        """
        The next notification.
        """
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def until(self, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """
        The first notification of which something is so.
        """
        while not condition(told := self.next()):
            pass
        return told


class LifeTests(NotifyCase):
    """
    From start to stop.
    """

    def test_life(self) -> None:
        """
        It is ready when it listens; its status follows the server in use; a reload is begun and ended, also one that is
        refused; a stop has the time that it may take.
        """
        self.configure()
        relay = self.start()
        first = self.next()
        self.assertEqual(first["READY"], "1")
        # It listens by then.
        host, _, port = relay.says(rf"source {LISTEN} listens on (\S+)").rpartition(":")
        socket.create_connection((host, int(port))).close()
        a, b = f"127.0.0.1:{self.sink.port}", f"127.0.0.1:{self.other.port}"
        if first["STATUS"] != f"x: {a} in use":
            self.until(lambda told: told.get("STATUS") == f"x: {a} in use")
        self.sink.close()
        status = self.until(lambda told: " after " in told.get("STATUS", ""))["STATUS"]
        self.assertRegex(status, rf"^x: {b} in use after {a} \((eof|reset)\)$")
        for head, said in (("stop-timeout = 3\n", "reloaded: .*stop-timeout"), ("x = 1\n", "not reloaded")):
            self.configure(head=head)
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            relay.popen.send_signal(signal.SIGHUP)
            begun = self.until(lambda told: "STATUS" not in told)
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.assertEqual(begun.pop("RELOADING"), "1")
            self.assertTrue(before <= int(begun.pop("MONOTONIC_USEC")) <= after)
            self.assertEqual((begun, self.next()), ({}, {"READY": "1"}))
            relay.says(said)
        relay.popen.send_signal(signal.SIGTERM)
        last = self.until(lambda told: "STOPPING" in told)
        # stop-timeout, drain-timeout, and 20 to spare.
        self.assertEqual(last, {"STOPPING": "1", "STATUS": status, "EXTEND_TIMEOUT_USEC": "24000000"})
        self.other.readAll()
        self.assertEqual(relay.wait(), -signal.SIGTERM)

    def test_watchdogOfAnother(self) -> None:
        """
        A watchdog that is another process's is not fed.
        """
        self.configure()
        relay = self.start(WATCHDOG_USEC="200000", WATCHDOG_PID="1")
        self.assertEqual(self.next()["READY"], "1")
        deadline = time.monotonic() + 0.6
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                self.assertNotIn("WATCHDOG", self.next())
            except TimeoutError:
                break
        self.assertIsNone(relay.popen.poll())


class WatchdogTests(NotifyCase):
    """
    A relay that is watched, at an abstract address.
    """

    abstract = True

    def test_hungDisk(self) -> None:
        """
        The watchdog is fed twice in its time, until the disk thread hangs for ten seconds; and again when it works.
        """
        self.configure(f'[destination.x.spool]\npath = "{self.file.parent / "spool"}"\n')
        relay = self.start(WATCHDOG_USEC="400000")
        self.until(lambda told: "WATCHDOG" in told)
        began = time.monotonic()
        for _ in range(5):
            self.until(lambda told: "WATCHDOG" in told)
        self.assertLess(time.monotonic() - began, 5 * 0.4)
        pid, ptrace = relay.popen.pid, ctypes.CDLL(None, use_errno=True).ptrace
        ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        # All threads but the reactor's.
        stopped: list[int] = []
        for thread in {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}:
            if ptrace(_SEIZE, thread, None, None) or ptrace(_INTERRUPT, thread, None, None):
                raise SkipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")
            # A thread that we have stopped is ours to let go of: the process can't end before.
            os.waitpid(thread, _WALL)
            self.addCleanup(ptrace, _DETACH, thread, None, None)
            stopped.append(thread)
        hung = time.monotonic()
        status = self.until(lambda told: "STATUS" in told)["STATUS"]
        self.assertRegex(status, r"^ill: x: the disk thread of the spool has not answered for 1\d s; x: ")
        self.assertGreater(time.monotonic() - hung, 8)
        # One that was on its way when it became ill may still come.
        deadline, fed = time.monotonic() + 1, 0
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                fed += "WATCHDOG" in self.next()
            except TimeoutError:
                break
        self.assertLessEqual(fed, 1)
        self.socket.settimeout(LIMIT)
        for thread in stopped:
            ptrace(_DETACH, thread, None, None)
        self.until(lambda told: "WATCHDOG" in told)
