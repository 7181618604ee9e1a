"""
What one configuration changes in another.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing
from logrelay.config import (
    Configuration,
    DestinationSettings,
    FailbackSettings,
    SourceSettings,
    SourceTLSSettings,
    SpoolSettings,
    TLSSettings,
)
from logrelay.difference import connectsAlike, differenceOf, sharesSocket, sourceStays, talksAlike
from logrelay.listening import parseListen
from logrelay.servers import Server, moved, placesOf

A, B, C, D = (Server(name, 601) for name in ("a", "b", "c", "d"))
CENTRAL = DestinationSettings("central", (A, B))


def source(text: str, **options: Any) -> SourceSettings:
    """
    A source with the name that a file would give it.
    """
    return SourceSettings(text, listen=parseListen(text), **options)


class DifferenceTests(SynchronousTestCase):
    """
    What stays, comes and goes.
    """

    def test_everything(self) -> None:
        """
        What is kept, replaced, added and removed is told apart by names, and said with the keys that have changed.
        """
        before = Configuration(
            (source("tcp:1"), source("tcp:2"), source("tcp:3"), source("tcp:4")),
            (CENTRAL, DestinationSettings("old", (C,)), DestinationSettings("same", (C,))),
        )
        after = Configuration(
            (source("tcp:1", to=("central",)), source("tcp:2", framing=Framing.LF), source("tcp:4"), source("tcp:5")),
            (
                attrs.evolve(CENTRAL, servers=(B, A), timeReopen=5),
                DestinationSettings("same", (C,)),
                DestinationSettings("new", (C,)),
            ),
            stopTimeout=10,
        )
        difference = differenceOf(before, after)
        sources, destinations = difference.sources, difference.destinations
        names = [[after.name for _, after in sources.kept], [after.name for _, after in sources.replaced]]
        self.assertEqual(names, [["tcp:1", "tcp:4"], ["tcp:2"]])
        self.assertEqual([each.name for each in sources.new], ["tcp:2", "tcp:5"])
        self.assertEqual([each.name for each in sources.old], ["tcp:2", "tcp:3"])
        self.assertEqual([each.name for each in destinations.new], ["new"])
        self.assertEqual([each.name for each in destinations.old], ["old"])
        self.assertEqual(
            str(difference),
            "sources added: tcp:5; sources removed: tcp:3; sources changed: tcp:1 (to), tcp:2 (framing); "
            "sources unchanged: 1; destinations added: new; destinations removed: old; "
            "destinations changed: central (servers, time-reopen); destinations unchanged: 1; stop-timeout changed",
        )
        self.assertEqual(list(difference.problems()), [])

    def test_nothing(self) -> None:
        """
        Two equal configurations.
        """
        same = Configuration((source("tcp:1"),), (CENTRAL,))
        difference = differenceOf(same, same)
        self.assertEqual((difference.sources.new, difference.sources.old), ((), ()))
        self.assertEqual(str(difference), "sources unchanged: 1; destinations unchanged: 1")
        self.assertEqual(str(differenceOf(Configuration((), ()), Configuration((), ()))), "nothing")

    def test_certificateOfListeners(self) -> None:
        """
        Another ``[source-tls]`` concerns the sources that show it, and no others.
        """
        sources = (source("tcp:1"), source("tls:2"), SourceSettings("stdin", type="stdin"))
        before = Configuration(sources, (CENTRAL,), sourceTLS=SourceTLSSettings("cert", "key"))
        after = attrs.evolve(before, sourceTLS=SourceTLSSettings("cert", "key", "clients"))
        difference = differenceOf(before, after)
        self.assertEqual([each.name for each in difference.sources.new], ["tls:2"])
        self.assertIn("sources changed: tls:2 (source-tls); sources unchanged: 2", str(difference))

    def test_onlyARestart(self) -> None:
        """
        Where dead letters and spools are can't be changed while the relay runs; everything that is so is said.
        """
        spooled, elsewhere = (attrs.evolve(CENTRAL, spool=SpoolSettings(path)) for path in ("/x", "/y"))
        before = Configuration((), (spooled,), stateDir="/old")
        after = Configuration((), (elsewhere,), stateDir="/new")
        self.assertEqual(
            [str(each) for each in differenceOf(before, after).problems()],
            [
                "reload: state-dir: cannot be changed from /old to /new while the relay runs; "
                "put the old value back, or restart the relay",
                "reload: destination.central.spool: cannot be added, removed or changed while the relay runs; "
                "put the old value back, or restart the relay",
            ],
        )
        self.assertEqual(len(list(differenceOf(before, attrs.evolve(before, destinations=(CENTRAL,))).problems())), 1)
        self.assertEqual(len(list(differenceOf(before, attrs.evolve(before, destinations=())).problems())), 0)

    def test_renamedWithItsSpool(self) -> None:
        """
        A destination of another name can't have the spool of one that goes in the same reload.
        """
        before = Configuration((), (attrs.evolve(CENTRAL, spool=SpoolSettings("/x")),))
        after = Configuration((), (attrs.evolve(CENTRAL, name="other", spool=SpoolSettings("/x")),))
        self.assertEqual(
            [str(each) for each in differenceOf(before, after).problems()],
            [
                "reload: destination.other.spool.path: /x is the spool of central, which lets go of it when this "
                "reload is over; reload first without other, and then with it; or restart the relay"
            ],
        )


class SourceTests(SynchronousTestCase):
    """
    Sources.
    """

    def test_stays(self) -> None:
        """
        Where it leads, and limits that are looked up each time, change nothing of a source; all else does.
        """
        before = source("tcp:1")
        live: list[dict[str, Any]] = [{"to": ("central",)}, {"maxConnections": 1}, {"maxMessageSize": 480}]
        for change in live:
            self.assertTrue(sourceStays(before, attrs.evolve(before, **change)), change)
        others: list[dict[str, Any]] = [
            {"type": "relp"},
            {"framing": Framing.LF},
            {"listen": parseListen("tcp:1:backlog=5")},
            {"mode": 0o600},
            {"reusePort": True},
            {"soRcvbuf": 5},
        ]
        for change in others:
            self.assertFalse(sourceStays(before, attrs.evolve(before, **change)), change)
        stdin = SourceSettings("stdin", type="stdin")
        self.assertTrue(sourceStays(stdin, attrs.evolve(stdin, to=("central",))))
        self.assertFalse(sourceStays(stdin, attrs.evolve(stdin, maxMessageSize=480)))

    def test_socket(self) -> None:
        """
        A socket can be taken over where only what is done with it differs.
        """
        same = (
            ("tcp:1", "tls:1"),
            ("tcp:1", "tcp:1:backlog=5"),
            ("tcp:1:interface=127.0.0.1", "tcp:interface=127.0.0.1:port=1"),
            ("udp:1", "udp:1"),
            ("unix:/x", "unix:/x"),
            ("tcp:0", "tcp:0"),
        )
        for old, new in same:
            self.assertTrue(sharesSocket(source(old), source(new, framing=Framing.LF)), (old, new))
        other = (
            ("tcp:1", "tcp:2"),
            ("tcp:1", "udp:1"),
            ("tcp:1", "tcp:1:interface=127.0.0.1"),
            ("unix:/x", "unix-dgram:/x"),
            ("unix:/x", "tcp:1"),
            ("tcp:0", "tls:0"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
        )
        for old, new in other:
            self.assertFalse(sharesSocket(source(old), source(new)), (old, new))
        self.assertFalse(sharesSocket(source("udp:1"), source("udp:1", reusePort=True)))
        self.assertFalse(sharesSocket(SourceSettings("stdin"), source("tcp:1")))


class DestinationTests(SynchronousTestCase):
    """
    Destinations.
    """

    def test_places(self) -> None:
        """
        Servers are known by host and port, however they are spelled.
        """
        self.assertEqual(placesOf((A, B, C), (D, C, Server("A.", 601))), (2, None, 1))
        self.assertEqual(list(moved([0, 1, 2, 2], (2, None, 1))), [2, 1, 1])

    def test_connections(self) -> None:
        """
        What a connection depends on, and what only the next one does.
        """
        tls: dict[str, Any] = {"transport": "tls", "tls": TLSSettings()}
        secret = attrs.evolve(CENTRAL, **tls)
        pinned = attrs.evolve(secret, tls=TLSSettings(pins=frozenset([b"x"])))
        self.assertFalse(talksAlike(secret, pinned))
        changes: list[tuple[dict[str, Any], bool, bool]] = [
            ({"driver": "relp", "delivery": "relp"}, False, False),
            ({"framing": Framing.LF}, False, False),
            (tls, False, False),
            ({"localip": "127.0.0.1"}, True, False),
            ({"ipProtocol": "4"}, True, False),
            ({"connectTimeout": 1}, True, False),
            ({"tlsTimeout": 1}, True, False),
            ({"servers": (C,)}, True, True),
            ({"failback": FailbackSettings()}, True, True),
            ({"format": "as-is"}, True, True),
            ({"throttle": 5}, True, True),
        ]
        for change, talks, connects in changes:
            after = attrs.evolve(CENTRAL, **change)
            self.assertEqual((talksAlike(CENTRAL, after), connectsAlike(CENTRAL, after)), (talks, connects), change)
