"""
Who is meant by an operator's orders, and what is told of them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from logrelay import events
from logrelay.destinationsnapshot import snapshotOf
from logrelay.errors import OrderRefused
from logrelay.steering import Steering

from .test_destination import ONE, TWO, DestinationCase


class SteeringTests(DestinationCase):
    """
    Orders by name, to one destination or several.
    """

    def setUp(self) -> None:
        super().setUp()
        self.lock = DeferredLock()
        self.steering = Steering(self.lock, lambda: self.known, self.makeLog())
        self.known = {"central": self.start()}
        self.take()

    def makeLog(self) -> Any:
        """
        Where its events go.
        """
        return events.EventLog([self.told.append])

    def refusal(self, order: Deferred[Any]) -> str:
        """
        Why it is refused.
        """
        return str(self.failureResultOf(order, OrderRefused).value)

    def done(self, order: Deferred[Any], seconds: float = 3) -> Any:
        """
        The result of an order.
        """
        self.spend(seconds)
        return self.successResultOf(order)

    def test_told(self) -> None:
        """
        What was ordered is told, when it is done; what is as it was ordered is not told again.
        """
        self.done(self.steering.switch(TWO))
        self.assertIn(events.Chosen("central", TWO), self.take())
        self.done(self.steering.drain("one"))
        self.assertEqual(self.take(), [events.Drained("central", ONE)])
        self.done(self.steering.drain("one", "central"))
        self.assertEqual(self.take(), [])
        self.done(self.steering.undrain(ONE))
        self.done(self.steering.failback())
        self.assertEqual(self.take()[:2], [events.Undrained("central", ONE), events.Released("central")])
        self.assertEqual(self.refusal(self.steering.undrain(ONE)), f"{ONE} is not drained")
        self.assertEqual(self.done(self.steering.probe()).server, ONE)
        self.assertEqual(self.done(self.steering.probe("two")).server, TWO)
        self.stop()

    def test_names(self) -> None:
        """
        A name that means nothing, or too much, is refused with what to write; and nothing is told.
        """
        self.assertEqual(
            self.refusal(self.steering.switch("tow")),
            'there is no server "tow" in destination central; did you mean two?',
        )
        self.assertIn("name one of one:601, two:601, three:601", self.refusal(self.steering.drain("\x1b[31m")))
        self.assertIn("did you mean central?", self.refusal(self.steering.failback("centra")))
        self.known["other"] = self.known["central"]
        self.assertEqual(
            self.refusal(self.steering.switch(TWO)), "there are 2 destinations; name one of central, other"
        )
        self.done(self.steering.probe(TWO, "other"))
        self.assertEqual(self.take(), [])
        self.stop()

    def test_oneAfterTheOther(self) -> None:
        """
        An order waits for the one before, and for a reload.
        """
        self.successResultOf(self.lock.acquire())
        first, second = self.steering.switch(TWO), self.steering.drain(TWO)
        self.spend(3)
        self.assertNoResult(first)
        self.lock.release()
        self.spend(1.5)
        self.successResultOf(first)
        self.assertNoResult(second)
        self.done(second)
        self.assertEqual(snapshotOf(self.destination).active, "three:601")
        self.stop()
