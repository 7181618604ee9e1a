"""
``twistd logrelay``, as an operator runs it: in processes, from ``/``.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .certificates import Folder
from .sourcing import folder
from .tlscases import ROOT
from .twistds import LIMIT, Foreground, Sink, script, sendLines, waitFor

TCP = "tcp:0:interface=127.0.0.1"


class ForegroundTests(SynchronousTestCase):
    """
    ``twistd -n``.
    """

    def setUp(self) -> None:
        self.sink = Sink(self)
        self.primary = f"127.0.0.1:{self.sink.port}"

    def end(self, relay: Foreground) -> None:
        """
        Assert that SIGTERM ends a relay gracefully: after that twistd dies of the signal, as is good manners.
        """
        relay.popen.send_signal(signal.SIGTERM)
        self.sink.readAll()
        self.assertEqual(relay.wait(), -signal.SIGTERM)
        said = relay.said.read_text()
        self.assertIn("central: stopped\n", said)
        self.assertNotIn("not delivered", said)

    def test_flags(self) -> None:
        """
        With flags it relays, until SIGTERM ends it gracefully; SIGHUP only makes it say that there is nothing to read.
        """
        relay = Foreground(self, "--listen", TCP, "--primary", self.primary, "--format", "as-is")
        sendLines(relay.address(TCP), b"one", b"two")
        self.assertEqual(self.sink.read(2), [b"one", b"two"])
        relay.popen.send_signal(signal.SIGHUP)
        relay.says("SIGHUP: this relay was started with flags")
        self.end(relay)

    def test_file(self) -> None:
        """
        With a file; its paths are relative to it, wherever twistd was started.  At SIGHUP it is read again; one with a
        mistake changes nothing.
        """
        files = Folder(folder(self) + "/etc")
        configuration = f"""
            [[source]]
            listen = "unix:log.sock"

            [destination.central]
            primary = "{self.primary}"
            format = "as-is"
        """
        path = files.write("relay.toml", configuration.encode())
        relay = Foreground(self, "--config", "etc/relay.toml", cwd=str(files.path.parent))
        relay.says("source unix:log.sock listens on")
        with socket.socket(socket.AF_UNIX) as sender:
            sender.connect(os.path.join(os.path.dirname(path), "log.sock"))
            sender.sendall(b"one\n")
            self.assertEqual(self.sink.read(1), [b"one"])
            for change, said in (("stop-timeout = 10", "reloaded: .*stop-timeout"), ("x = 1", "not reloaded.*: x: ")):
                files.write("relay.toml", f"{change}\n{configuration}".encode())
                relay.popen.send_signal(signal.SIGHUP)
                relay.says(said)
            sender.sendall(b"two\n")
            self.assertEqual(self.sink.read(2), [b"one", b"two"])
        self.end(relay)

    def test_stdin(self) -> None:
        """
        Standard input is relayed until it ends, and the relay goes on after that.
        """
        relay = Foreground(self, "--stdin", "--listen", TCP, "--primary", self.primary, "--format", "as-is")
        relay.stdin.write(b"one\ntwo without end")
        relay.stdin.close()
        self.assertEqual(self.sink.read(2), [b"one", b"two without end"])
        sendLines(relay.address(TCP), b"three")
        self.assertEqual(self.sink.read(3)[-1], b"three")

    def test_systemd(self) -> None:
        """
        Sockets that systemd passes are used, streams and datagrams, by index and by name.
        """
        stream = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        for each in (stream, datagrams):
            self.addCleanup(each.close)
        relay = Foreground.activated(
            self,
            [stream, datagrams],
            *("--listen", "systemd:domain=INET:index=0", "--listen", "systemd:domain=INET:name=log"),
            *("--primary", self.primary, "--format", "as-is"),
            LISTEN_FDNAMES="in:log",
        )
        sendLines(stream.getsockname(), b"one")
        self.assertEqual(self.sink.read(1), [b"one"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"two", datagrams.getsockname())
        self.assertEqual(self.sink.read(2), [b"one", b"two"])
        self.end(relay)

    def test_secondSignal(self) -> None:
        """
        A second SIGTERM ends at once what the first one would end gracefully.
        """
        relay = Foreground(self, "--listen", TCP, "--primary", self.primary)
        self.sink.accept()
        # More than the kernels take on loopback, of which nothing is read.
        with socket.create_connection(relay.address(TCP)) as sender:
            sender.settimeout(0.5)
            try:
                while True:
                    sender.send((b"x" * 999 + b"\n") * 1000)
            except TimeoutError:
                pass
            relay.popen.send_signal(signal.SIGTERM)
            relay.says("Received SIGTERM, shutting down")
            self.assertIsNone(relay.popen.poll())
            began = time.monotonic()
            relay.popen.send_signal(signal.SIGTERM)
            self.assertEqual(relay.wait(), -signal.SIGTERM)
            self.assertLess(time.monotonic() - began, 2)

    def test_openFiles(self) -> None:
        """
        It may have as many connections as the system allows.
        """
        limited = ("sh", "-c", 'ulimit -S -n 200; exec "$@"', "sh")
        relay = Foreground(self, "--listen", TCP, "--primary", self.primary, wrapper=limited)
        relay.address(TCP)
        limits = Path(f"/proc/{relay.popen.pid}/limits").read_text()
        [soft, hard] = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
        self.assertEqual(soft, hard)

    def test_privileges(self) -> None:
        """
        With --uid and --gid it still has low ports and a key that only root may read: both were taken before.
        """
        user = pwd.getpwnam("nobody")
        files = Folder(self.mktemp())
        own, shown = ROOT.issue("relay.example.com"), ROOT.issue("127.0.0.1")
        key = files.write("own.key", own.keyPEM)
        os.chmod(key, 0o600)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.write("shown.pem", shown.certPEM + shown.keyPEM))
        context.load_verify_locations(files.write("ca.pem", ROOT.pem))
        context.verify_mode = ssl.CERT_REQUIRED
        sink = Sink(self, tls=context)
        sources = ("tcp:601:interface=127.0.6.1", "udp:514:interface=127.0.6.1")
        arguments = [argument for source in sources for argument in ("--listen", source)]
        tls = ["--transport", "tls", "--ca-file", str(files.path / "ca.pem"), "--key-file", key]
        relay = Foreground(
            self,
            *arguments,
            *("--primary", f"127.0.0.1:{sink.port}", "--format", "as-is"),
            *(*tls, "--cert-file", files.write("own.pem", own.certPEM)),
            options=("--uid", str(user.pw_uid), "--gid", str(user.pw_gid)),
        )
        address = relay.address(sources[0])
        status = Path(f"/proc/{relay.popen.pid}/status").read_text()
        ids = {line.split()[0]: set(line.split()[1:]) for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")}
        self.assertEqual(ids, {"Uid:": {str(user.pw_uid)}, "Gid:": {str(user.pw_gid)}})
        sendLines(address, b"one")
        self.assertEqual(sink.read(1), [b"one"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"two", relay.address(sources[1]))
        self.assertEqual(sink.read(2), [b"one", b"two"])

    if os.geteuid() != 0:
        test_privileges.skip = "only root can change the user"  # type: ignore[attr-defined]


class DaemonTests(SynchronousTestCase):
    """
    ``twistd`` as a daemon.
    """

    def setUp(self) -> None:
        self.files = Folder(self.mktemp())
        self.log, self.pidfile = self.files.path / "log", self.files.path / "pid"

    def twistd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run twistd until the daemon works, or has failed.
        """
        command = [script("twistd"), f"--logfile={self.log}", f"--pidfile={self.pidfile}", "logrelay", *arguments]
        return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=LIMIT)

    def relays(self, sink: Sink, *arguments: str) -> None:
        """
        Assert that a daemon with these arguments relays, and ends gracefully.
        """
        done = self.twistd(*arguments)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        pid = int(self.pidfile.read_text())
        self.addCleanup(self.kill, pid)
        # Sockets are bound before the daemon reports that it has started.
        host, _, port = self.log.read_text().partition("listens on ")[2].split()[0].rpartition(":")
        sendLines((host, int(port)), b"one")
        self.assertEqual(sink.read(1), [b"one"])
        os.kill(pid, signal.SIGTERM)
        sink.readAll()
        waitFor(lambda: not self.pidfile.exists(), "the end of the daemon")

    def kill(self, pid: int) -> None:
        """
        End a daemon that has not ended by itself.
        """
        if self.pidfile.exists():
            os.kill(pid, signal.SIGKILL)

    def test_flags(self) -> None:
        """
        With flags.
        """
        sink = Sink(self)
        self.relays(sink, "--listen", TCP, "--primary", f"127.0.0.1:{sink.port}", "--format", "as-is")

    def test_file(self) -> None:
        """
        With a file.
        """
        sink = Sink(self)
        path = self.files.write(
            "relay.toml",
            b'[[source]]\nlisten = "%b"\n[destination.x]\nprimary = "127.0.0.1:%d"\nformat = "as-is"\n'
            % (TCP.encode(), sink.port),
        )
        self.relays(sink, "--config", path)

    def test_stdin(self) -> None:
        """
        A daemon has no standard input, and says so.
        """
        done = self.twistd("--stdin", "--primary", "127.0.0.1")
        expected = "twistd: stdin: a daemon has no standard input; write twistd -n logrelay\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", expected))
        self.assertFalse(self.pidfile.exists())

    def test_portInUse(self) -> None:
        """
        A port that is in use ends it; the log tells which, in one line.
        """
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        done = self.twistd("--listen", listen, "--primary", "127.0.0.1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("CannotListen", done.stderr)
        # The daemon reports its failure before it tidies up, and the text comes last of all.
        text = f"source {listen}: cannot listen on {listen}: Address already in use; stop what uses it"
        waitFor(lambda: text in self.log.read_text(), "the reason in the log")
        self.assertNotIn("Traceback", self.log.read_text())
        self.assertFalse(self.pidfile.exists())


class MistakesTests(SynchronousTestCase):
    """
    What is wrong with a configuration.
    """

    def run_(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run twistd, which has to fail.
        """
        command = [script("twistd"), "-n", "--pidfile=", "logrelay", *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done

    def test_file(self) -> None:
        """
        All mistakes of a file are told at once on standard error, a line each with file, line, key and remedy.
        """
        path = Folder(self.mktemp()).write(
            "relay.toml",
            b"""[[source]]
listen = "udp:5140"

[destination.central]
primry = "logs-a.example.com"
driver = "kafka"
transport = "udp"

[destination.central.tls]
ca-file = "nowhere.pem"
""",
        )
        lines = self.run_("--config", path).stderr.splitlines()
        keys = []
        for line in lines:
            self.assertRegex(line, rf"^{path}:\d+: \S+: .+; .+$")
            keys.append(line.removeprefix(f"{path}:").split(": ")[:2])
        self.assertIn(["5", "destination.central.primry"], keys)
        self.assertIn(["6", "destination.central.driver"], keys)
        self.assertIn(["7", "destination.central.transport"], keys)
        self.assertIn(["10", "destination.central.tls.ca-file"], keys)

    def test_flags(self) -> None:
        """
        Those of flags name the flag.
        """
        lines = self.run_("--listen", "tcp:x", "--primary", "logs-a:99999", "--format", "json").stderr.splitlines()
        self.assertEqual(sorted(line.partition(":")[0] for line in lines), ["--format", "--listen", "--primary"])

    def test_noSuchFile(self) -> None:
        """
        A file that is not there is one line.
        """
        [line] = self.run_("--config", "/nowhere/relay.toml").stderr.splitlines()
        self.assertIn("/nowhere/relay.toml", line)
