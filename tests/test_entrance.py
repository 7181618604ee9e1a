"""
Single messages of the program that composes the relay.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface.verify import verifyObject

from logrelay.entrance import MAX_WAITING, Entrance
from logrelay.errors import BufferFull, RelayStopped

from .program import ORIGIN, ProgramCase


class EntranceTests(ProgramCase):
    """
    Single messages.
    """

    def setUp(self) -> None:
        super().setUp()
        self.entrance = Entrance(self.route, self.throttle, ORIGIN, self.counters)

    def test_interface(self) -> None:
        """
        To the throttle it is a producer.
        """
        verifyObject(IPushProducer, self.entrance)

    def test_accepted(self) -> None:
        """
        A message is relayed as it is, and accepted when the route says so.
        """
        self.successResultOf(self.entrance.send(b"a\nb"))
        self.assertEqual(self.route.messages, [b"a\nb"])
        self.assertEqual((self.counters.received, self.counters.receivedBytes > 0), (1, True))

    def test_empty(self) -> None:
        """
        A message of nothing but line ends is none, and accepted, also while there is no room.
        """
        self.throttle.hold("central")
        for message in (b"", b"\r\n\0"):
            self.successResultOf(self.entrance.send(message))
        self.throttle.release("central")
        self.assertEqual((self.route.messages, self.counters.received), ([], 0))

    def test_dropped(self) -> None:
        """
        A message that a destination drops fails.
        """
        self.route.taken = False
        self.failureResultOf(self.entrance.send(b"one"), BufferFull)

    def test_notBytes(self) -> None:
        """
        What is no bytes is an error at once, whether there is room or not.
        """
        self.throttle.hold("central")
        with self.assertRaises(TypeError):
            self.entrance.send("one")  # type: ignore[arg-type]

    def test_waits(self) -> None:
        """
        While a destination is full messages wait, and are then relayed in order.
        """
        self.throttle.hold("central")
        sent = [self.entrance.send(b"%d" % number) for number in range(3)]
        for each in sent:
            self.assertNoResult(each)
        self.assertEqual(self.route.messages, [])
        self.throttle.release("central")
        for each in sent:
            self.successResultOf(each)
        self.assertEqual(self.route.messages, [b"0", b"1", b"2"])

    def test_heldAgain(self) -> None:
        """
        Where there is room for one message only, the others go on waiting.
        """
        self.throttle.hold("central")
        first, second = self.entrance.send(b"1"), self.entrance.send(b"2")
        self.route.onDeliver = lambda: self.throttle.hold("central")
        self.throttle.release("central")
        self.successResultOf(first)
        self.assertNoResult(second)
        self.assertEqual(self.route.messages, [b"1"])

    def test_sentMeanwhile(self) -> None:
        """
        What is sent by whoever waited for a message comes behind all that was sent before.
        """
        self.throttle.hold("central")
        first, second = self.entrance.send(b"1"), self.entrance.send(b"2")
        third: list[Deferred[None]] = []
        first.addCallback(lambda _: third.append(self.entrance.send(b"3")))
        self.throttle.release("central")
        self.successResultOf(second)
        self.successResultOf(third[0])
        self.assertEqual(self.route.messages, [b"1", b"2", b"3"])

    def test_tooManyWait(self) -> None:
        """
        When a thousand messages wait, one more fails at once; those that wait are not disturbed.
        """
        self.throttle.hold("central")
        sent = [self.entrance.send(b"x") for _ in range(MAX_WAITING)]
        self.assertIn("wait for room", str(self.failureResultOf(self.entrance.send(b"x"), BufferFull).value))
        self.throttle.release("central")
        for each in sent:
            self.successResultOf(each)
        self.assertEqual(len(self.route.messages), 1000)

    def test_cancelled(self) -> None:
        """
        A message that is cancelled while it waits is not relayed.
        """
        self.throttle.hold("central")
        first, second = self.entrance.send(b"1"), self.entrance.send(b"2")
        first.addErrback(lambda _: None)
        first.cancel()
        self.throttle.release("central")
        self.successResultOf(second)
        self.assertEqual(self.route.messages, [b"2"])

    def test_stopped(self) -> None:
        """
        When the relay has stopped, what still waits fails, cancelled or not.
        """
        self.throttle.hold("central")
        first, second = self.entrance.send(b"1"), self.entrance.send(b"2")
        first.addErrback(lambda _: None)
        first.cancel()
        self.entrance.stopProducing()
        self.failureResultOf(second, RelayStopped)
        self.throttle.release("central")
        self.assertEqual(self.route.messages, [])
