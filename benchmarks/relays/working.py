"""
Relays that do some work, told as a :class:`benchmarks.wire.Work`, from clients on this machine to one server on it.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from benchmarks.wire import HOST, Files, Work
from tests.real import RealServer

#: Bytes that each has on disk where messages go through it.
ROOM = 1 << 30

#: The kernel's receive buffer for UDP, in bytes, the same for all.
UDP_BUFFER = 1 << 20

#: The longest message, in bytes, the same for all.
LONGEST = 65536


@attrs.define(slots=False)
class Working(RealServer):
    """
    A relay with work to do.

    :ivar to: the port of its server.
    :ivar files: where TLS is spoken.
    """

    work: Work = attrs.field(factory=Work)
    to: int = 0
    files: Files | None = None

    @property
    def entrance(self) -> tuple[str, int] | str:
        """
        Where it takes messages: host and port, or the path of a unix socket.
        """
        return str(self.socketPath) if self.work.comes.transport == "unix-dgram" else (HOST, self.port)

    @property
    def socketPath(self) -> Path:
        """
        The unix socket, where there is one.
        """
        return self.directory / "log.sock"

    def listening(self) -> bool:
        """
        Whether it is ready for messages of its kind.
        """
        if self.work.comes.transport == "unix-dgram":
            return self.socketPath.exists()
        if self.work.comes.transport == "udp":
            rows = Path(f"/proc/{self.pid}/net/udp").read_text().splitlines()[1:]
            return any(int(row.split()[1].rpartition(":")[2], 16) == self.port for row in rows)
        return super().listening()

    def tlsFiles(self) -> Files:
        """
        Those that it has to have.
        """
        assert self.files is not None, "TLS without a certificate"
        return self.files
