"""
Our own sender, as a process: the same load for every relay, as cheap as can be.

It writes prepared blocks of messages, and says in the end how many it has sent; then it keeps its connections
until its standard input ends, so that no relay has to close any while it is measured.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

import attrs

from . import sending
from .child import LIFE, Child
from .wire import Files, Load, Wire


class Sender:
    """
    One such process.
    """

    def __init__(self, load: Load, address: tuple[str, int] | str, files: Files | None = None) -> None:
        """
        Start it.

        :param address: host and port, or the path of a unix socket.
        """
        specification = {"load": attrs.asdict(load), "address": address, "files": files and attrs.asdict(files)}
        self._child = Child("benchmarks.sender", specification)

    def sent(self) -> int | None:
        """
        How many messages it has sent, if it has sent all of them; else ``None``.

        :raises ChildProcessError: it can't send them.
        """
        told = self._child.told(0)
        if told is not None and "failure" in told:
            raise ChildProcessError(told["failure"])
        return None if told is None else int(told["sent"])

    def close(self) -> None:
        """
        Leave nothing behind.
        """
        self._child.close()


def main(specification: dict[str, Any]) -> None:
    """
    Send everything.
    """
    load = Load(**{**specification["load"], "wire": Wire(**specification["load"]["wire"])})
    address = specification["address"]
    where = address if isinstance(address, str) else (address[0], address[1])
    files = Files(**specification["files"]) if specification["files"] else None
    connections: Sequence[socket.socket] = ()
    try:
        number, connections = sending.send(load, where, files)
        told: dict[str, object] = {"sent": number}
    except OSError as error:
        told = {"failure": str(error)}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    for each in connections:
        each.close()


if __name__ == "__main__":
    # It ends by itself, also where it waits for a relay.
    thread = threading.Thread(target=main, args=(json.loads(sys.argv[1]),), daemon=True)
    thread.start()
    thread.join(LIFE)
