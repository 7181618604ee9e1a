"""
What happens in the demo, step by step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, TextIO

import attrs
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater

from ..config import FailbackSettings
from ..events import AttemptFailed, Connected, ConnectionEnded, Event, Switched
from ..service import LogRelayService
from .account import Account, Times, table
from .display import Lines, displayFor
from .processes import Child, DemoFailed, Processes
from .stage import PROBE_INTERVAL, LogServer, Stage

#: Messages a second: far below what the relay can carry, far above what could be counted by eye.
RATE = 2000

#: With ``--break`` the first failover throws away each message whose turn comes after so many.
DISCARD = 100

#: How long nothing happens between two steps, in seconds: long enough to be seen.
CALM = 2.0

#: How long the relay may take for its next move, in seconds.
LIMIT = 10.0

#: The panel is redrawn so often, in seconds.
REDRAW = 0.1


@attrs.define(eq=False)
class Watch:
    """
    Notes the relay's events, and waits for them.

    :ivar say: shows each one.
    :ivar history: those that were told, and when, in seconds of the monotonic clock.
    """

    reactor: Any
    say: Callable[[str], None]
    history: list[tuple[float, Event]] = attrs.field(factory=list)
    _waiting: list[tuple[Callable[[Event], bool], Deferred[None]]] = attrs.field(factory=list)

    def told(self, event: Event) -> None:
        """
        The relay tells of something.
        """
        self.history.append((time.monotonic(), event))
        self.say(f"relay: {event}")
        waiting, self._waiting = self._waiting, []
        for wanted, waiter in waiting:
            if wanted(event):
                waiter.callback(None)
            else:
                self._waiting.append((wanted, waiter))

    def when(self, wanted: Callable[[Event], bool], limit: float, what: str) -> Deferred[None]:
        """
        Wait for the next event of some kind.

        :param what: names it, for the error.
        :return: fails with :class:`DemoFailed` if it is not told within ``limit`` seconds.
        """
        waiter: Deferred[None] = Deferred()
        self._waiting.append((wanted, waiter))

        def late(_: object, timeout: float) -> NoReturn:
            raise DemoFailed(f"waited {timeout:g} s in vain for {what}")

        return waiter.addTimeout(limit, self.reactor, late)

    def switch(self, server: LogServer, limit: float) -> Deferred[None]:
        """
        Wait for the switch to a server.
        """
        name = str(server.server)
        return self.when(
            lambda event: isinstance(event, Switched) and event.after == name, limit, f"the switch to {server.name}"
        )

    def lost(self, server: LogServer, since: float) -> float:
        """
        When the relay saw the connection to a server end; the first time after a moment.
        """
        name = str(server.server)
        return next(
            at
            for at, event in self.history
            if at >= since and isinstance(event, AttemptFailed | ConnectionEnded) and event.server == name
        )


@attrs.frozen
class Moments:
    """
    When things happened, in seconds of the monotonic clock.

    :ivar sent: how many messages the generator sent, all in all.
    :ivar killed: the primary was killed.
    :ivar ended: the relay saw its connection end.
    :ivar back: the primary was about to be started again.
    """

    sent: int
    killed: float
    ended: float
    back: float


@attrs.define(eq=False)
class Story:
    """
    The steps, in order.

    :ivar service: the relay; what is shown of it comes from its events and its snapshot alone.
    """

    reactor: Any
    stage: Stage
    processes: Processes
    service: LogRelayService
    display: Lines
    watch: Watch

    async def tell(self) -> Moments:
        """
        Play everything, from the start of the servers to the end of the generator.

        :raises DemoFailed: if something did not happen.
        """
        primary, failover, _ = self.stage.servers
        self._introduce()
        await self._startServers(*self.stage.servers)
        await self._startRelay()
        generator = await self._startGenerator()
        await self._calm()
        killed = time.monotonic()
        await self._kill(primary, failover)
        await self._calm()
        back = time.monotonic()
        await self._bringBack(primary)
        await self._calm()
        sent = int((await generator.finish()).split()[-1])
        self.display.say(f"demo: the generator has ended; it sent {sent:,} messages")
        return Moments(sent, killed, self.watch.lost(primary, killed), back)

    def _introduce(self) -> None:
        """
        Say what is unlike a real relay.
        """
        say = self.display.say
        say("demo: three log servers and a generator, processes of their own; TLS, with certificates made just now")
        addresses = {server.address for server in self.stage.servers}
        if len(addresses) == 1:
            say(f"demo: this host has no loopback address but {min(addresses)}, so all certificates name that one")
        default = FailbackSettings().tcpProbeInterval
        say(f"demo: shortened: tcp-probe-interval is {PROBE_INTERVAL:g} s here, {default:g} s by default")
        for server in self.stage.servers:
            if server.discard:
                say(f"demo: --break: {server.name} throws away each {server.discard}th message that it receives")

    async def _startServers(self, *servers: LogServer) -> None:
        """
        Start log servers, all at once, and say so.
        """
        for server in servers:
            server.start(self.processes)
        for server in servers:
            await server.child.whenReady()
            self.display.say(f"demo: {server.name} listens on {server.server} (process {server.child.pid})")

    async def _startRelay(self) -> None:
        """
        Start the relay, and wait until it has found the primary.
        """
        connected = self.watch.when(lambda event: isinstance(event, Connected), LIMIT, "the first connection")
        self.service.privilegedStartService()
        self.service.startService()
        await connected

    async def _startGenerator(self) -> Child:
        """
        Start what makes the messages.
        """
        generator = self.processes.spawn("generator", "generator", *self.stage.source, RATE)
        await generator.whenReady()
        self.display.say(f"demo: the generator (process {generator.pid}) sends {RATE:,} messages a second")
        return generator

    async def _calm(self) -> None:
        """
        Let messages flow.
        """
        await deferLater(self.reactor, CALM, lambda: None)

    async def _kill(self, primary: LogServer, failover: LogServer) -> None:
        """
        Kill the primary and wait for the failover.
        """
        switched = self.watch.switch(failover, LIMIT)
        primary.child.kill()
        self.display.say(f"demo: {primary.name} is killed (SIGKILL)")
        await switched

    async def _bringBack(self, primary: LogServer) -> None:
        """
        Start the primary again and wait for the failback.
        """
        await self._startServers(primary)
        # A probe takes up to an interval, and the first good one may be an interval away.
        probes = FailbackSettings().successfulProbesRequired + 1
        await self.watch.switch(primary, probes * 2 * PROBE_INTERVAL)


def conclusion(account: Account, times: Times) -> list[str]:
    """
    The sums, and what they mean.
    """
    lines = ["", *table(account, times), ""]
    if account.duplicates:
        lines.append("What a killed server had kept can't be known, so all that went to it over the broken connection")
        lines.append("was sent again to the next server: these are the duplicates.")
    lines.append("Nothing was lost." if account.good else "MESSAGES WERE LOST OR DAMAGED.")
    return lines


async def play(reactor: Any, stream: TextIO, broken: bool) -> bool:
    """
    Run the demo.  Whatever happens, its processes and files are gone afterwards; also when the reactor is stopped
    before its end.

    :param stream: where to show it.
    :param broken: let a server throw messages away.
    :return: whether every message arrived.
    :raises DemoFailed: if it could not be run to its end.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="logrelay-demo-") as folder:
        stage = Stage.set(Path(folder), DISCARD if broken else 0)
        display = displayFor(stream, lambda: time.monotonic() - began, stage.names)
        try:
            account, times = await _play(reactor, stage, display)
            display.close(conclusion(account, times))
            return account.good
        finally:
            display.close()
            stage.strike()


async def _play(reactor: Any, stage: Stage, display: Lines) -> tuple[Account, Times]:
    """
    Run the demo on a stage that is set.
    """
    why: list[str] = []
    over: Deferred[None] = Deferred()

    def endEarly(reason: str) -> Deferred[None]:
        why.append(reason)
        telling.cancel()
        return over

    def say(text: str) -> None:
        for address, name in stage.names.items():
            text = text.replace(address, name)
        display.say(text)

    processes = Processes(reactor, endEarly)
    service = LogRelayService(reactor, stage.configuration)
    watch = Watch(reactor, say)
    service.log.observers.append(watch.told)
    telling = Deferred.fromCoroutine(Story(reactor, stage, processes, service, display, watch).tell())
    shutdown = reactor.addSystemEventTrigger("before", "shutdown", endEarly, "interrupted")
    redrawing = LoopingCall(lambda: display.show(service.snapshot()))
    redrawing.clock = reactor
    redrawing.start(REDRAW).addErrback(lambda failure: endEarly(f"the display failed: {failure.value}"))
    try:
        moments = await telling
        await service.stopService()
        await gatherResults([server.child.finish() for server in stage.servers])
    except CancelledError:
        raise DemoFailed(why[0]) from None
    finally:
        # What the relay tells of servers that are being ended is no part of the story.
        service.log.observers.remove(watch.told)
        if redrawing.running:
            redrawing.stop()
        await processes.endAll()
        if service.running:
            await service.stopService()
        if "interrupted" not in why:
            reactor.removeSystemEventTrigger(shutdown)
        over.callback(None)
    shelves = [server.shelf() for server in stage.servers]
    times = Times.of(shelves[0], shelves[1], moments.killed, moments.ended, moments.back)
    return Account.of(moments.sent, shelves), times
