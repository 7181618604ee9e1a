"""
The page on TLS with a CA of one's own: its certificates, and its servers, mutual authentication included.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from .real import RealServer, Rsyslog, SyslogNg, missing
from .twistds import Foreground, Process, Sink, script, sendLines

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"


def adapted(name: str, folder: Path, changes: dict[str, str]) -> str:
    """
    A configuration of the page, with the paths and ports of a test.
    """
    text = (EXAMPLES / "ownca" / name).read_text()
    for place in ("/etc/rsyslog.d", "/etc/syslog-ng", "/etc/logrelay"):
        text = text.replace(place, str(folder))
    for before, after in {"logs-a.example.com": "127.0.0.1", **changes}.items():
        assert before in text or before == "logs-a.example.com", before
        text = text.replace(before, after)
    return text


@attrs.define(slots=False)
class PageRsyslog(Rsyslog):
    """
    rsyslog as the page has it.
    """

    def configuration(self) -> str:
        """
        Its own, and what keeps it off the system's files.
        """
        changes = {'port="6514"': f'address="127.0.0.1" port="{self.port}"', "/var/log/remote.log": str(self.output)}
        return f'global(workDirectory="{self.directory}")\n' + adapted("rsyslog.conf", self.directory.parent, changes)


class PageSyslogNg(SyslogNg):
    """
    syslog-ng as the page has it.
    """

    def configuration(self) -> str:
        """
        Its own.
        """
        changes = {"port(6514)": f'ip("127.0.0.1") port({self.port})', "/var/log/remote.log": str(self.output)}
        return adapted("syslog-ng.conf", self.directory.parent, changes)


class OwnCATests(SynchronousTestCase):
    """
    A relay, a failover that it proves itself to, and strangers.
    """

    def setUp(self) -> None:
        """
        Certificates as the page has them made, of our CA and of somebody else's.
        """
        self.folder = Path(self.mktemp()).resolve()
        for folder in (self.folder, self.folder / "strangers"):
            folder.mkdir()
            command = ["sh", str(EXAMPLES / "ownca.sh"), "127.0.0.1", "relay.example.com"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def configuration(self, port: int, ours: str = "relay.example.com") -> Path:
        """
        The relay's file: a primary that refuses, and a failover.
        """
        path = self.folder / "relay.toml"
        path.write_text(
            f'[[source]]\nlisten = "tcp:0:interface=127.0.0.1"\n[destination.central]\ntransport = "tls"\n'
            f'primary = "127.0.0.1:1"\nfailovers = ["127.0.0.1:{port}"]\n'
            f'[destination.central.tls]\nca-file = "ca.pem"\ncert-file = "{ours}.pem"\nkey-file = "{ours}.key"\n'
        )
        return path

    def deliver(self, server: RealServer) -> None:
        """
        See that the relay delivers to a server of the page, and a stranger does not.
        """
        self.addCleanup(server.close)
        server.start()
        path = str(self.configuration(server.port))
        check = Process(self, [script("logrelay"), "check", "--connect", path])
        self.assertEqual(check.wait(), 1, "the primary refuses")
        proved = rf"central: 127\.0\.0\.1:{server.port}: ok: TLSv1\.3, proved to be 127\.0\.0\.1; .*39[67] days left"
        self.assertRegex(check.said.read_text(), proved)
        relay = Foreground(self, "--config", path)
        sendLines(relay.address("tcp:0:interface=127.0.0.1"), b"<13>1 - h a p m - over TLS")
        server.waitFor(1)
        self.assertIn(b"over TLS", server.output.read_bytes())
        path = str(self.configuration(server.port, "strangers/relay.example.com"))
        strange = Process(self, [script("logrelay"), "check", "--connect", path])
        self.assertEqual(strange.wait(), 1)
        self.assertRegex(strange.said.read_text(), rf"127\.0\.0\.1:{server.port}: (tls-alert|eof|reset): ")

    def test_rsyslog(self) -> None:
        """
        rsyslog takes the relay, and not one with a certificate of another CA.
        """
        self.deliver(PageRsyslog(self.folder / "server"))

    def test_syslogNg(self) -> None:
        """
        syslog-ng takes the relay, and not one with a certificate of another CA.
        """
        self.deliver(PageSyslogNg(self.folder / "server"))

    test_rsyslog.skip = missing(Rsyslog)  # type: ignore[attr-defined]
    test_syslogNg.skip = missing(SyslogNg)  # type: ignore[attr-defined]

    def test_relay(self) -> None:
        """
        A relay takes another one.
        """
        sink = Sink(self)
        changes = {"tls:6514": "tls:0:interface=127.0.0.1", "archive.example.com": f"127.0.0.1:{sink.port}"}
        (self.folder / "second.toml").write_text(adapted("logrelay.toml", self.folder, changes))
        second = Foreground(self, "--config", str(self.folder / "second.toml"))
        _, port = second.address("tls:0:interface=127.0.0.1")
        first = Foreground(self, "--config", str(self.configuration(port)))
        sendLines(first.address("tcp:0:interface=127.0.0.1"), b"<13>1 - h a p m - over TLS")
        self.assertEqual(sink.read(1), [b"<13>1 - h a p m - over TLS"])
