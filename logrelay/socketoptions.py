"""
The socket under a transport, and its options (socket(7), tcp(7)).
"""

from __future__ import annotations

import socket
from contextlib import suppress

from twisted.internet.tcp import Connection

#: Our kernel keeps so many bytes that it has not sent, in bytes.  Without a limit it takes megabytes that a hung peer
#: never sees, and the store is not told; with it the throughput on loopback was the same.
NOTSENT_LOWAT = 128 * 1024


def lowerTransport(transport: object) -> Connection | None:
    """
    The TCP connection under a transport, through any number of wrappers such as TLS.

    ``hasattr(transport, "socket")`` would lie: Twisted's wrappers pass on attributes that they do not know.
    """
    while transport is not None and not isinstance(transport, Connection):
        transport = getattr(transport, "transport", None)
    return transport


def keepAlive(connection: socket.socket, times: tuple[int, int, int]) -> None:
    """
    Have the kernel ask an idle peer whether it is still there: after so many seconds, at such intervals, giving up
    after so many questions.  Systems that cannot set one of the times keep their own.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in zip(("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"), times, strict=True):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def keepLittleUnsent(connection: socket.socket) -> None:
    """
    Have the kernel ask for more only when it has less than :data:`NOTSENT_LOWAT` to send.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, NOTSENT_LOWAT)


def acknowledgeAtOnce(transport: object) -> None:
    """
    Have our kernel acknowledge what it gets without delay, until it thinks otherwise: librelp sends the last answers of
    a burst only when those before are acknowledged, 40 ms later by default (tcp(7), ``TCP_QUICKACK``).
    """
    lower, option = lowerTransport(transport), getattr(socket, "TCP_QUICKACK", None)
    if lower is not None and option is not None and hasattr(lower, "socket"):
        with suppress(OSError):
            lower.socket.setsockopt(socket.IPPROTO_TCP, option, 1)
