"""
One short trial of each kind of fault; ``python -m tests.faults`` makes all of them, as often as it takes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SynchronousTestCase

from ..figures import show
from ..real import Rsyslog, SyslogNg, missing
from .suite import gathered, quickTasks, table
from .trial import run

#: So many trials at the same time: most of their time they wait.
JOBS = 4


class RowsTests(SynchronousTestCase):
    """
    The quick part of the table.
    """

    skip = missing(SyslogNg, Rsyslog)

    def test_everyRowHolds(self) -> None:
        """
        Nothing is lost, no more is sent again than has to be, order is kept, and the next server has messages in time.
        """
        wanted = quickTasks()
        with ThreadPoolExecutor(JOBS) as pool:
            results = gathered(zip(wanted, pool.map(run, wanted), strict=True))
        shown = table(results)
        show(shown)
        self.assertEqual([result.row.key for result in results if not result.holds], [], shown)
