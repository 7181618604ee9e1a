"""
Descriptions of where a source listens, as the configuration writes them.

The notation is that of Twisted's endpoint descriptions: fields with colons between, ``name=value`` or, in order,
values alone; a backslash takes away the meaning of the character after it.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

import attrs

from .values import Mistake, literal, meant, shown

#: The fields of each kind, in their order.
FIELDS = {
    "tcp": ("port", "interface", "backlog"),
    "tls": ("port", "interface", "backlog"),
    "udp": ("port", "interface"),
    "unix": ("address",),
    "unix-dgram": ("address",),
    "systemd": ("domain", "index", "name"),
}

#: The remedy of most mistakes.
FORMS = (
    "write for example tcp:5140, tls:6514:interface=192.0.2.1, udp:514, unix:/path, unix-dgram:/path "
    "or systemd:domain=INET:index=0"
)

#: The remedy where HTTP is to be served.
WEB_FORMS = "write for example tcp:9514, which is on loopback only, or tcp:9514:interface=192.0.2.1"

#: Address families of sockets that systemd passes.
DOMAINS = ("INET", "INET6", "UNIX")

#: systemd passes descriptors from 3 on; no process has more than this without asking for it.
MAX_INDEX = 1000

#: The kernel cuts it at net.core.somaxconn anyway.
MAX_BACKLOG = 65535


@attrs.frozen
class Listen:
    """
    A parsed ``listen`` value.

    :ivar kind: ``tcp``, ``tls``, ``udp``, ``unix``, ``unix-dgram`` or ``systemd``.
    :ivar text: as the user wrote it.
    :ivar port: for tcp, tls and udp; 0 to 65535.
    :ivar interface: for tcp, tls and udp: an IPv4 or IPv6 literal; empty for all IPv4 interfaces.
    :ivar backlog: for tcp and tls.
    :ivar path: for unix and unix-dgram.
    :ivar domain: for systemd: the family of the socket passed: ``INET``, ``INET6`` or ``UNIX``.
    :ivar index: for systemd: which of the sockets passed, from 0.
    :ivar socketName: for systemd: the name of the socket passed, instead of an index.
    """

    kind: str
    text: str
    port: int = 0
    interface: str = ""
    backlog: int = 1024
    path: str = ""
    domain: str = ""
    index: int | None = None
    socketName: str = ""

    def collides(self, other: Listen) -> bool:
        """
        Whether both can't be listened on at once.  Every port 0 is another port.
        """
        if self.path or other.path:
            return self.path == other.path
        if "systemd" in (self.kind, other.kind):
            return (self.kind, self.index, self.socketName) == (other.kind, other.index, other.socketName)
        if (self.kind == "udp") != (other.kind == "udp") or self.port != other.port or self.port == 0:
            return False
        ours, theirs = ip_address(self.interface or "0.0.0.0"), ip_address(other.interface or "0.0.0.0")
        overlap = ours == theirs or ours.is_unspecified or theirs.is_unspecified
        return overlap and ours.version == theirs.version


def parseListen(text: object) -> Listen:
    """
    Read where a source listens.

    :raises Mistake: if it is none of the forms that are known.
    """
    if not isinstance(text, str):
        raise Mistake(f"{shown(text)} is not a text", FORMS)
    if not text.isprintable():
        # It stands in the log, as the name of the source.
        raise Mistake(f"{shown(text)} has characters that can't be shown", FORMS)
    kind, *rest = _split(text)
    if kind[0] is not None or kind[1] not in FIELDS:
        guess = meant(kind[1], FIELDS)
        remedy = f"write {guess}:" if guess else FORMS
        raise Mistake(f"{shown(text)}: {shown(kind[1])} is nothing to listen on", remedy)
    fields = _fields(kind[1], rest, text)
    if kind[1] in ("unix", "unix-dgram"):
        return Listen(kind[1], text, path=_path(fields, text))
    if kind[1] == "systemd":
        return _systemd(fields, text)
    interface = fields.get("interface", "")
    if interface and literal(interface) is None:
        raise Mistake(
            f"{shown(text)}: {shown(interface)} is not an IP address",
            r"write an IPv4 address, or an IPv6 one with a backslash before each colon, in single quotes (\:\:1)",
        )
    backlog = _number(fields.get("backlog", "1024"), "backlog", 1, MAX_BACKLOG, text)
    return Listen(
        kind[1], text, port=_number(fields.get("port"), "port", 0, 65535, text), interface=interface, backlog=backlog
    )


def parseWebListen(text: object) -> Listen:
    """
    Read where HTTP is served: on loopback, unless an interface is named.

    :raises Mistake: if it is none of the forms that are known.
    """
    listen = parseListen(text)
    if listen.kind != "tcp":
        raise Mistake(f"{listen.kind} is not served over HTTP", WEB_FORMS)
    return listen if listen.interface else attrs.evolve(listen, interface="127.0.0.1")


def _split(text: str) -> list[tuple[str | None, str]]:
    """
    Tell the fields apart.

    :return: name, if there is one, and value of each.
    """
    parts: list[tuple[str | None, str]] = []
    name, value = None, ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            value += next(characters, "\\")
        elif character == ":":
            parts.append((name, value))
            name, value = None, ""
        elif character == "=" and name is None:
            name, value = value, ""
        else:
            value += character
    return [*parts, (name, value)]


def _fields(kind: str, parts: list[tuple[str | None, str]], text: str) -> dict[str, str]:
    """
    The fields by name; those without a name are named by their places.
    """
    fields: dict[str, str] = {}
    for place, (name, value) in enumerate(parts):
        if name is None and place < len(FIELDS[kind]):
            name = FIELDS[kind][place]
        if name is None or name not in FIELDS[kind]:
            known = ", ".join(FIELDS[kind])
            escape = r" (a colon within a value needs a backslash before it: \:)"
            raise Mistake(f"{shown(text)}: {shown(name or value)} is unknown there", f"{kind} takes {known}{escape}")
        if name in fields:
            raise Mistake(f"{shown(text)}: {name} is given twice", "give it once")
        fields[name] = value
    return fields


def _systemd(fields: dict[str, str], text: str) -> Listen:
    """
    A socket that systemd passes, by its index or its name.
    """
    domain = fields.get("domain", "")
    if domain not in DOMAINS:
        raise Mistake(f"{shown(text)}: {shown(domain)} is not a domain", f"write one of {', '.join(DOMAINS)}")
    if ("index" in fields) == bool(fields.get("name")):
        raise Mistake(f"{shown(text)} must have an index or a name", "write index=0, or name= and the socket's name")
    index = _number(fields["index"], "index", 0, MAX_INDEX, text) if "index" in fields else None
    return Listen("systemd", text, domain=domain, index=index, socketName=fields.get("name", ""))


def _path(fields: dict[str, str], text: str) -> str:
    path = fields.get("address", "")
    if not path:
        raise Mistake(f"{shown(text)} names no path", "write the socket's path, as in unix:/run/log.sock")
    return path


def _number(digits: str | None, noun: str, low: int, high: int, text: str) -> int:
    if digits is None or not re.fullmatch("[0-9]{1,9}", digits) or not low <= int(digits) <= high:
        found = "is missing" if digits is None else f"{shown(digits)} is wrong"
        raise Mistake(f"{shown(text)}: the {noun} {found}", f"write a {noun} from {low} to {high}")
    return int(digits)
