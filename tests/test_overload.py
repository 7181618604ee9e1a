"""
Overload: whatever clients and servers do to a relay, its memory stays bounded, it counts and says what it refused,
and everybody else is served.

The relay, the log server and all who load the relay are processes of their own (:mod:`tests.loads`).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import ge
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import MIB, smallestBuffer
from logrelay.outbox import HIGH

from .loads import Load, peak
from .real import freePort, waitUntil

#: What the issue allows besides the buffer: for all, and for each client.
ALLOWED, EACH = 100 * MIB, 64 * 1024

#: The default size of a buffer, and the smallest legal one.
DEFAULT, SMALLEST = 64 * MIB, smallestBuffer(65536)

#: Seconds for what takes a moment on an idle machine.
PATIENCE = 30

#: So many messages of a good source have to come while others misbehave.
ENOUGH = 100


class Bench:
    """
    A relay with two TCP sources and one for UDP, and its log server.

    :ivar same: the port of the source that is loaded.
    :ivar other: that of one that is not.
    :ivar udp: that of the datagrams.
    """

    def __init__(
        self, case: SynchronousTestCase, size: int = DEFAULT, server: str = "reads", source: str = "", **options: object
    ) -> None:
        """
        :param server: the manner of the log server.
        :param source: one more line for the source that is loaded.
        :param options: more keys of the destination.
        """
        self._case = case
        self._size = size
        self.server = self.load("sink", server)
        self.same, self.other, self.udp = freePort(), freePort(), freePort()
        folder = Path(case.mktemp())
        folder.mkdir()
        self._log = folder / "log"
        keys = "\n".join(f"{key} = {value}" for key, value in options.items())
        (folder / "relay.toml").write_text(
            f"""
            stop-timeout = 0.5
            [[source]]
            listen = "tcp:{self.same}:interface=127.0.0.1"
            {source}
            [[source]]
            listen = "tcp:{self.other}:interface=127.0.0.1"
            [[source]]
            listen = "udp:{self.udp}:interface=127.0.0.1"
            [destination.central]
            primary = "127.0.0.1:{self.server.told()}"
            drain-timeout = 0.5
            {keys}
            [destination.central.buffer]
            size = {size}
            """
        )
        self._relay = self.load("relay", folder / "relay.toml", log=self._log)
        self._relay.ask()

    def load(self, kind: str, *arguments: object, log: Path | None = None) -> Load:
        """
        One more process, until the end of the test.
        """
        load = Load(kind, *arguments, log=log)
        self._case.addCleanup(load.close)
        return load

    def source(self) -> dict[str, Any]:
        """
        What the source that is loaded has counted.
        """
        return self._source(self.same)

    def datagrams(self) -> dict[str, Any]:
        """
        What the source of datagrams has counted.
        """
        return self._source(self.udp)

    def _source(self, port: int) -> dict[str, Any]:
        sources = self._relay.ask()["sources"]
        found: dict[str, Any] = next(each["counters"] for each in sources if f":{port}:" in each["name"])
        return found

    def destination(self) -> dict[str, Any]:
        """
        How the destination stands.
        """
        found: dict[str, Any] = self._relay.ask()["destinations"][0]
        return found

    def logged(self, text: str) -> int:
        """
        How many lines the relay has logged with a text in them.
        """
        return self._log.read_text().count(text)

    def fills(self) -> None:
        """
        Wait until the buffer is so full that sources have to wait.
        """
        self.until(lambda: self.destination()["bufferCost"] >= HIGH * self._size, "a full buffer")

    def counted(self, **counts: int) -> None:
        """
        Wait until the source that is loaded has counted as much.
        """
        self.until(lambda: counts.items() <= self.source().items(), f"{counts}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """
        Wait for something.
        """
        waitUntil(condition, what, PATIENCE)

    def stop(self, clients: int = 0) -> None:
        """
        Stop the relay, which was sound and took no more memory than it may.

        :param clients: how many had to be reckoned with.
        """
        most = peak(self._relay.pid)
        self._case.assertLess(most, self._size + ALLOWED + clients * EACH, f"{most / MIB:.0f} MiB")
        self._case.assertNotIn("Traceback", self._log.read_text())
        self._relay.finish()


class Goods:
    """
    Good sources, with a number in each message.
    """

    def __init__(self, bench: Bench, *ports: int, tag: str = "a", rate: int = 2000) -> None:
        self._bench = bench
        self._load = bench.load("good", tag, rate, *ports)
        self._tags = [f"{tag}{place}" for place in range(len(ports))]
        self.flow()

    def counts(self) -> list[int]:
        """
        How many messages of each have come.
        """
        found = self._bench.server.ask()
        return [found.get(tag, 0) for tag in self._tags]

    def flow(self) -> None:
        """
        Wait until more has come of each.
        """
        enough = [count + ENOUGH for count in self.counts()]
        self._bench.until(lambda: all(map(ge, self.counts(), enough)), "good messages")

    def arrive(self) -> None:
        """
        End them, and wait until everything has come.
        """
        sent = self._load.finish()
        self._bench.until(lambda: set(self.counts()) == {sent}, f"all of {sent} good messages")


class BadClientTests(SynchronousTestCase):
    """
    Clients that misbehave, beside others on the same port and on another one, of which every message has to arrive.
    """

    def load(self, bench: Bench, goods: Goods, kind: str, *arguments: object) -> Load:
        """
        Bad clients on the port of good ones, which are served while those are there.
        """
        load = bench.load(kind, bench.same, *arguments)
        load.told()
        goods.flow()
        return load

    def test_oneClient(self) -> None:
        """
        64 MiB without a line end, and 64 MiB of NULs: the head of each is a message at most, the rest is discarded, and
        it is said once.  Random bytes are messages like any others.
        """
        for size, amount in ((DEFAULT, 16), (SMALLEST, 2)):
            bench = Bench(self, size, format="'as-is'")
            goods = Goods(bench, bench.same, bench.other)
            for what, length in (("x", 64), ("nul", 64), ("random", amount)):
                self.load(bench, goods, "endless", what, length * MIB).close()
            goods.arrive()
            bench.counted(overlong=2)
            self.assertEqual(bench.logged("longer than max-message-size"), 1)
            bench.stop(1)

    def test_badFrames(self) -> None:
        """
        Connections that are reset within a frame, and frames that are much too long: counted, and said once.
        """
        bench = Bench(self)
        goods = Goods(bench, bench.same, bench.other)
        self.load(bench, goods, "cut", 500).close()
        self.load(bench, goods, "counted", 200).close()
        goods.arrive()
        counters = bench.source()
        self.assertEqual(counters["badFrames"], 200)
        # Those that were reset before they were accepted are nobody any more.
        self.assertTrue(0 < counters["incomplete"] <= 500, counters)
        self.assertEqual(bench.logged("closed the connection of"), 1)
        self.assertEqual(bench.logged("ended within a frame"), 1)
        bench.stop(1)

    def test_connectsAtOnce(self) -> None:
        """
        5,000 connections at once: what is more than ``max-connections`` is closed, counted, and said once; when the
        others have gone there is room again.
        """
        bench = Bench(self)
        goods = Goods(bench, bench.same, bench.other)
        load = self.load(bench, goods, "connects", 5000)
        bench.counted(connections=1000, refused=4001)
        self.assertEqual(load.finish(), 4001)
        self.assertEqual(bench.logged("closed another"), 1)
        goods.arrive()
        Goods(bench, bench.same, tag="b").arrive()
        bench.stop(1000)

    def test_slowDrip(self) -> None:
        """
        2,000 clients that keep 60 KiB each of a line that does not end, twice the buffer, stop nobody; nor do they when
        they leave, and with 5,000 others that are wanted.
        """
        bench = Bench(self, source="max-connections = 8000")
        many = bench.load("connects", bench.same, 5000)
        many.told()
        bench.counted(connections=5000)
        load = self.drip(bench, 60 * 1024)
        self.assertEqual(many.finish(), 0)
        goods = Goods(bench, bench.same, bench.other, tag="b")
        load.close()
        goods.flow()
        goods.arrive()
        bench.stop(2000)

    def test_slowDripIntoSmallBuffer(self) -> None:
        """
        Nor do they where the buffer is the smallest, and they keep eight times as much.  A relay stops in time although
        they stay.
        """
        bench = Bench(self, SMALLEST, source="max-connections = 6000")
        self.drip(bench, 2048)
        bench.stop(2000)

    def drip(self, bench: Bench, size: int) -> Load:
        """
        2,000 clients with so much each of a line that does not end.  They cost no message and no checkpoint.
        """
        before = bench.source()["receivedBytes"]
        goods = Goods(bench, bench.same, bench.other)
        load = self.load(bench, goods, "drip", 2000, size)
        bench.until(lambda: bench.source()["receivedBytes"] >= before + 2000 * size, "what they drip")
        goods.flow()
        goods.arrive()
        destination = bench.destination()["counters"]
        self.assertEqual((destination["dropped"], destination["checkpoints"]), ({}, 0))
        return load

    def test_datagrams(self) -> None:
        """
        A flood of datagrams that is more than the server takes loses its own, which is counted and said once; it does
        not keep others from being read.
        """
        bench = Bench(self, SMALLEST, throttle=5000)
        load = bench.load("flood", bench.udp, 30_000)
        load.told()
        bench.until(lambda: bench.datagrams()["dropped"].get("overflow"), "a full buffer")
        goods = Goods(bench, bench.same, bench.other, rate=200)
        goods.flow()
        load.finish()
        goods.arrive()
        self.assertEqual(bench.logged("dropped (overflow"), 1)
        bench.stop(1)

    def test_greedy(self) -> None:
        """
        Where there is room for a few reads at a time, those that always have something to send do not keep the others
        of their source, or other sources, from having their turn.
        """
        bench = Bench(self, SMALLEST, throttle=10_000)
        load = bench.load("eager", bench.same, 10)
        load.told()
        bench.fills()
        goods = Goods(bench, bench.same, bench.other)
        load.close()
        goods.arrive()
        bench.stop(10)


class BadServerTests(SynchronousTestCase):
    """
    Servers that misbehave.
    """

    def slow(self, size: int) -> None:
        """
        A server is slow while 2,000 clients send what they can, in messages of 250 bytes: memory is bounded by the
        buffer alone, however many they are.  When the server is well again it gets every message.
        """
        bench = Bench(self, size, "slow", source="max-connections = 2000")
        load = bench.load("many", "m", bench.same, 2000, 250, 320)
        load.told()
        bench.counted(connections=2000)
        bench.fills()
        taken = bench.source()["received"]
        # Paused and read again some times.
        bench.until(lambda: bench.source()["received"] >= taken + size // 1000, "more messages")
        load.end()
        bench.server.ask("read")
        sent = load.finish()
        self.assertEqual(len(sent), 2000)
        bench.until(lambda: bench.server.ask() == sent, "all messages")
        self.assertEqual(bench.source()["received"], sum(sent.values()))
        self.assertEqual(bench.destination()["counters"]["dropped"], {})
        bench.stop()

    def test_slow(self) -> None:
        """
        With the buffer as it is by default.
        """
        self.slow(DEFAULT)

    def test_slowSmallBuffer(self) -> None:
        """
        With a smaller one.
        """
        self.slow(8 * MIB)

    def test_deaf(self) -> None:
        """
        While a server accepts and never reads, 50 clients that send what they can have to wait.
        """
        for size in (DEFAULT, SMALLEST):
            bench = Bench(self, size, "deaf")
            load = bench.load("eager", bench.same, 50)
            load.told()
            bench.fills()
            sent = load.finish()
            # At most one read of each is still under way when they are paused; and kernels have buffers, too.
            bound = size + 50 * 65536
            self.assertLess(bench.destination()["bufferCost"], bound)
            self.assertLess(bench.source()["receivedBytes"], min(bound + 16 * MIB, sent))
            bench.stop(50)

    def test_talks(self) -> None:
        """
        What a server sends, however much it is, is not wanted and does no harm.
        """
        bench = Bench(self, server="talks")
        goods = Goods(bench, bench.same)
        goods.flow()
        goods.arrive()
        bench.stop()
