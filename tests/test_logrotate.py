"""
Logs that the real logrotate rotates.
"""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .logrotate import WAYS, program, run, table


class LogrotateTests(SynchronousTestCase):
    """
    A short run of ``python -m tests.logrotate``.
    """

    if program() is None:
        skip = "logrotate: not unpacked; run python -m tests.real"

    def test_nothingLost(self) -> None:
        """
        Every line that is in a file arrives, with every way of rotation, over an end of the relay and a crash.
        """
        with tempfile.TemporaryDirectory(prefix="logrelay-") as name:
            ends = [(0.3, signal.SIGTERM), (0.6, signal.SIGKILL)]
            rows, said = run(Path(name), 5, 500, ends, 0.5)
        report = f"{table(rows)}\n{said}"
        self.assertEqual([row.way for row in rows], list(WAYS))
        for row in rows:
            self.assertGreater(row.files, 3, report)
            self.assertEqual(row.lost, 0, report)
            self.assertTrue("rename" not in row.way or row.gone == 0, report)
