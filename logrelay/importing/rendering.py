"""
The parts of a relay as TOML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..keys import BUFFER, DESTINATION, FAILBACK, SOURCE, SOURCE_TLS, SPOOL, TLS, Section
from ..values import sizeText
from .parts import Entry, Relay, Value
from .remarks import Remark, plain

#: Keys whose numbers are of bytes, and those that are read in octal.
_SIZES = {"max-message-size", "so-rcvbuf", "size"}
_MODES = {"mode"}

_SECTIONS: dict[str | int, Section] = {"source": SOURCE, "destination": DESTINATION, "source-tls": SOURCE_TLS}
_INNER = {"failback": FAILBACK, "tls": TLS, "buffer": BUFFER, "spool": SPOOL}


def render(relay: Relay, name: str, remarks: Sequence[Remark]) -> str:
    """
    Write all of it.

    :param name: of the file that it comes from.
    :param remarks: what is to be read before it is used.
    """
    lines = [f"# From {plain(name)}, by logrelay import."]
    lines += [f"# Line {each.line}: {_comment(each)}" for each in remarks]
    several = len(relay.destinations) > 1
    for path, part in relay.placed():
        lines += ["", f"# Line {part.line}: {part.origin}"]
        header = ".".join(str(each) for each in path)
        lines.append("[[source]]" if path[0] == "source" else f"[{header}]")
        section = _SECTIONS[path[0]]
        lines += _keys(section, part.keys)
        if several and part.to:
            lines.append(f"to = {_list(list(part.to))}")
        for table in section.tables:
            if table in part.tables:
                lines += ["", f"[{header}.{table}]", *_keys(_INNER[table], part.tables[table])]
    return "\n".join(lines) + "\n"


def _comment(remark: Remark) -> str:
    """
    A remark on one line, without anything that TOML does not allow in a comment.
    """
    return "".join(c if c.isprintable() else "?" for c in str(remark))


def _keys(section: Section, keys: dict[str, Entry]) -> Iterator[str]:
    """
    The keys of a section, in the order in which they are documented.
    """
    return (f"{key.name} = {_valueOf(key.name, keys[key.name].value)}" for key in section.keys if key.name in keys)


def _valueOf(key: str, value: Value) -> str:
    """
    The value of a key.
    """
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if key in _MODES:
            return oct(value)
        text = sizeText(value) if key in _SIZES else str(value)
        return text if text.lstrip("-").isdigit() else f'"{text}"'
    return _scalar(value)


def _list(value: Sequence[object]) -> str:
    return f"[{', '.join(map(_scalar, value))}]"


def _scalar(value: object) -> str:
    """
    A value that is no list.  TOML's basic strings have JSON's escapes, and do not allow DEL as it is.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
