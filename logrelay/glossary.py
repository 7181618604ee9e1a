"""
The reasons for which a server is left, as they stand in logs, metrics and status: their names, and what they mean.

The names are those of the specification (1.6).  They are stable: who watches a relay may compare them.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Reason:
    """
    Why a server was left, or could not be used.

    :ivar meaning: for people, in a few words.
    :ivar keys: the keys of a destination that say how long that takes.
    """

    name: str
    meaning: str
    keys: tuple[str, ...] = ()


#: What makes a server inaccessible.
FAILURES = (
    Reason("dns", "no address was found for the name, or the look-up is still under way", ("connect-timeout",)),
    Reason("refused", "the host is there, and nobody listens on the port"),
    Reason("unreachable", "no way leads there, or we cannot make a connection at all"),
    Reason("connect-timeout", "nobody answered, at any of the addresses", ("connect-timeout",)),
    Reason("tls-timeout", "the TLS handshake did not end", ("tls-timeout",)),
    Reason("tls-verify", "the server did not prove that it is the one configured; it got no data"),
    Reason("tls-alert", "the server refused us, or does not speak TLS as it should"),
    Reason("eof", "the server ended the connection"),
    Reason("reset", "the connection was lost: the server's process or host gave it up"),
    Reason("ack-timeout", "data is out and nothing was acknowledged: the path is dead", ("ack-timeout",)),
    Reason("stalled", "the server does not read, or a RELP answer or a checkpoint is missing", ("stall-timeout",)),
    Reason("keepalive", "the connection was idle, and is dead", ("keepalive",)),
    Reason("protocol", "the server does not speak RELP as it should, or refused messages"),
)

#: Why another server is used though none has failed.
WISHES = (
    Reason("operator", "an operator chose another server, or drained this one"),
    Reason("failback", "the primary was well for long enough", ("tcp-probe-interval", "successful-probes-required")),
    Reason("reload", "the configuration does not list the server any more, or talks to it in another way"),
)
