"""
The real programs do what other tests rely on.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from twisted.trial.unittest import SynchronousTestCase

from .real import Loggen, RealServer, Rsyslog, ServerTls, SyslogNg, missing, sequences

if TYPE_CHECKING:
    Base = SynchronousTestCase
else:
    Base = object

FRAMED = b"<13>1 2024-05-06T07:08:09Z here app 1 - - framed %d"
LINE = b"<13>May  6 07:08:09 here app: line %d\n"


def framed(number: int) -> bytes:
    """
    One message with its octet count.
    """
    message = FRAMED % number
    return b"%d %s" % (len(message), message)


class RealServerMixin(Base):
    """
    What holds for every real server.
    """

    server: type[RealServer]
    skip = missing(SyslogNg, Rsyslog, Loggen)

    def started(self, driver: str = "syslog", tls: ServerTls | None = None) -> RealServer:
        """
        A running server in a directory of its own.
        """
        server = self.server(Path(self.mktemp()).resolve(), driver, tls)
        self.addCleanup(server.close)
        server.start()
        return server

    def certificates(self, authority: trustme.CA) -> tuple[Path, Path]:
        """
        A chain and a key for 127.0.0.1.
        """
        directory = Path(self.mktemp()).resolve()
        directory.mkdir(parents=True)
        leaf = authority.issue_cert("127.0.0.1")
        chain, key = directory / "chain.pem", directory / "key.pem"
        leaf.private_key_pem.write_to_path(key)
        for pem in leaf.cert_chain_pems:
            pem.write_to_path(chain, append=True)
        return chain, key

    def test_framedMessagesReachTheFile(self) -> None:
        """
        Octet-counted RFC 5424 messages from a plain socket are in the file, in order, without their headers.
        """
        server = self.started()
        with socket.create_connection((server.host, server.port)) as connection:
            connection.sendall(b"".join(framed(number) for number in range(100)))
        self.assertEqual(server.waitFor(100), [b"framed %d" % number for number in range(100)])

    def test_linesReachTheFile(self) -> None:
        """
        So are the lines of RFC 3164.
        """
        server = self.started("network")
        with socket.create_connection((server.host, server.port)) as connection:
            connection.sendall(b"".join(LINE % number for number in range(100)))
        self.assertEqual(server.waitFor(100), [b"line %d" % number for number in range(100)])

    def test_tlsWithAClientCertificate(self) -> None:
        """
        Over TLS, with a client that shows a certificate by the authority asked for, messages are in the file.
        """
        authority = trustme.CA()
        chain, key = self.certificates(authority)
        roots = chain.with_name("ca.pem")
        authority.cert_pem.write_to_path(roots)
        server = self.started(tls=ServerTls(chain, key, roots))
        context = ssl.create_default_context(cafile=str(roots))
        context.load_cert_chain(*self.certificates(authority))
        with (
            socket.create_connection((server.host, server.port)) as plain,
            context.wrap_socket(plain, server_hostname=server.host) as connection,
        ):
            connection.sendall(framed(1))
            self.assertEqual(server.waitFor(1), [b"framed 1"])

    def test_tlsWithoutAClientCertificate(self) -> None:
        """
        Where a client certificate is required, a client that has none gets nothing into the file.
        """
        authority = trustme.CA()
        chain, key = self.certificates(authority)
        roots = chain.with_name("ca.pem")
        authority.cert_pem.write_to_path(roots)
        server = self.started(tls=ServerTls(chain, key, roots))
        context = ssl.create_default_context(cafile=str(roots))
        # The refusal comes after a handshake of TLS 1.3: as an alert, a reset, or a clean end.
        with (
            contextlib.suppress(OSError),
            socket.create_connection((server.host, server.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=server.host) as connection,
        ):
            connection.sendall(framed(1))
            self.assertEqual(connection.recv(1), b"")
        self.assertEqual(server.messages(), [])

    def test_loggenOverTcp(self) -> None:
        """
        What loggen says it has sent over TCP, is what the file has.
        """
        server = self.started("network")
        generator = Loggen.start((server.host, server.port), rate=5000, number=1000, connections=2)
        self.addCleanup(generator.close)
        self.assertEqual(generator.wait(), 2000)
        numbers = sequences(server.waitFor(2000))
        self.assertEqual(sorted(numbers), [(thread, number) for thread in (0, 1) for number in range(1000)])

    def test_loggenOverTls(self) -> None:
        """
        So it is over TLS, with octet counting and without a client certificate.
        """
        server = self.started(tls=ServerTls(*self.certificates(trustme.CA())))
        generator = Loggen.start((server.host, server.port), rate=5000, number=1000, tls=True, framed=True, size=512)
        self.addCleanup(generator.close)
        self.assertEqual(generator.wait(), 1000)
        self.assertEqual(sequences(server.waitFor(1000)), [(0, number) for number in range(1000)])

    def test_comesBackOnItsPort(self) -> None:
        """
        Stopped by SIGTERM or SIGKILL and started again, it has the same port and adds to the same file.
        """
        server = self.started()
        for number, end in enumerate((server.stop, server.kill, server.stop)):
            with socket.create_connection((server.host, server.port)) as connection:
                connection.sendall(framed(number))
            server.waitFor(number + 1)
            end()
            self.assertFalse(server.running)
            self.assertRaises(ConnectionRefusedError, socket.create_connection, (server.host, server.port))
            server.start()
        self.assertEqual(server.messages(), [b"framed 0", b"framed 1", b"framed 2"])

    def test_pausedKeepsItsKernel(self) -> None:
        """
        While it is paused its kernel still takes a connection and its data; the messages come when it goes on.
        """
        server = self.started()
        server.pause()
        with socket.create_connection((server.host, server.port)) as connection:
            connection.sendall(framed(1))
            self.assertEqual(server.messages(), [])
            server.resume()
            self.assertEqual(server.waitFor(1), [b"framed 1"])

    def test_doesNotStart(self) -> None:
        """
        A server that cannot listen makes an error, and no process is left.
        """
        with socket.create_server(("127.0.0.1", 0)) as other:
            server = self.server(Path(self.mktemp()).resolve(), port=other.getsockname()[1])
            self.addCleanup(server.close)
            self.assertRaises(TimeoutError, server.start, timeout=1)
        self.assertFalse(server.running)


class SyslogNgTests(RealServerMixin, SynchronousTestCase):
    """
    syslog-ng.
    """

    server = SyslogNg


class RsyslogTests(RealServerMixin, SynchronousTestCase):
    """
    rsyslog.
    """

    server = Rsyslog


class LoggenTests(SynchronousTestCase):
    """
    loggen, without a server.
    """

    skip = missing(Loggen)

    def test_unixDatagrams(self) -> None:
        """
        To a unix datagram socket, each datagram is one message.
        """
        path = Path(self.mktemp())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            server.settimeout(5)
            generator = Loggen.start(path.resolve(), number=5, datagrams=True)
            self.addCleanup(generator.close)
            received = [server.recv(65536) for _ in range(5)]
        self.assertEqual(generator.wait(), 5)
        self.assertEqual(sequences(received), [(0, number) for number in range(5)])

    def test_nobodyListens(self) -> None:
        """
        Without a server it ends with an error that has what it said, or with nothing sent.
        """
        path = Path(self.mktemp()).resolve()
        generator = Loggen.start(path, number=5)
        self.addCleanup(generator.close)
        self.assertRaises(AssertionError, generator.wait)
