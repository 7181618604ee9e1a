"""
The properties of the tests, tried with chance for as long as wanted: ``python -m tests.fuzzing MINUTES MODULE...``.

In the suite each gets some hundred examples; here every property (``@given``) of the named test modules takes its turn,
with other examples each time, until the time is over.  What fails is printed with the example that does it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from typing import Any
from unittest import TestCase, TestResult

from hypothesis import HealthCheck, settings

#: Examples of one turn.
EXAMPLES = 500

_FREELY = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
)


def properties(name: str) -> Iterator[tuple[type[TestCase], str]]:
    """
    Those of one test module.
    """
    module = importlib.import_module(f"tests.{name}")
    for case in vars(module).values():
        if isinstance(case, type) and issubclass(case, TestCase) and case.__module__ == module.__name__:
            for method in dir(case):
                if hasattr(getattr(case, method, None), "hypothesis"):
                    yield case, method


def turn(case: type[TestCase], method: str) -> bool:
    """
    Try one property.

    :return: whether it holds.
    """
    freely = type(case.__name__, (case,), {method: _FREELY(_again(getattr(case, method)))})
    result = TestResult()
    freely(method).run(result)
    for _, text in (*result.failures, *result.errors):
        print(text, flush=True)
    return result.wasSuccessful()


def _again(test: Any) -> Any:
    """
    The same property, without the settings that it has in the suite.  Hypothesis refuses to change them, and has no
    other way to run a method longer.
    """
    vars(test).pop("_hypothesis_internal_settings_applied", None)
    return test


def main() -> int:
    """
    Try them.

    :return: 0 if all hold.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("modules", nargs="+", help="as in test_framing")
    options = parser.parse_args()
    found = [each for name in options.modules for each in properties(name)]
    turns = {f"{case.__name__}.{method}": 0 for case, method in found}
    bad: set[str] = set()
    end = time.monotonic() + 60 * options.minutes
    while time.monotonic() < end and len(bad) < len(found):
        for case, method in found:
            name = f"{case.__name__}.{method}"
            if name in bad or time.monotonic() >= end:
                continue
            turns[name] += 1
            if not turn(case, method):
                bad.add(name)
    for name, count in turns.items():
        print(f"{name}: {count * EXAMPLES:,} examples{', FAILED' if name in bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
