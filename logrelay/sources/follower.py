"""
One file that is followed: its content, wherever it goes, from the place up to which it has been relayed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum

import attrs

from ..bookmarks import PRINTED, Bookmark, Identity, Print, Stop
from ..decoding import LineDecoder
from ..progress import Progress
from ..routing import IRoute
from .flow import Account

#: Bytes for each read.  As much as a batch, so that what is read becomes one.
READ_SIZE = 64 * 1024


class Found(Enum):
    """
    What a look into a file has found.
    """

    MORE = "more"  # something was read; there may be more
    END = "end"  # nothing new
    CUT = "cut"  # what was read before is not there any more


def openFile(path: str) -> int:
    """
    Open a file for reading; what turns out to be a pipe or a device must not hang us.

    :raises OSError: it cannot be opened.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


def identityOf(status: os.stat_result) -> Identity:
    """
    Which file it is.
    """
    return status.st_dev, status.st_ino


@attrs.define(eq=False)
class Follower:
    """
    Reads one file.  Each read begins with what was read last, so that a file that was cut in between, and has grown
    again, cannot be mistaken for the one that was read.

    :ivar path: where the file is, or was last seen.
    :ivar identity: which file it is.
    :ivar descriptor: open as long as something may come; ``None`` otherwise.
    :ivar offset: how far it was read.
    :ivar size: how long it was when last looked at; ``mtime`` when it was written to then.
    :ivar seen: when it last stood in its place, or beside it, with the content that was read; seconds since the epoch.
    :ivar placed: when it last stood there, whatever its content.
    :ivar quiet: when it last had something new; reactor seconds.
    :ivar inPlace: whether the pattern names it, and it has not been rotated away.
    :ivar drained: whether it was read to its end.
    :ivar after: what has to be drained first; ``heir`` is the other direction.
    :ivar head: the beginning of the file, ``recent`` what stands before ``offset``.  Both are ``None`` until the file
        of a bookmark has been opened.
    """

    path: str
    identity: Identity
    decoder: LineDecoder
    route: IRoute
    progress: Progress
    seen: float
    placed: float = 0.0
    descriptor: int | None = None
    offset: int = 0
    size: int = 0
    mtime: int = -1
    quiet: float = 0.0
    inPlace: bool = False
    drained: bool = False
    after: Follower | None = None
    heir: Follower | None = None
    head: bytes | None = None
    recent: bytes | None = None
    _headPrint: Print = attrs.field(factory=Print)
    _account: Account = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._account = Account(self.route)

    @classmethod
    def marked(cls, mark: Bookmark, decoder: LineDecoder, route: IRoute, changed: Callable[[], None]) -> Follower:
        """
        One that goes on where a bookmark is.
        """
        progress = Progress(mark.stop, changed)
        return cls(
            mark.path,
            mark.identity,
            decoder,
            route,
            progress,
            mark.seen,
            offset=mark.stop.offset,
            size=mark.size,
            inPlace=mark.inPlace,
            drained=mark.size <= mark.stop.offset,
            headPrint=mark.head,
        )

    @property
    def mark(self) -> Bookmark:
        """
        How far it is safe.
        """
        if self.head is not None and self._headPrint.length != len(self.head):
            self._headPrint = Print.of(self.head)
        return Bookmark(
            self.path, self.identity, self.progress.stop, self._headPrint, self.size, self.seen, self.inPlace
        )

    @property
    def lag(self) -> int:
        """
        Bytes that were not read when it was last looked at.
        """
        return max(0, self.size - self.offset)

    @property
    def blank(self) -> bool:
        """
        Whether nothing is known of its content.
        """
        return not self.head and not self._headPrint.length

    # Whether a file is this one.

    def matches(self, descriptor: int) -> bool:
        """
        Whether an open file begins with all that was read.

        :raises OSError: it cannot be read.
        """
        if self.head is not None and self.recent is not None:
            start = self.offset - len(self.recent)
            ours = self.head, self.recent
            return (os.pread(descriptor, len(self.head), 0), os.pread(descriptor, len(self.recent), start)) == ours
        stop, head = self.progress.stop, self._headPrint
        tail = os.pread(descriptor, stop.tail.length, stop.offset - stop.tail.length)
        return (Print.of(os.pread(descriptor, head.length, 0)), Print.of(tail)) == (head, stop.tail)

    def growsInto(self, descriptor: int, size: int) -> bool:
        """
        Whether another file, not as long as what was read, may be a copy of this one that is being made.

        :raises OSError: one of them cannot be read.
        """
        if self.descriptor is None or self.head is None or size > self.offset:
            return False
        start = max(0, size - PRINTED)
        same = os.pread(descriptor, PRINTED, start) == os.pread(self.descriptor, size - start, start)
        return same and self.head.startswith(os.pread(descriptor, min(size, len(self.head)), 0))

    def attach(self, descriptor: int) -> None:
        """
        Take a file that matches.

        :raises OSError: it cannot be read.
        """
        if self.head is None or self.recent is None:
            self.head = os.pread(descriptor, PRINTED, 0)
            start = max(0, self.offset - PRINTED)
            self.recent = os.pread(descriptor, self.offset - start, start)
        status = os.fstat(descriptor)
        self.detach()
        self.descriptor, self.identity, self.drained = descriptor, identityOf(status), False
        self.look(status)

    def look(self, status: os.stat_result) -> bool:
        """
        Take note of what the file system says of it.

        :return: whether there may be something new.
        """
        changed = (status.st_size, status.st_mtime_ns) != (self.size, self.mtime)
        self.size, self.mtime = status.st_size, status.st_mtime_ns
        return changed or status.st_size != self.offset

    def detach(self) -> None:
        """
        Close the file.
        """
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    # Reading.

    def read(self) -> Found:
        """
        Read once, and deliver what is whole.

        :raises OSError: the file cannot be read.
        """
        assert self.descriptor is not None and self.head is not None and self.recent is not None
        # A file of which only the beginning was looked at must still have that.
        known, start = (self.head, 0) if self.offset < len(self.head) else (self.recent, self.offset - len(self.recent))
        data = os.pread(self.descriptor, len(known) + READ_SIZE, start)
        if not data.startswith(known):
            return Found.CUT
        self.seen = max(self.seen, self.placed)
        new = data[self.offset - start :]
        if not new:
            self.drained = True
            return Found.END
        if len(self.head) < PRINTED:
            self.head = (data if start == 0 else self.head + new)[:PRINTED]
        self.drained = False
        self._take(new)
        return Found.MORE

    def _take(self, new: bytes) -> None:
        """
        Deliver the lines that end in what was read.
        """
        assert self.recent is not None
        before, joined = self.offset, self.recent + new
        end = before + new.rfind(b"\n") + 1
        self.offset += len(new)
        self.size = max(self.size, self.offset)
        known = joined[-PRINTED:]
        tail = joined[: len(joined) - (self.offset - end)][-PRINTED:]
        self.recent = known
        # A program that does not append leaves a hole of zeros when its file is cut: no part of its next line.
        hole = self.decoder.held == 0 and new.startswith(b"\0")
        self._deliver(new.lstrip(b"\0") if hole else new, Stop(end, Print.of(tail)) if end > before else None)

    def _deliver(self, data: bytes, stop: Stop | None) -> None:
        """
        Deliver what is whole.
        """
        batches = self.decoder.decode(data)
        if stop is not None:
            secured = self.progress.begin(stop, len(batches))
            for batch in batches:
                self.route.deliver(batch, None, secured)
        self._account.keep(self.decoder.held)

    def finish(self) -> None:
        """
        Deliver a last line without LF: nothing more will come.
        """
        if self.recent is not None and self.decoder.held:
            batches = self.decoder.finish()
            secured = self.progress.begin(Stop(self.offset, Print.of(self.recent)), len(batches))
            for batch in batches:
                self.route.deliver(batch, None, secured)
        self._account.keep(0)

    def close(self) -> None:
        """
        Follow it no more.
        """
        self._account.keep(0)
        self.detach()
