"""
The state of a relay at one moment, frozen: what every display reads.
"""

from __future__ import annotations

import attrs

from .counters import DestinationCounters, SourceCounters


@attrs.frozen
class ServerSnapshot:
    """
    One server of a destination.

    :ivar active: whether it is the one in use.
    :ivar drained: whether it is not to be used until an operator says so.
    :ivar reason: why it was last given up, by its name in the specification; empty if it was not, or has been connected
        to since.
    :ivar text: the same for people.
    :ivar failedAt: when that was; ``None`` where there is no reason.
    :ivar identity: the names in the certificate by which it last proved who it is; none without TLS.
    :ivar notAfter: when that certificate expires, in seconds since the epoch; ``None`` without TLS.
    """

    name: str
    active: bool
    drained: bool
    reason: str
    text: str
    failedAt: float | None
    identity: tuple[str, ...]
    notAfter: float | None

    @property
    def state(self) -> str:
        """
        ``active``, ``drained``, ``failed`` (since it was last tried), or ``standby``.
        """
        if self.active:
            return "active"
        return "drained" if self.drained else "failed" if self.reason else "standby"


@attrs.frozen
class SwitchSnapshot:
    """
    One change of the server in use.

    :ivar at: when it was; reactor seconds.
    :ivar reason: why the one before was left, by its name in the specification.
    """

    at: float
    before: str
    after: str
    reason: str


@attrs.frozen
class SpoolSnapshot:
    """
    A store on disk.

    :ivar used: bytes on disk, of ``size``.
    :ivar broken: why nothing can be put on disk now; empty if it can.
    """

    path: str
    used: int
    size: int
    broken: str


@attrs.frozen
class DestinationSnapshot:
    """
    One destination.

    :ivar state: ``idle``, ``waiting``, ``connecting``, ``connected`` or ``returning``.
    :ivar since: when that state began, or for ``waiting`` when it will end; reactor seconds.
    :ivar reason: why the server in use is that: ``start``, or why the one before was left or could not be used.
    :ivar proved: whether the server in use has shown that it delivers.
    :ivar chosen: whether an operator chose the server in use, so that the primary is not probed.
    :ivar goodProbes: good failback probes in a row, of ``requiredProbes``.
    :ivar bufferCost: bytes of memory in use, of ``bufferSize``.
    :ivar crowded: whether its store is above its high mark.
    :ivar unsentBatches: batches that wait to be written.
    :ivar unsettledBatches: batches that were written and may have to be written again.
    :ivar unsent: messages that wait to be written.
    :ivar inFlight: messages that were written and may have to be written again.
    :ivar oldest: when the oldest message that has not settled came in, within a second; ``None`` where there is none,
        or it was there before the relay was started.
    :ivar ownNotAfter: when the certificate that we show expires, in seconds since the epoch; ``None`` where there is
        none.
    :ivar listsUntil: when the first of the revocation lists is to be replaced by a newer one, in seconds since the
        epoch; ``None`` where there is none, or none that says so.
    :ivar switches: the last changes of the server in use, the latest first.
    :ivar spool: the store on disk, if there is one.
    :ivar activeSince: when the server in use was first connected to without another one, or a failure, in between;
        ``None`` where none is in use.
    """

    name: str
    state: str
    since: float
    reason: str
    servers: tuple[ServerSnapshot, ...]
    proved: bool
    chosen: bool
    goodProbes: int
    requiredProbes: int
    bufferCost: int
    bufferSize: int
    crowded: bool
    unsentBatches: int
    unsettledBatches: int
    unsent: int
    inFlight: int
    oldest: float | None
    ownNotAfter: float | None
    listsUntil: float | None
    switches: tuple[SwitchSnapshot, ...]
    spool: SpoolSnapshot | None
    counters: DestinationCounters
    activeSince: float | None = None

    @property
    def active(self) -> str | None:
        """
        The name of the server in use.
        """
        return next((server.name for server in self.servers if server.active), None)


@attrs.frozen
class FileSnapshot:
    """
    One file that a source follows.

    :ivar read: bytes that were read.
    :ivar safe: bytes that no crash makes us read again.
    :ivar lag: bytes that were not read when it was last looked at.
    """

    path: str
    read: int
    safe: int
    lag: int


@attrs.frozen
class SourceSnapshot:
    """
    One source.

    :ivar addresses: where it listens: ``host:port``, or a path.
    :ivar heldBy: the destinations that make it wait; and ``reload``, while one that it feeds is going to be removed.
    :ivar files: of a source of files, some that it follows: those that are most behind.
    """

    name: str
    addresses: tuple[str, ...]
    heldBy: tuple[str, ...]
    counters: SourceCounters
    files: tuple[FileSnapshot, ...] = ()


@attrs.frozen
class ReloadSnapshot:
    """
    The last try to take another configuration.

    :ivar at: when it was made; reactor seconds.
    :ivar what: what has changed by it; why nothing has, if it ``failed``.
    """

    at: float
    failed: bool
    what: str


@attrs.frozen
class Snapshot:
    """
    A whole relay.

    :ivar at: when it was taken; reactor seconds, which are those since the epoch.
    :ivar startedAt: when the relay was started; ``None`` if it is not running.
    :ivar bound: whether the sources have their sockets.
    :ivar ownNotAfter: when the certificate of ``[source-tls]`` expires, in seconds since the epoch; ``None`` where
        there is none.
    :ivar ailments: what a watchdog would restart the relay for; none in a relay that is well.
    :ivar reload: the last reload; ``None`` where there was none.
    """

    at: float
    startedAt: float | None
    bound: bool
    sources: tuple[SourceSnapshot, ...]
    destinations: tuple[DestinationSnapshot, ...]
    ownNotAfter: float | None = None
    ailments: tuple[str, ...] = ()
    reload: ReloadSnapshot | None = None
