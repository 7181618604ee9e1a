"""
``logrelay spool drop``: to give up what lies in a spool.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .spool import Folder
from .spool.files import filesOf
from .spool.reading import databasesOf, quarantineOf
from .spoollist import amount
from .spooloutput import NotDone


def drop(options: argparse.Namespace) -> int:
    """
    Gives up all messages of a spool that have not settled: they are removed, and no server will ever have them.  The
    relay must not be running; run this as its user, so that it can go on with the folder.  With --quarantine, only
    removes the files that the relay could not read and has put aside, which it may be running for.
    """
    path: Path = options.path
    databasesOf(path)
    if options.quarantine:
        return _emptyQuarantine(path, options.yes)
    folder = Folder(path, 0, "full")
    settled, end = folder.record.settled, folder.record.end
    messages = amount(end.message - settled.message, "message")
    try:
        if not options.yes:
            _ask(f"{path}: give up {messages} that have not settled?")
    except BaseException:
        folder.abandon()
        raise
    folder.close(end, max(folder.record.furthest, end.position))
    left = filesOf(path)
    if left:
        raise NotDone(f"{left[0].path}: it cannot be removed; see to the disk, and try again")
    print(f"{path}: gave up {messages}")
    return 0


def _emptyQuarantine(path: Path, yes: bool) -> int:
    """
    Remove the files in quarantine.

    :param yes: whether nobody is to be asked.
    """
    files = quarantineOf(path)
    if not yes:
        _ask(f"{path}: remove {amount(len(files), 'file')} from the quarantine?")
    for file in files:
        file.unlink(missing_ok=True)
    print(f"{path}: removed {amount(len(files), 'file')} from the quarantine")
    return 0


def _ask(question: str) -> None:
    """
    Go on only if the operator wants it.

    :raises NotDone: otherwise.
    """
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() not in ("y", "yes"):
        raise NotDone("nothing was done" if answer else "nothing was done; where nobody can answer, say --yes")
