"""
``logrelay spool``: what lies in the folder of a spool, without the relay.
"""

from __future__ import annotations

import argparse
import errno
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .batches import Batch, Framing
from .encoding import reframed
from .errors import LogRelayError
from .spool import Folder, SpoolLocked
from .spool.database import syncFolder
from .spool.folder import filesOf
from .spool.lock import ownerOf
from .spool.reading import Reading, databasesOf, look, quarantineOf
from .spoollist import amount, asJSON, asText, contentOf

_STATUSES = (
    "The status is 0 if all is well; 1 if something is damaged, was not done, or cannot be; 2 if it was called wrongly."
)


class NotDone(LogRelayError):
    """
    The operator's fault: what was asked for would destroy something, or did not work.
    """


def addTo(commands: Any) -> None:
    """
    Add the command to those of ``logrelay``.
    """
    spool = commands.add_parser(
        "spool", help="look at, read or give up what lies in a spool", description=__doc__, epilog=_STATUSES
    )
    kinds = spool.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, work: Callable[[argparse.Namespace], int], summary: str) -> Any:
        parser = kinds.add_parser(name, help=summary, description=work.__doc__, epilog=_STATUSES)
        parser.add_argument("path", metavar="PATH", type=Path, help="the folder: destination.NAME.spool.path")
        parser.set_defaults(run=lambda options: _guarded(work, options))
        return parser

    add("ls", _list, "list its databases, and what is in them").add_argument(
        "--json", action="store_true", help="for programs"
    )
    cat = add("cat", _cat, "write its messages to standard output, a line each")
    export = add("export", _export, "write its messages to a file, to be sent again")
    export.add_argument("file", metavar="FILE", type=Path, help="a file that is not there yet")
    export.add_argument(
        "--framing",
        choices=[each.value for each in Framing],
        default=Framing.OCTET_COUNTING.value,
        help="how messages are told apart in the file (%(default)s)",
    )
    for each in (cat, export):
        each.add_argument("--all", action="store_true", help="also those that have settled and are still there")
    drop = add("drop", _drop, "give up what has not settled")
    drop.add_argument("--quarantine", action="store_true", help="only remove what was quarantined")
    drop.add_argument("--yes", action="store_true", help="do not ask")


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
        _say(f"{where}: {error.strerror}{remedy}")
        if error.filename is None:
            _writeNoMore()
    except (LogRelayError, sqlite3.Error) as error:
        _say(str(error))
    return 1


def _say(what: str) -> None:
    """
    Say something that is not what was asked for.
    """
    print(f"logrelay: {what}", file=sys.stderr)


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


def _cat(options: argparse.Namespace) -> int:
    """
    Writes the messages that have not settled to standard output, each on a line: CR, LF and NUL inside a message are
    spaces there.  What is damaged is skipped, told on standard error, and makes the status 1.  Nothing in the folder is
    changed.
    """
    reading = _unowned(options.path)
    output = sys.stdout.buffer
    for batch in _batches(reading, options.all, Framing.LF):
        output.write(batch.payload)
    output.flush()
    return _tellDamages(reading)


def _export(options: argparse.Namespace) -> int:
    """
    Writes the messages that have not settled to a new file.  With octet counting each one is exactly as it is stored;
    with lf, CR, LF and NUL inside a message are spaces.  Either can be sent to a log server that takes that framing
    (nc -N HOST PORT < FILE), or to a relay: by a source with type = "stdin" and framing = "octet-counting" or "lf".
    What is damaged is skipped, told on standard error, and makes the status 1.  Nothing in the folder is changed.
    """
    reading = _unowned(options.path)
    target: Path = options.file
    there = NotDone(f"{target}: it is there already, and nothing was written; name another file")
    if os.path.lexists(target):
        raise there
    count = 0
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.") as file:
        for batch in _batches(reading, options.all, Framing(options.framing)):
            file.write(batch.payload)
            count += batch.count
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, target)
        except FileExistsError:
            raise there from None
    syncFolder(target.parent)
    print(f"{target}: {amount(count, 'message')}")
    return _tellDamages(reading)


def _unowned(path: Path) -> Reading:
    """
    A spool that no relay works on.

    :raises SpoolLocked: if one does.
    """
    reading = look(path)
    if reading.owner is not None:
        raise SpoolLocked(
            f"{path}: a relay works on this spool (pid {reading.owner}), and what is in it changes all the time; stop"
            " the relay to read it"
        )
    return reading


def _batches(reading: Reading, everything: bool, framing: Framing) -> Iterator[Batch]:
    """
    What is sound in a spool, in one framing.
    """
    for stored in reading.stored(everything):
        assert stored.batch is not None
        yield from reframed(stored.batch, framing)


def _tellDamages(reading: Reading) -> int:
    """
    Say what could not be read.

    :return: the status.
    """
    for damage in reading.damages:
        _say(f"{damage.path}: {damage.why}; up to {amount(damage.messages, 'message')} cannot be read")
    owner = ownerOf(reading.path) if reading.damages else None
    if owner is not None:
        _say(
            f"{reading.path}: a relay has begun to work on it meanwhile (pid {owner}), which may be all there is to it"
        )
    return 1 if reading.damages else 0


def _drop(options: argparse.Namespace) -> int:
    """
    Gives up all messages of a spool that have not settled: they are removed, and no server will ever have them.  The
    relay must not be running.  With --quarantine, only removes the files that the relay could not read and has put
    aside, which it may be running for.
    """
    path: Path = options.path
    databasesOf(path)
    if options.quarantine:
        return _emptyQuarantine(path, options.yes)
    folder = Folder(path, 0, "full")
    settled, end = folder.record.settled, folder.record.end
    messages = amount(end.message - settled.message, "message")
    if not _agreed(f"{path}: give up {messages} that have not settled?", options.yes):
        folder.abandon()
        return 1
    folder.close(end, max(folder.record.furthest, end.position))
    left = filesOf(path)
    if left:
        raise NotDone(f"{left[0].path}: it cannot be removed; see to the disk, and try again")
    print(f"{path}: gave up {messages}")
    return 0


def _emptyQuarantine(path: Path, yes: bool) -> int:
    """
    Remove the files in quarantine.
    """
    files = quarantineOf(path)
    if not _agreed(f"{path}: remove {amount(len(files), 'file')} from the quarantine?", yes):
        return 1
    for file in files:
        file.unlink(missing_ok=True)
    print(f"{path}: removed {amount(len(files), 'file')} from the quarantine")
    return 0


def _agreed(question: str, yes: bool) -> bool:
    """
    Whether the operator wants it.

    :param yes: whether that has been said.
    """
    if yes:
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() in ("y", "yes"):
        return True
    _say("nothing was done" if answer else "nothing was done; where nobody can answer, say --yes")
    return False
