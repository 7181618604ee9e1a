"""
Sockets that systemd passes.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.sources import CannotListen, ISource, sourceFor
from logrelay.sources.sockets import BoundSocket
from logrelay.sources.systemd import SystemdSource, passedDescriptors, passedSocket
from logrelay.throttle import Throttle

from .sourcing import KeptRoute, folder, listening

#: What a process does that systemd has passed a TCP, a UDP and a UNIX datagram socket, as its descriptors from 3 on.
ACTIVATED = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString  # takes the variables out of the environment
from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.listening import parseListen
from logrelay.sources import sourceFor
from logrelay.throttle import Throttle
from tests.sourcing import KeptRoute

route = KeptRoute()
sources = []
for text in ("systemd:domain=INET:index=0", "systemd:domain=INET:name=udp", "systemd:domain=UNIX:name=log"):
    source = sourceFor(
        reactor, SourceSettings(text, listen=parseListen(text)), route, Throttle(), SourceCounters(), b"me"
    )
    source.bind()
    sources.append(source)
for source in sources:
    source.start()

def stop(messages):
    print(sorted(messages))
    print(sorted({(batch.origin.host, batch.origin.local) for batch in route.batches}))
    for source in sources:
        source.stop()
    reactor.callLater(0, reactor.stop)

route.whenReceived(3).addCallback(stop)
reactor.callLater(20, reactor.stop)
reactor.run()
"""


class PassedSocketTests(SynchronousTestCase):
    """
    Finding the socket that is meant.
    """

    def passed(self, family: socket.AddressFamily, kind: socket.SocketKind, listens: bool = True) -> socket.socket:
        """
        A socket as systemd makes it.
        """
        made = socket.socket(family, kind)
        self.addCleanup(made.close)
        if family == socket.AF_INET:
            made.bind(("127.0.0.1", 0))
        else:
            made.bind(f"{folder(self)}/log")
        if kind != socket.SOCK_DGRAM and listens:
            made.listen()
        return made

    def find(self, text: str, *sockets: socket.socket, names: str = "") -> BoundSocket:
        """
        Find the socket that a description means.
        """
        descriptors = [each.fileno() for each in sockets]
        bound = passedSocket(listening(text), descriptors, {"LISTEN_FDNAMES": names})
        self.addCleanup(bound.close)
        return bound

    def test_byIndex(self) -> None:
        """
        An index counts the sockets from 0.
        """
        first = self.passed(socket.AF_INET, socket.SOCK_STREAM)
        second = self.passed(socket.AF_INET, socket.SOCK_DGRAM)
        bound = self.find("systemd:domain=INET:index=1", first, second)
        self.assertEqual(bound.address, IPv4Address("UDP", *second.getsockname()))

    def test_byName(self) -> None:
        """
        A name is that of the socket unit.
        """
        first = self.passed(socket.AF_INET, socket.SOCK_STREAM)
        second = self.passed(socket.AF_UNIX, socket.SOCK_STREAM)
        bound = self.find("systemd:domain=UNIX:name=log", first, second, names="tcp:log")
        self.assertEqual(bound.address, UNIXAddress(second.getsockname().encode()))

    def test_staysOpenAndKeepsItsPath(self) -> None:
        """
        Ours is a duplicate: when it is closed, systemd's stays open, and its path stays too.
        """
        passed = self.passed(socket.AF_UNIX, socket.SOCK_STREAM)
        self.find("systemd:domain=UNIX:index=0", passed).close()
        self.assertTrue(os.path.exists(passed.getsockname()))
        self.find("systemd:domain=UNIX:index=0", passed).close()

    def test_notForPrograms(self) -> None:
        """
        Programs that we start do not get the sockets.
        """
        passed = self.passed(socket.AF_INET, socket.SOCK_STREAM)
        os.set_inheritable(passed.fileno(), True)
        bound = self.find("systemd:domain=INET:index=0", passed)
        self.assertFalse(passed.get_inheritable() or bound.socket.get_inheritable())
        self.assertFalse(bound.socket.getblocking())

    def refusal(self, text: str, *sockets: socket.socket) -> str:
        """
        The text of the error for a socket that can't be used.
        """
        return str(self.assertRaises(CannotListen, self.find, text, *sockets))

    def test_notPassed(self) -> None:
        """
        A socket that was not passed is an error that names the source.
        """
        passed = self.passed(socket.AF_INET, socket.SOCK_STREAM)
        for text in ("systemd:domain=INET:index=1", "systemd:domain=INET:name=other"):
            error = self.refusal(text, passed)
            self.assertIn(f"cannot listen on {text}: systemd passed 1 sockets, and not this one", error)

    def test_noSocket(self) -> None:
        """
        A descriptor that is no socket, as one of another meaning, is an error.
        """
        with open(os.devnull) as file:
            text = "systemd:domain=INET:index=0"
            self.assertRaises(CannotListen, passedSocket, listening(text), [file.fileno()], {})

    def test_otherDomain(self) -> None:
        """
        A socket of another family than the configuration says is an error.
        """
        passed = self.passed(socket.AF_INET, socket.SOCK_STREAM)
        self.assertIn("the socket is AF_INET", self.refusal("systemd:domain=INET6:index=0", passed))

    def test_sequentialPackets(self) -> None:
        """
        A socket that is neither a stream nor for datagrams is an error.
        """
        passed = self.passed(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.assertIn("ListenStream= or ListenDatagram=", self.refusal("systemd:domain=UNIX:index=0", passed))

    def test_connectionInsteadOfListener(self) -> None:
        """
        A stream that does not listen, as with Accept=yes, is an error.
        """
        passed = self.passed(socket.AF_INET, socket.SOCK_STREAM, listens=False)
        self.assertIn("use Accept=no", self.refusal("systemd:domain=INET:index=0", passed))


class SystemdSourceTests(SynchronousTestCase):
    """
    The source that finds out what it is.
    """

    def source(self, text: str, bound: BoundSocket | None = None) -> ISource:
        """
        A source as the factory builds it, with a socket of the test's.
        """
        reactor = MemoryReactorClock()
        source = sourceFor(reactor, listening(text), KeptRoute(), Throttle(), SourceCounters(), b"me")
        assert isinstance(source, SystemdSource)
        if bound is None:
            return source

        def find(settings: SourceSettings) -> BoundSocket:
            return bound

        return SystemdSource(source.settings, find, source._build)

    def test_notUnderSystemd(self) -> None:
        """
        Without systemd there is no socket, which is an error; the source can be stopped all the same.
        """
        self.assertEqual(passedDescriptors(MemoryReactorClock()), [])
        source = self.source("systemd:domain=INET:index=0")
        verifyObject(ISource, source)
        error = self.assertRaises(CannotListen, source.bind)
        self.assertIn("check the socket unit, or give systemd-socket-activate a --fdname", str(error))
        self.assertEqual(source.listening, ())
        self.successResultOf(source.stop())

    def test_lifecycle(self) -> None:
        """
        Bound, started and stopped it is what the socket says.
        """
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            made = socket.socket(socket.AF_INET, kind)
            made.bind(("127.0.0.1", 0))
            port = made.getsockname()[1]
            if kind == socket.SOCK_STREAM:
                made.listen()
            source = self.source("systemd:domain=INET:index=0", BoundSocket(made))
            source.bind()
            name = "TCP" if kind == socket.SOCK_STREAM else "UDP"
            self.assertEqual(source.listening, (IPv4Address(name, "127.0.0.1", port),))  # type: ignore[arg-type]
            source.start()
            self.successResultOf(source.stop())
            self.assertEqual(made.fileno(), -1)


class ActivationTests(SynchronousTestCase):
    """
    A process with sockets passed to it.
    """

    def test_activated(self) -> None:
        """
        A TCP, a UDP and a UNIX datagram socket, by index and by name: all three are read, and the path is left.
        """
        path = f"{folder(self)}/log"
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for made, address in ((tcp, ("127.0.0.1", 0)), (udp, ("127.0.0.1", 0)), (log, path)):
            self.addCleanup(made.close)
            made.bind(address)
        tcp.listen()
        # The shell puts them where systemd would.
        high = [fcntl.fcntl(each, fcntl.F_DUPFD, 50) for each in (tcp, udp, log)]
        for descriptor in high:
            self.addCleanup(os.close, descriptor)
        numbers = " ".join(f"{3 + place}<&{descriptor}" for place, descriptor in enumerate(high))
        environ = {**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "tcp:udp:log"}
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {numbers}', "bash", sys.executable, "-c", ACTIVATED],
            env={**environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            pass_fds=high,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with socket.create_connection(tcp.getsockname(), timeout=10) as client:
            client.sendall(b"over tcp\n")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"over udp", udp.getsockname())
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"over unix", path)
            output, _ = process.communicate(timeout=30)
        self.assertEqual(
            output.decode().splitlines(),
            ["[b'over tcp', b'over udp', b'over unix']", "[(b'127.0.0.1', False), (b'me', True)]"],
        )
        self.assertTrue(os.path.exists(path))
