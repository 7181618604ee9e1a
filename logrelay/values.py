"""
Kinds of values: how a value of the configuration is written, what its limits are, and what it is read as.

A :class:`Kind` knows nothing of keys, files or lines; it reads one value or says what is wrong with it.
"""

from __future__ import annotations

import datetime
import difflib
import glob
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

import attrs

from .errors import LogRelayError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

#: Longer than any path or name that means something; what is shown of a wrong value is cut here.
SHOWN = 80

#: What the kernel keeps of a unix socket's path (sun_path), without the NUL at its end.
MAX_SOCKET_PATH = 107

_SIZE = re.compile(r"([0-9]{1,15})(KiB|MiB|GiB)?")
_UNITS = {None: 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}


class Mistake(LogRelayError):
    """
    The writer's fault: one value that is not what it should be.

    :ivar what: what is wrong with it.
    :ivar remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


class Kind(Protocol):
    """
    How the values of a key are written.
    """

    @property
    def label(self) -> str:
        """
        What to write, with its limits: for the documentation and for remedies.
        """

    def read(self, value: object, base: str) -> object:
        """
        Make a setting of a value.

        :param value: as tomllib gives it.
        :param base: the absolute path of the folder that relative paths start from.
        :raises Mistake: if it is not one of this kind.
        """


def shown(value: object) -> str:
    """
    A wrong value as it stands in a message: near to how TOML writes it, on one line, not too long, and without
    characters that a terminal would obey.
    """
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, int) and value.bit_length() > 64:
        return "this huge number"
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > SHOWN:
        text = text[: SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def meant(name: str, known: Iterable[str]) -> str | None:
    """
    The known name that somebody who wrote ``name`` probably meant, if there is one.
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name[:SHOWN].lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def sizeText(size: int) -> str:
    """
    A number of bytes as people write it.
    """
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _within(value: float, low: float, high: float, why: str, label: str) -> None:
    """
    Refuse a number that is out of its limits.
    """
    if not low <= value <= high:
        side = "too small" if value < low else "too large"
        raise Mistake(f"{shown(value)} is {side}{': ' + why if why else ''}", f"write {label}")


@attrs.frozen
class Number:
    """
    A number between limits.

    :ivar noun: what it counts (``seconds``).
    :ivar why: the reason of the limits.
    :ivar whole: whether fractions are refused.
    """

    noun: str
    low: float
    high: float
    why: str = ""
    whole: bool = True

    @property
    def label(self) -> str:
        return f"{self.noun}, a {'whole ' if self.whole else ''}number from {self.low} to {self.high}"

    def read(self, value: object, base: str) -> object:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float) or value != value:
            raise Mistake(f"{shown(value)} is not a {'whole ' if self.whole else ''}number", f"write {self.label}")
        _within(value, self.low, self.high, self.why, self.label)
        return value


@attrs.frozen
class Size:
    """
    A number of bytes, also as text with a unit.

    :ivar why: the reason of the limits.
    """

    low: int
    high: int
    why: str = ""

    @property
    def label(self) -> str:
        return f'a number of bytes or a text such as "64MiB" (KiB, MiB, GiB), {sizeText(self.low)} to ' + sizeText(
            self.high
        )

    def read(self, value: object, base: str) -> object:
        size = value
        if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            size = int(match[1]) * _UNITS[match[2]]
        if isinstance(size, bool) or not isinstance(size, int):
            raise Mistake(f"{shown(value)} is not a size", f"write {self.label}")
        _within(size, self.low, self.high, self.why, self.label)
        return size


@attrs.frozen
class Choice:
    """
    One of some words.

    :ivar options: the words, and what each is read as.
    :ivar later: words that a later version knows.
    :ivar rule: why there are no others.
    """

    options: Mapping[str, object]
    later: tuple[str, ...] = ()
    rule: str = ""

    @property
    def label(self) -> str:
        return " | ".join(self.options)

    def read(self, value: object, base: str) -> object:
        # ip-protocol = 4 and min-version = 1.2 leave no doubt of what is meant, so quotes are not insisted on.
        digits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10
        text = str(value) if digits else value
        if isinstance(text, str) and text in self.options:
            return self.options[text]
        words = ", ".join(f'"{word}"' for word in self.options)
        if isinstance(text, str) and text in self.later:
            raise Mistake(f"{shown(value)} is not available in this version", f"write one of {words}")
        # Of words one may guess what is meant; of numbers not.
        guess = meant(text, self.options) if isinstance(text, str) and not text[:1].isdigit() else None
        raise Mistake(
            f"{shown(value)} is none of {words}{': ' + self.rule if self.rule else ''}",
            f'write "{guess}"' if guess else f"write one of {words}",
        )


def _text(value: object, noun: str) -> str:
    """
    The value, if it is a text that can be ``noun``.
    """
    if not isinstance(value, str):
        raise Mistake(f"{shown(value)} is not a text", f"write {noun} in quotes")
    if not value or "\0" in value:
        raise Mistake(f"{shown(value)} can't be {noun}", f"write {noun}, or leave the key out")
    return value


@attrs.frozen
class Folder:
    """
    The path of a folder.

    :ivar exists: whether it must be there already, and readable.
    """

    exists: bool

    @property
    def label(self) -> str:
        return "the path of a folder"

    def read(self, value: object, base: str) -> object:
        path = os.path.join(base, _text(value, self.label))
        if self.exists:
            try:
                os.listdir(path)
            except OSError as error:
                raise Mistake(f"{shown(path)} can't be read: {error.strerror}", f"write {self.label}") from error
        return path


@attrs.frozen
class File:
    """
    The path of a regular file that can be read.  Not a pipe: such a file is read again whenever it changes.
    """

    label: str = attrs.field(default="the path of a file", init=False)

    def read(self, value: object, base: str) -> object:
        path = os.path.join(base, _text(value, self.label))
        remedy = "name a file that the user who starts the relay can read"
        try:
            regular = stat.S_ISREG(os.stat(path).st_mode)
            if regular:
                open(path, "rb").close()
        except OSError as error:
            raise Mistake(f"{shown(path)} can't be read: {error.strerror}", remedy) from error
        if not regular:
            raise Mistake(f"{shown(path)} is not a regular file", remedy)
        return path


@attrs.frozen
class NewSocket:
    """
    The path of a unix socket that is going to be made.
    """

    label: str = attrs.field(default="the path of a unix socket", init=False)

    def read(self, value: object, base: str) -> object:
        path = os.path.normpath(os.path.join(base, _text(value, self.label)))
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            what = f"{shown(path)} is longer than a unix socket's path may be ({MAX_SOCKET_PATH} bytes)"
            raise Mistake(what, "write a shorter path")
        return path


@attrs.frozen
class Command:
    """
    A program and its arguments.  A path in the first item is relative to the file; a name is looked for on PATH.
    """

    label: str = attrs.field(default='a list, as in ["/usr/local/bin/tell", "--loud"]; [] for none', init=False)

    def read(self, value: object, base: str) -> object:
        if not isinstance(value, list):
            raise Mistake(f"{shown(value)} is not a list", f"write [{shown(value)}]; no shell takes it apart")
        words = [_text(each, "a program or an argument") for each in value]
        if not words:
            return ()
        program = os.path.join(base, words[0]) if "/" in words[0] else words[0]
        found = shutil.which(program)
        if found is None:
            raise Mistake(
                f"{shown(program)} is no program that can be run", "name one by its path, and make it executable"
            )
        return (os.path.abspath(found), *words[1:])


@attrs.frozen
class Pattern:
    """
    The path of files, with wildcards.
    """

    label: str = attrs.field(
        default='the path of files, where * ? [a-z] stand for what may vary, as in "/var/log/app/*.log"', init=False
    )

    def read(self, value: object, base: str) -> object:
        text = _text(value, "the path of files")
        if text.endswith("/"):
            raise Mistake(f"{shown(value)} is a folder", f"write {shown(text + '*')} for the files in it")
        return os.path.normpath(os.path.join(glob.escape(base), text))


@attrs.frozen
class Parsed:
    """
    A value with a form of its own.

    :ivar parse: makes a setting of it, or raises :class:`Mistake`.
    """

    label: str
    parse: Callable[[object], object]

    def read(self, value: object, base: str) -> object:
        return self.parse(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise Mistake(f"{shown(value)} is not true or false", "write true or false, without quotes")
    return value


def literal(text: str) -> IPv4Address | IPv6Address | None:
    """
    The address that a text spells, if it spells one.  A zone (``fe80::1%eth0``) is the name of an interface.
    """
    try:
        return ip_address(text) if re.fullmatch("[0-9A-Fa-f.:]+(%[A-Za-z0-9._-]{1,15})?", text) else None
    except ValueError:
        return None


def _address(value: object) -> str:
    if value == "":
        return ""
    address = literal(_text(value, "an address"))
    if address is None:
        raise Mistake(f"{shown(value)} is not an IP address", "write an IPv4 or IPv6 address, not a name")
    return str(address)


#: ``true`` or ``false``.
TRUTH = Parsed("true | false", _truth)

#: An IPv4 or IPv6 literal, or nothing.
ADDRESS = Parsed("an IPv4 or IPv6 address", _address)


@attrs.frozen
class Several:
    """
    A list of values of one kind.  It is read item by item by who knows the line of each.
    """

    item: Kind

    @property
    def label(self) -> str:
        return f"a list, each item {self.item.label}"

    def items(self, value: object, base: str) -> list[object]:
        """
        The items, not yet read.

        :raises Mistake: if the value is not a list.
        """
        if isinstance(value, list):
            return value
        if not isinstance(value, str):
            self.item.read(value, base)  # its own words for what can't be an item say more
        raise Mistake(f"{shown(value)} is not a list", f"write [{shown(value)}]")
