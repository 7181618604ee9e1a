"""
Where, when and with what a suite ran.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path

from OpenSSL import SSL

from tests.real import TOP

from .relays import RELAYS


def version(kind: str) -> str:
    """
    What a relay is, for people.
    """
    if kind in RELAYS:
        return RELAYS[kind].version()
    return f"socat {_said('socat', '-V', pattern='version ([0-9.]+)')}"


def described(kinds: Iterable[str], command: str) -> dict[str, object]:
    """
    Everything that should stand beside figures.

    :param kinds: the relays that took part.
    :param command: what ran.
    """
    cpus = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "-C", str(TOP), "describe", "--always", "--dirty", "--abbrev=12"),
        "cpu": cpus[0] if cpus else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "twisted": importlib.metadata.version("Twisted"),
        # Ours brings its own; the others, and both ends, have that of the system.
        "openssl": SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode(),
        "opensslOfSystem": ssl.OPENSSL_VERSION,
        "relays": {kind: version(kind) for kind in kinds},
    }


def missing(kind: str) -> bool:
    """
    Whether a relay is not here.
    """
    if kind == "socat":
        return shutil.which("socat") is None
    program = RELAYS[kind].program if kind in RELAYS else ""
    return not (TOP / ".real" / program).exists()


def _said(*command: str, pattern: str = "(.*)") -> str:
    """
    What a program says of itself; ``unknown`` if it does not.
    """
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    match = re.search(pattern, said)
    return match[1] if match else "unknown"
