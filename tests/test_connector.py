"""
The connector, as ``ReconnectingClientFactory`` and the users of connectors see it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import NotConnectingError
from twisted.internet.interfaces import IConnector, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.client import FailoverClientFactory
from logrelay.connector import EndpointConnector, LinkFactory
from logrelay.failover import Connected, Connecting, Waiting
from logrelay.link import Link
from logrelay.testing import FakeServer


class EndpointConnectorTests(SynchronousTestCase):
    """
    L{EndpointConnector}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers = [FakeServer(self.clock), FakeServer(self.clock)]
        endpoints = [server.endpoint for server in self.servers]
        self.factory = FailoverClientFactory(self.clock, endpoints, Factory.forProtocol(Protocol))
        self.addCleanup(self.checkNothingIsLeft)

    def checkNothingIsLeft(self) -> None:
        """
        Stop.
        """
        done = self.factory.stop()
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def start(self) -> EndpointConnector:
        """
        Start, and hand out the connector.
        """
        self.factory.start()
        connector = self.factory.connector
        assert isinstance(connector, EndpointConnector)
        return connector

    def test_interface(self) -> None:
        """
        It is a connector, and names the endpoint whose turn it is.
        """
        connector = self.start()
        verifyObject(IConnector, connector)
        self.assertIs(connector.getDestination(), self.servers[0].endpoint)
        self.servers[0].refuse()
        self.clock.advance(0)
        self.assertIs(connector.getDestination(), self.servers[1].endpoint)

    def test_knownFromTheBeginning(self) -> None:
        """
        The factory knows its connector before the first attempt has failed, so that it can be stopped.
        """
        self.servers[0].hang()
        connector = self.start()
        self.assertIsInstance(self.factory.state, Connecting)
        connector.stopConnecting()
        self.assertRaises(NotConnectingError, connector.stopConnecting)
        self.clock.advance(0)
        self.assertIsInstance(self.factory.state, Connected)

    def test_notConnecting(self) -> None:
        """
        There is no attempt to give up while a connection stands, or while waiting.
        """
        connector = self.start()
        self.clock.advance(0)
        self.assertRaises(NotConnectingError, connector.stopConnecting)
        for server in self.servers:
            server.refuse()
        self.servers[0].close()
        self.clock.advance(0)
        self.assertIsInstance(self.factory.state, Waiting)
        self.assertRaises(NotConnectingError, connector.stopConnecting)

    def test_disconnect(self) -> None:
        """
        An attempt is given up, a connection ended gracefully; then the factory goes on, if it was not stopped.
        """
        self.servers[0].hang()
        connector = self.start()
        connector.disconnect()
        self.clock.advance(0)
        self.assertEqual(len(self.servers[1].open), 1)
        self.servers[0].accept()
        connector.disconnect()
        self.clock.advance(0)
        self.assertEqual(self.servers[1].connections[0].ended, "eof")
        self.clock.advance(2)
        self.assertEqual((len(self.servers[0].open), self.servers[1].open), (1, []))
        self.factory.stopTrying()
        connector.disconnect()
        self.clock.advance(0)
        self.assertEqual(self.servers[0].open, [])
        connector.disconnect()

    def test_nothingToDisconnect(self) -> None:
        """
        Without an attempt or a connection there is nothing to do.
        """
        EndpointConnector(self.factory, self.factory.newLink).disconnect()

    def test_endedBefore(self) -> None:
        """
        A connection may have ended before its endpoint hands it out: a failed attempt.
        """
        ended = self.made(self.servers[0])
        self.servers[0].close()
        self.clock.advance(0)
        self.hands(ended)
        self.clock.advance(0)
        self.assertEqual(len(self.servers[1].open), 1)

    def test_givenUpBefore(self) -> None:
        """
        Or it may have been given up: a failed attempt when it is gone.
        """
        given = self.made(self.servers[0])
        given.abort("unreachable", "cannot be watched")
        self.hands(given)
        self.assertIsInstance(self.factory.state, Connecting)
        self.clock.advance(0)
        self.assertEqual((self.servers[0].open, len(self.servers[1].open)), ([], 1))

    def made(self, server: FakeServer) -> Link:
        """
        A link to a server.
        """
        attempt = server.endpoint.connect(LinkFactory(self.factory.newLink))
        self.clock.advance(0)
        link = self.successResultOf(attempt)
        assert isinstance(link, Link)
        return link

    def hands(self, link: Link) -> None:
        """
        Start, with a first endpoint that hands out a link.
        """

        @implementer(IStreamClientEndpoint)
        class Handing:
            def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
                return succeed(link)

        self.factory.endpoints = (Handing(), self.servers[1].endpoint)
        self.start()

    def test_brokenFactory(self) -> None:
        """
        Errors of a factory's own methods are logged.
        """

        class Broken(FailoverClientFactory):
            def linkMade(self, link: Link) -> None:
                raise ValueError("unexpected")

        endpoints: list[Any] = [self.servers[0].endpoint]
        broken = Broken(self.clock, endpoints, Factory.forProtocol(Protocol))
        broken.start()
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        broken.stopTrying()
        self.servers[0].close()
        self.clock.advance(0)
