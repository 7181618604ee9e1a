"""
The control socket, from both ends.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.config import Configuration, ControlSettings
from logrelay.control.client import Client, NoAnswer, Refused, socketOf
from logrelay.control.connection import Limits
from logrelay.control.requests import (
    COMMANDS,
    KINDS,
    MAX_LINE,
    MAX_NAME,
    VERSION,
    Refusal,
    Request,
    answerOf,
    parseRequest,
    refusalOf,
)
from logrelay.control.service import MAX_CONNECTIONS, ControlService, mayControl, userOf
from logrelay.errors import LogRelayError

from .loopback import openDescriptors, scripted
from .relays import RelayCase, clock, destination, heard, numbered, source
from .sourcing import folder


class Talker(Protocol):
    """
    A client that says whatever it is told to say.

    :ivar answers: what was said to it, line by line.
    """

    transport: Any

    def __init__(self) -> None:
        self._data = b""
        self.gone = False

    @property
    def answers(self) -> list[Any]:
        """
        The whole lines of it.
        """
        return [json.loads(line) for line in self._data.split(b"\n")[:-1]]

    @property
    def kinds(self) -> list[str]:
        """
        Kinds of refusals; ``ok`` for what was done.
        """
        return ["ok" if answer["ok"] else answer["kind"] for answer in self.answers]

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The relay has closed.
        """
        self.gone = True


class ControlCase(RelayCase):
    """
    A relay with two log servers and a control socket.
    """

    def setUp(self) -> None:
        self.folder = folder(self)
        self.path = os.path.join(self.folder, "control.sock")
        self.one, self.two = self.server(), self.server()
        self.relayed = self.relay([destination(self.one, self.two)], [source()])
        self.heard = heard(self.relayed)

    def control(self, read: Callable[[], Configuration] | None = None, **limits: float) -> ControlService:
        """
        Its control, started.
        """
        service = ControlService(
            clock, self.relayed, ControlSettings(self.path, True), read, Limits(**limits) if limits else None
        )
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        return service

    async def talker(self) -> Talker:
        """
        A client.
        """
        talker: Any = await UNIXClientEndpoint(clock, self.path).connect(Factory.forProtocol(Talker))
        self.addCleanup(lambda: talker.transport.abortConnection())
        assert isinstance(talker, Talker)
        return talker

    async def ask(self, command: str, **arguments: object) -> Any:
        """
        Ask something, as the commands do.
        """

        def ask() -> Any:
            client = Client(self.path)
            try:
                return client.ask(command, **arguments)
            finally:
                client.close()

        return await deferToThread(ask)

    async def refusal(self, command: str, **arguments: object) -> Refused:
        """
        What a refusal says.
        """
        try:
            await self.ask(command, **arguments)
        except Refused as refused:
            return refused
        raise AssertionError("was not refused")

    async def stillServes(self) -> None:
        """
        The relay answers, and relays.
        """
        before = len(self.one.messages)
        self.assertEqual((await self.ask("servers"))[0]["destination"], "central")
        await self.relayed.send(numbered(1, start=before)[0])
        await self.until(lambda: len(self.one.messages) > before)


class SocketTests(ControlCase):
    """
    The socket itself.
    """

    @scripted
    async def test_permissions(self) -> None:
        """
        Only its owner may use it; it is there from the start to the stop, and that it is is told.
        """
        self.assertFalse(os.path.exists(self.path))
        service = self.control()
        mode = os.stat(self.path).st_mode
        self.assertEqual((stat.S_ISSOCK(mode), stat.S_IMODE(mode)), (True, 0o600))
        self.assertIn(events.Controllable(self.path), self.heard)
        await service.stopService()
        self.assertFalse(os.path.exists(self.path))

    @scripted
    async def test_stale(self) -> None:
        """
        One that a relay has left behind is replaced.
        """
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.path)
        self.control()
        await self.stillServes()

    @scripted
    async def test_taken(self) -> None:
        """
        One that is answered is left alone, and the error says so.
        """
        self.control()
        second = ControlService(clock, self.relayed, ControlSettings(self.path, True), None)
        error = self.assertRaises(LogRelayError, second.startService)
        self.assertEqual(
            str(error),
            f"cannot have the control socket {self.path}: somebody still answers there; stop the relay that has it, or"
            " give each its own with socket in [control]",
        )
        await self.stillServes()

    @scripted
    async def test_unwanted(self) -> None:
        """
        Where none was configured and none can be had, the relay goes on without, and that is told once.
        """
        path = os.path.join(self.folder, "none", "control.sock")
        service = ControlService(clock, self.relayed, ControlSettings(path), None)
        service.startService()
        self.assertEqual(self.heard[-1], events.NoControl(path, "No such file or directory"))
        self.assertEqual(self.heard[-1].level, "info")
        await service.stopService()

    def test_wanted(self) -> None:
        """
        Where one was, the error says what to do.
        """
        path = os.path.join(self.folder, "none", "control.sock")
        service = ControlService(clock, self.relayed, ControlSettings(path, True), None)
        error = self.assertRaises(LogRelayError, service.startService)
        self.assertIn("No such file or directory; make its folder, or choose another", str(error))

    def test_whoMay(self) -> None:
        """
        The relay's own user and root, nobody else.
        """
        self.assertEqual([mayControl(user, 5) for user in (5, 0, 6, 65534)], [True, True, False, False])
        one, other = socket.socketpair()
        with one, other:
            self.assertEqual(userOf(one), os.getuid())

    @scripted
    async def test_others(self) -> None:
        """
        Another user, who has got past the permissions, is told, and not served.
        """
        if os.getuid() != 0:
            raise self.skipTest("only root can be another user")
        self.control()
        os.chmod(self.path, 0o666)
        os.chmod(self.folder, 0o755)
        code = (
            "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            " sys.stdout.write(s.makefile().read())"
        )
        output, errors, _ = await getProcessOutputAndValue(sys.executable, ("-c", code, self.path))
        self.assertEqual(errors, b"")
        [line] = output.splitlines()
        self.assertEqual(json.loads(line)["kind"], "denied")
        self.assertTrue([each for each in self.heard if isinstance(each, events.SourceTrouble)])
        await self.stillServes()


class CommandTests(ControlCase):
    """
    What each command does.
    """

    @scripted
    async def test_questions(self) -> None:
        """
        The state, whole and in parts.
        """
        self.control()
        await self.until(lambda: self.one.connections)
        status = await self.ask("status")
        [central] = status["destinations"]
        self.assertEqual((central["active"], central["state"]), (str(self.one.server), "connected"))
        [servers] = await self.ask("servers", destination="central")
        self.assertEqual([each["state"] for each in servers["servers"]], ["active", "standby"])
        [spool] = await self.ask("spool")
        self.assertEqual((spool["spool"], spool["unsent"], spool["oldest"]), (None, 0, None))
        refused = await self.refusal("servers", destination="centrl")
        self.assertEqual(
            (refused.kind, str(refused)), ("refused", "there is no destination centrl; did you mean central?")
        )

    @scripted
    async def test_orders(self) -> None:
        """
        Each order does what it says, and every message comes once, while they come all the time.
        """
        self.control()
        messages = numbered(400)
        sent = 0

        async def some() -> None:
            nonlocal sent
            for message in messages[sent : sent + 50]:
                await self.relayed.send(message)
            sent += 50

        await some()
        await self.ask("switch", server=str(self.two.server))
        await some()
        self.assertEqual(self.relayed.snapshot().destinations[0].active, str(self.two.server))
        await self.ask("failback")
        await some()
        await self.ask("drain", server=str(self.one.server), destination="central")
        await some()
        self.assertEqual(self.relayed.snapshot().destinations[0].active, str(self.two.server))
        refused = await self.refusal("drain", server=str(self.two.server))
        self.assertEqual(refused.kind, "refused")
        found = await self.ask("probe")
        self.assertEqual((found["server"], found["reason"]), (str(self.one.server), ""))
        await self.ask("undrain", server=str(self.one.server))
        await some()
        self.assertEqual((await self.refusal("undrain", server=str(self.one.server))).kind, "refused")
        self.assertIn("did you mean", str(await self.refusal("switch", server=f"{self.two.server}0")))
        await self.relayed.stopService()
        self.assertEqual(sorted(self.one.messages + self.two.messages), messages[:sent])
        self.assertEqual((await self.refusal("switch", server=str(self.one.server))).kind, "stopped")

    @scripted
    async def test_reload(self) -> None:
        """
        A reload tells what has changed; one that is refused, all that is in the way.
        """
        before = self.relayed.configuration
        after = Configuration(before.sources, (destination(self.two, self.one),))
        wanted = [after]
        self.control(lambda: wanted[0])
        result = await self.ask("reload")
        self.assertIn("destinations changed: central (servers", result["what"])
        self.assertEqual(self.relayed.configuration, after)
        wanted[0] = Configuration(before.sources, after.destinations, stateDir="other", onSwitch=("true",))
        refused = await self.refusal("reload", force=True)
        self.assertEqual(refused.kind, "refused")
        self.assertEqual(len(refused.problems), 1)
        self.assertEqual(self.relayed.configuration, after)

    @scripted
    async def test_reloadWithoutFile(self) -> None:
        """
        A relay without a file can't.
        """
        self.control()
        self.assertIn("started with flags", str(await self.refusal("reload")))

    @scripted
    async def test_defect(self) -> None:
        """
        A defect is answered, and its story is in the log.
        """
        self.control(lambda: 1 // 0)  # type: ignore[arg-type,return-value]
        self.assertEqual((await self.refusal("reload")).kind, "failed")
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        await self.stillServes()


class HostileTests(ControlCase):
    """
    Clients that mean no good, or have a defect.
    """

    @scripted
    async def test_malformed(self) -> None:
        """
        What is no request is answered with what is wrong, and the next one is carried out.
        """
        self.control()
        talker = await self.talker()
        bad = [
            b"\xff\xfe", b"", b"null", b"[]", b'"status"', b"{", b'{"command": 1}', b'{"command": "statsu"}',
            b'{"command": "status", "x": 1}', b'{"command": "switch"}', b'{"command": "switch", "server": []}',
            b'{"command": "reload", "force": 1}', b'{"command": "status", "version": 2}', b"[" * 60000,
            b'{"a":' * 10000, b'{"command": "status", "version": ' + b"1" * 5000 + b"}", b'{"version": NaN}',
            b'{"command": "switch", "server": "' + b"x" * (MAX_NAME + 1) + b'"}',
            b'{"command": "switch", "server": ""}',
            b'{"command": "drain", "server": "\\u001b[31m"}', b'{"command": "drain", "server": "\\ud800"}',
        ]  # fmt: skip
        for line in bad:
            talker.transport.write(line + b"\n")
        talker.transport.write(b'{"command": "servers"}\n')
        await self.until(lambda: len(talker.answers) > len(bad))
        self.assertEqual(set(talker.kinds[:-1]), {"malformed", "unknown", "version", "refused"})
        self.assertEqual(talker.kinds[-1], "ok")
        for answer in talker.answers:
            self.assertEqual(answer["version"], VERSION)
            self.assertLess(len(json.dumps(answer)), 2000)
        await self.stillServes()

    @scripted
    async def test_longLine(self) -> None:
        """
        A line without end is refused, and the connection closed; the longest line is not.
        """
        self.control()
        talker = await self.talker()
        request = b'{"command": "servers"}'
        talker.transport.write(request + b" " * (MAX_LINE - 1 - len(request)) + b"\n")
        await self.until(lambda: talker.answers)
        self.assertEqual(talker.kinds, ["ok"])
        talker.transport.write(b"x" * 10 * MAX_LINE)
        await self.until(lambda: talker.gone)
        self.assertEqual(talker.kinds, ["ok", "malformed"])
        await self.stillServes()

    @scripted
    async def test_pipelined(self) -> None:
        """
        Requests that come at once are answered one after the other, in their order; also the last one, without LF, of a
        client that has ended its side.
        """
        self.control()
        talker = await self.talker()
        talker.transport.write(b'{"command": "probe"}\n{"command": "x"}\n' + b'{"command": "servers"}\n' * 500)
        talker.transport.write(b'{"command": "spool"}')
        talker.transport.loseWriteConnection()
        await self.until(lambda: talker.gone)
        self.assertEqual(talker.kinds, ["ok", "unknown", *["ok"] * 501])
        self.assertIn("unsent", talker.answers[-1]["result"][0])

    @scripted
    async def test_doesNotRead(self) -> None:
        """
        A client that asks and does not read is not answered more than the kernel and a little more holds, and then is
        cut off; others are served meanwhile.
        """
        service = self.control(idle=60, request=60, reading=0.5)
        talker = await self.talker()
        talker.transport.pauseProducing()
        for _ in range(200):
            talker.transport.write(b'{"command": "status"}\n' * 1000)
        await self.stillServes()
        [connection] = service._open
        await self.until(lambda: connection._paused)
        self.assertLess(len(connection.transport.dataBuffer) + connection.transport._tempDataLen, 2 * 65536)
        await self.stillServes()
        await self.until(lambda: not service._open)

    @scripted
    async def test_slow(self) -> None:
        """
        Who asks nothing, or never ends a request, is told so and closed; byte by byte does not help.
        """
        service = self.control(idle=0.3, request=0.3, reading=5)
        idle, half = await self.talker(), await self.talker()
        for _ in range(1000):
            half.transport.write(b" ")
            await self.turns(1)
            if half.gone:
                break
            await self.until(lambda: True)
        await self.until(lambda: idle.gone and half.gone)
        self.assertEqual((idle.kinds, half.kinds), (["slow"], ["slow"]))
        self.assertIn("a request did not end", half.answers[0]["error"])
        # Which side is told of the end first is the reactor's affair.
        await self.until(lambda: not service._open)

    @scripted
    async def test_manyConnections(self) -> None:
        """
        More connections than there may be are refused, with an answer; those that are there go on, and when they end
        others may come.
        """
        self.control()
        talkers = [await self.talker() for _ in range(MAX_CONNECTIONS)]
        for talker in talkers:
            talker.transport.write(b'{"command": "servers"}\n')
        await self.until(lambda: all(talker.answers for talker in talkers))
        more = [await self.talker() for _ in range(50)]
        await self.until(lambda: all(talker.gone for talker in more))
        self.assertLessEqual({kind for talker in more for kind in talker.kinds}, {"busy"})
        self.assertIn("busy", [kind for talker in more for kind in talker.kinds])
        for talker in talkers:
            talker.transport.write(b'{"command": "servers"}\n')
        await self.until(lambda: all(len(talker.answers) == 2 for talker in talkers))
        for talker in talkers:
            talker.transport.loseConnection()
        await self.until(lambda: all(talker.gone for talker in talkers))
        await self.turns()
        await self.stillServes()

    @scripted
    async def test_leaves(self) -> None:
        """
        A client that leaves while its order is under way does not end that, and leaves nothing behind.
        """
        await self.until(lambda: self.one.connections)
        service = self.control()
        before = await openDescriptors(clock)
        talker = await self.talker()
        order = {"command": "switch", "server": str(self.two.server)}
        talker.transport.write(json.dumps(order).encode() + b"\n")
        await self.until(lambda: self.two.connections)
        talker.transport.abortConnection()
        await self.until(lambda: self.relayed.snapshot().destinations[0].active == str(self.two.server))
        await self.until(lambda: not service._open)
        self.assertEqual(await openDescriptors(clock), before)

    @scripted
    async def test_stop(self) -> None:
        """
        A stop answers what is under way, and closes everything.
        """
        service = self.control()
        await self.until(lambda: self.one.connections)
        busy, idle = await self.talker(), await self.talker()
        busy.transport.write(b'{"command": "probe"}\n')
        await self.turns(10)
        await service.stopService()
        await self.until(lambda: busy.gone and idle.gone)
        self.assertEqual((busy.kinds, idle.kinds), (["stopped"], []))
        self.assertFalse(os.path.exists(self.path))

    @scripted
    async def test_underLoad(self) -> None:
        """
        While hostile clients do all of that at once, messages come through, each once.
        """
        self.control()
        talkers = [await self.talker() for _ in range(MAX_CONNECTIONS - 2)]
        messages = numbered(2000)
        for start in range(0, 2000, 100):
            for place, talker in enumerate(talkers):
                talker.transport.write([b"\x00" * 1000, b'{"command": "status"}\n' * 50, b"{\n" * 500][place % 3])
            for message in messages[start : start + 100]:
                await self.relayed.send(message)
        await self.arrived(self.one, 2000)
        self.assertEqual(self.one.messages, messages)
        await self.stillServes()


class ParsingTests(SynchronousTestCase):
    """
    Requests and answers, without a socket.
    """

    def test_requests(self) -> None:
        """
        Every command can be asked, with all that it takes.
        """
        for name, command in COMMANDS.items():
            values = {key: True if each.kind is bool else "x" for key, each in command.arguments.items()}
            line = json.dumps({"command": name, "version": VERSION, **values}).encode()
            self.assertEqual(parseRequest(line), Request(name, values))

    def test_answers(self) -> None:
        """
        Answers are one line of ASCII, whatever is in them.
        """
        for line in (answerOf({"a": "\n\x1b\u2028ü"}), refusalOf(Refusal("refused", "\n\x1bü", ("a\nb",)))):
            self.assertEqual((line.count(b"\n"), line.isascii(), line[-1:]), (1, True, b"\n"))
        self.assertEqual(json.loads(refusalOf(Refusal("refused", "x", ("a",))))["problems"], ["a"])

    def test_suggestions(self) -> None:
        """
        A refusal says what to write.
        """
        for line, words in (
            (b'{"command": "stauts"}', "did you mean status?"),
            (b'{"command": "switch", "sever": "a"}', "did you mean server?"),
            (b'{"command": "switch"}', "switch needs server"),
        ):
            refusal = self.assertRaises(Refusal, parseRequest, line)
            self.assertIn(words, str(refusal))

    @given(
        st.binary(max_size=300)
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["command", "version", "server", "destination", "force"]) | st.text(), inner
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode())
    )
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_anything(self, line: bytes) -> None:
        """
        Whatever is said is understood or refused, for one of the reasons that are known.
        """
        try:
            request = parseRequest(line)
        except Refusal as refusal:
            self.assertIn(refusal.kind, KINDS)
            self.assertTrue(str(refusal).isprintable(), str(refusal))
        else:
            self.assertIn(request.command, COMMANDS)


class ClientTests(SynchronousTestCase):
    """
    The client, and relays that are none.
    """

    def answering(self, *answers: bytes) -> Client:
        """
        A client of something that says this, a connection each.
        """
        path = os.path.join(folder(self), "s")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        client = Client(path, 5)
        self.addCleanup(client.close)
        return client

    def test_nobody(self) -> None:
        """
        That nobody is there is told, with what to do.
        """
        place = folder(self)
        error = self.assertRaises(NoAnswer, Client(os.path.join(place, "none")).ask, "status")
        self.assertIn("is the relay running?", str(error))
        path = os.path.join(place, "stale")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        error = self.assertRaises(NoAnswer, Client(path).ask, "status")
        self.assertIn("not there any more", str(error))

    def test_nonsense(self) -> None:
        """
        So is an answer that is none.
        """
        for answer in (b"220 mail ESMTP\n", b"{}\n", b"", b'{"ok": true}\n', b"[" * 50000 + b"\n"):
            error = self.assertRaises(NoAnswer, self.answering(answer).ask, "status")
            self.assertIsInstance(error, LogRelayError)

    def test_silence(self) -> None:
        """
        One that does not answer is not waited for without end.
        """
        path = os.path.join(folder(self), "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            client = Client(path, 0.1)
            error = self.assertRaises(NoAnswer, client.ask, "status")
            self.assertIn("does not answer within 0.1 s", str(error))

    def test_again(self) -> None:
        """
        After a lost connection the next question makes another.
        """
        client = self.answering(b"", answerOf(5))
        self.assertRaises(NoAnswer, client.ask, "status")
        self.assertEqual(client.ask("status"), 5)

    def test_socketOf(self) -> None:
        """
        The path is taken from a file, relative to it, whatever else is wrong there.
        """
        place = folder(self)
        path = os.path.join(place, "relay.toml")
        for text, expected in (
            ("[control]\nsocket = 's'\n", os.path.join(place, "s")),
            ("[control]\nsocket = '/x/s'\n[nonsense]\n", "/x/s"),
            ("control = 1\n", ControlSettings().socket),
            ("", ControlSettings().socket),
        ):
            with open(path, "w") as file:
                file.write(text)
            self.assertEqual(socketOf(path), expected)
        for bad in (b"x =\n", b"\xff"):
            with open(path, "wb") as file:
                file.write(bad)
            self.assertRaises(LogRelayError, socketOf, path)
        self.assertRaises(LogRelayError, socketOf, os.path.join(place, "none"))
