"""
``logrelay spool cat`` and ``export``: the messages of a spool, to be read or sent again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .batches import Batch, Framing
from .encoding import reframed
from .errors import LogRelayError
from .spool import SpoolLocked
from .spool.database import syncFolder
from .spool.lock import ownerOf
from .spool.reading import Reading, look
from .spoollist import amount


class NotDone(LogRelayError):
    """
    The operator's fault: what was asked for would destroy something, or did not work.
    """


def say(what: str) -> None:
    """
    Say something that is not what was asked for.
    """
    print(f"logrelay: {what}", file=sys.stderr)


def cat(options: argparse.Namespace) -> int:
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


def export(options: argparse.Namespace) -> int:
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
        say(f"{damage.path}: {damage.why}; up to {amount(damage.messages, 'message')} cannot be read")
    owner = ownerOf(reading.path) if reading.damages else None
    if owner is not None:
        say(f"{reading.path}: a relay has begun to work on it meanwhile (pid {owner}), which may be all there is to it")
    return 1 if reading.damages else 0
