"""
One destination on the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.web.template import Tag, tags

from ..snapshot import DestinationSnapshot, ServerSnapshot
from ..verdict import daysLeft
from .history import DestinationHistory
from .markup import Content, badge, day, element, facts, table, time
from .plots import plot
from .words import duration, number, size

#: Why a server is in use, where that is no failure of the one before.
_REASONS = {
    "start": "it was the first that could be used",
    "operator": "an operator wanted it",
    "failback": "the primary answers again",
    "reload": "the configuration was changed",
}

_SERVERS = ("Server", "Place", "State", "Why", "Certificate", "Valid for")


def sectionOf(destination: DestinationSnapshot, history: DestinationHistory, place: int, now: float) -> Tag:
    """
    All that there is to say of it.

    :param place: which of the destinations, for the names of parts of the page.
    """
    title = f"destination-{place}"
    rows = [_row(destination, number, server, now) for number, server in enumerate(destination.servers)]
    return tags.section(
        tags.h2(destination.name, id=title),
        tags.p(*_inUse(destination, now), class_="in-use"),
        table(tags.h3("Servers, in their order"), _SERVERS, rows, "There is none."),
        facts(*_facts(destination, now)),
        tags.div(
            plot("Settled", history.settled, " a second"),
            plot("Not settled yet", history.waiting, ""),
            class_="plots",
        ),
        **{"class": "card destination", "aria-labelledby": title},
    )


def _inUse(destination: DestinationSnapshot, now: float) -> Iterator[Content]:
    """
    Which server is in use, since when, and why.
    """
    if destination.active is None:
        yield tags.strong("No server is in use.", class_="bad")
        yield from _attempt(destination, now)
        return
    place = next(number for number, server in enumerate(destination.servers) if server.active)
    yield tags.strong(destination.active, class_="good" if place == 0 else "warning")
    yield f" is in use, {'the primary' if place == 0 else placeName(place)}, "
    # The connection may be younger: one that ended in a checkpoint is made again.
    since = destination.since if destination.activeSince is None else destination.activeSince
    yield from ("since ", time(since, now), f" ({duration(now - since)}): ")
    yield _because(destination)
    if destination.state == "returning":
        yield " It is going back to the primary now."
    elif not destination.proved:
        yield " It has not proved yet that it delivers."


def _attempt(destination: DestinationSnapshot, now: float) -> Iterator[Content]:
    """
    What is done about it.
    """
    if destination.state == "waiting":
        yield from (" The next attempt is due at ", time(destination.since, now), ".")
    elif destination.state == "connecting":
        yield from (" It has been trying since ", time(destination.since, now), ".")
    else:
        yield " It is not trying."


def _because(destination: DestinationSnapshot) -> str:
    """
    Why the server in use is that one.
    """
    if destination.reason in _REASONS:
        return f"{_REASONS[destination.reason]}."
    before = destination.switches[0].before if destination.switches else "the one before"
    text = next((f", {server.text}" for server in destination.servers if server.name == before and server.text), "")
    return f"{before} was left ({destination.reason}{text})."


def placeName(place: int) -> str:
    """
    What a server is called by its place in the list.
    """
    return "primary" if place == 0 else f"failover {place}"


def _row(destination: DestinationSnapshot, place: int, server: ServerSnapshot, now: float) -> Sequence[Content]:
    """
    One server.
    """
    why: Content = "in reserve"
    if server.drained:
        why = "an operator drained it"
    elif server.reason:
        assert server.failedAt is not None
        ago = f" ({duration(now - server.failedAt)} ago)"
        why = [f"{server.reason}: {server.text}, ", time(server.failedAt, now), ago]
    elif server.active:
        why = "delivers" if destination.proved else "has not proved yet that it delivers"
    valid = "" if server.notAfter is None else _validity(server.notAfter, now)
    return server.name, placeName(place), badge(server.state), why, ", ".join(server.identity) or "none", valid


def _facts(destination: DestinationSnapshot, now: float) -> Iterator[tuple[str, Content]]:
    """
    Numbers.
    """
    counters = destination.counters
    word = " until " if destination.state == "waiting" else " since "
    yield "Connection", [badge(destination.state), word, time(destination.since, now)]
    yield "In flight", number(destination.inFlight)
    yield "Not sent yet", number(destination.unsent)
    yield "Oldest message", _oldest(destination, now)
    yield "Settled", number(counters.settled)
    yield "Resent", number(counters.resent)
    yield "Dropped", _drops(destination)
    yield "Set aside", number(counters.setAside)
    yield "Buffer", _fill(destination.bufferCost, destination.bufferSize, destination.crowded)
    if destination.spool is not None:
        spool = destination.spool
        broken = tags.strong(f" takes nothing: {spool.broken}", class_="bad") if spool.broken else ""
        yield "Spool", [_fill(spool.used, spool.size, destination.crowded), broken]
    if not destination.servers[0].active:
        yield "Good probes of the primary", f"{destination.goodProbes} of {destination.requiredProbes}"
    if destination.ownNotAfter is not None:
        yield "Our certificate", _validity(destination.ownNotAfter, now)
    if destination.listsUntil is not None:
        yield "Revocation list", _validity(destination.listsUntil, now)


def _validity(notAfter: float, now: float) -> Content:
    """
    How long a certificate is good.
    """
    left = daysLeft(notAfter, now)
    return ["until " if left >= 0 else "expired ", day(notAfter), f" ({left:,} days)" if left >= 0 else ""]


def _oldest(destination: DestinationSnapshot, now: float) -> str:
    """
    How long the oldest message has waited.
    """
    if destination.oldest is not None:
        return duration(now - destination.oldest)
    return "from before the start" if destination.unsent + destination.inFlight else "none waits"


def _drops(destination: DestinationSnapshot) -> str:
    """
    How many messages were given up, and why.
    """
    dropped = destination.counters.dropped
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(dropped.items()) if count)
    return f"{number(sum(dropped.values()))}{f' ({reasons})' if reasons else ''}"


def _fill(used: int, most: int, crowded: bool) -> Content:
    """
    How full something is.
    """
    share = 100 * used / most if most else 0
    meter = element("meter", f"{share:.0f} %", min="0", max="100", high="90", value=f"{share:.1f}", aria_hidden="true")
    text = f" {size(used)} of {size(most)} ({share:.0f} %)"
    return [meter, text, tags.strong(", above the high mark", class_="warning") if crowded else ""]
