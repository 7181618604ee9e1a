"""
Timestamps: from the one syslog format's to the other's.

RFC 3164 has neither year nor zone (``Oct 11 22:14:15``); RFC 5424 has both (``2003-10-11T22:14:15.003Z``).  What a
timestamp leaves open is filled in with the zone that this process lives in, and with the year that puts the time
nearest to now.

There is no clock here: *now* is always an argument, in seconds since the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

#: The parts of an RFC 3164 timestamp, and the year that some devices put in.
_PARTS = re.compile(rb"(...) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d)")

#: The lengths of ISO timestamps down to the second and the microsecond, with a zone of hours and minutes.  Zones of
#: old times have seconds too, for which RFC 5424 has no place.
_SECONDS, _MICROSECONDS = 25, 32


def rfc5424Time(stamp: bytes, now: float) -> bytes:
    """
    Turn an RFC 3164 timestamp, perhaps with a year before the time, into one of RFC 5424.

    :return: ``-``, which stands for an unknown time, for a date that no calendar has.
    """
    found = _PARTS.fullmatch(stamp)
    if found is None:
        return b"-"
    month, day = _MONTHS.index(found[1]) + 1, int(found[2])
    hour, minute, second = map(int, found[4].split(b":"))
    here = datetime.fromtimestamp(now)
    years = [int(found[3])] if found[3] else _yearsAround(here.year, leap=(month, day) == (2, 29))
    times = []
    for year in years:
        with suppress(ValueError):
            times.append(datetime(year, month, day, hour, minute, second))
    if not times:
        return b"-"
    time = min(times, key=lambda each: abs(each - here))
    try:
        # The two differ in the hour that comes twice when summer time ends.
        moments = time.astimezone(), time.replace(fold=1).astimezone()
    except (ValueError, OverflowError):
        return b"-"
    nearest = min(moments, key=lambda moment: abs(moment.timestamp() - now))
    return nearest.isoformat()[:_SECONDS].encode("ascii")


def rfc3164Time(stamp: bytes) -> bytes:
    """
    Turn any timestamp known here into one exactly as RFC 3164 has it.

    :param stamp: an RFC 3164 timestamp, perhaps with a year or with a day written otherwise; or one of RFC 5424
        without a fraction, which is brought to local time.
    """
    found = _PARTS.fullmatch(stamp)
    if found is not None:
        return b"%b %2d %b" % (found[1], int(found[2]), found[4])
    try:
        return _traditional(datetime.fromisoformat(stamp.decode("ascii")).astimezone())
    except (ValueError, OverflowError):
        # At the very ends of the calendar the zone can't be applied.
        return b"%b %2d %b" % (_MONTHS[int(stamp[5:7]) - 1], int(stamp[8:10]), stamp[11:19])


def rfc5424Now(now: float) -> bytes:
    """
    Write a time of arrival as RFC 5424 has it, to the microsecond.
    """
    moment = datetime.fromtimestamp(now).astimezone()
    return moment.isoformat(timespec="microseconds")[:_MICROSECONDS].encode("ascii")


def rfc3164Now(now: float) -> bytes:
    """
    Write a time of arrival as RFC 3164 has it.
    """
    return _traditional(datetime.fromtimestamp(now))


def _traditional(moment: datetime) -> bytes:
    """
    Write a local time as RFC 3164 has it; without the locale, which ``strftime`` would ask.
    """
    return b"%b %2d %02d:%02d:%02d" % (_MONTHS[moment.month - 1], moment.day, moment.hour, moment.minute, moment.second)


def _yearsAround(year: int, leap: bool) -> Sequence[int]:
    """
    The years one of which puts a date nearest to a time in ``year``.

    :param leap: whether only leap years have the date; they are at most eight years apart.
    """
    return range(year - 4, year + 5) if leap else range(year - 1, year + 2)
