"""
One trial: servers, a relay and a stream of messages, each a process or a thread of its own, and what a script does to
them.  Everything here blocks, with time limits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from .. import real
from ..certificates import Folder
from ..ownserver import OwnServer
from ..real import RealServer, Rsyslog, ServerTls, SyslogNg, waitUntil
from ..tlscases import ROOT
from .arrivals import Arrivals
from .ground import Ground, Place
from .relay import RelayProcess
from .stream import Stream

#: The programs that may be servers.
KINDS: dict[str, type[RealServer] | None] = {
    "own": OwnServer,
    "syslog-ng": SyslogNg,
    "rsyslog": Rsyslog,
    "imrelp": getattr(real, "RsyslogRelp", None),
}

#: How a destination talks, for each transport of the table.
DRIVERS = {
    "tcp": 'driver = "syslog"\ntransport = "tcp"',
    "tls": 'driver = "syslog"\ntransport = "tls"',
    "relp": 'driver = "relp"\ntransport = "tcp"',
}

#: Seconds that anything may take besides the time limits of the relay.
PATIENCE = 60.0

#: Seconds without anything new, after which a file counts as complete.
_QUIET = 0.3


@attrs.frozen
class Limits:
    """
    The relay's time limits in seconds, by default its defaults.
    """

    ack: float = 10
    stall: float = 60
    keepalive: tuple[int, int, int] = (5, 2, 3)
    probe: float = 60
    reopen: float = 60

    @property
    def idle(self) -> float:
        """
        How long a dead path may stay unnoticed when nothing is under way.
        """
        idle, interval, probes = self.keepalive
        return idle + interval * probes

    @property
    def longest(self) -> float:
        """
        The longest of them.
        """
        return max(self.ack, self.stall, self.idle, 3 * self.probe, self.reopen)


#: Those that most trials use, so that they are short.
SHORT = Limits(2, 3, (1, 1, 2), 1, 1)


@attrs.frozen
class Part:
    """
    A server of a trial.

    :ivar kind: one of :data:`KINDS`.
    :ivar options: what else its class is built with.
    :ivar up: whether it runs from the start.
    """

    kind: str = "own"
    options: Mapping[str, str] = attrs.field(factory=dict)
    up: bool = True


@attrs.frozen
class Setting:
    """
    What a trial is given.

    :ivar transport: one of :data:`DRIVERS`.
    :ivar options: more lines of the destination's section.
    :ivar count: how many messages a stream is of, at ``rate`` a second.
    :ivar number: which of several trials it is.
    """

    parts: Sequence[Part]
    transport: str
    limits: Limits
    network: bool
    options: str = ""
    failback: bool = False
    count: int = 60_000
    rate: int = 10_000
    number: int = 0


class Scene:
    """
    Everything of one trial, built when it is made; close it always.

    :ivar servers: in the order of the destination.
    :ivar seconds: from each fault to the first message at the server that it had to go to.
    :ivar notes: what else is worth telling.
    """

    def __init__(self, folder: Path, setting: Setting) -> None:
        self.setting, self.limits = setting, setting.limits
        self.count, self.rate = setting.count, setting.rate
        self.patience = PATIENCE + setting.limits.longest
        self.seconds: list[float] = []
        self.notes: list[str] = []
        self.began = 0.0
        self.stopped: dict[int, int] = {}
        self._folder = folder
        self._owned = ExitStack()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """
        Leave nothing behind, whatever has happened.
        """
        self._owned.close()

    def _build(self) -> None:
        ground = Ground(self.setting.network)
        self._owned.callback(ground.close)
        self.home = ground.place()
        self.places = [ground.place() for _ in self.setting.parts]
        tls = self._certificate() if self.setting.transport == "tls" else None
        self.servers = [self._server(*each, tls) for each in zip(self.setting.parts, self.places, strict=True)]
        self.arrivals = Arrivals([server.output for server in self.servers])
        self._owned.callback(self.arrivals.close)
        for part, server in zip(self.setting.parts, self.servers, strict=True):
            if part.up:
                server.start()
        self.relay = RelayProcess(self._folder / "relay", self._configuration(), self.home.prefix)
        self._owned.callback(self.relay.close)
        self.relay.listening()
        self.stream = Stream(self.home.connected(self.patience), self.patience)
        self._owned.callback(self.stream.close)

    def _server(self, part: Part, place: Place, tls: ServerTls | None) -> RealServer:
        kind = KINDS[part.kind]
        if kind is None:
            raise AssertionError(f"tests.real has no server that is {part.kind}")
        driver = "relp" if self.setting.transport == "relp" and kind is OwnServer else "syslog"
        options: dict[str, Any] = {**part.options, **({} if part.kind == "imrelp" else {"driver": driver})}
        number = self.places.index(place)
        server = kind(
            self._folder / f"{number}-{part.kind}",
            tls=tls,
            host=place.address,
            port=place.port,
            prefix=place.prefix,
            **options,
        )
        self._owned.callback(server.close)
        return server

    def _certificate(self) -> ServerTls:
        """
        One for all servers.
        """
        folder = Folder(str(self._folder / "tls"))
        certificate = ROOT.issue(*{place.address for place in self.places})
        folder.write("ca.pem", ROOT.pem)
        folder.write("server.key", certificate.keyPEM)
        return ServerTls(Path(folder.write("server.pem", certificate.certPEM)), folder.path / "server.key")

    def _configuration(self) -> str:
        limits, setting = self.limits, self.setting
        primary, *failovers = (f"{place.address}:{place.port}" for place in self.places)
        text = f"""
stop-timeout = 10
state-dir = "{self._folder}/state"
[[source]]
listen = "tcp:{self.home.port}:interface={self.home.address}"
[destination.central]
{DRIVERS[setting.transport]}
primary = "{primary}"
failovers = {json.dumps(failovers)}
ack-timeout = {limits.ack}
stall-timeout = {limits.stall}
keepalive = {list(limits.keepalive)}
time-reopen = {limits.reopen}
{setting.options}
"""
        if setting.failback:
            text += f"[destination.central.failback]\ntcp-probe-interval = {limits.probe}\n"
        if setting.transport == "tls":
            text += f'[destination.central.tls]\nca-file = "{self._folder}/tls/ca.pem"\n'
        return text

    # What scripts do.

    def flow(self) -> None:
        """
        Begin the stream.
        """
        self.stream.flow(self.count, self.rate)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """
        Wait until a condition holds.
        """
        waitUntil(condition, what, self.patience)

    def midway(self, place: int = 0) -> None:
        """
        Wait until a third of the stream has been sent, and a server has got some of it.
        """
        before = self.arrivals.sizes[place]
        self.until(lambda: self.stream.sent >= self.count // 3, "a third of the stream sent")
        self.until(lambda: self.arrivals.sizes[place] > before, "messages at the server")

    def strike(self, fault: Callable[[], object]) -> None:
        """
        Do what is to be survived, and note when it began.
        """
        self.began = time.monotonic()
        fault()

    def reaches(self, place: int) -> None:
        """
        Wait for the first message at a server since the fault, and note how long it took.
        """
        self.until(lambda: self.arrivals.after(place, self.began), f"messages at server {place + 1}")
        first = self.arrivals.after(place, self.began)
        assert first is not None
        self.seconds.append(first - self.began)

    def blackHole(self, place: int) -> None:
        """
        Let the host of a server vanish.
        """
        self.places[place].blackHole()

    def pause(self, place: int) -> None:
        """
        Stop a server in its tracks.
        """
        self.servers[place].pause()

    def resume(self, place: int) -> None:
        """
        Let it go on: what it writes from now on is counted apart.
        """
        self.quiet()
        self.stopped[place] = self.servers[place].output.stat().st_size
        self.servers[place].resume()
        self.quiet()

    @property
    def deadLetters(self) -> list[Any]:
        """
        What the relay has set aside.
        """
        file = self._folder / "state" / "dead-letters-central.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def delivered(self) -> None:
        """
        Wait until the last message of the stream is at some server.
        """
        self.stream.wait()
        last = b"%07d " % (self.stream.sent - 1)
        self.until(lambda: any(last in self._end(server) for server in self.servers), "the last message")

    def quiet(self) -> None:
        """
        Wait until no server's file grows.
        """

        def still() -> bool:
            moments = [times[-1] for times in self.arrivals.times if times]
            return time.monotonic() - max(moments, default=0.0) > _QUIET

        time.sleep(_QUIET)
        self.until(still, "the end of all writing")

    def received(self) -> tuple[list[bytes], list[bytes]]:
        """
        What each server wrote, and what those wrote later that had been stopped.
        """
        written = [server.output.read_bytes() if server.output.exists() else b"" for server in self.servers]
        ends = [self.stopped.get(place, len(data)) for place, data in enumerate(written)]
        pairs = list(zip(written, ends, strict=True))
        return [data[:end] for data, end in pairs], [data[end:] for data, end in pairs]

    def connections(self, place: int) -> int:
        """
        How many connections have brought a server messages; of those that are not ours the relay's events say it.
        """
        server, name = self.servers[place], f"{self.places[place].address}:{self.places[place].port}"
        if isinstance(server, OwnServer):
            return server.connections
        return sum(each["server"] == name for each in self.relay.events("Connected"))

    @staticmethod
    def _end(server: RealServer) -> bytes:
        """
        The last few lines that a server wrote.
        """
        if not server.output.exists():
            return b""
        with server.output.open("rb") as output:
            output.seek(max(0, server.output.stat().st_size - 2000))
            return output.read()
