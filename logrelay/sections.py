"""
Reading sections by the table of keys, and collecting what is wrong with them.

It is the same for a file and for flags: both are a tree of tables by the time they come here, and differ in where
a key stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .errors import ConfigurationError, Problem
from .keys import SECTIONS, Section
from .lines import KeyPath
from .values import Kind, Mistake, Several, meant, shown


@attrs.frozen
class Place:
    """
    Where a key stands.

    :ivar order: what problems are sorted by.
    :ivar where: for :class:`logrelay.errors.Problem`.
    :ivar key: for :class:`logrelay.errors.Problem`.
    """

    order: int
    where: str
    key: str


@attrs.frozen
class Findings:
    """
    Everything found wrong so far.

    :ivar locate: says where a key stands, or would stand if it is missing.
    """

    locate: Callable[[KeyPath], Place]
    found: list[tuple[int, Problem]] = attrs.field(factory=list)

    def add(self, path: KeyPath, what: str, remedy: str) -> None:
        """
        Note a problem with a key.
        """
        place = self.locate(path)
        self.found.append((place.order, Problem(place.where, place.key, what, remedy)))

    def raiseAny(self) -> None:
        """
        :raises ConfigurationError: with all that was found, in the order of the file, if anything was.
        """
        if self.found:
            raise ConfigurationError(*(problem for _, problem in sorted(self.found, key=lambda entry: entry[0])))


@attrs.frozen
class Reading:
    """
    One section, read.

    :ivar path: where it stands.
    :ivar written: the keys that are written in it, with their values as tomllib gives them.
    :ivar values: settings by the names of their attributes; defaults are filled in, and what could not be read is
        left out.  In a list, an item that could not be read is ``None``.
    :ivar sound: whether all that is written could be read.
    """

    path: KeyPath
    written: Mapping[str, object]
    values: dict[str, Any]
    sound: bool


def readTable(findings: Findings, path: KeyPath, value: object, header: str) -> dict[str, Any] | None:
    """
    Make sure that something is a table.

    :param header: how the table would be written.
    """
    if isinstance(value, dict):
        return value
    findings.add(path, f"{shown(value)} is not a section", f"write {header} on a line of its own, and its keys below")
    return None


def readSection(findings: Findings, section: Section, path: KeyPath, table: Mapping[str, object], base: str) -> Reading:
    """
    Read the keys of a section; the sections in it are left to the caller.

    :param base: the absolute path of the folder that relative paths start from.
    """
    before = len(findings.found)
    values: dict[str, Any] = {}
    for name in table:
        if not section.find(name) and name not in section.tables:
            findings.add((*path, name), "is unknown here", _advice(section, name))
    for key in section.keys:
        if key.name not in table and key.needed:
            findings.add((*path, key.name), "is missing", f"add it: {key.kind.label}")
        elif key.name in table or key.default:
            value = table[key.name] if key.name in table else key.defaultValue()
            for setting in _read(findings, key.kind, (*path, key.name), value, base):
                values[key.attribute] = setting
    return Reading(path, table, values, sound=len(findings.found) == before)


def _read(findings: Findings, kind: Kind | Several, path: KeyPath, value: object, base: str) -> list[object]:
    """
    Read one value, or say what is wrong with it.

    :return: the setting, if there is one.
    """
    try:
        if not isinstance(kind, Several):
            return [kind.read(value, base)]
        items = [_read(findings, kind.item, (*path, i), item, base) for i, item in enumerate(kind.items(value, base))]
        return [tuple(item[0] if item else None for item in items)]
    except Mistake as mistake:
        findings.add(path, mistake.what, mistake.remedy)
        return []


def _advice(section: Section, name: str) -> str:
    """
    What somebody who wrote an unknown key probably meant.
    """
    owners = [other.header or "the top of the file" for other in SECTIONS if other.find(name)]
    if owners:
        return f"it belongs to {' or '.join(owners)}"
    known = [*(key.name for key in section.keys), *section.tables]
    guess = meant(name, known)
    return f"did you mean {guess}?" if guess else f"take it out; known here are {', '.join(known)}"
