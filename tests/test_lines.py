"""
Tests for :mod:`logrelay.lines`.
"""

from __future__ import annotations

import tomllib
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.lines import KeyPath, linesOf

#: Strings that hold everything that a walk could take for structure; each with the number of line ends in it.
STRINGS = (
    '"plain"',
    '"] } , # = [x]"',
    r'"\" \\"',
    "'[[y]] = \"'",
    "''",
    '""',
    '"""one\n[no]\nkey = 1\n"""',
    '"""a""b"""""',
    '""""""',
    '"""\\"""\\\n  """',
    "'''two\n'' # no\n]'''''",
)
OTHERS = ("1", "-1.5e3", "nan", "0o666", "true", "1979-05-27 07:32:00.5", "1979-05-27T07:32:00Z", "07:32:00")


@attrs.define
class Writer:
    """
    Writes a TOML text and notes the line of each key by another way than the code under test.
    """

    draw: Any
    text: str = ""
    lines: dict[KeyPath, int] = attrs.field(factory=dict)
    names: int = 0

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def key(self) -> tuple[str, str]:
        """
        A new key: as written, and its name.
        """
        self.names += 1
        name = f"k{self.names}"
        forms = [(name, name), (f'"{name} ="', f"{name} ="), (f"'{name}\"'", f'{name}"')]
        written, name = self.draw(st.sampled_from(forms))
        return written, name

    def gap(self, many: bool) -> None:
        """
        Space, and line ends and comments where there may be any.
        """
        self.text += self.draw(st.sampled_from(["", " ", "\t"] + ["\n", " # ], [no]\n", "\r\n\n"] * many))

    def pair(self, table: KeyPath, depth: int) -> None:
        for place in range(self.draw(st.integers(1, 3))):
            written, name = self.key()
            self.text += (" . " if place else "") + written
            table += (name,)
            self.lines[table] = self.line
        self.text += " = "
        self.value(table, depth)

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.draw(st.sampled_from(["string", "other", "array", "inline"] if depth else ["string", "other"]))
        if kind in ("string", "other"):
            self.text += self.draw(st.sampled_from(STRINGS if kind == "string" else OTHERS))
            return
        count = self.draw(st.integers(0, 3))
        self.text += "[" if kind == "array" else "{"
        for place in range(count):
            self.gap(kind == "array")
            if kind == "array":
                self.lines[(*path, place)] = self.line
                self.value((*path, place), depth - 1)
            else:
                self.pair(path, depth - 1)
            self.gap(kind == "array")
            self.text += "," if place < count - 1 or (kind == "array" and self.draw(st.booleans())) else ""
        self.gap(kind == "array")
        self.text += "]" if kind == "array" else "}"

    def document(self) -> None:
        table: KeyPath = ()
        tables = 0
        for _ in range(self.draw(st.integers(0, 6))):
            kind = self.draw(st.sampled_from(["pair", "pair", "comment", "table", "array", "inner"]))
            if kind == "comment":
                self.text += self.draw(st.sampled_from(["", "# [no] = '''", "  \t"]))
            elif kind == "pair":
                self.pair(table, 2)
            elif kind == "table":
                written, name = self.key()
                table = (name,)
                self.lines[table] = self.line
                self.text += f"[ {written} ]"
            elif kind == "array":
                self.lines.setdefault(("many",), self.line)
                table = ("many", tables)
                self.lines[table] = self.line
                self.text += "[[many]]"
                tables += 1
            elif tables:
                written, name = self.key()
                table = ("many", tables - 1, name)
                self.lines[table] = self.line
                self.text += f"[many.{written}] # end"
            self.text += self.draw(st.sampled_from(["\n", "\r\n"]))


@st.composite
def documents(draw: Any) -> Writer:
    writer = Writer(draw)
    writer.document()
    return writer


class LinesTests(SynchronousTestCase):
    """
    The line of each key of a text.
    """

    def test_everyKeyIsFound(self) -> None:
        """
        Every table, key and item of a text that tomllib accepts has the line on which it begins, whatever strings,
        comments and brackets stand around it.
        """

        @settings(max_examples=100, deadline=None, database=None)
        @given(documents())
        def check(writer: Writer) -> None:
            self.assertEqual(linesOf(writer.text), writer.lines)
            self.assertEqual(set(writer.lines), set(paths(tomllib.loads(writer.text))))

        check()

    def test_spreadTable(self) -> None:
        """
        A table has the line of its header, also when a deeper one stands before it; one without a header has that of
        the first key that mentions it.
        """
        text = "[a.b]\nx = 1\n[a]\ny = 1\n[c]\nd.e = 1\nd.f = 2\n"
        lines = linesOf(text)
        self.assertEqual((lines["a",], lines["a", "b"], lines["c", "d"], lines["c", "d", "f"]), (3, 1, 6, 7))

    def test_nestedArraysOfTables(self) -> None:
        """
        Arrays of tables within arrays of tables count anew in each.
        """
        lines = linesOf("[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]\nx = 1")
        self.assertEqual((lines["a", 0, "b", 1], lines["a", 1, "b", 0, "x"]), (3, 6))

    def test_escapedNames(self) -> None:
        """
        Two spellings of one name are one name.
        """
        self.assertEqual(linesOf('"\\u0061" = 1'), {("a",): 1})


def paths(value: object, path: KeyPath = ()) -> list[KeyPath]:
    """
    The way to everything in a tree.
    """
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    found = [path] if path else []
    for name, item in inner:
        found += paths(item, (*path, name))
    return found
