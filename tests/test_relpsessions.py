"""
RELP sessions that end at awkward moments, with servers in memory.
"""

from __future__ import annotations

from logrelay.batches import Framing
from logrelay.client import Policy
from logrelay.config import FailbackSettings
from logrelay.encoding import batchOf
from logrelay.failover import Connected
from logrelay.senders import senderFactory

from .relpcases import OPENED, ORIGIN, answers, batched
from .test_sender import Relay, SenderCase

#: What a server says before it ends a session.
SERVERCLOSE = b"0 serverclose 0\n"

FAILBACK = Policy(failback=FailbackSettings(tcpProbeInterval=60, successfulProbesRequired=1))


class RelpMemoryCase(SenderCase):
    """
    A relay that speaks RELP to servers in memory.
    """

    def startRelp(self, policy: Policy | None = None) -> Relay:
        """
        Make the relay, and connect it.
        """
        relay = self.makeRelp(policy)
        relay.factory.start()
        self.clock.advance(0)
        return relay

    def makeRelp(self, policy: Policy | None = None) -> Relay:
        """
        Make the relay.
        """
        relay = self.make(policy, driver="relp")
        relay.factory = type(relay.factory)(
            self.clock, relay.factory.endpoints, senderFactory(relay.delivery), relay.factory.policy
        )
        return relay

    def put(self, *messages: bytes) -> None:
        """
        Append one batch.
        """
        batch = batched(messages)
        assert batch is not None
        self.relay.store.append(batch)


class EndedTests(RelpMemoryCase):
    """
    The server ends the session.
    """

    def test_whileMessagesCome(self) -> None:
        """
        What is stored between the server's end and ours is not written any more, and is no error of its source.
        """
        relay = self.startRelp()
        relay.sender.link.dataReceived(OPENED + SERVERCLOSE)
        self.put(b"one", b"two")
        self.assertEqual((relay.store.sent, relay.counters.sent), (0, 0))

    def test_whileWeEnd(self) -> None:
        """
        The last answers, and the server's end behind them, come while we wait for them in order to end: then we do.
        """
        relay = self.startRelp()
        self.put(b"one", b"two")
        self.clock.advance(0)
        relay.sender.link.finish("operator", 5)
        link = relay.sender.link
        link.dataReceived(OPENED + answers(2, 3) + SERVERCLOSE)
        self.clock.advance(0)
        self.assertEqual((relay.counters.settled, link.ending and link.ending.reason), (2, "operator"))

    def test_afterAProbe(self) -> None:
        """
        A session that the server has ended, though not its connection, is not used: the probe was not good.
        """
        relay = self.startRelp(FAILBACK)
        self.first.open[0].close()
        self.first.refuse()
        self.spend(1)
        self.assertEqual(relay.factory.rotation.current, 1)
        self.first.accept()
        self.spend(61)
        [probe] = self.first.open
        probe.send(OPENED)
        self.spend(0.2)
        probe.send(SERVERCLOSE)
        self.spend(2)
        state = relay.factory.state
        assert isinstance(state, Connected)
        self.assertEqual((relay.factory.rotation.current, relay.factory.rotation.goodProbes), (1, 0))
        self.put(b"one", b"two")
        self.assertEqual(relay.store.sent, 1)


class RefusedTests(RelpMemoryCase):
    """
    The server refuses messages.
    """

    def test_provedByWhatIsTaken(self) -> None:
        """
        A server that takes the messages beside a refused one delivers: leaving it is no failed attempt.  One that takes
        none does not.
        """
        relay = self.startRelp()
        self.second.refuse()
        for taken, out in ((1, 2), (0, 3)):
            self.put(b"one", b"two")
            link = relay.sender.link
            refused = answers(*range(2 + taken, 2 + out), text=b"500 no")
            link.dataReceived(OPENED + answers(*range(2, 2 + taken)) + refused)
            self.clock.advance(0)
            self.assertEqual((link.ending and link.ending.reason, link.proved), ("protocol", bool(taken)))
            self.spend(2)

    def test_endsAsAgreed(self) -> None:
        """
        A refusal among the last answers does not turn a graceful end into another.
        """
        relay = self.startRelp()
        self.put(b"one", b"two")
        self.clock.advance(0)
        link = relay.sender.link
        link.finish("operator", 5)
        link.dataReceived(OPENED + answers(2) + answers(3, text=b"500 no"))
        link.dataReceived(b"4 rsp 0\n" + SERVERCLOSE)
        self.clock.advance(0)
        self.assertEqual(link.ending and (link.ending.reason, link.ending.clean), ("operator", True))
        self.assertEqual((relay.counters.settled, relay.store.messages), (1, 1))

    def test_largeBatch(self) -> None:
        """
        A batch stays one, however large it is, when all of it is refused: one read may follow the rest of a long
        message.
        """
        relay = self.startRelp()
        large = [b"%d" % number * 30_000 for number in range(5)]
        relay.store.append(batchOf(large, Framing.OCTET_COUNTING, ORIGIN))
        link = relay.sender.link
        link.dataReceived(OPENED + answers(*range(2, 7), text=b"500 no"))
        self.clock.advance(0)
        self.assertEqual((relay.store.end, relay.store.messages), (1, 5))


class SilentTests(RelpMemoryCase):
    """
    The server takes everything and says nothing.
    """

    def test_sessionNotOpened(self) -> None:
        """
        A server that does not open the session is left, though nothing waits to be sent.
        """
        relay = self.startRelp()
        link = relay.sender.link
        self.spend(61)
        self.assertEqual(link.ending and link.ending.reason, "stalled")


class SearchTests(RelpMemoryCase):
    """
    What a search takes for a confirmation.
    """

    def test_nothingConfirmsNothing(self) -> None:
        """
        A slice without messages, as what is left of a batch of which each was answered, shows nothing of a server.
        """
        self.first.slam()
        self.second.slam()
        relay = self.makeRelp()
        relay.store.append(batchOf([], Framing.OCTET_COUNTING, ORIGIN))
        self.put(b"one")
        for server in (0, 1, 0):
            relay.delivery.search.lost(server, 2)
        relay.factory.start()
        self.spend(300)
        self.assertEqual((relay.setAside, relay.store.messages), ([], 1))

    def test_onlyNothingIsLeft(self) -> None:
        """
        When nothing but such a batch is left, it settles, and the search is over: then comes an ordinary connection.
        """
        relay = self.makeRelp()
        relay.store.append(batchOf([], Framing.OCTET_COUNTING, ORIGIN))
        for server in (0, 1, 0):
            relay.delivery.search.lost(server, 1)
        relay.factory.start()
        for made in range(1, 20):
            self.clock.advance(0)
            if len(self.first.connections) >= made:
                self.first.connections[-1].send(OPENED)
            self.spend(0.5)
        self.assertEqual((relay.store.settled, len(self.first.connections)), (1, 2))
