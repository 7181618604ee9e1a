"""
The drivers of syslog-ng's sources, as sources of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from ..values import Mistake, shown
from . import values
from .localsources import LOCAL, escaped
from .options import Draft, apply
from .parts import Part, Relay
from .remarks import Remarks, plain
from .sourcetables import DEFAULT_DRIVERS, NETWORK_SOURCE
from .sourcetls import present
from .tokens import Token, TokenKind
from .treatments import HINTS, family, port
from .tree import Call, Node, split, written


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
        draft = Draft(Part(f"{name}, {plain(call.name)}()", call.line), self.remarks)
        make = self._network if call.name in LISTENERS else LOCAL.get(call.name)
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
        draft = Draft(Part(f"{name}, {plain(call.name)}()", call.line), self.remarks)
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


#: Every driver that is translated.
DRIVERS = (*LISTENERS, *LOCAL, "default-network-drivers")
