"""
What an import makes: sources and destinations of ours, each value with the line that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..lines import KeyPath

#: The value of a key, as TOML has them.
Value = str | bool | int | float | list[str] | list[int]


@attrs.frozen
class Entry:
    """
    The value of a key.

    :ivar line: where syslog-ng's configuration says so.
    """

    value: Value
    line: int


@attrs.define(eq=False)
class Part:
    """
    One source or destination.

    :ivar origin: what it comes from, for people: ``destination d_net, network()``.
    :ivar line: where that is.
    :ivar name: of a destination: the name that it has in our configuration.
    :ivar tables: its keys; those of the sections in it by the name of the section.
    :ivar to: of a source: the names of the destinations that it feeds, in the order of the file.
    """

    origin: str
    line: int
    name: str = ""
    tables: dict[str, dict[str, Entry]] = attrs.field(factory=lambda: {"": {}})
    to: dict[str, None] = attrs.field(factory=dict)

    @property
    def keys(self) -> dict[str, Entry]:
        """
        Its own keys.
        """
        return self.tables[""]

    def put(self, key: str, value: Value, line: int) -> None:
        """
        Set a key.

        :param key: as in ``port`` or ``failback.probe``.
        """
        table, _, name = key.rpartition(".")
        self.tables.setdefault(table, {})[name] = Entry(value, line)

    def find(self, key: str) -> Entry | None:
        """
        What a key is set to, if it is.
        """
        table, _, name = key.rpartition(".")
        return self.tables.get(table, {}).get(name)


@attrs.define(eq=False)
class Relay:
    """
    All that is made.

    :ivar sourceTLS: what ``tls:`` sources show and ask for, once there is one.
    """

    sources: list[Part] = attrs.field(factory=list)
    destinations: list[Part] = attrs.field(factory=list)
    sourceTLS: Part | None = None

    def drop(self, part: Part) -> None:
        """
        Do without a part, and without the sources that then feed nothing.
        """
        self.sources = [each for each in self.sources if each is not part]
        self.destinations = [each for each in self.destinations if each is not part]
        if part.name:
            for source in self.sources:
                source.to.pop(part.name, None)
            self.sources = [each for each in self.sources if each.to]

    def placed(self) -> Iterator[tuple[KeyPath, Part]]:
        """
        Every part, with the place that it has in our configuration.
        """
        for place, source in enumerate(self.sources):
            yield ("source", place), source
        for destination in self.destinations:
            yield ("destination", destination.name), destination
        if self.sourceTLS is not None:
            yield ("source-tls",), self.sourceTLS
