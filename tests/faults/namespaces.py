"""
This process on a host of a :class:`tests.netns.Network`: its sockets are the host's, whatever it does with them later.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet import reactor

from logrelay.servers import Server

from ..netns import Host
from ..relays import LogServer

#: setns(2): only into a network namespace.
_CLONE_NEWNET = 0x40000000

theReactor: Any = reactor


@contextmanager
def inside(host: Host) -> Iterator[None]:
    """
    Let this thread make its sockets on a host, and processes that it starts be there.

    Threads that are started meanwhile stay there for good, so use none of the reactor's: they would serve others later.
    """
    own, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{host.name}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(own)
        os.close(own)
        os.close(there)


def _enter(namespace: int) -> None:
    """
    Let this thread be in a namespace.

    :raises OSError: if it may not.
    """
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


class HostServer(LogServer):
    """
    A log server on a host.
    """

    def __init__(self, host: Host, **options: Any) -> None:
        self.host = host
        super().__init__(**options)

    @property
    def server(self) -> Server:
        """
        As a relay knows it.
        """
        return Server(self.host.address, self.port)

    def listen(self) -> None:
        """
        Take connections, always on the same port.
        """
        with inside(self.host):
            self._port = theReactor.listenTCP(self.port, self._factory, interface=self.host.address)
        self.port = self._port.getHost().port
