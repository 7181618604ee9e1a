"""
Servers that must not get a byte, end to end: ``python -m tests.tlsmatrix`` runs them all and prints a table.

Each case is a primary with which something is wrong, met at each of three occasions.  At the *start* it is the first
that the relay tries.  At a *reconnect* a good server stood in its place and had taken messages.  At a failback *probe*
nobody listened there at first, so that a failover is in use.  Each time the messages have to reach the failover, all
of them, and then the primary is probed and must not take the stream.

Every relay is a whole one, with a certificate of its own that the servers ask for; all trials run at the same time.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react
from twisted.protocols.tls import TLSMemoryBIOProtocol

from logrelay import events
from logrelay.batches import Framing
from logrelay.config import Configuration, DestinationSettings, FailbackSettings, TLSSettings
from logrelay.servers import Server
from logrelay.service import LogRelayService
from logrelay.snapshot import DestinationSnapshot

from .certificates import DAY, EXPIRED, NOW, Authority, Certificate, Folder, selfSigned
from .loopback import until
from .relays import LogServer, Received, numbered
from .tlscases import FOREIGN, OLD, ROOT, serverContext

#: What good servers show, and the failover always.
GOOD = ROOT.issue("localhost", "127.0.0.1", "DNS:127.1")

#: What the relays show.
OURS = ROOT.issue("relay.example.com")

_OLD_MIDDLE = ROOT.authority("Old Intermediate", EXPIRED)
_REVOKED = ROOT.issue("localhost")

#: How many messages are sent before the primary is bad, and after that, each of so many bytes.  The first settle in
#: part, which proves their connection.
FIRST, REST, SIZE = 160, 40, 8000

#: Of a connection's bytes so many are kept to be sent again.  A server that refuses us leaves less than that unread.
REPLAY_MAX = 1024 * 1024

#: Failback wants one good probe alone, so that the first wrong one that passed would be seen.
FAILBACK = FailbackSettings(tcpProbeInterval=0.3, successfulProbesRequired=1)

#: So many probes have to fail in each trial.
PROBES = 2

#: What is waited for takes a second or two; all trials share one processor.
PATIENCE = 20.0


class SilentServer(LogServer):
    """
    Accepts, reads, and says nothing.
    """


class _Closed(Received):
    """
    A connection that is closed at once.
    """

    def connectionMade(self) -> None:
        """
        Close it.
        """
        super().connectionMade()
        self.transport.loseConnection()


class ClosingServer(LogServer):
    """
    Accepts, and closes at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._factory.buildProtocol = lambda addr: _Closed(self)  # type: ignore[method-assign]


@attrs.frozen
class Case:
    """
    A primary with which something is wrong.

    :ivar reason: why it is refused, by its name in the specification; empty where it is good.
    :ivar why: a part of the reason in words.
    :ivar shows: its certificate.
    :ivar host: how the relay knows it.
    :ivar version: the one version of TLS that it speaks.
    :ivar clients: whose clients it takes.
    :ivar trusted: whom the relay trusts.
    :ivar revocations: contents of the relay's ``crl-file``.
    :ivar pins: what the relay has pinned.
    :ivar tlsTimeout: how long the relay waits for a handshake.
    :ivar delivery: the delivery level.
    :ivar server: makes the server, where it is one that does not speak TLS.
    """

    reason: str = "tls-verify"
    why: str = ""
    shows: Certificate = GOOD
    host: str = "localhost"
    version: int = SSL.TLS1_3_VERSION
    clients: Authority = ROOT
    trusted: bytes = ROOT.pem
    revocations: bytes = b""
    pins: frozenset[bytes] = frozenset()
    tlsTimeout: float = 10
    delivery: str = "replay"
    server: Callable[[], LogServer] | None = None


_REFUSES = Case("tls-alert", "unknown ca", clients=FOREIGN)

BAD = {
    "wrong name": Case(why="names only other.example.com, not localhost", shows=ROOT.issue("other.example.com")),
    "no subjectAltName": Case(why="no DNS name or IP address", shows=ROOT.issue()),
    "no subjectAltName, matching common name": Case(
        why="a common name does not count", shows=ROOT.issue(commonName="localhost")
    ),
    "wrong IP address": Case(why="names only 127.0.0.2", shows=ROOT.issue("127.0.0.2"), host="127.0.0.1"),
    "DNS name that spells the IP address": Case(
        why="no acceptable name", shows=ROOT.issue("DNS:127.0.0.1"), host="127.0.0.1"
    ),
    # A name of two labels that needs no hosts file: for inet_aton(3), which resolvers ask first, it is 127.0.0.1.
    "two-label wildcard": Case(why="no acceptable name", shows=ROOT.issue("DNS:*.1"), host="127.1"),
    "foreign authority": Case(why="unknown authority", shows=FOREIGN.issue("localhost")),
    "expired": Case(why="certificate expired on 20", shows=ROOT.issue("localhost", period=EXPIRED)),
    "expired authority": Case(
        why="authority's certificate (CN=Old Root) expired", shows=OLD.issue("localhost"), trusted=ROOT.pem + OLD.pem
    ),
    "expired intermediate authority": Case(
        why="authority's certificate (CN=Old Intermediate) expired", shows=_OLD_MIDDLE.issue("localhost")
    ),
    "not valid yet": Case(why="not valid before", shows=ROOT.issue("localhost", period=(NOW + DAY, NOW + 2 * DAY))),
    "self-signed": Case(why="certificate is self-signed", shows=selfSigned("localhost")),
    "revoked": Case(why="certificate was revoked", shows=_REVOKED, revocations=ROOT.revoke(_REVOKED)),
    "not pinned": Case(why="none of the pinned ones", shows=ROOT.issue("localhost"), pins=frozenset({GOOD.digest})),
    "silent handshake": Case("tls-timeout", "no TLS handshake within 2 s", tlsTimeout=2, server=SilentServer),
    "closes at once": Case("eof", "closed the connection during the TLS handshake", server=ClosingServer),
    "refuses our certificate, TLS 1.2": attrs.evolve(_REFUSES, version=SSL.TLS1_2_VERSION),
    "refuses our certificate, TLS 1.3": _REFUSES,
}

#: A primary that does take the stream: with it the trials are seen to notice.
NOTHING_WRONG = Case("", shows=ROOT.issue("localhost"))


@attrs.define
class Outcome:
    """
    What came of one trial.

    :ivar expected: why the primary should be refused.
    :ivar reasons: why it was, when the occasion came and at each probe after that.
    :ivar why: the same in words, each once.
    :ivar attempts: how often the primary was connected to.
    :ivar logged: bytes of log data that it got.
    :ivar failover: distinct messages that reached the failover.
    :ivar missing: messages that reached no good server.
    :ivar dropped: connections of the failover that ended while the relay ran.
    :ivar trouble: what kept the trial from its end.
    """

    case: str
    occasion: str
    expected: Case
    reasons: list[str] = attrs.field(factory=list)
    why: list[str] = attrs.field(factory=list)
    attempts: int = 0
    logged: int = 0
    failover: int = 0
    missing: int = 0
    dropped: int = 0
    trouble: str = ""

    @property
    def good(self) -> bool:
        """
        Whether the primary was met and got nothing, for the right reason each time, and the failover everything.
        """
        named = set(self.reasons) == {self.expected.reason} and all(self.expected.why in each for each in self.why)
        return named and bool(self.attempts) and not (self.logged or self.missing or self.dropped or self.trouble)

    def __str__(self) -> str:
        reasons = ",".join(dict.fromkeys(self.reasons))
        figures = (self.attempts, self.logged, self.failover, self.missing, self.dropped)
        shown = " ".join(f"{figure:>8}" for figure in figures)
        text = self.trouble or "; ".join(dict.fromkeys(self.why))
        return f"{self.case:<40} {self.occasion:<9} {reasons:<11} {shown}  {text}".rstrip()


class Trial:
    """
    One case on one occasion.
    """

    def __init__(self, reactor: Any, name: str, case: Case, occasion: str, folder: str) -> None:
        """
        :param folder: for files; does not exist yet.
        """
        self._reactor = reactor
        self._case = case
        self._occasion = occasion
        self._folder = Folder(folder)
        self._outcome = Outcome(name, occasion, case)
        self._messages = numbered(FIRST + REST, SIZE)
        self._events: list[events.Event] = []
        self._servers: list[LogServer] = []
        # Bound and not listened on: who connects is refused, and nobody else gets the port.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port: int = self._reserved.getsockname()[1]

    async def run(self) -> Outcome:
        """
        Do it.  What goes wrong stands in the outcome.
        """
        self._failover = self._newServer(GOOD)
        self._bad = self._newBad()
        await self._bad.refuse()
        self._relay = self._newRelay()
        try:
            await OCCASIONS[self._occasion](self)
            await self._probed()
            self._account()
        except Exception as problem:
            self._outcome.trouble = f"{type(problem).__name__}: {problem}"
        finally:
            await self._relay.stopService()
            for server in self._servers:
                await server.kill()
            self._reserved.close()
        return self._outcome

    # The servers and the relay.

    def _newServer(self, shows: Certificate, clients: Authority = ROOT, version: int = SSL.TLS1_3_VERSION) -> LogServer:
        """
        A server that shows a certificate; it listens somewhere.
        """
        folder = Folder(str(self._folder.path / str(len(self._servers))))
        self._servers.append(LogServer(context=serverContext(folder, shows, version, clients.pem)))
        return self._servers[-1]

    def _newBad(self) -> LogServer:
        """
        The primary with which something is wrong.
        """
        case = self._case
        if case.server is None:
            return self._newServer(case.shows, case.clients, case.version)
        self._servers.append(case.server())
        return self._servers[-1]

    def _takePort(self, server: LogServer) -> None:
        """
        Let a server that does not listen be the primary.
        """
        server.port = self._port
        server.listen()

    def _newRelay(self) -> LogRelayService:
        """
        The relay, not started yet.
        """
        case, write = self._case, self._folder.write
        tls = TLSSettings(
            caFile=write("ca.pem", case.trusted),
            crlFile=write("crl.pem", case.revocations) if case.revocations else None,
            certFile=write("relay.pem", OURS.certPEM),
            keyFile=write("relay.key", OURS.keyPEM),
            pins=case.pins,
        )
        destination = DestinationSettings(
            "central",
            (Server(case.host, self._port), Server("127.0.0.1", self._failover.port)),
            format="as-is",
            framing=Framing.OCTET_COUNTING,
            transport="tls",
            ipProtocol="4",
            delivery=case.delivery,
            replayMax=REPLAY_MAX,
            tlsTimeout=case.tlsTimeout,
            failback=FAILBACK,
            tls=tls,
        )
        relay = LogRelayService(self._reactor, Configuration((), (destination,), stopTimeout=1))
        relay.log.observers.append(self._events.append)
        return relay

    async def _deliver(self, begin: int, end: int) -> None:
        """
        Send some of the messages, and wait until the last of them is somewhere.
        """
        for message in self._messages[begin:end]:
            await self._relay.send(message)
        last, servers = self._messages[end - 1], self._servers
        await self._until(lambda: any(each.data.endswith(last) for server in servers for each in server.connections))

    @staticmethod
    def _received(*servers: LogServer) -> set[bytes]:
        return {message for server in servers for message in server.messages}

    async def _until(self, condition: Callable[[], object]) -> None:
        await until(self._reactor, condition, PATIENCE)

    @property
    def _destination(self) -> DestinationSnapshot:
        return self._relay.snapshot().destinations[0]

    # The occasions.  The primary is bad from their end on, and the first messages have been delivered.

    async def _atStart(self) -> None:
        """
        The bad primary is the first that the relay tries.
        """
        self._takePort(self._bad)
        self._relay.startService()
        await self._deliver(0, FIRST)

    async def _atReconnect(self) -> None:
        """
        A good server goes away, and the bad one stands in its place before the relay comes again.
        """
        before = self._newServer(GOOD)
        await before.refuse()
        self._takePort(before)
        self._relay.startService()
        await self._deliver(0, FIRST)
        await self._until(lambda: self._destination.proved)
        await before.refuse()
        self._takePort(self._bad)
        self._events.clear()
        await before.kill()

    async def _atProbe(self) -> None:
        """
        The bad primary stands there when the failover is in use, before a probe begins.
        """
        self._relay.startService()
        await self._deliver(0, FIRST)
        await self._until(lambda: self._probesFailed == self._destination.counters.probes)
        self._takePort(self._bad)
        self._events.clear()

    # What has to hold then.

    def _told(self, *kinds: type[events.Event]) -> list[Any]:
        """
        The events of some kinds.
        """
        return [event for event in self._events if isinstance(event, kinds)]

    @property
    def _probesFailed(self) -> int:
        """
        How many probes have failed so far.
        """
        return self._destination.counters.probesFailed

    async def _probed(self) -> None:
        """
        Send more, let the primary be probed some times, and send the rest.  A primary that is good ends the waiting.
        """
        half, before = FIRST + REST // 2, self._probesFailed
        await self._deliver(FIRST, half)
        await self._until(lambda: self._probesFailed - before >= PROBES or self._destination.servers[0].active)
        await self._deliver(half, FIRST + REST)

    def _account(self) -> None:
        """
        Note what was seen.
        """
        outcome, primary = self._outcome, self._destination.servers[0].name
        for event in self._told(events.AttemptFailed, events.ProbeFailed):
            if event.server == primary:
                outcome.reasons.append(event.reason)
                outcome.why.append(event.why)
        good = [server for server in self._servers if server is not self._bad]
        outcome.attempts = len(self._bad.connections)
        outcome.logged = sum(map(logData, self._bad.connections))
        outcome.failover = len(self._received(self._failover))
        outcome.missing = len(set(self._messages) - self._received(*good))
        outcome.dropped = sum(connection.gone for connection in self._failover.connections)


OCCASIONS = {"start": Trial._atStart, "reconnect": Trial._atReconnect, "probe": Trial._atProbe}


def logData(connection: Received) -> int:
    """
    How many bytes of log data a server got: what it decrypted; where it speaks no TLS, all that is not handshake
    (RFC 8446, section 5.1: records of type 22).
    """
    data = connection.data
    if isinstance(connection.transport, TLSMemoryBIOProtocol):
        return len(data)
    while data[:1] == b"\x16":
        data = data[5 + int.from_bytes(data[3:5], "big") :]
    return len(data)


async def runAll(reactor: Any, folder: Path, cases: Mapping[str, Case] = BAD) -> list[Outcome]:
    """
    Run every case on every occasion, all at the same time.
    """
    trials = [
        Trial(reactor, name, case, occasion, str(folder / f"{number}-{occasion}"))
        for number, (name, case) in enumerate(cases.items())
        for occasion in OCCASIONS
    ]
    outcomes: list[Outcome] = await gatherResults([Deferred.fromCoroutine(trial.run()) for trial in trials])
    return outcomes


def table(outcomes: Iterable[Outcome]) -> str:
    """
    The outcomes, a line each.
    """
    columns = " ".join(f"{name:>8}" for name in ("attempts", "logdata", "failover", "missing", "dropped"))
    head = f"{'primary':<40} {'met at':<9} {'reason':<11} {columns}  in words"
    return "\n".join([head, *map(str, outcomes)])


async def _main(reactor: Any) -> None:
    """
    Print the table.
    """
    began = reactor.seconds()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = await runAll(reactor, Path(folder))
    print(table(outcomes))
    bad = sum(not outcome.good for outcome in outcomes)
    took = reactor.seconds() - began
    print(f"{len(outcomes)} trials of {FIRST + REST} messages of {SIZE} bytes in {took:.1f} s, {bad} of them wrong")
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor)))
