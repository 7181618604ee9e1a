"""
Servers, as the configuration names them: ``host`` or ``host:port``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

import attrs

from .values import Mistake, literal, shown

T = TypeVar("T")

#: Said wherever somebody tries to give one server something of its own (spec 1.7).
SAME_FOR_ALL = (
    "nothing but host and port may differ between the servers of a destination: "
    "driver, transport and TLS options are the destination's"
)

#: How a server may be written; the remedy of most mistakes.
FORMS = "write host, host:port, an IPv4 or IPv6 address, or [IPv6 address]:port"

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
#: A last label like this makes resolvers read the whole as an IPv4 address, in forms that nobody expects.
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_OPTIONS = re.compile(r"://|[=({?;/@]")
_IPV6_LIKE = re.compile(r"[0-9A-Fa-f:.]+(%.*)?")


@attrs.frozen
class Server:
    """
    One log server: a host and a port.  Nothing else may differ between the servers of a destination.

    :ivar host: a name, or an IPv4 or IPv6 literal without brackets.
    :ivar port: 1 to 65535.
    """

    host: str
    port: int

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """
        The host as an address, or ``None`` where it is a name that has to be looked up.
        """
        return literal(self.host)

    @property
    def identity(self) -> tuple[str, int]:
        """
        What is equal for two spellings of the same server: case, a name's last dot and the zeros of an IPv6
        address make no difference.
        """
        address = self.address
        return (str(address) if address else self.host.lower().removesuffix("."), self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


#: Where each server of an old list is in a new one; ``None`` for one that is not.
Places = tuple[int | None, ...]


def placesOf(before: Sequence[Server], after: Sequence[Server]) -> Places:
    """
    Where the servers of one list are in another.
    """
    places = {server.identity: place for place, server in enumerate(after)}
    return tuple(places.get(server.identity) for server in before)


def moved(those: Iterable[int], places: Places) -> Iterator[int]:
    """
    Servers by their places in a new list, those left out that are not in it.
    """
    for each in those:
        place = places[each]
        if place is not None:
            yield place


def remapped(those: Mapping[int, T], places: Places) -> dict[int, T]:
    """
    What is known of servers, by their places in a new list, without those that are not in it.
    """
    return {place: each for server, each in those.items() if (place := places[server]) is not None}


def parseServer(text: object, defaultPort: int) -> Server:
    """
    Read a server as it is written in a configuration or on a command line.

    :param defaultPort: the port of a server that is written without one.
    :raises Mistake: if it is anything but a host and perhaps a port.
    """
    host, port = splitServer(text)
    return Server(host, defaultPort if port is None else port)


def splitServer(text: object) -> tuple[str, int | None]:
    """
    Tell host and port apart.

    :return: the host, without brackets, and the port, if there is one.
    :raises Mistake: if it is anything but a host and perhaps a port.
    """
    if isinstance(text, dict | list):
        raise Mistake(f"{shown(text)} is not a server: {SAME_FOR_ALL}", FORMS)
    if not isinstance(text, str):
        raise Mistake(f"{shown(text)} is not a server", FORMS + ", in quotes")
    if not text:
        raise Mistake("no server is named", FORMS)
    if _OPTIONS.search(text):
        raise Mistake(f"{shown(text)} is more than a host and a port: {SAME_FOR_ALL}", FORMS)
    if re.search(r"[\s,]", text):
        raise Mistake(f"{shown(text)} has a space or comma in it", "write each server as a text of its own")
    if text.startswith("["):
        return _splitBracketed(text)
    if _isIPv6(text):
        return text, None
    host, colon, port = text.partition(":")
    if ":" in port:
        if _IPV6_LIKE.fullmatch(text):
            raise Mistake(f"{shown(text)} is not an IPv6 address", FORMS)
        raise Mistake(f"{shown(text)} is more than a host and a port: {SAME_FOR_ALL}", FORMS)
    _checkHost(host)
    return host, _port(port, text) if colon else None


def _splitBracketed(text: str) -> tuple[str, int | None]:
    """
    Tell host and port apart where the host stands in brackets.
    """
    host, bracket, rest = text[1:].partition("]")
    if not bracket or not _isIPv6(host):
        raise Mistake(f"{shown(text)} has something other than an IPv6 address in brackets", FORMS)
    if not rest:
        return host, None
    if not rest.startswith(":"):
        raise Mistake(f"{shown(text)} goes on after the bracket", FORMS)
    return host, _port(rest[1:], text)


def _isIPv6(text: str) -> bool:
    return isinstance(literal(text), IPv6Address)


def _port(digits: str, text: str) -> int:
    """
    The port of the server ``text``.
    """
    if not re.fullmatch("[0-9]+", digits):
        raise Mistake(f"{shown(text)}: {shown(digits)} is not a port: {SAME_FOR_ALL}", FORMS)
    if not 1 <= len(digits) <= 5 or not 1 <= int(digits) <= 65535:
        raise Mistake(f"{shown(text)}: there is no such port", "write a port from 1 to 65535")
    return int(digits)


def _checkHost(host: str) -> None:
    """
    Refuse what can be neither an IPv4 address nor a name.  Underscores are let through: resolvers know them.
    """
    labels = host.removesuffix(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        if literal(host) is None:
            raise Mistake(f"{shown(host)} is not an IPv4 address, and no name ends in a number", FORMS)
    elif not host.isascii():
        raise Mistake(f"{shown(host)} is not an ASCII name", "write its ASCII form (xn--...)")
    elif len(host) > 254 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Mistake(
            f"{shown(host)} can't be the name of a host",
            "write letters, digits, - and _ in parts of 1 to 63 characters with dots between",
        )
