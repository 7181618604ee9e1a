"""
The relay over HTTP.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from html import escape
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from logrelay import events
from logrelay.config import HTTPSettings
from logrelay.errors import LogRelayError
from logrelay.listening import parseWebListen
from logrelay.web.answers import Kept
from logrelay.web.channel import CONNECTIONS, LASTS, LINE, LINGERS
from logrelay.web.front import Front
from logrelay.web.history import KEPT, History
from logrelay.web.replies import ALWAYS, Answer
from logrelay.web.service import HTTPService
from logrelay.web.stream import LISTENERS, PATIENCE, Stream, eventOf
from logrelay.web.words import duration, number, size

from .loopback import scripted
from .relays import client, counted, destination, numbered, source
from .requests import LIMIT, Reply, Still, WebCase, everything, exchange
from .snapshots import destination as destinationSnapshot
from .snapshots import relay, server
from .snapshots import source as sourceSnapshot
from .twistds import Foreground

EVIL = '<script>alert("1")</script>'

GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class PathTests(WebCase):
    """
    What each path has.
    """

    def setUp(self) -> None:
        self.relay_ = Still()
        self.port = self.serve(self.relay_)

    @scripted
    async def test_health(self) -> None:
        """
        Good while nothing ails the relay; else 503, and what it is.
        """
        self.assertEqual((await self.ask(self.port, "/health")).code, 200)
        self.relay_.state = relay(ailments=("the disk hangs",))
        reply = await self.ask(self.port, "/health")
        self.assertEqual((reply.code, reply.body), (503, b"the disk hangs\n"))

    @scripted
    async def test_ready(self) -> None:
        """
        Good while messages can be sent here; else 503, with a line for each reason.
        """
        self.assertEqual((await self.ask(self.port, "/ready")).code, 200)
        idle = destinationSnapshot(state="waiting", servers=(server("a"),), proved=False, crowded=True)
        self.relay_.state = relay(idle, bound=False)
        reply = await self.ask(self.port, "/ready")
        self.assertEqual(reply.code, 503)
        self.assertEqual(len(reply.body.splitlines()), 3)
        self.assertIn(b"central: no server is in use (waiting)", reply.body)

    @scripted
    async def test_status(self) -> None:
        """
        The whole snapshot, as JSON.
        """
        reply = await self.ask(self.port, "/status")
        self.assertEqual(reply.headers["content-type"], "application/json")
        status = json.loads(reply.body)
        self.assertEqual(status["destinations"][0]["active"], "b")
        self.assertEqual(status["ready"], True)

    @scripted
    async def test_metrics(self) -> None:
        """
        The metrics, in the format that is asked for.
        """
        reply = await self.ask(self.port, "/metrics")
        self.assertTrue(reply.headers["content-type"].startswith("text/plain"))
        self.assertIn(b'\nlogrelay_destination_sent_messages_total{destination="central"} 1234.0\n', reply.body)
        self.assertIn(b"\nprocess_resident_memory_bytes ", reply.body)
        reply = await self.ask(self.port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        self.assertTrue(reply.headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(reply.body.endswith(b"# EOF\n"))

    @scripted
    async def test_files(self) -> None:
        """
        The page's own files, and no others.
        """
        for path, kind in (("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
            reply = await self.ask(self.port, f"/static/{path}")
            self.assertEqual(reply.code, 200)
            self.assertTrue(reply.headers["content-type"].startswith(kind))
        for path in ("/static/", "/static/../page.py", "/static/%2e%2e/page.py", "/static/nothing", "/x", "//", "/%00"):
            self.assertEqual((await self.ask(self.port, path)).code, 404, path)

    @scripted
    async def test_headers(self) -> None:
        """
        Every answer has the headers that keep browsers in bounds, whatever it says.
        """
        for path in ("/", "/metrics", "/health", "/ready", "/status", "/static/page.js", "/nothing"):
            reply = await self.ask(self.port, path)
            self.assertEqual({name: reply.headers[name.lower()] for name in ALWAYS}, ALWAYS, path)
            self.assertNotIn("unsafe", reply.headers["content-security-policy"])
        reply = Reply.of(await self.raw(self.port, b"nonsense\r\n\r\n"))
        self.assertEqual({name: reply.headers[name.lower()] for name in ALWAYS}, ALWAYS)

    @scripted
    async def test_methods(self) -> None:
        """
        GET and HEAD, which has the same headers and no body; nothing else.
        """
        for path in ("/", "/metrics", "/health", "/events", "/nothing"):
            head = await self.ask(self.port, path, "HEAD")
            self.assertEqual(head.body, b"")
        get, head = [await self.ask(self.port, "/health", method) for method in ("GET", "HEAD")]
        self.assertEqual(get.headers, head.headers)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
            for path in ("/", "/nothing", "*"):
                reply = await self.ask(self.port, path, method)
                self.assertEqual((reply.code, reply.headers["allow"]), (405, "GET, HEAD"))

    @scripted
    async def test_page(self) -> None:
        """
        The page has all of it without JavaScript, and whatever stands in it is text.
        """
        evil = server(EVIL, active=True, identity=(EVIL,), notAfter=2e9)
        bad = server("b", reason=EVIL, text=EVIL, failedAt=900.0)
        self.relay_.state = relay(
            destinationSnapshot(EVIL, servers=(evil, bad), reason=EVIL), sources=(sourceSnapshot(EVIL, heldBy=(EVIL,)),)
        )
        page = (await self.ask(self.port, "/")).body.decode()
        self.assertNotIn(EVIL, page)
        self.assertGreaterEqual(page.count(escape(EVIL, quote=False)), 6)
        self.assertEqual(page.count("<script"), 1)
        self.assertNotIn("style=", page)
        self.assertNotRegex(page, r"https?://(?!www\.w3\.org/)")

    @scripted
    async def test_since(self) -> None:
        """
        A server is in use for as long as no other one was, though a checkpoint has just made its connection anew.
        """
        self.relay_.state = relay(destinationSnapshot(since=999.0, activeSince=900.0), at=1000.0)
        self.assertIn("(1 min 40 s): ", (await self.ask(self.port, "/")).body.decode())

    @scripted
    async def test_failure(self) -> None:
        """
        What can't be answered for a defect of ours is 500 and a line in the log; the next request is answered.
        """
        self.relay_.state = relay(destinationSnapshot(servers=()))
        self.assertEqual((await self.ask(self.port, "/")).code, 500)
        self.assertEqual(len(self.flushLoggedErrors(Exception)), 1)
        self.relay_.state = relay()
        self.assertEqual((await self.ask(self.port, "/")).code, 200)


class GateTests(WebCase):
    """
    Who may ask.
    """

    @scripted
    async def test_names(self) -> None:
        """
        On loopback it answers to its addresses and to names that nobody else can own: a page of somebody else's, whose
        name has been made to mean 127.0.0.1, gets nothing.
        """
        port = self.serve(Still())
        for name in ("127.0.0.1", "localhost", "localhost:1", "[::1]", "[::1]:9514", "a.localhost", "LOCALHOST."):
            self.assertEqual((await self.ask(port, "/health", Host=name)).code, 200, name)
        for name in (
            "evil.example",
            "evil.example:9514",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "notlocalhost",
            "[",
        ):
            reply = await self.ask(port, "/health", Host=name)
            self.assertEqual(reply.code, 421, name)
            self.assertIn(b"Host: 127.0.0.1", reply.body)

    @scripted
    async def test_namesElsewhere(self) -> None:
        """
        Where others can connect, names are theirs to choose.
        """
        port = self.serve(Still(), "tcp:0:interface=0.0.0.0")
        self.assertEqual((await self.ask(port, "/health", Host="relay.example.com")).code, 200)

    @scripted
    async def test_hostHeader(self) -> None:
        """
        HTTP/1.1 has exactly one; HTTP/1.0, as load balancers speak it, may do without.
        """
        port = self.serve(Still())
        for request, code in (
            (b"GET /health HTTP/1.1\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /health HTTP/1.0\r\n\r\n", 200),
        ):
            self.assertEqual(Reply.of(await self.raw(port, request)).code, code)

    @scripted
    async def test_otherSites(self) -> None:
        """
        A page of another site may lead here, and load nothing.
        """
        port = self.serve(Still())
        for mode, code in (("navigate", 200), ("cors", 403), ("no-cors", 403)):
            reply = await self.ask(port, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode=mode)
            self.assertEqual(reply.code, code)

    def test_portInUse(self) -> None:
        """
        A port that is taken is an error that says which, why, and what to do.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"tcp:{taken.getsockname()[1]}"
            service = HTTPService(reactor, Still(), HTTPSettings(parseWebListen(listen)))
            with self.assertRaises(LogRelayError) as caught:
                service.privilegedStartService()
        self.assertEqual(
            str(caught.exception),
            f"HTTP: cannot listen on {listen}: Address already in use; choose another address or port for [http], or"
            " stop what uses it",
        )

    def test_twistd(self) -> None:
        """
        ``twistd logrelay --http`` serves it, and says where; a port in use ends it with one line.
        """
        simple = ("--listen", "tcp:0:interface=127.0.0.1", "--primary", "127.0.0.1:1")
        relay = Foreground(self, *simple, "--http", "tcp:0")
        port = int(relay.says(r"a page, metrics and status are at http://127\.0\.0\.1:(\d+)/"))
        self.assertEqual(Reply.of(exchange(port, GET)).code, 200)
        second = Foreground(self, *simple, "--http", f"tcp:{port}")
        self.assertEqual(second.wait(), 1)
        self.assertIn(f"HTTP: cannot listen on tcp:{port}: Address already in use", second.said.read_text())

    def test_onlyIfWanted(self) -> None:
        """
        Who has not configured HTTP imports neither twisted.web nor prometheus_client; who has, both.
        """
        program = (
            "import sys; from logrelay.tap import Options, makeService; o = Options();"
            "o.parseOptions(sys.argv[1:]); makeService(o);"
            "print(*sorted({n.split('.')[0] for n in sys.modules if n.startswith(('prometheus', 'twisted.web.'))}))"
        )
        simple = ("--listen", "tcp:0", "--primary", "127.0.0.1")
        for more, expected in (((), ""), (("--http", "tcp:0"), "prometheus_client twisted")):
            command = [sys.executable, "-c", program, *simple, *more]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
            self.assertEqual(done.stdout.strip(), expected)


class HostileTests(WebCase):
    """
    What peers may try.
    """

    def setUp(self) -> None:
        self.far = self.server()
        self.relayed = self.relay([destination(self.far)], [source()])
        self.port = self.serve(self.relayed)

    async def assertFlows(self) -> None:
        """
        Messages get to the server, and requests are answered.
        """
        before = len(self.far.messages)
        sent = numbered(20, start=before)
        client(self, self.relayed).sendall(counted(sent))
        self.assertEqual((await self.arrived(self.far, before + 20))[before:], sent)
        self.assertEqual((await self.ask(self.port, "/health")).code, 200)

    def connect(self, count: int, data: bytes = b"") -> list[socket.socket]:
        """
        Connections, each of which has sent something.
        """
        made = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)
            self.addCleanup(connection.close)
            connection.sendall(data)
            made.append(connection)
        return made

    @scripted
    async def test_malformed(self) -> None:
        """
        What is no request is refused by a status that says so.
        """
        for request, code in (
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
            (b"GET /\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", 413),
            (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 413),
            (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 100000, 405),
            (b"GET /" + b"x" * LINE + b" HTTP/1.1\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * LINE + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 40 + b"\r\n", 400),
        ):
            self.assertEqual(Reply.of(await self.raw(self.port, request)).code, code, request[:60])
        await self.assertFlows()

    @scripted
    async def test_pipelined(self) -> None:
        """
        A connection brings one request, however many are in it.
        """
        data = await self.raw(self.port, GET * 500)
        self.assertEqual(data.count(b"HTTP/1.1 200 OK"), 1)
        await self.assertFlows()

    @scripted
    async def test_manyConnections(self) -> None:
        """
        Who only holds connections open, or sends requests that never end, keeps nobody out; more than there may be are
        not kept.
        """
        held = self.connect(3 * CONNECTIONS, b"GET /health HTTP/1.1\r\nX-Slow: ")
        await self.assertFlows()
        open_ = len(self.service._front._channels)
        self.assertLessEqual(open_, CONNECTIONS)
        # The others have been ended.
        ended = 0
        for connection in held:
            connection.setblocking(False)
            try:
                ended += connection.recv(1) == b""
            except ConnectionResetError:
                ended += 1
            except BlockingIOError:
                pass
        self.assertGreaterEqual(ended, 2 * CONNECTIONS)

    @scripted
    async def test_manyListeners(self) -> None:
        """
        So many pages are live at most; the next one is told so.  One that leaves makes room.
        """
        request = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        held = self.connect(LISTENERS, request)
        await self.until(lambda: len(self.service._answers.stream.listeners) == LISTENERS)
        reply = await self.ask(self.port, "/events")
        self.assertEqual((reply.code, reply.headers["retry-after"]), (503, "10"))
        await self.assertFlows()
        held[0].close()
        await self.until(lambda: len(self.service._answers.stream.listeners) < LISTENERS)
        self.connect(1, request)
        await self.until(lambda: len(self.service._answers.stream.listeners) == LISTENERS)

    @scripted
    async def test_stop(self) -> None:
        """
        When it stops the live pages are told, all connections end, and nobody listens any more.
        """
        [live] = self.connect(1, b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.connect(3, b"GET ")
        await self.until(lambda: self.service._answers.stream.listeners)
        await self.turns(20)
        await self.service.stopService()
        said = everything(live)
        self.assertIn(b"event: state", said)
        self.assertIn(b"event: end", said)
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", self.port))

    @scripted
    async def test_fuzz(self) -> None:
        """
        Whatever comes, it is answered or the connection ends, and the relay goes on.
        """
        lines = st.sampled_from(
            [b"GET / HTTP/1.1", b"Host: 127.0.0.1", b"Content-Length: ", b"Transfer-Encoding: chunked"]
        )
        parts = st.lists(st.one_of(lines, st.binary(max_size=40), st.just(b"\r\n")), max_size=12)
        requests: list[bytes] = []

        @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(parts)
        def collect(pieces: list[bytes]) -> None:
            requests.append(b"".join(pieces))

        collect()
        for request in requests:
            with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = await self.elsewhere(everything, connection)
            assert isinstance(answer, bytes)
            # Older versions of Twisted repeat what the client said instead of "HTTP/1.1".
            self.assertRegex(answer or b"- 400 ", rb"\A[^ ]+ [2-5][0-9]{2} ", request)
        self.assertEqual(self.flushLoggedErrors(), [])
        await self.assertFlows()


class TimeTests(SynchronousTestCase):
    """
    How long things last, by a clock that the test moves.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.front = Front(self.clock, lambda request: Answer(b"answer"))

    def connect(self) -> tuple[Any, StringTransportWithDisconnection]:
        """
        One connection.
        """
        channel = self.front.buildProtocol(None)
        transport = Transport()
        transport.protocol = channel
        channel.makeConnection(transport)
        return channel, transport

    def test_slowRequest(self) -> None:
        """
        A request that comes byte by byte is refused when its time is over, however busily it comes.
        """
        channel, transport = self.connect()
        for _ in range(int(LASTS) - 1):
            channel.dataReceived(b"x")
            self.clock.advance(1)
        self.assertEqual(transport.value(), b"")
        self.clock.advance(1)
        self.assertEqual(Reply.of(transport.value()).code, 408)
        self.clock.advance(LINGERS)
        self.assertFalse(transport.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tooMany(self) -> None:
        """
        Where all are being answered one more is refused at once.
        """
        self.front = Front(self.clock, lambda request: None)
        for _ in range(CONNECTIONS):
            channel, _ = self.connect()
            channel.dataReceived(GET)
        _, transport = self.connect()
        self.assertEqual(Reply.of(transport.value()).code, 503)
        self.assertFalse(transport.connected)

    def test_slowReader(self) -> None:
        """
        Who does not read an answer is gone when the time is over.
        """
        self.front = Front(self.clock, lambda request: None)
        channel, transport = self.connect()
        channel.dataReceived(GET)
        self.clock.advance(LASTS)
        self.assertFalse(transport.connected)

    def test_slowListener(self) -> None:
        """
        A live page that does not read gets nothing more, and is gone after a while; one that reads again is told
        how it is then.
        """
        drawn = [b"one"]
        stream = Stream(self.clock, lambda: drawn[0])
        self.front = Front(self.clock, stream.listen)
        for patience, expected in ((PATIENCE + 3, False), (PATIENCE / 2, True)):
            drawn[0] = b"one"
            channel, transport = self.connect()
            channel.dataReceived(GET)
            self.clock.advance(0)
            self.assertIn(b"data: one\n", transport.value())
            channel.pauseProducing()
            transport.clear()
            drawn[0] = b"two"
            for _ in range(int(patience)):
                self.clock.advance(1)
            self.assertEqual(transport.value(), b"")
            self.assertEqual((transport.connected, len(stream.listeners)), (expected, int(expected)))
        drawn[0] = b"three"
        channel.resumeProducing()
        self.clock.advance(2)
        self.assertIn(b"data: three\n", transport.value())
        stream.close()

    def test_clockPutBack(self) -> None:
        """
        When the host's clock is put back, nothing is kept until it is as late again.
        """
        self.clock.advance(10000)
        made: list[float] = []

        def make() -> int:
            self.clock.rightNow += 1
            made.append(self.clock.seconds())
            return len(made)

        kept = Kept(self.clock, make)
        self.assertEqual([kept(), kept()], [1, 1])
        self.clock.rightNow -= 3600
        self.assertEqual([kept(), kept()], [2, 2])

    def test_costly(self) -> None:
        """
        What takes long to draw is drawn less often, for those who ask and for live pages.
        """
        made: list[float] = []

        def make() -> bytes:
            made.append(self.clock.seconds())
            self.clock.rightNow += 1
            return b"%d" % len(made)

        kept = Kept(self.clock, make)
        self.assertEqual([kept(), kept()], [b"1", b"1"])
        self.clock.advance(10)
        self.assertEqual(kept(), b"2")
        made.clear()
        stream = Stream(self.clock, make)
        self.front = Front(self.clock, stream.listen)
        channel, _ = self.connect()
        channel.dataReceived(GET)
        for _ in range(100):
            self.clock.advance(1)
            stream.happened(events.Reloaded("nothing"))
        self.assertLessEqual(len(made), 6)
        self.assertGreaterEqual(len(made), 4)
        stream.close()


class Transport(StringTransportWithDisconnection):
    """
    One whose ends are told apart as little as tests here need.
    """

    def loseWriteConnection(self) -> None:
        """
        Nobody reads it anyway.
        """

    def abortConnection(self) -> None:
        """
        At once.
        """
        self.loseConnection()


class StreamTests(WebCase):
    """
    The page's news.
    """

    @scripted
    async def test_news(self) -> None:
        """
        A live page is told at once how it is, soon when something has happened, and that the relay is there if nothing
        has.
        """
        still = Still()
        port = self.serve(still)
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as connection:
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connection.setblocking(False)
            said = b""

            def says(text: bytes) -> bool:
                nonlocal said
                with contextlib.suppress(BlockingIOError):
                    said += connection.recv(1 << 20)
                return text in said

            await self.until(lambda: says(b"on failover b"))
            self.assertIn(b"text/event-stream", said)
            still.state = relay(destinationSnapshot(state="waiting", servers=(server("a"),)))
            still.log.tell(events.RoundFailed("central", "a", 1))
            # "Soon" is ten times as long as the drawing takes: it gets a tenth of the time at most.
            await self.until(lambda: says(b"No server is in use"))
            await self.until(lambda: says(b"event: beat"))

    def test_lineEnds(self) -> None:
        """
        Nothing that is drawn can pass for a field of the event.
        """
        event = eventOf("state", b"a\rb\nc\r\nd", 0)
        self.assertEqual(event.split(b"\n")[2:], [b"data: a", b"data: b", b"data: c", b"data: d", b"", b""])


class HistoryTests(SynchronousTestCase):
    """
    Ten minutes of what moves.
    """

    def test_rates(self) -> None:
        """
        Counters become rates; one that went back is no negative rate; so many are kept.
        """
        history = History()
        for at, count in enumerate([10, 20, 40, 0, 5]):
            state = relay(at=at * 5.0, sources=(sourceSnapshot("s"),))
            state.sources[0].counters.received = count
            history.sample(state)
        self.assertEqual(list(history.sources["s"].values), [2, 4, 0, 1])
        for at in range(2 * KEPT):
            history.sample(relay(at=100.0 + at, sources=(sourceSnapshot("s"),)))
        self.assertEqual(len(history.sources["s"].values), KEPT)

    def test_gone(self) -> None:
        """
        What is not there any more is forgotten.
        """
        history = History()
        history.sample(relay(destinationSnapshot("a"), destinationSnapshot("b")))
        history.sample(relay(destinationSnapshot("b"), sources=()))
        self.assertEqual((list(history.destinations), list(history.sources)), (["b"], []))


class WordsTests(SynchronousTestCase):
    """
    Numbers for people.
    """

    def test_words(self) -> None:
        """
        They are as short as they can be.
        """
        cases = [
            (0, "0 s"),
            (59.9, "59 s"),
            (61, "1 min 1 s"),
            (600, "10 min"),
            (7260, "2 h 1 min"),
            (86400 * 30, "30 d"),
        ]
        self.assertEqual([duration(seconds) for seconds, _ in cases], [text for _, text in cases])
        self.assertEqual([number(0), number(0.25), number(1234567)], ["0", "0.2", "1,234,567"])
        self.assertEqual([size(12), size(2048), size(1536), size(1 << 30)], ["12 bytes", "2 KiB", "1.5 KiB", "1 GiB"])
