"""
Servers by name and by address, end to end: a relay on a host of its own, with a hosts file of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from .certificates import Folder
from .netns import Host, Network, missing
from .twistds import Foreground, Process, waitFor

#: A log server on several addresses and ports.  Says where each message came in, and from which address.
SERVE = """
import os, socket, sys, threading
def receive(place, connection):
    peer = connection.getpeername()[0]
    while data := connection.recv(65536):
        length, _, message = data.partition(b" ")
        os.write(1, b"%s %s %s\\n" % (place.encode(), peer.encode(), message))
def accept(place, listener):
    while True:
        threading.Thread(target=receive, args=(place, listener.accept()[0]), daemon=True).start()
for place in sys.argv[1:]:
    address, _, port = place.rpartition(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, int(port)), family=family)
    threading.Thread(target=accept, args=(place, listener), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


class NamesTests(SynchronousTestCase):
    """
    One relay, one destination for each way to name a server.
    """

    skip = missing()

    def setUp(self) -> None:
        """
        A host for the relay, one for servers, and one that never answers.
        """
        self.network = Network()
        self.addCleanup(self.network.close)
        self.network.open()
        self.here, self.there, self.silent = (self.network.host() for _ in range(3))
        self.silent.blackHole()
        self.destinations = ""

    def serve(self, host: Host, *places: tuple[str, int]) -> Process:
        """
        Log servers on a host.
        """
        arguments = [f"{address},{port}" for address, port in places]
        server = Process(self, [*host.prefix, sys.executable, "-c", SERVE, *arguments])
        server.says("ready")
        return server

    def destination(self, name: str, servers: Sequence[str], more: str = "") -> None:
        """
        Configure one more destination.
        """
        self.destinations += f"""
            [destination.{name}]
            format = "as-is"
            primary = "{servers[0]}"
            failovers = {list(servers[1:])}
            time-reopen = 0.3
            connect-timeout = 5
            {more}
        """

    def relay(self) -> Foreground:
        """
        Start the relay; it reads standard input.
        """
        content = f'[[source]]\ntype = "stdin"\n{self.destinations}'
        path = Folder(self.mktemp()).write("relay.toml", content.encode())
        return Foreground(self, "--config", path, wrapper=self.here.prefix)

    def test_names(self) -> None:
        """
        Each destination gets the message over the way that it should.
        """
        there = self.there
        remote = self.serve(
            there,
            *((there.address, port) for port in (601, 7001, 7003, 7005)),
            *((there.address6, port) for port in (7005, 7006)),
        )
        local = self.serve(self.here, ("::1", 7002), ("127.0.0.1", 7004))
        names = {
            "dead-first.example.com": [self.silent.address6, there.address],
            "logs.example.com": [there.address],
            "both.example.com": [there.address6, there.address],
        }
        self.here.setNames({**names, "moves.example.com": [self.here.address]})
        self.destination("dead-first", ["dead-first.example.com"])
        self.destination("ports", ["logs.example.com:7000", "logs.example.com:7001"])
        self.destination("literal", ["[::1]:7002"])
        self.destination("unknown", ["nowhere.example.com", "logs.example.com:7003"])
        self.destination("localip", ["127.0.0.1:7004"], 'localip = "127.0.0.5"')
        self.destination("four", ["both.example.com:7005"], 'ip-protocol = "4"')
        self.destination("six", ["both.example.com:7005"], 'ip-protocol = "6"')
        self.destination("moves", ["moves.example.com:7006"])
        relay = self.relay()
        relay.stdin.write(b"hello\n")
        relay.stdin.flush()
        for name in ("dead-first", "ports", "literal", "unknown", "localip", "four", "six"):
            relay.says(f"{name}: connected to")
        relay.says(r"moves: moves\.example\.com:7006 not usable \(refused\)")
        self.here.setNames({**names, "moves.example.com": [there.address6]})
        expected = {
            f"{there.address},601 {self.here.address} hello",
            f"{there.address},7001 {self.here.address} hello",
            f"{there.address},7003 {self.here.address} hello",
            f"{there.address},7005 {self.here.address} hello",
            f"{there.address6},7005 {self.here.address6} hello",
            f"{there.address6},7006 {self.here.address6} hello",
            "::1,7002 ::1 hello",
            "127.0.0.1,7004 127.0.0.5 hello",
        }

        def received() -> list[str]:
            return [line for server in (remote, local) for line in server.said.read_text().splitlines()[1:]]

        waitFor(lambda: len(received()) >= len(expected), "all messages")
        self.assertEqual(sorted(received()), sorted(expected))
        said = relay.said.read_text()
        # A name that does not resolve: the next server at once, and by its reason.
        self.assertRegex(said, r"unknown: nowhere\.example\.com:601 not usable \(dns\)")
        self.assertRegex(said, r"ports: logs\.example\.com:7000 not usable \(refused\)")
        # An address that does not answer is no failure as long as another one does.
        self.assertNotIn("dead-first: dead-first.example.com:601 not usable", said)
        for name in ("unknown", "ports", "dead-first"):
            self.assertNotIn(f"{name}: no server is usable", said)
