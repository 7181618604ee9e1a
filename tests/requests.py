"""
HTTP as bytes, without any code of the relay's, and relays that serve it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import attrs
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from logrelay.config import HTTPSettings
from logrelay.events import EventLog
from logrelay.listening import parseWebListen
from logrelay.snapshot import Snapshot
from logrelay.web.service import HTTPService, Shown

from .relays import RelayCase, clock
from .snapshots import relay

#: How long anything here may take.
LIMIT = 15.0


@attrs.define
class Still:
    """
    A relay that does nothing: it only has a snapshot.
    """

    state: Snapshot = attrs.Factory(relay)
    log: EventLog = attrs.Factory(EventLog)

    def snapshot(self) -> Snapshot:
        """
        Always the same.
        """
        return self.state


@attrs.frozen
class Reply:
    """
    What was answered.

    :ivar headers: by their names, in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> Reply:
        """
        Read a whole answer.
        """
        head, _, body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return cls(int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, body)


def exchange(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    """
    What comes back, until the connection ends.  It blocks.
    """
    with socket.create_connection((host, port), timeout=LIMIT) as connection:
        connection.sendall(request)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """
    All that is to be read.
    """
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


class WebCase(RelayCase):
    """
    A test with a relay that serves HTTP.
    """

    def serve(self, shown: Shown, listen: str = "tcp:0") -> int:
        """
        Serve a relay, until the end of the test.

        :return: the port.
        """
        service = HTTPService(reactor, shown, HTTPSettings(parseWebListen(listen)))
        service.privilegedStartService()
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        self.service = service
        address = service.address
        port: int = address.port  # type: ignore[union-attr]
        return port

    async def elsewhere(self, work: Callable[..., object], *arguments: object) -> object:
        """
        Do something that blocks.
        """
        return await deferToThread(work, *arguments)

    async def raw(self, port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
        """
        What comes back for some bytes.
        """
        return await deferToThread(exchange, port, request, host)

    async def ask(self, port: int, path: str, method: str = "GET", **headers: str) -> Reply:
        """
        Ask for a path.
        """
        lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
        if "Host" not in headers:
            lines.append(f"Host: 127.0.0.1:{port}")
        return Reply.of(await self.raw(port, "\r\n".join([*lines, "", ""]).encode()))


__all__ = ["LIMIT", "Reply", "Still", "WebCase", "clock", "everything", "exchange"]
