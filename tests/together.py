"""
Several trials in one test, at the same time: most of a trial's time is waiting.
"""

from __future__ import annotations

import traceback
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

Trial = Coroutine[Deferred[Any], Any, None]


async def together(case: TestCase, *trials: Trial) -> None:
    """
    Run all trials to their ends; fail with what went wrong in any of them.
    """
    troubles = await gatherResults([Deferred.fromCoroutine(_troubleOf(trial)) for trial in trials])
    case.assertEqual([trouble for trouble in troubles if trouble], [])


async def _troubleOf(trial: Trial) -> str:
    """
    Where and how a trial failed; empty if it did not.
    """
    try:
        await trial
    except Exception:
        return traceback.format_exc()
    return ""
