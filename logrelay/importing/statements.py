"""
The statements of a configuration of syslog-ng, sorted by what they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .globaltable import GLOBAL
from .options import Draft, apply
from .parts import Part
from .paths import Definition, Path, Paths
from .remarks import NotReadable, Remarks, plain
from .tokens import Token, TokenKind
from .treatments import HINTS
from .tree import Group, Node, keyword, parse, split

#: More sources or destinations than any configuration that people write has, and than one relay should have.
MAX_DEFINITIONS = 1000

#: What a file may define that is of use only to what is told where it is used.
_TOOLS = {
    "filter": "the relay does not filter",
    "filterx": "the relay does not filter",
    "parser": "the relay does not parse the text of messages",
    "rewrite": "the relay changes nothing of a message but its form",
    "template": "messages go out in one of the formats rfc5424, rfc3164 and as-is: choose by format = ...",
    "template-function": "messages go out in one of the formats rfc5424, rfc3164 and as-is: choose by format = ...",
    "block": "write by hand what it stands for",
    "python": "run it behind a log server",
}

#: Pragmas that need nothing: what they load are drivers, which are known here by their names.
_IDLE = ("version", "module", "requires")

_PRAGMAS = {
    "include": "import that file, too, and join the results by hand",
    "define": "what uses it is told, and has to be written by hand",
}


@attrs.define(eq=False)
class Content:
    """
    What a file holds.

    :ivar defaults: what the global options say of all parts.
    :ivar paths: a list for each ``log`` statement: the path, and those in it.
    """

    remarks: Remarks
    defaults: Part = attrs.field(factory=lambda: Part("options", 1))
    sources: dict[str, Definition] = attrs.field(factory=dict)
    destinations: dict[str, Definition] = attrs.field(factory=dict)
    paths: list[list[Path]] = attrs.field(factory=list)
    tools: dict[str, list[Node]] = attrs.field(factory=dict)
    _logs: list[tuple[int, Sequence[Node]]] = attrs.field(factory=list)

    @classmethod
    def of(cls, text: str, remarks: Remarks) -> Content:
        """
        Read a file.

        :raises NotReadable: if it is no configuration of syslog-ng.
        """
        content = cls(remarks)
        for statement in parse(text):
            content._take(statement)
        for kind, named in content.tools.items():
            others = f", and {len(named) - 1} more, were" if len(named) > 1 else " was"
            remarks.add(named[0].line, f"{kind} {_name(named[0])}{others} left out", _TOOLS[kind])
        # What they name may be defined after them.
        paths = Paths(remarks, content.sources, content.destinations)
        content.paths = [paths.read(line, items) for line, items in content._logs]
        for defined in (content.sources, content.destinations):
            if len(defined) > MAX_DEFINITIONS:
                last = list(defined.values())[-1]
                raise NotReadable(last.line, f"there are more than {MAX_DEFINITIONS} of these", "import it in parts")
        return content

    def _take(self, statement: list[Node]) -> None:
        """
        Sort a statement in.
        """
        first, *rest = statement
        kind = keyword(first)
        if isinstance(first, Token) and first.kind is TokenKind.PRAGMA:
            self._pragma(first)
        elif kind in ("source", "destination") and len(rest) == 2 and isinstance(rest[1], Group):
            self._define(kind, rest[0], rest[1])
        elif kind == "options" and len(rest) == 1 and isinstance(rest[0], Group):
            apply(GLOBAL, HINTS, Draft(self.defaults, self.remarks), split(rest[0].items)[0])
        elif kind == "log" and len(rest) == 1 and isinstance(rest[0], Group):
            self._logs.append((first.line, rest[0].items))
        elif kind == "include":
            self.remarks.add(first.line, "include was left out", _PRAGMAS["include"])
        elif kind in _TOOLS and rest and _closed(rest):
            self.tools.setdefault(kind, []).append(rest[0])
        else:
            what = f"the statement that begins with {_name(first)} can't be understood, and was left out"
            self.remarks.add(first.line, what, "look whether a ; is missing before it or in it")

    def _pragma(self, pragma: Token) -> None:
        """
        ``@include`` and the like.
        """
        name = pragma.text.replace(":", " ").partition(" ")[0]
        # Its own library: drivers, which are known here by their names.
        library = name == "include" and pragma.text.partition(" ")[2].strip(" \t\"'") == "scl.conf"
        if name not in _IDLE and not library:
            remedy = _PRAGMAS.get(name, "see whether you need it")
            self.remarks.add(pragma.line, f"@{plain(pragma.text)} was left out", remedy)

    def _define(self, kind: str, name: Node, group: Group) -> None:
        """
        A source or destination.
        """
        known = self.sources if kind == "source" else self.destinations
        text = name.text if isinstance(name, Token) else ""
        if text in known:
            what = f"{kind} {plain(text)} is defined again, and counts instead of that of line {known[text].line}"
            self.remarks.add(name.line, what, "rename one of them there")
        known[text] = Definition(f"{kind} {plain(text)}", text, name.line, group.items)


def _name(node: Node) -> str:
    """
    A node for people.
    """
    return plain(node.text if isinstance(node, Token) else node.bracket)


def _closed(rest: Sequence[Node]) -> bool:
    """
    Whether nothing that looks like another statement is behind a definition.
    """
    groups = [each for each in rest if isinstance(each, Group) and each.bracket == "{"]
    return len(groups) <= 1
