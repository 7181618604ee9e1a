"""
What a new configuration changes: which sources and destinations stay, and what of them.

A source is known by its name, which tells where it listens; a destination by its name; a server by its host and port.
So what has another name is another thing: the old one goes, and the new one comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import attrs

from .config import Configuration, DestinationSettings, SourceSettings
from .errors import Problem

#: The remedy for what only a new start can change.
_RESTART = "put the old value back, or restart the relay"


class Named(Protocol):
    """
    Settings of something that has a name.
    """

    @property
    def name(self) -> str:
        """
        Unlike that of any other.
        """


S = TypeVar("S", bound=Named)


@attrs.frozen
class Changes(Generic[S]):
    """
    The difference between two lists of settings.

    :ivar kept: those that are in both, as they were and as they are to be.
    :ivar replaced: those of the same name that can't be kept.
    """

    kept: tuple[tuple[S, S], ...]
    replaced: tuple[tuple[S, S], ...]
    added: tuple[S, ...]
    removed: tuple[S, ...]

    @property
    def new(self) -> tuple[S, ...]:
        """
        What has to be built.
        """
        return (*(after for _, after in self.replaced), *self.added)

    @property
    def old(self) -> tuple[S, ...]:
        """
        What has to go.
        """
        return (*(before for before, _ in self.replaced), *self.removed)

    def words(self, noun: str) -> Iterator[str]:
        """
        The difference, for people.
        """
        changed = [pair for pair in self.kept if pair[0] != pair[1]]
        for verb, those in (("added", self.added), ("removed", self.removed)):
            if those:
                yield f"{noun} {verb}: {', '.join(each.name for each in those)}"
        if changed or self.replaced:
            yield f"{noun} changed: {', '.join(_changed(*pair) for pair in (*changed, *self.replaced))}"
        if len(self.kept) > len(changed):
            yield f"{noun} unchanged: {len(self.kept) - len(changed)}"


def _changed(before: S, after: S) -> str:
    """
    Something that has changed, with the keys that make the difference.
    """
    old, new = (attrs.asdict(each, recurse=False) for each in (before, after))  # type: ignore[arg-type]
    keys = [re.sub("(?=[A-Z])", "-", key).lower() for key in new if old[key] != new[key]]
    return f"{after.name} ({', '.join(keys) or 'source-tls'})"


@attrs.frozen
class Difference:
    """
    The difference between two configurations.
    """

    before: Configuration
    after: Configuration
    sources: Changes[SourceSettings]
    destinations: Changes[DestinationSettings]

    def __str__(self) -> str:
        words = [*self.sources.words("sources"), *self.destinations.words("destinations")]
        for key, old, new in (
            ("stop-timeout", self.before.stopTimeout, self.after.stopTimeout),
            ("on-switch", self.before.onSwitch, self.after.onSwitch),
        ):
            if old != new:
                words.append(f"{key} changed")
        return "; ".join(words) or "nothing"

    def problems(self) -> Iterator[Problem]:
        """
        What cannot be changed while the relay runs.
        """
        if self.before.stateDir != self.after.stateDir:
            what = f"cannot be changed from {self.before.stateDir} to {self.after.stateDir} while the relay runs"
            yield Problem("reload", "state-dir", what, _RESTART)
        for key, old, new in (
            ("control", self.before.control, self.after.control),
            ("http", self.before.http, self.after.http),
        ):
            if old != new:
                yield Problem("reload", key, "cannot be added, removed or changed while the relay runs", _RESTART)
        for before, after in self.destinations.kept:
            if before.spool != after.spool:
                what = "cannot be added, removed or changed while the relay runs"
                yield Problem("reload", f"destination.{after.name}.spool", what, _RESTART)
        leaving = {each.spool.path: each.name for each in self.destinations.removed if each.spool is not None}
        for added in self.destinations.added:
            if added.spool is not None and added.spool.path in leaving:
                name = leaving[added.spool.path]
                what = f"{added.spool.path} is the spool of {name}, which lets go of it when this reload is over"
                remedy = f"reload first without {added.name}, and then with it; or restart the relay"
                yield Problem("reload", f"destination.{added.name}.spool.path", what, remedy)


def differenceOf(before: Configuration, after: Configuration) -> Difference:
    """
    Compare two configurations.
    """
    tlsStays = before.sourceTLS == after.sourceTLS
    sources = _changes(before.sources, after.sources, lambda old, new: sourceStays(old, new) and _unless(new, tlsStays))
    return Difference(before, after, sources, _changes(before.destinations, after.destinations, lambda old, new: True))


def _unless(source: SourceSettings, tlsStays: bool) -> bool:
    """
    Whether a source is not concerned by another ``[source-tls]``.
    """
    return tlsStays or source.listen is None or source.listen.kind != "tls"


def _changes(before: Iterable[S], after: Iterable[S], stays: Callable[[S, S], bool]) -> Changes[S]:
    """
    Compare two lists.

    :param stays: whether what has the same name can go on.
    """
    old, new = ({each.name: each for each in those} for those in (before, after))
    common = [(old[name], new[name]) for name in old if name in new]
    return Changes(
        kept=tuple(pair for pair in common if stays(*pair)),
        replaced=tuple(pair for pair in common if not stays(*pair)),
        added=tuple(each for name, each in new.items() if name not in old),
        removed=tuple(each for name, each in old.items() if name not in new),
    )


# Sources.


def sourceStays(before: SourceSettings, after: SourceSettings) -> bool:
    """
    Whether a source can go on, with its connections: if nothing has changed but where it leads to, and limits that it
    looks up each time.
    """
    alike = attrs.evolve(before, to=after.to)
    if before.listen is not None:
        alike = attrs.evolve(alike, maxConnections=after.maxConnections, maxMessageSize=after.maxMessageSize)
    return alike == after


def sharesSocket(before: SourceSettings, after: SourceSettings) -> bool:
    """
    Whether one source can take over the socket of another.  (Two that listen on any free port have two sockets, unless
    they are the same source.)
    """
    old, new = before.listen, after.listen
    if old is None or new is None or "systemd" in (old.kind, new.kind) or before.reusePort != after.reusePort:
        return False
    if old.path or new.path:
        return (old.kind, old.path) == (new.kind, new.path)
    datagrams = [each.kind == "udp" for each in (old, new)]
    place = [(each.port, each.interface) for each in (old, new)]
    return datagrams[0] == datagrams[1] and place[0] == place[1] and (old.port != 0 or before.name == after.name)


# Destinations.


def talksAlike(before: DestinationSettings, after: DestinationSettings) -> bool:
    """
    Whether a connection that was made for one can serve the other (spec 6.4).
    """
    return all(getattr(before, name) == getattr(after, name) for name in ("driver", "framing", "transport", "tls"))


def connectsAlike(before: DestinationSettings, after: DestinationSettings) -> bool:
    """
    Whether connections are made in the same way, by the same rules.
    """
    names = ("localip", "ipProtocol", "connectTimeout", "tlsTimeout")
    return talksAlike(before, after) and all(getattr(before, name) == getattr(after, name) for name in names)
