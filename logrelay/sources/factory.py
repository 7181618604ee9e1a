"""
From the settings of a source to the source.
"""

from __future__ import annotations

import os
import socket

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from ..config import SourceSettings
from ..counters import SourceCounters
from ..eventlogger import logEvent
from ..events import Observer
from ..positions import Positions
from ..routing import IRoute
from ..throttle import Throttle
from .datagram import DatagramSource
from .dialogue import SyslogFlow
from .file import FileSource
from .interface import ISource, Reactor
from .relp import RelpFlow
from .sockets import BoundSocket, openSocket
from .stdin import StdinSource
from .stream import StreamSource
from .systemd import SystemdSource, passedDescriptors, passedSocket


def sourceFor(
    reactor: Reactor,
    settings: SourceSettings,
    route: IRoute,
    throttle: Throttle,
    counters: SourceCounters,
    hostname: bytes,
    tls: IOpenSSLServerConnectionCreator | None = None,
    tell: Observer = logEvent,
    positions: Positions | None = None,
) -> ISource:
    """
    Build the source that the settings describe.  Nothing is opened yet.

    :param route: where it delivers.
    :param throttle: what makes it wait, if it can.
    :param counters: what it counts in.
    :param hostname: our own name, for messages of this host that bear none.
    :param tls: for ``tls:`` sources: what they present and ask for.
    :param tell: told what goes wrong at the source.
    :param positions: for files, which can't do without: keeps how far they have been relayed.
    """
    listen = settings.listen
    if settings.path is not None:
        assert positions is not None, "a source of files has positions to keep"
        return FileSource(reactor, settings, route, throttle, counters, hostname, positions, tell)
    if listen is None:
        return StdinSource(reactor, settings, route, throttle, counters, hostname, tell=tell)
    if listen.kind in ("udp", "unix-dgram"):
        return DatagramSource(reactor, settings, route, counters, hostname, openSocket, tell)
    if listen.kind != "systemd":
        mine = tls if listen.kind == "tls" else None
        flow = RelpFlow if settings.type == "relp" else SyslogFlow
        return StreamSource(reactor, settings, route, throttle, counters, hostname, openSocket, mine, tell, flow)

    def build(settings: SourceSettings, bound: BoundSocket) -> ISource:
        if bound.socket.type == socket.SOCK_DGRAM:
            return DatagramSource(reactor, settings, route, counters, hostname, lambda _: bound, tell)
        return StreamSource(reactor, settings, route, throttle, counters, hostname, lambda _: bound, tell=tell)

    return SystemdSource(settings, lambda each: passedSocket(each, passedDescriptors(reactor), os.environ), build)
