"""
The control socket as a service.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from .. import events
from ..complaints import Complaints
from ..config import Configuration, ControlSettings
from ..errors import LogRelayError
from ..service import LogRelayService
from ..sources.acceptor import Acceptor
from ..sources.interface import Reactor
from ..sources.sockets import openUnix
from .commands import Commands
from .connection import ControlConnection, Limits
from .requests import Refusal

#: So many connections at once: some people on call, and the programs that ask every few seconds.
MAX_CONNECTIONS = 16

#: So many more are told that there are too many, at once; what comes beyond that is closed without a word.
MAX_REFUSALS = 16

_REMEDIES = {
    errno.ENOENT: "make its folder, or choose another with socket in [control]",
    errno.EACCES: "start as a user who may, or choose another with socket in [control]",
    errno.EADDRINUSE: "stop the relay that has it, or give each its own with socket in [control]",
}

_UCRED = struct.Struct("3i")


class ControlService(Service):
    """
    Takes orders for a relay from the user that it runs as, and from root, over a unix socket.
    """

    def __init__(
        self,
        reactor: Reactor,
        relay: LogRelayService,
        settings: ControlSettings,
        read: Callable[[], Configuration] | None,
        limits: Limits | None = None,
    ) -> None:
        """
        :param read: reads the configuration for a reload; ``None`` where there is no file.
        """
        self._reactor = reactor
        self._relay = relay
        self._settings = settings
        self._limits = limits
        self._commands = Commands(relay, read)
        self._complaints = Complaints(reactor, "control", relay.log.tell)
        self._acceptor: Acceptor | None = None
        self._open: set[ControlConnection] = set()
        self._refused: set[ControlConnection] = set()
        self._stopped: Deferred[None] | None = None

    def startService(self) -> None:
        """
        Make the socket.  It belongs to the user that the relay runs as from now on.

        :raises LogRelayError: if it was configured, and can't be had.
        """
        super().startService()
        path, tell = self._settings.socket, self._relay.log.tell
        try:
            bound = openUnix(path, socket.SOCK_STREAM, 0o600, MAX_CONNECTIONS)
        except OSError as error:
            why = error.strerror or str(error)
            if self._settings.wanted:
                remedy = _REMEDIES.get(error.errno or 0, "choose another with socket in [control]")
                raise LogRelayError(f"cannot have the control socket {path}: {why}; {remedy}") from error
            tell(events.NoControl(path, why))
            return
        self._acceptor = Acceptor(self._reactor, bound, self._admit, self._complaints)
        self._acceptor.startReading()
        tell(events.Controllable(path))

    def stopService(self) -> Deferred[None]:
        """
        Remove the socket, and end the connections.

        :return: fires when they have ended.
        """
        super().stopService()
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            try:
                acceptor.close()
            except OSError as error:
                self._complaints.say("socket", f"{self._settings.socket} could not be removed: {error.strerror}")
        self._complaints.flush()
        for connection in self._open | self._refused:
            connection.stop()
        if not self._open and not self._refused:
            return succeed(None)
        self._stopped = Deferred()
        return self._stopped

    def _admit(self, client: socket.socket) -> None:
        """
        Take one connection, or refuse it.
        """
        client.setblocking(False)
        refusal = self._refusalOf(client)
        kind = self._open if refusal is None else self._refused
        if refusal is not None and len(kind) >= MAX_REFUSALS:
            return
        connection = ControlConnection(self._reactor, self._commands.carryOut, self._ended, refusal, self._limits)
        self._reactor.adoptStreamConnection(client.fileno(), socket.AF_UNIX, _Client(connection))
        kind.add(connection)

    def _refusalOf(self, client: socket.socket) -> Refusal | None:
        """
        Why a client is not served; ``None`` if it is.
        """
        user = userOf(client)
        if not mayControl(user, os.geteuid()):
            self._complaints.say("denied", f"user {user} may not use the control socket")
            return Refusal("denied", "only the user that the relay runs as, and root, may do that")
        if len(self._open) >= MAX_CONNECTIONS:
            self._complaints.say("busy", f"{MAX_CONNECTIONS} connections are open on the control socket")
            return Refusal("busy", f"{MAX_CONNECTIONS} connections are open already; try again later")
        return None

    def _ended(self, connection: ControlConnection) -> None:
        """
        A connection is gone.
        """
        self._open.discard(connection)
        self._refused.discard(connection)
        if self._stopped is not None and not self._open and not self._refused:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)


class _Client(Factory):
    """
    Has one protocol for one connection that is adopted.
    """

    noisy = False

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> ControlConnection:
        """
        That one.
        """
        return self._connection


def userOf(client: socket.socket) -> int | None:
    """
    The user whose process made a connection; ``None`` where the system does not tell, and only the permissions of the
    socket keep others out.
    """
    option: Any = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, user, _ = _UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, option, _UCRED.size))
    return int(user)


def mayControl(user: int | None, own: int) -> bool:
    """
    Whether a user may steer a relay.

    :param own: the user that it runs as.
    """
    return user in (None, 0, own)
