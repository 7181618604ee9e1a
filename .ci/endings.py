"""
Saves the coverage of a process that ends itself with a signal: nothing at exit runs then.

twistd does so: stopped by a signal, it shuts down and then kills itself with the same signal.  ``.ci/run`` puts this
module into its environment, where each process that is measured imports it at its start.
"""

from __future__ import annotations

import os

from coverage import Coverage

_kill = os.kill


def _saveAndKill(pid: int, number: int) -> None:
    """
    ``os.kill``, with a word to coverage before it ends the process itself.
    """
    current = Coverage.current()
    if pid == os.getpid() and current is not None:
        current.save()
    _kill(pid, number)


os.kill = _saveAndKill
