"""
Sockets of systemd's, from ``systemd-socket-activate(1)``.
"""

from __future__ import annotations

import shutil
import signal
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .twistds import Process, Sink, script

_ACTIVATE = shutil.which("systemd-socket-activate")


def freePort(kind: socket.SocketKind) -> int:
    """
    A port that nobody has now.
    """
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class ActivatedTests(SynchronousTestCase):
    """
    The relay is started by what comes in, and finds its sockets by their names.
    """

    skip = None if _ACTIVATE else "there is no systemd-socket-activate (Debian: systemd)"

    def activated(self, listen: str, *options: str) -> tuple[Process, Sink]:
        """
        A relay that will be started by what comes in.
        """
        sink = Sink(self)
        configuration = Path(self.mktemp()).resolve()
        configuration.write_text(
            f'[[source]]\nlisten = "{listen}"\n'
            f'[destination.central]\nprimary = "127.0.0.1:{sink.port}"\nformat = "as-is"\n'
        )
        relay = [script("twistd"), "-n", "--pidfile=", "logrelay", "--config", str(configuration)]
        assert _ACTIVATE is not None
        process = Process(self, [_ACTIVATE, *options, "--fdname=clients", *relay])
        process.says("Listening on ")
        return process, sink

    def test_stream(self) -> None:
        """
        The client whose connection starts the relay, and what it has sent by then.
        """
        port = freePort(socket.SOCK_STREAM)
        relay, sink = self.activated("systemd:domain=INET:name=clients", f"--listen=127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"<13>one\n<13>two\n")
            self.assertEqual(sink.read(2), [b"<13>one", b"<13>two"])
        relay.popen.send_signal(signal.SIGTERM)
        sink.readAll()
        self.assertEqual(relay.wait(), -signal.SIGTERM)

    def test_datagrams(self) -> None:
        """
        The datagram that starts the relay is not lost.
        """
        port = freePort(socket.SOCK_DGRAM)
        options = ("--datagram", f"--listen=127.0.0.1:{port}")
        relay, sink = self.activated("systemd:domain=INET:name=clients", *options)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"<13>one", ("127.0.0.1", port))
            self.assertEqual(sink.read(1), [b"<13>one"])
            client.sendto(b"<13>two", ("127.0.0.1", port))
            self.assertEqual(sink.read(2), [b"<13>one", b"<13>two"])
        relay.popen.send_signal(signal.SIGTERM)
        sink.readAll()
        self.assertEqual(relay.wait(), -signal.SIGTERM)
