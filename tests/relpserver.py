"""
The server's side of RELP as far as log servers of ours need it, by what librelp does; none of the relay's code.

A frame is ``TXNR SP COMMAND SP DATALEN [SP DATA] LF``.  The numbers of a session count from 1 without a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

_HEADER = re.compile(rb"([0-9]{1,9}) ([a-z]{1,32}) ([0-9]{1,9})[ \n]")

_OFFERS = b"\nrelp_version=0\nrelp_software=logrelay tests\ncommands=syslog"


def answer(number: int, text: bytes) -> bytes:
    """
    The frame that answers another one.
    """
    return b"%d rsp %d %b\n" % (number, len(text), text) if text else b"%d rsp 0\n" % number


@attrs.define
class RelpSession:
    """
    One connection's frames.

    :ivar over: whether the session has ended: the client has closed it, or what it said makes no sense.
    """

    over: bool = False
    _rest: bytes = b""
    _next: int = 1

    def take(self, data: bytes) -> Iterator[tuple[bytes | None, bytes]]:
        """
        Go through the whole frames of what was read: the message of each, if it has one, and what to answer.
        """
        data, position = self._rest + data, 0
        while not self.over and (header := _HEADER.match(data, position)):
            number, command, size = int(header[1]), header[2], int(header[3])
            # Without data no space stands before the line feed.
            start = header.end() if size else header.end() - 1
            if len(data) <= start + size:
                break
            position = start + size + 1
            yield self._frame(number, command, data[start : position - 1], data[position - 1 : position])
        self._rest = data[position:]

    def _frame(self, number: int, command: bytes, content: bytes, trailer: bytes) -> tuple[bytes | None, bytes]:
        """
        One frame.
        """
        if number != self._next or trailer != b"\n" or command not in (b"open", b"syslog", b"close"):
            self.over = True
            return None, b"0 serverclose 0\n"
        self._next += 1
        if command == b"syslog":
            return content, answer(number, b"200 OK")
        if command == b"open":
            return None, answer(number, b"200 OK" + _OFFERS)
        self.over = True
        return None, answer(number, b"") + b"0 serverclose 0\n"
