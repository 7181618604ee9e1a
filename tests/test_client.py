"""
The client factory: attempts, waits, proof, failback and stopping, in every state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, ReconnectingClientFactory, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from logrelay.client import FailoverClientFactory, FailoverObserver, Policy
from logrelay.config import FailbackSettings
from logrelay.failover import CHECKPOINT, Connected, Connecting, Idle, Returning, Waiting
from logrelay.link import PROVED_AFTER, ILinked, Link
from logrelay.testing import FakeConnection, FakeServer

from .loopback import LoopbackServer, scripted, until

#: Probes come often, and three of them are wanted.
FAILBACK = FailbackSettings(tcpProbeInterval=20, successfulProbesRequired=3)


#: All that an observer is told.
EVENTS = {name for name in vars(FailoverObserver) if not name.startswith("_")}


@implementer(ILinked)
class Talker(Protocol):
    """
    A protocol that does nothing by itself.
    """

    transport: ITCPTransport
    link: Link

    def __init__(self, addr: IAddress | None = None) -> None:
        self.stopped = False
        self.lost = False

    def stopSending(self) -> None:
        """
        See ``ILinked``.
        """
        self.stopped = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See ``IProtocol``.
        """
        self.lost = True


class Talkers(Factory):
    """
    Builds protocols, and keeps them.
    """

    noisy = False

    def __init__(self, build: Callable[[], Protocol | None] = Talker) -> None:
        self.build = build
        self.built: list[Any] = []
        self.started = self.stopped = 0

    def startFactory(self) -> None:
        """
        Count it.
        """
        self.started += 1

    def stopFactory(self) -> None:
        """
        Count it.
        """
        self.stopped += 1

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        Build one more.
        """
        built = self.build()
        self.built.append(built)
        return built


class Recorder(FailoverObserver):
    """
    Keeps what it is told, and when.

    :ivar on: what to do when told something, by its name.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.told: list[tuple[Any, ...]] = []
        self.times: list[tuple[float, str]] = []
        self.on: dict[str, Callable[[], object]] = {}

    def _keep(self, name: str, *what: object) -> None:
        self.told.append((name, *what))
        self.times.append((self.clock.seconds(), name))
        self.on.get(name, lambda: None)()

    def attempted(self, server: int) -> None:
        """
        See the base class, as for all.
        """
        self._keep("attempted", server)

    def attemptFailed(self, server: int, reason: str, text: str) -> None:
        assert text
        self._keep("attemptFailed", server, reason)

    def connected(self, server: int, link: Link, reason: str) -> None:
        self._keep("connected", server, reason)

    def lost(self, server: int, link: Link) -> None:
        assert link.ending is not None
        self._keep("lost", server, link.ending.reason)

    def roundFailed(self, server: int, wait: float) -> None:
        self._keep("roundFailed", server)

    def probing(self) -> None:
        self._keep("probing")

    def probed(self, good: int, required: int) -> None:
        self._keep("probed", good, required)

    def probeFailed(self, reason: str, text: str) -> None:
        assert text
        self._keep("probeFailed", reason)

    def take(self) -> list[tuple[Any, ...]]:
        """
        What was told since the last call.
        """
        told, self.told = self.told, []
        return told

    def timesOf(self, name: str) -> list[float]:
        """
        When something was told.
        """
        return [time for time, told in self.times if told == name]


class FactoryCase(SynchronousTestCase):
    """
    A factory, with servers in memory.  After each test it is stopped, and must leave nothing.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers = [FakeServer(self.clock) for _ in range(3)]
        self.primary, self.second, self.third = self.servers
        self.protocols = Talkers()
        self.observer = Recorder(self.clock)
        self.addCleanup(self.checkNothingIsLeft)

    def make(self, kind: type[FailoverClientFactory] = FailoverClientFactory, **policy: Any) -> FailoverClientFactory:
        """
        Make the factory.
        """
        endpoints = [server.endpoint for server in self.servers]
        self.factory = kind(self.clock, endpoints, self.protocols, Policy(**policy), self.observer)
        return self.factory

    def start(self, **policy: Any) -> FailoverClientFactory:
        """
        Make the factory, and start it.
        """
        self.make(**policy)
        self.factory.start()
        self.clock.advance(0)
        return self.factory

    def refuse(self, *servers: FakeServer) -> None:
        """
        Have servers refuse.
        """
        for server in servers:
            server.refuse()

    def spend(self, seconds: float, step: float = 0.5) -> None:
        """
        Let time pass in small steps.
        """
        self.clock.pump([step] * round(seconds / step))

    def onSecond(self, **policy: Any) -> None:
        """
        Start, and be connected to the first failover while the primary works again.
        """
        self.primary.refuse()
        self.start(failback=FAILBACK, **policy)
        self.primary.accept()
        self.assertEqual([each[0] for each in self.observer.take()][-1], "connected")
        self.assertEqual(self.factory.rotation.current, 1)

    @property
    def link(self) -> Link:
        """
        The connection in use.
        """
        assert isinstance(self.factory.state, Connected)
        return self.factory.state.link

    @property
    def opened(self) -> list[list[FakeConnection]]:
        """
        The open connections of each server.
        """
        return [server.open for server in self.servers]

    def checkNothingIsLeft(self) -> None:
        """
        When the factory has stopped, there is no timer and no connection.
        """
        done = self.factory.stop()
        self.spend(self.factory.policy.drainTimeout + 1)
        self.successResultOf(done)
        self.assertIsInstance(self.factory.state, Idle)
        self.assertEqual((self.clock.getDelayedCalls(), self.opened), ([], [[], [], []]))
        self.assertEqual(self.protocols.started, self.protocols.stopped)


class RotationTests(FactoryCase):
    """
    Which server is tried, and when.
    """

    def test_primaryFirst(self) -> None:
        """
        The first attempt is at the primary; when it works, there is no other.
        """
        self.start()
        self.assertEqual(self.observer.take(), [("attempted", 0), ("connected", 0, "start")])
        self.assertEqual([server.attempts for server in self.servers], [1, 0, 0])
        self.assertEqual(len(self.protocols.built), 1)

    def test_inTurn(self) -> None:
        """
        A server that fails is followed by the next one, without a wait.
        """
        self.primary.refuse()
        self.second.lie()
        self.start()
        self.assertEqual(
            self.observer.take(),
            [
                ("attempted", 0),
                ("attemptFailed", 0, "refused"),
                ("attempted", 1),
                ("attemptFailed", 1, "tls-verify"),
                ("attempted", 2),
                ("connected", 2, "start"),
            ],
        )
        self.assertEqual(self.second.received, b"")

    def test_afterARound(self) -> None:
        """
        After a whole round there is a wait, and then comes the primary again.
        """
        self.refuse(*self.servers)
        self.start()
        self.assertEqual(self.observer.take()[-1], ("roundFailed", 0))
        state = self.factory.state
        assert isinstance(state, Waiting)
        self.clock.advance(state.until - 0.01)
        self.assertEqual([server.attempts for server in self.servers], [1, 1, 1])
        self.clock.advance(0.01)
        self.assertEqual([server.attempts for server in self.servers], [2, 2, 2])

    def test_failoverDelay(self) -> None:
        """
        Within a round, the next server is tried after ``failoverDelay``; the first attempt is at once.
        """
        self.refuse(*self.servers)
        self.start(failoverDelay=3)
        self.spend(5.5)
        self.assertEqual(self.observer.timesOf("attempted"), [0, 3])
        self.spend(0.5)
        self.assertEqual(self.observer.timesOf("attempted"), [0, 3, 6])
        self.assertEqual(self.observer.timesOf("roundFailed"), [6])

    def test_hanging(self) -> None:
        """
        A server that gives no answer is left after the endpoint's time limit.
        """
        self.primary.hang()
        self.start()
        self.assertIsInstance(self.factory.state, Connecting)
        self.spend(10)
        self.assertIn(("attemptFailed", 0, "connect-timeout"), self.observer.told)
        self.assertIsInstance(self.factory.state, Connected)

    def test_brokenEndpoint(self) -> None:
        """
        An endpoint that raises, or fails at once, is a failed attempt too.
        """

        @implementer(IStreamClientEndpoint)
        class Broken:
            def __init__(self, connect: Callable[[], Deferred[IProtocol]]) -> None:
                self._connect = connect

            def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
                return self._connect()

        def raising() -> Deferred[IProtocol]:
            raise ValueError("no such thing")

        self.make()
        self.factory.endpoints = (
            Broken(raising),
            Broken(lambda: fail(ConnectionRefusedError())),
            self.third.endpoint,
        )
        self.factory.start()
        self.clock.advance(0)
        self.assertEqual(self.observer.told[-1], ("connected", 2, "start"))

    def test_noServers(self) -> None:
        """
        A list of servers needs at least one.
        """
        self.make()
        self.assertRaises(ValueError, FailoverClientFactory, self.clock, [], self.protocols)

    def test_defaults(self) -> None:
        """
        Policy and observer are optional.
        """
        self.factory = FailoverClientFactory(self.clock, [self.primary.endpoint], self.protocols)
        self.primary.refuse()
        self.factory.start()
        self.clock.advance(0)
        self.primary.accept()
        self.spend(20)
        self.primary.close()
        self.clock.advance(0)
        self.assertEqual(self.primary.attempts, 3)

    def test_startAgain(self) -> None:
        """
        A factory that has stopped can be started again, and begins with the primary.
        """
        self.refuse(self.primary)
        self.start()
        self.assertEqual(self.factory.rotation.current, 1)
        self.assertRaises(RuntimeError, self.factory.start)
        done = self.factory.stop()
        self.assertRaises(RuntimeError, self.factory.start)
        self.clock.advance(0)
        self.successResultOf(done)
        self.observer.take()
        self.primary.accept()
        self.factory.start()
        self.clock.advance(0)
        self.assertEqual(self.observer.take(), [("attempted", 0), ("connected", 0, "start")])


class WaitTests(FactoryCase):
    """
    The waits after whole rounds.
    """

    def waits(self, seconds: float) -> list[float]:
        """
        The waits between rounds, while time passes.
        """
        rounds = len(self.observer.timesOf("roundFailed"))
        self.spend(seconds, 0.05)
        ends = self.observer.timesOf("roundFailed")[rounds:]
        return [later - sooner for sooner, later in pairwise(ends)]

    def test_growing(self) -> None:
        """
        They grow, up to ``timeReopen``, which the jitter does not pass.
        """
        self.refuse(*self.servers)
        self.make(timeReopen=10)
        self.factory.start()
        waits = self.waits(100)
        self.assertGreater(len(waits), 8)
        self.assertLess(waits[0], 2)
        for sooner, later in pairwise(waits[:3]):
            self.assertGreater(later, sooner)
        self.assertLess(max(waits), 10.1)
        self.assertGreater(min(waits[5:]), 7.9)

    def test_loneServer(self) -> None:
        """
        For a lone server each attempt is a round.
        """
        self.servers[1:] = []
        self.primary.refuse()
        self.make()
        self.factory.start()
        waits = self.waits(20)
        self.assertLess(waits[0], 2)
        self.assertGreater(waits[1], waits[0])
        self.servers += [self.second, self.third]

    def test_startsOver(self) -> None:
        """
        They start over when a connection has been proved, and not on a bare connect.
        """
        self.refuse(*self.servers)
        self.start(timeReopen=60)
        self.spend(20)
        grown = self.factory.delay
        self.assertGreater(grown, 2)
        self.third.slam()
        self.spend(60)
        self.assertGreater(self.factory.delay, grown)
        self.third.accept()
        self.spend(120)
        self.assertTrue(self.link.proved)
        self.third.refuse()
        self.third.close()
        self.clock.advance(0)
        self.assertLess(self.factory.delay, 2)

    def test_retryOnceARound(self) -> None:
        """
        The inherited ``retry`` is called, once a round, and is told the wait by ``delay``.
        """
        test = self

        class Counting(FailoverClientFactory):
            retried = 0

            def retry(self, connector: Any = None) -> None:
                self.retried += 1
                assert isinstance(self.state, Waiting)
                test.assertEqual(self.state.until, test.clock.seconds() + self.delay)
                super().retry(connector)

        self.assertIs(FailoverClientFactory.retry, ReconnectingClientFactory.retry)
        self.refuse(*self.servers)
        factory = cast(Counting, self.make(Counting, failoverDelay=1))
        factory.start()
        self.spend(30)
        self.assertEqual(factory.retried, len(self.observer.timesOf("roundFailed")))
        self.assertGreater(factory.retried, 2)

    def test_oldRetry(self) -> None:
        """
        Older releases of Twisted grow the delay before they wait: the wait stays the one that was told, however long.
        """

        class Old(FailoverClientFactory):
            def retry(self, connector: Any = None) -> None:
                self.delay = min(self.delay * self.factor, self.maxDelay)
                super().retry(connector)

        for longest in (5, 100_000):
            self.refuse(*self.servers)
            self.make(Old, timeReopen=longest)
            self.factory.start()
            for _ in range(20):
                self.clock.advance(0)
                state = self.factory.state
                assert isinstance(state, Waiting)
                rounds = len(self.observer.timesOf("roundFailed"))
                self.clock.advance(state.until - self.clock.seconds() - 0.01)
                self.assertEqual(len(self.observer.timesOf("roundFailed")), rounds)
                self.clock.advance(0.02)
                self.assertEqual(len(self.observer.timesOf("roundFailed")), rounds + 1)
            self.factory.stop()
        self.assertGreater(self.factory.delay, 3600)

    def test_maxRetries(self) -> None:
        """
        What is inherited may be told to give up: then nothing more is done.
        """
        self.refuse(*self.servers)
        self.make()
        self.factory.maxRetries = 2  # type: ignore[assignment]
        self.factory.start()
        self.spend(60)
        self.assertIsInstance(self.factory.state, Idle)
        self.assertEqual(self.primary.attempts, 3)


class ProofTests(FactoryCase):
    """
    What becomes of a connection's end.
    """

    def test_unprovedEnd(self) -> None:
        """
        A connection that ends before it is proved is a failed attempt.
        """
        self.primary.slam()
        self.start()
        self.assertEqual(
            self.observer.take(),
            [
                ("attempted", 0),
                ("connected", 0, "start"),
                ("attemptFailed", 0, "eof"),
                ("attempted", 1),
                ("connected", 1, "eof"),
            ],
        )

    def test_allSlam(self) -> None:
        """
        When all servers accept and close, there are waits all the same.
        """
        for server in self.servers:
            server.slam()
        self.start()
        self.assertIsInstance(self.factory.state, Waiting)
        self.assertEqual([server.attempts for server in self.servers], [1, 1, 1])

    def test_sameServerOnceMore(self) -> None:
        """
        When a proved connection ends by the server's doing, the same server gets one attempt at once.
        """
        for end in ("close", "reset"):
            self.start(failoverDelay=5)
            self.spend(PROVED_AFTER)
            self.observer.take()
            getattr(self.primary, end)()
            self.clock.advance(0)
            reason = {"close": "eof", "reset": "reset"}[end]
            self.assertEqual(self.observer.take(), [("lost", 0, reason), ("attempted", 0), ("connected", 0, reason)])
            self.factory.stop()
            self.clock.advance(0)

    def test_thenTheNext(self) -> None:
        """
        If that attempt fails, it is the next server's turn.
        """
        self.start()
        self.spend(PROVED_AFTER)
        self.primary.refuse()
        self.primary.close()
        self.clock.advance(0)
        self.assertEqual(
            self.observer.told[-5:],
            [
                ("lost", 0, "eof"),
                ("attempted", 0),
                ("attemptFailed", 0, "refused"),
                ("attempted", 1),
                ("connected", 1, "eof"),
            ],
        )

    def test_otherReasons(self) -> None:
        """
        When it ends for any other reason, the next server is tried at once.
        """
        self.start(failoverDelay=5)
        self.protocols.built[0].link.prove()
        self.link.abort("stalled", "too slow")
        self.clock.advance(0)
        self.assertEqual(
            self.observer.told[-3:], [("lost", 0, "stalled"), ("attempted", 1), ("connected", 1, "stalled")]
        )

    def test_checkpoint(self) -> None:
        """
        After a checkpoint, answered or not, the same server is connected again, and nothing is lost.
        """
        self.start()
        for ignoring in (False, True):
            if ignoring:
                self.primary.ignoreEnds()
            self.observer.take()
            self.link.finish(CHECKPOINT, 5)
            self.spend(5)
            self.assertEqual(self.observer.take(), [("attempted", 0), ("connected", 0, CHECKPOINT)])

    def test_checkpointThatFails(self) -> None:
        """
        A connection that is lost during a checkpoint is lost.
        """
        self.start()
        self.primary.stall()
        self.protocols.built[0].transport.write(b"unread")
        self.link.finish(CHECKPOINT, 5)
        self.clock.advance(0)
        self.primary.close()
        self.clock.advance(0)
        self.assertIn(("attemptFailed", 0, "reset"), self.observer.told)


class FailingTests(FactoryCase):
    """
    Protocols, factories and observers that fail must not stop the rotation.
    """

    def fails(self, build: Callable[[], Protocol | None], errors: int) -> None:
        """
        The first protocol is a bad one.
        """
        good: list[Callable[[], Protocol | None]] = [build]
        self.protocols.build = lambda: (good.pop() if good else Talker)()
        self.start()
        self.assertEqual(len(self.flushLoggedErrors()), errors)
        self.assertEqual(
            self.observer.take(),
            [("attempted", 0), ("attemptFailed", 0, "protocol"), ("attempted", 1), ("connected", 1, "protocol")],
        )
        self.assertEqual(self.primary.open, [])

    def test_buildRaises(self) -> None:
        """
        A factory that fails to build a protocol: a failed attempt.
        """

        def raising() -> Protocol:
            raise ValueError("unexpected")

        self.fails(raising, 1)

    def test_buildDeclines(self) -> None:
        """
        A factory that has no protocol: a failed attempt.
        """
        self.fails(lambda: None, 1)

    def test_connectionMadeRaises(self) -> None:
        """
        A protocol that can't begin: a failed attempt, even if it can't end either.
        """

        class Broken(Protocol):
            def connectionMade(self) -> None:
                raise ValueError("unexpected")

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise ValueError("unexpected too")

        self.fails(Broken, 2)

    def test_protocolRaises(self) -> None:
        """
        A protocol that fails later loses its connection.
        """

        class Broken(Talker):
            def dataReceived(self, data: bytes) -> None:
                raise ValueError("unexpected")

        self.protocols.build = Broken
        self.start()
        self.primary.connections[0].send(b"hello")
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.observer.told[-1][:2], ("connected", 1))

    def test_observerRaises(self) -> None:
        """
        What an observer raises is logged, and changes nothing.
        """

        def raising() -> None:
            raise ValueError("unexpected")

        self.observer.on = dict.fromkeys(EVENTS, raising)
        self.refuse(*self.servers)
        self.start(failback=FAILBACK)
        self.second.accept()
        self.spend(50)
        self.primary.accept()
        self.spend(100)
        self.assertEqual(self.factory.rotation.current, 0)
        self.primary.close()
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), len(self.observer.told))
        self.assertEqual({name for _, name in self.observer.times}, EVENTS)


class FailbackTests(FactoryCase):
    """
    The way back to the primary.
    """

    def test_way(self) -> None:
        """
        Probes begin one interval after the failover was connected, and come at that interval; after three good ones the
        stream moves, on the last one's own connection.
        """
        self.onSecond()
        self.spend(70)
        self.assertEqual(
            self.observer.take(),
            [
                *(("probing",), ("probed", 1, 3), ("probing",), ("probed", 2, 3), ("probing",), ("probed", 3, 3)),
                ("connected", 0, "failback"),
            ],
        )
        self.assertEqual(self.observer.timesOf("probing"), [20, 40, 60])
        self.assertEqual(self.primary.attempts, 4)
        self.assertEqual(self.opened, [self.primary.connections[2:], [], []])
        self.assertEqual(self.protocols.started - self.protocols.stopped, 1)
        self.assertEqual(len(self.observer.timesOf("attempted")), 2)

    def test_notOnPrimary(self) -> None:
        """
        On the primary nothing is probed, and without failback nothing at all.
        """
        self.start(failback=FAILBACK)
        self.spend(100)
        self.assertEqual(self.primary.attempts, 1)
        self.factory.stop()
        self.clock.advance(0)
        self.primary.refuse()
        self.start()
        self.spend(100)
        self.assertEqual(self.primary.attempts, 2)

    def test_makeBeforeBreak(self) -> None:
        """
        The failover's connection stands until the primary's does; then it ends gracefully: everything written on it
        arrives, and the new protocol begins only when the old one has ended.
        """
        self.onSecond()
        old = self.protocols.built[-1]
        self.spend(60)
        self.second.stall()
        old.transport.write(b"x" * 200_000)
        self.spend(1)
        self.assertIsInstance(self.factory.state, Returning)
        self.assertEqual([len(each) for each in self.opened], [1, 1, 0])
        self.assertTrue(old.stopped)
        self.assertEqual(self.protocols.built[-1], old)
        self.second.resume()
        self.clock.advance(0)
        self.assertEqual((len(self.second.received), self.second.connections[0].ended), (200_000, "eof"))
        self.assertIsInstance(self.factory.state, Connected)
        self.assertEqual((old.lost, self.protocols.built[-1].lost), (True, False))

    def test_failoverThatDoesNotEnd(self) -> None:
        """
        A failover that does not answer our end holds nothing up for longer than ``drainTimeout``.
        """
        self.onSecond()
        self.second.ignoreEnds()
        self.spend(61)
        self.assertIsInstance(self.factory.state, Returning)
        self.spend(5)
        self.assertEqual(self.observer.told[-1], ("connected", 0, "failback"))

    def test_primaryProvedMeanwhile(self) -> None:
        """
        If that takes so long that the primary's connection is proved before it is used, that counts.
        """
        resets: list[float] = []

        class Counting(FailoverClientFactory):
            def resetDelay(self) -> None:
                resets.append(self.clock.seconds())
                super().resetDelay()

        self.primary.refuse()
        self.make(Counting, failback=FAILBACK, drainTimeout=30).start()
        self.clock.advance(0)
        self.primary.accept()
        self.second.ignoreEnds()
        self.spend(92)
        self.assertEqual(resets, [0, 10, 91])

    def test_failedProbe(self) -> None:
        """
        A probe that fails sets the count to 0, whatever it fails by.
        """
        self.onSecond()
        self.spend(45)
        for answer, reason in (("refuse", "refused"), ("slam", "eof"), ("lie", "tls-verify")):
            getattr(self.primary, answer)()
            self.observer.take()
            self.spend(20)
            self.assertEqual(self.observer.take(), [("probing",), ("probeFailed", reason)])
            self.primary.accept()
            self.spend(20)
            self.assertEqual(self.observer.take(), [("probing",), ("probed", 1, 3)])
        self.assertEqual(len(self.opened[1]), 1)

    def test_neverOverlap(self) -> None:
        """
        A probe that takes longer than the interval delays the next one, and nothing else.
        """
        self.primary = self.servers[0] = FakeServer(self.clock, timeout=50)
        self.primary.hang()
        self.make(failback=FAILBACK)
        self.factory.start()
        self.spend(50)
        self.observer.take()
        self.spend(20)
        self.assertEqual(self.primary.attempts, 2)
        protocol = self.protocols.built[-1]
        for _ in range(4):
            protocol.transport.write(b"x")
            self.spend(10)
        self.assertEqual((self.primary.attempts, self.second.received), (2, b"xxxx"))
        self.spend(10)
        self.assertEqual(self.observer.take(), [("probing",), ("probeFailed", "connect-timeout"), ("probing",)])
        self.assertEqual(self.primary.attempts, 3)

    def test_lossCancelsProbe(self) -> None:
        """
        When the failover is lost, its probe is given up at every stage, and leaves no connection.
        """
        for seconds, answer in ((19, "accept"), (20, "hang"), (20.5, "accept"), (21, "stall"), (61, "accept")):
            with self.subTest(seconds=seconds):
                self.onSecond()
                getattr(self.primary, answer)()
                self.second.ignoreEnds()
                self.primary.ignoreEnds()
                self.spend(seconds)
                if isinstance(self.factory.state, Connected):
                    self.second.refuse()
                    self.link.abort("stalled", "too slow")
                    self.clock.advance(0)
                    self.assertEqual([len(each) for each in self.opened], [0, 0, 1])
                    self.assertEqual(self.factory.rotation.goodProbes, 0)
                done = self.factory.stop()
                self.spend(5)
                self.successResultOf(done)
                self.assertEqual((self.clock.getDelayedCalls(), self.opened), ([], [[], [], []]))
                self.doCleanup()

    def doCleanup(self) -> None:
        """
        Begin with fresh servers.
        """
        self.servers = [FakeServer(self.clock) for _ in range(3)]
        self.primary, self.second, self.third = self.servers
        self.clock = Clock()
        for server in self.servers:
            server.clock = self.clock
        self.observer.clock = self.clock

    def test_primaryDiesMeanwhile(self) -> None:
        """
        If the primary's connection is gone when the failover's has ended, the failover is used again.
        """
        for gone in (True, False):
            with self.subTest(gone=gone):
                self.onSecond()
                self.second.ignoreEnds()
                self.spend(61)
                assert isinstance(self.factory.state, Returning)
                self.observer.take()
                if gone:
                    self.primary.reset()
                    self.spend(5)
                else:
                    # It is being given up just when it is wanted.
                    self.factory.state.link.abort("stalled", "too slow")
                    self.factory.state.primary.abort("eof", "it talks too much")
                    self.clock.advance(0)
                    self.clock.advance(5)
                reason = "reset" if gone else "eof"
                self.assertEqual(
                    self.observer.take()[:3],
                    [("probeFailed", reason), ("attempted", 1), ("connected", 1, "failback")],
                )
                self.spend(15)
                self.assertEqual(self.observer.take(), [("probing",), ("probed", 1, 3)])
                self.factory.stop()
                self.spend(6)
                self.doCleanup()

    def test_verify(self) -> None:
        """
        With ``verify`` a primary that answers all probes takes the stream as well.
        """
        self.primary.refuse()
        self.start(failback=FailbackSettings(20, 3, "verify"))
        self.primary.accept()
        self.spend(70)
        self.assertEqual(self.factory.rotation.current, 0)
        self.assertEqual([connection.ended for connection in self.primary.connections], ["eof", "eof", None])

    def test_verifyUnanswered(self) -> None:
        """
        And one that only accepts never does.
        """
        self.primary.refuse()
        self.start(failback=FailbackSettings(20, 3, "verify"))
        self.primary.accept()
        self.primary.ignoreEnds()
        self.spend(200)
        self.assertEqual(self.factory.rotation.current, 1)
        self.assertIn(("probeFailed", "stalled"), self.observer.told)

    def test_damping(self) -> None:
        """
        A primary that fails soon after a failback needs more good probes than before.
        """
        self.onSecond()
        self.spend(75)
        self.assertEqual(self.factory.rotation.current, 0)
        self.primary.refuse()
        self.primary.close()
        self.clock.advance(0)
        self.primary.accept()
        self.observer.take()
        self.spend(25)
        self.assertEqual(self.observer.take(), [("probing",), ("probed", 1, 6)])

    def test_allDown(self) -> None:
        """
        When all failovers are down the rotation tries the primary, without waiting for probes.
        """
        self.onSecond()
        self.refuse(self.second, self.third)
        self.spend(11)
        self.second.close()
        self.clock.advance(0)
        self.assertEqual(self.observer.told[-1][:2], ("connected", 0))

    def test_checkpointsDoNotStopProbes(self) -> None:
        """
        A probe goes on while the failover is connected again after a checkpoint, so checkpoints, however many, do not
        keep the stream from the primary.
        """
        self.onSecond()
        for _ in range(160):
            if self.factory.rotation.current and isinstance(self.factory.state, Connected):
                self.link.finish(CHECKPOINT, 5)
            self.clock.advance(0.5)
        self.assertEqual(self.observer.timesOf("probing"), [20, 40, 60])
        self.assertEqual(self.factory.rotation.current, 0)
        self.assertEqual([len(each) for each in self.opened], [1, 0, 0])

    def test_failbackDuringCheckpoint(self) -> None:
        """
        When the last probe is good while the failover is being connected again, the stream moves a probe later.
        """
        self.onSecond()
        self.spend(60.5)
        self.second.hang()
        self.link.finish(CHECKPOINT, 5)
        self.clock.advance(0)
        self.assertIsInstance(self.factory.state, Connecting)
        self.clock.advance(0.5)
        self.clock.advance(0)
        self.assertIsInstance(self.factory.state, Connecting)
        self.assertEqual(self.observer.told[-1], ("probed", 3, 3))
        self.assertEqual(self.opened, [[], [], []])
        self.second.accept()
        self.spend(10)
        self.assertEqual(self.observer.told[-1][:2], ("connected", 2))
        self.spend(25)
        self.assertEqual(self.factory.rotation.current, 0)

    def test_failbackOfAnEndingConnection(self) -> None:
        """
        When the failover's connection is just being ended for a checkpoint, that end does for the failback.
        """
        self.onSecond()
        self.second.ignoreEnds()
        self.spend(60.5)
        self.link.finish(CHECKPOINT, 60)
        self.spend(1)
        self.assertIsInstance(self.factory.state, Returning)
        self.spend(5)
        self.assertEqual(self.observer.told[-1], ("connected", 0, "failback"))


class StopTests(FactoryCase):
    """
    Stopping, in every state.  That nothing is left is checked after each test.
    """

    def states(self) -> Iterator[str]:
        """
        Go through the states.
        """
        self.make()
        yield "never started"
        self.refuse(*self.servers)
        self.start()
        self.assertIsInstance(self.factory.state, Waiting)
        yield "after a round"
        self.start(failoverDelay=5)
        self.assertIsInstance(self.factory.state, Waiting)
        yield "within a round"
        self.primary.hang()
        self.start()
        self.assertIsInstance(self.factory.state, Connecting)
        yield "connecting"
        self.primary.accept()
        self.start()
        self.assertIsInstance(self.factory.state, Connected)
        yield "connected"
        self.start()
        self.link.abort("stalled", "too slow")
        yield "aborted"
        self.start()
        self.link.finish(CHECKPOINT, 60, patient=True)
        yield "checkpoint"
        self.second.accept()
        self.onSecond()
        self.spend(20.5)
        self.assertEqual(self.observer.told[-1], ("probing",))
        yield "probing"
        self.onSecond()
        self.second.ignoreEnds()
        self.spend(61)
        self.assertIsInstance(self.factory.state, Returning)
        yield "returning"

    def test_stop(self) -> None:
        """
        ``stop`` fires when nothing is left, after ``drainTimeout`` at the latest, and can be called again.
        """
        for state in self.states():
            with self.subTest(state=state):
                first, second = self.factory.stop(), self.factory.stop()
                self.spend(5)
                self.successResultOf(first)
                self.successResultOf(second)
                self.assertIsInstance(self.factory.state, Idle)
                self.assertEqual((self.clock.getDelayedCalls(), self.opened), ([], [[], [], []]))

    def test_stopTrying(self) -> None:
        """
        The inherited ``stopTrying`` ends all attempts, waits and probes, and leaves a connection that is in use until
        it ends; ``resetDelay`` afterwards revives nothing.
        """
        for state in self.states():
            with self.subTest(state=state):
                self.factory.stopTrying()
                self.factory.resetDelay()
                self.clock.advance(0)
                inUse = isinstance(self.factory.state, Connected | Returning)
                self.assertEqual(inUse, state in {"connected", "probing", "returning"})
                attempts = sum(server.attempts for server in self.servers)
                self.spend(60)
                for server in self.servers:
                    server.reset()
                self.spend(60)
                self.assertEqual(sum(server.attempts for server in self.servers), attempts)
                self.assertIsInstance(self.factory.state, Idle)
                self.assertEqual((self.clock.getDelayedCalls(), self.opened), ([], [[], [], []]))

    def test_graceful(self) -> None:
        """
        ``stop`` ends the connection gracefully: everything written arrives.
        """
        self.start()
        self.protocols.built[0].transport.write(b"x" * 200_000)
        self.successfulStop()
        self.assertEqual((len(self.primary.received), self.primary.connections[0].ended), (200_000, "eof"))

    def successfulStop(self) -> None:
        """
        Stop.
        """
        done = self.factory.stop()
        self.clock.advance(0)
        self.successResultOf(done)

    def test_stubbornEndpoint(self) -> None:
        """
        An endpoint may connect although it was told to give up: the connection is not used.
        """

        @implementer(IStreamClientEndpoint)
        class Stubborn:
            def connect(this, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
                given: Deferred[None] = Deferred()
                attempt: Deferred[Any] = Deferred()
                attempt.callback(None)
                attempt.addCallback(lambda _: given)
                return attempt.addErrback(lambda _: self.primary.endpoint.connect(protocolFactory))

        self.make()
        self.factory.endpoints = (Stubborn(),)
        self.factory.start()
        done = self.factory.stop()
        self.assertNoResult(done)
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual((self.primary.attempts, self.protocols.built, self.opened), (1, [], [[], [], []]))

    def test_observerStops(self) -> None:
        """
        An observer may stop the factory, whatever it is told.
        """
        for name in sorted(EVENTS):
            with self.subTest(name=name):
                stopped: list[Deferred[None]] = []
                attempts: list[int] = []

                def stop(stopped: list[Deferred[None]] = stopped, attempts: list[int] = attempts) -> None:
                    attempts.append(sum(server.attempts for server in self.servers))
                    stopped.append(self.factory.stop())

                self.observer.on = {name: stop}
                self.primary.refuse()
                self.start(failback=FailbackSettings(20, 1))
                self.spend(25)
                if not stopped:
                    self.primary.accept()
                    self.spend(40)
                if not stopped:
                    self.refuse(*self.servers)
                    self.primary.close()
                    self.clock.advance(0)
                self.spend(5)
                self.successResultOf(stopped[0])
                self.assertEqual(sum(server.attempts for server in self.servers), attempts[0])
                self.assertIsInstance(self.factory.state, Idle)
                self.assertEqual((self.clock.getDelayedCalls(), self.opened), ([], [[], [], []]))
                for server in self.servers:
                    server.accept()
        self.observer.on = {}

    def test_protocolStops(self) -> None:
        """
        A protocol may stop the factory as soon as it is connected.
        """
        stopped: list[Deferred[None]] = []

        class Stopping(Talker):
            def connectionMade(this) -> None:
                stopped.append(self.factory.stop())

        self.protocols.build = Stopping
        self.start()
        self.clock.advance(0)
        self.successResultOf(stopped[0])


class LoopbackTests(TestCase):
    """
    Over sockets, with Twisted's own endpoints and a protocol that knows nothing of us.
    """

    timeout = 60

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(Any, reactor)
        self.servers = [LoopbackServer(reactor), LoopbackServer(reactor)]

    @scripted
    async def test_plainProtocol(self) -> None:
        """
        It is connected to the first server that works, hears it, fails over, and is ended gracefully.
        """
        heard: list[bytes] = []

        class Greeter(Protocol):
            transport: ITCPTransport

            def connectionMade(self) -> None:
                self.transport.write(b"hello")

            def dataReceived(self, data: bytes) -> None:
                heard.append(data)

        first, second = self.servers
        endpoints = [server.endpoint for server in self.servers]
        factory = FailoverClientFactory(self.reactor, endpoints, Factory.forProtocol(Greeter))
        factory.start()
        await until(self.reactor, lambda: first.received == b"hello")
        await first.send(b"welcome")
        await until(self.reactor, lambda: heard == [b"welcome"])
        await first.refuse()
        await first.reset()
        await until(self.reactor, lambda: second.received == b"hello")
        await factory.stop()
        self.assertIsInstance(factory.state, Idle)
        await until(self.reactor, lambda: second.connections[0].ended == "eof")
        await second.stop()


class ReloadTests(FactoryCase):
    """
    Other servers, or another policy, in every state.
    """

    def reconfigure(self, *servers: int, **policy: Any) -> None:
        """
        Have these servers from now on, by their old places; -1: one that was not listed.
        """
        places = tuple(servers.index(place) if place in servers else None for place in range(len(self.servers)))
        self.servers = [self.servers[place] if place >= 0 else FakeServer(self.clock) for place in servers]
        endpoints = [server.endpoint for server in self.servers]
        self.factory.reconfigure(endpoints, Policy(**policy), places, self.protocols)

    def held(self, seconds: float = 0) -> None:
        """
        Hold the factory; it has let go of everything within so many seconds.
        """
        held = self.factory.hold()
        self.assertNoResult(held)
        self.spend(seconds) if seconds else self.clock.advance(0)
        self.successResultOf(held)
        self.assertEqual(self.opened, [[]] * 3)

    def go(self) -> list[tuple[Any, ...]]:
        """
        Go on, and connect.
        """
        self.factory.resume()
        self.clock.advance(0)
        self.clock.advance(0)
        return self.observer.take()

    def checkNothingIsLeft(self) -> None:
        """
        Also with another number of servers.
        """
        self.servers += [self.primary, self.second, self.third]
        self.servers = self.servers[:3]
        super().checkNothingIsLeft()

    def test_stays(self) -> None:
        """
        A connection whose server is listed goes on, also a failover's, and wherever that stands.
        """
        self.primary.refuse()
        self.start()
        link = self.link
        for servers, current in (((0, 2, 1), 2), ((2, -1, 0), 0), ((-1, 0, 1), 1)):
            self.reconfigure(*servers)
            self.assertEqual(self.factory.rotation.current, current)
            self.spend(1)
            self.assertIs(self.link, link)
        self.assertEqual(self.second.connections, self.second.open)
        self.assertEqual(self.factory.nextEndpoint(), self.second.endpoint)

    def test_held(self) -> None:
        """
        The connection ends gracefully, and no other is made until it is time; the reason for that is ``reload``.
        """
        self.start()
        self.observer.take()
        held = self.factory.hold()
        self.assertTrue(self.protocols.built[0].stopped)
        self.assertRaises(RuntimeError, self.factory.hold)
        self.spend(1)
        self.successResultOf(held)
        self.assertEqual((self.opened, self.protocols.stopped), ([[], [], []], 1))
        self.spend(100)
        self.assertEqual(self.observer.take(), [])
        self.reconfigure(1, 2)
        self.assertEqual(self.go(), [("attempted", 0), ("connected", 0, "reload")])
        self.assertEqual(len(self.second.open), 1)

    def test_sameServer(self) -> None:
        """
        A server that is still listed is the next one after the end of its connection.
        """
        self.primary.refuse()
        self.start()
        self.held(1)
        self.primary.accept()
        self.reconfigure(2, 0, 1)
        self.observer.take()
        self.assertEqual(self.go(), [("attempted", 2), ("connected", 2, "reload")])

    def test_noEnd(self) -> None:
        """
        A server that does not end its side holds nothing up for longer than the limit.
        """
        self.primary.ignoreEnds()
        self.start(drainTimeout=5)
        held = self.factory.hold()
        self.spend(4.5)
        self.assertNoResult(held)
        self.spend(1)
        self.successResultOf(held)
        self.assertNotIn("lost", [each[0] for each in self.observer.take()])
        self.reconfigure(0, 1, 2)
        self.go()

    def test_lostMeanwhile(self) -> None:
        """
        A proved connection that is reset while it ends is told as lost, and still the reload decides what follows.
        """
        self.start()
        self.spend(PROVED_AFTER + 1)
        self.primary.ignoreEnds()
        held = self.factory.hold()
        self.spend(1)
        self.observer.take()
        self.primary.reset()
        self.spend(1)
        self.successResultOf(held)
        self.assertEqual(self.observer.take(), [("lost", 0, "reset")])
        self.reconfigure(1, 0, 2)
        self.assertEqual(self.go(), [("attempted", 1), ("connected", 1, "reload")])

    def test_whileConnecting(self) -> None:
        """
        An attempt at a server that is still listed goes on; one that is held is given up, and that is no failure.
        """
        self.primary.hang()
        self.start()
        self.reconfigure(1, 0, 2)
        self.assertIsInstance(self.factory.state, Connecting)
        self.assertEqual((self.factory.rotation.current, self.primary.attempts), (1, 1))
        self.observer.take()
        held = self.factory.hold()
        self.clock.advance(0)
        self.successResultOf(held)
        self.reconfigure(0, 2)
        self.assertEqual(self.go(), [("attempted", 0), ("connected", 0, "start")])
        self.servers = [self.second, self.third, self.primary]

    def test_whileWaiting(self) -> None:
        """
        The wait after a round was for the old list; a new one is tried at once.
        """
        self.refuse(*self.servers)
        self.start()
        self.spend(10)
        self.observer.take()
        self.reconfigure(0, 1, -1)
        self.clock.advance(0)
        self.clock.advance(0)
        self.spend(0.5)
        self.assertEqual(self.observer.take()[-1], ("connected", 2, "start"))

    def test_shorterWait(self) -> None:
        """
        With the old list the wait goes on, and lasts no longer than the new policy allows.
        """
        self.refuse(*self.servers)
        self.start()
        # In the sixth wait, which lasts half a minute.
        self.spend(40)
        state = self.factory.state
        assert isinstance(state, Waiting)
        self.reconfigure(0, 1, 2)
        self.assertEqual(self.factory.state, state)
        self.reconfigure(0, 1, 2, timeReopen=2)
        self.assertEqual(self.factory.state, Waiting(self.clock.seconds() + 2))
        self.observer.take()
        self.spend(2)
        self.assertEqual(self.observer.take()[-1], ("roundFailed", 0))
        state = self.factory.state
        assert isinstance(state, Waiting)
        self.assertLessEqual(state.until - self.clock.seconds(), 2)

    def test_heldWhileWaiting(self) -> None:
        """
        What waits is let go of at once, and goes on when it may.
        """
        self.refuse(*self.servers)
        self.start()
        self.held()
        self.spend(100)
        self.assertEqual(self.primary.attempts, 1)
        self.primary.accept()
        self.reconfigure(0, 1, 2)
        self.observer.take()
        self.assertEqual(self.go(), [("attempted", 0), ("connected", 0, "start")])

    def test_idle(self) -> None:
        """
        What does not run is let go of at once; it begins with the new list.
        """
        self.make()
        self.successResultOf(self.factory.hold())
        self.reconfigure(1, 2, 0)
        self.factory.resume()
        self.spend(1)
        self.assertEqual(self.opened, [[], [], []])
        self.factory.start()
        self.clock.advance(0)
        self.assertEqual(len(self.second.open), 1)

    def test_stoppedWhileHeld(self) -> None:
        """
        A stop ends what is held, and whoever holds it is told; it does not go on after that.
        """
        for hold in (lambda: self.start(), lambda: self.start()):
            hold()
            held = self.factory.hold()
            stopped = self.factory.stop()
            self.spend(1)
            self.successResultOf(held)
            self.successResultOf(stopped)
            self.factory.resume()
            self.spend(1)
            self.assertIsInstance(self.factory.state, Idle)

    def test_stoppedWhenItRests(self) -> None:
        """
        Also when nothing was under way any more.
        """
        self.refuse(*self.servers)
        self.start()
        held = self.factory.hold()
        self.successResultOf(self.factory.stop())
        self.successResultOf(held)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_whileProbing(self) -> None:
        """
        A probe goes on while the primary and how it is probed stay the same, whatever else changes.
        """
        self.onSecond()
        self.spend(20.5)
        self.assertEqual(len(self.primary.open), 1)
        self.reconfigure(0, 2, 1, failback=FAILBACK, timeReopen=5)
        self.spend(2)
        self.assertIn(("probed", 1, 3), self.observer.take())

    def test_anotherPrimaryWhileProbing(self) -> None:
        """
        A probe of what is not the primary any more is given up, and the new one is probed an interval later.
        """
        self.onSecond()
        self.spend(20.5)
        self.reconfigure(2, 1, 0, failback=FAILBACK)
        self.clock.advance(0)
        self.assertEqual(self.primary.open, [])
        self.observer.take()
        self.spend(19)
        self.assertEqual(self.observer.take(), [])
        self.spend(3)
        self.assertEqual(self.observer.take(), [("probing",), ("probed", 1, 3)])
        self.assertEqual(len(self.third.connections), 1)

    def test_failbackOnAndOff(self) -> None:
        """
        Failback can be had, and be done without, while a failover is in use.
        """
        self.primary.refuse()
        self.start()
        self.primary.accept()
        self.spend(100)
        self.reconfigure(0, 1, 2, failback=FAILBACK)
        self.spend(2)
        self.assertIn(("probed", 1, 3), self.observer.take())
        self.reconfigure(0, 1, 2)
        self.spend(100)
        self.assertEqual(self.observer.take(), [])

    def returning(self) -> None:
        """
        The failover's connection is being ended, for the primary's.
        """
        self.second.ignoreEnds()
        self.onSecond()
        while not isinstance(self.factory.state, Returning):
            self.spend(1)
        self.observer.take()

    def test_whileReturning(self) -> None:
        """
        A return goes on if both its servers stay.
        """
        self.returning()
        self.reconfigure(0, 2, 1, failback=FAILBACK)
        self.spend(6)
        self.assertEqual(self.observer.take(), [("connected", 0, "failback")])

    def test_heldWhileReturning(self) -> None:
        """
        One that is held ends with both connections.
        """
        self.returning()
        self.held(6)
        self.reconfigure(1, 2, 0, failback=FAILBACK)
        self.assertEqual(self.go(), [("attempted", 0), ("connected", 0, "reload")])

    def test_checkpointMeanwhile(self) -> None:
        """
        A checkpoint that is under way becomes the end.
        """
        self.start()
        self.link.finish(CHECKPOINT, 5)
        self.held(1)
        self.reconfigure(0, 1, 2)
        self.observer.take()
        self.assertEqual(self.go(), [("attempted", 0), ("connected", 0, "reload")])
