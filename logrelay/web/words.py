"""
Numbers, sizes and times, for people.
"""

from __future__ import annotations

from datetime import UTC, datetime

_DURATIONS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")


def number(value: float) -> str:
    """
    A count, or a rate: below ten with one digit after the point.
    """
    return f"{value:,.1f}" if 0 < value < 9.95 and value != int(value) else f"{value:,.0f}"


def size(count: int) -> str:
    """
    Bytes.
    """
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    digits = f"{value:.0f}" if unit == 0 or value >= 100 or value == int(value) else f"{value:.1f}"
    return f"{digits} {_SIZES[unit]}"


def duration(seconds: float) -> str:
    """
    How long: the largest unit, and below ten of it the next one, too.
    """
    left = max(0, int(seconds))
    for place, (length, unit) in enumerate(_DURATIONS):
        count, rest = divmod(left, length)
        if count or unit == "s":
            smaller = _DURATIONS[place + 1] if place + 1 < len(_DURATIONS) else None
            more = f" {rest // smaller[0]} {smaller[1]}" if smaller and count < 10 and rest >= smaller[0] else ""
            return f"{count} {unit}{more}"
    raise AssertionError("every duration has seconds")


def moment(at: float) -> datetime:
    """
    A time, in UTC; what no calendar has is the nearest that it has.
    """
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.max.replace(tzinfo=UTC) if at > 0 else datetime.min.replace(tzinfo=UTC)


def stamp(at: float) -> str:
    """
    A time of day, in UTC, with its date.
    """
    return f"{moment(at):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: float, now: float) -> str:
    """
    A time of day, in UTC, with the date if that is another than now.
    """
    then = moment(at)
    return f"{then:%H:%M:%S} UTC" if then.date() == moment(now).date() else stamp(at)
