"""
What the demo plays with: addresses and ports, certificates, log servers, and the relay's configuration.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address
from pathlib import Path

import attrs

from ..config import Configuration, DestinationSettings, FailbackSettings, SourceSettings, TLSSettings
from ..listening import parseListen
from ..servers import Server
from .account import Shelf
from .certificates import Authority
from .processes import Child, Processes

#: The servers, the primary first.
NAMES = ("logs-a", "logs-b", "logs-c")

#: The primary is probed so often, in seconds; the default would outlast the demo.
PROBE_INTERVAL = 1.0

_LOOPBACK = "127.0.0.1"


def addresses() -> list[str]:
    """
    An address for each server, so that each certificate names one server alone.

    All of 127.0.0.0/8 is this host on Linux; where it is not, all servers have the same address.
    """
    wanted = [f"127.0.0.{number}" for number in range(1, len(NAMES) + 1)]
    try:
        for address in wanted:
            with socket.socket() as probe:
                probe.bind((address, 0))
    except OSError:
        return [_LOOPBACK] * len(NAMES)
    return wanted


def holdPort(address: str) -> socket.socket:
    """
    Bind a port without listening on it: connections to it are refused, and nobody else gets it, while the server
    that is to have it does not run.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((address, 0))
    return holder


@attrs.define(eq=False)
class LogServer:
    """
    One of the log servers.

    :ivar name: for people.
    :ivar discard: it throws away each message whose turn comes after so many; 0 for none.
    :ivar files: where it keeps its messages, one for each time that it was started.
    """

    name: str
    address: str
    port: int
    folder: Path
    certificate: Path
    authority: Path
    discard: int = 0
    files: list[Path] = attrs.field(factory=list)
    _child: Child | None = None

    @property
    def server(self) -> Server:
        """
        As the relay knows it.
        """
        return Server(self.address, self.port)

    def start(self, processes: Processes) -> Child:
        """
        Start it.

        :return: its process, which is not ready yet.
        """
        store = self.folder / f"{self.name}-{len(self.files) + 1}.log"
        store.touch()
        self.files.append(store)
        place = (self.address, self.port, self.certificate, self.authority, store)
        self._child = child = processes.spawn(self.name, "server", *place, "--discard", self.discard)
        return child

    @property
    def child(self) -> Child:
        """
        Its process.
        """
        assert self._child is not None, "it was not started"
        return self._child

    def shelf(self) -> Shelf:
        """
        What it kept.
        """
        return Shelf.read(self.name, self.files)


@attrs.define(eq=False)
class Stage:
    """
    Everything that is there before the first message.

    :ivar servers: the primary first.
    :ivar source: where the relay takes messages in: address and port.
    """

    servers: list[LogServer]
    source: tuple[str, int]
    configuration: Configuration
    _held: list[socket.socket]

    @classmethod
    def set(cls, folder: Path, discard: int) -> Stage:
        """
        Make it.

        :param folder: an empty one of the demo's own.
        :param discard: the first failover throws away each message whose turn comes after so many; 0 for none.
        """
        authority = Authority(folder)
        authority.publish()
        held = [holdPort(address) for address in [*addresses(), _LOOPBACK]]
        servers = []
        for name, holder in zip(NAMES, held[:-1], strict=True):
            address, port = holder.getsockname()
            certificate = authority.issue(name, IPv4Address(address))
            servers.append(LogServer(name, address, port, folder, certificate, authority.file))
        servers[1].discard = discard
        source = held[-1].getsockname()
        own = str(authority.issue("relay"))
        tls = TLSSettings(caFile=str(authority.file), certFile=own, keyFile=own)
        return cls(servers, source, configurationOf([server.server for server in servers], source, tls), held)

    @property
    def names(self) -> dict[str, str]:
        """
        What to call the servers, by their addresses as the relay shows them.
        """
        return {str(server.server): server.name for server in self.servers}

    def strike(self) -> None:
        """
        Give the ports back.
        """
        for holder in self._held:
            holder.close()


def configurationOf(servers: list[Server], source: tuple[str, int], tls: TLSSettings) -> Configuration:
    """
    The relay's configuration: what is not said here is at its default.

    :param source: address and port to listen on.
    """
    listen = parseListen(f"tcp:{source[1]}:interface={source[0]}")
    return Configuration(
        sources=(SourceSettings(name="generator", listen=listen, reusePort=True, to=("central",)),),
        destinations=(
            DestinationSettings(
                name="central",
                servers=tuple(servers),
                transport="tls",
                tls=tls,
                failback=FailbackSettings(tcpProbeInterval=PROBE_INTERVAL),
            ),
        ),
    )
