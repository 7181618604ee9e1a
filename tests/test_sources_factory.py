"""
From settings to sources.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.sources import ISource, sourceFor
from logrelay.sources.datagram import DatagramSource
from logrelay.sources.stdin import StdinSource
from logrelay.sources.stream import StreamSource
from logrelay.sources.systemd import SystemdSource
from logrelay.throttle import Throttle

from .sourcing import KeptRoute, listening


class SourceForTests(SynchronousTestCase):
    """
    Which source is built.
    """

    def test_kinds(self) -> None:
        """
        Each kind of ``listen`` has its source, and no listen means standard input.  Nothing is opened.
        """
        kinds: dict[str, Any] = {
            "tcp:514": StreamSource,
            "tls:6514": StreamSource,
            "unix:/nowhere/log": StreamSource,
            "udp:514": DatagramSource,
            "unix-dgram:/nowhere/log": DatagramSource,
            "systemd:domain=INET:index=0": SystemdSource,
        }
        reactor = MemoryReactorClock()
        settings = [*map(listening, kinds), SourceSettings("stdin", type="stdin")]
        for setting, kind in zip(settings, [*kinds.values(), StdinSource], strict=True):
            source = sourceFor(reactor, setting, KeptRoute(), Throttle(), SourceCounters(), b"me")
            verifyObject(ISource, source)
            self.assertIsInstance(source, kind)
            self.assertIs(source.settings, setting)
            self.assertEqual(source.listening, ())
        self.assertEqual(reactor.getReaders(), [])
        self.assertEqual(reactor.getDelayedCalls(), [])
