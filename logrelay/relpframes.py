"""
The frames of RELP: ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``.

The transaction number and the length of the data are decimal, of one to nine digits.  Without data there is no space
before the LF either: librelp closes the connection of who writes one.
"""

from __future__ import annotations

import re

import attrs

from .errors import RelpError

#: The largest transaction number: it has nine digits.  By the document 1 follows; librelp expects a number of ten
#: digits then, and refuses that too.  So a client has to close its session, and to open a new one, before.
MAX_NUMBER = 999_999_999

#: What each side offers at ``open``.  The version is that of librelp, which says 0 though the document has 1.
OFFERS = b"relp_version=0\nrelp_software=logrelay\ncommands=syslog"

#: How much of what a peer said stands in a message for people: a line of it.
MAX_SHOWN = 80

_HEADER = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
_HEADER_BEGUN = re.compile(rb"(?:[0-9]{1,9}(?: (?:[A-Za-z]{1,32}(?: (?:[0-9]{1,9})?)?)?)?)?\Z")

_LF = ord("\n")


@attrs.frozen
class Header:
    """
    The beginning of a frame, found in what was read.

    :ivar start: the offset at which its data begin.
    :ivar end: the offset at which they end, where the LF has to be.
    """

    number: int
    command: bytes
    start: int
    end: int


def frame(number: int, command: bytes, data: bytes = b"") -> bytes:
    """
    Write one frame.
    """
    return b"%d %b %d %b\n" % (number, command, len(data), data) if data else b"%d %b 0\n" % (number, command)


def headerAt(data: bytes, position: int) -> Header | None:
    """
    Read the header of the frame that begins at a position.

    :return: ``None`` if more bytes have to come first; 53 are always enough.
    :raises RelpError: if there is no header.
    """
    match = _HEADER.match(data, position)
    if match is None:
        if _HEADER_BEGUN.match(data, position):
            return None
        raise RelpError(f"no RELP frame: {shown(data[position : position + 40])}")
    size = int(match[3])
    if match[4] == b" ":
        return Header(int(match[1]), match[2], match.end(), match.end() + size)
    if size:
        raise RelpError(f"a RELP frame without the data that it announces: {shown(match[0])}")
    # The LF is the frame's own.
    return Header(int(match[1]), match[2], match.end() - 1, match.end() - 1)


def checkEnd(data: bytes, header: Header) -> None:
    """
    Check that a frame, which must be there with its last byte, ends where its header says.

    :raises RelpError: if it does not.
    """
    if data[header.end] != _LF:
        raise RelpError(f"a RELP frame ({header.number} {shown(header.command)}) that is longer than it says")


def shown(data: bytes) -> str:
    """
    What a peer said, as one line for people.
    """
    text = data[:MAX_SHOWN].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def offersIn(data: bytes) -> dict[bytes, list[bytes]]:
    """
    The offers of a peer: names, each with its values.
    """
    offers = {}
    for line in data.split(b"\n"):
        name, _, values = line.partition(b"=")
        if name:
            offers[name] = values.split(b",")
    return offers


@attrs.define
class Remainder:
    """
    The beginning of a frame whose end has not come, in one buffer: kept as the pieces that came, one that is read byte
    by byte would take fifty times its size.

    :ivar _missing: how many bytes have to come, at least, before it is of use to look at it again.
    """

    _kept: bytearray = attrs.field(factory=bytearray)
    _missing: int = 0

    def __len__(self) -> int:
        return len(self._kept)

    def join(self, data: bytes) -> bytes:
        """
        Put what was read behind what is kept.

        :return: both, and nothing is kept any more; or nothing, if it is not enough yet.
        """
        if len(data) < self._missing:
            self._kept += data
            self._missing -= len(data)
            return b""
        if self._kept:
            data = b"".join((self._kept, data))
            self._kept.clear()
        self._missing = 0
        return data

    def keep(self, data: bytes, missing: int) -> None:
        """
        Keep the beginning of a frame, of which so many bytes are missing at least.
        """
        self._kept += data
        self._missing = missing
