"""
Tests for :mod:`logrelay.config`.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing
from logrelay.config import (
    BufferSettings,
    Configuration,
    DestinationSettings,
    SourceSettings,
    TLSSettings,
    smallestBuffer,
    warningsOf,
)
from logrelay.listening import parseListen
from logrelay.servers import Server


def relay(listen: str | None, to: tuple[str, ...], type: str = "syslog", **overflow: str) -> Configuration:
    """
    One source and some destinations with their policies.
    """
    source = SourceSettings(name="in", type=type, listen=parseListen(listen) if listen else None, to=to)
    destinations = (
        DestinationSettings(name, (Server("logs", 601),), buffer=BufferSettings(overflow=policy))
        for name, policy in overflow.items()
    )
    return Configuration((source,), tuple(destinations))


class DestinationSettingsTests(SynchronousTestCase):
    """
    A destination that a program describes.
    """

    def test_driverDecides(self) -> None:
        """
        Format and framing are the driver's where nothing else is said.
        """
        servers = (Server("logs", 601),)
        for driver, form, framing in (
            ("syslog", "rfc5424", Framing.OCTET_COUNTING),
            ("network", "rfc3164", Framing.LF),
        ):
            settings = DestinationSettings("central", servers, driver=driver)
            self.assertEqual((settings.format, settings.framing), (form, framing))
        settings = DestinationSettings("central", servers, driver="network", format="as-is")
        self.assertEqual((settings.format, settings.framing), ("as-is", Framing.LF))

    def test_tlsOrNot(self) -> None:
        """
        TLS has settings, and plain TCP has none: there is no way to ask for TLS and get none.
        """
        servers = (Server("logs", 601),)
        self.assertEqual(DestinationSettings("central", servers, transport="tls").tls, TLSSettings())
        self.assertIsNone(DestinationSettings("central", servers).tls)
        with self.assertRaises(ValueError):
            DestinationSettings("central", servers, transport="tls", tls=None)
        with self.assertRaises(ValueError):
            DestinationSettings("central", servers, tls=TLSSettings())


class SmallestBufferTests(SynchronousTestCase):
    """
    The smallest legal buffer.
    """

    def test_fourLargestBatches(self) -> None:
        """
        Four batches of 64 KiB and one message more fit.
        """
        self.assertEqual(smallestBuffer(65536), 512 * 1024)
        self.assertEqual(smallestBuffer(480), 4 * (480 + 65536))


class WarningsTests(SynchronousTestCase):
    """
    What ``logrelay check`` warns of.
    """

    def test_blockingBesideOthers(self) -> None:
        """
        A source that feeds several destinations, one of them blocking, is warned of, with the names.
        """
        for listen in ("tcp:1", "tls:1", "unix:/a", "systemd:INET:0", None):
            (warning,) = warningsOf(relay(listen, ("a", "b"), a="block", b="drop-oldest"))
            self.assertIn("source in feeds a, b: when the buffer of a is full", warning)
        (warning,) = warningsOf(relay("tcp:1", ("a", "b"), a="block", b="block"))
        self.assertIn("the buffer of a or b is full", warning)

    def test_relpWaitsForAll(self) -> None:
        """
        RELP waits for destinations that drop, too, and no policy prevents that.
        """
        (warning,) = warningsOf(relay("tcp:1", ("a", "b"), "relp", a="block", b="drop-oldest"))
        self.assertIn("the buffer of a or b is full the source waits", warning)
        self.assertNotIn("prevents", warning)

    def test_nothingToWarnOf(self) -> None:
        """
        One destination alone, destinations that drop, those of other sources, and sources that can't be made to wait
        give no warning.
        """
        for configuration in (
            relay("tcp:1", ("a",), a="block", b="drop-oldest"),
            relay("tcp:1", ("a", "b"), a="drop-newest", b="drop-oldest"),
            relay("tcp:1", ("b", "c"), a="block", b="drop-newest", c="drop-newest"),
            relay("udp:1", ("a", "b"), a="block", b="block"),
            relay("unix-dgram:/a", ("a", "b"), a="block", b="block"),
        ):
            self.assertEqual(warningsOf(configuration), [])
