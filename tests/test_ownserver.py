"""
The log server of ours behaves as trials need it to.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .ownserver import OwnServer
from .real import waitUntil
from .relays import counted, numbered
from .relpserver import RelpSession

TEXTS = [message.partition(b" - - - ")[2] for message in numbered(3)]


class RelpSessionTests(SynchronousTestCase):
    """
    The server's side of RELP.
    """

    OPEN = b"1 open 30 relp_version=0\ncommands=syslog\n"
    DIALOGUE = OPEN + b"2 syslog 5 hello\n3 syslog 3 a\nb\n4 close 0\n"

    def test_dialogue(self) -> None:
        """
        Messages come out, and each frame is answered, however the stream is cut.
        """
        for size in (1, 2, 7, len(self.DIALOGUE)):
            session = RelpSession()
            pieces = [self.DIALOGUE[start : start + size] for start in range(0, len(self.DIALOGUE), size)]
            found = [pair for piece in pieces for pair in session.take(piece)]
            self.assertEqual([message for message, _ in found if message is not None], [b"hello", b"a\nb"])
            opened, *answers = (answer for _, answer in found)
            self.assertIn(b"\ncommands=syslog", opened)
            expected = [b"2 rsp 6 200 OK\n", b"3 rsp 6 200 OK\n", b"4 rsp 0\n0 serverclose 0\n"]
            self.assertEqual((answers, session.over), (expected, True))

    def test_wrong(self) -> None:
        """
        A gap in the numbers, an unknown command or a wrong length ends the session, and nothing more is taken.
        """
        for wrong in (b"3 syslog 1 x\n", b"2 quux 1 x\n", b"2 syslog 1 xy\n"):
            session = RelpSession()
            *_, last = session.take(self.OPEN + wrong + b"3 syslog 1 z\n")
            self.assertEqual((last, session.over), ((None, b"0 serverclose 0\n"), True))


class OwnServerTests(SynchronousTestCase):
    """
    The process.
    """

    def started(self, **options: Any) -> OwnServer:
        """
        One that listens, until the end of the test.
        """
        server = OwnServer(Path(self.mktemp()).resolve(), **options)
        self.addCleanup(server.close)
        server.start()
        return server

    def client(self, server: OwnServer) -> socket.socket:
        """
        A connection to it.
        """
        client = socket.create_connection((server.host, server.port), timeout=10)
        self.addCleanup(client.close)
        return client

    def test_reads(self) -> None:
        """
        The text of each message becomes a line, with either framing, and connections that brought some are counted.
        """
        server = self.started()
        messages = numbered(3)
        self.client(server).sendall(counted(messages))
        self.assertEqual(server.waitFor(3), TEXTS)
        self.client(server).sendall(b"".join(message + b"\n" for message in messages))
        self.client(server)
        self.assertEqual((server.waitFor(6), server.connections), (TEXTS + TEXTS, 2))

    def test_relp(self) -> None:
        """
        What has been answered is in the file.
        """
        server = self.started(driver="relp")
        client = self.client(server)
        frames = b"".join(b"%d syslog %d %b\n" % (n, len(text), text) for n, text in enumerate(numbered(3), 2))
        client.sendall(RelpSessionTests.OPEN + frames)
        heard = piece = client.recv(65536)
        while piece and not heard.endswith(b"4 rsp 6 200 OK\n"):
            heard += (piece := client.recv(65536))
        self.assertTrue(heard.endswith(b"4 rsp 6 200 OK\n"), heard)
        self.assertEqual(server.messages(), TEXTS)

    def test_poison(self) -> None:
        """
        What came before the poison is kept, the connection is closed, and the next one served.
        """
        server = self.started(poison="0000001")
        for _ in range(2):
            client = self.client(server)
            client.sendall(counted(numbered(3)))
            self.assertEqual(self.rest(client), b"")
        self.assertEqual(server.messages(), TEXTS[:1] * 2)

    def test_closes(self) -> None:
        """
        It closes each connection at once, until it is told to be well.
        """
        server = self.started(manner="closes")
        self.assertEqual(self.rest(self.client(server)), b"")
        server.recover()
        # It takes a moment to hear of that.
        waitUntil(lambda: not self.closes(server), "well")
        self.client(server).sendall(counted(numbered(3)))
        self.assertEqual(server.waitFor(3), TEXTS)

    def closes(self, server: OwnServer) -> bool:
        """
        Whether it closes a new connection at once.
        """
        client = self.client(server)
        client.settimeout(0.2)
        try:
            return client.recv(1) == b""
        except TimeoutError:
            return False

    def test_shut(self) -> None:
        """
        Told to, it closes what is open, and each connection to come.
        """
        server = self.started()
        client = self.client(server)
        client.sendall(counted(numbered(1)))
        server.waitFor(1)
        server.shut()
        self.assertEqual((self.rest(client), self.rest(self.client(server))), (b"", b""))

    def test_deaf(self) -> None:
        """
        It takes connections, and reads nothing: what its kernel does not take stays with ours.
        """
        server = self.started(manner="deaf")
        client = self.client(server)
        client.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            client.sendall(b"x" * 50_000_000)
        self.assertEqual(server.messages(), [])

    def rest(self, client: socket.socket) -> bytes:
        """
        What comes up to the end.
        """
        data = b""
        try:
            while piece := client.recv(65536):
                data += piece
        except ConnectionResetError:
            pass  # It had something unread.
        return data
