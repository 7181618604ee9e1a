"""
:mod:`logrelay.headers`
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing, Origin
from logrelay.encoding import batchesOf, messagesOf
from logrelay.formats import Converter, Form
from logrelay.headers import LIMIT, LONGEST, REST, TRIAL, Headers


class HeadersTests(SynchronousTestCase):
    """
    :class:`Headers`.
    """

    def setUp(self) -> None:
        self.headers = Headers()

    def test_known(self) -> None:
        """
        What has become of one message becomes of others that begin alike; those that do not are left.
        """
        self.headers.learn(b"a: text", b"text", b"A ")
        messages = [b"a: other: text", b"b: text", b"a: ", b"a", b"a:text", b"", b"aa: text"]
        converted, others = self.headers.apply(messages)
        self.assertEqual(converted, [b"A other: text", b"", b"A ", b"", b"", b"", b""])
        self.assertEqual(others, [b"b: text", b"a", b"a:text", b"", b"aa: text"])

    def test_notTheFirst(self) -> None:
        """
        A beginning that has its own end within is not learnt: another message would be taken apart too early.
        """
        self.headers.learn(b"a: b: text", b"text", b"A ")
        self.headers.learn(b"c:text", b"text", b"C ")
        self.assertEqual(self.headers.apply([b"a: b: text", b"c:text"])[1], [b"a: b: text", b"c:text"])

    def test_bounded(self) -> None:
        """
        However many there are, no more than so many are kept, none of them long.
        """
        self.headers.learn(b"a" * (LONGEST + 1) + b": ", b"", b"A ")
        self.assertEqual(self.headers.size, 0)
        for number in range(2 * LIMIT + 1):
            self.headers.learn(b"%d: " % number, b"", b"x")
            self.assertLessEqual(self.headers.size, LIMIT)

    def test_rests(self) -> None:
        """
        When most are not known, the next are left alone; after those it is tried again.
        """
        self.headers.learn(b"a: ", b"", b"A ")
        self.headers.apply([b"b: "] * TRIAL)
        self.assertTrue(self.headers.resting)
        self.assertEqual(self.headers.apply([b"a: "] * TRIAL * REST)[0], [b""] * TRIAL * REST)
        self.assertFalse(self.headers.resting)
        self.assertEqual(self.headers.apply([b"a: "] * TRIAL)[0], [b"A "] * TRIAL)
        self.assertFalse(self.headers.resting)


class ConversionTests(SynchronousTestCase):
    """
    Headers as a converter uses them.
    """

    def convert(
        self, *messages: bytes, local: bool = False, host: bytes = b"192.0.2.7", now: float = 0.0
    ) -> list[bytes]:
        """
        Convert them one after the other, with one converter.
        """
        origin = Origin("tcp:5140", host, local=local)
        batches = [batch for each in messages for batch in batchesOf([each], Framing.LF, origin)]
        return [
            message
            for batch in batches
            for each in self.converter.convert(batch, now).batches
            for message in messagesOf(each)
        ]

    def setUp(self) -> None:
        self.converter = Converter(Form("rfc5424", Framing.OCTET_COUNTING))

    def test_repeated(self) -> None:
        """
        Messages of one program, one after the other.
        """
        first, second = self.convert(b"<13>Oct 11 22:14:15 h a[1]: one", b"<13>Oct 11 22:14:15 h a[1]: two: three")
        self.assertTrue(first.endswith(b" h a 1 - - one"), first)
        self.assertEqual(second, first.replace(b"one", b"two: three"))

    def test_ownHost(self) -> None:
        """
        Where a message names no host, that of its origin is not taken for another's.
        """
        message = b"<13>Oct 11 22:14:15 a: m"
        for local in (True, False, True):
            for host in (b"h1", b"h2", b"h1"):
                [converted] = self.convert(message, local=local, host=host)
                self.assertTrue(converted.endswith(b" %b a - - - m" % host), converted)

    def test_year(self) -> None:
        """
        A header is worked out anew when its year may be another.
        """
        message = b"<13>Oct 11 22:14:15 h a: m"
        for now, year in ((0.0, b"1969"), (400 * 86400.0, b"1970"), (0.0, b"1969")):
            self.assertIn(b"<13>1 %b-10-11T" % year, self.convert(message, now=now)[0])
