"""
Binding the sockets that sources read from.
"""

from __future__ import annotations

import os
import socket
import stat
import sys

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from logrelay.errors import LogRelayError
from logrelay.sources import CannotListen
from logrelay.sources.sockets import BoundSocket, growReceiveBuffer, numericHost, openSocket

from .sourcing import folder, listening


class InternetTests(SynchronousTestCase):
    """
    TCP and UDP sockets.
    """

    def opened(self, text: str, **options: object) -> BoundSocket:
        """
        Open a socket, and close it after the test.
        """
        bound = openSocket(listening(text, **options))
        self.addCleanup(bound.close)
        return bound

    def portOf(self, bound: BoundSocket) -> int:
        """
        The port that the kernel chose.
        """
        address = bound.address
        assert isinstance(address, IPv4Address | IPv6Address)
        return address.port

    def test_tcp(self) -> None:
        """
        A TCP socket listens at once, on the interface given, and does not block.
        """
        bound = self.opened("tcp:0:interface=127.0.0.1")
        self.assertEqual(bound.address, IPv4Address("TCP", "127.0.0.1", self.portOf(bound)))
        socket.create_connection(("127.0.0.1", self.portOf(bound)), timeout=5).close()
        self.assertFalse(bound.socket.getblocking())
        self.assertFalse(bound.local)

    def test_allInterfaces(self) -> None:
        """
        Without an interface all IPv4 interfaces are listened on.
        """
        bound = self.opened("tcp:0")
        self.assertEqual(bound.address, IPv4Address("TCP", "0.0.0.0", self.portOf(bound)))

    def test_tcp6(self) -> None:
        """
        An IPv6 literal is an interface too.
        """
        bound = self.opened(r"tcp:0:interface=\:\:1")
        socket.create_connection(("::1", self.portOf(bound)), timeout=5).close()
        self.assertIsInstance(bound.address, IPv6Address)

    def test_udp(self) -> None:
        """
        A UDP socket is bound.
        """
        bound = self.opened("udp:0:interface=127.0.0.1")
        self.assertEqual(bound.address, IPv4Address("UDP", "127.0.0.1", self.portOf(bound)))

    def test_portInUse(self) -> None:
        """
        A port that is in use is an error of ours that names the source, the address and what to do.
        """
        port = self.portOf(self.opened("tcp:0:interface=127.0.0.1"))
        error = self.assertRaises(CannotListen, openSocket, listening(f"tcp:{port}:interface=127.0.0.1"))
        self.assertIsInstance(error, LogRelayError)
        self.assertIsInstance(error.__cause__, OSError)
        where = f"tcp:{port}:interface=127.0.0.1"
        self.assertEqual(
            str(error),
            f"source {where}: cannot listen on {where}: Address already in use; stop what uses it, or choose another",
        )

    def test_udpPortInUse(self) -> None:
        """
        Nor can a UDP port be taken twice: the second reader would get the first one's messages.
        """
        port = self.portOf(self.opened("udp:0:interface=127.0.0.1"))
        self.assertRaises(CannotListen, openSocket, listening(f"udp:{port}:interface=127.0.0.1"))

    def test_foreignAddress(self) -> None:
        """
        An address that this host does not have is an error.
        """
        error = self.assertRaises(CannotListen, openSocket, listening("tcp:0:interface=192.0.2.1"))
        self.assertIn("use an address that this host has", str(error))

    def test_reusePort(self) -> None:
        """
        With ``reuse-port`` two relays can share a TCP port, with TLS or without, and a UDP port, of either family.  One
        that does not share can't have it.
        """
        for kind in ("tcp", "tls", "udp"):
            for interface in ("127.0.0.1", r"\:\:1"):
                port = self.portOf(self.opened(f"{kind}:0:interface={interface}", reusePort=True))
                again = self.opened(f"{kind}:{port}:interface={interface}", reusePort=True)
                self.assertEqual(self.portOf(again), port)
                self.assertRaises(CannotListen, openSocket, listening(f"{kind}:{port}:interface={interface}"))

    def test_receiveBuffer(self) -> None:
        """
        A receive buffer within the host's limits is granted in full.
        """
        bound = self.opened("udp:0:interface=127.0.0.1")
        self.assertGreaterEqual(growReceiveBuffer(bound.socket, 100_000), 100_000)

    def test_receiveBufferBeyondTheLimit(self) -> None:
        """
        Where the kernel refuses to go past its limit, what it grants is told.
        """

        class Unprivileged(socket.socket):
            def setsockopt(self, level: int, option: int, value: int) -> None:  # type: ignore[override]
                if option == 33:
                    raise PermissionError(1, "not root")
                super().setsockopt(level, option, value)

        with Unprivileged(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            granted = growReceiveBuffer(receiver, 1 << 30)
            self.assertLess(granted, 1 << 30)
            doubled = 2 if sys.platform == "linux" else 1
            self.assertEqual(receiver.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), granted * doubled)


class UnixTests(SynchronousTestCase):
    """
    UNIX sockets and the files they leave.
    """

    def setUp(self) -> None:
        self.path = os.path.join(folder(self), "log")

    def opened(self, kind: str, **options: object) -> BoundSocket:
        """
        Open a socket at the path.
        """
        return openSocket(listening(f"{kind}:{self.path}", **options))

    def test_mode(self) -> None:
        """
        ``mode`` sets the permissions, whatever the umask.
        """
        for kind in ("unix", "unix-dgram"):
            for mode in (0o600, 0o666):
                bound = self.opened(kind, mode=mode)
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)
                bound.close()

    def test_addressAndEnd(self) -> None:
        """
        The path is removed at the end.
        """
        bound = self.opened("unix")
        self.assertEqual(bound.address, UNIXAddress(self.path.encode()))
        self.assertTrue(bound.local)
        bound.close()
        self.assertFalse(os.path.lexists(self.path))

    def test_staleIsReplaced(self) -> None:
        """
        A socket that a dead process has left behind is replaced.
        """
        for kind, type in (("unix", socket.SOCK_STREAM), ("unix-dgram", socket.SOCK_DGRAM)):
            with socket.socket(socket.AF_UNIX, type) as left:
                left.bind(self.path)
            bound = self.opened(kind)
            with socket.socket(socket.AF_UNIX, type) as client:
                client.connect(self.path)
            bound.close()

    def test_aliveIsAnError(self) -> None:
        """
        A socket that somebody still answers, of whichever type, is left alone, and an error that says so.
        """
        for type in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_UNIX, type) as owner:
                owner.bind(self.path)
                if type == socket.SOCK_STREAM:
                    owner.listen()
                for kind in ("unix", "unix-dgram"):
                    error = self.assertRaises(CannotListen, self.opened, kind)
                    self.assertIn("somebody still answers there", str(error))
                    self.assertTrue(os.path.exists(self.path))
            os.unlink(self.path)

    def test_otherFilesAreLeftAlone(self) -> None:
        """
        Something that is no socket is never removed.
        """
        with open(self.path, "w") as file:
            file.write("precious")
        error = self.assertRaises(CannotListen, self.opened, "unix")
        self.assertIn("something that is not a socket is there", str(error))
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")

    def test_noFolder(self) -> None:
        """
        A path in a folder that does not exist is an error that says what to do.
        """
        self.path = os.path.join(os.path.dirname(self.path), "none", "log")
        self.assertIn("create its folder", str(self.assertRaises(CannotListen, self.opened, "unix-dgram")))

    def test_anothersSocketIsLeft(self) -> None:
        """
        When another process has put its own socket at the path meanwhile, it is left alone.
        """
        bound = self.opened("unix")
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            bound.close()
            self.assertTrue(os.path.exists(self.path))

    def test_pathGone(self) -> None:
        """
        A path that somebody else has removed already is no error at the end.
        """
        bound = self.opened("unix")
        os.unlink(self.path)
        bound.close()
        self.assertEqual(bound.socket.fileno(), -1)


class NumericHostTests(SynchronousTestCase):
    """
    Peers' addresses as host fields.
    """

    def test_hosts(self) -> None:
        """
        Addresses are as the kernel tells them, but an IPv4 peer of an IPv6 socket is written as IPv4.
        """
        for address, host in (
            ("192.0.2.1", b"192.0.2.1"),
            ("2001:db8::1", b"2001:db8::1"),
            ("::ffff:192.0.2.1", b"192.0.2.1"),
            ("::ffff:1", b"::ffff:1"),
            ("fe80::1%eth0", b"fe80::1%eth0"),
        ):
            self.assertEqual(numericHost(address), host)
