"""
The drivers of syslog-ng's sources, as sources of ours.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence

import attrs

from ..values import Mistake, shown
from . import values
from .options import Draft, apply, table
from .parts import Part, Relay
from .remarks import Remarks
from .sourcetables import DEFAULT_DRIVERS, FILE_SOURCE, NETWORK_SOURCE, SOURCE, UNIX_SOURCE
from .sourcetls import present
from .tokens import Token, TokenKind
from .treatments import HINTS, family, port
from .tree import Call, Node, split

#: Where journald passes on what programs of this host log, if ``ForwardToSyslog=yes`` tells it to.
JOURNAL = "unix-dgram:/run/systemd/journal/syslog"

_JOURNAL_REMEDY = (
    "set ForwardToSyslog=yes in journald.conf if it is not set; where systemd does not run, write"
    ' listen = "unix-dgram:/dev/log"'
)


@attrs.frozen
class Listener:
    """
    What a driver that listens on ports stands for.

    :ivar framing: of its streams.
    :ivar transport: where none is given.
    :ivar ports: by transport.
    :ivar family: the version of IP, where none is given.
    """

    framing: str
    transport: str
    ports: dict[str, int]
    family: str = "4"


_NETWORK_PORTS = {"tcp": 514, "tls": 514, "udp": 514}

#: By driver.  ``network()`` has port 514 over tls, too.
LISTENERS = {
    "network": Listener("lf", "tcp", _NETWORK_PORTS),
    "syslog": Listener("octet-counting", "tcp", {"tcp": 601, "tls": 6514, "udp": 514}),
    "tcp": Listener("lf", "tcp", _NETWORK_PORTS),
    "tcp6": Listener("lf", "tcp", _NETWORK_PORTS, "6"),
    "udp": Listener("lf", "udp", _NETWORK_PORTS),
    "udp6": Listener("lf", "udp", _NETWORK_PORTS, "6"),
}

#: What to do without other drivers.
_HINTS = {
    "internal": "what the relay says of itself is in the log of twistd",
    "pipe": "let the program write to a unix socket, or to a file",
    "program": "let the program write to a unix socket, or run it with a relay whose source is stdin",
}


@attrs.frozen
class Sources:
    """
    Makes sources.

    :ivar relay: what they become part of: its ``tls:`` sources show the same certificate.
    :ivar defaults: what the global options say of every source.
    """

    relay: Relay
    remarks: Remarks
    defaults: Part

    def make(self, name: str, items: Sequence[Node]) -> Iterator[Part]:
        """
        Make the sources of a ``source`` statement.

        :param name: for people: ``source s_net``.
        """
        calls, rest = split(items)
        for other in rest[:1]:
            what = f"{name}: what begins here with {written(other)} was left out"
            self.remarks.add(other.line, what, "write a source for what it does")
        for call in calls:
            if call.name == "default-network-drivers":
                yield from self._defaultDrivers(name, call)
            else:
                yield from self._one(name, call, split(call.items)[0])

    def _one(self, name: str, call: Call, options: Sequence[Call]) -> Iterator[Part]:
        """
        Make the source of one driver, if it can be made.
        """
        draft = Draft(Part(f"{name}, {call.name}()", call.line), self.remarks)
        make = self._network if call.name in LISTENERS else _OTHERS.get(call.name)
        if make is None:
            hint = _HINTS.get(call.name, "logrelay has no such source: have its messages sent to a socket of the relay")
            self.remarks.add(call.line, f"{draft.part.origin} was left out", hint)
            return
        try:
            make(draft, call, options)
        except Mistake as mistake:
            self.remarks.add(call.line, f"{draft.part.origin} was left out: {mistake.what}", mistake.remedy)
            return
        size = self.defaults.find("max-message-size")
        if size is not None and draft.part.find("max-message-size") is None:
            draft.part.put("max-message-size", size.value, size.line)
        yield draft.part

    def _network(self, draft: Draft, call: Call, options: Sequence[Call]) -> None:
        """
        A driver that listens on a port.
        """
        kind = LISTENERS[call.name]
        apply(NETWORK_SOURCE, HINTS, draft, options)
        given = draft.given
        transport = values.text(given["transport"]).lower() if "transport" in given else kind.transport
        if transport not in kind.ports:
            raise Mistake(f"there is no transport {shown(transport)}", "write a source for tcp, tls or udp")
        if "tls" in given and transport == "tcp":
            transport = "tls"
        number = next((port(given[name]) for name in ("port", "localport") if name in given), kind.ports[transport])
        version = family(given["ip-protocol"]) if "ip-protocol" in given else kind.family
        interface = next((values.text(given[name]) for name in ("ip", "localip") if name in given), "")
        backlog = values.whole(given["listen-backlog"]) if "listen-backlog" in given else 0
        if transport == "tls":
            present(self.relay, draft, given.get("tls"))
        anywhere = "::" if version == "6" else ""
        draft.part.put("listen", listenText(transport, number, interface or anywhere, backlog), call.line)
        if transport != "udp":
            draft.part.put("framing", kind.framing, call.line)

    def _defaultDrivers(self, name: str, call: Call) -> Iterator[Part]:
        """
        ``default-network-drivers()``: sources at the usual ports, over TLS only with a certificate.
        """
        draft = Draft(Part(f"{name}, {call.name}()", call.line), self.remarks)
        apply(DEFAULT_DRIVERS, HINTS, draft, split(call.items)[0])
        given = draft.given
        for driver, transport, portOption in (
            ("network", "tcp", "tcp-port"),
            ("network", "udp", "udp-port"),
            ("syslog", "tls", "rfc5424-tls-port"),
            ("syslog", "tcp", "rfc5424-tcp-port"),
        ):
            if transport == "tls" and "tls" not in given:
                continue
            options = [Call("transport", call.line, [Token(TokenKind.WORD, transport, call.line)])]
            if portOption in given:
                options.append(Call("port", given[portOption].line, given[portOption].items))
            unfit = {"tls": (), "tcp": ("tls",), "udp": ("tls", "max-connections")}[transport]
            shared = ("tls", "max-connections", "log-msg-size", "flags")
            options += [given[each] for each in shared if each in given and each not in unfit]
            yield from self._one(name, Call(driver, call.line, call.items), options)


def written(node: Node) -> str:
    """
    What a node begins with, for people.
    """
    return shown(node.text if isinstance(node, Token) else node.bracket)


def listenText(kind: str, number: int, interface: str, backlog: int) -> str:
    """
    Where to listen, as our configuration says it.
    """
    fields = [kind, str(number)]
    if interface not in ("", "0.0.0.0"):
        fields.append("interface=" + escaped(interface))
    if backlog and kind != "udp":
        fields.append(f"backlog={backlog}")
    return ":".join(fields)


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


_OTHERS: dict[str, Callable[[Draft, Call, Sequence[Call]], None]] = {
    "file": _file,
    "stdin": _stdin,
    "system": _system,
    "systemd-journal": _system,
    "systemd-syslog": _systemdSyslog,
    "unix-dgram": _unix,
    "unix-stream": _unix,
    "wildcard-file": _wildcardFile,
}

#: Every driver that is translated.
DRIVERS = (*LISTENERS, *_OTHERS, "default-network-drivers")
