"""
What our own reader says of the result: it must accept it.

What it does not accept is taken out, and told with the line of syslog-ng's configuration that it comes from.  The files
that are named need not be there: the configuration may be imported on another machine.
"""

from __future__ import annotations

import os
import tomllib
from typing import Any

from ..configfile import MAX_FILE, dotted
from ..errors import ConfigurationError, Problem
from ..keys import SECTIONS
from ..lines import KeyPath
from ..sections import Place
from ..validation import configurationFrom
from ..values import File, Folder, shown
from .parts import Part, Relay
from .remarks import NotReadable, Remark, Remarks
from .rendering import render

#: Each round takes something out; what is left then shows no new mistakes but a few.
_ROUNDS = 10

#: Keys without which a source or destination would be another one, or less safe.
_VITAL = {
    *("type", "listen", "path", "primary", "port", "localip", "ip-protocol", "transport"),
    *("tls", "ca-file", "ca-dir", "pins"),
}

#: Keys that name what must be there when the relay starts.
_FILES = {
    key.name: os.path.dirname(__file__) if isinstance(key.kind, Folder) else __file__
    for section in SECTIONS
    for key in section.keys
    if isinstance(key.kind, File) or (isinstance(key.kind, Folder) and key.kind.exists)
}


def checked(relay: Relay, name: str, remarks: Remarks) -> str:
    """
    Write a relay, without what our reader does not accept.

    :param name: of the file that it comes from.
    :return: the text, which our reader accepts; empty if nothing is left.
    :raises NotReadable: if it is too long, or does not become acceptable.
    """
    for _ in range(_ROUNDS):
        if not relay.sources or not relay.destinations:
            return ""
        text = render(relay, name, ())
        if len(text.encode()) > MAX_FILE:
            raise NotReadable(0, "becomes more than 1 MiB", "import it in parts, for several relays")
        wrong = _mistakes(text)
        if not wrong:
            return _withRemarks(relay, name, remarks.sorted())
        parts = dict(relay.placed())
        # From the back: what is taken out of a list moves what is behind it.
        for path, problem in sorted(dict(wrong).items(), key=_place, reverse=True):
            _takeOut(relay, parts, path, problem, remarks)
    raise NotReadable(0, "can't be made into a configuration of logrelay", "write that by hand")


def _withRemarks(relay: Relay, name: str, said: tuple[Remark, ...]) -> str:
    """
    The text, with as many of the remarks as it may hold.
    """
    text = render(relay, name, said)
    return text if len(text.encode()) <= MAX_FILE else render(relay, name, ())


def _mistakes(text: str) -> list[tuple[KeyPath, Problem]]:
    """
    What our reader does not accept, with the places of the keys.
    """
    asked: list[KeyPath] = []

    def locate(path: KeyPath) -> Place:
        # Problems are sorted by this, so they come in the order in which they were found.
        asked.append(path)
        return Place(len(asked), "", dotted(path))

    tree: dict[str, Any] = _withFiles(tomllib.loads(text))
    try:
        configurationFrom(tree, locate, "/", lambda settings: (), lambda settings: (), "linux")
    except ConfigurationError as error:
        return list(zip(asked, error.problems, strict=True))
    return []


def _place(mistake: tuple[KeyPath, Problem]) -> tuple[str, ...]:
    """
    What puts mistakes in the order of the text, as far as it matters.
    """
    path, _ = mistake
    return tuple(f"{each:09}" if isinstance(each, int) else each for each in path)


def _withFiles(tree: Any) -> Any:
    """
    The same with files that are there.
    """
    if isinstance(tree, list):
        return [_withFiles(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: _FILES.get(key, _withFiles(value)) for key, value in tree.items()}


def _takeOut(relay: Relay, parts: dict[KeyPath, Part], path: KeyPath, problem: Problem, remarks: Remarks) -> None:
    """
    Do without what a problem is about: a key, or the whole part.
    """
    part = parts.get(path[:1]) or parts.get(path[:2])
    if part is None:
        raise NotReadable(0, f"{problem.key}: {problem.what}", problem.remedy)
    names = [each for each in path[1 if path[0] == "source-tls" else 2 :] if isinstance(each, str)]
    table, key = (names[0], names[1]) if len(names) > 1 else ("", names[0] if names else "")
    keys = part.tables.get(table, {})
    entry = keys.get(key)
    line = entry.line if entry is not None else part.line
    if entry is not None and isinstance(entry.value, list) and key == "failovers" and isinstance(path[-1], int):
        gone: Any = entry.value
        what = f"{part.origin}: {shown(gone[path[-1]])} was left out of {key}: {problem.what}"
        kept: Any = [each for place, each in enumerate(gone) if place != path[-1]]
        part.put(f"{table}.{key}" if table else key, kept, line)
    elif entry is not None and (key not in _VITAL or table == "spool") and part is not relay.sourceTLS:
        what = f"{part.origin}: {key} was left out: {problem.what}"
        del keys[key]
    elif key == "failback" and key in part.tables:
        what = f"{part.origin}: failback was left out: {problem.what}"
        del part.tables[key]
    else:
        what = f"{part.origin} was left out: {problem.what}"
        _drop(relay, part)
    remarks.add(line, what, problem.remedy)


def _drop(relay: Relay, part: Part) -> None:
    """
    Do without a part; without a certificate, also without the sources that would show it.
    """
    if part is not relay.sourceTLS:
        relay.drop(part)
        return
    relay.sourceTLS = None
    relay.sources = [each for each in relay.sources if not str(each.keys["listen"].value).startswith("tls:")]
