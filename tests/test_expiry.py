"""
Warnings before certificates expire.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay.events import CertificateExpires, Connected, Event, EventLog, Reloaded
from logrelay.expiry import LOOK, Expiry
from logrelay.snapshot import Snapshot

from .snapshots import destination, relay, server

DAY = 24 * 3600.0


class ExpiryTests(SynchronousTestCase):
    """
    Certificates, and the days that they have left.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        self.now = relay()
        self.expiry = Expiry(self.clock, EventLog([self.told.append]), lambda: self.now)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def start(self, snapshot: Snapshot) -> None:
        """
        Look, from now to the end of the test.
        """
        self.now = snapshot
        self.expiry.start()
        self.addCleanup(self.expiry.stop)

    def pass_(self, days: float) -> list[Event]:
        """
        Let days pass, and see what was told.
        """
        self.clock.pump([LOOK] * round(days * DAY / LOOK))
        told = self.told[:]
        self.told.clear()
        return told

    def warnings(self, owner: str, which: str, *days: int) -> list[Event]:
        """
        Events of one certificate.
        """
        return [CertificateExpires(owner, which, each) for each in days]

    def test_thresholds(self) -> None:
        """
        Each certificate is told of when 30, 7 and 1 days are left, once each, and then no more.
        """
        for kept, (owner, which) in (
            (relay(ownNotAfter=40 * DAY), ("sources", "our certificate")),
            (relay(destination(ownNotAfter=40 * DAY)), ("central", "our certificate")),
            (relay(destination(servers=(server("b:1", notAfter=40 * DAY),))), ("central", "the certificate of b:1")),
        ):
            self.clock = Clock()
            self.expiry = Expiry(self.clock, EventLog([self.told.append]), lambda: self.now)
            self.now = kept
            self.expiry.start()
            self.assertEqual(self.pass_(9.9), [])
            self.assertEqual(self.pass_(0.2), self.warnings(owner, which, 30))
            self.assertEqual(self.pass_(22.8), [])
            self.assertEqual(self.pass_(0.2), self.warnings(owner, which, 7))
            self.assertEqual(self.pass_(5.8), [])
            self.assertEqual(self.pass_(0.2), self.warnings(owner, which, 1))
            self.assertEqual(self.pass_(10), [])
            self.expiry.stop()
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_start(self) -> None:
        """
        What is late already is told of at the start, once.
        """
        self.start(relay(destination(ownNotAfter=-5.0), destination("other", ownNotAfter=5.5 * DAY)))
        first, *rest = self.pass_(1)
        self.assertEqual(first, CertificateExpires("central", "our certificate", -1))
        self.assertEqual(rest, self.warnings("other", "our certificate", 5))

    def test_renewed(self) -> None:
        """
        Another certificate in its place is another one.
        """
        self.start(relay(ownNotAfter=6.5 * DAY))
        self.assertEqual(self.pass_(1), self.warnings("sources", "our certificate", 6))
        self.now = relay(ownNotAfter=90 * DAY)
        self.assertEqual(self.pass_(50), [])
        self.now = relay(ownNotAfter=52.5 * DAY)
        self.assertEqual(self.pass_(0.2), self.warnings("sources", "our certificate", 1))

    def test_soon(self) -> None:
        """
        A connection and a reload may bring other certificates: that is looked at, on the next turn.
        """
        self.start(relay())
        for event in (Connected("central", "b:1"), Reloaded("nothing")):
            self.now = relay(ownNotAfter=self.clock.seconds() + 3.5 * DAY)
            self.expiry.observe(event)
            self.assertEqual(self.told, [])
            self.clock.advance(0)
            self.assertEqual(self.pass_(0), self.warnings("sources", "our certificate", 3))
            self.clock.advance(60)
