"""
Tests for :mod:`logrelay.servers`.
"""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from logrelay.servers import SAME_FOR_ALL, Server, parseServer
from logrelay.values import Mistake

#: As written, and the host and port that are meant where 601 is the default.
GOOD = [
    ("logs-a.example.com", "logs-a.example.com", 601),
    ("logs-a.example.com:7514", "logs-a.example.com", 7514),
    ("logs-a.example.com.", "logs-a.example.com.", 601),
    ("LOGS", "LOGS", 601),
    ("_log_server.example:1", "_log_server.example", 1),
    ("3com.example", "3com.example", 601),
    ("xn--mller-kva.example", "xn--mller-kva.example", 601),
    ("192.0.2.1", "192.0.2.1", 601),
    ("192.0.2.1:65535", "192.0.2.1", 65535),
    ("2001:db8::1", "2001:db8::1", 601),
    ("::1", "::1", 601),
    ("[::1]", "::1", 601),
    ("[2001:db8::1]:514", "2001:db8::1", 514),
    ("[fe80::1%eth0]:514", "fe80::1%eth0", 514),
    ("a" * 63 + ".example", "a" * 63 + ".example", 601),
]

#: What is written, and words of the error.
BAD: list[tuple[object, str]] = [
    ("", "no server is named"),
    (7, "is not a server"),
    (None, "is not a server"),
    ({"host": "a", "port": 514}, SAME_FOR_ALL),
    (["a", 514], SAME_FOR_ALL),
    ("tls://logs-b:6514", SAME_FOR_ALL),
    ("logs-b:514:transport=tls", SAME_FOR_ALL),
    ("logs-b:514:tls", SAME_FOR_ALL),
    ("tcp:logs-b:514", SAME_FOR_ALL),
    ("logs-b transport(tls)", SAME_FOR_ALL),
    ("logs-b?timeout", SAME_FOR_ALL),
    ("logs-b;RSYSLOG_Format", SAME_FOR_ALL),
    ("@@logs-b", SAME_FOR_ALL),
    ("logs-b/tcp", SAME_FOR_ALL),
    ("logs-b:syslog", "is not a port"),
    ("logs-b:", "is not a port"),
    ("logs-b:-1", "is not a port"),
    ("logs-b:\N{ARABIC-INDIC DIGIT FIVE}", "is not a port"),
    ("logs-b:0", "no such port"),
    ("logs-b:65536", "no such port"),
    ("logs-b:" + "9" * 5000, "no such port"),
    ("[::1]:0", "no such port"),
    ("[::1]514", "after the bracket"),
    ("[::1", "in brackets"),
    ("[192.0.2.1]:514", "in brackets"),
    ("[logs-b]:514", "in brackets"),
    ("2001:db8:::1", "is not an IPv6 address"),
    ("1:2:3", "is not an IPv6 address"),
    ("[fe80::1%\x1b]:514", "in brackets"),
    ("192.0.2.256", "is not an IPv4 address"),
    ("192.0.2", "is not an IPv4 address"),
    ("192.0.2.01", "is not an IPv4 address"),
    ("0x7f.1", "is not an IPv4 address"),
    ("logs.0x1f", "is not an IPv4 address"),
    ("1234", "is not an IPv4 address"),
    ("müller.example", "is not an ASCII name"),
    ("logs b", "space or comma"),
    ("logs-b ", "space or comma"),
    ("logs-b,logs-c", "space or comma"),
    ("-logs", "can't be the name"),
    ("logs-.example", "can't be the name"),
    ("logs..example", "can't be the name"),
    (".", "can't be the name"),
    (":514", "can't be the name"),
    ("logs\0", "can't be the name"),
    ("logs*", "can't be the name"),
    ("a" * 64, "can't be the name"),
    (".".join(["a" * 60] * 5), "can't be the name"),
]


class ParseServerTests(SynchronousTestCase):
    """
    Servers as people write them.
    """

    def test_forms(self) -> None:
        """
        A server is a name or an address, with or without a port.
        """
        for text, host, port in GOOD:
            self.assertEqual(parseServer(text, 601), Server(host, port), text)

    def test_mistakes(self) -> None:
        """
        Everything else is refused, with words that tell why; and what would be an option of one server by the rule
        that there are none.
        """
        for value, words in BAD:
            error = self.assertRaises(Mistake, parseServer, value, 601)
            self.assertIn(words, error.what, repr(value))
            self.assertTrue(error.remedy.startswith("write "), repr(value))

    def test_writtenAndReadAgain(self) -> None:
        """
        A server's text means the same server.
        """
        for text, _, _ in GOOD:
            server = parseServer(text, 601)
            self.assertEqual(parseServer(str(server), 1), server)


class ServerTests(SynchronousTestCase):
    """
    What is known of a server.
    """

    def test_address(self) -> None:
        """
        A literal is an address; a name is none.
        """
        self.assertEqual(Server("::1", 1).address, ip_address("::1"))
        self.assertIdentical(Server("logs", 1).address, None)

    def test_identity(self) -> None:
        """
        Spellings of the same server are the same; another port is another server.
        """
        for one, other in (("Logs.Example", "logs.example."), ("2001:DB8:0::1", "2001:db8::0001"), ("a:601", "a")):
            self.assertEqual(parseServer(one, 601).identity, parseServer(other, 601).identity)
        self.assertNotEqual(parseServer("a", 601).identity, parseServer("a:602", 601).identity)
