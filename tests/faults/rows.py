"""
The table of faults: what is done, over which transports, and what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from . import scripts
from .scene import Limits, Part
from .scripts import Script
from .stream import POISON

ALL = ("tcp", "tls", "relp")
STREAMS = ("tcp", "tls")

#: So many messages may be out without an answer over RELP, and no more may be sent again.
WINDOW = 1000


@attrs.frozen
class Row:
    """
    One fault.

    :ivar key: a short name, for the command line.
    :ivar fault: the same for people.
    :ivar parts: the servers, the primary first.
    :ivar bound: the seconds that the median of the trials may take, and the worst one more; ``None``: it does not
        matter.
    :ivar trials: how many there are: ten of those that end soon, three of others.
    :ivar never: whether no trial may take longer than the bound.
    :ivar vanishing: whether a host has to become a black hole, which needs a network.
    :ivar options: more lines of the destination's section.
    :ivar poison: whether one message is to be set aside; otherwise none may be.
    :ivar quick: the transports over which one trial of it is among the ordinary tests.
    """

    key: str
    fault: str
    script: Script
    parts: tuple[Part, ...] = (Part(), Part())
    bound: Callable[[Limits], float] | None = None
    transports: tuple[str, ...] = ALL
    trials: int = 10
    never: bool = False
    vanishing: bool = False
    options: str = ""
    failback: bool = False
    poison: bool = False
    quick: tuple[str, ...] = ()


def _seconds(bound: float) -> Callable[[Limits], float]:
    """
    A bound that does not depend on the limits.
    """
    return lambda limits: bound


def _again(limits: Limits) -> float:
    """
    A round that begins after the longest wait, and a second.
    """
    return limits.reopen + 1


def _poisonous() -> Part:
    return Part("own", {"poison": POISON.decode()})


def _real() -> list[Row]:
    """
    Debian's servers, under as much load as they and the relay can bear, with prompt outputs: rsyslog's queue in memory
    would hold what no relay can know to be lost.
    """
    hurts = (("SIGTERM", "term", scripts.ended), ("SIGKILL", "kill", scripts.killed))
    return [
        Row(
            f"{kind}-{key}",
            f"{kind}, {signal} under full load",
            scripts.atFullLoad(script),
            (Part(kind, {"queue": "Direct"} if kind == "rsyslog" else {}), Part()),
            _seconds(0.5),
            STREAMS,
            quick=("tcp",) if (kind == "syslog-ng") == (key == "term") else ("tls",),
        )
        for kind in ("syslog-ng", "rsyslog")
        for signal, key, script in hurts
    ]


_SLOW, _PAUSES, _DEAF, _CLOSES = (Part("own", {"manner": each}) for each in ("slow", "pauses", "deaf", "closes"))
_THREE = (Part(), Part(), Part())
_DOWN_FIRST = (Part(up=False), Part())

ROWS = (
    Row("kill", "SIGKILL, all read", scripts.killed, bound=_seconds(0.2), quick=("tcp", "relp")),
    Row("kill-slow", "SIGKILL, slow reader", scripts.killed, (_SLOW, Part()), _seconds(0.2), quick=("relp",)),
    Row(
        "kill-paused",
        "SIGKILL, 30 MB fast, then paused",
        scripts.killedWhenPaused,
        (_PAUSES, Part()),
        _seconds(0.2),
        # Of RELP never more is unread than fits the window.
        STREAMS,
        quick=("tls",),
    ),
    *_real(),
    Row(
        "hole",
        "black hole, busy",
        scripts.vanished,
        bound=lambda limits: limits.ack + 1,
        vanishing=True,
        quick=("tcp", "relp"),
    ),
    Row(
        "hole-idle",
        "black hole, idle, then a message",
        scripts.vanishedIdle,
        bound=lambda limits: limits.idle + 1,
        vanishing=True,
        quick=("tcp",),
    ),
    Row("stop", "SIGSTOP", scripts.hung, bound=lambda limits: limits.stall + 1, quick=("tls", "relp")),
    Row(
        "deaf",
        "accepts, never reads, from the start",
        scripts.fromTheStart,
        (_DEAF, Part()),
        lambda limits: limits.stall + 1,
        quick=("tcp",),
    ),
    Row(
        "closes",
        "accepts and closes at once, for ever",
        scripts.shutDoor,
        bound=_seconds(0.5),
        failback=True,
        quick=("tcp",),
    ),
    Row(
        "all-close",
        "all accept and close at once for 60 s, then one is well",
        scripts.allShut,
        (_CLOSES, _CLOSES, _CLOSES),
        _again,
        trials=3,
    ),
    Row(
        "restarts",
        "syslog-ng, rsyslog and ours restarted in turn, three rounds",
        scripts.restarted,
        (Part("syslog-ng"), Part("rsyslog"), Part()),
        _seconds(0.5),
        STREAMS,
        trials=3,
    ),
    Row(
        "restarts-relp",
        "three servers restarted in turn, three rounds",
        scripts.restarted,
        _THREE,
        _seconds(0.5),
        ("relp",),
        trials=3,
    ),
    Row(
        "poison",
        "one message makes any server close",
        scripts.poisoned,
        (_poisonous(), _poisonous(), _poisonous()),
        poison=True,
        quick=("tcp", "relp"),
    ),
    Row(
        "poison-lf",
        "the same, with LF",
        scripts.poisoned,
        (_poisonous(), _poisonous()),
        None,
        STREAMS,
        options='framing = "lf"',
        poison=True,
    ),
    Row(
        "imrelp-kill",
        "rsyslog's imrelp (queue Direct), SIGKILL under full load",
        scripts.atFullLoad(scripts.killed),
        (Part("imrelp"), Part("imrelp")),
        _seconds(0.2),
        ("relp",),
        quick=("relp",),
    ),
    Row(
        "hole-failover",
        "black hole while on the failover",
        scripts.vanishedFailover,
        _THREE,
        lambda limits: limits.ack + 1,
        vanishing=True,
        quick=("tcp",),
    ),
    Row(
        "hole-probe",
        "black hole of the primary during a probe: the failover's longest pause",
        scripts.vanishedInProbe,
        _DOWN_FIRST,
        _seconds(0.2),
        trials=3,
        never=True,
        vanishing=True,
        failback=True,
    ),
    Row(
        "hole-last-probe",
        "the same during the last probe: until the failover has the stream again",
        scripts.vanishedInLastProbe,
        _DOWN_FIRST,
        lambda limits: limits.ack + 1,
        trials=3,
        vanishing=True,
        failback=True,
        quick=("tcp",),
    ),
    Row(
        "all-down",
        "all down for 60 s, then the third alone is back",
        scripts.allDown,
        _THREE,
        _again,
        trials=3,
    ),
)
