"""
Network namespaces do what other tests rely on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from .netns import ETC, Host, Network, missing
from .real import SyslogNg
from .real import missing as programsMissing

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
except OSError as error:
    print(type(error).__name__)
else:
    print("connected")
"""

LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""

RESOLVE = """
import socket, sys
for line in sys.stdin:
    try:
        print(*sorted({entry[4][0] for entry in socket.getaddrinfo(line.strip(), 1)}), flush=True)
    except socket.gaierror:
        print("none", flush=True)
"""


class NetworkTests(SynchronousTestCase):
    """
    Two hosts on one wire.
    """

    skip = missing()

    def setUp(self) -> None:
        """
        Make them.
        """
        self.network = Network()
        self.addCleanup(self.network.close)
        self.network.open()
        self.client, self.server = self.network.host(), self.network.host()

    def start(self, host: Host, program: str, *arguments: str) -> tuple[IO[str], IO[str]]:
        """
        Run a Python program on a host, until the end of the test at most.

        :return: its input and its output.
        """
        process = subprocess.Popen(
            [*host.prefix, sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate, timeout=10)
        assert process.stdin is not None and process.stdout is not None
        return process.stdin, process.stdout

    def connect(self, address: str, port: str) -> str:
        """
        What comes of a connection from the client to an address.
        """
        return self.start(self.client, CONNECT, address, port)[1].readline().strip()

    def test_bothFamiliesAndABlackHole(self) -> None:
        """
        Hosts reach each other by IPv4 and IPv6; a black hole answers nothing at all, and can be healed.
        """
        for address in (self.server.address, self.server.address6):
            port = self.start(self.server, LISTEN, address)[1].readline().strip()
            self.assertEqual(self.connect(address, port), "connected")
            self.server.blackHole()
            self.assertEqual(self.connect(address, port), "TimeoutError")
            self.server.heal()
            self.assertEqual(self.connect(address, port), "connected")
            self.assertEqual(self.connect(address, "1"), "ConnectionRefusedError")

    def test_namesChangeAtOnce(self) -> None:
        """
        A process of a host resolves names from that host's file alone, and sees each change of it.
        """
        asked, answers = self.start(self.client, RESOLVE)

        def resolve(name: str) -> str:
            asked.write(f"{name}\n")
            asked.flush()
            return answers.readline().strip()

        self.client.setNames({"logs.example.com": ["192.0.2.9", "192.0.2.2"], "other.example.com": ["::1"]})
        self.assertEqual(resolve("logs.example.com"), "192.0.2.2 192.0.2.9")
        self.assertEqual(resolve("other.example.com"), "::1")
        self.client.setNames({"logs.example.com": ["192.0.2.7"]})
        self.assertEqual(resolve("logs.example.com"), "192.0.2.7")
        self.assertEqual(resolve("other.example.com"), "none")

    def test_aRealServerOnAHost(self) -> None:
        """
        A real server can run on a host: its process is the one started, and it listens there.
        """
        server = SyslogNg(Path(self.mktemp()).resolve(), host=self.server.address, port=601, prefix=self.server.prefix)
        self.addCleanup(server.close)
        server.start()
        self.assertEqual(Path(f"/proc/{server.pid}/comm").read_text().strip(), "syslog-ng")
        self.assertEqual(self.connect(self.server.address, "601"), "connected")
        server.kill()
        self.assertEqual(self.connect(self.server.address, "601"), "ConnectionRefusedError")

    test_aRealServerOnAHost.skip = missing() or programsMissing(SyslogNg)  # type: ignore[attr-defined]

    def test_nothingIsLeft(self) -> None:
        """
        A closed network has left neither namespaces nor files.
        """
        names = [self.network.name, self.client.name, self.server.name]
        self.network.close()
        folders = [folder / name for folder in (ETC, Path("/run/netns")) for name in names]
        self.assertEqual([folder for folder in folders if folder.exists()], [])
