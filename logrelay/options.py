"""
The flags of ``twistd logrelay``: the simple case without a file.

Flags are made from the table of keys, and end as the same tree of tables that a file gives, read by the same rules.
A bad value is a :class:`logrelay.errors.ConfigurationError` and no ``UsageError``: for that twistd would print its
whole help.  Only a flag that does not exist is one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from twisted.python import usage

from .config import Configuration
from .configfile import readConfiguration
from .destinationrules import CheckFiles
from .errors import ConfigurationError, Problem
from .keys import BUFFER, CONTROL, DESTINATION, FAILBACK, HTTP, TLS, Key
from .lines import KeyPath
from .sections import Place
from .validation import CheckSourceFiles, configurationFrom
from .values import Choice, Number, Several

#: What the destination is called that flags describe.
DESTINATION_NAME = "central"

_CENTRAL: KeyPath = ("destination", DESTINATION_NAME)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@attrs.frozen
class Flag:
    """
    A flag that takes a value and stands for a key.

    :ivar path: where the key would stand in a file.
    """

    name: str
    key: Key
    path: KeyPath

    @property
    def repeatable(self) -> bool:
        """
        Whether each use adds one more.
        """
        return isinstance(self.key.kind, Several)

    @property
    def help(self) -> str:
        """
        The line of ``--help``.
        """
        if self.repeatable:
            return f"{self.key.help}  Give it again for more."
        words = f" ({self.key.kind.label})" if isinstance(self.key.kind, Choice) else ""
        default = self.key.default.strip('"')
        return self.key.help + words + (f" [default: {default}]" if default else "")

    def value(self, texts: list[str]) -> object:
        """
        What tomllib would have given for the key.
        """
        if self.repeatable:
            return list(texts)
        text = texts[-1]
        if isinstance(self.key.kind, Number) and _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text


def _flags() -> Iterator[Flag]:
    for section, path in (
        (DESTINATION, _CENTRAL),
        (FAILBACK, (*_CENTRAL, "failback")),
        (TLS, (*_CENTRAL, "tls")),
        (BUFFER, (*_CENTRAL, "buffer")),
        (CONTROL, ("control",)),
        (HTTP, ("http",)),
    ):
        for key in section.keys:
            if key.flag:
                yield Flag(key.flag, key, (*path, key.name))


#: The flags that stand for one key each, by their names.
FLAGS = {flag.name: flag for flag in _flags()}

#: The flags that do not stand for one key.
_OTHERS = ("config", "listen", "stdin", "failback")


class Options(usage.Options):
    """
    The command line of ``twistd logrelay``.

    :ivar given: the texts of each flag that was given, in their order.
    :ivar folder: the folder in which twistd was started; relative paths start from it.  Kept, since a daemon leaves it.
    """

    synopsis = "[options]"
    longdesc = "Relays log messages to the first of several log servers that works."

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, list[str]] = {}
        self.folder = os.getcwd()

    def note(self, name: str, text: str = "") -> None:
        """
        Remember a flag.
        """
        self.given.setdefault(name, []).append(text)

    def opt_config(self, path: str) -> None:
        """
        A TOML file that holds everything; no other flag may stand beside it.
        """
        self.note("config", path)

    def opt_listen(self, text: str) -> None:
        """
        Where to listen, as in tcp:5140 or udp:514:interface=127.0.0.1.  Give it again for more.
        """
        self.note("listen", text)

    def opt_stdin(self) -> None:
        """
        Relay standard input, a message a line; needs twistd -n.
        """
        self.note("stdin")

    def opt_failback(self) -> None:
        """
        Go back to the primary when it works again.
        """
        self.note("failback")

    @property
    def configFile(self) -> str | None:
        """
        The absolute path of the configuration file, if one is to be read.
        """
        return os.path.join(self.folder, self.given["config"][-1]) if "config" in self.given else None

    def configuration(
        self, checkFiles: CheckFiles, checkSourceFiles: CheckSourceFiles, platform: str = sys.platform
    ) -> Configuration:
        """
        The configuration that the flags or their file describe.

        :param checkFiles: as for :func:`logrelay.configfile.readConfiguration`.
        :param checkSourceFiles: as for :func:`logrelay.configfile.readConfiguration`.
        :raises ConfigurationError: with every mistake found.
        """
        problems = list(self._clashes())
        if self.configFile is not None:
            if problems:
                raise ConfigurationError(*problems)
            return readConfiguration(self.configFile, checkFiles, checkSourceFiles, platform)
        try:
            configuration = configurationFrom(
                self._tree(), self._locate, self.folder, checkFiles, checkSourceFiles, platform
            )
        except ConfigurationError as error:
            problems += error.problems
        if problems:
            raise ConfigurationError(*problems)
        return configuration

    def _clashes(self) -> Iterator[Problem]:
        """
        Flags that may not stand together.
        """
        others = ", ".join(f"--{name}" for name in self.given if name != "config")
        if "config" in self.given and others:
            remedy = "write them in the file, or leave --config out"
            yield Problem("--config", "config", f"may not stand beside {others}", remedy)
        for name, texts in self.given.items():
            if len(texts) > 1 and name != "listen" and not (name in FLAGS and FLAGS[name].repeatable):
                yield Problem(f"--{name}", name, f"is given {len(texts)} times", "give it once")
            if name in FLAGS and "failback" in FLAGS[name].path and "failback" not in self.given:
                yield Problem(f"--{name}", name, "is of no use without --failback", "add --failback")

    def _tree(self) -> dict[str, Any]:
        """
        What a file would hold that says the same.
        """
        central: dict[str, Any] = {"failback": {}} if "failback" in self.given else {}
        tree: dict[str, Any] = {"destination": {DESTINATION_NAME: central}}
        for flag in FLAGS.values():
            if flag.name in self.given:
                table = tree
                for name in flag.path[:-1]:
                    table = table.setdefault(str(name), {})
                table[flag.key.name] = flag.value(self.given[flag.name])
        sources: list[dict[str, Any]] = [{"listen": text} for text in self.given.get("listen", [])]
        if "stdin" in self.given:
            sources.append({"type": "stdin"})
        return {**tree, "source": sources}

    def _locate(self, path: KeyPath) -> Place:
        """
        The flag that stands for a key: its own or, for a section, the first one given of it.
        """
        if path[0] == "source":
            name = "stdin" if path[-1] == "type" else "listen"
        elif path == (*_CENTRAL, "failback"):
            name = "failback"
        else:
            own = [flag.name for flag in FLAGS.values() if path[: len(flag.path)] == flag.path]
            inner = [flag.name for flag in FLAGS.values() if flag.path[: len(path)] == path and flag.name in self.given]
            name = [*own, *inner, "primary"][0]
        return Place([*_OTHERS, *FLAGS].index(name), f"--{name}", name)


def _noting(flag: Flag) -> Callable[[Options, str], None]:
    """
    The method by which ``usage.Options`` learns of a flag.
    """

    def opt(self: Options, text: str) -> None:
        self.note(flag.name, text)

    opt.__doc__ = flag.help
    return opt


for _flag in FLAGS.values():
    setattr(Options, f"opt_{_flag.name.replace('-', '_')}", _noting(_flag))
