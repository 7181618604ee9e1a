"""
The cases: what is sent, what the relays make of it, which of them take part, and what is aimed at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .numbered import FRAME
from .targets import CpuAtMost, LatencyAtMost, NothingLost, RateAtLeast, Target
from .wire import Load, Wire, Work

#: What every run takes besides its load, in seconds; and what a relay is taken to do a second, for the estimate.
OVERHEAD, PACE = 2.0, 230_000


@attrs.frozen
class Contestant:
    """
    A relay as it takes part in a case.

    :ivar kind: ``logrelay``, ``rsyslog``, ``syslog-ng``, ``socat`` or ``direct`` (no relay).
    :ivar changes: to the case's work.
    """

    kind: str
    changes: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Case:
    """
    One case.

    :ivar name: for the command.
    :ivar title: for people.
    :ivar contestants: by the names that they have in the tables.
    :ivar rounds: how many, where it is not for the command to say.
    :ivar strikes: how often the sink closes the port that is in use, while two others are open.
    """

    name: str
    title: str
    load: Load
    goes: Wire
    contestants: Mapping[str, Contestant]
    targets: Sequence[Target] = ()
    rounds: int | None = None
    sync: str = ""
    strikes: int = 0

    def work(self, contestant: Contestant) -> Work:
        """
        What a contestant has to do.
        """
        work = Work(self.load.wire, self.goes, self.load.connections, sync=self.sync)
        return attrs.evolve(work, **contestant.changes)  # type: ignore[arg-type]

    def seconds(self, rounds: int) -> float:
        """
        About how long it takes.
        """
        each = OVERHEAD + self.load.number / (self.load.rate or PACE) + self.strikes
        return each * len(self.contestants) * (self.rounds or rounds)

    def smaller(self, part: int) -> Case:
        """
        The same with fewer messages, once.
        """
        share = self.load.connections * 100
        number = max(1, self.load.number // part // share) * share
        return attrs.evolve(self, load=attrs.evolve(self.load, number=number), rounds=1)


def _named(*kinds: str) -> dict[str, Contestant]:
    return {kind: Contestant(kind) for kind in kinds}


_PEERS = ("logrelay", "rsyslog", "syslog-ng")
_PLAIN, _ALL = _named(*_PEERS, "direct"), _named(*_PEERS, "socat", "direct")

_LF, _COUNTED = Wire(), Wire(form="rfc5424", framing="octet-counting")
_AS_IS, _AS_IS_COUNTED = Wire(form="as-is"), Wire(form="as-is", framing="octet-counting")
_TLS_IN, _TLS_OUT = Wire("tls"), Wire("tls", "as-is")
_RELP = Wire("relp", "rfc5424")

_AS_IS_TARGETS = (
    CpuAtMost(0.4, "rsyslog"),
    CpuAtMost(0.25, "syslog-ng"),
    CpuAtMost(2.5, "socat"),
    RateAtLeast(1.5),
)
_CONVERT_TARGETS = (CpuAtMost(1.0, "rsyslog"), CpuAtMost(0.6, "syslog-ng"), RateAtLeast(1.5))
_TLS_TARGETS = (CpuAtMost(0.6, "rsyslog"), RateAtLeast(1.5))

#: Debian's load generator, over one connection.  Where messages are converted it is of no use: the times in its headers
#: have no zone, so that they are RFC 3164 for syslog-ng, and for rsyslog and us are not.
_LOGGEN = Load("loggen", number=600_000, connections=1)

#: As many a second as keep no relay busy.
_PACED = Load("paced", number=50_000, connections=1, rate=20_000)


def _blocks(wire: Wire = _LF, number: int = 600_000, size: int = 250, connections: int = 4) -> Load:
    return Load("blocks", wire, number, size, connections)


def _datagrams(transport: str, number: int, rate: int = 0) -> Load:
    return Load("blocks", Wire(transport), number, connections=1, rate=rate)


CASES = (
    Case("as-is", "tcp to tcp, as it is, loggen", _LOGGEN, _AS_IS, _ALL, _AS_IS_TARGETS),
    Case("as-is-blocks", "tcp to tcp, as it is, large writes", _blocks(), _AS_IS, _ALL, _AS_IS_TARGETS),
    Case(
        "convert",
        "RFC 3164 to RFC 5424 with octet counting, a write each",
        Load("singles", number=600_000, connections=1),
        _COUNTED,
        _PLAIN,
        _CONVERT_TARGETS,
    ),
    Case(
        "convert-blocks",
        "RFC 3164 to RFC 5424 with octet counting, large writes",
        _blocks(),
        _COUNTED,
        _PLAIN,
        _CONVERT_TARGETS,
    ),
    Case(
        "convert-distinct",
        "the same, each with a header of its own",
        Load("blocks", number=400_000, connections=1, heads=5000),
        _COUNTED,
        _PLAIN,
    ),
    Case("tls", "tcp to tls, as it is, loggen", _LOGGEN, _TLS_OUT, _PLAIN, _TLS_TARGETS),
    Case("tls-blocks", "tcp to tls, as it is, large writes", _blocks(), _TLS_OUT, _PLAIN, _TLS_TARGETS),
    Case("tls-to-tls", "tls to tls, as it is", _blocks(_TLS_IN, 500_000), _TLS_OUT, _PLAIN),
    Case("lf-to-counted", "LF to octet counting, as it is", _blocks(), _AS_IS_COUNTED, _PLAIN),
    Case("counted-to-lf", "octet counting to LF, as it is", _blocks(_COUNTED), _AS_IS, _PLAIN),
    Case("udp", "udp to tcp, 40,000 a second", _datagrams("udp", 100_000, 40_000), _AS_IS, _named(*_PEERS)),
    Case("udp-flood", "udp to tcp, 120,000 a second", _datagrams("udp", 240_000, 120_000), _AS_IS, _named(*_PEERS)),
    Case("unix-dgram", "unix datagrams to tcp", _datagrams("unix-dgram", 200_000), _AS_IS, _named(*_PEERS)),
    Case("connections-1", "1 connection", _blocks(connections=1), _AS_IS, _PLAIN),
    Case("connections-100", "100 connections", _blocks(connections=100), _AS_IS, _PLAIN),
    Case(
        "connections-2000",
        "2,000 connections",
        _blocks(connections=2000),
        _AS_IS,
        _PLAIN,
        (NothingLost(), RateAtLeast(1.0, senderBound=False)),
    ),
    Case("size-100", "messages of 100 bytes", _blocks(size=100), _AS_IS, _PLAIN),
    Case("size-4096", "messages of 4 KiB", _blocks(number=200_000, size=4096), _AS_IS, _PLAIN),
    Case(
        "latency",
        "delay at 20,000 a second, as it is",
        _PACED,
        _AS_IS,
        _ALL,
        (LatencyAtMost(5.0),),
    ),
    Case(
        "latency-convert",
        "delay at 20,000 a second, RFC 3164 to RFC 5424",
        _PACED,
        _COUNTED,
        _PLAIN,
        (LatencyAtMost(5.0),),
    ),
    Case(
        "relp-in",
        "RELP to tcp, as it is",
        _blocks(_RELP, 200_000, connections=1),
        _AS_IS,
        _named("logrelay", "rsyslog", "direct"),
    ),
    Case("relp-out", "tcp to RELP", _blocks(number=200_000), Wire("relp", "as-is"), _named("logrelay", "rsyslog")),
    Case(
        "spool",
        "through a spool on disk, as it is",
        _blocks(number=400_000),
        _AS_IS,
        {
            "logrelay": Contestant("logrelay"),
            "logrelay, normal": Contestant("logrelay", {"sync": "normal"}),
            **_named("rsyslog", "syslog-ng"),
        },
        sync="full",
    ),
    Case(
        "failover",
        "ten failovers at 20,000 a second",
        Load("numbered", _COUNTED, 132_000, FRAME, 1, 20_000),
        _COUNTED,
        _named(*_PEERS),
        (NothingLost(),),
        rounds=3,
        strikes=10,
    ),
    Case(
        "levels",
        "delivery levels, as it is, loggen",
        _LOGGEN,
        _AS_IS,
        {level: Contestant("logrelay", {"delivery": level}) for level in ("replay", "written", "acked")},
        (CpuAtMost(1.1, "written", "replay"),),
        rounds=9,
    ),
)

BY_NAME = {case.name: case for case in CASES}

#: Those of a quick run.
QUICK = ("as-is", "convert-blocks")
