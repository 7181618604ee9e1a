"""
Sockets that sources read from: bound here, and tidied up after.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from contextlib import suppress
from errno import EADDRINUSE, EEXIST
from typing import Literal

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from ..config import SourceSettings
from ..listening import Listen
from .interface import unavailable

_STREAMS = {"tcp", "tls", "unix"}

#: Linux's option for a receive buffer larger than net.core.rmem_max, which needs CAP_NET_ADMIN.
_SO_RCVBUFFORCE = 33


@attrs.define(eq=False)
class BoundSocket:
    """
    A socket that is bound, listens if it is a stream, and does not block.

    :ivar path: the path to remove when it is closed; ``None`` where there is none or it is another's.
    :ivar inode: device and inode of that path, so that another process's socket there is left alone.
    """

    socket: socket.socket
    path: str | None = None
    inode: tuple[int, int] | None = None

    @property
    def local(self) -> bool:
        """
        Whether only programs of this host can reach it.
        """
        return self.socket.family == socket.AF_UNIX

    @property
    def address(self) -> IAddress:
        """
        Where it is bound.
        """
        name = self.socket.getsockname()
        if self.local:
            return UNIXAddress(os.fsencode(name))
        kind: Literal["TCP", "UDP"] = "TCP" if self.socket.type == socket.SOCK_STREAM else "UDP"
        if self.socket.family == socket.AF_INET6:
            return IPv6Address(kind, *name)
        return IPv4Address(kind, *name)

    @property
    def reachable(self) -> bool:
        """
        Whether it can still be reached: nobody has removed or replaced its path.
        """
        return self.path is None or _inode(self.path) == self.inode

    def duplicate(self) -> BoundSocket:
        """
        The same socket once more, for another source that is to take over.  The path remains this one's, until it is
        :meth:`bequeath`-ed.
        """
        return BoundSocket(self.socket.dup())

    def bequeath(self, heir: BoundSocket) -> None:
        """
        Leave the path to another who has the same socket.
        """
        heir.path, heir.inode = self.path, self.inode
        self.path = self.inode = None

    def adjust(self, settings: SourceSettings) -> None:
        """
        Set what can still be set when it is bound.

        :raises OSError: if the permissions of the path can't be changed.
        """
        listen = settings.listen
        if listen is not None and listen.kind in _STREAMS:
            self.socket.listen(listen.backlog)
        if listen is not None and listen.path and stat.S_IMODE(os.stat(listen.path).st_mode) != settings.mode:
            os.chmod(listen.path, settings.mode)

    def close(self) -> None:
        """
        Close it, and remove its path if that is still ours.

        :raises OSError: if the path can't be removed.
        """
        self.socket.close()
        if self.path is not None and self.reachable:
            os.unlink(self.path)


def openSocket(settings: SourceSettings) -> BoundSocket:
    """
    Bind the socket that a source's ``listen`` describes.

    :raises CannotListen: if it can't be bound.
    """
    listen = settings.listen
    assert listen is not None
    kind = socket.SOCK_STREAM if listen.kind in _STREAMS else socket.SOCK_DGRAM
    try:
        if listen.path:
            return openUnix(listen.path, kind, settings.mode, listen.backlog)
        return BoundSocket(_openInet(listen, kind, settings.reusePort))
    except OSError as error:
        raise unavailable(settings, error) from error


def _openInet(listen: Listen, kind: socket.SocketKind, reusePort: bool) -> socket.socket:
    """
    Bind a TCP or UDP socket.  Two streams that may reuse an address collide only in ``listen``, so that is called too;
    connections then wait in the kernel until somebody accepts them.
    """
    found = socket.getaddrinfo(listen.interface or "0.0.0.0", listen.port, type=kind, flags=socket.AI_NUMERICHOST)
    family, _, _, _, address = found[0]
    opened = socket.socket(family, kind)
    try:
        opened.setblocking(False)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reusePort:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(address)
        if kind == socket.SOCK_STREAM:
            opened.listen(listen.backlog)
    except OSError:
        opened.close()
        raise
    return opened


def openUnix(path: str, kind: socket.SocketKind, mode: int, backlog: int) -> BoundSocket:
    """
    Bind a UNIX socket at a path, replacing one that nobody answers any more.  Who may not use it never could.

    :raises OSError: if that can't be done.
    """
    _removeStale(path, kind)
    opened = socket.socket(socket.AF_UNIX, kind)
    opened.setblocking(False)
    bound = BoundSocket(opened)
    try:
        with suppress(OSError):
            # Linux gives the path these permissions from its beginning.  Elsewhere only a stream is safe, which nobody
            # can connect to before it listens.
            os.fchmod(opened.fileno(), mode)
        opened.bind(path)
        bound.path, bound.inode = path, _inode(path)
        os.chmod(path, mode)
        if kind == socket.SOCK_STREAM:
            opened.listen(backlog)
    except OSError:
        bound.close()
        raise
    return bound


def _removeStale(path: str, kind: socket.SocketKind) -> None:
    """
    Remove a UNIX socket that a process has left behind.

    :raises OSError: if somebody still answers it, or if it is no socket.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(EEXIST, "something that is not a socket is there")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except PermissionError:
            raise
        except OSError:
            # A full backlog, or a socket of the other kind: both have an owner who is alive.
            pass
    raise OSError(EADDRINUSE, "somebody still answers there")


def _inode(path: str) -> tuple[int, int] | None:
    """
    What distinguishes the file at a path from any other; ``None`` where there is none.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def numericHost(address: str) -> bytes:
    """
    A peer's address as a host field: one that reached an IPv6 socket over IPv4 is written as IPv4.
    """
    return address.removeprefix("::ffff:").encode() if "." in address else address.encode()


def growReceiveBuffer(receiver: socket.socket, size: int) -> int:
    """
    Ask for a receive buffer of ``size`` bytes; past the host's limit where this process may.

    :return: what was granted.
    """
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    return receiveBuffer(receiver)


def receiveBuffer(receiver: socket.socket) -> int:
    """
    How many bytes a socket keeps that have not been read.
    """
    # Linux doubles what is asked for, to have room for its own bookkeeping, and tells the double.
    return receiver.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // (2 if sys.platform == "linux" else 1)
