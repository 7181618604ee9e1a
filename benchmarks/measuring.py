"""
What a process has cost so far, told by the kernel.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from tests.loads import peak


def cpuSeconds(pid: int) -> float:
    """
    The CPU time that a process and its threads have used, user and system.
    """
    # The clock that clock_getcpuclockid(3) of Linux names: to the nanosecond, where /proc has ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def peakMemory(pid: int) -> int:
    """
    The most memory that a process has had so far (VmHWM), in KiB.
    """
    return peak(pid) // 1024


def family(pid: int) -> list[int]:
    """
    A process and its children: socat has one for each connection where there are several.
    """
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def total(pids: Iterable[int]) -> tuple[float, int]:
    """
    CPU seconds and KiB of several processes together.
    """
    each = list(pids)
    return sum(map(cpuSeconds, each)), sum(map(peakMemory, each))
