"""
The ``log`` statements of a configuration of syslog-ng: which sources lead to which destinations.

A path with a filter is taken without it: to send too much can be mended at the server, what was not sent is gone.  Each
such filter is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .remarks import NotReadable, Remarks, plain
from .tokens import Token
from .tree import Group, Node, canonical, keyword, statements

#: What changes or stops messages on their way; with what would be the case without it.
_STEPS = {
    "filter": "every message is sent",
    "filterx": "every message is sent, as it came",
    "parser": "messages are sent as they came",
    "rewrite": "messages are sent as they came",
}

#: More than any path that people write has.
MAX_STEPS = 100


@attrs.frozen
class Step:
    """
    A filter or the like.
    """

    kind: str
    text: str
    line: int


@attrs.define
class Path:
    """
    One way from sources to destinations.

    :ivar sources: names, in order; those of statements within the path are made up.
    :ivar destinations: names, with the steps that a message takes before each.
    :ivar steps: all of them.
    :ivar flags: of the path.
    """

    line: int
    steps: tuple[Step, ...] = ()
    sources: dict[str, None] = attrs.field(factory=dict)
    destinations: dict[str, tuple[Step, ...]] = attrs.field(factory=dict)
    flags: set[str] = attrs.field(factory=set)


@attrs.frozen
class Definition:
    """
    A ``source`` or ``destination`` statement.
    """

    origin: str
    name: str
    line: int
    items: Sequence[Node]


@attrs.frozen
class Paths:
    """
    Reads ``log`` statements.

    :ivar sources: the definitions, by name; those within paths are added.
    :ivar destinations: the same.
    """

    remarks: Remarks
    sources: dict[str, Definition]
    destinations: dict[str, Definition]

    def read(self, line: int, items: Sequence[Node], outer: Path | None = None) -> list[Path]:
        """
        Read a path, and those in it.

        :param outer: the path that it is in: its messages come to this one, too.
        :return: the path, and then those in it.
        :raises NotReadable: if it has too many steps.
        """
        path = Path(line)
        if outer is not None:
            path.sources.update(outer.sources)
            path.steps = outer.steps
        found = [path]
        for statement in statements(items):
            kind = keyword(statement[0])
            at = statement[0].line
            group = statement[1] if len(statement) == 2 else None
            if not isinstance(group, Group) or kind not in ("source", "destination", "log", "flags", *_STEPS):
                what = f"log: {named(statement[0])} was left out, and what is in it"
                self.remarks.add(at, what, "write the sources and destinations in it as paths of their own")
            elif kind == "log":
                found += self.read(at, group.items, path)
            elif kind == "flags":
                path.flags.update(canonical(each.text).lower() for each in group.items if isinstance(each, Token))
            elif kind in _STEPS:
                if len(path.steps) == MAX_STEPS:
                    raise NotReadable(at, f"a path has more than {MAX_STEPS} filters and the like", "write it shorter")
                path.steps = (*path.steps, Step(kind, named(group), at))
            else:
                self._reference(path, kind, group)
        return found

    def _reference(self, path: Path, kind: str, group: Group) -> None:
        """
        ``source(s_net);`` or a source that stands in the path itself, and the same for destinations.
        """
        known = self.sources if kind == "source" else self.destinations
        if group.bracket == "{":
            # No name has a line end in it.
            names = [f"log\n{len(known)}"]
            known[names[0]] = Definition(f"{kind} in log", "log", group.line, group.items)
        else:
            names = [each.text for each in group.items if isinstance(each, Token)]
        for name in names:
            if name not in known:
                what = f"log: there is no {kind} {plain(name)} in this file"
                self.remarks.add(
                    group.line, what, "if an @include has it, import that file, too, and join them by hand"
                )
            elif kind == "source":
                path.sources.setdefault(name)
            else:
                path.destinations.setdefault(name, path.steps)


def named(node: Node) -> str:
    """
    A node for people: ``f_mail`` for ``(f_mail)``.
    """
    if isinstance(node, Token):
        return plain(node.text)
    words = [each.text for each in node.items if isinstance(each, Token)]
    return plain(words[0]) if len(words) == 1 else "without a name"


def effect(step: Step) -> str:
    """
    What is the case without a step.
    """
    return _STEPS[step.kind]
