"""
Conversion: the messages of a batch rewritten to RFC 5424 or RFC 3164, in one pass.

From RFC 5424 to RFC 3164 the structured data, the message id, the fraction of the second and a byte order mark are
lost: that format has no place for them.
"""

from __future__ import annotations

import re
from functools import partial

import attrs

from . import recognition
from .batches import Batch
from .headers import Headers
from .remembered import Remembered
from .timestamps import rfc3164Now, rfc3164Time, rfc5424Now, rfc5424Time

#: So many timestamps, and so many hosts, are remembered: more than one batch is likely to hold.
REMEMBERED = 1024

#: Seconds for which the year of a timestamp is remembered, which depends on now.
PERIOD = 600

#: So many of our own names that local messages bear are told apart; there is one, but for what a program composes.
OWN_HOSTS = 8

#: The PRI of messages that have none: user, notice (RFC 3164, section 4.3.3).
PRI = b"<13>"


@attrs.frozen
class Rewritten:
    """
    A batch's messages in another format.

    :ivar messages: all of them, in order; ``None`` where not one had to be changed.
    :ivar unparsed: how many are unchanged since they begin with ``<`` but are of no known format.
    """

    messages: list[bytes] | None
    unparsed: int


class ToRFC5424:
    """
    Rewrites messages to RFC 5424.
    """

    def __init__(self) -> None:
        self._times = Remembered(self._timesIn, 1)
        self._arrivals = Remembered(rfc5424Now, 1)
        self._hosts = Remembered(_rfc5424Host, REMEMBERED)
        self._headers = Remembered(self._headersIn, 1)

    @staticmethod
    def _timesIn(period: float) -> Remembered[bytes, bytes]:
        """
        Where the timestamps converted during one period are remembered.
        """
        return Remembered(partial(rfc5424Time, now=period * PERIOD), REMEMBERED)

    @staticmethod
    def _headersIn(_: float) -> Remembered[bytes, Headers]:
        """
        Where the headers converted during one period are remembered, by the name that a message without a host gets.
        """
        return Remembered(lambda _: Headers(), OWN_HOSTS)

    def rewrite(self, batch: Batch, now: float) -> Rewritten:
        """
        Rewrite those messages of a batch that are not RFC 5424.

        :param now: seconds since the epoch.
        """
        origin = batch.origin
        recogniser = recognition.rfc5424(origin.local)
        messages = recogniser.unlike(batch)
        # Of what decides about a header beside its own bytes, this is all.
        headers = self._headers[now // PERIOD][origin.host if origin.local else b""]
        converted, others = headers.apply(messages)
        if not others:
            return Rewritten(converted or None, 0)
        times, arrivals = self._times[now // PERIOD], self._arrivals
        ownHost = self._hosts[origin.host]
        learns = not headers.resting
        rest = []
        kept = unparsed = 0
        for message, row in zip(others, recogniser.rows(others), strict=True):
            wanted, pri, time, isoTime, host, app, pid, text, other = row
            if wanted:
                rest.append(wanted)
                kept += 1
            elif pri:
                when = isoTime or (times[time] if time else arrivals[now])
                header = b" ".join((pri + b"1", when, host or ownHost, app or b"-", pid or b"-", b"- - "))
                rest.append(header + text)
                if learns and app and (host or origin.local):
                    headers.learn(message, text, header)
            elif other.startswith(b"<"):
                rest.append(other)
                unparsed += 1
            else:
                rest.append(b"%b1 %b %b - - - - %b" % (PRI, arrivals[now], ownHost, other))
        if kept + unparsed == len(messages):
            return Rewritten(None, unparsed)
        left = iter(rest)
        return Rewritten([message or next(left) for message in converted], unparsed)


class ToRFC3164:
    """
    Rewrites messages to RFC 3164.
    """

    def __init__(self) -> None:
        self._times = Remembered(rfc3164Time, REMEMBERED)
        self._arrivals = Remembered(rfc3164Now, 1)
        self._hosts = Remembered(_rfc3164Host, REMEMBERED)

    def rewrite(self, batch: Batch, now: float) -> Rewritten:
        """
        Rewrite those messages of a batch that are not RFC 3164.

        :param now: seconds since the epoch.
        """
        recogniser = recognition.rfc3164(batch.origin.local)
        rows = recogniser.rows(recogniser.unlike(batch))
        times, arrivals, hosts = self._times, self._arrivals, self._hosts
        ownHost = hosts[batch.origin.host]
        messages = []
        kept = unparsed = 0
        # What ends in 3 belongs to messages with an RFC 3164 header, or with a PRI and none.
        for wanted, pri, second, zone, host, app, pid, text, pri3, time3, second3, zone3, host3, text3, other in rows:
            if wanted:
                messages.append(wanted)
                kept += 1
            elif pri:
                when = times[second + zone] if second else arrivals[now]
                name = hosts[host] if host != b"-" else ownHost
                messages.append(b"%b%b %b %b%b" % (pri, when, name, _tag(app, pid), text))
            elif pri3:
                known = time3 or second3 + zone3
                when = times[known] if known else arrivals[now]
                messages.append(b"%b%b %b %b" % (pri3, when, host3 or ownHost, text3))
            elif other.startswith(b"<"):
                messages.append(other)
                unparsed += 1
            else:
                messages.append(b"%b%b %b %b" % (PRI, arrivals[now], ownHost, other))
        return Rewritten(messages if kept + unparsed < len(rows) else None, unparsed)


def _tag(app: bytes, pid: bytes) -> bytes:
    """
    Write what RFC 5424 keeps in two fields as RFC 3164 has it before the text; nothing, if both are missing.
    """
    if pid != b"-":
        return b"%b[%b]: " % (app, pid)
    return app + b": " if app != b"-" else b""


def _rfc5424Host(name: bytes) -> bytes:
    """
    Make a valid HOSTNAME of the name of an origin.
    """
    return re.sub(rb"[^!-~]", b"_", name[:255]) or b"-"


def _rfc3164Host(name: bytes) -> bytes:
    """
    Make a host that can be told from a tag, of the name of an origin or a HOSTNAME.
    """
    name = name.strip(b"[]")
    return name if recognition.HOST.fullmatch(name) else re.sub(rb"[^\w.@/-]", b"_", name[:255]) or b"-"
