"""
What Twisted's producers write to the program's consumer.
"""

from __future__ import annotations

from io import BytesIO

from twisted.internet.interfaces import IConsumer, IPullProducer, IPushProducer
from twisted.protocols.basic import FileSender
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.batches import Framing
from logrelay.consumer import RelayConsumer
from logrelay.errors import FramingError, RelayStopped
from logrelay.sources.flow import STEP

from .program import ORIGIN, ProgramCase


@implementer(IPushProducer, IPullProducer)
class Producer:
    """
    Keeps what it is told.  As a pull producer it writes what it has, a piece at a time.
    """

    def __init__(self, consumer: RelayConsumer, *pieces: bytes) -> None:
        self.consumer = consumer
        self.pieces = list(pieces)
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")
        if self.pieces:
            self.consumer.write(self.pieces.pop(0))

    def stopProducing(self) -> None:
        self.told.append("stop")


class ConsumerTests(ProgramCase):
    """
    What producers write.
    """

    def setUp(self) -> None:
        super().setUp()
        self.consumer = RelayConsumer(self.clock, self.route, self.throttle, ORIGIN, self.counters, 65536)

    def advance(self, turns: int = 10) -> None:
        """
        Let the reactor turn.
        """
        for _ in range(turns):
            self.clock.turn()

    def idle(self) -> None:
        """
        Assert that nothing is left: no timer, no producer, and no remainder in the stores.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.throttle.waiting, 0)
        self.assertEqual(self.route.held, 0)

    def test_interface(self) -> None:
        """
        It is a consumer.
        """
        verifyObject(IConsumer, self.consumer)

    def test_write(self) -> None:
        """
        Messages are relayed as they become whole, and what is not is counted in the stores.
        """
        self.consumer.write(b"one\ntw")
        self.assertEqual((self.route.messages, self.route.held), ([b"one"], STEP))
        self.consumer.write(b"o\n")
        self.assertEqual((self.route.messages, self.route.held), ([b"one", b"two"], 0))
        self.assertEqual(self.counters.received, 2)

    def test_unregister(self) -> None:
        """
        The end of a producer ends its last line; the next one may speak another framing.
        """
        producer = Producer(self.consumer)
        self.consumer.registerProducer(producer, True)
        self.consumer.write(b"one\ntwo")
        self.consumer.unregisterProducer()
        self.consumer.registerProducer(producer, True)
        self.consumer.write(b"5 three")
        self.consumer.unregisterProducer()
        self.assertEqual(self.route.messages, [b"one", b"two", b"three"])
        self.assertEqual(self.route.framings, [Framing.LF, Framing.LF, Framing.OCTET_COUNTING])
        self.idle()

    def test_pushProducer(self) -> None:
        """
        A push producer is paused and resumed with every other source, and no more once it is unregistered.
        """
        producer = Producer(self.consumer)
        self.consumer.registerProducer(producer, True)
        self.throttle.hold("central")
        self.throttle.release("central")
        self.consumer.unregisterProducer()
        self.throttle.hold("central")
        self.assertEqual(producer.told, ["pause", "resume"])
        self.idle()

    def test_registeredWhileHeld(self) -> None:
        """
        One that comes while a destination is full begins paused.
        """
        self.throttle.hold("central")
        for streaming in (True, False):
            producer = Producer(self.consumer, b"one\n")
            self.consumer.registerProducer(producer, streaming)
            self.advance()
            self.assertEqual(producer.told, ["pause"] if streaming else [])
            self.consumer.unregisterProducer()
        self.idle()

    def test_pullProducer(self) -> None:
        """
        A pull producer is asked a turn of the reactor apart, and not while a destination is full.
        """
        producer = Producer(self.consumer, b"1\n", b"2\n", b"3\n")
        self.consumer.registerProducer(producer, False)
        self.assertEqual(producer.told, [])
        self.advance(1)
        self.assertEqual(self.route.messages, [b"1"])
        self.throttle.hold("central")
        self.advance()
        self.assertEqual(self.route.messages, [b"1"])
        self.throttle.release("central")
        self.throttle.release("central")
        self.advance(1)
        self.assertEqual(self.route.messages, [b"1", b"2"])
        self.consumer.unregisterProducer()
        self.advance()
        self.assertEqual(self.route.messages, [b"1", b"2"])
        self.idle()

    def test_heldByItsOwnMessage(self) -> None:
        """
        A pull producer whose own message fills a store is not asked again before there is room.
        """
        self.route.onDeliver = lambda: self.throttle.hold("central")
        producer = Producer(self.consumer, b"1\n", b"2\n")
        self.consumer.registerProducer(producer, False)
        self.advance()
        self.assertEqual(self.route.messages, [b"1"])
        self.throttle.release("central")
        self.advance()
        self.assertEqual(self.route.messages, [b"1", b"2"])

    def test_file(self) -> None:
        """
        Twisted's FileSender sends a file.
        """
        content = b"".join(b"line %d\n" % number for number in range(50_000)) + b"the last"
        sent = FileSender().beginFileTransfer(BytesIO(content), self.consumer)
        self.advance(100)
        self.successResultOf(sent)
        self.assertEqual(self.route.messages, content.split(b"\n"))
        self.idle()

    def test_twoProducers(self) -> None:
        """
        One producer at a time.
        """
        self.consumer.registerProducer(Producer(self.consumer), True)
        with self.assertRaises(RuntimeError):
            self.consumer.registerProducer(Producer(self.consumer), True)

    def test_badFramesOfAProducer(self) -> None:
        """
        A producer whose frames make no sense is stopped; the messages before are relayed, and the next producer is
        listened to.
        """
        sent = FileSender().beginFileTransfer(BytesIO(b"3 one5 two"), self.consumer)
        bad = Producer(self.consumer)
        self.advance()
        self.successResultOf(sent)
        self.consumer.registerProducer(bad, True)
        self.consumer.write(b"3 onetwo")
        self.assertEqual(bad.told, ["stop"])
        self.assertEqual((self.counters.badFrames, self.counters.incomplete), (1, 1))
        self.consumer.unregisterProducer()
        self.consumer.write(b"fine\n")
        self.assertEqual(self.route.messages, [b"one", b"one", b"fine"])
        self.idle()

    def test_badFramesOfAPullProducer(self) -> None:
        """
        A pull producer whose frames make no sense is told so, and asked no more; the next one is.
        """
        sent = FileSender().beginFileTransfer(BytesIO(b"3 onetwo" + b"x" * 200_000), self.consumer)
        self.advance()
        self.failureResultOf(sent)
        self.idle()
        again = FileSender().beginFileTransfer(BytesIO(b"two"), self.consumer)
        self.advance()
        self.successResultOf(again)
        self.assertEqual(self.route.messages, [b"one", b"two"])
        self.idle()

    def test_badFramesWithoutProducer(self) -> None:
        """
        Who writes without being a producer gets the error himself.
        """
        with self.assertRaises(FramingError):
            self.consumer.write(b"3 onetwo")
        self.assertEqual(self.route.messages, [b"one"])

    def test_failingPullProducer(self) -> None:
        """
        A pull producer that fails is not asked again, and its failure is logged once.
        """

        class Failing(Producer):
            def resumeProducing(self) -> None:
                raise ValueError("no more")

        self.consumer.registerProducer(Failing(self.consumer), False)
        self.advance()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        When the relay stops, the producer is stopped, its last line relayed, and nothing more is taken.
        """
        for streaming in (True, False):
            consumer = RelayConsumer(self.clock, self.route, self.throttle, ORIGIN, self.counters, 65536)
            producer, late = Producer(consumer), Producer(consumer)
            consumer.registerProducer(producer, streaming)
            consumer.write(b"one")
            consumer.stop()
            self.assertEqual(producer.told, ["stop"])
            consumer.registerProducer(late, streaming)
            self.assertEqual(late.told, ["stop"])
            with self.assertRaises(RelayStopped):
                consumer.write(b"two\n")
        self.assertEqual(self.route.messages, [b"one", b"one"])
        self.idle()

    def test_stopWithoutProducer(self) -> None:
        """
        There need not be a producer.
        """
        self.consumer.stop()
        self.idle()
