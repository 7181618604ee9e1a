"""
Tests for L{logrelay.tlspeer}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.servers import Server
from logrelay.tlspeer import PeerCertificate, chainFault, nameFault, pinFault, referenceHost, subjectNames

from .certificates import EXPIRED, GOOD, Authority

ROOT = Authority.root()


class ReferenceHostTests(SynchronousTestCase):
    """
    L{referenceHost}.
    """

    def test_whatCertificatesCannotSay(self) -> None:
        """
        The dot at the end of an absolute name and the zone of an address are no part of what has to be proved.
        """
        hosts = ["logs.example.", "logs.example", "fe80::1%eth0", "127.0.0.1"]
        self.assertEqual(
            [referenceHost(Server(host, 1)) for host in hosts],
            ["logs.example", "logs.example", "fe80::1", "127.0.0.1"],
        )


class NameTests(SynchronousTestCase):
    """
    L{nameFault}; what it accepts and refuses is in L{tests.tlscases}.
    """

    def test_addressesHaveManyForms(self) -> None:
        """
        An address is compared as an address, not as a text.
        """
        certificate = ROOT.issue("2001:db8::1", "fe80::1").certificate
        for host in ("2001:db8::1", "2001:0DB8:0:0::0001", "fe80::1%eth0"):
            self.assertIsNone(nameFault(certificate, Server(host, 1)), host)

    def test_showsAFewNames(self) -> None:
        """
        The names of a foreign certificate are shown, but not thousands of them, nor what would disturb a log.
        """
        names = [f"DNS:{number}\n{'x' * 200}.example" for number in range(9)]
        fault = nameFault(ROOT.issue(*names).certificate, Server("logs.example", 1))
        assert fault is not None
        self.assertIn("names only 0?xxx", fault)
        self.assertIn(" and 4 more, not logs.example", fault)
        self.assertTrue(fault.isprintable())
        self.assertLess(len(fault), 500)


class FindingTests(SynchronousTestCase):
    """
    L{chainFault}.
    """

    def test_whose(self) -> None:
        """
        It says which certificate is meant, and since when.
        """
        old = Authority.root("Old\nRoot", EXPIRED).own.certificate
        day = f"{EXPIRED[1]:%Y-%m-%d}"
        self.assertIn(f"the certificate expired on {day}", chainFault(10, 0, old))
        self.assertIn(f"the authority's certificate (CN=Old?Root) expired on {day}", chainFault(10, 1, old))

    def test_unknown(self) -> None:
        """
        What there are no words for is given by its number.
        """
        text = chainFault(4711, 0, ROOT.own.certificate)
        self.assertEqual(text, "the certificate did not verify (OpenSSL's error 4711)")


class PeerCertificateTests(SynchronousTestCase):
    """
    L{PeerCertificate}.
    """

    def test_of(self) -> None:
        """
        It holds who the peer is, until when, and what to pin.
        """
        shown = ROOT.issue("logs.example", "127.0.0.1")
        peer = PeerCertificate.of(shown.certificate)
        self.assertEqual(peer, PeerCertificate(("logs.example", "127.0.0.1"), GOOD[1], shown.digest.hex()))

    def test_noNames(self) -> None:
        """
        A certificate may be without names.
        """
        self.assertEqual(subjectNames(ROOT.issue().certificate), ())


class PinTests(SynchronousTestCase):
    """
    L{pinFault}.
    """

    def test_pins(self) -> None:
        """
        Without pins every certificate will do, with pins only theirs; the refusal shows what to pin.
        """
        one, other = ROOT.issue("one"), ROOT.issue("one")
        self.assertIsNone(pinFault(one.certificate, frozenset()))
        self.assertIsNone(pinFault(one.certificate, frozenset({one.digest})))
        fault = pinFault(one.certificate, frozenset({other.digest}))
        assert fault is not None
        self.assertIn(one.digest.hex(), fault)
