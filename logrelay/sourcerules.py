"""
What the keys of a source have to do with each other, and sources with other sources.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from itertools import chain, count

import attrs

from .config import PROGRAM, SourceSettings
from .keys import SOURCE
from .lines import KeyPath
from .listening import Listen
from .sections import Findings, Reading, readSection
from .values import MAX_SOCKET_PATH, meant, shown

_STREAMS = ("tcp", "tls", "unix", "systemd")
_RELP = ("tcp", "tls")

#: What does not listen.
_DEAF = {"stdin": "standard input does", "file": "files do"}

#: Where keys that not every source knows have a meaning.
_ONLY = {
    "path": ("file",),
    "framing": (*_STREAMS, "stdin"),
    "max-connections": _STREAMS,
    "so-rcvbuf": ("udp",),
    "mode": ("unix", "unix-dgram"),
    "reuse-port": ("tcp", "tls", "udp"),
}


@attrs.frozen
class SourceRules:
    """
    Reads the sources, one after the other.

    :ivar base: the absolute path of the folder that relative paths start from.
    :ivar destinations: the names of all destinations.
    :ivar tls: whether there is a certificate for ``tls:`` sources.
    :ivar taken: what the sources read so far listen on, and whether they let others share their ports.
        Standard input is ``None``.
    :ivar names: of the sources so far, and of what is none.
    """

    findings: Findings
    base: str
    destinations: Collection[str]
    tls: bool
    taken: list[tuple[Listen | None, bool]] = attrs.field(factory=list)
    names: set[str] = attrs.field(factory=lambda: {PROGRAM})

    def read(self, path: KeyPath, table: Mapping[str, object]) -> SourceSettings | None:
        """
        Read a ``[[source]]``.

        :return: the settings, or ``None`` if anything was wrong.
        """
        before = len(self.findings.found)
        own = readSection(self.findings, SOURCE, path, table, self.base)
        type_ = own.values.get("type")
        listen = self._listen(own) if type_ else None
        if type_ == "file":
            name = self._named(self._files(own))
        elif type_ == "stdin" or listen:
            self._applicable(own, listen)
            self._apart(own, listen)
            name = self._named(listen.text if listen else "stdin")
        to = self._to(own)
        if len(self.findings.found) > before:
            return None
        return SourceSettings(**{**own.values, "name": name, "listen": listen, "to": to})

    def _files(self, own: Reading) -> str:
        """
        Which files it follows.
        """
        if "path" not in own.written:
            self.findings.add((*own.path, "path"), "is missing", 'add it, as in "/var/log/app/*.log"')
        self._applicable(own, None)
        return str(own.written.get("path", "file"))

    def _named(self, text: str) -> str:
        """
        A source's name, unlike that of any other: a file may be called as standard input is, too.

        :param text: what it would be.
        """
        names = (f"{text} #{number}" for number in count(2))
        name = next(name for name in chain([text], names) if name not in self.names)
        self.names.add(name)
        return name

    def _listen(self, own: Reading) -> Listen | None:
        """
        Where it listens; paths made absolute.
        """
        path = (*own.path, "listen")
        if own.values["type"] in _DEAF:
            if "listen" in own.written:
                what = f"{_DEAF[own.values['type']]} not listen"
                self.findings.add(path, what, 'take it out, or write type = "syslog"')
            return None
        if "listen" not in own.written:
            self.findings.add(path, "is missing", 'add it, as in "tcp:5140", or write type = "stdin"')
        listen: Listen | None = own.values.get("listen")
        if listen and listen.path:
            listen = attrs.evolve(listen, path=os.path.normpath(os.path.join(self.base, listen.path)))
            if len(os.fsencode(listen.path)) > MAX_SOCKET_PATH:
                what = f"{shown(listen.path)} is longer than a unix socket's path may be ({MAX_SOCKET_PATH} bytes)"
                self.findings.add(path, what, "write a shorter path")
        if listen and listen.kind == "tls" and not self.tls:
            what = "tls: needs a certificate to show"
            self.findings.add(path, what, "add [source-tls] with cert-file and key-file; there are no flags for it")
        return listen

    def _applicable(self, own: Reading, listen: Listen | None) -> None:
        """
        Refuse keys that would change nothing.  One that is written with its default does no harm.
        """
        kind = listen.kind if listen else own.values["type"]
        if own.values["type"] == "relp":
            self._relp(own, kind)
        for key in SOURCE.keys:
            kinds = _ONLY.get(key.name, (kind,))
            if kind in kinds or key.name not in own.written or key.attribute not in own.values:
                continue
            if not key.default or own.written[key.name] != key.defaultValue():
                what = f"has no meaning for {kind}: it is for {', '.join(kinds)}"
                self.findings.add((*own.path, key.name), what, "take it out")

    def _relp(self, own: Reading, kind: str) -> None:
        """
        Refuse what RELP, which has frames of its own and needs a way back, can't do.
        """
        if kind not in _RELP:
            what, remedy = f"RELP can't be listened for on {kind}", "write tcp: or tls:, as in tcp:2514"
            self.findings.add((*own.path, "listen"), what, remedy)
        if own.values.get("framing") is not None:
            what = "has no meaning for relp, which has frames of its own"
            self.findings.add((*own.path, "framing"), what, "take it out")

    def _apart(self, own: Reading, listen: Listen | None) -> None:
        """
        Refuse two sources that want the same place.
        """
        shared = own.values.get("reusePort", False)
        for other, otherShared in self.taken:
            if listen is None and other is None:
                self.findings.add((*own.path, "type"), "another source reads standard input", "take one of them out")
            elif listen and other and listen.collides(other) and not (shared and otherShared):
                what = f"{shown(other.text)} of another source listens there too"
                remedy = "change one of them, or (tcp, tls, udp) give both reuse-port = true"
                self.findings.add((*own.path, "listen"), what, remedy)
        self.taken.append((listen, shared))

    def _to(self, own: Reading) -> tuple[str, ...]:
        """
        The destinations it feeds.
        """
        path = (*own.path, "to")
        if "to" not in own.values:
            return tuple(self.destinations)
        names: tuple[str | None, ...] = own.values["to"]
        if not names:
            self.findings.add(path, "names no destination", "name one, or take it out to feed all")
        for place, name in enumerate(names):
            if name is not None and name not in self.destinations:
                guess = meant(name, self.destinations)
                remedy = f"write {shown(guess)}" if guess else "add it as [destination.NAME], or name one that there is"
                self.findings.add((*path, place), f"there is no destination {shown(name)}", remedy)
            elif name in names[:place]:
                self.findings.add((*path, place), f"{shown(name)} is named twice", "name it once")
        return tuple(name for name in names if name is not None)
