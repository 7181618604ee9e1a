"""
Counters: plain integers that only ever grow, incremented in place.

Everything that is shown (log, status, demo, metrics) is read from these and from the events; nothing else counts.
"""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define
class SourceCounters:
    """
    What one source has seen.

    :ivar received: messages taken in.
    :ivar receivedBytes: their bytes, as read.
    :ivar overlong: lines cut at ``max-message-size``; their heads were kept.
    :ivar badFrames: connections that were closed because their frames made no sense, or were over-long.
    :ivar incomplete: frames that a connection's end cut off, and so were dropped.
    :ivar unparsed: messages that start with ``<`` but are of no known form, passed on unchanged.
    :ivar connections: connections accepted.
    :ivar refused: connections closed since ``max-connections`` were open, or since their TLS handshake failed.
    :ivar kernelDrops: datagrams that the kernel dropped before we could read them.
    :ivar unfound: how often a followed file was cut or removed, and what may have stood in it unread cannot be found.
    :ivar dropped: messages given up, by reason.
    """

    received: int = 0
    receivedBytes: int = 0
    overlong: int = 0
    badFrames: int = 0
    incomplete: int = 0
    unparsed: int = 0
    connections: int = 0
    refused: int = 0
    kernelDrops: int = 0
    unfound: int = 0
    dropped: Counter[str] = attrs.field(factory=Counter)


@attrs.define
class DestinationCounters:
    """
    What one destination has done.

    :ivar accepted: messages that its store took in.
    :ivar sent: messages written to a server, those written again included.
    :ivar sentBytes: their bytes.
    :ivar resent: messages written again after a loss: an upper bound of the duplicates.
    :ivar unconfirmed: messages that were sent, and whose server had not confirmed them when the relay stopped.
    :ivar settled: messages that need not be sent again.
    :ivar settledEarly: messages given up by ``drop-oldest`` although acknowledged.
    :ivar truncated: messages cut to ``max-message-size``.
    :ivar setAside: messages put into the dead-letter file, since no server takes them.
    :ivar dropped: messages given up, by reason.
    :ivar attempts: tries to connect.
    :ivar failures: attempts and connections that ended, by reason (spec 1.6).
    :ivar switches: changes of the active server.
    :ivar checkpoints: checkpoints that the server confirmed.
    :ivar probes: failback probes made.
    :ivar probesFailed: those of them that the primary did not stand.
    """

    accepted: int = 0
    sent: int = 0
    sentBytes: int = 0
    resent: int = 0
    unconfirmed: int = 0
    settled: int = 0
    settledEarly: int = 0
    truncated: int = 0
    setAside: int = 0
    dropped: Counter[str] = attrs.field(factory=Counter)
    attempts: int = 0
    failures: Counter[str] = attrs.field(factory=Counter)
    switches: int = 0
    checkpoints: int = 0
    probes: int = 0
    probesFailed: int = 0
