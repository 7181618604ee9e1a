"""
The far end of a relay, which counts messages: a process of its own (:mod:`benchmarks.sinkserver`), as seen from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .child import Child
from .messages import MARK
from .wire import HOST, Files


class Sink:
    """
    One such process.

    :ivar port: that it listens on.
    """

    def __init__(
        self,
        transport: str = "tcp",
        *,
        port: int = 0,
        keep: str = "",
        files: Files | None = None,
        mark: bytes = MARK,
        addresses: Sequence[str] = (HOST,),
        strikes: int = 0,
        every: int = 0,
    ) -> None:
        """
        Start it, and wait until it listens.

        :param transport: ``tcp``, ``tls`` or ``relp``.
        :param keep: ``times`` or ``numbers``: keeps what comes, and reports that of it.
        :param strikes: how often the port that messages come in by is closed, its connections reset.
        :param every: after how many messages each.
        """
        self._child = Child(
            "benchmarks.sinkserver",
            {
                "transport": transport,
                "port": port,
                "keep": keep,
                "files": files and [files.cert, files.key],
                "mark": mark.decode(),
                "addresses": list(addresses),
                "strikes": strikes,
                "every": every,
            },
        )
        told = self._child.told()
        assert told is not None, "the sink does not listen"
        self.port: int = told["port"]

    def counted(self) -> Any:
        """
        ``count`` messages, ``first`` and ``last`` of them, ``connected``: when the last connection was made (0: never).
        """
        return self._child.ask("count")

    @property
    def count(self) -> int:
        """
        How many messages have come.
        """
        count: int = self.counted()["count"]
        return count

    @property
    def began(self) -> float:
        """
        When the last connection was made, on the monotonic clock; 0 before the first one.
        """
        began: float = self.counted()["connected"]
        return began

    def report(self) -> Any:
        """
        What is kept: ``p50`` and ``p99`` in milliseconds, or ``distinct`` and ``doubles``; and how many ``strikes``.
        """
        return self._child.ask("report")

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        self._child.close()
