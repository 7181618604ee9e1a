"""
One file that is followed: its content, wherever it goes, from the place up to which it has been relayed.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING

import attrs

from ..bookmarks import PRINTED, Bookmark, Identity, Print, Stop
from ..decoding import LineDecoder
from ..progress import Progress, Reading
from ..routing import IRoute
from .flow import Account
from .folders import identityOf

if TYPE_CHECKING:
    from .logs import Log

#: Bytes for each read.  As much as a batch, so that what is read becomes one.
READ_SIZE = 64 * 1024


class Found(Enum):
    """
    What a read has found.
    """

    MORE = "more"  # something was read; there may be more
    END = "end"  # nothing new
    CUT = "cut"  # what was read before is not there any more


class Likeness(Enum):
    """
    What another file has of what was read of one.
    """

    NONE = "none"  # it is something else
    PART = "part"  # it ends before the place up to which the one was read, and is the same as far as it goes
    ALL = "all"  # all that was read, and perhaps more


@attrs.define(eq=False)
class Follower:
    """
    Reads one file.  Each read begins with what was read last, so that a file that was cut in between, and has grown
    again, cannot be mistaken for the one that was read.

    :ivar log: which log it is a part of.
    :ivar path: where the file is, or was last seen.
    :ivar identity: which file it is.
    :ivar descriptor: open as long as something may come; ``None`` otherwise.
    :ivar offset: how far it was read.
    :ivar size: how long it was when last looked at; ``written`` when it had been written to then.
    :ivar quiet: when it last had something new; reactor seconds.
    :ivar _begun: where it began; only there it can be told from others before it was opened.
    :ivar _head: the beginning of the file; ``_recent`` what stands before ``offset``.  Both are ``None`` until the file
        of a bookmark has been opened.
    """

    log: Log
    path: str
    identity: Identity
    progress: Progress
    _decoder: LineDecoder
    _route: IRoute
    descriptor: int | None = None
    offset: int = 0
    size: int = 0
    written: int = -1
    quiet: float = 0.0
    _begun: Stop = attrs.field(factory=Stop)
    _head: bytes | None = None
    _recent: bytes | None = None
    _print: Print = attrs.field(factory=Print)
    _account: Account = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._account = Account(self._route)

    def goOn(self, mark: Bookmark) -> None:
        """
        Begin where a bookmark is.
        """
        self._begun = mark.stop
        self.offset = self.size = mark.stop.offset
        self._print = mark.head

    @property
    def mark(self) -> Bookmark:
        """
        How far it is safe.
        """
        return self._markAt(self.progress.stop)

    @property
    def reading(self) -> Reading:
        """
        How far it was read, up to the last whole line.
        """
        return Reading(self._markAt(self.progress.last), self.progress)

    def _markAt(self, stop: Stop) -> Bookmark:
        """
        A bookmark.
        """
        if self._head is not None:
            # A copy that has less than was read must be known again, too.
            length = min(len(self._head), stop.offset, self.size)
            self._print = self._print if self._print.length == length else Print.of(self._head[:length])
        return Bookmark(self.path, self.log.path, self.identity, stop, self._print, self.log.since)

    @property
    def lag(self) -> int:
        """
        Bytes that were not read when it was last looked at.
        """
        return max(0, self.size - self.offset)

    @property
    def opened(self) -> bool:
        """
        Whether its file was opened since the relay began.
        """
        return self._head is not None

    @property
    def blank(self) -> bool:
        """
        Whether it cannot be told from others: nothing is known of its content.
        """
        return not self._head if self.opened else not self._print.length

    # Whether a file is this one.

    def likeness(self, descriptor: int) -> Likeness:
        """
        What an open file has of what was read.

        :raises OSError: it cannot be read.
        """
        if self._head is None or self._recent is None:
            return self._likenessOfPrints(descriptor)
        size = os.fstat(descriptor).st_size
        known = self._head[:size]
        if os.pread(descriptor, len(known), 0) != known:
            return Likeness.NONE
        start = self.offset - len(self._recent)
        common = self._recent[: max(0, size - start)]
        if os.pread(descriptor, len(common), start) != common:
            return Likeness.NONE
        return Likeness.ALL if size and size >= self.offset else Likeness.PART

    def _likenessOfPrints(self, descriptor: int) -> Likeness:
        """
        The same, as far as a bookmark tells.
        """
        stop, head = self._begun, self._print
        if Print.of(os.pread(descriptor, head.length, 0)) != head:
            return Likeness.NONE
        tail = os.pread(descriptor, stop.tail.length, stop.offset - stop.tail.length)
        if Print.of(tail) == stop.tail:
            return Likeness.ALL
        return Likeness.PART if os.fstat(descriptor).st_size < stop.offset else Likeness.NONE

    def tells(self, size: int) -> bool:
        """
        Whether a file of this size that is the same as far as it goes is surely a copy.  Less than a line says nothing:
        it may be the beginning of something else.
        """
        return b"\n" in self._head[:size] if self._head is not None else size >= self._print.length > 0

    def attach(self, descriptor: int) -> None:
        """
        Take a file that has all that was read.

        :raises OSError: it cannot be read.
        """
        if self._head is None or self._recent is None:
            start = max(0, self.offset - PRINTED)
            self._head, self._recent = (
                os.pread(descriptor, PRINTED, 0),
                os.pread(descriptor, self.offset - start, start),
            )
        status = os.fstat(descriptor)
        self.detach()
        self.descriptor, self.identity = descriptor, identityOf(status)
        self.look(status)

    def settle(self, identity: Identity, status: os.stat_result) -> None:
        """
        Take a file that has less than was read, so that there is nothing to read in it.
        """
        self.identity = identity
        self.look(status)

    def miss(self) -> None:
        """
        Its content is not where it was; what the file system said last was of something else.
        """
        self.size = max(self.size, self.offset)
        self.detach()

    def detach(self) -> None:
        """
        Close the file.
        """
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    @property
    def isIdle(self) -> bool:
        """
        Whether nobody waits for it to be read.
        """
        return not self.lag and (self.log.current is self or self not in self.log.line)

    # Reading.

    def look(self, status: os.stat_result) -> bool:
        """
        Take note of what the file system says of it.

        :return: whether there may be something new.
        """
        changed = (status.st_size, status.st_mtime_ns) != (self.size, self.written)
        self.size, self.written = status.st_size, status.st_mtime_ns
        return changed or self.size != self.offset

    def isNews(self, status: os.stat_result) -> bool:
        """
        Whether a file that is closed is to be opened again, by what the file system says of it.
        """
        if self.opened:
            return (status.st_size, status.st_mtime_ns) != (self.size, self.written)
        return status.st_size != self.offset

    def intact(self) -> bool:
        """
        Whether the open file still has what was read.

        :raises OSError: it cannot be read.
        """
        assert self.descriptor is not None and self._head is not None and self._recent is not None
        head = os.pread(self.descriptor, PRINTED, 0)
        start = self.offset - len(self._recent)
        if head[: len(self._head)] != self._head:
            return False
        if os.pread(self.descriptor, len(self._recent), start) != self._recent:
            return False
        self._head = head
        return True

    def read(self) -> Found:
        """
        Read once, and deliver what is whole.

        :raises OSError: the file cannot be read.
        """
        assert self.descriptor is not None and self._head is not None and self._recent is not None
        # A file of which only the beginning was looked at must still have that.
        known, start = self._recent, self.offset - len(self._recent)
        if self.offset < len(self._head):
            known, start = self._head, 0
        data = os.pread(self.descriptor, self.offset - start + READ_SIZE, start)
        if not data.startswith(known):
            return Found.CUT
        new = data[self.offset - start :]
        if not new:
            return Found.END
        if len(self._head) < PRINTED:
            # There is nothing between: what is read here begins no later than where the head ends.
            self._head = (self._head[:start] + data)[:PRINTED]
        self._take(new)
        return Found.MORE

    def _take(self, new: bytes) -> None:
        """
        Deliver the lines that end in what was read.
        """
        assert self._recent is not None
        # A program that does not append leaves a hole when its file is cut: zeros that are no part of its next line.
        hole = not self._recent.strip(b"\0")
        before, joined = self.offset, self._recent + new
        end = before + new.rfind(b"\n") + 1
        self.offset += len(new)
        self.size = max(self.size, self.offset)
        self._recent = joined[-PRINTED:]
        stop = None
        if end > before:
            tail = joined[: len(joined) - (self.offset - end)][-PRINTED:]
            stop = Stop(end, Print.of(tail))
        self._deliver(new.lstrip(b"\0") if hole else new, stop)

    def _deliver(self, data: bytes, stop: Stop | None) -> None:
        """
        Deliver what is whole.

        :param stop: where the last whole line ends; ``None`` if there is none.
        """
        batches = self._decoder.decode(data)
        if stop is not None:
            secured = self.progress.begin(stop, len(batches))
            for batch in batches:
                self._route.deliver(batch, None, secured)
        self._account.keep(self._decoder.held)

    def finish(self) -> None:
        """
        Deliver a last line without LF: nothing more will come.
        """
        if self._recent is not None and self._decoder.held:
            batches = self._decoder.finish()
            secured = self.progress.begin(Stop(self.offset, Print.of(self._recent)), len(batches))
            for batch in batches:
                self._route.deliver(batch, None, secured)
        self._account.keep(0)

    def close(self) -> None:
        """
        Follow it no more.
        """
        self._account.keep(0)
        self.detach()
