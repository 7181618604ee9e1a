"""
All metrics, in one table: names, labels, what they mean, and where in the snapshot their values are.

Names and labels are stable; new ones may come.  Labels hold what is configured, and reasons and states that the code
knows; nothing that a peer says becomes one, so that nobody can make more of them.

``python -m logrelay.web.metrics`` writes the table of the documentation.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

from .. import glossary
from ..rendering import unreadiness
from ..snapshot import DestinationSnapshot, Snapshot
from .samples import (
    COUNTER,
    GAUGE,
    Metric,
    Sample,
    byReason,
    destinationTotal,
    ofDestination,
    ofRelay,
    ofServer,
    ofSource,
    sourceTotal,
)

#: Why an attempt or a connection can fail (spec 1.6): each is there from the start, so that its first time is seen.
FAILURES = tuple(each.name for each in glossary.FAILURES)

#: What a destination can be doing, and what a server can be.
DESTINATION_STATES = ("idle", "waiting", "connecting", "connected", "returning")
SERVER_STATES = ("active", "standby", "failed", "drained")


def _sourceDrops(snapshot: Snapshot) -> Iterator[Sample]:
    for source in snapshot.sources:
        yield from (((source.name, reason), count) for reason, count in byReason(source.counters.dropped))


def _drops(snapshot: Snapshot) -> Iterator[Sample]:
    for each in snapshot.destinations:
        yield from (((each.name, reason), count) for reason, count in byReason(each.counters.dropped))


def _failures(snapshot: Snapshot) -> Iterator[Sample]:
    for each in snapshot.destinations:
        yield from (((each.name, reason), count) for reason, count in byReason(each.counters.failures, FAILURES))


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for each in snapshot.destinations:
        yield from (((each.name, state), each.state == state) for state in DESTINATION_STATES)


def _serverStates(snapshot: Snapshot) -> Iterator[Sample]:
    for each in snapshot.destinations:
        for server in each.servers:
            yield from (((each.name, server.name, state), server.state == state) for state in SERVER_STATES)


def _build(snapshot: Snapshot) -> Iterator[Sample]:
    yield (version("logrelay"), platform.python_version(), version("Twisted")), 1


def _age(destination: DestinationSnapshot, snapshot: Snapshot) -> float:
    """
    How old the oldest message is that has not settled.  Of what was there before the start that is not known: then it
    is the time since.
    """
    if not destination.unsent + destination.inFlight:
        return 0
    since = destination.oldest if destination.oldest is not None else snapshot.startedAt
    return 0 if since is None else max(0, snapshot.at - since)


def _onPrimary(destination: DestinationSnapshot, _: Snapshot) -> bool:
    return destination.servers[0].active


METRICS = (
    # The relay.
    Metric(
        "logrelay_build_info",
        GAUGE,
        "1; the labels say what is running.",
        ("version", "python", "twisted"),
        _build,
    ),
    ofRelay("start_time_seconds", "When the relay was started, in seconds since the epoch.", lambda s: s.startedAt),
    ofRelay("healthy", "Whether a watchdog would leave the relay alone: what /health says.", lambda s: not s.ailments),
    ofRelay("ready", "Whether messages should be sent here: what /ready says.", lambda s: not tuple(unreadiness(s))),
    ofRelay(
        "last_reload_successful",
        "Whether the last reload was taken; absent before the first one.",
        lambda s: None if s.reload is None else not s.reload.failed,
    ),
    ofRelay(
        "last_reload_timestamp_seconds",
        "When the last reload was tried, in seconds since the epoch; absent before the first one.",
        lambda s: None if s.reload is None else s.reload.at,
    ),
    ofRelay(
        "listener_certificate_not_after_timestamp_seconds",
        "When the certificate of [source-tls] expires, in seconds since the epoch; absent without one.",
        lambda s: s.ownNotAfter,
    ),
    # Sources.
    sourceTotal("received", "Messages taken in.", "received_messages_total"),
    sourceTotal("receivedBytes", "Their bytes, as read.", "received_bytes_total"),
    sourceTotal("overlong", "Lines cut at max-message-size.", "overlong_messages_total"),
    sourceTotal("badFrames", "Connections closed since their frames made no sense.", "bad_frames_total"),
    sourceTotal("incomplete", "Frames that the end of a connection cut off, and so were dropped.", "cut_frames_total"),
    sourceTotal(
        "unparsed",
        "Messages that start with < but are of no known form, passed on unchanged.",
        "unparsed_messages_total",
    ),
    sourceTotal("connections", "Connections accepted.", "connections_total"),
    sourceTotal(
        "refused",
        "Connections closed since max-connections were open, or since their TLS handshake failed.",
        "refused_connections_total",
    ),
    sourceTotal(
        "kernelDrops",
        "Datagrams that the kernel dropped before they could be read.",
        "kernel_dropped_datagrams_total",
    ),
    sourceTotal(
        "unfound",
        "How often a followed file was cut or removed, and what may have stood in it unread cannot be found.",
        "unfound_files_total",
    ),
    Metric(
        "logrelay_source_dropped_messages_total",
        COUNTER,
        "Messages of this source given up, by any destination.",
        ("source", "reason"),
        _sourceDrops,
    ),
    ofSource("waits_for", GAUGE, "How many destinations make it wait now.", lambda source: len(source.heldBy)),
    ofSource(
        "file_lag_bytes",
        GAUGE,
        "Bytes not read of the file that is most behind; absent where no files are followed.",
        lambda source: max((each.lag for each in source.files), default=None),
    ),
    # Destinations.
    destinationTotal("accepted", "Messages that the store took in.", "accepted_messages_total"),
    destinationTotal("sent", "Messages written to a server, those written again included.", "sent_messages_total"),
    destinationTotal("sentBytes", "Their bytes.", "sent_bytes_total"),
    destinationTotal(
        "resent", "Messages written again after a loss: an upper bound of the duplicates.", "resent_messages_total"
    ),
    destinationTotal("settled", "Messages that need not be sent again.", "settled_messages_total"),
    destinationTotal(
        "settledEarly",
        "Messages given up by drop-oldest although acknowledged.",
        "settled_early_messages_total",
    ),
    destinationTotal(
        "unconfirmed",
        "Messages sent and not confirmed when the relay stopped.",
        "unconfirmed_messages_total",
    ),
    destinationTotal("truncated", "Messages cut to max-message-size.", "truncated_messages_total"),
    destinationTotal("setAside", "Messages put into the dead-letter file.", "set_aside_messages_total"),
    Metric(
        "logrelay_destination_dropped_messages_total",
        COUNTER,
        "Messages given up.",
        ("destination", "reason"),
        _drops,
    ),
    destinationTotal("attempts", "Tries to connect.", "connection_attempts_total"),
    Metric(
        "logrelay_destination_failures_total",
        COUNTER,
        "Attempts and connections that ended, by why the server was inaccessible.",
        ("destination", "reason"),
        _failures,
    ),
    destinationTotal("switches", "Changes of the server in use.", "switches_total"),
    destinationTotal("checkpoints", "Checkpoints that the server confirmed.", "checkpoints_total"),
    destinationTotal("probes", "Failback probes made.", "probes_total"),
    destinationTotal("probesFailed", "Those of them that the primary did not stand.", "failed_probes_total"),
    Metric(
        "logrelay_destination_state",
        GAUGE,
        "1 for what the destination is doing, 0 for what it is not.",
        ("destination", "state"),
        _states,
    ),
    ofDestination("connected", GAUGE, "Whether a server is in use.", lambda each, _: each.active is not None),
    ofDestination(
        "proved", GAUGE, "Whether the connection in use has shown that it delivers.", lambda each, _: each.proved
    ),
    ofDestination("on_primary", GAUGE, "Whether the server in use is the primary.", _onPrimary),
    ofDestination("good_probes", GAUGE, "Good failback probes in a row.", lambda each, _: each.goodProbes),
    ofDestination(
        "required_probes", GAUGE, "How many are required for a failback.", lambda each, _: each.requiredProbes
    ),
    ofDestination("unsent_messages", GAUGE, "Messages that wait to be written.", lambda each, _: each.unsent),
    ofDestination(
        "in_flight_messages",
        GAUGE,
        "Messages that were written and may have to be written again.",
        lambda each, _: each.inFlight,
    ),
    ofDestination(
        "oldest_message_age_seconds",
        GAUGE,
        "Age of the oldest message that has not settled, within a second; 0 where there is none, and the time since"
        " the start for one that was there before.",
        _age,
    ),
    ofDestination("buffer_bytes", GAUGE, "Memory in use by the store.", lambda each, _: each.bufferCost),
    ofDestination("buffer_size_bytes", GAUGE, "How much it may be: buffer.size.", lambda each, _: each.bufferSize),
    ofDestination("above_high_mark", GAUGE, "Whether the store is above its high mark.", lambda each, _: each.crowded),
    ofDestination(
        "spool_bytes",
        GAUGE,
        "Disk in use by the spool; absent without one.",
        lambda each, _: None if each.spool is None else each.spool.used,
    ),
    ofDestination(
        "spool_size_bytes",
        GAUGE,
        "How much it may be: spool.size.",
        lambda each, _: None if each.spool is None else each.spool.size,
    ),
    ofDestination(
        "spool_broken",
        GAUGE,
        "Whether nothing can be put on disk now; absent without a spool.",
        lambda each, _: None if each.spool is None else bool(each.spool.broken),
    ),
    ofDestination(
        "certificate_not_after_timestamp_seconds",
        GAUGE,
        "When the certificate that the relay shows there expires, in seconds since the epoch; absent without one.",
        lambda each, _: each.ownNotAfter,
    ),
    ofDestination(
        "crl_next_update_timestamp_seconds",
        GAUGE,
        "When the first of its revocation lists is to be replaced, in seconds since the epoch: once that has passed, a"
        " revoked certificate may be taken; absent without crl-file.",
        lambda each, _: each.listsUntil,
    ),
    # Servers.
    ofServer("active", "Whether it is the one in use.", lambda server: server.active),
    Metric(
        "logrelay_server_state",
        GAUGE,
        "1 for what the server is, 0 for what it is not.",
        ("destination", "server", "state"),
        _serverStates,
    ),
    ofServer(
        "failed_timestamp_seconds",
        "When it was last given up, in seconds since the epoch; absent where it was not, or has been in use since.",
        lambda server: server.failedAt,
    ),
    ofServer(
        "certificate_not_after_timestamp_seconds",
        "When the certificate by which it last proved who it is expires, in seconds since the epoch; absent without"
        " TLS.",
        lambda server: server.notAfter,
    ),
)


def asTable() -> str:
    """
    The metrics as a table in reST.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 50 15 35", ""]
    lines += ["   * - Name and labels", "     - Kind", "     - Meaning"]
    for metric in METRICS:
        labels = f" {{{', '.join(metric.labels)}}}" if metric.labels else ""
        lines += [f"   * - ``{metric.name}{labels}``", f"     - {metric.kind}", f"     - {metric.text}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(asTable(), end="")
