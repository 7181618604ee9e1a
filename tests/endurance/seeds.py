"""
The seeds of tests: each run has its own, a failure shows it, and it can be given again.
"""

from __future__ import annotations

import os
import random

from twisted.trial.unittest import SynchronousTestCase

#: The variable that gives it.
VARIABLE = "LOGRELAY_SEED"


def seedOf(case: SynchronousTestCase) -> int:
    """
    The seed of a test; printed, so that it stands beside a failure.
    """
    seed = int(os.environ.get(VARIABLE) or random.SystemRandom().randrange(2**32))
    print(f"{case.id()}: {VARIABLE}={seed}")
    return seed
