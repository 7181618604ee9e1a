"""
Reads that take no more memory than they bring.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.abstract import FileDescriptor

from ..batches import FILL

#: What one read of Twisted's brings at most, in bytes; and one where a few connections bring all there is: a peer that
#: writes large blocks is waked less often, and messages that pass as they are cost a fifth less.
READ, LARGE_READ = FileDescriptor.bufferSize, 4 * FILL

#: What all reads go through: one at a time, since the reactor has one thread.
_SCRATCH = memoryview(bytearray(LARGE_READ))


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
        Receive at most ``size`` bytes, or :data:`LARGE_READ`.
        """
        return bytes(_SCRATCH[: self.recv_into(_SCRATCH[:size], 0, flags)]) if size else b""


def readExactly(transport: Any, size: int) -> int:
    """
    Have a TCP connection of Twisted's, whose socket nobody can choose, read so from now on.  UNIX sockets are read in
    another way, and in memory there is no socket.

    :param size: what a read is to bring at most; also, as Twisted has it, what may wait to be written before a producer
        is told to pause.
    :return: what one brings at most.
    """
    found = getattr(transport, "socket", None)
    if type(found) is socket.socket and found.family != socket.AF_UNIX:
        found.__class__ = ExactSocket
        transport.bufferSize = size
        return size
    return READ
