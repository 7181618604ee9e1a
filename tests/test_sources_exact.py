"""
Reads that take no more memory than they bring.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from logrelay.sources.exact import LARGE_READ, READ, ExactSocket, readExactly


class Transport:
    """
    As far as it matters, one of Twisted's.
    """

    bufferSize = READ

    def __init__(self, found: object) -> None:
        self.socket = found


class ExactTests(SynchronousTestCase):
    """
    Sockets that read so.
    """

    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.create_connection(server.getsockname())
            self.near, _ = server.accept()
        for each in (self.near, self.far):
            self.addCleanup(each.close)
        self.transport = Transport(self.near)
        self.assertEqual(readExactly(self.transport, 1000), 1000)

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
        One read brings no more than there is room for, however much is wanted; and nothing, if nothing is.
        """
        self.far.setblocking(False)
        self.assertEqual(self.near.recv(0), b"")
        self.far.send(b"x" * (2 * LARGE_READ))
        self.assertLessEqual(len(self.near.recv(1 << 20)), LARGE_READ)

    def test_errors(self) -> None:
        """
        An error is the same as of any socket.
        """
        self.near.setblocking(False)
        self.assertRaises(BlockingIOError, self.near.recv, 1)

    def test_others(self) -> None:
        """
        What is no plain TCP socket, or no socket at all, is left as it is; twice is once.
        """
        readExactly(self.transport, 1000)
        self.assertIsInstance(self.transport.socket, ExactSocket)
        self.assertEqual(self.transport.bufferSize, 1000)
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        for each in (None, "no socket", near):
            self.assertEqual(readExactly(Transport(each), 1000), READ)
        self.assertIs(type(near), socket.socket)
        self.assertEqual(readExactly(object(), 1000), READ)
