"""
One frozen configuration: what ``logrelay.configfile`` reads from TOML and ``logrelay.tap`` from flags.

Times are seconds, sizes bytes.  Every value here has been checked; nothing later has to check it again.
"""

from __future__ import annotations

import attrs

from .batches import MAX_BATCH, Framing
from .listening import Listen
from .servers import Server

MIB = 1024 * 1024

#: The name under which messages appear that the program itself hands in.  No source has it.
PROGRAM = "program"


@attrs.frozen
class SourceSettings:
    """
    One ``[[source]]``.

    :ivar name: unique among the sources; for people (``tcp:5140``, ``stdin``).
    :ivar type: ``syslog``, ``relp``, ``file`` or ``stdin``.
    :ivar listen: where to listen; ``None`` for files and standard input.
    :ivar path: the pattern that names the files, absolute; ``None`` for all but those.
    :ivar framing: ``None`` means ``auto``: told from the first bytes of each connection.
    :ivar to: names of the destinations that get its messages; never empty.
    """

    name: str
    type: str = "syslog"
    listen: Listen | None = None
    framing: Framing | None = None
    maxMessageSize: int = 65536
    maxConnections: int = 1000
    soRcvbuf: int = 0
    mode: int = 0o666
    reusePort: bool = False
    to: tuple[str, ...] = ()
    path: str | None = None


@attrs.frozen
class Driver:
    """
    What a driver stands for where nothing else is said.

    :ivar framing: on the wire; of RELP, which has frames of its own, as the store holds the messages.
    :ivar port: over tcp.
    :ivar tlsPort: over tls.
    :ivar delivery: the level.
    """

    format: str
    framing: Framing
    port: int
    tlsPort: int = 6514  # RFC 5425
    delivery: str = "replay"


#: The ways of talking to a server.
DRIVERS = {
    "syslog": Driver("rfc5424", Framing.OCTET_COUNTING, 601),
    "network": Driver("rfc3164", Framing.LF, 514),
    "relp": Driver("rfc5424", Framing.OCTET_COUNTING, 2514, 2514, "relp"),
}


@attrs.frozen
class FailbackSettings:
    """
    ``[destination.NAME.failback]``: how a destination finds its way back to the primary.
    """

    tcpProbeInterval: float = 60
    successfulProbesRequired: int = 3
    probe: str = "connect"


@attrs.frozen
class TLSSettings:
    """
    ``[destination.NAME.tls]``.  Paths are absolute; ``None`` or empty where not configured.

    :ivar pins: SHA-256 digests of acceptable DER certificates, 32 bytes each.
    """

    caFile: str | None = None
    caDir: str | None = None
    crlFile: str | None = None
    certFile: str | None = None
    keyFile: str | None = None
    keyPassphraseFile: str | None = None
    pins: frozenset[bytes] = frozenset()
    minVersion: str = "1.2"


@attrs.frozen
class SourceTLSSettings:
    """
    ``[source-tls]``: the certificate that ``tls:`` sources present, and whom they require one of.
    """

    certFile: str
    keyFile: str
    clientCAFile: str | None = None


@attrs.frozen
class BufferSettings:
    """
    ``[destination.NAME.buffer]``.

    :ivar size: bytes of memory.
    :ivar overflow: ``block``, ``drop-newest`` or ``drop-oldest``.
    """

    size: int = 64 * MIB
    overflow: str = "block"


@attrs.frozen
class SpoolSettings:
    """
    ``[destination.NAME.spool]``.

    :ivar path: of the folder, absolute.
    :ivar size: bytes on disk.
    :ivar sync: ``full``, or ``normal`` where a power cut may take what came last.
    """

    path: str
    size: int = 1024 * MIB
    sync: str = "full"


@attrs.frozen
class DestinationSettings:
    """
    One ``[destination.NAME]``: an ordered list of servers, the primary first, that share one way of talking.

    :ivar driver: ``syslog``, ``network`` or ``relp``; of the first two it only chooses defaults.
    :ivar format: ``rfc5424``, ``rfc3164`` or ``as-is``.
    :ivar ipProtocol: ``any``, ``4`` or ``6``.
    :ivar tls: present exactly where the transport is ``tls``, though nothing of it was configured.
    :ivar replayTime: seconds that a message is kept at least, as far as half the buffer goes.
    :ivar window: for ``relp``: how many messages may be out without an answer.
    :ivar stamp: the name of the structured data that numbers each message; empty for none.
    :ivar keepalive: idle seconds, interval in seconds, number of probes.
    :ivar throttle: messages a second; 0 for no limit.
    """

    name: str
    servers: tuple[Server, ...]
    driver: str = "syslog"
    format: str = attrs.Factory(lambda self: DRIVERS[self.driver].format, takes_self=True)
    framing: Framing = attrs.Factory(lambda self: DRIVERS[self.driver].framing, takes_self=True)
    transport: str = "tcp"
    localip: str = ""
    ipProtocol: str = "any"
    delivery: str = attrs.field(default=attrs.Factory(lambda self: DRIVERS[self.driver].delivery, takes_self=True))
    replayMax: int = 32 * MIB
    replayTime: float = 0
    checkpoint: int = 0
    checkpointAge: float = 300
    window: int = 1000
    stamp: str = ""
    maxMessageSize: int = 65536
    oversize: str = "truncate"
    timeReopen: float = 60
    failoverDelay: float = 0
    connectTimeout: float = 10
    tlsTimeout: float = 10
    ackTimeout: float = 10
    stallTimeout: float = 60
    drainTimeout: float = 5
    keepalive: tuple[int, int, int] = (5, 2, 3)
    throttle: float = 0
    failback: FailbackSettings | None = None
    tls: TLSSettings | None = attrs.field(
        default=attrs.Factory(lambda self: TLSSettings() if self.transport == "tls" else None, takes_self=True)
    )
    buffer: BufferSettings = BufferSettings()
    spool: SpoolSettings | None = None

    @delivery.validator
    def _relpAnswers(self, attribute: attrs.Attribute[str], value: str) -> None:
        """
        With RELP the server's answer settles a message, and without it nothing else does.
        """
        if (self.driver == "relp") != (value == "relp"):
            raise ValueError(
                f"the delivery level relp belongs to the driver relp, and only to that: {self.driver}, {value}"
            )

    @tls.validator
    def _tlsWhereWanted(self, attribute: attrs.Attribute[TLSSettings | None], value: TLSSettings | None) -> None:
        """
        A destination that is to talk TLS must never talk plain TCP, whoever built these settings.
        """
        if (self.transport == "tls") != (value is not None):
            raise ValueError(f"tls settings belong to the transport tls, and only to that: {self.transport}, {value}")


@attrs.frozen
class ControlSettings:
    """
    ``[control]``.

    :ivar socket: the path of the control socket, absolute.
    :ivar wanted: whether it was configured.  If not, a relay that cannot have it does without.
    """

    socket: str = "/run/logrelay/control.sock"
    wanted: bool = False


@attrs.frozen
class HTTPSettings:
    """
    ``[http]``.

    :ivar listen: where to listen; on loopback unless it says otherwise.
    """

    listen: Listen


@attrs.frozen
class Configuration:
    """
    Everything that a relay is told to do.

    :ivar onSwitch: a command and its arguments, run whenever another server is in use; empty for none.
    :ivar http: ``None`` for no HTTP.
    """

    sources: tuple[SourceSettings, ...]
    destinations: tuple[DestinationSettings, ...]
    stopTimeout: float = 30
    stateDir: str = "state"
    sourceTLS: SourceTLSSettings | None = None
    onSwitch: tuple[str, ...] = ()
    control: ControlSettings = ControlSettings()
    http: HTTPSettings | None = None


def smallestBuffer(maxMessageSize: int) -> int:
    """
    The smallest ``buffer.size`` of a destination with this ``max-message-size``, in bytes.

    A batch is at most :data:`logrelay.batches.MAX_BATCH` and one message.  Half of the store may hold what was
    acknowledged and is kept to be sent again; in the other half one batch must fit on its way out and one on its
    way in, or nothing would move.
    """
    return 4 * (maxMessageSize + MAX_BATCH)


def smallestSpool(maxMessageSize: int) -> int:
    """
    The smallest ``spool.size`` of a destination with this ``max-message-size``, in bytes.

    It is given back in eighths, and a batch may lie in two of them twice: in the log and in the database.
    """
    return 32 * (maxMessageSize + MAX_BATCH)


def warningsOf(configuration: Configuration) -> list[str]:
    """
    What is no mistake and may still surprise: a source that has to wait for one destination and so brings nothing
    to the others either.  What can't be made to wait (datagrams) is not concerned.

    :return: a sentence for each source concerned.
    """
    blocking = {
        destination.name for destination in configuration.destinations if destination.buffer.overflow == "block"
    }
    warnings = []
    for source in configuration.sources:
        # RELP waits for every destination, since it answers for all of them.
        waits = [name for name in source.to if name in blocking or source.type == "relp"]
        datagrams = source.listen is not None and source.listen.kind in ("udp", "unix-dgram")
        if len(source.to) > 1 and waits and not datagrams:
            remedy = '; overflow = "drop-newest" or "drop-oldest" prevents that' if source.type != "relp" else ""
            warnings.append(
                f"source {source.name} feeds {', '.join(source.to)}: when the buffer of {' or '.join(waits)} is full"
                f" the source waits, and so do the others{remedy}"
            )
    return warnings
