"""
Where each key of a TOML text stands.

tomllib says what a text holds and not where.  This walks over a text that tomllib has *accepted*, so it only has to
tell keys from values and lines from each other, and need not find mistakes: a token is a whole string, whatever
stands in it, so brackets and line ends that are met between tokens are real ones.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import attrs

#: The way to a value: names of keys and tables, and the places of items in lists, from 0.
KeyPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<string>
          \"{3}(?:\\.|[^\\])*?\"{3,5}(?!\") | '{3}.*?'{3,5}(?!')
        | "(?:\\.|[^"\\])*" | '[^']*')
    | (?P<mark>[\n\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,.\#"']+)
    """,
    re.DOTALL | re.VERBOSE,
)


@attrs.frozen
class _Token:
    text: str
    line: int


def linesOf(text: str) -> dict[KeyPath, int]:
    """
    Find the line, from 1, of each key, table and list item.  A table that is spread over a text has the line of
    its header or, without one, of the first key that mentions it.

    :param text: a text that tomllib accepts.
    """
    return _Walk(list(_tokens(text))).statements()


def _tokens(text: str) -> Iterator[_Token]:
    """
    Everything but spaces and comments, and a line end at the end.
    """
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield _Token(match[0], line)
        line += match[0].count("\n")
    yield _Token("\n", line)


def _name(token: _Token) -> str:
    """
    The name that a bare or quoted key spells.
    """
    name: str = tomllib.loads(f"name = {token.text}")["name"] if token.text[0] in "\"'" else token.text
    return name


@attrs.define
class _Walk:
    """
    One walk over the tokens of a text.

    :ivar tokens: the text.
    :ivar at: the place of the token that comes next.
    :ivar lines: what was found.
    :ivar counts: how many tables each array of tables has so far.
    """

    tokens: list[_Token]
    at: int = 0
    lines: dict[KeyPath, int] = attrs.field(factory=dict)
    counts: dict[KeyPath, int] = attrs.field(factory=dict)

    def statements(self) -> dict[KeyPath, int]:
        """
        Walk over everything.
        """
        table: KeyPath = ()
        while self.at < len(self.tokens):
            if self._next() == "[":
                table = self._header()
            elif self._next() == "\n":
                self.at += 1
            else:
                self._pair(table)
        return self.lines

    def _next(self) -> str:
        return self.tokens[self.at].text

    def _take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def _header(self) -> KeyPath:
        """
        ``[table]`` or ``[[array of tables]]``.

        :return: the path of the table that it opens.
        """
        line = self._take().line
        double = self._next() == "["
        self.at += double
        path: KeyPath = ()
        names = self._names()
        for place, name in enumerate(names, 1):
            path += (name,)
            self.lines.setdefault(path, line)
            if double and place == len(names):
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path += (self.counts[path] - 1,)
        self.lines[path] = line
        self.at += 1 + double
        return path

    def _names(self) -> list[str]:
        """
        The parts of a dotted key.
        """
        names = [_name(self._take())]
        while self._next() == ".":
            self.at += 1
            names.append(_name(self._take()))
        return names

    def _pair(self, table: KeyPath) -> None:
        """
        ``key = value``, in a table or an inline table.
        """
        line = self.tokens[self.at].line
        for name in self._names():
            table += (name,)
            self.lines.setdefault(table, line)
        self.at += 1
        self._value(table)

    def _value(self, path: KeyPath) -> None:
        """
        A value; those that hold others are walked through.
        """
        first = self._next()
        if first not in ("[", "{"):
            while self._next() not in ("\n", ",", "]", "}"):
                self.at += 1
            return
        self.at += 1
        place = 0
        while self._next() not in ("]", "}"):
            if self._next() in ("\n", ","):
                self.at += 1
            elif first == "{":
                self._pair(path)
            else:
                self.lines[(*path, place)] = self.tokens[self.at].line
                self._value((*path, place))
                place += 1
        self.at += 1
