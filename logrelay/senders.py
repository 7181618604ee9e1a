"""
Which sender a connection gets.
"""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from .delivery import Delivery
from .searcher import Searcher
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
