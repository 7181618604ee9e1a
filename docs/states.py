"""
The states of a destination's connection, and the drawing of them.

What may follow what is :data:`TRANSITIONS`; a test has a client factory go through all of it, and fails where it does
anything else, or less.
"""

from __future__ import annotations

from html import escape

import attrs

#: The middle of each state's box; the names are those of ``logrelay.failover.State``.
PLACES = {
    "Idle": (80, 190),
    "Connecting": (340, 60),
    "Waiting": (340, 320),
    "Connected": (680, 60),
    "Returning": (680, 320),
}

WIDTH, HEIGHT = 790, 390
_HALF_WIDTH, _HALF_HEIGHT = 56, 20


@attrs.frozen
class Transition:
    """
    One arrow.

    :ivar when: what makes it happen.
    :ivar label: the same in a word or two; lines are parted by ``|``.  Without one there is no arrow of its own.
    :ivar at: where the label stands.
    :ivar bend: how far the middle of the arrow is pushed to its left.
    """

    before: str
    after: str
    when: str
    label: str = ""
    at: tuple[int, int] = (0, 0)
    bend: int = 0


TRANSITIONS = (
    Transition("Idle", "Connecting", "the relay starts: the primary is tried", "start", (170, 122)),
    Transition(
        "Connecting", "Connected", "the server is connected and, with TLS, verified", "connected", (510, 32), 22
    ),
    Transition(
        "Connecting",
        "Waiting",
        "the attempt failed: the next server is due, at once, after failover-delay or, when a whole round has failed, "
        "after the growing wait",
        "failed:|next server",
        (262, 180),
        -26,
    ),
    Transition("Waiting", "Connecting", "the wait is over", "wait is over", (404, 218), -26),
    Transition(
        "Connected",
        "Waiting",
        "the connection ended: the same server or the next is due, as the table says; or a checkpoint, a reload, or an "
        "operator ended it",
        "ended",
        (470, 152),
        -24,
    ),
    Transition(
        "Waiting",
        "Connected",
        "the connection that is to be used stands already: an operator's switch made it",
        "operator",
        (566, 206),
        -24,
    ),
    Transition(
        "Connected",
        "Returning",
        "the last probe required was good: the failover's connection is being ended",
        "enough|good probes",
        (638, 180),
        -22,
    ),
    Transition("Returning", "Connected", "it has ended: the primary's connection is used", "failback", (736, 200), -22),
    Transition(
        "Returning",
        "Waiting",
        "the primary's connection was lost meanwhile: the failover is due again",
        "primary lost",
        (510, 312),
    ),
    *(Transition(state, "Idle", "the relay stops") for state in PLACES if state != "Idle"),
)

_STYLE = """
    text { font: 13px sans-serif; fill: #222; text-anchor: middle }
    .name { font-weight: bold }
    rect { fill: #eef3f8; stroke: #345; stroke-width: 1.3 }
    path { fill: none; stroke: #345; stroke-width: 1.3 }
    .stop { stroke-dasharray: 4 3 }
    .label { font-size: 12px; paint-order: stroke; stroke: #fff; stroke-width: 4px }
"""

#: One arrow for all that lead to Idle.
_STOP = (
    '<path class="stop" d="M80,300 L80,212" marker-end="url(#end)"/>'
    '<text class="label" x="80" y="318">stop, from any state</text>'
)


def drawing() -> str:
    """
    All of it as SVG.
    """
    told = "; ".join(f"{each.before} to {each.after}: {each.when}" for each in TRANSITIONS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<title>The states of a connection</title><desc>{escape(told)}</desc><style>{_STYLE}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" style="fill:#345;stroke:none"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill:#fff;stroke:none"/>',
        *(_arrow(each) for each in TRANSITIONS if each.label),
        *(_label(each) for each in TRANSITIONS if each.label),
        _STOP,
        *(_box(name) for name in PLACES),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(name: str) -> str:
    x, y = PLACES[name]
    corner = f'x="{x - _HALF_WIDTH}" y="{y - _HALF_HEIGHT}"'
    size = f'width="{2 * _HALF_WIDTH}" height="{2 * _HALF_HEIGHT}" rx="8"'
    return f'<rect {corner} {size}/><text class="name" x="{x}" y="{y + 5}">{name}</text>'


def _label(transition: Transition) -> str:
    x, y = transition.at
    lines = transition.label.split("|")
    spans = (f'<tspan x="{x}" y="{y + 15 * number}">{escape(line)}</tspan>' for number, line in enumerate(lines))
    return f'<text class="label">{"".join(spans)}</text>'


def _arrow(transition: Transition) -> str:
    """
    A curve from box to box.
    """
    (x1, y1), (x2, y2) = PLACES[transition.before], PLACES[transition.after]
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    middle = (
        (x1 + x2) / 2 + 2 * transition.bend * (y2 - y1) / length,
        (y1 + y2) / 2 - 2 * transition.bend * (x2 - x1) / length,
    )
    begin, end = _edge((x1, y1), middle), _edge((x2, y2), middle)
    curve = f"M{begin[0]:.0f},{begin[1]:.0f} Q{middle[0]:.0f},{middle[1]:.0f} {end[0]:.0f},{end[1]:.0f}"
    return f'<path d="{curve}" marker-end="url(#end)"/>'


def _edge(box: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """
    Where the line from the middle of a box to a point leaves the box.
    """
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    share = min(_HALF_WIDTH / abs(dx) if dx else 9, _HALF_HEIGHT / abs(dy) if dy else 9)
    return box[0] + dx * share, box[1] + dy * share
