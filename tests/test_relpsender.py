"""
RELP to servers: what is out, what settles, what is sent again, and what is set aside.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred

from logrelay import events
from logrelay.config import DestinationSettings, FailbackSettings
from logrelay.servers import Server
from logrelay.service import LogRelayService

from .faults.trials import LIMITS
from .loopback import scripted
from .relays import RelayCase, destination, heard, numbered
from .relpends import RelpServer
from .relpserver import RelpSession

#: With failback, soon.
FAILBACK = FailbackSettings(tcpProbeInterval=0.3, successfulProbesRequired=2)


class RelpCase(RelayCase):
    """
    A relay that speaks RELP to servers in this process.
    """

    def relpServer(self) -> RelpServer:
        """
        A server, until the end of the test.
        """
        server = RelpServer()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.close()))
        return server

    def relpTo(self, *servers: RelpServer, **options: Any) -> LogRelayService:
        """
        A relay that has started.
        """
        self.folder = Path(self.mktemp())
        settings = destination(*servers, driver="relp", **{**LIMITS, **options})
        return self.relay([settings], stateDir=str(self.folder))

    def send(self, relay: LogRelayService, messages: list[bytes]) -> None:
        """
        Send some.
        """
        for message in messages:
            relay.send(message).addErrback(lambda failure: None)

    def counters(self, relay: LogRelayService) -> Any:
        """
        The destination's.
        """
        return relay.snapshot().destinations[0].counters

    def setAside(self) -> list[str]:
        """
        The messages in the dead-letter file.
        """
        path = self.folder / "dead-letters-central.jsonl"
        return [json.loads(line)["message"] for line in path.read_text().splitlines()] if path.exists() else []


class AnsweredTests(RelpCase):
    """
    What settles.
    """

    @scripted
    async def test_windows(self) -> None:
        """
        Everything arrives and settles, in order, with windows of every size, and never is more out than the window.
        """
        for window in (1, 2, 128, 5000):
            server = self.relpServer()
            relay = self.relpTo(server, window=window)
            messages = numbered(3000)
            self.send(relay, messages)
            await relay.whenSettled()
            [session] = server.sessions
            self.assertEqual(session.messages, messages)
            self.assertLessEqual(session.most, window)
            await relay.stopService()

    @scripted
    async def test_pipelined(self) -> None:
        """
        Messages follow the opening of the session without waiting for its answer.
        """
        server = self.relpServer()
        server.mute = True
        relay = self.relpTo(server)
        self.send(relay, numbered(10))
        await self.until(lambda: server.sessions and server.sessions[0].most == 10)
        self.assertEqual(self.counters(relay).settled, 0)

    @scripted
    async def test_gracefulEnd(self) -> None:
        """
        A stop waits for the answers, and closes the session.
        """
        server = self.relpServer()
        relay = self.relpTo(server)
        self.send(relay, numbered(1000))
        await self.until(lambda: server.sessions and server.sessions[0].messages)
        await relay.stopService()
        self.assertEqual(server.sessions[0].messages, numbered(1000))
        self.assertTrue(server.sessions[0].closed)
        counters = self.counters(relay)
        self.assertEqual((counters.settled, counters.unconfirmed), (1000, 0))

    @scripted
    async def test_numbersEnd(self) -> None:
        """
        Before the numbers of a session wrap, another session is opened on the same server, without a switch, and
        nothing is sent twice.
        """
        servers = self.relpServer(), self.relpServer()
        for server in servers:
            server.first = 999_999_000
        relay = self.relpTo(*servers, window=128)
        relay._destinations["central"].delivery.firstNumber = 999_999_000
        messages = numbered(3500)
        self.send(relay, messages)
        await self.until(lambda: self.counters(relay).settled >= 900)
        await self.until(lambda: self.counters(relay).settled == 3500)
        sessions = servers[0].sessions
        self.assertEqual([message for session in sessions for message in session.messages], messages)
        self.assertEqual(len(sessions), 4)
        self.assertEqual((self.counters(relay).switches, self.counters(relay).resent, servers[1].sessions), (0, 0, []))


def answerAll(listener: socket.socket) -> None:
    """
    Answer everything on one connection, until the client ends it.
    """
    session = RelpSession()
    peer, _ = listener.accept()
    with peer:
        while not session.over and (data := peer.recv(65536)):
            peer.sendall(b"".join(reply for _, reply in session.take(data)))


class LostTests(RelpCase):
    """
    What is sent again.
    """

    @scripted
    async def test_killed(self) -> None:
        """
        What a server that dies had not answered goes to the next one, and no more than the window.
        """
        one, two = self.relpServer(), self.relpServer()
        relay = self.relpTo(one, two, window=128)
        messages = numbered(5_000)
        # So many at once keep the reactor from seeing that the server has accepted in time.
        await self.until(lambda: one.sessions)
        self.send(relay, messages)
        await self.until(lambda: len(one.sessions[0].messages) > 1000)
        await one.kill()
        await self.until(lambda: two.sessions and messages[-1] in two.sessions[-1].messages)
        first, second = one.sessions[0].messages, two.sessions[0].messages
        self.assertEqual(set(messages) - {*first, *second}, set())
        self.assertLessEqual(len(first) + len(second) - len(messages), 128)
        self.assertEqual(second, messages[messages.index(second[0]) :])
        self.assertLessEqual(self.counters(relay).resent, 128)

    @scripted
    async def test_silent(self) -> None:
        """
        A server that takes everything and answers nothing is stalled.
        """
        one, two = self.relpServer(), self.relpServer()
        one.mute = True
        relay = self.relpTo(one, two, stallTimeout=0.5)
        told = heard(relay)
        began = time.monotonic()
        self.send(relay, numbered(100))
        await self.until(lambda: two.sessions and len(two.sessions[0].messages) == 100)
        self.assertLess(time.monotonic() - began, 1.5)
        [failed] = [event for event in told if isinstance(event, events.AttemptFailed)]
        self.assertEqual(failed.reason, "stalled")

    @scripted
    async def test_stoodStill(self) -> None:
        """
        A server is not stalled whose answers lie here unread because this process stood still.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        server = Thread(target=answerAll, args=(listener,))
        server.start()
        servers = (Server("127.0.0.1", listener.getsockname()[1]),)
        limits = {**LIMITS, "stallTimeout": 0.5}
        relay = self.relay([DestinationSettings("central", servers, format="as-is", driver="relp", **limits)])
        told = heard(relay)
        await self.until(lambda: relay.snapshot().destinations[0].state == "connected")
        for _ in range(3):
            self.send(relay, numbered(100))
            await self.until(lambda: self.counters(relay).sent == self.counters(relay).accepted)
            time.sleep(1)
            await self.until(lambda: self.counters(relay).settled == self.counters(relay).accepted)
        self.assertEqual(self.counters(relay).accepted, 300)
        self.assertEqual([event for event in told if isinstance(event, events.AttemptFailed)], [])
        await relay.stopService()
        server.join()

    @scripted
    async def test_nonsense(self) -> None:
        """
        A server that does not speak RELP is left, and why is told.
        """
        one, two = self.relpServer(), self.relpServer()
        one.mute = True
        relay = self.relpTo(one, two)
        told = heard(relay)
        await self.until(lambda: one.sessions)
        one.sessions[0].transport.write(b"220 smtp.example.com\r\n")
        self.send(relay, numbered(100))
        await self.until(lambda: two.sessions and len(two.sessions[0].messages) == 100)
        [failed] = [event for event in told if isinstance(event, events.AttemptFailed)]
        self.assertEqual(failed.reason, "protocol")
        self.assertIn("RELP", failed.why)


class SetAsideTests(RelpCase):
    """
    Spec 3.6 and 3.7.
    """

    @scripted
    async def test_refused(self) -> None:
        """
        A message that is refused three times, on two servers, is set aside; the others arrive once, in order.
        """
        one, two = self.relpServer(), self.relpServer()
        for server in (one, two):
            server.treats = lambda message: "refuse" if b"0000100" in message else ""
        relay = self.relpTo(one, two, window=100, timeReopen=0.2)
        messages = numbered(500)
        self.send(relay, messages)
        await self.until(lambda: self.counters(relay).setAside)
        await self.until(lambda: self.counters(relay).settled == 499)
        self.assertEqual(self.setAside(), [messages[100].decode()])
        taken = [message for server in (one, two) for session in server.sessions for message in session.messages]
        self.assertEqual(sorted(taken), messages[:100] + messages[101:])
        self.assertEqual(self.counters(relay).setAside, 1)
        self.assertEqual(relay._destinations["central"].delivery.refusals, {})

    @scripted
    async def test_refusedByTheOnlyOne(self) -> None:
        """
        While no other server can be reached, a message that the only one refuses does not hold up the stream for ever.
        """
        one, two = self.relpServer(), self.relpServer()
        one.treats = lambda message: "refuse" if b"0000100" in message else ""
        await two.refuse()
        relay = self.relpTo(one, two, window=100, timeReopen=0.2)
        messages = numbered(3000)
        self.send(relay, messages)
        await self.until(lambda: self.counters(relay).settled == 2999)
        self.assertEqual(self.setAside(), [messages[100].decode()])

    @scripted
    async def test_refusesAll(self) -> None:
        """
        A server that refuses everything is ill: nothing is set aside, and the next one gets it all.
        """
        one, two = self.relpServer(), self.relpServer()
        for server in (one, two):
            server.treats = lambda message: "refuse"
        relay = self.relpTo(one, two, timeReopen=0.1)
        messages = numbered(500)
        self.send(relay, messages)
        await self.until(lambda: self.counters(relay).failures["protocol"] >= 8)
        two.treats = lambda message: ""
        await self.until(lambda: self.counters(relay).settled == 500)
        self.assertEqual(([message for session in two.sessions for message in session.messages]), messages)
        self.assertEqual(self.setAside(), [])

    @scripted
    async def test_poison(self) -> None:
        """
        A message at which servers close the connection is found and set aside, and nothing else.
        """
        one, two = self.relpServer(), self.relpServer()
        for server in (one, two):
            server.treats = lambda message: "close" if b"0001234" in message else ""
        relay = self.relpTo(one, two, timeReopen=0.1)
        messages = numbered(3000)
        self.send(relay, messages)
        await self.until(lambda: self.counters(relay).settled == 2999)
        self.assertEqual(self.setAside(), [messages[1234].decode()])
        taken = {message for server in (one, two) for session in server.sessions for message in session.messages}
        self.assertEqual(set(messages) - taken, {messages[1234]})


class ProbeTests(RelpCase):
    """
    Failback.
    """

    @scripted
    async def test_sessionIsTakenOver(self) -> None:
        """
        A probe opens a session; the stream goes on in the last one's.  A primary that listens and opens none is not
        used.
        """
        one, two = self.relpServer(), self.relpServer()
        await one.refuse()
        relay = self.relpTo(one, two, failback=FAILBACK, drainTimeout=0.3)
        told = heard(relay)
        self.send(relay, numbered(10))
        await self.until(lambda: two.sessions and len(two.sessions[0].messages) == 10)
        one.mute = True
        one.listen()
        await self.until(lambda: [event for event in told if isinstance(event, events.ProbeFailed)][-1:])
        await self.until(lambda: len(one.sessions) >= 2)
        self.assertEqual([event.reason for event in told if isinstance(event, events.ProbeFailed)][-1], "stalled")
        one.mute = False
        await self.until(lambda: relay.snapshot().destinations[0].servers[0].active)
        self.send(relay, numbered(10, start=10))
        await relay.whenSettled()
        last = one.sessions[-1]
        self.assertEqual(last.messages, numbered(10, start=10))
        self.assertEqual(last.data.count(b" open "), 1)
        self.assertTrue(two.sessions[0].closed)


class SettingsTests(RelpCase):
    """
    What fits together.
    """

    def test_level(self) -> None:
        """
        The level is that of the driver.
        """
        server = self.relpServer()
        self.assertEqual(destination(server, driver="relp").delivery, "relp")
        self.assertRaises(ValueError, DestinationSettings, "a", (server.server,), driver="relp", delivery="acked")
        self.assertRaises(ValueError, DestinationSettings, "a", (server.server,), delivery="relp")
