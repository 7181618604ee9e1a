"""
Time zones for tests, without any of the machine's.
"""

from __future__ import annotations

import os
import time

from twisted.trial.unittest import SynchronousTestCase

UTC = "UTC0"

#: As in most of Europe: summer time from the last Sunday in March to the last in October.
CENTRAL_EUROPE = "CET-1CEST,M3.5.0,M10.5.0/3"


def liveIn(case: SynchronousTestCase, zone: str) -> None:
    """
    Give this process a time zone until the test ends.

    :param zone: as POSIX has it in ``TZ``.
    """
    case.addCleanup(_setZone, os.environ.get("TZ"))
    _setZone(zone)


def _setZone(zone: str | None) -> None:
    """
    Set the zone, or none.
    """
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
