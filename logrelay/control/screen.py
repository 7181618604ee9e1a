"""
What ``logrelay top`` shows: a relay's state in as many lines and columns as there are.

Every line has a weight.  Where there is no room for all, the heaviest stay, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import attrs

from .report import (
    Data,
    clock,
    flowWords,
    plain,
    reasonsOf,
    relayWords,
    serverRows,
    size,
    sourcesOf,
    stateWords,
    storeWords,
    switchRow,
    table,
)


class Style(Enum):
    """
    How a line looks, where a terminal can do that.
    """

    PLAIN = "plain"
    TITLE = "title"
    GOOD = "good"
    BAD = "bad"
    FAINT = "faint"


#: How a server in each state looks.
_STATES = {"active": Style.GOOD, "failed": Style.BAD, "drained": Style.FAINT}


@attrs.frozen
class Line:
    """
    One line.

    :ivar weight: those with a small one go first when room is short.
    """

    text: str
    style: Style = Style.PLAIN
    weight: int = 0


#: How long the latest of the switches is shown in its style, in seconds.
_FRESH = 60


def screenOf(relay: Data, before: Data | None, width: int, height: int, trouble: str = "") -> list[Line]:
    """
    The lines of a screen, each no wider than it is.

    :param before: the state before this one, for rates.
    :param trouble: why there is no newer state.
    """
    rates = Rates(relay, before)
    head = f"logrelay {relayWords(relay)}"
    now = clock(relay["at"], relay["at"])
    head = f"{head}{now:>{max(len(now) + 1, width - len(head))}}"
    lines = [Line(head, Style.TITLE, 99)]
    if trouble:
        lines.append(Line(f"no answer: {plain(trouble)}; trying again", Style.BAD, 98))
    # What is not ready is told at its destination, too, and first of all there.
    lines += [Line(f"! {plain(each)}", Style.BAD, 70) for each in relay["ailments"]]
    lines += [Line(f"! {plain(each)}", Style.BAD, 47) for each in relay["unready"]]
    for each in relay["destinations"]:
        lines += _destination(each, rates, relay["at"])
    lines += _sources(relay, rates)
    lines += _switches(relay)
    room = max(1, height - 1)
    hidden = len(lines) - room
    kept = sorted(sorted(range(len(lines)), key=lambda at: -lines[at].weight)[:room])
    foot = "q quits" + (f"; {hidden} lines more" if hidden > 0 else "")
    shown = [lines[at] for at in kept] + ([Line(foot, Style.FAINT)] if height > 1 else [])
    return [attrs.evolve(each, text=fitted(each.text, width)) for each in shown]


def fitted(text: str, width: int) -> str:
    """
    A text, cut to a width.
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"[: max(0, width)]


def _destination(destination: Data, rates: Rates, now: float) -> Iterator[Line]:
    """
    One destination.
    """
    style = Style.BAD if destination["active"] is None else Style.TITLE
    yield Line("", weight=5)
    yield Line(f"{plain(destination['name'])}: {stateWords(destination, now)}", style, 90)
    dropped = rates.counts(destination)["dropped"]
    flow = f"  in {rates.rate(destination, 'accepted')}/s, out {rates.rate(destination, 'sent')}/s"
    flow += f", settled {rates.rate(destination, 'settled')}/s, again {rates.rate(destination, 'resent')}/s"
    yield Line(flow, weight=80)
    for row, text in zip(destination["servers"], table(serverRows(destination, now)), strict=True):
        yield Line(f"  {text}", _STATES.get(row["state"], Style.PLAIN), 60 if row["active"] else 55)
    yield Line(f"  {flowWords(destination, now)}", Style.BAD if any(dropped.values()) else Style.PLAIN, 50)
    isFull = destination["crowded"] or (destination["spool"] or {}).get("broken")
    yield Line(f"  {storeWords(destination)}", Style.BAD if isFull else Style.PLAIN, 45)


def _sources(relay: Data, rates: Rates) -> Iterator[Line]:
    """
    The sources.
    """
    yield Line("", weight=2)
    yield Line("sources", Style.TITLE, 30)
    rows, styles = [], []
    for each in sourcesOf(relay):
        dropped, held = reasonsOf(each["counters"]["dropped"]), each["held-by"]
        notes = ([f"waits for {', '.join(map(plain, held))}"] if held else []) + (
            [f"dropped {dropped}"] if dropped else []
        )
        rows.append(
            (
                plain(each["name"]),
                f"{rates.rate(each, 'received')}/s",
                f"{size(rates.number(each, 'received-bytes') or 0)}/s",
                "; ".join(notes),
            )
        )
        styles.append(Style.BAD if held or dropped else Style.PLAIN)
    for text, style in zip(table(rows) if rows else [], styles, strict=True):
        yield Line(f"  {text}", style, 40 if style is Style.BAD else 28)


def _switches(relay: Data) -> Iterator[Line]:
    """
    The last switches of all destinations, the latest first.
    """
    switches = [(each, name["name"]) for name in relay["destinations"] for each in name["switches"]]
    if not switches:
        return
    switches.sort(key=lambda entry: -entry[0]["at"])
    yield Line("", weight=1)
    yield Line("switches", Style.TITLE, 20)
    now = relay["at"]
    rows = []
    for each, name in switches:
        when, *rest = switchRow(each, now)
        rows.append((when, *([plain(name)] if len(relay["destinations"]) > 1 else []), *rest))
    for place, ((each, _), text) in enumerate(zip(switches, table(rows), strict=True)):
        # The oldest ones go first.
        isFresh = now - each["at"] < _FRESH
        yield Line(f"  {text}", Style.BAD if isFresh else Style.PLAIN, max(6, 19 - place))


class Rates:
    """
    How fast counters grow.
    """

    def __init__(self, relay: Data, before: Data | None) -> None:
        """
        :param before: an earlier state; ``None`` for none.
        """
        isSame = before is not None and before["started-at"] == relay["started-at"]
        self._before: dict[tuple[str, str], Data] = {}
        self._elapsed = relay["at"] - before["at"] if before is not None and isSame else 0.0
        if before is not None and isSame:
            for kind in ("destinations", "sources"):
                self._before |= {(kind, each["name"]): each["counters"] for each in before[kind]}

    @staticmethod
    def counts(part: Data) -> Mapping[str, Any]:
        """
        The counters of a destination or a source.
        """
        counters: Mapping[str, Any] = part["counters"]
        return counters

    def number(self, part: Data, key: str) -> float | None:
        """
        How much a counter has grown in a second; ``None`` where that is not known.
        """
        kind = "destinations" if "servers" in part else "sources"
        before = self._before.get((kind, part["name"]))
        if before is None or self._elapsed <= 0 or part["counters"][key] < before[key]:
            return None
        grown: float = (part["counters"][key] - before[key]) / self._elapsed
        return grown

    def rate(self, part: Data, key: str) -> str:
        """
        The same for people.
        """
        number = self.number(part, key)
        return "-" if number is None else f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"
