"""
What every source offers, and how it says that it can't begin.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from zope.interface import Attribute, Interface

from ..config import SourceSettings
from ..errors import LogRelayError

if TYPE_CHECKING:
    from .sockets import BoundSocket

#: The reactor as sources need it: IReactorTime, IReactorFDSet and IReactorSocket.  No type says that.
Reactor = Any

_REMEDIES = {
    errno.EACCES: "start as a user who may, or choose another",
    errno.EPERM: "start as a user who may, or choose another",
    errno.EADDRINUSE: "stop what uses it, or choose another",
    errno.EADDRNOTAVAIL: "use an address that this host has",
    errno.ENOENT: "create its folder",
    errno.EAFNOSUPPORT: "use an address family that this host has",
}


class CannotListen(LogRelayError):
    """
    The host's fault: a source can't have what it is to read from.
    """

    def __init__(self, settings: SourceSettings, what: str, remedy: str) -> None:
        where = settings.listen.text if settings.listen else "standard input"
        super().__init__(f"source {settings.name}: cannot listen on {where}: {what}; {remedy}")


def unavailable(settings: SourceSettings, error: OSError) -> CannotListen:
    """
    What the operating system's refusal means for a source, and what to do about it.
    """
    return CannotListen(settings, error.strerror or str(error), _REMEDIES.get(error.errno or 0, "check it"))


class ISource(Interface):
    """
    Where messages come in.  Its methods are called in their order, and from the first again when it has stopped.
    """

    settings: SourceSettings = Attribute("What it was built from.")
    listening: tuple[IAddress, ...] = Attribute(
        "The addresses that are bound; empty before ``bind`` and after ``stop``."
    )

    def bind() -> None:
        """
        Take what needs privileges: sockets are bound, but nothing is read.

        :raises CannotListen: if it can't be had.
        """

    def start() -> None:
        """
        Begin reading.
        """

    def stop() -> Deferred[None]:
        """
        Close everything, and deliver what was decoded.  Nothing is delivered after the Deferred has fired.
        """


class IListener(ISource):
    """
    A source with a socket, which another one can take over.
    """

    bound: BoundSocket | None = Attribute("The socket; ``None`` before ``bind`` and after ``unbind`` and ``stop``.")

    def bind(inherited: BoundSocket | None = None) -> None:
        """
        See ``ISource``.

        :param inherited: the socket, where it is bound already.
        """

    def unbind() -> None:
        """
        Let go of the socket alone; connections stay.
        """


class IAdjustable(ISource):
    """
    A source that can take on other limits while it works.
    """

    def adjust(settings: SourceSettings) -> None:
        """
        Take on settings that differ from its own in ``max-connections``, ``max-message-size`` and ``to`` at most.
        """
