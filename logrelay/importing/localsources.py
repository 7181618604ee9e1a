"""
The drivers of syslog-ng's sources that read what this host says: unix sockets, files, the journal, standard input.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence

from ..values import Mistake, shown
from . import values
from .options import Draft, apply, table
from .sourcetables import FILE_SOURCE, SOURCE, UNIX_SOURCE
from .treatments import HINTS
from .tree import Call

#: Where journald passes on what programs of this host log, if ``ForwardToSyslog=yes`` tells it to.
JOURNAL = "unix-dgram:/run/systemd/journal/syslog"

_JOURNAL_REMEDY = (
    "set ForwardToSyslog=yes in journald.conf if it is not set; where systemd does not run, write"
    ' listen = "unix-dgram:/dev/log"'
)


def escaped(value: str) -> str:
    """
    A value within a Twisted endpoint description.
    """
    return re.sub(r"([\\:=])", r"\\\1", value)


def _unix(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    ``unix-dgram()`` and ``unix-stream()``.
    """
    name = _first(call)
    apply(UNIX_SOURCE, HINTS, draft, options)
    if name == "/dev/log":
        _fromJournal(draft, call)
        return
    kind = "unix-dgram" if call.name == "unix-dgram" else "unix"
    draft.part.put("listen", f"{kind}:{escaped(name)}", call.line)
    if kind == "unix":
        draft.part.put("framing", "lf", call.line)


def _system(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    ``system()`` and ``systemd-journal()``: what this host says.
    """
    apply({}, HINTS, draft, options)
    _fromJournal(draft, call)


def _fromJournal(draft: Draft, call: Call) -> None:
    """
    What programs write to ``/dev/log``, which is journald's where systemd runs; it passes that on.
    """
    draft.part.put("listen", JOURNAL, call.line)
    what = f"{draft.part.origin} became the socket that journald passes messages on to"
    draft.remarks.add(call.line, what, _JOURNAL_REMEDY)


def _systemdSyslog(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    The socket that systemd passes.
    """
    apply(table(*SOURCE), HINTS, draft, options)
    draft.part.put("listen", "systemd:domain=UNIX:index=0", call.line)


def _file(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    ``file()``.  Wildcards in its name have always been wildcards.
    """
    name = _first(call)
    if name.startswith(("/proc/", "/dev/", "/sys/")):
        raise Mistake(f"{shown(name)} is not a file that grows", "journald passes on what the kernel says, too")
    apply(FILE_SOURCE, HINTS, draft, options)
    draft.part.put("type", "file", call.line)
    draft.part.put("path", name.replace("[", "[[]"), call.line)


def _wildcardFile(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    ``wildcard-file()``.
    """
    apply(FILE_SOURCE, HINTS, draft, options)
    given = draft.given
    for each in ("base-dir", "filename-pattern"):
        if each not in given:
            raise Mistake(f"it has no {each}()", "write a source with the path of the files")
    folder, pattern = values.path(given["base-dir"]), values.text(given["filename-pattern"])
    deep = "recursive" in given and values.truth(given["recursive"])
    path = os.path.join(glob.escape(folder), *(["**"] if deep else []), pattern.replace("[", "[[]"))
    draft.part.put("type", "file", call.line)
    draft.part.put("path", path, call.line)


def _stdin(draft: Draft, call: Call, options: Sequence[Call]) -> None:
    """
    Standard input, a line each.
    """
    apply(table(*SOURCE), HINTS, draft, options)
    draft.part.put("type", "stdin", call.line)
    draft.part.put("framing", "lf", call.line)


def _first(call: Call) -> str:
    """
    The path that a driver begins with.
    """
    return values.path(Call(call.name, call.line, call.items[:1]))


#: By driver.
LOCAL: dict[str, Callable[[Draft, Call, Sequence[Call]], None]] = {
    "file": _file,
    "stdin": _stdin,
    "system": _system,
    "systemd-journal": _system,
    "systemd-syslog": _systemdSyslog,
    "unix-dgram": _unix,
    "unix-stream": _unix,
    "wildcard-file": _wildcardFile,
}
