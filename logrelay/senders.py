"""
Which sender a connection gets.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory
from zope.interface import implementer

from .delivery import Delivery
from .failover import IGreeting
from .link import Link
from .relpclient import ClientSession
from .relpsender import Greeter, RelpSender, newSessions
from .searcher import RelpSearcher, Searcher
from .sender import Sender


class SenderFactory(Factory):
    """
    Builds the sender of each connection of a destination.
    """

    noisy = False

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def buildProtocol(self, addr: IAddress | None) -> Sender:
        """
        A sender that takes up where the last one left the store.
        """
        return Searcher(self.delivery) if self.delivery.searches else Sender(self.delivery)


@implementer(IGreeting)
class RelpSenderFactory(Factory):
    """
    Does the same for RELP, and opens sessions for probes.
    """

    noisy = False

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self._sessions = newSessions()

    def buildProtocol(self, addr: IAddress | None) -> RelpSender:
        """
        A sender that takes up where the last one left the store.
        """
        kind = RelpSearcher if self.delivery.searches else RelpSender
        return kind(self.delivery, self._sessions)

    def greet(self, link: Link) -> Deferred[None]:
        """
        Open a session on a link.
        """
        greeter = Greeter(ClientSession(self.delivery.firstNumber))
        link.attach(Factory.forProtocol(lambda: greeter))
        return greeter.opened.addCallback(lambda session: self._sessions.__setitem__(link, session))


def senderFactory(delivery: Delivery) -> IProtocolFactory:
    """
    The factory for the driver of a destination.
    """
    return RelpSenderFactory(delivery) if delivery.settings.driver == "relp" else SenderFactory(delivery)
