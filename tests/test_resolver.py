"""
Tests for L{logrelay.resolver}.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.resolver import PoolResolver, familyFor

Found = list[tuple[Any, ...]]

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 6514))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 6514, 0, 0))


@implementer(IResolutionReceiver)
class Receiver:
    """
    Who asked.

    :ivar answer: what was found; ``None`` while nobody has said.
    """

    def __init__(self, complete: Callable[[], object] = lambda: None) -> None:
        self.addresses: list[IAddress] = []
        self.answer: list[IAddress] | None = None
        self.complete = complete

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """
        A look-up begins.
        """
        self.resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        """
        An address was found.
        """
        assert self.answer is None
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        """
        There are no more.
        """
        assert self.answer is None
        self.answer = self.addresses
        self.complete()


class Threads:
    """
    Threads whose work is done when a test says so, and the reactor that they report to.
    """

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def start(self, work: Callable[[], None]) -> None:
        """
        A thread begins.
        """
        self.work.append(work)

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        """
        See ``IReactorFromThreads``.
        """
        function(*arguments)


class PoolResolverTests(SynchronousTestCase):
    """
    L{PoolResolver}.
    """

    def setUp(self) -> None:
        """
        Threads that wait, and a table of names.
        """
        self.threads = Threads()
        self.table: dict[str, Found | Exception] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.resolver = self.newResolver()

    def newResolver(self, **more: str) -> PoolResolver:
        """
        One that has been started.
        """
        resolver = PoolResolver(
            self.threads,  # type: ignore[arg-type]
            getaddrinfo=self.getaddrinfo,
            startThread=self.threads.start,
            **more,
        )
        resolver.start()
        return resolver

    def getaddrinfo(self, *arguments: Any) -> Sequence[tuple[Any, ...]]:
        """
        As C{socket.getaddrinfo}.
        """
        self.asked.append(arguments)
        found = self.table.get(arguments[0], socket.gaierror(-2, "Name or service not known"))
        if isinstance(found, Exception):
            raise found
        return found

    def ask(self, name: str, **more: Any) -> Receiver:
        """
        Begin to look up.
        """
        receiver = Receiver()
        resolution = self.resolver.resolveHostName(receiver, name, 6514, **more)
        self.assertIs(resolution, receiver.resolution)
        self.assertEqual(resolution.name, name)
        return receiver

    def answer(self) -> None:
        """
        Have all threads that run do their work.
        """
        work, self.threads.work = self.threads.work, []
        for each in work:
            each()

    def test_interface(self) -> None:
        """
        It is a resolver as Twisted has them.
        """
        verifyObject(IHostnameResolver, self.resolver)
        verifyObject(IHostResolution, self.ask("logs").resolution)

    def test_addresses(self) -> None:
        """
        All addresses are told, in the system's order, each once; the look-up is for streams.
        """
        self.table["logs"] = [V6, V4, V6, (socket.AF_UNIX, 0, 0, "", ("x",))]
        receiver = self.ask("logs")
        self.assertIsNone(receiver.answer)
        self.answer()
        self.assertEqual(
            receiver.answer, [IPv6Address("TCP", "2001:db8::1", 6514), IPv4Address("TCP", "192.0.2.1", 6514)]
        )
        self.assertEqual(self.asked, [("logs", 6514, socket.AF_UNSPEC, socket.SOCK_STREAM)])

    def test_kinds(self) -> None:
        """
        Only addresses of the kinds asked for are told.
        """
        self.table["logs"] = [V6, V4]
        receiver = self.ask("logs", addressTypes=[IPv4Address])
        self.answer()
        self.assertEqual(receiver.answer, [IPv4Address("TCP", "192.0.2.1", 6514)])

    def test_anew(self) -> None:
        """
        Each attempt looks up anew.
        """
        for found in (V4, V6):
            self.table["logs"] = [found]
            receiver = self.ask("logs")
            self.answer()
            assert receiver.answer is not None
            self.assertEqual([each.host for each in receiver.answer], [found[4][0]])  # type: ignore[attr-defined]

    def test_nothing(self) -> None:
        """
        A name without addresses, or that is no name, or that something goes wrong with, is an empty answer.
        """
        problems: list[Exception | Found] = [socket.gaierror(-2, "x"), UnicodeError("too long"), RuntimeError("x"), []]
        for problem in problems:
            self.table["logs"] = problem
            receiver = self.ask("logs")
            self.answer()
            self.assertEqual(receiver.answer, [])

    def test_stillLookedUp(self) -> None:
        """
        A name that is still being looked up has failed at once; when that is over it is looked up again.
        """
        self.table["logs"] = [V4]
        first = self.ask("logs")
        self.assertEqual([self.ask("logs").answer for _ in range(3)], [[], [], []])
        self.assertEqual(len(self.threads.work), 1)
        self.answer()
        self.assertEqual(len(first.answer or ()), 1)
        again = self.ask("logs")
        self.answer()
        self.assertEqual(len(again.answer or ()), 1)

    def test_bounded(self) -> None:
        """
        Few threads run at a time; other names wait, each once.
        """
        names = [f"logs-{number}" for number in range(20)]
        self.table.update((name, [V4]) for name in names)
        receivers = [self.ask(name) for name in names]
        self.assertEqual(self.ask(names[-1]).answer, [])
        self.assertEqual(len(self.threads.work), 8)
        self.answer()
        self.assertEqual([receiver.answer is not None for receiver in receivers], [True] * 8 + [False] * 12)
        self.answer()
        self.answer()
        self.assertEqual([len(receiver.answer or ()) for receiver in receivers], [1] * 20)

    def test_cancel(self) -> None:
        """
        Who has cancelled is not told.
        """
        self.table["logs"] = [V4]
        receiver = self.ask("logs")
        receiver.resolution.cancel()
        self.answer()
        self.assertIsNone(receiver.answer)

    def test_stop(self) -> None:
        """
        After a stop nothing is looked up: what waits fails, what runs is left to itself, and a start begins anew.
        """
        receivers = [self.ask(f"logs-{number}") for number in range(9)]
        self.resolver.stop()
        self.assertEqual([receiver.answer for receiver in receivers], [None] * 8 + [[]])
        self.assertEqual(self.ask("other").answer, [])
        self.answer()
        self.assertEqual([receiver.answer for receiver in receivers], [[]] * 9)
        self.assertEqual(self.threads.work, [])
        self.resolver.start()
        self.assertIsNone(self.ask("other").answer)

    def test_families(self) -> None:
        """
        Only addresses that can be connected to are looked up.
        """
        self.assertEqual(familyFor("any", ""), socket.AF_UNSPEC)
        self.assertEqual(familyFor("4", ""), socket.AF_INET)
        self.assertEqual(familyFor("6", ""), socket.AF_INET6)
        self.assertEqual(familyFor("any", "127.0.0.1"), socket.AF_INET)
        self.assertEqual(familyFor("any", "::1"), socket.AF_INET6)
        self.resolver = self.newResolver(localip="::1")
        self.ask("logs")
        self.answer()
        self.assertEqual(self.asked[-1][2], socket.AF_INET6)


class ThreadTests(TestCase):
    """
    L{PoolResolver} with real threads.
    """

    timeout = 10

    def test_inAThread(self) -> Deferred[None]:
        """
        The look-up runs in a thread that keeps nobody waiting, and the answer comes in the reactor's.
        """
        from twisted.internet import reactor

        here = threading.current_thread()
        where: list[threading.Thread] = []

        def getaddrinfo(*arguments: Any) -> Found:
            where.append(threading.current_thread())
            return [V4]

        def complete() -> None:
            where.append(threading.current_thread())
            done.callback(None)

        resolver = PoolResolver(reactor, getaddrinfo=getaddrinfo)  # type: ignore[arg-type]
        resolver.start()
        self.addCleanup(resolver.stop)
        done: Deferred[None] = Deferred()
        resolver.resolveHostName(Receiver(complete), "logs")

        def check(_: None) -> None:
            self.assertIsNot(where[0], here)
            self.assertTrue(where[0].daemon)
            self.assertIs(where[1], here)

        return done.addCallback(check)
