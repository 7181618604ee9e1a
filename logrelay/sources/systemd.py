"""
Sockets that systemd opened and passes to us (sd_listen_fds(3)).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from ..config import SourceSettings
from ..listening import Listen
from .interface import CannotListen, IAdjustable, ISource, Reactor
from .sockets import BoundSocket


def passedDescriptors(reactor: Reactor) -> list[int]:
    """
    The descriptors that systemd has passed, in its order.

    Twisted takes the variables that tell of them out of the environment as soon as its endpoints are imported, which
    in ``twistd`` is long before us.  So it is asked, by making an endpoint for each; none of them is ever used.
    """
    found: list[int] = []
    while True:
        try:
            # The domain is needed but means nothing until an endpoint listens.
            endpoint = serverFromString(reactor, f"systemd:domain=INET:index={len(found)}")
        except IndexError:
            return found
        found.append(endpoint.fileno)


def passedSocket(settings: SourceSettings, descriptors: Sequence[int], environ: Mapping[str, str]) -> BoundSocket:
    """
    The socket that a source's ``listen`` means, as a duplicate: the original stays open, for a source that is built
    anew after a reload.  Its path is systemd's and is never removed.

    :raises CannotListen: if it was not passed, or is not what the configuration says.
    """
    listen = settings.listen
    assert listen is not None
    index = _index(listen, environ)
    if index is None or index >= len(descriptors):
        # Twisted takes sockets without names for none.
        remedy = "check the socket unit" + ("" if descriptors else ", or give systemd-socket-activate a --fdname")
        raise CannotListen(settings, f"systemd passed {len(descriptors)} sockets, and not this one", remedy)
    try:
        # Programs that we start must not have it.
        os.set_inheritable(descriptors[index], False)
        passed = socket.socket(fileno=os.dup(descriptors[index]))
    except OSError as error:
        raise CannotListen(
            settings, f"what systemd passed is no socket: {error.strerror}", "check the socket unit"
        ) from error
    wrong = _mistake(passed, listen.domain)
    if wrong:
        passed.close()
        raise CannotListen(settings, *wrong)
    passed.setblocking(False)
    return BoundSocket(passed)


def _index(listen: Listen, environ: Mapping[str, str]) -> int | None:
    """
    Which of the sockets is meant.  Old releases of Twisted know no names, so they are looked up here.
    """
    if listen.index is not None:
        return listen.index
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return names.index(listen.socketName) if listen.socketName in names else None


def _mistake(passed: socket.socket, domain: str) -> tuple[str, str] | None:
    """
    What is wrong with a socket, and what to do about it.
    """
    if passed.family != getattr(socket, f"AF_{domain}"):
        return f"the socket is {passed.family.name}", "write its domain"
    if passed.type not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        return f"the socket is {passed.type.name}", "use ListenStream= or ListenDatagram="
    if passed.type == socket.SOCK_STREAM and not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "the socket does not listen", "use Accept=no"
    return None


@implementer(IAdjustable)
class SystemdSource:
    """
    Finds out at :meth:`bind` what kind of socket systemd has passed, and leaves the rest to a source of that kind.

    :ivar _find: finds the socket.
    :ivar _build: builds the source that reads it.
    """

    def __init__(
        self,
        settings: SourceSettings,
        find: Callable[[SourceSettings], BoundSocket],
        build: Callable[[SourceSettings, BoundSocket], ISource],
    ) -> None:
        self.settings = settings
        self._find = find
        self._build = build
        self._source: ISource | None = None

    @property
    def listening(self) -> tuple[IAddress, ...]:
        """
        The address that is bound.
        """
        return () if self._source is None else self._source.listening

    def bind(self) -> None:
        """
        Take over the socket.

        :raises CannotListen: if it was not passed, or is not what the configuration says.
        """
        source = self._build(self.settings, self._find(self.settings))
        source.bind()
        self._source = source

    def adjust(self, settings: SourceSettings) -> None:
        """
        Take on other limits.
        """
        self.settings = settings
        adjustable = IAdjustable(self._source, None)
        if adjustable is not None:
            adjustable.adjust(settings)

    def start(self) -> None:
        """
        Begin to read.
        """
        assert self._source is not None, "bind comes first"
        self._source.start()

    def stop(self) -> Deferred[None]:
        """
        Close our duplicate of the socket.
        """
        source, self._source = self._source, None
        return succeed(None) if source is None else source.stop()
