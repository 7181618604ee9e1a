"""
A log server of our own, as a process: ``python -m tests.ownserver HOST PORT FILE`` appends the text of each message
to a file, a line each, as the real servers of :mod:`tests.real` do.  It ends on SIGTERM without further ado.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from logrelay.batches import Origin
from logrelay.counters import SourceCounters
from logrelay.encoding import messagesOf
from logrelay.framing import decoderFor

from .real import TOP, RealServer

#: The header of RFC 5424, with structured data that is absent, as that of loggen's messages is.
_HEADER = re.compile(rb"<\d+>1 \S+ \S+ \S+ \S+ \S+ - ")


class Received(Protocol):
    """
    Writes what one connection brings.
    """

    def __init__(self, output: Path) -> None:
        self._output = output.open("ab", buffering=0)
        self._decoder = decoderFor(None, Origin("test", b"test"), 65536, SourceCounters())

    def dataReceived(self, data: bytes) -> None:
        """
        Write at once, so that what is in the file is what was read.
        """
        messages = [message for batch in self._decoder.decode(data) for message in messagesOf(batch)]
        self._output.write(b"".join(_HEADER.sub(b"", message, 1) + b"\n" for message in messages))


class ReceivedFactory(Factory):
    """
    One file for all connections.
    """

    noisy = False

    def __init__(self, output: Path) -> None:
        self._output = output

    def buildProtocol(self, addr: IAddress | None) -> Received:
        """
        What writes this connection's messages.
        """
        return Received(self._output)


@attrs.define
class OwnServer(RealServer):
    """
    Runs this module as a server.
    """

    package: ClassVar[str] = "none"
    program: ClassVar[str] = sys.executable

    prefix: Sequence[str] = ("env", f"PYTHONPATH={TOP}")

    def configuration(self) -> str:
        """
        It has none.
        """
        return ""

    def arguments(self, configuration: Path) -> list[str]:
        """
        This module's.
        """
        return ["-m", "tests.ownserver", self.host, str(self.port), str(self.output)]


def main(host: str, port: str, output: str) -> None:
    """
    Listen until told to end.
    """
    TCP4ServerEndpoint(reactor, int(port), interface=host).listen(ReceivedFactory(Path(output)))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
