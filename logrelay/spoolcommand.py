"""
``logrelay spool``: what waits in a running relay, and what lies in the folder of a spool, without the relay.
"""

from __future__ import annotations

import argparse
import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import controlcommand
from .batches import Framing
from .errors import LogRelayError
from .spool.reading import look
from .spooldrop import drop
from .spoollist import asJSON, asText, contentOf
from .spooloutput import cat, export, say

_STATUSES = (
    "The status is 0 if all is well; 1 if something is damaged, was not done, or cannot be; 2 if it was called wrongly."
)

_ABOUT = (
    "Tells what waits in a running relay.  With COMMAND: looks at the folder of a spool, whether a relay runs or not;"
    " the options before COMMAND are not for that."
)


def addTo(commands: Any) -> None:
    """
    Add the command to those of ``logrelay``.
    """
    spool = commands.add_parser(
        "spool",
        help="tell what waits; look at, read or give up what lies in a spool",
        description=_ABOUT,
        epilog=f"{_STATUSES}  Without COMMAND it is 3 if no relay answers.",
    )
    controlcommand.addOptions(spool)
    controlcommand.addDestination(spool, "only this one")
    spool.set_defaults(run=lambda options: controlcommand.guarded(controlcommand.spool, options))
    kinds = spool.add_subparsers(metavar="COMMAND")

    def add(name: str, work: Callable[[argparse.Namespace], int], summary: str) -> Any:
        parser = kinds.add_parser(name, help=summary, description=work.__doc__, epilog=_STATUSES)
        parser.add_argument("path", metavar="PATH", type=Path, help="the folder: destination.NAME.spool.path")
        parser.set_defaults(run=lambda options: _guarded(work, options))
        return parser

    add("ls", _list, "list its databases, and what is in them").add_argument(
        "--json", action="store_true", help="for programs"
    )
    toOutput = add("cat", cat, "write its messages to standard output, a line each")
    toFile = add("export", export, "write its messages to a file, to be sent again")
    toFile.add_argument("file", metavar="FILE", type=Path, help="a file that is not there yet")
    toFile.add_argument(
        "--framing",
        choices=[each.value for each in Framing],
        default=Framing.OCTET_COUNTING.value,
        help="how messages are told apart in the file (%(default)s)",
    )
    for each in (toOutput, toFile):
        each.add_argument("--all", action="store_true", help="also those that have settled and are still there")
    givingUp = add("drop", drop, "give up what has not settled")
    givingUp.add_argument("--quarantine", action="store_true", help="only remove what was quarantined")
    givingUp.add_argument("--yes", action="store_true", help="do not ask")


def _guarded(work: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """
    Do something, and turn what goes wrong into a line for people.
    """
    try:
        status = work(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever reads has seen enough.
        _writeNoMore()
        return 0
    except KeyboardInterrupt:
        _writeNoMore()
        return 1
    except OSError as error:
        where = error.filename or "standard output"
        remedy = "; run this as the relay's user, or as root" if error.errno in (errno.EACCES, errno.EPERM) else ""
        say(f"{where}: {error.strerror}{remedy}")
        if error.filename is None:
            _writeNoMore()
    except (LogRelayError, sqlite3.Error) as error:
        say(str(error))
    return 1


def _writeNoMore() -> None:
    """
    Keep Python from writing the rest to standard output, which cannot be written to.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _list(options: argparse.Namespace) -> int:
    """
    Lists the databases of a spool: how many batches and messages each has, what of that has settled, and what is
    damaged, for which all of it is read.  While a relay works on the folder, it tells what the names and sizes of the
    files and the record of what has settled say.
    """
    content = contentOf(look(options.path))
    print(asJSON(content) if options.json else asText(content))
    return 1 if content.damaged else 0
