"""
From what a file holds to the parts of a relay, joined as its ``log`` statements say.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .destinations import Destinations
from .fitting import fit, merge
from .parts import Part, Relay
from .paths import Definition, Path, Step, effect
from .remarks import NotReadable, Remarks
from .sources import Sources
from .statements import Content

#: A relay with more should be several.
MAX_SOURCES, MAX_DESTINATIONS = 1000, 100

#: What to do without steps; without others it can be done at the server.
_REMEDIES = {
    "filter": "filter at the server, or give what must not be sent no way to the source",
    "filterx": "filter at the server, or give what must not be sent no way to the source",
}

#: Flags that say what the relay does anyway.
_IDLE = ("flow-control",)


@attrs.define(eq=False)
class Joining:
    """
    Makes what is used, and nothing else.

    :ivar made: the destinations, by the names of their definitions.
    :ivar fed: by the names of sources: the destinations that they lead to, by the names of their definitions.
    """

    content: Content
    remarks: Remarks
    relay: Relay = attrs.field(factory=Relay)
    made: dict[str, list[Part]] = attrs.field(factory=dict)
    fed: dict[str, dict[str, None]] = attrs.field(factory=dict)

    def join(self) -> Relay:
        """
        Make it.

        :raises NotReadable: if there is too much of it.
        """
        self._destinations()
        self._paths()
        self._sources()
        merge(self.relay)
        for destination in self.relay.destinations:
            fit(self.relay, destination, self.remarks)
        if not any(str(_value(source, "listen")).startswith("tls:") for source in self.relay.sources):
            self.relay.sourceTLS = None
        return self.relay

    def _destinations(self) -> None:
        """
        Make the destinations that a path leads to.
        """
        used = {name for paths in self.content.paths for path in paths for name in path.destinations}
        makes = Destinations(self.remarks, self.content.defaults)
        for name, definition in self.content.destinations.items():
            if name not in used:
                self._unused(definition)
                continue
            self.made[name] = list(makes.make(definition.origin, definition.name, definition.items))
            self.relay.destinations += self.made[name]
            if len(self.relay.destinations) > MAX_DESTINATIONS:
                what = f"there are more than {MAX_DESTINATIONS} destinations"
                raise NotReadable(definition.line, what, "import it in parts, for several relays")

    def _unused(self, definition: Definition) -> None:
        """
        A definition that is of no use.
        """
        what = f"{definition.origin} is in no log path, and was left out"
        self.remarks.add(definition.line, what, "nothing is to be done: syslog-ng does not use it, either")

    def _paths(self) -> None:
        """
        See which source leads where.
        """
        finished: set[str] = set()
        fallbacks: list[Path] = []
        for paths in self.content.paths:
            for path in paths:
                if "fallback" in path.flags:
                    fallbacks.append(path)
                else:
                    self._path(path, finished)
            self._finish(paths, finished)
        for path in fallbacks:
            taken = {name for name in path.sources if self.fed.get(name)}
            if taken:
                what = "flags(fallback): since nothing is filtered, its messages all go the other paths"
                self.remarks.add(path.line, what, "write a relay for what must go there")
            self._path(path, finished | taken)

    def _path(self, path: Path, finished: set[str]) -> None:
        """
        Join the sources of a path to its destinations.

        :param finished: the sources whose messages do not come so far.
        """
        sources = self.content.sources if "catchall" in path.flags else path.sources
        coming = [name for name in sources if name not in finished]
        leading = {name: steps for name, steps in path.destinations.items() if self.made.get(name)}
        if path.destinations and not leading:
            self.remarks.add(path.line, "log: left out, as none of its destinations is translated", "see there")
        elif leading and not coming:
            what = "log: left out, as no message comes to it"
            self.remarks.add(path.line, what, "it has no source, or flags(final) of another path stops them")
        if not coming:
            return
        for name in coming:
            self.fed.setdefault(name, {}).update(dict.fromkeys(leading))
        self._tellSteps(leading)
        for flag in sorted(path.flags - {"catchall", "fallback", "final", *_IDLE}):
            self.remarks.add(path.line, f"log: flags({flag[:80]!a}) was left out", "see whether you need it")

    def _tellSteps(self, leading: dict[str, tuple[Step, ...]]) -> None:
        """
        Tell what is not done on the way to destinations.
        """
        before: dict[Step, list[str]] = {}
        for name, steps in leading.items():
            for step in steps:
                before.setdefault(step, []).append(name)
        for step, names in before.items():
            parts = [part.name for name in names[:3] for part in self.made[name][:3]]
            to = ", ".join(parts) + (", ..." if len(names) > 3 else "")
            what = f"log: {step.kind} {step.text} is NOT applied: {effect(step)} to {to}"
            self.remarks.add(step.line, what, _REMEDIES.get(step.kind, "do it at the server"))

    def _finish(self, paths: Iterable[Path], finished: set[str]) -> None:
        """
        ``flags(final)``: what went through a path goes no further.
        """
        outer, *inner = paths
        if "final" in outer.flags and not outer.steps:
            finished.update(outer.sources)
        elif "final" in outer.flags or any("final" in path.flags for path in inner):
            what = "log: flags(final) is not applied: what is sent here goes through the later paths, too"
            self.remarks.add(outer.line, what, "take out of [[source]] to what must not go there")

    def _sources(self) -> None:
        """
        Make the sources that lead somewhere.
        """
        used = {name for paths in self.content.paths for path in paths for name in path.sources}
        makes = Sources(self.relay, self.remarks, self.content.defaults)
        for name, definition in self.content.sources.items():
            destinations = [part.name for each in self.fed.get(name, ()) for part in self.made[each]]
            if destinations:
                for part in makes.make(definition.origin, definition.items):
                    part.to = dict.fromkeys(destinations)
                    self.relay.sources.append(part)
                    if len(self.relay.sources) > MAX_SOURCES:
                        what = f"there are more than {MAX_SOURCES:,} sources"
                        raise NotReadable(part.line, what, "import it in parts, for several relays")
            elif name in used:
                what = f"{definition.origin} was left out, as it leads to no destination that is translated"
                self.remarks.add(definition.line, what, "see what is said of its log paths")
            else:
                self._unused(definition)
        fed = {name for source in self.relay.sources for name in source.to}
        for destination in [each for each in self.relay.destinations if each.name not in fed]:
            what = f"{destination.origin} was left out, as no source that is translated leads to it"
            self.remarks.add(destination.line, what, "write a source for it by hand, and then the destination")
            self.relay.drop(destination)


def _value(part: Part, key: str) -> object:
    """
    What a key is set to, or ``None``.
    """
    entry = part.find(key)
    return None if entry is None else entry.value
