"""
Reads that take no more memory than they bring.
"""

from __future__ import annotations

import socket
from typing import Any

#: What one read brings at most, in bytes: four pieces as they are taken (:mod:`logrelay.sources.flow`).  With Twisted's
#: 64 KiB a peer that writes large blocks is waked more often, and messages that pass as they are cost a fifth more.
READ = 224 * 1024

#: What all reads go through: one at a time, since the reactor has one thread.
_SCRATCH = memoryview(bytearray(READ))


class ExactSocket(socket.socket):
    """
    A socket that puts what it receives into memory of just that size.

    ``recv`` takes a block of the largest size and then gives its rest back.  What is stored meanwhile comes to lie
    behind that, and the gap that is left when the read is dealt with is too small for the next one: a buffer that
    fills took twice its size from the system.  To copy what was read costs far less than to read it.
    """

    # Another layout than the original's could not take its place.
    __slots__ = ()

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """
        Receive at most ``size`` bytes, or :data:`READ`.
        """
        return bytes(_SCRATCH[: self.recv_into(_SCRATCH, min(size, len(_SCRATCH)), flags)])


def readExactly(transport: Any) -> None:
    """
    Have a connection of Twisted's, whose socket nobody can choose, read so from now on.  In memory there is none.
    """
    found = getattr(transport, "socket", None)
    if type(found) is socket.socket:
        found.__class__ = ExactSocket
        transport.bufferSize = READ
