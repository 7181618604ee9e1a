"""
A TOML file to one frozen configuration; every error says file, line, key and remedy.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from typing import Any

from .config import Configuration
from .destinationrules import CheckFiles
from .errors import ConfigurationError, Problem
from .lines import KeyPath, linesOf
from .sections import Place
from .validation import CheckSourceFiles, configurationFrom
from .values import MIB, shown

#: No configuration that people write is longer, and a wrong name (of a log, of a device) should be told at once.
MAX_FILE = MIB

_BARE = re.compile("[A-Za-z0-9_-]+")


def readConfiguration(
    path: str,
    checkFiles: CheckFiles,
    checkSourceFiles: CheckSourceFiles,
    platform: str = sys.platform,
    composed: bool = False,
) -> Configuration:
    """
    Read a configuration file.  Relative paths in it start from its folder.

    :param checkFiles: looks into the files of a destination's TLS options (``logrelay.tls.checkFiles``).
    :param checkSourceFiles: the same for those of the sources (``logrelay.tls.checkSourceFiles``).
    :param composed: whether a program composes the relay, and so may be the only source.
    :raises ConfigurationError: with every mistake found.
    """
    text = _read(path)
    tree, lines = _parse(path, text)

    def locate(key: KeyPath) -> Place:
        line = next((lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in lines), 1)
        return Place(line, f"{path}:{line}", dotted(key))

    base = os.path.dirname(os.path.abspath(path))
    return configurationFrom(tree, locate, base, checkFiles, checkSourceFiles, platform, composed)


def dotted(key: KeyPath) -> str:
    """
    A key as people write it.  The line tells which item of a list is meant.
    """
    names = (part for part in key if isinstance(part, str))
    return ".".join(name if _BARE.fullmatch(name) and len(name) < 80 else shown(name) for name in names)


def _read(path: str) -> str:
    """
    The text of the file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _fileError(path, f"can't be read: {reason}", "name a TOML file that you may read") from error
    if len(content) > MAX_FILE:
        raise _fileError(path, "is longer than 1 MiB", "name a TOML file of logrelay")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _fileError(f"{path}:{line}", "is not UTF-8", "save the file as UTF-8") from error


def _parse(path: str, text: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """
    What the file holds, and where.
    """
    try:
        return tomllib.loads(text), linesOf(text)
    except RecursionError as error:
        raise _fileError(path, "is nested too deeply", "take out the brackets that are too many") from error
    except ValueError as error:
        # tomllib's own errors, and that of Python for integers of more than 4300 digits.
        what, _, where = str(error).partition(" (at ")
        position = re.match("line ([0-9]+), column ([0-9]+)", where)
        last = text.rstrip().count("\n") + 1
        line = f":{position[1] if position else last}" if where else ""
        column = f" (column {position[2]})" if position else ""
        remedy = "mend the line"
        if "\\" in what:
            remedy += ", or write the text in single quotes, where a backslash is only a backslash"
        raise ConfigurationError(Problem(f"{path}{line}", "TOML", f"{what}{column}", remedy)) from error


def _fileError(where: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(Problem(where, "file", what, remedy))
