"""
Timestamps, from the one format to the other.
"""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.timestamps import rfc3164Now, rfc3164Time, rfc5424Now, rfc5424Time

from .zones import CENTRAL_EUROPE, UTC, liveIn


def at(text: str) -> float:
    """
    Seconds since the epoch, of an ISO time with a zone.
    """
    return datetime.fromisoformat(text).timestamp()


class RFC5424TimeTests(SynchronousTestCase):
    """
    From ``Mmm dd hh:mm:ss`` to RFC 5424.
    """

    def check(self, now: str, stamp: bytes, expected: bytes) -> None:
        """
        Compare one conversion.
        """
        self.assertEqual(rfc5424Time(stamp, at(now)), expected, (now, stamp))

    def test_nearestYear(self) -> None:
        """
        A missing year is the one that puts the time nearest to now.
        """
        liveIn(self, UTC)
        for now, stamp, expected in (
            ("2026-11-22T08:00:00Z", b"Nov 22 07:59:59", b"2026-11-22T07:59:59+00:00"),
            ("2026-11-22T08:00:00Z", b"Nov 23 08:00:00", b"2026-11-23T08:00:00+00:00"),
            ("2026-12-31T23:59:59Z", b"Jan  1 00:00:01", b"2027-01-01T00:00:01+00:00"),
            ("2027-01-01T00:00:01Z", b"Dec 31 23:59:59", b"2026-12-31T23:59:59+00:00"),
            ("2026-06-30T00:00:00Z", b"Jan  1 00:00:00", b"2026-01-01T00:00:00+00:00"),
            ("2026-07-03T00:00:00Z", b"Jan  1 00:00:00", b"2027-01-01T00:00:00+00:00"),
        ):
            self.check(now, stamp, expected)

    def test_leapDay(self) -> None:
        """
        The 29th of February is in the nearest leap year, even where that is far.
        """
        liveIn(self, UTC)
        for now, expected in (
            ("2024-02-29T12:00:00Z", b"2024-02-29T01:02:03+00:00"),
            ("2025-03-01T00:00:00Z", b"2024-02-29T01:02:03+00:00"),
            ("2026-11-22T08:00:00Z", b"2028-02-29T01:02:03+00:00"),
            ("2100-02-28T00:00:00Z", b"2096-02-29T01:02:03+00:00"),
            ("2100-03-02T00:00:00Z", b"2104-02-29T01:02:03+00:00"),
            ("2097-01-01T00:00:00Z", b"2096-02-29T01:02:03+00:00"),
            ("2103-01-01T00:00:00Z", b"2104-02-29T01:02:03+00:00"),
        ):
            self.check(now, b"Feb 29 01:02:03", expected)

    def test_ownZone(self) -> None:
        """
        The zone is that of this process, as it was at that time.
        """
        liveIn(self, CENTRAL_EUROPE)
        self.check("2026-11-22T08:00:00Z", b"Nov 22 08:00:00", b"2026-11-22T08:00:00+01:00")
        self.check("2026-11-22T08:00:00Z", b"Jul  1 08:00:00", b"2026-07-01T08:00:00+02:00")

    def test_yearAcrossZones(self) -> None:
        """
        Whether a year is nearer is decided in the zone of this process.
        """
        liveIn(self, "XXX+10")
        self.check("2027-01-01T05:00:00Z", b"Dec 31 19:00:00", b"2026-12-31T19:00:00-10:00")

    def test_hourThatComesTwice(self) -> None:
        """
        When summer time ends an hour comes twice: the one nearest to now is meant.
        """
        liveIn(self, CENTRAL_EUROPE)
        self.check("2026-10-25T00:30:00Z", b"Oct 25 02:30:00", b"2026-10-25T02:30:00+02:00")
        self.check("2026-10-25T01:30:00Z", b"Oct 25 02:30:00", b"2026-10-25T02:30:00+01:00")

    def test_hourThatIsMissing(self) -> None:
        """
        A time in the hour that summer time leaves out is the same moment by one of the clocks.
        """
        liveIn(self, CENTRAL_EUROPE)
        self.check("2026-03-29T01:30:00Z", b"Mar 29 02:30:00", b"2026-03-29T03:30:00+02:00")

    def test_givenYear(self) -> None:
        """
        A year that is there counts.
        """
        liveIn(self, UTC)
        self.check("2026-11-22T08:00:00Z", b"Oct 11 2003 22:14:15", b"2003-10-11T22:14:15+00:00")

    def test_days(self) -> None:
        """
        Days of one digit may be written in three ways.
        """
        liveIn(self, UTC)
        for stamp in (b"Oct  1 22:14:15", b"Oct 01 22:14:15", b"Oct 1 22:14:15"):
            self.check("2026-11-22T08:00:00Z", stamp, b"2026-10-01T22:14:15+00:00")

    def test_noSuchDate(self) -> None:
        """
        A date that no calendar has, or none that can be told, is an unknown time.
        """
        liveIn(self, CENTRAL_EUROPE)
        for stamp in (
            b"Feb 30 00:00:00",
            b"Feb 29 2003 00:00:00",
            b"Oct 11 0000 22:14:15",
            b"Jan  1 0001 00:00:00",
            b"",
        ):
            self.check("2026-11-22T08:00:00Z", stamp, b"-")

    def test_secondsOfAZone(self) -> None:
        """
        A zone with seconds, as there were in old times, loses them: RFC 5424 has none.
        """
        liveIn(self, "LMT-0:49:56")
        self.check("1890-01-01T00:00:00Z", b"Jan  1 00:00:00", b"1890-01-01T00:00:00+00:49")


class RFC3164TimeTests(SynchronousTestCase):
    """
    From whatever is known to ``Mmm dd hh:mm:ss``.
    """

    def test_times(self) -> None:
        """
        Each time is brought to the local zone, or only to the form.
        """
        liveIn(self, CENTRAL_EUROPE)
        for stamp, expected in (
            (b"2026-11-22T08:00:00Z", b"Nov 22 09:00:00"),
            (b"2026-07-01T23:30:00+00:00", b"Jul  2 01:30:00"),
            (b"2003-08-24T05:14:15-07:00", b"Aug 24 14:14:15"),
            (b"Oct  1 22:14:15", b"Oct  1 22:14:15"),
            (b"Oct 1 22:14:15", b"Oct  1 22:14:15"),
            (b"Oct 01 22:14:15", b"Oct  1 22:14:15"),
            (b"Oct 11 2003 22:14:15", b"Oct 11 22:14:15"),
            (b"Feb 30 22:14:15", b"Feb 30 22:14:15"),
        ):
            self.assertEqual(rfc3164Time(stamp), expected, stamp)

    def test_endsOfTheCalendar(self) -> None:
        """
        Where the zone can't be applied the time is taken as it is written.
        """
        liveIn(self, CENTRAL_EUROPE)
        for stamp, expected in (
            (b"0000-02-29T22:14:15Z", b"Feb 29 22:14:15"),
            (b"0001-01-01T00:00:00+23:59", b"Jan  1 00:00:00"),
            (b"9999-12-31T23:59:59-23:59", b"Dec 31 23:59:59"),
        ):
            self.assertEqual(rfc3164Time(stamp), expected, stamp)


class NowTests(SynchronousTestCase):
    """
    Times of arrival.
    """

    def test_local(self) -> None:
        """
        They are in the local zone; RFC 5424 has microseconds.
        """
        liveIn(self, CENTRAL_EUROPE)
        now = at("2026-11-02T08:00:00.25Z")
        self.assertEqual(rfc5424Now(now), b"2026-11-02T09:00:00.250000+01:00")
        self.assertEqual(rfc3164Now(now), b"Nov  2 09:00:00")

    @given(st.integers(0, 2**32))
    @settings(deadline=None)
    def test_thereAndBack(self, now: int) -> None:
        """
        A time of arrival, written without its year, is found again.
        """
        liveIn(self, CENTRAL_EUROPE)
        expected = rfc5424Now(now).replace(b".000000", b"")
        self.assertEqual(rfc5424Time(rfc3164Now(now), now), expected)
        self.assertEqual(rfc3164Time(expected), rfc3164Now(now))
