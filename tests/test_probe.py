"""
The failback probe.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from logrelay.connector import LinkFactory
from logrelay.errors import NotVerified
from logrelay.link import Ending, Link
from logrelay.probe import PATIENCE, LinkLost, Prober
from logrelay.testing import FakeServer


class ProberTests(SynchronousTestCase):
    """
    L{Prober}.  No test leaves a timer or a connection.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer(self.clock)
        self.addCleanup(self.checkNothingIsLeft)

    def checkNothingIsLeft(self) -> None:
        """
        Nothing is.
        """
        self.assertEqual((self.server.open, self.clock.getDelayedCalls()), ([], []))

    def newLink(self) -> Link:
        """
        A link.
        """
        return Link(self.clock)

    def probe(self, keep: bool = False, verify: bool = False) -> Deferred[Link | None]:
        """
        Begin a probe.
        """
        probe = Prober(self.clock, self.server.endpoint, self.newLink, verify, 5).probe(keep)
        self.clock.advance(0)
        return probe

    def test_good(self) -> None:
        """
        A server is good that keeps the connection for a second; then that is ended gracefully.
        """
        for verify in (False, True):
            probe = self.probe(verify=verify)
            self.clock.advance(PATIENCE - 0.1)
            self.assertNoResult(probe)
            self.assertIsNone(self.server.connections[-1].ended)
            self.clock.advance(0.1)
            self.clock.advance(0)
            self.assertIsNone(self.successResultOf(probe))
            self.assertEqual(self.server.connections[-1].ended, "eof")

    def test_keep(self) -> None:
        """
        The connection of the last probe is handed out, as it stands.
        """
        for verify in (False, True):
            probe = self.probe(keep=True, verify=verify)
            self.clock.advance(PATIENCE)
            link = self.successResultOf(probe)
            assert link is not None
            self.assertEqual((link.whyGone, len(self.server.open)), (None, 1))
            link.abort("finished", "the test is over")
            self.clock.advance(0)

    def test_longWay(self) -> None:
        """
        Where two round trips take longer than a second, they are waited for.
        """

        class Far(Link):
            def connectionMade(self) -> None:
                super().connectionMade()
                self.view.roundTrip = 1.5

        prober = Prober(self.clock, self.server.endpoint, lambda: Far(self.clock), False, 5)
        probe = prober.probe(False)
        self.clock.pump([0, 2.9])
        self.assertNoResult(probe)
        self.clock.pump([0.1, 0])
        self.successResultOf(probe)

    def test_failures(self) -> None:
        """
        What keeps a connection from being made makes the probe fail.
        """
        self.server.refuse()
        self.failureResultOf(self.probe(), ConnectionRefusedError)
        self.server.lie()
        self.failureResultOf(self.probe(), NotVerified)
        self.server.hang()
        probe = self.probe()
        self.clock.advance(10)
        self.failureResultOf(probe, TimeoutError)

    def test_closesAtOnce(self) -> None:
        """
        A server that accepts and closes, or resets, within the second is not good.
        """
        self.server.slam()
        self.assertEqual(self.lost(self.probe()).reason, "eof")
        self.server.accept()
        probe = self.probe(keep=True)
        self.clock.advance(0.9)
        self.server.reset()
        self.clock.advance(0)
        self.assertEqual(self.lost(probe).reason, "reset")

    def lost(self, probe: Deferred[Link | None]) -> Ending:
        """
        The ending that a probe failed with.
        """
        failure = self.failureResultOf(probe, LinkLost)
        assert isinstance(failure.value, LinkLost)
        self.assertEqual(str(failure.value), failure.value.ending.text)
        return failure.value.ending

    def test_alreadyLost(self) -> None:
        """
        A connection that was lost before it was handed out is not good.
        """
        attempt = self.server.endpoint.connect(LinkFactory(self.newLink))
        self.clock.advance(0)
        link = self.successResultOf(attempt)
        self.server.close()
        self.clock.advance(0)

        @implementer(IStreamClientEndpoint)
        class Handing:
            def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
                return succeed(link)

        probe = Prober(self.clock, Handing(), self.newLink, False, 5).probe(True)
        self.assertEqual(self.lost(probe).reason, "eof")

    def test_unanswered(self) -> None:
        """
        A server that does not end its side is good enough where only a connection is asked for, and not where a living
        process is: it counts as stalled.
        """
        self.server.ignoreEnds()
        probe = self.probe()
        self.clock.pump([PATIENCE, 5, 0])
        self.assertIsNone(self.successResultOf(probe))
        probe = self.probe(verify=True)
        self.clock.pump([PATIENCE, 4.9])
        self.assertNoResult(probe)
        self.clock.pump([0.1, 0])
        self.assertEqual(self.lost(probe).reason, "stalled")

    def test_resetInsteadOfEnd(self) -> None:
        """
        Nor is one that resets the connection then.
        """
        self.server.ignoreEnds()
        probe = self.probe(verify=True)
        self.clock.pump([PATIENCE, 1])
        self.server.reset()
        self.clock.advance(0)
        self.assertEqual(self.lost(probe).reason, "reset")

    def test_cancel(self) -> None:
        """
        A probe can be given up at every stage.
        """
        self.server.ignoreEnds()
        for seconds, kind in ((None, ConnectingCancelledError), (0.5, CancelledError), (1.5, CancelledError)):
            self.server.accept() if seconds else self.server.hang()
            probe = self.probe(verify=True)
            self.clock.pump([0.5] * round(2 * (seconds or 0)))
            probe.cancel()
            self.failureResultOf(probe, kind)
            self.clock.advance(0)
            self.checkNothingIsLeft()

    def test_buildsLinks(self) -> None:
        """
        The connection is made as the stream's is, with a link, and nothing is sent on it.
        """
        probe = self.probe(keep=True)
        self.clock.advance(PATIENCE)
        link = self.successResultOf(probe)
        assert isinstance(link, Link)
        self.assertEqual(self.server.received, b"")
        link.abort("finished", "the test is over")
        self.clock.advance(0)
