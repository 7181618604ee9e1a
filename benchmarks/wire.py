"""
What is sent, and how: values that the cases, the relays and the processes at both ends share.
"""

from __future__ import annotations

import attrs

#: Where sender and relay, and relay and sink, are.
HOST = "127.0.0.1"


@attrs.frozen
class Wire:
    """
    How messages travel on one side of a relay.

    :ivar transport: ``tcp``, ``tls``, ``udp``, ``unix-dgram`` or ``relp``.
    :ivar form: ``rfc3164`` or ``rfc5424``; on the way out also ``as-is``.
    :ivar framing: ``lf`` or ``octet-counting``; of no meaning for datagrams and RELP.
    """

    transport: str = "tcp"
    form: str = "rfc3164"
    framing: str = "lf"


@attrs.frozen
class Load:
    """
    What a sender sends.

    :ivar kind: ``loggen``: Debian's, which writes each message by itself; ``blocks``: ours, many messages a write;
        ``singles``: ours, over one connection, each message by itself; ``paced``: the same at a rate, each message with
        the time when it was written; ``numbered``: at a rate, those of :mod:`benchmarks.numbered`.
    :ivar number: messages in all.
    :ivar size: bytes of each, its line feed included.
    :ivar rate: messages a second; 0: as fast as they are taken.
    :ivar heads: how many different headers the messages have, of ``blocks`` and ``singles``: by default as of twenty
        busy hosts with five programs each.
    """

    kind: str = "blocks"
    wire: Wire = attrs.field(factory=Wire)
    number: int = 400_000
    size: int = 250
    connections: int = 4
    rate: int = 0
    heads: int = 100


@attrs.frozen
class Files:
    """
    The certificate of 127.0.0.1, which relay and sink both show, and the authority that issued it: paths of PEM files.
    """

    ca: str
    cert: str
    key: str


@attrs.frozen
class Work:
    """
    What a relay has to do.

    :ivar comes: how messages come in.
    :ivar goes: how they go out.
    :ivar connections: how many clients it has at once, at most.
    :ivar delivery: of ours: ``written``, ``acked`` or ``replay``.
    :ivar sync: messages go through a spool on disk, which ours syncs by this rule (``full`` or ``normal``); empty: they
        are in memory.
    """

    comes: Wire = attrs.field(factory=Wire)
    goes: Wire = attrs.field(factory=lambda: Wire(form="as-is"))
    connections: int = 4
    delivery: str = "replay"
    sync: str = ""
