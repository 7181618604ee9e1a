"""
Tests for L{logrelay.reasons}.
"""

from __future__ import annotations

import errno
import socket

from OpenSSL import SSL
from twisted.internet import defer, error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from logrelay.errors import NotVerified
from logrelay.reasons import ConnectTimeout, EndedInHandshake, TLSTimeout, reasonOf, textOf

CASES: list[tuple[Exception, str, str]] = [
    (error.DNSLookupError("no results for hostname lookup: x"), "dns", "no address was found for the name"),
    (error.UnknownHostError(), "dns", "no address was found for the name"),
    (socket.gaierror(-2, "Name or service not known"), "dns", "no address was found for the name"),
    (error.ConnectionRefusedError(errno.ECONNREFUSED), "refused", "Connection refused"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused", "Connection refused"),
    (error.NoRouteError(errno.ENETUNREACH), "unreachable", "Network is unreachable"),
    (error.ConnectError(errno.EHOSTUNREACH), "unreachable", "No route to host"),
    (error.ConnectError(errno.EACCES), "unreachable", "Permission denied"),
    (error.ConnectBindError(errno.EADDRNOTAVAIL, "x"), "unreachable", "Cannot assign requested address"),
    (OSError(errno.EMFILE, "x"), "unreachable", "Too many open files"),
    (error.TCPTimedOutError(errno.ETIMEDOUT), "connect-timeout", "Connection timed out"),
    (error.TimeoutError(), "connect-timeout", "nobody answered in time"),
    (defer.TimeoutError(), "connect-timeout", "nobody answered in time"),
    (error.ConnectError(errno.ETIMEDOUT), "connect-timeout", "Connection timed out"),
    (ConnectTimeout("not connected within 10 s"), "connect-timeout", "not connected within 10 s"),
    (TLSTimeout("no TLS handshake within 10 s"), "tls-timeout", "no TLS handshake within 10 s"),
    (NotVerified("the certificate expired"), "tls-verify", "the certificate expired"),
    (
        SSL.Error([("SSL routines", "", "tlsv1 alert unknown ca")]),
        "tls-alert",
        "the server sent a TLS alert: unknown ca",
    ),
    (EndedInHandshake("the server closed it"), "eof", "the server closed it"),
    (error.ConnectionDone(), "eof", "the server closed the connection"),
    (error.ConnectionLost(), "reset", "the connection was lost"),
    (error.ConnectionAborted(), "reset", "the connection was lost"),
    (error.ConnectError(errno.ECONNRESET), "reset", "Connection reset by peer"),
    (SSL.SysCallError(-1, "Unexpected EOF"), "eof", "the server closed the connection without"),
    (RuntimeError("two\nlines " + "x" * 1000), "unreachable", "RuntimeError: two lines xxx"),
]


class ReasonTests(SynchronousTestCase):
    """
    L{reasonOf} and L{textOf}.
    """

    def test_names(self) -> None:
        """
        Every way to fail has a name of the specification.
        """
        self.assertEqual([(each, reasonOf(Failure(each))) for each, _, _ in CASES], [case[:2] for case in CASES])

    def test_texts(self) -> None:
        """
        And one line of text.
        """
        for each, _, text in CASES:
            said = textOf(Failure(each))
            self.assertIn(text, said)
            self.assertLessEqual(len(said), 300)
            self.assertTrue(said.isprintable())
