"""
Recognition: which messages already are in a wanted format, and what the others are made of (RFC 5424, RFC 3164).

The regular expressions go over whole batches at a time, joined by LF: one that only looks whether there is anything to
do, and one that takes apart.  That is a third cheaper than to match message for message, which is left to batches that
hold messages with LF inside.  They hardly go back over what they have matched, so that no message can make them slow:
what repeats one character is possessive, and what else repeats or may be absent is followed by what it can't be taken
for, so that there is one way to match a message at most.  That is not possessive, since Python before 3.11.5 (Debian 12
has 3.11.2) then goes on from a wrong place where there are alternatives inside.

RFC 5424 is taken at its word.  RFC 3164 describes what was found in the field, and so is read with more leniency: a
time with a year or as in RFC 5424, a day of one digit, a tag with nearly any character in it.  But only what has all of
``Mmm dd hh:mm:ss host`` *is* in RFC 3164 format.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import TypeAlias

import attrs

from .batches import Batch, Framing
from .encoding import lineEnds, messagesOf

#: The groups of a pattern, empty where they did not take part.
Row: TypeAlias = tuple[bytes, ...]

_PRI = rb"<(?:1(?:[0-8]\d?+|9[01]?+|)|[2-9]\d?+|0)>"
_CLOCK = rb"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"

# RFC 5424, section 6.  The days that a month has, and the 29th of February in leap years only; no leap seconds.
_DATE = (
    rb"\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]"
    rb"|29(?<=\d\d(?:0[48]|[2468][048]|[13579][26])-02-29|(?:[02468][048]|[13579][26])00-02-29)))"
)
_SECONDS = _DATE + rb"T" + _CLOCK
_FRACTION = rb"(?:\.\d{1,6}+|)"
_ZONE = rb"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_HOSTNAME = rb"[!-~]{1,255}+"
_APP_NAME = rb"[!-~]{1,48}+"
_PROCID = rb"[!-~]{1,128}+"
_MSGID = rb"[!-~]{1,32}+"
_SD_NAME = rb"[!#-<>-\\^-~]{1,32}+"
_BOM = rb"\xef\xbb\xbf"

#: A version that is not followed by a valid header: what it claims to be it is not, so it is left alone.
_VERSION = rb"[1-9]\d{0,2} "

# RFC 3164, as found in the field.
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIMESTAMP = _MONTH + rb" (?: [1-9]|[12]\d|3[01]) " + _CLOCK
_LOOSE_TIMESTAMP = _MONTH + rb" (?:[ 0]?[1-9]|[12]\d|3[01]) (?:\d{4} |)" + _CLOCK
#: Names, dotted addresses, what syslog-ng chains (``a/b``, ``source@host``); addresses with ``::`` or many colons.
_HOST = (
    rb"(?:[\w.@/-]{1,255}+"
    rb"|(?=[0-9A-Fa-f:.]*?::|(?:[0-9A-Fa-f]++:){5})[0-9A-Fa-f:.]{2,45}+(?<![0-9A-Fa-f]:)(?:%[\w.-]{1,32}+|))"
)
_TAG = rb"[\w.,/\\%@+~#*$&!()-]"
_PID = rb"[!-Z\\^-~]"

#: A host as RFC 3164 messages name it.
HOST = re.compile(_HOST)


@attrs.frozen
class _Scope:
    """
    How far a message reaches in what a pattern goes over.

    :ivar any: any byte of it.
    :ivar no: what has to be left out of a negated class, since it ends the message.
    :ivar end: its end.
    """

    any: bytes
    no: bytes
    end: bytes


_LINE = _Scope(any=rb"[^\n]", no=rb"\n", end=rb"\n")
_ALONE = _Scope(any=rb"[\x00-\xff]", no=rb"", end=rb"\Z")


def _header(group: bytes) -> bytes:
    """
    The header of RFC 5424 and the space behind it.  Groups: PRI, time to the second, zone, HOSTNAME, APP-NAME, PROCID.

    :param group: what begins a group: ``(``, or ``(?:`` where they are not wanted.
    """
    time = group + _SECONDS + rb")" + _FRACTION + group + _ZONE + rb")"
    host, app, process = (group + field + rb") " for field in (_HOSTNAME, _APP_NAME, _PROCID))
    return group + _PRI + rb")1 (?:-|" + time + rb") " + host + app + process + _MSGID + rb" "


def _element(scope: _Scope, group: bytes) -> bytes:
    """
    One SD-ELEMENT of RFC 5424.

    :param group: what begins a group for its SD-ID.
    """
    value = rb'[^"\\\]%b]*+(?:\\%b[^"\\\]%b]*+)*' % (scope.no, scope.any, scope.no)
    return rb"\[" + group + _SD_NAME + rb")(?: " + _SD_NAME + rb'="' + value + rb'")*\]'


def _namedElement(scope: _Scope) -> bytes:
    """
    One SD-ELEMENT of RFC 5424.  Group: its SD-ID.
    """
    return _element(scope, rb"(")


def _rfc5424(scope: _Scope, group: bytes) -> bytes:
    """
    A valid RFC 5424 message.  Groups: those of its header, MSG without its BOM.

    :param group: what begins a group: ``(``, or ``(?:`` where they are not wanted.
    """
    data = rb"(?:-|(?:" + _element(scope, rb"(?:") + rb")+)"
    # A BOM may be there or not, and in one way only: with two ways, each of many messages would double the time that it
    # takes to find out that not all are like that.
    mark = rb"(?:" + _BOM + rb"|(?!" + _BOM + rb"))"
    return _header(group) + data + rb"(?: " + mark + group + scope.any + rb"*+)|)"


def _structured(scope: _Scope) -> bytes:
    """
    Groups: a valid RFC 5424 header, the elements behind it, what follows them; what is not valid RFC 5424.
    """
    elements = rb"(?:-|((?:" + _element(scope, rb"(?:") + rb")+))"
    known = rb"(" + _header(rb"(?:") + rb")" + elements + rb"((?: " + scope.any + rb"*+|))"
    return known + scope.end + rb"|(" + scope.any + rb"++)" + scope.end


def _rfc3164(scope: _Scope, local: bool) -> bytes:
    """
    A message exactly as RFC 3164 has it, without groups.  Local ones, without a host field, never are.
    """
    if local:
        return rb"(?!)"
    return _PRI + _TIMESTAMP + rb" " + _HOST + rb" " + scope.any + rb"*+"


def _other(scope: _Scope, time: bytes, local: bool, tag: bytes) -> bytes:
    """
    What has a PRI and makes no claim to be RFC 5424, with as much of an RFC 3164 header as can be found.  Groups: PRI,
    those of ``time``, host, those of ``tag``, the rest; and in a group of its own what has no PRI or a wrong header.
    """
    host = rb"()" if local else rb"(?:(" + _HOST + rb") |)"
    header = rb"(?:(?:(" + _LOOSE_TIMESTAMP + rb")|" + time + rb") " + host + tag + rb"|)"
    known = rb"(" + _PRI + rb")(?!" + _VERSION + rb"|" + scope.end + rb")" + header + rb"(" + scope.any + rb"*+)"
    return known + scope.end + rb"|(" + scope.any + rb"++)" + scope.end


def _toRFC5424(scope: _Scope, local: bool) -> bytes:
    """
    Groups: the message, if it is RFC 5424; PRI, RFC 3164 time, RFC 5424 time, host, application, process, MSG; what
    has no PRI or a wrong header.
    """
    time = rb"(" + _SECONDS + _FRACTION + _ZONE + rb")"
    process = rb"(?:\[(" + _PID + rb"{0,128}+)" + _PID + rb"*+\]|)"
    # A number is no application, and what comes before "//" is part of an URL.
    tag = rb"(?:(?!\d++:)(" + _TAG + rb"{1,48}+)" + _TAG + rb"*+" + process + rb":(?!//) ?+|)"
    return rb"(" + _rfc5424(scope, rb"(?:") + rb")" + scope.end + rb"|" + _other(scope, time, local, tag)


def _toRFC3164(scope: _Scope, local: bool) -> bytes:
    """
    Groups: the message, if it is RFC 3164; those of RFC 5424; PRI, RFC 3164 time, RFC 5424 time to the second, its
    zone, host, what follows; what has no PRI or a wrong header.
    """
    time = rb"(" + _SECONDS + rb")" + _FRACTION + rb"(" + _ZONE + rb")"
    wanted = rb"(" + _rfc3164(scope, local) + rb")" + scope.end
    return wanted + rb"|" + _rfc5424(scope, rb"(") + scope.end + rb"|" + _other(scope, time, local, rb"")


@attrs.frozen
class Recogniser:
    """
    Knows one wanted format.

    :ivar _line, _lines: match messages that are in the wanted format: one, and any number of them with an LF each.
    :ivar _inLines, _inOne: take messages apart.
    """

    _line: re.Pattern[bytes]
    _lines: re.Pattern[bytes]
    _inOne: re.Pattern[bytes]
    _inLines: re.Pattern[bytes]

    def unlike(self, batch: Batch) -> list[bytes]:
        """
        Look whether there is anything to do.

        :return: all messages of the batch; none, if each is in the wanted format already.
        """
        if batch.framing is Framing.LF:
            return [] if self._lines.fullmatch(batch.payload) else messagesOf(batch)
        messages = messagesOf(batch)
        if b"\n" in batch.payload:
            alike = all(map(self._line.fullmatch, messages))
        else:
            alike = self._lines.fullmatch(_joined(messages)) is not None
        return [] if alike else messages

    def rows(self, messages: list[bytes]) -> list[Row]:
        """
        Take messages apart.

        :return: a row for each message.
        """
        lines = _joined(messages)
        if lineEnds(lines) == len(messages):
            return self._inLines.findall(lines)
        return [row for message in messages for row in self._inOne.findall(message)]


def _joined(messages: list[bytes]) -> bytes:
    """
    Each message with an LF behind it.
    """
    return b"\n".join([*messages, b""])


@cache
def rfc5424(local: bool) -> Recogniser:
    """
    The recogniser for RFC 5424.  Rows are as ``_toRFC5424`` says.

    :param local: whether messages are as programs write them to ``/dev/log``: RFC 3164 without a host field.
    """
    return _recogniser(partial(_rfc5424, group=rb"(?:"), partial(_toRFC5424, local=local))


@cache
def rfc3164(local: bool) -> Recogniser:
    """
    The recogniser for RFC 3164.  Rows are as ``_toRFC3164`` says.

    :param local: whether messages are as programs write them to ``/dev/log``: RFC 3164 without a host field.
    """
    return _recogniser(partial(_rfc3164, local=local), partial(_toRFC3164, local=local))


def _recogniser(wanted: Callable[[_Scope], bytes], apart: Callable[[_Scope], bytes]) -> Recogniser:
    """
    Compile the patterns of a recogniser.
    """
    return Recogniser(
        re.compile(wanted(_ALONE)),
        re.compile(rb"(?:" + wanted(_LINE) + rb"\n)*"),
        re.compile(apart(_ALONE)),
        re.compile(apart(_LINE)),
    )


def structured(messages: list[bytes]) -> list[Row]:
    """
    Find the structured data of RFC 5424 messages.

    :return: a row for each message: its header with the space behind it, its elements (empty for none), the MSG with
        the space before it; or, in the fourth place alone, a message that is not valid RFC 5424.
    """
    lines = _joined(messages)
    if lineEnds(lines) == len(messages):
        return _compiled(_structured, _LINE).findall(lines)
    pattern = _compiled(_structured, _ALONE)
    return [row for message in messages for row in pattern.findall(message)]


def elementNames(elements: bytes) -> list[bytes]:
    """
    The SD-IDs of valid elements.
    """
    return _compiled(_namedElement, _ALONE).findall(elements)


@cache
def _compiled(pattern: Callable[[_Scope], bytes], scope: _Scope) -> re.Pattern[bytes]:
    """
    Compile a pattern when it is wanted first: without stamps, these are not.
    """
    return re.compile(pattern(scope))
