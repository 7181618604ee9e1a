"""
Tests for :mod:`logrelay.listening`.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.listening import Listen, parseListen
from logrelay.values import Mistake

GOOD = [
    ("tcp:5140", Listen("tcp", "", port=5140)),
    ("tcp:port=0", Listen("tcp", "", port=0)),
    ("tcp:5140:interface=127.0.0.1", Listen("tcp", "", port=5140, interface="127.0.0.1")),
    ("tcp:5140:127.0.0.1:50", Listen("tcp", "", port=5140, interface="127.0.0.1", backlog=50)),
    (r"tcp:interface=\:\:1:port=5140:backlog=7", Listen("tcp", "", port=5140, interface="::1", backlog=7)),
    (r"tls:6514:interface=fe80\:\:1%eth0", Listen("tls", "", port=6514, interface="fe80::1%eth0")),
    ("udp:514:interface=0.0.0.0", Listen("udp", "", port=514, interface="0.0.0.0")),
    ("unix:/run/log", Listen("unix", "", path="/run/log")),
    ("unix:address=log", Listen("unix", "", path="log")),
    (r"unix:/run/a\:b\\c\=d", Listen("unix", "", path=r"/run/a:b\c=d")),
    ("unix:address=/run/a=b", Listen("unix", "", path="/run/a=b")),
    ("unix-dgram:/dev/log", Listen("unix-dgram", "", path="/dev/log")),
    ("systemd:domain=INET:index=0", Listen("systemd", "", domain="INET", index=0)),
    ("systemd:INET6:3", Listen("systemd", "", domain="INET6", index=3)),
    ("systemd:domain=UNIX:name=foo", Listen("systemd", "", domain="UNIX", socketName="foo")),
]

#: What is written, and words of what is wrong and of the remedy.
BAD: list[tuple[object, str, str]] = [
    (5140, "is not a text", "tcp:5140"),
    ("", '"" is nothing to listen on', "tcp:5140"),
    ("5140", '"5140" is nothing', "tcp:5140"),
    ("TCP:5140", '"TCP" is nothing', "write tcp:"),
    ("tpc:5140", '"tpc" is nothing', "write tcp:"),
    ("ssl:6514", '"ssl" is nothing', "tls:6514"),
    ("kind=tcp:5140", "is nothing to listen on", "write tcp:"),
    ("tcp", "the port is missing", "from 0 to 65535"),
    ("tcp:", "the port", "from 0 to 65535"),
    ("tcp:65536", "the port", "from 0 to 65535"),
    ("tcp:-1", "the port", "from 0 to 65535"),
    ("tcp:syslog", "the port", "from 0 to 65535"),
    ("tcp:" + "1" * 5000, "the port", "from 0 to 65535"),
    ("tcp:5140:port=5140", "port is given twice", "once"),
    ("tcp:5140:interface=localhost", "is not an IP address", "IPv4"),
    ("tcp:5140:interface=::1", "unknown", r"\:"),
    ("tcp:5140:backlog=0", "the backlog", "from 1"),
    ("tcp:5140:keepalive=1", '"keepalive" is unknown', "port, interface, backlog"),
    ("tcp:=5140", "is unknown", "port, interface"),
    ("udp:514:backlog=5", '"backlog" is unknown', "port, interface"),
    ("unix:", "names no path", "unix:/run/log.sock"),
    ("unix", "names no path", "unix:/run/log.sock"),
    ("unix:a\0b", "can't be shown", "unix:/path"),
    ("unix:a\nb", "can't be shown", "unix:/path"),
    (r"tcp:5140:interface=fe80\:\:1% eth0", "is not an IP address", "IPv4"),
    ("unix:/run/log:mode=660", '"mode" is unknown', "unix takes address"),
    ("systemd:index=0", '"" is not a domain', "INET, INET6, UNIX"),
    ("systemd:domain=INET7:index=0", '"INET7" is not a domain', "INET, INET6, UNIX"),
    ("systemd:domain=INET", "an index or a name", "index=0"),
    ("systemd:domain=INET:name=", "an index or a name", "index=0"),
    ("systemd:domain=INET:index=0:name=a", "an index or a name", "index=0"),
    ("systemd:domain=INET:index=x", "the index", "from 0"),
]

#: Pairs that can't be listened on at once, and pairs that can.
COLLIDING = [
    ("tcp:5140", "tcp:5140"),
    ("tcp:5140", "tls:5140"),
    ("tcp:5140", "tcp:5140:interface=127.0.0.1"),
    ("udp:514:interface=0.0.0.0", "udp:514:interface=127.0.0.1"),
    (r"tcp:5140:interface=\:\:1", r"tcp:5140:interface=0\:0\:\:1"),
    (r"tcp:5140:interface=\:\:", r"tcp:5140:interface=\:\:1"),
    ("unix:/run/log", "unix-dgram:/run/log"),
    ("systemd:INET:0", "systemd:domain=UNIX:index=0"),
    ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a"),
]
APART = [
    ("tcp:5140", "udp:5140"),
    ("tcp:5140", "tcp:5141"),
    ("tcp:0", "tcp:0"),
    ("tcp:5140:interface=127.0.0.1", "tcp:5140:interface=127.0.0.2"),
    ("tcp:5140", r"tcp:5140:interface=\:\:1"),
    ("unix:/run/log", "unix:/run/log2"),
    ("unix:/run/log", "tcp:0"),
    ("systemd:INET:0", "systemd:INET:1"),
    ("systemd:INET:0", "tcp:0"),
]


class ParseListenTests(SynchronousTestCase):
    """
    Descriptions of listening sockets.
    """

    def test_forms(self) -> None:
        """
        Fields go by name or place, as in Twisted's descriptions, and a backslash takes away a colon's meaning.
        """
        for text, listen in GOOD:
            self.assertEqual(parseListen(text), attrs.evolve(listen, text=text), text)

    def test_trailingBackslash(self) -> None:
        """
        A backslash with nothing after it stands for itself.
        """
        self.assertEqual(parseListen("unix:/run/log\\").path, "/run/log\\")

    def test_mistakes(self) -> None:
        """
        Everything else is refused, with words that tell what is wrong and how to write it.
        """
        for value, what, remedy in BAD:
            error = self.assertRaises(Mistake, parseListen, value)
            self.assertIn(what, error.what, repr(value))
            self.assertIn(remedy, error.remedy, repr(value))


class CollisionTests(SynchronousTestCase):
    """
    Whether two sources want the same place.
    """

    def test_collisions(self) -> None:
        """
        The same path, the same socket of systemd and overlapping addresses collide, whichever is asked.
        """
        for one, other in COLLIDING:
            self.assertTrue(parseListen(one).collides(parseListen(other)), (one, other))
            self.assertTrue(parseListen(other).collides(parseListen(one)), (one, other))

    def test_apart(self) -> None:
        """
        Another protocol, port, family or address does not; and each port 0 is another port.
        """
        for one, other in APART:
            self.assertFalse(parseListen(one).collides(parseListen(other)), (one, other))
            self.assertFalse(parseListen(other).collides(parseListen(one)), (one, other))
