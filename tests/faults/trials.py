"""
What the trials of faults share: a stream of messages, and a watch over what the relay does.
"""

from __future__ import annotations

import time
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.task import LoopingCall

from logrelay import events
from logrelay.config import DestinationSettings, TLSSettings
from logrelay.service import LogRelayService
from logrelay.snapshot import DestinationSnapshot

from ..certificates import Folder
from ..figures import show
from ..real import ServerTls
from ..relays import LogServer, RelayCase, destination, numbered
from ..tlscases import ROOT, serverContext

#: The time limits of the relays, in seconds, short so that the trials are.
LIMITS: dict[str, Any] = {
    "connectTimeout": 1,
    "tlsTimeout": 1,
    "ackTimeout": 2,
    "stallTimeout": 3,
    "keepalive": (1, 1, 2),
    "drainTimeout": 1,
    "timeReopen": 1,
}

#: A server has to be left so many seconds after its time limit at the latest.
GRACE = 1.0

#: A stream sends so many messages a second, each of so many bytes: what is out at any time is far below ``replay-max``.
RATE, SIZE = 5000, 200

#: How often a stream sends, in seconds.
_BEAT = 0.02


@attrs.frozen
class Spoken:
    """
    How some servers speak TLS.

    :ivar context: for those in this process.
    :ivar files: for those that are processes of their own.
    :ivar options: of a destination that has them.
    """

    context: SSL.Context
    files: ServerTls
    options: dict[str, Any]


@attrs.define(eq=False)
class Stream:
    """
    Messages that flow through a relay until told to stop.

    :ivar sent: all so far.
    """

    relay: LogRelayService
    sent: list[bytes] = attrs.field(factory=list)
    _beat: LoopingCall = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._beat = LoopingCall(lambda: self.send(int(RATE * _BEAT)))

    def send(self, count: int, size: int = SIZE) -> None:
        """
        Send some messages now.
        """
        for message in numbered(count, size, len(self.sent)):
            self.sent.append(message)
            self.relay.send(message)

    def flow(self) -> None:
        """
        Send from now on.
        """
        self._beat.start(_BEAT)

    def stop(self) -> None:
        """
        Send no more.
        """
        if self._beat.running:
            self._beat.stop()


@attrs.define(eq=False)
class Watch:
    """
    Notes the events of a relay, with their times.
    """

    relay: LogRelayService
    seen: list[tuple[float, events.Event]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.relay.log.observers.append(lambda event: self.seen.append((time.monotonic(), event)))

    @property
    def destination(self) -> DestinationSnapshot:
        """
        The state of the relay's only destination.
        """
        return self.relay.snapshot().destinations[0]

    def losses(self, since: float = 0.0) -> list[tuple[float, str, str]]:
        """
        When which server was given up, and why.
        """
        kinds = (events.ConnectionEnded, events.AttemptFailed)
        return [(at, event.server, event.reason) for at, event in self.seen if isinstance(event, kinds) and at > since]

    def told(self, kind: type[events.Event]) -> list[Any]:
        """
        The events of one kind.
        """
        return [event for _, event in self.seen if isinstance(event, kind)]


def size(server: LogServer) -> int:
    """
    How many bytes a server has got.
    """
    return sum(len(connection.data) for connection in server.connections)


class FaultCase(RelayCase):
    """
    A test with relays that have short limits.
    """

    timeout = 40

    def tls(self, *addresses: str) -> Spoken:
        """
        How servers at some addresses speak TLS.
        """
        folder = Folder(self.mktemp())
        context = serverContext(folder, ROOT.issue(*addresses), SSL.TLS1_3_VERSION)
        tls = TLSSettings(caFile=folder.write("ca.pem", ROOT.pem))
        files = ServerTls(folder.path / "server.pem", folder.path / "server.key")
        return Spoken(context, files, {"transport": "tls", "tls": tls})

    def watched(self, *servers: LogServer, **options: Any) -> tuple[Watch, Stream]:
        """
        A relay with some servers and the short limits.
        """
        return self.watchedTo(destination(*servers, **{**LIMITS, **options}))

    def watchedTo(self, settings: DestinationSettings) -> tuple[Watch, Stream]:
        """
        A relay that has started, and a stream for it.
        """
        relay = self.relay([settings])
        stream = Stream(relay)
        self.addCleanup(stream.stop)
        return Watch(relay), stream

    async def leaves(self, what: str, watch: Watch, began: float, reasons: str, limit: float, to: LogServer) -> None:
        """
        The relay gives the server in use up for the right reason within a limit, and goes on with another.

        :param what: names the trial.
        :param began: when the fault did.
        :param reasons: one, or several with spaces between.
        :param limit: the relay's time limit; it may take ``GRACE`` more.
        """
        before = size(to)
        await self.until(lambda: watch.losses(began))
        when, _, reason = watch.losses(began)[0]
        self.assertIn(reason, reasons.split(), what)
        await self.until(lambda: size(to) > before)
        first = time.monotonic()
        show(f"{what}: {reason} after {when - began:.2f} s, first message at the next after {first - began:.2f} s")
        self.assertLess(when - began, limit + GRACE, what)
        self.assertLess(first - when, GRACE, what)

    async def delivered(self, what: str, stream: Stream, *servers: LogServer) -> None:
        """
        Everything that was sent has reached some server, in order on each connection.
        """
        stream.stop()
        last = stream.sent[-1]
        await self.until(lambda: any(each.data.endswith(last) for server in servers for each in server.connections))
        received = {message for server in servers for message in server.messages}
        self.assertEqual(len(set(stream.sent) - received), 0, what)
        for connection in (each for server in servers for each in server.connections):
            self.assertEqual(connection.messages, sorted(connection.messages), what)
