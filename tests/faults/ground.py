"""
Where a trial takes place: as root in a network of its own, with a host for the relay and one for each server, and
otherwise on loopback, where nothing can become a black hole.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from typing import Protocol

import attrs

from ..netns import Host, Network
from ..real import freePort
from .namespaces import inside

#: Every network on this machine needs a name of its own.
_numbers = itertools.count(1)

#: On hosts of their own all servers, and the relay's source, use the same port.
_PORT = 5140


class Place(Protocol):
    """
    Where one process runs.
    """

    @property
    def prefix(self) -> Sequence[str]:
        """
        A command that runs there the one that it is given.
        """

    @property
    def address(self) -> str:
        """
        An address that the others reach it by.
        """

    @property
    def port(self) -> int:
        """
        A port there that nobody listens on.
        """

    def connected(self, limit: float) -> socket.socket:
        """
        A connection from there to the port there.
        """

    def blackHole(self) -> None:
        """
        Let every packet to and from it vanish.
        """


@attrs.frozen
class Loopback:
    """
    A port of loopback.
    """

    port: int = attrs.field(factory=freePort)
    prefix: Sequence[str] = ()
    address: str = "127.0.0.1"

    def connected(self, limit: float) -> socket.socket:
        """
        See :class:`Place`.
        """
        return socket.create_connection((self.address, self.port), limit)

    def blackHole(self) -> None:
        """
        See :class:`Place`.
        """
        raise AssertionError("loopback cannot become a black hole")


@attrs.frozen
class Elsewhere:
    """
    A host of its own.
    """

    host: Host
    port: int = _PORT

    @property
    def prefix(self) -> Sequence[str]:
        """
        See :class:`Place`.
        """
        return self.host.prefix

    @property
    def address(self) -> str:
        """
        See :class:`Place`.
        """
        return self.host.address

    def connected(self, limit: float) -> socket.socket:
        """
        See :class:`Place`.
        """
        with inside(self.host):
            return socket.create_connection((self.address, self.port), limit)

    def blackHole(self) -> None:
        """
        See :class:`Place`.
        """
        self.host.blackHole()


class Ground:
    """
    Places for a trial; close it always, when no process is left there.
    """

    def __init__(self, network: bool) -> None:
        """
        :param network: whether to make a network; only root can.
        """
        self._network = Network(f"lrf{os.getpid()}x{next(_numbers)}") if network else None
        if self._network is not None:
            self._network.open()

    def place(self) -> Place:
        """
        One more.
        """
        return Loopback() if self._network is None else Elsewhere(self._network.host())

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        if self._network is not None:
            self._network.close()
