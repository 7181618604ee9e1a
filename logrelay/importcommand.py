"""
``logrelay import``: a configuration of syslog-ng, made into one of logrelay.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from .configfile import MAX_FILE

_STATUSES = (
    "The status is 0 if all of it was converted; 1 if anything was left out, or nothing could be written; 2 if it was"
    " called wrongly."
)


def addTo(commands: Any) -> None:
    """
    Add the command to those of ``logrelay``.
    """
    parser = commands.add_parser(
        "import",
        help="make a configuration of one of syslog-ng's",
        description=_import.__doc__,
        epilog=_STATUSES,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="a configuration file of syslog-ng")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="a file that is not there yet")
    parser.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    """
    Reads a configuration of syslog-ng, and writes one of logrelay that relays the same to the same servers, to standard
    output or to a new file.  What could not be converted is told on standard error, a line each with its place and what
    to do, and stands as comments in what is written.  A log path with a filter is converted without it: everything is
    sent.  Nothing that FILE includes is read, and no file that it names has to be there.
    """
    # Whoever runs another command does without these.
    from .importing.conversion import converted
    from .importing.remarks import NotReadable

    try:
        outcome = converted(_content(options.file), str(options.file))
    except NotReadable as error:
        line = f":{error.line}" if error.line else ""
        _say(f"{options.file}{line}: {error}")
        return 1
    except OSError as error:
        _say(f"{options.file}: can't be read: {error.strerror}; name a file that you may read")
        return 1
    for remark in outcome.remarks:
        _say(f"{options.file}:{remark.line}: {remark}")
    if not outcome.text:
        _say(f"{options.file}: nothing in it can be relayed, and nothing was written; see what is said of its lines")
        return 1
    if not _write(outcome.text, options.output):
        return 1
    return 1 if outcome.remarks else 0


def _content(path: Path) -> bytes:
    """
    What is in a file, as far as it may be a configuration.
    """
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)


def _write(text: str, path: Path | None) -> bool:
    """
    Write the result.

    :param path: of the new file; ``None``: to standard output.
    :return: whether that was done.
    """
    try:
        if path is None:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.flush()
        else:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError:
        _say(f"{path}: it is there already, and nothing was written; name another file")
        return False
    except OSError as error:
        _say(f"{path or 'standard output'}: can't be written: {error.strerror}; name a file that can")
        if path is None:
            _writeNoMore()
        return False
    return True


def _say(what: str) -> None:
    """
    Say something that is not what was asked for.
    """
    print(what, file=sys.stderr)


def _writeNoMore() -> None:
    """
    Keep Python from writing the rest to standard output, which cannot be written to.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
