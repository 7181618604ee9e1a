"""
Look-ups of names, off the reactor's thread, in a small pool that a destination has for itself.

A look-up can hang for half a minute when a name server is dead, and nothing can interrupt it.  So a destination's
look-ups do not share Twisted's pool with anybody; a name that is still being looked up counts as failed at once, so
that no queue grows behind it; and threads are daemons that nobody waits for: neither a stop nor the end of the process
is held up by one that hangs.  A thread lives for one look-up, which costs less than the look-up does.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from threading import Thread
from typing import Any

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorFromThreads,
    IResolutionReceiver,
)
from zope.interface import implementer

#: So many names are looked up at a time; the others wait.  A name waits once at most, so no more of them wait than a
#: destination has servers.  Where look-ups of some names hang, there should be a thread left for those that do not.
_THREADS = 8

_KINDS: dict[int, type[IPv4Address | IPv6Address]] = {
    socket.AF_INET: IPv4Address,
    socket.AF_INET6: IPv6Address,
}


def startDaemon(work: Callable[[], None]) -> None:
    """
    Do some work in a thread that does not keep the process alive.
    """
    Thread(target=work, name="logrelay look-up", daemon=True).start()


def familyFor(ipProtocol: str, localip: str) -> socket.AddressFamily:
    """
    Which addresses can be connected to.

    :param ipProtocol: ``any``, ``4`` or ``6``.
    :param localip: the address to connect from; empty for any.  An address reaches only its own kind.
    """
    wanted = str(ip_address(localip).version) if localip else ipProtocol
    return {"any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}[wanted]


@implementer(IHostResolution)
@attrs.define(eq=False)
class _LookUp:
    """
    One look-up.

    :ivar receiver: who is told; ``None`` when nobody is any more.
    """

    name: str
    port: int
    addressTypes: Sequence[type[IAddress]] | None
    receiver: IResolutionReceiver | None

    def cancel(self) -> None:
        """
        Tell nobody.
        """
        self.receiver = None

    def finish(self, addresses: Sequence[IPv4Address | IPv6Address]) -> None:
        """
        Tell what was found.
        """
        receiver, self.receiver = self.receiver, None
        if receiver is None:
            return
        for address in addresses:
            if self.addressTypes is None or isinstance(address, tuple(self.addressTypes)):
                receiver.addressResolved(address)
        receiver.resolutionComplete()


@implementer(IHostnameResolver)
class PoolResolver:
    """
    Looks names up for one destination, anew each time.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        ipProtocol: str = "any",
        localip: str = "",
        getaddrinfo: Callable[..., Sequence[tuple[Any, ...]]] = socket.getaddrinfo,
        startThread: Callable[[Callable[[], None]], None] = startDaemon,
    ) -> None:
        """
        :param ipProtocol: ``any``, ``4`` or ``6``.
        :param localip: the address that connections will come from; empty for any.
        :param startThread: does some work in a thread.
        """
        self._reactor = reactor
        self._family = familyFor(ipProtocol, localip)
        self._getaddrinfo = getaddrinfo
        self._startThread = startThread
        self._started = False
        self._running: set[str] = set()
        self._waiting: deque[_LookUp] = deque()

    def start(self) -> None:
        """
        Look names up from now on.
        """
        self._started = True

    def stop(self) -> None:
        """
        Look nothing up any more.  Look-ups that wait fail; those that run are left alone, and still tell.
        """
        self._started = False
        while self._waiting:
            self._waiting.popleft().finish(())

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        See ``IHostnameResolver``.  Addresses come in the order in which the system prefers them (RFC 6724).
        """
        lookUp = _LookUp(hostName, portNumber, addressTypes, resolutionReceiver)
        resolutionReceiver.resolutionBegan(lookUp)
        if not self._started or hostName in self._running or any(each.name == hostName for each in self._waiting):
            lookUp.finish(())
        else:
            self._waiting.append(lookUp)
            self._startNext()
        return lookUp

    def _startNext(self) -> None:
        """
        Look up what waits, as far as there are threads.
        """
        while self._waiting and len(self._running) < _THREADS:
            lookUp = self._waiting.popleft()
            self._running.add(lookUp.name)
            self._startThread(partial(self._work, lookUp))

    def _work(self, lookUp: _LookUp) -> None:
        """
        In a thread: look up, and hand over to the reactor's.
        """
        try:
            found = self._getaddrinfo(lookUp.name, lookUp.port, self._family, socket.SOCK_STREAM)
        except Exception:  # no such name, mostly; whatever it is, there is no address
            found = []
        self._reactor.callFromThread(self._done, lookUp, found)

    def _done(self, lookUp: _LookUp, found: Sequence[tuple[Any, ...]]) -> None:
        """
        Tell what was found, each address once, and go on with what waits.
        """
        self._running.discard(lookUp.name)
        addresses = [_KINDS[family]("TCP", *where) for family, _, _, _, where in found if family in _KINDS]
        lookUp.finish(list(dict.fromkeys(addresses)))
        self._startNext()
