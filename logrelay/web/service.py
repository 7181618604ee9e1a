"""
The relay over HTTP, as a service beside it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort
from twisted.logger import Logger

from ..config import HTTPSettings
from ..errors import LogRelayError
from ..events import EventLog
from ..servers import Server
from ..snapshot import Snapshot
from .answers import Answers
from .front import Front
from .history import EVERY, History

_log = Logger(namespace="logrelay.web")


class Shown(Protocol):
    """
    What is shown: a relay, as far as that matters here.
    """

    log: EventLog

    def snapshot(self) -> Snapshot:
        """
        The state now.
        """


class HTTPService(Service):
    """
    Serves metrics, health, readiness, status and the page of a relay.  Nothing can be changed by it.
    """

    def __init__(self, reactor: Any, relay: Shown, settings: HTTPSettings) -> None:
        """
        Nothing is opened yet.

        :param reactor: provides ``IReactorTCP`` and ``IReactorTime``.
        """
        self._reactor = reactor
        self._relay = relay
        self._settings = settings
        self._history = History()
        onlyLoopback = ip_address(settings.listen.interface or "0.0.0.0").is_loopback
        self._answers = Answers(reactor, relay.snapshot, self._history, onlyLoopback)
        self._front = Front(reactor, self._answers)
        self._port: IListeningPort | None = None
        self._sampling: IDelayedCall | None = None

    @property
    def address(self) -> IAddress | None:
        """
        Where it listens; ``None`` where it does not.
        """
        return None if self._port is None else self._port.getHost()

    def privilegedStartService(self) -> None:
        """
        Bind the socket, while the process may still use low ports.

        :raises LogRelayError: if it can't be bound.
        """
        super().privilegedStartService()
        self._bind()

    def _bind(self) -> None:
        """
        Bind the socket, once.
        """
        listen = self._settings.listen
        if self._port is not None:
            return
        try:
            self._port = self._reactor.listenTCP(listen.port, self._front, listen.backlog, listen.interface)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            remedy = "choose another address or port for [http], or stop what uses it"
            raise LogRelayError(f"HTTP: cannot listen on {listen.text}: {why}; {remedy}") from error

    def startService(self) -> None:
        """
        Begin to answer, and to remember.

        :raises LogRelayError: if the socket can't be bound.
        """
        self._bind()
        super().startService()
        self._relay.log.observers.append(self._answers.stream.happened)
        self._sample()
        address: Any = self.address
        _log.info("a page, metrics and status are at http://{address}/", address=Server(address.host, address.port))

    def _sample(self) -> None:
        """
        Remember how it is, now and from now on.
        """
        self._sampling = self._reactor.callLater(EVERY, self._sample)
        self._history.sample(self._relay.snapshot())

    def stopService(self) -> Deferred[None]:
        """
        Answer nothing more, and end every connection.

        :return: fires when that is so, within a second.
        """
        super().stopService()
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None
            self._relay.log.observers.remove(self._answers.stream.happened)
        port, self._port = self._port, None
        self._answers.stream.close()
        closed = maybeDeferred(lambda: None if port is None else port.stopListening())
        return closed.addCallback(lambda _: self._front.close())
