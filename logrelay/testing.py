"""
Log servers in memory, for tests of programs that deliver to several of them.

A :class:`FakeServer` has an endpoint; give it to a ``FailoverClientFactory`` or a ``Destination``, together with a
``twisted.internet.task.Clock``.  It accepts, refuses, hangs, slams the door, or lies about its name; its connections
read, stall, vanish, close, or are reset.  Nothing happens but when the clock is advanced, be it by 0::

    clock = Clock()
    primary, failover = FakeServer(clock), FakeServer(clock)
    factory = FailoverClientFactory(clock, [primary.endpoint, failover.endpoint], myProtocols)
    primary.refuse()
    factory.start()
    clock.advance(0)
    assert failover.received == b"..."

The fakes know what kernels know: what is acknowledged is not yet read, and what is not read is lost by a reset.  Our
tests hold them against TCP sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import attrs
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from .errors import NotVerified
from .memory import FakeConnection, MemoryTransport, MemoryView

__all__ = ["FakeConnection", "FakeServer", "MemoryTransport", "MemoryView"]

#: Each server gets a port of its own; it only is a name.
_ports = count(10001)


class FakeServer:
    """
    A log server in memory.

    :ivar endpoint: connects to it.
    :ivar address: where it pretends to be.
    :ivar attempts: how many attempts to connect there were.
    :ivar connections: all connections that it accepted, oldest first.
    """

    def __init__(self, clock: IReactorTime, timeout: float = 10) -> None:
        """
        :param timeout: after so many seconds an attempt that is not answered fails.
        """
        self.clock = clock
        self.address = IPv4Address("TCP", "192.0.2.1", next(_ports))
        self.endpoint: IStreamClientEndpoint = _Endpoint(self, timeout)
        self.attempts = 0
        self.connections: list[FakeConnection] = []
        self._answer: Callable[[_Attempt], None] = _Attempt.accepted
        self._reads = True
        self._answersEnds = True

    @property
    def received(self) -> bytes:
        """
        All that it read, in order of the connections.
        """
        return b"".join(connection.received for connection in self.connections)

    @property
    def open(self) -> list[FakeConnection]:
        """
        The connections that the client holds.
        """
        return [connection for connection in self.connections if connection.transport.connected]

    # How it answers attempts from now on.

    def accept(self) -> None:
        """
        Take connections, as at first.
        """
        self._answer = _Attempt.accepted

    def refuse(self) -> None:
        """
        Nobody listens.
        """
        self._answer = _Attempt.refused

    def hang(self) -> None:
        """
        Give no answer.
        """
        self._answer = _Attempt.unanswered

    def slam(self) -> None:
        """
        Accept, and close at once.
        """
        self._answer = _Attempt.slammed

    def lie(self) -> None:
        """
        Present a certificate that names another server.
        """
        self._answer = _Attempt.liedTo

    # How it treats its connections, those of now and those to come.

    def stall(self) -> None:
        """
        Read nothing.  The kernel goes on to take data until its buffer is full.
        """
        self._reads = False
        for connection in self.connections:
            connection.stall()

    def resume(self) -> None:
        """
        Read again.
        """
        self._reads = True
        for connection in self.connections:
            connection.resume()

    def ignoreEnds(self) -> None:
        """
        Keep connections open whose client has ended its side.
        """
        self._answersEnds = False
        for connection in self.connections:
            connection.answersEnd = False

    # What it does to the connections of now.

    def close(self) -> None:
        """
        Close them: gracefully where everything was read, with a reset otherwise, as kernels do.
        """
        for connection in self.connections:
            connection.close()

    def reset(self) -> None:
        """
        Reset them: what was not read is lost.
        """
        for connection in self.connections:
            connection.reset()

    def vanish(self) -> None:
        """
        Let their packets go nowhere, and those of new attempts too.
        """
        self.hang()
        for connection in self.connections:
            connection.vanish()

    def take(self, factory: IProtocolFactory) -> IProtocol:
        """
        Accept a connection.

        :raises NoProtocol: if the factory has no use for it.
        """
        protocol = factory.buildProtocol(self.address)
        if protocol is None:
            raise error.NoProtocol()
        connection = FakeConnection(self.clock, protocol, self.address)
        connection.answersEnd = self._answersEnds
        if not self._reads:
            connection.stall()
        self.connections.append(connection)
        protocol.makeConnection(connection.transport)
        return protocol


@implementer(IStreamClientEndpoint)
@attrs.frozen(eq=False)
class _Endpoint:
    """
    The way to a server.
    """

    server: FakeServer
    timeout: float

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        See ``IStreamClientEndpoint``.
        """
        self.server.attempts += 1
        return _Attempt(self.server, protocolFactory, self.timeout).done


class _Attempt:
    """
    One attempt to connect.

    :ivar done: fires with the protocol.
    """

    def __init__(self, server: FakeServer, factory: IProtocolFactory, timeout: float) -> None:
        self._server = server
        self._factory = factory
        self.done: Deferred[IProtocol] = Deferred(self._cancelled)
        self._calls = [
            server.clock.callLater(0, lambda: server._answer(self)),
            server.clock.callLater(timeout, self._failed, error.TimeoutError()),
        ]

    def _cancelled(self, done: Deferred[IProtocol]) -> None:
        self._failed(error.ConnectingCancelledError(self._server.address))

    def _failed(self, problem: Exception) -> None:
        self._over()
        self.done.errback(Failure(problem))

    def _over(self) -> None:
        """
        Wait for nothing more.
        """
        for call in self._calls:
            if call.active():
                call.cancel()

    # The answers.

    def accepted(self) -> None:
        """
        The server takes the connection.
        """
        try:
            protocol = self._server.take(self._factory)
        except Exception as problem:
            self._failed(problem)
        else:
            self._over()
            self.done.callback(protocol)

    def slammed(self) -> None:
        """
        The server takes it and closes it.
        """
        before = len(self._server.connections)
        self.accepted()
        for connection in self._server.connections[before:]:
            connection.close()

    def refused(self) -> None:
        """
        The server's kernel refuses.
        """
        self._failed(error.ConnectionRefusedError())

    def liedTo(self) -> None:
        """
        We refuse.
        """
        self._failed(NotVerified("the certificate names another server"))

    def unanswered(self) -> None:
        """
        Nothing happens.
        """
