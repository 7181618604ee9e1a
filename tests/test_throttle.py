"""
Back-pressure on the producers of one source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from logrelay.throttle import Throttle


@implementer(IPushProducer)
class Producer:
    """
    Writes down what it is told.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.onResume: Callable[[], None] = lambda: None
        self.onPause: Callable[[], None] = lambda: None

    def pauseProducing(self) -> None:
        self.told.append("pause")
        self.onPause()

    def resumeProducing(self) -> None:
        self.told.append("resume")
        self.onResume()

    def stopProducing(self) -> None:
        self.told.append("stop")


class ThrottleTests(SynchronousTestCase):
    """
    Producers that are held for reasons.
    """

    def setUp(self) -> None:
        self.throttle = Throttle()
        self.producers = [Producer() for _ in range(3)]
        for producer in self.producers:
            self.throttle.add(producer)

    def told(self) -> list[list[str]]:
        """
        What each producer was told.
        """
        return [producer.told for producer in self.producers]

    def test_nothingHeldNothingTold(self) -> None:
        """
        A producer that is added while no reason holds is told nothing.
        """
        self.assertEqual(self.told(), [[], [], []])
        self.assertEqual(self.throttle.held, frozenset())

    def test_firstReasonPausesLastResumes(self) -> None:
        """
        Producers are paused once, at the first reason, and resumed once, when the last is gone.
        """
        self.throttle.hold("a")
        self.throttle.hold("a")
        self.throttle.hold("b")
        self.assertEqual(self.told(), [["pause"]] * 3)
        self.assertEqual(self.throttle.held, {"a", "b"})
        self.throttle.release("a")
        self.throttle.release("a")
        self.assertEqual(self.told(), [["pause"]] * 3)
        self.throttle.release("b")
        self.assertEqual(self.told(), [["pause", "resume"]] * 3)
        self.assertEqual(self.throttle.held, frozenset())

    def test_unknownReasonAndProducer(self) -> None:
        """
        Releasing what does not hold and removing what is not known change nothing.
        """
        self.throttle.release("never held")
        self.throttle.remove(Producer())
        self.assertEqual(self.told(), [[], [], []])

    def test_addedWhileHeld(self) -> None:
        """
        A producer that comes while a reason holds is paused at once, and resumed with the others.
        """
        self.throttle.hold("a")
        late = Producer()
        self.throttle.add(late)
        self.assertEqual(late.told, ["pause"])
        self.throttle.release("a")
        self.assertEqual(late.told, ["pause", "resume"])

    def test_removedIsToldNothing(self) -> None:
        """
        A producer that was removed is told nothing any more, paused or not.
        """
        self.throttle.remove(self.producers[0])
        self.throttle.hold("a")
        self.throttle.remove(self.producers[1])
        self.throttle.release("a")
        self.assertEqual(self.told(), [[], ["pause"], ["pause", "resume"]])

    def test_servedGoToTheBack(self) -> None:
        """
        Those that have delivered are resumed after those that have not; being paused or unknown when it is noted
        changes nothing.
        """
        order: list[Producer] = []
        for producer in self.producers:
            producer.onResume = partial(order.append, producer)
        one, two, three = self.producers
        self.throttle.served(one)
        self.throttle.hold("a")
        self.throttle.served(two)
        self.throttle.served(Producer())
        self.throttle.release("a")
        self.assertEqual(order, [two, three, one])

    def test_goneWhileOthersAreTold(self) -> None:
        """
        Producers that go away, and one that comes, while others are being told disturb nobody.
        """
        first, second, third = self.producers
        late = Producer()

        def leave() -> None:
            self.throttle.remove(first)
            self.throttle.remove(second)
            self.throttle.add(late)

        first.onPause = leave
        self.throttle.hold("a")
        self.assertEqual([first.told, second.told, third.told, late.told], [["pause"], [], ["pause"], ["pause"]])
        self.throttle.release("a")
        self.assertEqual([first.told, third.told, late.told], [["pause"], ["pause", "resume"], ["pause", "resume"]])

    def test_fullAgainWhileResuming(self) -> None:
        """
        A resumed producer may deliver at once and fill the store again: then it is paused again, and those that were
        not resumed yet are told nothing, and have their turn first the next time.
        """
        first, second, third = self.producers
        first.onResume = lambda: self.throttle.hold("a")
        self.throttle.hold("a")
        self.throttle.release("a")
        self.assertEqual(self.told(), [["pause", "resume", "pause"], ["pause"], ["pause"]])
        order: list[Producer] = []
        for producer in self.producers:
            producer.onResume = lambda producer=producer: order.append(producer)  # type: ignore[misc]
        self.throttle.release("a")
        self.assertEqual(order, [second, third, first])

    def test_roomAgainWhilePausing(self) -> None:
        """
        If the reason goes away while producers are being paused, those that were are resumed, the others never know.
        """
        self.producers[0].onPause = lambda: self.throttle.release("a")
        self.throttle.hold("a")
        self.assertEqual(self.told(), [["pause", "resume"], [], []])

    def test_failingProducer(self) -> None:
        """
        A producer that fails is forgotten, and the others are told all the same.
        """

        def fail() -> None:
            raise RuntimeError("broken transport")

        self.producers[0].onPause = fail
        self.throttle.hold("a")
        self.throttle.release("a")
        self.assertEqual(self.told(), [["pause"], ["pause", "resume"], ["pause", "resume"]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
