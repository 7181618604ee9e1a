"""
SIGHUP.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import Configuration
from logrelay.errors import OrderRefused, ReloadRefused
from logrelay.hangup import Hangup
from logrelay.service import LogRelayService

from .sourcing import logged

NOTHING = Configuration((), ())


class Reloading:
    """
    As much of a relay as matters here.

    :ivar reloads: those under way, or done.
    """

    def __init__(self) -> None:
        self.reloads: list[Deferred[None]] = []
        self.read: list[Callable[[], Configuration]] = []

    def reload(self, configuration: Callable[[], Configuration]) -> Deferred[None]:
        """
        See ``LogRelayService``.
        """
        self.reloads.append(Deferred())
        self.read.append(configuration)
        return self.reloads[-1]


class HangupTests(SynchronousTestCase):
    """
    A relay that gets the signal.
    """

    def setUp(self) -> None:
        self.relay = Reloading()
        self.hangup = self.hangupOf(lambda: NOTHING)

    def hangupOf(self, read: Callable[[], Configuration] | None) -> Hangup:
        """
        What makes it reload.
        """
        return Hangup(MemoryReactor(), cast(LogRelayService, self.relay), read)

    def test_signal(self) -> None:
        """
        The signal means a reload, in the reactor; the relay reads the configuration itself, when its turn has come.
        """
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        calls: list[Any] = []

        class Reactor(MemoryReactor):
            def callFromThread(self, function: Any, *arguments: Any) -> None:
                calls.append(function)

        Hangup(Reactor(), cast(LogRelayService, self.relay), lambda: NOTHING).install()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(self.relay.reloads, [])
        [call] = calls
        call()
        self.assertEqual([read() for read in self.relay.read], [NOTHING])

    def test_again(self) -> None:
        """
        Signals that come during a reload mean one more, after it.
        """
        for _ in range(3):
            self.hangup.reload()
        self.assertEqual(len(self.relay.reloads), 1)
        self.relay.reloads[0].callback(None)
        self.assertEqual(len(self.relay.reloads), 2)
        self.relay.reloads[1].callback(None)
        self.assertEqual(len(self.relay.reloads), 2)
        self.hangup.reload()
        self.assertEqual(len(self.relay.reloads), 3)

    def test_refused(self) -> None:
        """
        A configuration that is refused, which the relay has told, does not keep the next one from being tried.
        """
        lines = logged(self)
        self.hangup.reload()
        self.relay.reloads[0].errback(ReloadRefused())
        self.hangup.reload()
        self.assertEqual((len(self.relay.reloads), lines), (2, []))

    def test_defect(self) -> None:
        """
        Anything else that goes wrong is seen.
        """
        self.hangup.reload()
        self.relay.reloads[0].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_flags(self) -> None:
        """
        A relay that was started with flags has nothing to read: its reload fails, and says so.
        """
        self.hangupOf(None).reload()
        [read] = self.relay.read
        error = self.assertRaises(OrderRefused, read)
        self.assertEqual(
            str(error), "SIGHUP: this relay was started with flags, so there is no file to read; restart it instead"
        )
