"""
Carries out what is asked over the control socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config import Configuration
from ..errors import ConfigurationError, LogRelayError, RelayStopped, ReloadRefused
from ..rendering import asData
from ..service import LogRelayService
from .requests import Refusal, Request, remedy

_log = Logger(namespace="logrelay.control")

#: What the answer to ``spool`` tells of a destination.
_WAITING = ("spool", "unsent", "in-flight", "oldest", "buffer-cost", "buffer-size")


class Commands:
    """
    The commands of one relay.
    """

    def __init__(self, relay: LogRelayService, read: Callable[[], Configuration] | None) -> None:
        """
        :param read: reads the configuration; ``None`` where there is no file.
        """
        self._relay = relay
        self._read = read
        steering = relay.steering
        self._works: Mapping[str, Callable[..., Any]] = {
            "status": self._status,
            "servers": self._servers,
            "spool": self._spool,
            "switch": steering.switch,
            "failback": steering.failback,
            "probe": self._probe,
            "drain": steering.drain,
            "undrain": steering.undrain,
            "reload": self._reload,
        }

    def carryOut(self, request: Request) -> Deferred[Any]:
        """
        Do what a request asks.

        :return: the result, as what JSON knows.  Fails with ``Refusal`` only.
        """
        return maybeDeferred(self._works[request.command], **request.arguments).addErrback(_refused)

    def _status(self) -> dict[str, Any]:
        """
        The whole state.
        """
        return asData(self._relay.snapshot())

    def _destinations(self, name: str) -> Iterator[dict[str, Any]]:
        """
        The state of one destination, or of all.
        """
        destinations = {each["name"]: each for each in self._status()["destinations"]}
        if name and name not in destinations:
            raise Refusal("refused", f"there is no destination {name}; {remedy(name, destinations)}")
        yield from (each for known, each in destinations.items() if name in ("", known))

    def _servers(self, destination: str = "") -> list[dict[str, Any]]:
        """
        The servers.
        """
        return [{"destination": each["name"], "servers": each["servers"]} for each in self._destinations(destination)]

    def _spool(self, destination: str = "") -> list[dict[str, Any]]:
        """
        What waits.
        """
        return [
            {"destination": each["name"]} | {key: each[key] for key in _WAITING}
            for each in self._destinations(destination)
        ]

    def _probe(self, server: str = "", destination: str = "") -> Deferred[dict[str, Any]]:
        """
        What a probe finds.
        """
        return self._relay.steering.probe(server, destination).addCallback(attrs.asdict)

    def _reload(self, force: bool = False) -> Deferred[dict[str, Any]]:
        """
        Read the file again.

        :raises Refusal: if there is none.
        """
        if self._read is None:
            raise Refusal(
                "refused", "this relay was started with flags, so there is no file to read; restart it instead"
            )
        return self._relay.reload(self._read, force).addCallback(lambda what: {"what": what})


def _refused(failure: Failure) -> Failure:
    """
    What went wrong, as a refusal.
    """
    error = failure.value
    if isinstance(error, Refusal):
        return failure
    if isinstance(error, ConfigurationError | ReloadRefused):
        return Failure(Refusal("refused", str(error), tuple(map(str, error.problems))))
    if isinstance(error, RelayStopped):
        return Failure(Refusal("stopped", str(error)))
    if isinstance(error, LogRelayError):
        return Failure(Refusal("refused", str(error)))
    _log.failure("a request on the control socket went wrong", failure)
    return Failure(Refusal("failed", "the relay could not do that; its log says what went wrong"))
