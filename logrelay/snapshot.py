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
    :ivar reason: why it was last given up, by its name in the specification; empty if it never was.
    :ivar text: the same for people.
    """

    name: str
    active: bool
    reason: str
    text: str


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
    :ivar proved: whether the connection in use has shown that it delivers.
    :ivar goodProbes: good failback probes in a row, of ``requiredProbes``.
    :ivar bufferCost: bytes of memory in use, of ``bufferSize``.
    :ivar unsentBatches: batches that wait to be written.
    :ivar unsettledBatches: batches that were written and may have to be written again.
    :ivar spool: the store on disk, if there is one.
    """

    name: str
    state: str
    since: float
    servers: tuple[ServerSnapshot, ...]
    proved: bool
    goodProbes: int
    requiredProbes: int
    bufferCost: int
    bufferSize: int
    unsentBatches: int
    unsettledBatches: int
    spool: SpoolSnapshot | None
    counters: DestinationCounters

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

    :ivar at: when it was taken; reactor seconds.
    :ivar reload: the last reload; ``None`` where there was none.
    """

    at: float
    sources: tuple[SourceSnapshot, ...]
    destinations: tuple[DestinationSnapshot, ...]
    reload: ReloadSnapshot | None = None
