"""
Reads that take no more memory than they bring.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from logrelay.sources.exact import READ, ExactSocket, readExactly


class Transport:
    """
    As far as it matters, one of Twisted's.
    """

    def __init__(self, found: object) -> None:
        self.socket = found


class ExactTests(SynchronousTestCase):
    """
    Sockets that read so.
    """

    def setUp(self) -> None:
        self.near, self.far = socket.socketpair()
        for each in (self.near, self.far):
            self.addCleanup(each.close)
        readExactly(Transport(self.near))

    def test_reads(self) -> None:
        """
        It reads what there is, at most as much as is wanted, and then the end.  What was read stays as it was.
        """
        self.far.sendall(b"one")
        first = self.near.recv(65536)
        self.far.sendall(b"two three")
        self.assertEqual((first, self.near.recv(3), self.near.recv(65536)), (b"one", b"two", b" three"))
        self.far.close()
        self.assertEqual(self.near.recv(65536), b"")

    def test_bounded(self) -> None:
        """
        One read brings no more than one of Twisted's.
        """
        self.far.setblocking(False)
        sent = self.far.send(b"x" * (READ + 1))
        self.assertEqual(len(self.near.recv(1 << 20)), min(sent, READ))

    def test_errors(self) -> None:
        """
        An error is the same as of any socket.
        """
        self.near.setblocking(False)
        self.assertRaises(BlockingIOError, self.near.recv, 1)

    def test_others(self) -> None:
        """
        What is no plain socket, or no socket at all, is left as it is; twice is once.
        """
        transport = Transport(self.near)
        readExactly(transport)
        self.assertIsInstance(transport.socket, ExactSocket)
        for each in (None, "no socket"):
            readExactly(Transport(each))
        readExactly(object())
