"""
The dead-letter file: messages that no server takes, kept for people to look at.

It holds a JSON object a line (RFC 8259): ``time`` (RFC 3339), ``destination``, ``source``, ``why``, and the ``message``
as it would have been sent, without its framing; one that is not UTF-8 is in ``message-base64`` instead.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs

from .batches import Batch


@attrs.frozen
class DeadLetters:
    """
    The file of one destination.  It is made when it is first needed, readable for its owner alone.

    :ivar path: ``dead-letters-NAME.jsonl`` in the relay's ``state-dir``.
    :ivar clock: tells the time, in seconds since the epoch.
    """

    folder: Path
    destination: str
    clock: Callable[[], float]

    @property
    def path(self) -> Path:
        """
        Where it is.
        """
        return self.folder / f"dead-letters-{self.destination}.jsonl"

    def add(self, batch: Batch, message: bytes, why: str) -> None:
        """
        Write a message of a batch, and see to it that it stays.  This blocks until the disk has it; it happens rarely.

        :raises OSError: if it can't be written.
        """
        try:
            text = {"message": message.decode()}
        except UnicodeDecodeError:
            text = {"message-base64": base64.b64encode(message).decode("ascii")}
        entry = {
            "time": datetime.fromtimestamp(self.clock(), UTC).isoformat(),
            "destination": self.destination,
            "source": batch.origin.source,
            "why": why,
            **text,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(descriptor: int, line: bytes) -> None:
    """
    Write all of a line, or nothing: a disk that is full may take a part of it.
    """
    before = os.fstat(descriptor).st_size
    try:
        while line:
            line = line[os.write(descriptor, line) :]
    except OSError:
        os.ftruncate(descriptor, before)
        raise
