"""
The failover alone, for a protocol of one's own: ``python failover.py logs-a.example.com:7 logs-b.example.com:7``

Sends a greeting each time that it is connected.  ``python -m twisted.trial failover`` runs the test below.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, react
from twisted.trial.unittest import SynchronousTestCase

from logrelay import FailbackSettings, FailoverClientFactory, FailoverObserver, Policy
from logrelay.testing import FakeServer


class Greeter(Protocol):
    """
    Says one thing.
    """

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(b"hello\n")


class Teller(FailoverObserver):
    """
    Prints where the factory goes.
    """

    def attemptFailed(self, server: int, reason: str, text: str) -> None:
        """
        A server could not be used.
        """
        print(f"server {server}: {reason}: {text}", flush=True)

    def connected(self, server: int, link: Any, reason: str) -> None:
        """
        One can.
        """
        print(f"server {server}: connected", flush=True)


class GreeterTests(SynchronousTestCase):
    """
    No socket, and no waiting: the servers are fakes, and the time is what the test says.
    """

    def test_thereAndBack(self) -> None:
        """
        A primary that refuses is passed over, and gone back to when it has been well for two probes.
        """
        clock = Clock()
        primary, failover = FakeServer(clock), FakeServer(clock)
        policy = Policy(failback=FailbackSettings(tcpProbeInterval=60, successfulProbesRequired=2))
        endpoints = [primary.endpoint, failover.endpoint]
        factory = FailoverClientFactory(clock, endpoints, Factory.forProtocol(Greeter), policy)
        primary.refuse()
        factory.start()
        clock.pump([0.1] * 20)
        self.assertEqual((primary.received, failover.received), (b"", b"hello\n"))
        primary.accept()
        clock.pump([0.1] * 1300)
        self.assertEqual((primary.received, len(failover.open)), (b"hello\n", 0))
        factory.stop()
        clock.pump([0.1] * 20)
        self.assertEqual(primary.open, [])


def main(reactor: Any, *servers: str) -> Deferred[None]:
    """
    Connect, and stay connected until a signal comes.
    """
    endpoints = [clientFromString(reactor, f"tcp:{server}") for server in servers]
    factory = FailoverClientFactory(reactor, endpoints, Factory.forProtocol(Greeter), observer=Teller())
    factory.start()
    reactor.addSystemEventTrigger("before", "shutdown", factory.stop)
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
