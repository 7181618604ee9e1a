"""
A log server of our own, as a process: ``python -m tests.ownserver HOST PORT FILE`` appends the text of each message
to a file, a line each, as the real servers of :mod:`tests.real` do.  It ends on SIGTERM without further ado.

It can misbehave, too: see :data:`MANNERS`.  On SIGUSR1 it is well from then on; on SIGUSR2 it closes all connections,
and each new one at once.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import attrs
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IHandshakeListener, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from logrelay.batches import Origin
from logrelay.counters import SourceCounters
from logrelay.encoding import messagesOf
from logrelay.framing import decoderFor

from .real import TOP, RealServer, ServerTls
from .relpserver import RelpSession

#: How it may behave: read all at once; read slowly; read much, and then nothing more; read nothing (over TLS, nothing
#: after the handshake); close each connection at once.
MANNERS = ("reads", "slow", "pauses", "deaf", "closes")

#: A slow one reads once in so many seconds, at most what one read of Twisted's brings: 64 KiB.
SLOW = 0.1

#: So many bytes are read before a pause: enough that the kernel has given the connection a large buffer.
MUCH = 30_000_000

#: The header of RFC 5424, with structured data that is absent, as that of loggen's messages is.
_HEADER = re.compile(rb"<\d+>1 \S+ \S+ \S+ \S+ \S+ - ")

theReactor: Any = reactor


def _countOf(output: Path) -> Path:
    """
    The file with a byte for each connection that has brought messages.
    """
    return output.with_name(f"{output.name}.connections")


class Lines:
    """
    Either framing; nothing is ever answered.
    """

    over = False

    def __init__(self) -> None:
        self._decoder = decoderFor(None, Origin("test", b"test"), 65536, SourceCounters())

    def take(self, data: bytes) -> Iterator[tuple[bytes | None, bytes]]:
        """
        See :meth:`RelpSession.take`.
        """
        for batch in self._decoder.decode(data):
            for message in messagesOf(batch):
                yield message, b""


@attrs.define
class Manner:
    """
    How the whole server behaves, and what it has done.

    :ivar how: one of :data:`MANNERS`.
    :ivar poison: closes a connection that brings a message with this in it; empty: nothing does.
    :ivar relp: whether it speaks RELP.
    :ivar read: how many bytes it has read.
    :ivar connections: those that are open.
    """

    how: str = "reads"
    poison: bytes = b""
    relp: bool = False
    read: int = 0
    connections: set[Received] = attrs.field(factory=set)

    def recover(self) -> None:
        """
        Be well.
        """
        self.how = "reads"

    def shut(self) -> None:
        """
        Close everything, and go on so.
        """
        self.how = "closes"
        for connection in self.connections:
            connection.transport.loseConnection()


@implementer(IHandshakeListener)
class Received(Protocol):
    """
    Writes what one connection brings.
    """

    transport: Any

    def __init__(self, output: Path, manner: Manner) -> None:
        self._path, self._output = output, output.open("ab", buffering=0)
        self._begun = False
        self._manner = manner
        self._session: Lines | RelpSession = RelpSession() if manner.relp else Lines()

    def connectionMade(self) -> None:
        """
        Over TLS the handshake comes first.
        """
        self._manner.connections.add(self)
        if not isinstance(self.transport, TLSMemoryBIOProtocol):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """
        Read, or do not.
        """
        if self._manner.how == "deaf":
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """
        Write at once, so that what is in the file is what was read, and answer only then.
        """
        lines, answers, poison = [], [], self._manner.poison
        for message, answer in self._session.take(data):
            if message is not None and poison and poison in message:
                self.transport.loseConnection()
                break
            if message is not None:
                lines.append(_HEADER.sub(b"", message, 1) + b"\n")
            answers.append(answer)
        if lines and not self._begun:
            self._begun = True
            with _countOf(self._path).open("ab") as count:
                count.write(b"+")
        self._output.write(b"".join(lines))
        self.transport.write(b"".join(answers))
        if self._session.over:
            self.transport.loseConnection()
        self._rest(len(data))

    def _rest(self, size: int) -> None:
        """
        Read no more for a while, or for good.
        """
        self._manner.read += size
        if self._manner.how == "slow":
            self.transport.pauseProducing()
            theReactor.callLater(SLOW, self.transport.resumeProducing)
        elif self._manner.how == "pauses" and self._manner.read > MUCH:
            self.transport.pauseProducing()

    def connectionLost(self, reason: object = None) -> None:
        """
        Let go of the file.
        """
        self._manner.connections.discard(self)
        self._output.close()


class Closing(Protocol):
    """
    Closes at once, and reads nothing.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        That was all.
        """
        self.transport.loseConnection()


class ReceivedFactory(Factory):
    """
    One file for all connections.
    """

    noisy = False

    def __init__(self, output: Path, manner: Manner) -> None:
        self._output, self._manner = output, manner

    def buildProtocol(self, addr: IAddress | None) -> Received:
        """
        What writes this connection's messages.
        """
        return Received(self._output, self._manner)


class Door(Factory):
    """
    Lets connections in, or closes them before anything else, a handshake included, can happen.
    """

    noisy = False

    def __init__(self, inside: Factory, manner: Manner) -> None:
        self._inside, self._manner = inside, manner

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """
        What serves this connection.
        """
        return Closing() if self._manner.how == "closes" else self._inside.buildProtocol(addr)


@implementer(IOpenSSLServerConnectionCreator)
@attrs.frozen
class Creator:
    """
    Makes the server's side of TLS connections.
    """

    context: SSL.Context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        See ``IOpenSSLServerConnectionCreator``.
        """
        return SSL.Connection(self.context, None)


def secured(inside: Factory, tls: ServerTls) -> Factory:
    """
    The same over TLS.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(tls.certFile))
    context.use_privatekey_file(str(tls.keyFile))
    factory = TLSMemoryBIOFactory(Creator(context), False, inside)
    factory.noisy = False
    return cast(Factory, factory)


@attrs.define
class OwnServer(RealServer):
    """
    Runs this module as a server.

    :ivar driver: ``relp``, or any other: framing and format are told from what comes.
    :ivar manner: one of :data:`MANNERS`.
    :ivar poison: closes a connection that brings a message with this in it; empty: nothing does.
    """

    package: ClassVar[str] = "none"
    program: ClassVar[str] = sys.executable

    manner: str = "reads"
    poison: str = ""

    def __attrs_post_init__(self) -> None:
        self.prefix = [*self.prefix, "env", "--unset=COVERAGE_PROCESS_START", f"PYTHONPATH={TOP}"]

    def configuration(self) -> str:
        """
        It has none.
        """
        return ""

    def arguments(self, configuration: Path) -> list[str]:
        """
        This module's.
        """
        chosen = [f"--manner={self.manner}", f"--poison={self.poison}"]
        if self.driver == "relp":
            chosen.append("--relp")
        if self.tls is not None:
            chosen += [f"--cert={self.tls.certFile}", f"--key={self.tls.keyFile}"]
        return ["-m", "tests.ownserver", self.host, str(self.port), str(self.output), *chosen]

    @property
    def connections(self) -> int:
        """
        How many connections have brought messages.
        """
        count = _countOf(self.output)
        return count.stat().st_size if count.exists() else 0

    def recover(self) -> None:
        """
        Be well from now on, whatever the manner was.
        """
        os.kill(self.pid, signal.SIGUSR1)

    def shut(self) -> None:
        """
        Close all connections, and from now on every new one at once.
        """
        os.kill(self.pid, signal.SIGUSR2)


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Listen until told to end.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--manner", choices=MANNERS, default="reads")
    parser.add_argument("--poison", default="")
    parser.add_argument("--relp", action="store_true")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args(arguments)
    manner = Manner(options.manner, options.poison.encode(), options.relp)
    for number, change in ((signal.SIGUSR1, manner.recover), (signal.SIGUSR2, manner.shut)):
        signal.signal(number, lambda number, frame, change=change: theReactor.callFromThread(change))  # type: ignore[misc]
    factory: Factory = ReceivedFactory(options.output, manner)
    if options.cert:
        factory = secured(factory, ServerTls(options.cert, options.key))
    TCP4ServerEndpoint(theReactor, options.port, interface=options.host).listen(Door(factory, manner))
    theReactor.run()


if __name__ == "__main__":
    main()
