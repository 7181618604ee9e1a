"""
The page: everything, drawn from the snapshot and the history.

It is whole without JavaScript.  With it, the same content is drawn here again and sent as news, and the script in the
page makes the page equal to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from twisted.web.template import Tag, tags

from ..snapshot import Snapshot, SourceSnapshot, SwitchSnapshot
from ..verdict import BAD, GOOD, WORTH_A_LOOK, levelOf, remarksOf, summaryOf
from .destinationview import sectionOf
from .history import DestinationHistory, History, Rate
from .markup import Content, element, html, table, time
from .plots import plot
from .words import duration, number, size, stamp

#: So many switches are shown.
SWITCHES = 100

#: Seconds after which a browser without JavaScript loads the page again.
RELOAD = 10

#: What stands before the overall state, so that it is not told by its colour alone.
_SIGNS = {GOOD: "✔", WORTH_A_LOOK: "▲", BAD: "✖"}

_SWITCHES = ("When", "Destination", "From", "To", "Reason")
_SOURCES = ("Source", "Takes messages at", "Waits for", "Received", "Connections", "Given up", "Rate")


def documentOf(snapshot: Snapshot, history: History) -> bytes:
    """
    The page as it is loaded.
    """
    head = tags.head(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tags.title("logrelay"),
        element("link", rel="icon", href="static/icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="static/page.css"),
        element("script", src="static/page.js", defer="defer"),
        tags.noscript(element("meta", http_equiv="refresh", content=str(RELOAD))),
    )
    top = tags.header(
        tags.p(tags.strong("logrelay"), f" {version('logrelay')}"),
        tags.p(tags.span("as of", id="link"), " ", tags.span(stamp(snapshot.at), id="moment")),
    )
    silence = tags.p(id="silence", role="alert", hidden="hidden")
    content = element("main", *_parts(snapshot, history), id="content")
    return b"<!DOCTYPE html>\n" + html(tags.html(head, tags.body(top, silence, content), lang="en"))


def contentOf(snapshot: Snapshot, history: History) -> bytes:
    """
    What is in its ``main``.
    """
    return html(list(_parts(snapshot, history)))


def _parts(snapshot: Snapshot, history: History) -> Iterator[Content]:
    """
    The parts of the page.
    """
    yield from _overall(snapshot)
    for place, each in enumerate(snapshot.destinations):
        yield sectionOf(each, history.destinations.get(each.name, DestinationHistory()), place, snapshot.at)
    yield tags.section(_switches(snapshot), class_="card")
    yield tags.section(_sources(snapshot, history), class_="card")
    yield _relay(snapshot)


def _overall(snapshot: Snapshot) -> Iterator[Tag]:
    """
    How it is altogether, and what is not as it should be.
    """
    remarks = remarksOf(snapshot)
    level = levelOf(remarks)
    sign = tags.span(_SIGNS[level], **{"aria-hidden": "true"})
    line = tags.h1(sign, " ", summaryOf(snapshot, remarks))
    yield tags.div(line, role="status", class_=f"overall {level}")
    if len(remarks) > 1:
        items = (tags.li(str(each), class_=each.level) for each in remarks[1:])
        yield tags.ul(*items, **{"class": "remarks", "aria-label": "What else is not as it should be"})


def _switches(snapshot: Snapshot) -> Tag:
    """
    The last changes of the server in use.
    """
    changes = [(each.name, switch) for each in snapshot.destinations for switch in each.switches]
    changes.sort(key=lambda change: -change[1].at)
    rows = [_switch(name, switch, snapshot.at) for name, switch in changes[:SWITCHES]]
    return table(tags.h2("Changes of the server in use, the latest first"), _SWITCHES, rows, "There was none.")


def _switch(destination: str, switch: SwitchSnapshot, now: float) -> Sequence[Content]:
    """
    One of them.
    """
    return time(switch.at, now), destination, switch.before, switch.after, switch.reason


def _sources(snapshot: Snapshot, history: History) -> Tag:
    """
    The sources.
    """
    rows = [_source(each, history.sources.get(each.name, Rate())) for each in snapshot.sources]
    return table(tags.h2("Sources"), _SOURCES, rows, "There is none.")


def _source(source: SourceSnapshot, rate: Rate) -> Sequence[Content]:
    """
    One source.
    """
    counters = source.counters
    where: Content = ", ".join(source.addresses)
    if source.files:
        files = (tags.li(f"{each.path}: {size(each.lag)} not read") for each in source.files)
        where = tags.ul(*files)
    refused = f", {counters.refused:,} refused" if counters.refused else ""
    kernel = f", {counters.kernelDrops:,} by the kernel" if counters.kernelDrops else ""
    reasons = "".join(f", {count:,} {reason}" for reason, count in sorted(counters.dropped.items()))
    return (
        source.name,
        where or "none",
        tags.strong(", ".join(source.heldBy), class_="warning") if source.heldBy else "nobody",
        f"{counters.received:,} ({size(counters.receivedBytes)})",
        f"{counters.connections:,}{refused}",
        f"{number(sum(counters.dropped.values()) + counters.kernelDrops)}{kernel}{reasons}",
        plot("", rate, " a second"),
    )


def _relay(snapshot: Snapshot) -> Tag:
    """
    The relay as a whole.
    """
    parts: list[Content] = []
    if snapshot.startedAt is not None:
        ago = f" ({duration(snapshot.at - snapshot.startedAt)} ago)"
        parts += ["Started ", time(snapshot.startedAt, snapshot.at), f"{ago}. "]
    if snapshot.reload is not None:
        how = "failed" if snapshot.reload.failed else "was taken"
        parts += ["The last reload ", how, " at ", time(snapshot.reload.at, snapshot.at), f": {snapshot.reload.what}. "]
    links = (("metrics", "metrics"), ("status", "status as JSON"), ("health", "health"), ("ready", "readiness"))
    for path, text in links:
        parts += [tags.a(text, href=path), " "]
    return tags.p(*parts, class_="muted relay")
