"""
Sources, exchanged while they listen.
"""

from __future__ import annotations

import os
import socket
import stat
from errno import EACCES, EADDRINUSE
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from logrelay.batches import Framing
from logrelay.config import SourceSettings
from logrelay.counters import SourceCounters
from logrelay.events import Event, Listening, SourceTrouble
from logrelay.listeners import Listeners, addressesOf
from logrelay.sources import CannotListen, ISource, sourceFor
from logrelay.sources.interface import IAdjustable, IListener
from logrelay.sources.sockets import BoundSocket
from logrelay.throttle import Throttle

from .reloads import freePort
from .sourcing import KeptRoute, folder, listening

ANY = "tcp:0:interface=127.0.0.1"


@implementer(IListener)
class Stubborn:
    """
    A source that can't be bound, or not again.
    """

    listening: tuple[IAddress, ...] = ()

    def __init__(self, settings: SourceSettings, *errors: int) -> None:
        """
        :param errors: what comes of each ``bind``; 0: it is bound.
        """
        self.settings = settings
        self.errors = [*errors]
        self.bound: BoundSocket | None = None
        self.happened: list[str] = []

    def bind(self, inherited: BoundSocket | None = None) -> None:
        error = self.errors.pop(0)
        self.happened.append("refused" if error else "bound")
        if error:
            raise CannotListen(self.settings, os.strerror(error), "do something") from OSError(error, "no")
        self.bound = BoundSocket(socket.socket())

    def unbind(self) -> None:
        assert self.bound is not None
        self.bound.close()
        self.bound = None
        self.happened.append("unbound")

    def start(self) -> None:
        self.happened.append("started")

    def stop(self) -> Deferred[None]:
        if self.bound is not None:
            self.unbind()
        return succeed(None)


class ListenersCase(SynchronousTestCase):
    """
    Some sources.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.told: list[Event] = []
        self.listeners = Listeners(self.told.append)
        self.addCleanup(self.stop)

    def source(self, text: str, name: str = "", **options: Any) -> ISource:
        """
        A source.
        """
        settings = attrs.evolve(listening(text, **options), name=name or text)
        return sourceFor(self.reactor, settings, KeptRoute(), Throttle(), SourceCounters(), b"me")

    def begin(self, *sources: ISource) -> None:
        """
        Have these, and read them.
        """
        self.listeners.sources = {source.settings.name: source for source in sources}
        self.listeners.bind()
        self.listeners.start()

    def exchange(self, *new: ISource, gone: tuple[str, ...] = ()) -> None:
        """
        Have others, in place of those of their names and of some more.
        """
        names = {source.settings.name: source for source in new}
        exchange = self.listeners.exchange(names, [*(name for name in names if name in self.listeners.sources), *gone])
        exchange.bind()
        exchange.finish()
        self.reactor.advance(1.5)

    def stop(self) -> None:
        """
        Nothing may be left.
        """
        self.listeners.stop()
        self.reactor.advance(1.5)
        self.assertEqual((self.reactor.getReaders(), self.reactor.getDelayedCalls()), ([], []))

    def port(self, name: str = ANY) -> int:
        """
        The port of a source.
        """
        return int(addressesOf(self.listeners.sources[name])[0].rpartition(":")[2])


class TakeOverTests(ListenersCase):
    """
    One source in the place of another.
    """

    def test_interfaces(self) -> None:
        """
        Sources with sockets can be taken over from, and take on limits.
        """
        for text in (ANY, "udp:0"):
            for interface in (IListener, IAdjustable):
                verifyObject(interface, self.source(text))
        verifyObject(IAdjustable, self.source("systemd:domain=INET:index=0"))

    def test_socket(self) -> None:
        """
        At the same address it has the same socket: who is connecting just then is not refused.
        """
        self.begin(self.source(ANY))
        port = self.port()
        with socket.create_connection(("127.0.0.1", port)):
            new = self.source(ANY, framing=Framing.LF)
            self.exchange(new)
            self.assertEqual(self.port(), port)
            [reader] = self.reactor.getReaders()
            accepted = reader.bound.socket.accept()[0]
            accepted.close()
        self.assertEqual(
            [event.address for event in self.told if isinstance(event, Listening)], [f"127.0.0.1:{port}"] * 2
        )

    def test_datagrams(self) -> None:
        """
        What waits in a socket for datagrams is still there.
        """
        self.begin(self.source("udp:0:interface=127.0.0.1"))
        port = self.port("udp:0:interface=127.0.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"one", ("127.0.0.1", port))
        self.exchange(self.source("udp:0:interface=127.0.0.1", soRcvbuf=100_000))
        [reader] = self.reactor.getReaders()
        self.assertEqual(reader.bound.socket.recv(100), b"one")

    def test_anotherName(self) -> None:
        """
        Also from a source that is written in another way.
        """
        port = freePort()
        old, new = f"tcp:{port}:interface=127.0.0.1", f"tcp:port={port}:interface=127.0.0.1:backlog=5"
        self.begin(self.source(old))
        with socket.create_connection(("127.0.0.1", port)):
            self.exchange(self.source(new), gone=(old,))
            [reader] = self.reactor.getReaders()
            reader.bound.socket.accept()[0].close()
        self.assertEqual((self.port(new), list(self.listeners.sources)), (port, [new]))

    def test_unix(self) -> None:
        """
        The path of a unix socket stays, with its new permissions, and is removed by whoever has it last.
        """
        path = folder(self) + "/log"
        self.begin(self.source(f"unix:{path}"))
        before = os.stat(path).st_ino
        self.exchange(self.source(f"unix:{path}", mode=0o600))
        self.assertEqual((os.stat(path).st_ino, stat.S_IMODE(os.stat(path).st_mode)), (before, 0o600))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        self.listeners.stop()
        self.assertFalse(os.path.exists(path))

    def test_fromOneKindToAnother(self) -> None:
        """
        A path, or a wider address, that is in the way is let go of first.
        """
        path, port = folder(self) + "/log", freePort()
        wide, narrow = f"tcp:{port}", f"tcp:{port}:interface=127.0.0.1"
        stream, datagrams = f"unix:{path}", f"unix-dgram:{path}"
        self.begin(self.source(wide), self.source(stream))
        self.exchange(self.source(narrow), self.source(datagrams), gone=(wide, stream))
        self.assertEqual(addressesOf(self.listeners.sources[narrow]), (f"127.0.0.1:{port}",))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(path)

    def test_pathIsGone(self) -> None:
        """
        A socket whose path somebody has removed is of no use to anybody: there is a new one then.
        """
        path = folder(self) + "/log"
        self.begin(self.source(f"unix:{path}"))
        os.unlink(path)
        self.exchange(self.source(f"unix:{path}", mode=0o600))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    def test_connectionsEnd(self) -> None:
        """
        Connections of the old source end as at a stop.
        """
        self.begin(self.source(ANY))
        exchange = self.listeners.exchange({ANY: self.source(ANY, framing=Framing.LF)}, [ANY])
        exchange.bind()
        [ended] = exchange.finish().values()
        self.successResultOf(ended)

    def test_standardInput(self) -> None:
        """
        What can't be read twice is read by the new one when the old one has ended.
        """
        settings = SourceSettings("stdin", type="stdin")
        order: list[str] = []

        class Input(Stubborn):
            def start(self) -> None:
                order.append("started")

            def stop(self) -> Deferred[None]:
                order.append("stopping")
                return ending

        ending: Deferred[None] = Deferred()
        self.begin(Input(settings, 0))
        exchange = self.listeners.exchange({"stdin": Stubborn(settings, 0)}, ["stdin"])
        exchange.bind()
        exchange.finish()
        new = self.listeners.sources["stdin"]
        assert isinstance(new, Stubborn)
        self.assertEqual((order, new.happened), (["started", "stopping"], ["bound"]))
        ending.callback(None)
        self.assertEqual(new.happened, ["bound", "started"])

    def test_notBound(self) -> None:
        """
        Before anything is bound, nothing is.
        """
        self.listeners.sources = {ANY: self.source(ANY)}
        self.exchange(self.source("udp:0"), gone=(ANY,))
        self.assertEqual((self.reactor.getReaders(), addressesOf(self.listeners.sources["udp:0"])), ([], ()))


class UndoneTests(ListenersCase):
    """
    If one can't be bound, everything is as it was.
    """

    def refused(self, *new: ISource, gone: tuple[str, ...] = ()) -> str:
        """
        Try to exchange, and fail.
        """
        before = dict(self.listeners.sources)
        with self.assertRaises(CannotListen) as caught:
            self.exchange(*new, gone=gone)
        self.assertEqual(self.listeners.sources, before)
        return str(caught.exception)

    def test_everything(self) -> None:
        """
        The old ones are read, at their addresses and with their permissions; the new ones have let go of theirs.
        """
        path = folder(self) + "/log"
        self.begin(self.source(ANY), self.source(f"unix:{path}", mode=0o640))
        port, readers = self.port(), self.reactor.getReaders()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        number = taken.getsockname()[1]
        error = self.refused(
            self.source(ANY, framing=Framing.LF),
            self.source(f"unix:{path}", mode=0o600),
            self.source(f"unix:{path}.new"),
            self.source(f"tcp:{number}:interface=127.0.0.1"),
        )
        self.assertEqual(
            error,
            f"source tcp:{number}:interface=127.0.0.1: cannot listen on tcp:{number}:interface=127.0.0.1: "
            "Address already in use; stop what uses it, or choose another",
        )
        self.assertEqual((self.port(), self.reactor.getReaders()), (port, readers))
        self.assertEqual((stat.S_IMODE(os.stat(path).st_mode), os.path.exists(f"{path}.new")), (0o640, False))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    def test_boundAgain(self) -> None:
        """
        A source that had to let go of its address has it again, and is read.
        """
        port = freePort()
        wide, narrow = f"tcp:{port}", f"tcp:{port}:interface=127.0.0.1"
        self.begin(self.source(wide))
        self.refused(self.source(narrow), Stubborn(listening("tcp:1"), EADDRINUSE), gone=(wide,))
        self.assertEqual((self.port(wide), len(self.reactor.getReaders())), (port, 1))

    def test_mayNot(self) -> None:
        """
        For what may not be bound at all, nobody has to let go.
        """
        old = Stubborn(listening("tcp:1"), 0)
        self.begin(old)
        new = Stubborn(listening("tcp:1:interface=127.0.0.1"), EACCES)
        self.refused(new, gone=("tcp:1",))
        self.assertEqual((old.happened, new.happened), (["bound", "started"], ["refused"]))

    def test_notAgain(self) -> None:
        """
        If the old one can't have its address again, that is told.
        """
        old = Stubborn(listening("tcp:1"), 0, EADDRINUSE)
        self.begin(old)
        new = Stubborn(listening("tcp:1:interface=127.0.0.1"), EADDRINUSE, EADDRINUSE)
        self.refused(new, gone=("tcp:1",))
        self.assertEqual(old.happened, ["bound", "started", "unbound", "refused"])
        [told] = [event for event in self.told if isinstance(event, SourceTrouble)]
        self.assertEqual((told.source, told.reason), ("tcp:1", "not-bound-again"))
        self.assertIn("cannot listen on tcp:1", told.why)

    def test_permissions(self) -> None:
        """
        If the permissions of a path can't be changed, nothing is.
        """
        path = folder(self) + "/log"
        self.begin(self.source(f"unix:{path}"))
        new = self.source(f"unix:{path}", mode=0o600)
        self.patch(os, "chmod", lambda *what: os.unlink(path + "/no"))
        self.assertIn("Not a directory; check the socket's path", self.refused(new))
        self.assertEqual(len(self.reactor.getReaders()), 1)
