"""
A quiet host: one message a second, on a clock, and then the server is killed.  Nothing is lost, and what arrives twice
is what was sent since the last checkpoint.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing, Origin
from logrelay.config import DestinationSettings
from logrelay.destination import Destination
from logrelay.encoding import encode
from logrelay.events import EventLog
from logrelay.servers import Server
from logrelay.testing import FakeServer

from .relays import numbered, split

ORIGIN = Origin("tcp:5140", b"192.0.2.1")

#: Messages, one a second, before the kill.
MESSAGES = 600

#: Bytes of each; with what octet counting puts before it it takes 3 more.
SIZE = 60


class QuietHostTests(SynchronousTestCase):
    """
    The primary is killed after ten minutes; the failover is well.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.primary, self.failover = FakeServer(self.clock), FakeServer(self.clock)

    def tenMinutes(self, **settings: Any) -> tuple[int, int]:
        """
        Ten minutes, the kill, and a while more.  Nothing is lost, and no server gets a message before an earlier one.

        :return: how many messages were counted as resent; how many the failover got that the primary had.
        """
        servers = (Server("primary", 601), Server("failover", 601))
        configured = DestinationSettings("central", servers, framing=Framing.OCTET_COUNTING, **settings)
        endpoints = [self.primary.endpoint, self.failover.endpoint]
        destination = Destination(self.clock, configured, endpoints, EventLog(), lambda *what: None)
        destination.start()
        sent = numbered(MESSAGES + 60, SIZE)
        for message in sent[:MESSAGES]:
            self.second(destination, message)
        self.primary.refuse()
        self.primary.reset()
        self.clock.pump([0.1] * 5)
        for message in sent[MESSAGES:]:
            self.second(destination, message)
        received, resent = self.received(self.primary), self.received(self.failover)
        # Not compared at once: the differences of long lists would take minutes to find.
        self.assertTrue(received == sent[:MESSAGES], received[-1:])
        self.assertTrue(resent == sent[-len(resent) :], resent[:1])
        self.assertEqual(destination.counters.switches, 1)
        stopped = destination.stop(30)
        self.clock.pump([0.1] * 60)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return destination.counters.resent, len(set(received) & set(resent))

    def second(self, destination: Destination, message: bytes) -> None:
        """
        One message, and one second.
        """
        [batch] = encode([message], Framing.OCTET_COUNTING, ORIGIN)
        destination.append(batch)
        self.clock.pump([0.1] * 10)

    def received(self, server: FakeServer) -> list[bytes]:
        """
        The messages that a server has read.
        """
        return split(server.received, Framing.OCTET_COUNTING)

    def test_default(self) -> None:
        """
        A checkpoint is made when the oldest message has waited for five minutes: at most 300 are sent again.
        """
        resent, doubles = self.tenMinutes()
        self.assertLessEqual(resent, 300)
        self.assertGreater(resent, 0)
        self.assertEqual(doubles, resent)
        self.assertGreater(len(self.primary.connections), 1)

    def test_checkpointAge(self) -> None:
        """
        With ``checkpoint-age`` at a minute they are a minute's messages at most, and the one under way.
        """
        resent, doubles = self.tenMinutes(checkpointAge=60)
        self.assertLessEqual(resent, 61)
        self.assertGreater(resent, 0)
        self.assertEqual(doubles, resent)

    def test_checkpoint(self) -> None:
        """
        With ``checkpoint`` they are so many bytes at most, and the message that reaches them.
        """
        resent, doubles = self.tenMinutes(checkpoint=70 * (SIZE + 3))
        self.assertLessEqual(resent, 71)
        self.assertGreater(resent, 0)
        self.assertEqual(doubles, resent)

    def test_withoutCheckpoints(self) -> None:
        """
        Without one in ten minutes all are sent again: that is what checkpoints are for.
        """
        resent, doubles = self.tenMinutes(checkpointAge=3600)
        self.assertEqual((resent, doubles), (MESSAGES, MESSAGES))
