"""
Relaying what a program logs: the observer of twisted.logger, and the handler of logging.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from io import StringIO
from threading import Thread
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, STDLibLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.batches import Origin
from logrelay.counters import SourceCounters
from logrelay.inlet import Inlet
from logrelay.sources import RelayHandler, RelayObserver

from .sourcing import KeptRoute
from .test_inlet import ThreadedClock

#: RFC 5424 without structured data, as far as a program's messages go.
MESSAGE = re.compile(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\d+) (\S+) - (.*)", re.DOTALL)


class Unformattable:
    """
    Cannot be shown.
    """

    def __repr__(self) -> str:
        raise RuntimeError("no way")


class ProgramCase(SynchronousTestCase):
    """
    An inlet whose messages are taken apart.
    """

    def setUp(self) -> None:
        self.reactor = ThreadedClock()
        self.route = KeptRoute()
        self.counters = SourceCounters()
        self.inlet = Inlet(self.reactor, self.route, Origin("program", b"me.example.com"), self.counters)

    def relayed(self) -> list[tuple[bytes, ...]]:
        """
        The fields of each message so far: PRI, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID, MSG.
        """
        self.reactor.turn()
        matches = [MESSAGE.fullmatch(message) for message in self.route.messages]
        return [match.groups() if match else () for match in matches]

    def texts(self) -> list[bytes]:
        """
        The texts so far.
        """
        return [fields[-1] for fields in self.relayed()]


class ObserverTests(ProgramCase):
    """
    RelayObserver.
    """

    def setUp(self) -> None:
        super().setUp()
        self.observer = RelayObserver(self.inlet, appName="shop")
        self.publisher = LogPublisher(self.observer)
        self.log = Logger(namespace="shop.cart", observer=self.publisher)

    def test_interface(self) -> None:
        """
        It is an observer.
        """
        verifyObject(ILogObserver, self.observer)

    def test_message(self) -> None:
        """
        An event becomes a message of RFC 5424 with every field that it can fill.
        """
        self.observer(
            {
                "log_level": LogLevel.warn,
                "log_time": 1069000394.25,
                "log_namespace": "shop.cart",
                "log_format": "{count} items — too many",
                "count": 7,
            }
        )
        fields = (b"12", b"2003-11-16T16:33:14.250000Z", b"me.example.com", b"shop", b"%d" % os.getpid(), b"shop.cart")
        self.assertEqual(self.relayed(), [(*fields, "7 items — too many".encode())])

    def test_levels(self) -> None:
        """
        Each level has its severity; old-style events are errors or information.
        """
        for level in LogLevel.iterconstants():
            self.log.emit(level, "x")
        self.observer({"log_format": "x", "isError": 1})
        self.observer({"log_format": "x"})
        severities = {"debug": b"15", "info": b"14", "warn": b"12", "error": b"11", "critical": b"10"}
        expected = [severities[level.name] for level in LogLevel.iterconstants()]
        self.assertEqual([fields[0] for fields in self.relayed()], [*expected, b"11", b"14"])

    def test_traceback(self) -> None:
        """
        A failure comes with its traceback, in one message of several lines.
        """
        try:
            raise ValueError("no such item")
        except ValueError:
            self.log.failure("cart broken")
        [text] = self.texts()
        self.assertTrue(text.startswith(b"cart broken\nTraceback"))
        self.assertTrue(text.endswith(b"ValueError: no such item"))

    def test_ownEventsAreLeftOut(self) -> None:
        """
        What the relay says itself is not relayed; what a program of a similar name says is.
        """
        for namespace in ("logrelay", "logrelay.sources", "logrelays", "shop.logrelay"):
            Logger(namespace=namespace, observer=self.publisher).info(namespace)
        self.assertEqual(self.texts(), [b"logrelays", b"shop.logrelay"])

    def test_headerFields(self) -> None:
        """
        Header fields are printable, as long as they may be, and never empty.
        """
        observer = RelayObserver(self.inlet, appName="my\nshop é " + "x" * 60)
        observer({"log_namespace": "a\0b" + "c" * 40, "log_format": "x", "log_time": 1e300})
        RelayObserver(self.inlet, appName="")({"log_format": "x", "log_time": 0})
        first, second = self.relayed()
        self.assertEqual(first[1], b"-")
        self.assertEqual(first[3], b"my_shop___" + b"x" * 38)
        self.assertEqual(first[5], b"a_b" + b"c" * 29)
        self.assertEqual((second[3], second[5]), (b"-", b"-"))

    def test_programName(self) -> None:
        """
        Without a name given it is that by which the program was started.
        """
        self.patch(sys, "argv", ["/usr/bin/shop-server", "--fast"])
        RelayObserver(self.inlet)({"log_format": "x"})
        self.assertEqual(self.relayed()[0][3], b"shop-server")

    def test_emptyEvents(self) -> None:
        """
        An event that says nothing is left out, as in every log.
        """
        self.observer({})
        self.assertEqual(self.relayed(), [])
        self.assertEqual(self.counters.dropped, {})

    def test_unformattable(self) -> None:
        """
        Events that cannot be formatted never raise; they are relayed as Twisted shows them, or counted.
        """
        self.log.info("{thing!r}", thing=Unformattable())
        self.observer({"log_format": "x", "log_level": "no level"})
        self.assertEqual(len(self.relayed()), 1)
        self.assertEqual(self.counters.dropped, {"unformattable": 1})

    def test_emissionWithinEmission(self) -> None:
        """
        What is logged while an event is being relayed is cut off.
        """

        class Talkative:
            def __str__(talkative) -> str:
                self.log.info("I am being formatted")
                return "talkative"

        self.log.info("{who}", who=Talkative())
        self.log.info("next")
        self.assertEqual(self.texts(), [b"talkative", b"next"])

    def test_full(self) -> None:
        """
        What finds no room is dropped and counted, and the program never notices.
        """
        inlet = Inlet(self.reactor, self.route, Origin("program", b"me"), self.counters, limit=1)
        observer = RelayObserver(inlet, appName="shop")
        for _ in range(3):
            observer({"log_format": "x"})
        self.assertEqual(len(self.relayed()), 1)
        self.assertEqual(self.counters.dropped, {"inlet-full": 2})

    def test_anyThread(self) -> None:
        """
        Events of other threads are relayed too.
        """
        thread = Thread(target=self.log.info, args=("from a thread",))
        thread.start()
        thread.join()
        self.assertEqual(self.texts(), [b"from a thread"])


class HandlerTests(ProgramCase):
    """
    RelayHandler.
    """

    def setUp(self) -> None:
        super().setUp()
        self.handler = RelayHandler(self.inlet, appName="shop")
        self.logger = self.loggerCalled("shop.cart")

    def loggerCalled(self, name: str) -> logging.Logger:
        """
        A logger that only the handler listens to.
        """
        logger = logging.Logger(name)
        logger.addHandler(self.handler)
        return logger

    def test_message(self) -> None:
        """
        A record becomes a message of RFC 5424 with every field that it can fill.
        """
        record = logging.LogRecord("shop.cart", logging.WARNING, __file__, 1, "%d items — too many", (7,), None)
        record.created = 1069000394.25
        self.handler.handle(record)
        fields = (b"12", b"2003-11-16T16:33:14.250000Z", b"me.example.com", b"shop", b"%d" % os.getpid(), b"shop.cart")
        self.assertEqual(self.relayed(), [(*fields, "7 items — too many".encode())])

    def test_levels(self) -> None:
        """
        Each level has its severity, also those between the named ones.
        """
        for level in (5, logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL, 99):
            self.logger.log(level, "x")
        self.assertEqual(
            [fields[0] for fields in self.relayed()], [b"15", b"15", b"14", b"14", b"12", b"11", b"10", b"10"]
        )

    def test_level(self) -> None:
        """
        Records below the handler's level are left out.
        """
        self.handler = RelayHandler(self.inlet, appName="shop", level="WARNING")
        logger = self.loggerCalled("shop")
        logger.info("unimportant")
        logger.warning("important")
        self.assertEqual(self.texts(), [b"important"])

    def test_traceback(self) -> None:
        """
        An exception comes with its traceback, in one message of several lines.
        """
        try:
            raise ValueError("no such item")
        except ValueError:
            self.logger.exception("cart broken")
        [text] = self.texts()
        self.assertTrue(text.startswith(b"cart broken\nTraceback"))
        self.assertTrue(text.endswith(b"ValueError: no such item"))

    def test_formatter(self) -> None:
        """
        A formatter of the program's own is used.
        """
        self.handler.setFormatter(logging.Formatter("[%(name)s] %(message)s"))
        self.logger.info("hello")
        self.assertEqual(self.texts(), [b"[shop.cart] hello"])

    def test_surrogates(self) -> None:
        """
        What is no Unicode, as undecodable file names, is escaped: a message is valid UTF-8.
        """
        self.logger.info("\udcff.txt")
        self.assertEqual(self.texts(), [rb"\udcff.txt"])

    def test_ownRecordsAreLeftOut(self) -> None:
        """
        What the relay says itself is not relayed, neither directly nor by way of twisted.logger; other events are.
        """
        self.loggerCalled("logrelay.sources").info("own record")
        bridge: Any = STDLibLogObserver("twisted-test-bridge")
        bridge.logger.propagate = False
        bridge.logger.setLevel(logging.INFO)
        bridge.logger.addHandler(self.handler)
        self.addCleanup(bridge.logger.removeHandler, self.handler)
        for namespace in ("logrelay.sources", "shop"):
            Logger(namespace=namespace, observer=LogPublisher(bridge)).info("event of " + namespace)
        self.assertEqual(self.texts(), [b"event of shop"])

    def test_unformattable(self) -> None:
        """
        A record that cannot be formatted is told to the programmer as every handler does, and counted.
        """
        told = StringIO()
        self.patch(sys, "stderr", told)
        self.logger.info("%d", "no number")
        self.assertIn("--- Logging error ---", told.getvalue())
        self.assertEqual(self.relayed(), [])
        self.assertEqual(self.counters.dropped, {"unformattable": 1})

    def test_emissionWithinEmission(self) -> None:
        """
        What is logged while a record is being relayed is cut off, also what is logged by the other way.
        """
        observer = RelayObserver(self.inlet, appName="shop")

        class Talkative:
            def __str__(talkative) -> str:
                self.logger.info("I am being formatted")
                Logger(namespace="shop", observer=LogPublisher(observer)).info("I really am")
                return "talkative"

        self.logger.info("%s", Talkative())
        self.logger.info("next")
        self.assertEqual(self.texts(), [b"talkative", b"next"])

    def test_failureObject(self) -> None:
        """
        A Failure as an argument is text like everything else.
        """
        self.logger.info("%s", Failure(ValueError("x")))
        self.assertIn(b"ValueError", self.texts()[0])
