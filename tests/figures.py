"""
What tests measure: printed only when somebody asks for it.
"""

from __future__ import annotations

import os

#: Set this variable, to anything, and tests print what they measured (with ``pytest -s``, too).
SHOW = "LOGRELAY_SHOW"


def show(text: str) -> None:
    """
    Print something, if it was asked for.
    """
    if SHOW in os.environ:
        print(f"\n{text}", flush=True)
