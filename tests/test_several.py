"""
Several relays on one port: they share what comes, lose nothing of it, and can be exchanged one after the other.

The relays are real ones (``twistd -n logrelay``) with the configuration of the documentation; those who load them and
the log server are processes of their own, too (:mod:`tests.sharing`).
"""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .real import TOP, freePort, waitUntil
from .sharing import SharingLoad
from .twistds import Foreground

EXAMPLE = TOP / "docs" / "examples" / "several" / "a.toml"

#: How the second file is made of the first, as the documentation has it.
ANOTHER = "s|/logrelay/a|/logrelay/b|"

#: Seconds for what takes a moment on an idle machine.
PATIENCE = 30

CLIENTS, RATE = 40, 250


class SeveralTests(SynchronousTestCase):
    """
    Relays, each with a state-dir and, where that is said, a spool of its own.
    """

    def setUp(self) -> None:
        self.server = self.load("witness")
        self.port, self.serverPort = freePort(), self.server.told()
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()

    def load(self, kind: str, *arguments: object) -> SharingLoad:
        """
        One more process, until the end of the test.
        """
        load = SharingLoad(kind, *arguments)
        self.addCleanup(load.close)
        return load

    def configure(self, spool: bool = True, host: str = "127.0.0.1") -> None:
        """
        Write the files ``a.toml`` and ``b.toml``: those of the documentation, but for where things are on this machine.
        """
        first = EXAMPLE.read_text()
        text = subprocess.run(["sed", ANOTHER], input=first, capture_output=True, text=True, check=True).stdout
        for name, each in (("a", first), ("b", text)):
            each, changed = re.subn("/var/lib/logrelay/", f"{self.folder}/", each)
            self.assertEqual(changed, 2)
            each = each.replace(":5140", f":{self.port}:interface={host}")
            each = re.sub("(?m)^primary = .*\n", f'primary = "127.0.0.1:{self.serverPort}"\n', each)
            each = re.sub("(?m)^failovers = .*\n", "", each)
            if not spool:
                each = each.partition("[destination.central.spool]")[0]
            (self.folder / f"{name}.toml").write_text(each)

    def start(self, name: str) -> Foreground:
        """
        Start a relay, and wait until it listens and has its server.
        """
        relay = Foreground(self, "--config", str(self.folder / f"{name}.toml"))
        relay.says(r"source udp:\S+ listens on")
        relay.says("central: connected")
        return relay

    def stop(self, relay: Foreground) -> None:
        """
        Stop a relay as systemd does.
        """
        relay.popen.send_signal(signal.SIGTERM)
        self.assertEqual(relay.wait(), -signal.SIGTERM)
        said = relay.said.read_text()
        self.assertNotIn("not delivered", said)
        self.assertNotIn("Traceback", said)

    def flows(self) -> None:
        """
        Wait until more has come.
        """
        enough = sum(self.server.ask()["counts"].values()) + 2000
        self.until(lambda: sum(self.server.ask()["counts"].values()) >= enough, "messages")

    def until(self, condition: Any, what: str) -> None:
        """
        Wait for something.
        """
        waitUntil(condition, what, PATIENCE)

    def arrive(self, sent: dict[str, int]) -> dict[str, Any]:
        """
        Wait until everything has come; what came on one connection has come in its order.

        :return: what the server tells.
        """
        self.until(lambda: self.server.ask()["counts"] == sent, "all messages")
        found: dict[str, Any] = self.server.ask()
        self.assertEqual(found["disorder"], 0)
        return found

    def share(self, spool: bool) -> None:
        """
        Two relays share a TCP port under load.
        """
        self.configure(spool)
        relays = [self.start(name) for name in "ab"]
        load = self.load("clients", "127.0.0.1", self.port, CLIENTS, RATE)
        load.told()
        self.flows()
        said = load.finish()
        found = self.arrive(said["sent"])
        self.assertEqual((said["resets"], found["twice"]), (0, 0))
        # Both have had some, and every client was one relay's.
        self.assertEqual(len(found["shares"]), 2)
        self.assertTrue(all(found["shares"]), found["shares"])
        self.assertEqual(sum(found["shares"]), CLIENTS)
        for relay in relays:
            self.stop(relay)

    def test_memory(self) -> None:
        """
        Two relays share a TCP port under load: both get connections, nothing is lost, nothing comes twice, and what
        comes on one connection arrives in its order.
        """
        self.share(spool=False)

    def test_spools(self) -> None:
        """
        So they do with a spool each.
        """
        self.share(spool=True)
        self.assertTrue((self.folder / "a" / "spool").is_dir() and (self.folder / "b" / "spool").is_dir())

    def datagrams(self, host: str) -> None:
        """
        Two relays share a UDP port.
        """
        self.configure(spool=False, host=host.replace(":", r"\\:"))
        relays = [self.start(name) for name in "ab"]
        load = self.load("datagrams", host, self.port, 60, 2000)
        load.told()
        self.flows()
        found = self.arrive(load.finish())
        self.assertTrue(all(found["shares"]), found["shares"])
        self.assertEqual((sum(found["shares"]), found["twice"]), (60, 0))
        for relay in relays:
            self.stop(relay)

    def test_datagrams(self) -> None:
        """
        Two relays share a UDP port: datagrams go to either by where they come from, and none is lost.
        """
        self.datagrams("127.0.0.1")

    def test_datagramsOverIPv6(self) -> None:
        """
        So they do with IPv6.
        """
        self.datagrams("::1")

    def test_reload(self) -> None:
        """
        A relay that shares its port goes over to another configuration, and loses nothing of what comes meanwhile.  It
        can't have the port for itself while another has it, and goes on as before.
        """
        self.configure(spool=False)
        relays = [self.start(name) for name in "ab"]
        load = self.load("clients", "127.0.0.1", self.port, CLIENTS, RATE)
        load.told()
        path = self.folder / "a.toml"
        text = path.read_text()
        for changed, said in (
            ("reuse-port = true\nframing = 'lf'", "reloaded: .*sources changed"),
            ("reuse-port = false", "not reloaded.*Address already in use"),
        ):
            self.flows()
            path.write_text(text.replace("reuse-port = true", changed, 1))
            relays[0].popen.send_signal(signal.SIGHUP)
            relays[0].says(said)
        self.flows()
        self.assertGreater(load.ask(), 0)
        said = load.finish()
        self.assertLessEqual(self.arrive(said["sent"])["twice"], said["again"])
        for relay in relays:
            self.stop(relay)

    def test_rollingRestart(self) -> None:
        """
        Under load one relay after the other is stopped and started again: its clients are told the end, and go on at
        the other.  Everything arrives; twice only what was sent again by who was cut off.
        """
        self.configure(spool=False)
        relays = {name: self.start(name) for name in "ab"}
        load = self.load("clients", "127.0.0.1", self.port, CLIENTS, RATE)
        load.told()
        for name in "ab":
            self.flows()
            self.stop(relays[name])
            relays[name] = self.start(name)
        self.flows()
        # The second that was stopped had, by then, all of them.
        self.assertGreater(load.ask(), CLIENTS)
        said = load.finish()
        found = self.arrive(said["sent"])
        self.assertLessEqual(found["twice"], said["again"])
        for relay in relays.values():
            self.stop(relay)
