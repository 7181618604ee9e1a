"""
The processes at both ends of a relay: ``python -m MODULE SPECIFICATION``, which say in lines of JSON what they have to
say, and end when their standard input does.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Any

from tests.loads import endProcess
from tests.real import TOP

#: No such process lives longer, whatever happens to who started it.  Seconds.
LIFE = 180.0

#: How long an answer may take, in seconds: a sink that looks through all that it has got takes a second or two.
ANSWER = 30.0


class Child:
    """
    The end of such a process where it was started.
    """

    def __init__(self, module: str, specification: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(specification)],
            env={**os.environ, "PYTHONPATH": str(TOP)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._module = module
        self._read = b""

    def told(self, timeout: float = ANSWER) -> Any:
        """
        The next line that it says; ``None`` if there is none within so many seconds.

        :raises ChildProcessError: it has ended instead.
        """
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                raise ChildProcessError(f"{self._module} has ended, with {self._process.wait()}")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)

    def ask(self, question: str) -> Any:
        """
        Say a line to it, and wait for the answer.

        :raises ChildProcessError: it gives none.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(question.encode() + b"\n")
        except BrokenPipeError:
            raise ChildProcessError(f"{self._module} has ended, with {self._process.wait()}") from None
        if (answer := self.told()) is None:
            raise ChildProcessError(f"{self._module} does not answer")
        return answer

    def close(self) -> None:
        """
        Leave nothing behind, whatever has happened.
        """
        endProcess(self._process)
