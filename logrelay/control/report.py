"""
The state of a relay in words: what ``logrelay status`` and its like print.

It is read as :mod:`logrelay.rendering` gives it, and as JSON brings it.  Much of it comes from peers, files and logs;
so whatever is shown goes through :func:`plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..config import PROGRAM
from ..values import GIB, KIB, MIB

#: ``status`` tells so many of the last switches.
SWITCHES = 5

_DAY = 24 * 3600

Data = Mapping[str, Any]


def plain(text: object) -> str:
    """
    A text without anything that a terminal would obey.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def span(seconds: float) -> str:
    """
    A stretch of time, as exact as it matters.
    """
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 2 * _DAY:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // _DAY} d {whole % _DAY // 3600} h"


def validity(notAfter: float, now: float) -> str:
    """
    How long a certificate is good.
    """
    days = int((notAfter - now) // _DAY)
    return "expired" if days < 0 else f"{days:,} day{'s' if days != 1 else ''} left"


def clock(at: float, now: float) -> str:
    """
    A moment in local time; with its date, where that was another day.
    """
    moment = datetime.fromtimestamp(at)
    sameDay = moment.date() == datetime.fromtimestamp(now).date()
    return f"{moment:%H:%M:%S}" if sameDay else f"{moment:%Y-%m-%d %H:%M:%S}"


def size(amount: float) -> str:
    """
    A number of bytes, roughly.
    """
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if amount >= factor:
            number = amount / factor
            return f"{number:.0f} {unit}" if number >= 10 or number == int(number) else f"{number:.1f} {unit}"
    return f"{amount:.0f} B"


def share(part: float, whole: float) -> str:
    """
    A part of a whole.
    """
    return f"{100 * part / whole:.0f} % of {size(whole)}" if whole else size(part)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """
    Rows with their columns in line, two spaces apart.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


# Parts that several displays have.


def relayWords(relay: Data) -> str:
    """
    The relay as a whole.
    """
    if relay["started-at"] is None:
        return "stopped"
    return f"{'ready' if relay['ready'] else 'not ready'}, up {span(relay['at'] - relay['started-at'])}"


def stateWords(destination: Data, now: float) -> str:
    """
    What a destination does now, and since when and why.
    """
    state, active = destination["state"], destination["active"]
    if active is None:
        wait = destination["since"] - now
        return f"no server in use: waiting {span(wait)} for the next try" if state == "waiting" and wait > 0 else state
    notes = [span(now - destination["active-since"]), plain(destination["reason"])]
    if destination["chosen"]:
        notes.append("chosen")
    if state == "returning":
        notes.append("going back to the primary")
    elif not destination["proved"]:
        notes.append("not proved yet")
    return f"{plain(active)} since {clock(destination['active-since'], now)} ({'; '.join(notes)})"


def serverRow(place: int, server: Data, destination: Data, now: float) -> tuple[str, str, str, str]:
    """
    A mark for the server in use, its name, its state, and why that is.
    """
    notes = []
    if server["reason"]:
        ago = span(now - server["failed-at"])
        notes.append(f"{plain(server['reason'])} {ago} ago: {plain(server['text'])}")
    if place == 0 and destination["good-probes"] and not server["active"]:
        notes.append(f"{destination['good-probes']} of {destination['required-probes']} probes good")
    if server["not-after"] is not None:
        names = ", ".join(map(plain, server["identity"]))
        notes.append(f"certificate of {names}: {validity(server['not-after'], now)}")
    return ">" if server["active"] else " ", plain(server["name"]), server["state"], "; ".join(notes)


def serverRows(destination: Data, now: float) -> list[tuple[str, str, str, str]]:
    """
    All servers of a destination.
    """
    return [serverRow(place, each, destination, now) for place, each in enumerate(destination["servers"])]


def reasonsOf(counts: Mapping[str, int]) -> str:
    """
    How many messages were dropped, and why; nothing if none was.
    """
    dropped = {reason: count for reason, count in counts.items() if count}
    if not dropped:
        return ""
    return f"{sum(dropped.values()):,} ({', '.join(f'{plain(key)} {count:,}' for key, count in dropped.items())})"


def flowWords(destination: Data, now: float) -> str:
    """
    The messages of a destination.
    """
    counters, oldest = destination["counters"], destination["oldest"]
    words = f"waiting {destination['unsent']:,}, in flight {destination['in-flight']:,}"
    if oldest is not None:
        words += f", oldest {span(now - oldest)}"
    words += f"; settled {counters['settled']:,}, resent {counters['resent']:,}"
    dropped = reasonsOf(counters["dropped"])
    words += f", dropped {dropped or 0}"
    return f"{words}, set aside {counters['set-aside']:,}" if counters["set-aside"] else words


def storeWords(destination: Data) -> str:
    """
    How full memory and disk are.
    """
    words = f"buffer {share(destination['buffer-cost'], destination['buffer-size'])}"
    if destination["crowded"]:
        words += " (above its mark: sources wait, or messages are dropped)"
    spool = destination["spool"]
    if spool is not None:
        words += f"; spool {share(spool['used'], spool['size'])} in {plain(spool['path'])}"
        if spool["broken"]:
            words += f", takes nothing: {plain(spool['broken'])}"
    return words


def switchRow(switch: Data, now: float) -> tuple[str, str, str]:
    """
    One switch: when, between whom, why.
    """
    between = f"{plain(switch['before'])} -> {plain(switch['after'])}"
    return clock(switch["at"], now), between, plain(switch["reason"])


# The commands.


def statusText(relay: Data, only: str = "") -> list[str]:
    """
    What ``logrelay status`` prints.

    :param only: the name of one destination.
    """
    now = relay["at"]
    lines = [f"relay: {relayWords(relay)}"]
    lines += [f"  not ready: {plain(each)}" for each in relay["unready"]]
    lines += [f"  ailing: {plain(each)}" for each in relay["ailments"]]
    if relay["reload"] is not None:
        word = "not reloaded" if relay["reload"]["failed"] else "reloaded"
        lines.append(f"  {word} at {clock(relay['reload']['at'], now)}: {plain(relay['reload']['what'])}")
    for destination in relay["destinations"]:
        if only in ("", destination["name"]):
            lines += _destinationText(destination, now)
    if not only:
        lines += ["", "sources", *_indented(table([_sourceRow(each) for each in sourcesOf(relay)]))]
    return lines


def _destinationText(destination: Data, now: float) -> Iterator[str]:
    """
    One destination.
    """
    yield ""
    yield f"{plain(destination['name'])}: {stateWords(destination, now)}"
    yield from _indented(table(serverRows(destination, now)))
    yield f"  {flowWords(destination, now)}"
    yield f"  {storeWords(destination)}"
    if destination["switches"]:
        yield "  last switches:"
        rows = [switchRow(each, now) for each in destination["switches"][:SWITCHES]]
        yield from _indented(table(rows), 4)


def sourcesOf(relay: Data) -> list[Data]:
    """
    The sources that are worth a line: the program itself is one only where it sends anything.
    """
    return [each for each in relay["sources"] if each["name"] != PROGRAM or each["counters"]["received"]]


def _sourceRow(source: Data) -> tuple[str, str, str]:
    """
    One source: its name, what it has got, and what is special.
    """
    counters, notes = source["counters"], []
    if source["held-by"]:
        notes.append(f"waits for {', '.join(map(plain, source['held-by']))}")
    dropped = reasonsOf(counters["dropped"])
    if dropped:
        notes.append(f"dropped {dropped}")
    if counters["kernel-drops"]:
        notes.append(f"dropped by the kernel {counters['kernel-drops']:,}")
    return plain(source["name"]), f"received {counters['received']:,}", "; ".join(notes)


def _indented(lines: Sequence[str], by: int = 2) -> list[str]:
    """
    Lines, moved to the right.
    """
    return [f"{' ' * by}{line}" for line in lines]


def headline(destination: Data, now: float) -> str:
    """
    One destination in a line.
    """
    return f"{plain(destination['name'])}: {stateWords(destination, now)}"


def serversText(relay: Data, only: str = "") -> list[str]:
    """
    What ``logrelay servers`` prints.
    """
    lines = []
    for each in relay["destinations"]:
        if only in ("", each["name"]):
            lines += [f"{plain(each['name'])}:", *_indented(table(serverRows(each, relay["at"])))]
    return lines


def spoolText(relay: Data, only: str = "") -> list[str]:
    """
    What ``logrelay spool`` prints of a running relay.
    """
    rows = [("destination", "waiting", "in flight", "oldest", "memory", "disk", "path")]
    for each in relay["destinations"]:
        if only in ("", each["name"]):
            spool, oldest = each["spool"], each["oldest"]
            rows.append(
                (
                    plain(each["name"]),
                    f"{each['unsent']:,}",
                    f"{each['in-flight']:,}",
                    "-" if oldest is None else span(relay["at"] - oldest),
                    share(each["buffer-cost"], each["buffer-size"]),
                    "-" if spool is None else share(spool["used"], spool["size"]),
                    "-" if spool is None else plain(spool["path"]),
                )
            )
            if spool is not None and spool["broken"]:
                rows.append(("", "", "", "", "", "broken:", plain(spool["broken"])))
    return table(rows)
