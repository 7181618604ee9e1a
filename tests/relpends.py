"""
A RELP server in this process, on loopback, that does as it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from logrelay.batches import Batch, Framing, Origin
from logrelay.encoding import messagesOf
from logrelay.relpserver import Closing, Messages, Reply, ServerSession

from .relays import LogServer

_ORIGIN = Origin("test", b"test")


class Session(Protocol):
    """
    One connection, as the server sees it.

    :ivar messages: what was taken, in order.
    :ivar most: how many messages were ever without an answer.
    :ivar closed: whether the client has said ``close``.
    """

    transport: Any

    def __init__(self, server: RelpServer) -> None:
        self.server = server
        self.session = ServerSession(65536, first=server.first)
        self.messages: list[bytes] = []
        self.closed = self.gone = False
        self.ended: str | None = None
        self.data = b""
        self._waiting: list[tuple[int, bytes]] = []
        self.most = 0

    def connectionMade(self) -> None:
        """
        Remember it.
        """
        self.server.connections.append(self)  # type: ignore[arg-type]
        if not self.server.reads:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """
        Take messages, and answer.
        """
        self.data += data
        for event in self.session.receive(data):
            match event:
                case Reply(reply):
                    if not self.server.mute:
                        self.transport.write(reply)
                case Messages(first, count, payload, _):
                    batch = Batch(payload, count, Framing.OCTET_COUNTING, _ORIGIN)
                    self._waiting += zip(range(first, first + count), messagesOf(batch), strict=True)
                case Closing():
                    self.closed = True
        self.most = max(self.most, len(self._waiting))
        if self.session.error is not None:
            self.transport.abortConnection()
        elif not self.server.mute:
            self.answer()

    def answer(self) -> None:
        """
        Answer what waits.
        """
        waiting, self._waiting = self._waiting, []
        for number, message in waiting:
            what = self.server.treats(message)
            if what == "close":
                self.transport.write(self.session.end())
                self.transport.loseConnection()
                return
            if what == "refuse":
                self.transport.write(self.session.answer(number, 1, 500, "not this one"))
            else:
                self.messages.append(message)
                self.transport.write(self.session.answer(number, 1))
        if self.closed:
            self.transport.write(self.session.end())
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.gone = True


class RelpServer(LogServer):
    """
    The server.

    :ivar treats: says of each message what becomes of it: ``close``, ``refuse``, or anything else to take it.
    :ivar mute: whether it answers nothing.
    :ivar first: the number that it wants ``open`` to have.
    """

    def __init__(self, context: SSL.Context | None = None) -> None:
        self.treats: Callable[[bytes], str] = lambda message: ""
        self.mute = False
        self.first = 1
        super().__init__(context=context)
        inner = self._factory.wrappedFactory if isinstance(self._factory, TLSMemoryBIOFactory) else self._factory
        inner.buildProtocol = lambda addr: Session(self)  # type: ignore[method-assign]

    @property
    def sessions(self) -> list[Session]:
        """
        All connections.
        """
        return self.connections  # type: ignore[return-value]
