"""
Formats: what becomes of messages that are, or are not, as a destination wants them.
"""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay import recognition
from logrelay.batches import MAX_BATCH, Batch, Framing, Origin
from logrelay.encoding import batchesOf, messagesOf
from logrelay.formats import Converted, Converter, Form

from .zones import CENTRAL_EUROPE, liveIn

LF = Framing.LF
COUNTED = Framing.OCTET_COUNTING
REMOTE = Origin("tcp:5140", b"192.0.2.1")
LOCAL = Origin("unix:/dev/log", b"here", local=True)

NOW = datetime.fromisoformat("2026-11-22T08:00:00.5+01:00").timestamp()
ARRIVED = b"2026-11-22T08:00:00.500000+01:00"

BOM = b"\xef\xbb\xbf"

#: What can't be brought into the other format.
UNPARSED = (
    b"<",
    b"<>Oct 11 22:14:15 h a: m",
    b"<13>",
    b"<13",
    b"<192>Oct 11 22:14:15 h a: m",
    b"<013>Oct 11 22:14:15 h a: m",
    b"<00>Oct 11 22:14:15 h a: m",
    b"<1000>Oct 11 22:14:15 h a: m",
    b"<-1>m",
    b"<1 >m",
    b"<13>1 m",
    b"<13>1  - - - - - -",
    b"<13>2 - - - - - -",
    b"<13>12 monkeys",
    b"<13>1 - - - - -",
    b"<13>1 - - - - - m",
    b"<13>1 - - - - - -m",
    b"<13>1 - - - - - -\nm",
    b"<13>1 - h a p m [x",
    b"<13>1 - h a p m []",
    b"<13>1 - h a p m [ x]",
    b"<13>1 - h a p m [x ]",
    b"<13>1 - h a p m [x a]",
    b"<13>1 - h a p m [x a=b]",
    b'<13>1 - h a p m [x a="b"',
    b'<13>1 - h a p m [x a="b\\"]',
    b'<13>1 - h a p m [x a="b"c"]',
    b'<13>1 - h a p m [x a="b]"]',
    b'<13>1 - h a p m [x  a="b"]',
    b"<13>1 - h a p m [x=]",
    b"<13>1 - h a p m [" + b"x" * 33 + b"]",
    b"<13>1 - " + b"h" * 256 + b" a p m -",
    b"<13>1 - h " + b"a" * 49 + b" p m -",
    b"<13>1 - h a " + b"p" * 129 + b" m -",
    b"<13>1 - h a p " + b"m" * 33 + b" -",
    b"<13>1 - h\x7f a p m -",
    b"<13>1 - h\t a p m -",
    "<13>1 - h\N{LATIN SMALL LETTER E WITH ACUTE} a p m -".encode(),
    b"<13>1 2003-10-11T22:14:15.1234567Z h a p m -",
    b"<13>1 2003-10-11T22:14:15.Z h a p m -",
    b"<13>1 2003-10-11T22:14:15z h a p m -",
    b"<13>1 2003-10-11t22:14:15Z h a p m -",
    b"<13>1 2003-10-11T22:14:15 h a p m -",
    b"<13>1 2003-10-11T22:14:60Z h a p m -",
    b"<13>1 2003-10-11T22:60:15Z h a p m -",
    b"<13>1 2003-10-11T24:14:15Z h a p m -",
    b"<13>1 2003-10-11T22:14:15+24:00 h a p m -",
    b"<13>1 2003-10-11T22:14:15+02 h a p m -",
    b"<13>1 2003-00-11T22:14:15Z h a p m -",
    b"<13>1 2003-13-11T22:14:15Z h a p m -",
    b"<13>1 2003-10-00T22:14:15Z h a p m -",
    b"<13>1 2003-10-32T22:14:15Z h a p m -",
    b"<13>1 2003-04-31T22:14:15Z h a p m -",
    b"<13>1 2003-02-29T22:14:15Z h a p m -",
    b"<13>1 1900-02-29T22:14:15Z h a p m -",
    b"<13>1 2004-02-30T22:14:15Z h a p m -",
    b"<13>1 2003-1-11T22:14:15Z h a p m -",
)

#: Valid RFC 5424, and what becomes of it where RFC 3164 is wanted.
RFC5424 = (
    (b"<0>1 - - - - - -", b"<0>Nov 22 08:00:00 192.0.2.1 "),
    (b"<191>1 - h a p m - ", b"<191>Nov 22 08:00:00 h a[p]: "),
    (b"<99>1 - h a p m -  x ", b"<99>Nov 22 08:00:00 h a[p]:  x "),
    (b"<19>1 - h a - - - x", b"<19>Nov 22 08:00:00 h a: x"),
    (b"<20>1 - h - p - - x", b"<20>Nov 22 08:00:00 h -[p]: x"),
    (b"<100>1 - h - - - - x", b"<100>Nov 22 08:00:00 h x"),
    (b"<13>1 2003-10-11T22:14:15Z h a p m - x", b"<13>Oct 12 00:14:15 h a[p]: x"),
    (b"<13>1 2003-10-11T22:14:15.123456-07:30 h a p m - x", b"<13>Oct 12 07:44:15 h a[p]: x"),
    (b"<13>1 2000-02-29T00:00:00.0+23:59 h a p m - x", b"<13>Feb 28 01:01:00 h a[p]: x"),
    (b"<13>1 2004-02-29T12:00:00+00:00 h a p m - x", b"<13>Feb 29 13:00:00 h a[p]: x"),
    (b"<13>1 2016-02-29T12:00:00Z h a p m - x", b"<13>Feb 29 13:00:00 h a[p]: x"),
    (b"<13>1 2004-04-30T12:00:00+02:00 h a p m - x", b"<13>Apr 30 12:00:00 h a[p]: x"),
    (b"<13>1 - h a p m - " + BOM + b"\xc5\xbe", b"<13>Nov 22 08:00:00 h a[p]: \xc5\xbe"),
    (b"<13>1 - h a p m - " + BOM, b"<13>Nov 22 08:00:00 h a[p]: "),
    (b"<13>1 - h a p m - x" + BOM, b"<13>Nov 22 08:00:00 h a[p]: x" + BOM),
    (b"<13>1 - h a p m - \xff", b"<13>Nov 22 08:00:00 h a[p]: \xff"),
    (b"<13>1 - h a p m [x] y", b"<13>Nov 22 08:00:00 h a[p]: y"),
    (b'<13>1 - h a p m [x a="b"][y@1 c="d" e=""]', b"<13>Nov 22 08:00:00 h a[p]: "),
    (b'<13>1 - h a p m [x a="\\"\\\\\\]\\n"] y', b"<13>Nov 22 08:00:00 h a[p]: y"),
    (b'<13>1 - h a p m [x a="\xc3\xa9 [\t"] y', b"<13>Nov 22 08:00:00 h a[p]: y"),
    (b"<13>1 - h a p m [" + b"x" * 32 + b"] y", b"<13>Nov 22 08:00:00 h a[p]: y"),
    (b"<13>1 - " + b"h" * 255 + b" a p m - x", b"<13>Nov 22 08:00:00 " + b"h" * 255 + b" a[p]: x"),
    (
        b"<13>1 - h " + b"a" * 48 + b" " + b"p" * 128 + b" " + b"m" * 32 + b" - x",
        b"<13>Nov 22 08:00:00 h " + b"a" * 48 + b"[" + b"p" * 128 + b"]: x",
    ),
    (b"<13>1 - 2001:db8::1 a p m - x", b"<13>Nov 22 08:00:00 2001:db8::1 a[p]: x"),
    (b"<13>1 - [2001:db8::1] a p m - x", b"<13>Nov 22 08:00:00 2001:db8::1 a[p]: x"),
    (b"<13>1 - h: a p m - x", b"<13>Nov 22 08:00:00 h_ a[p]: x"),
)

#: Valid RFC 3164, and what becomes of it where RFC 5424 is wanted.
RFC3164 = (
    (b"<13>Oct 11 22:14:15 h a: m", b"<13>1 2026-10-11T22:14:15+02:00 h a - - - m"),
    (b"<13>Oct  1 22:14:15 h a: m", b"<13>1 2026-10-01T22:14:15+02:00 h a - - - m"),
    (b"<0>Oct 11 22:14:15 h a:m", b"<0>1 2026-10-11T22:14:15+02:00 h a - - - m"),
    (b"<13>Oct 11 22:14:15 h a:  m", b"<13>1 2026-10-11T22:14:15+02:00 h a - - -  m"),
    (b"<13>Oct 11 22:14:15 h a[1]: m", b"<13>1 2026-10-11T22:14:15+02:00 h a 1 - - m"),
    (b"<13>Oct 11 22:14:15 h a[]: m", b"<13>1 2026-10-11T22:14:15+02:00 h a - - - m"),
    (b"<13>Oct 11 22:14:15 h a/b[1]: m", b"<13>1 2026-10-11T22:14:15+02:00 h a/b 1 - - m"),
    (b"<13>Oct 11 22:14:15 h su(pam_unix)[1]: m", b"<13>1 2026-10-11T22:14:15+02:00 h su(pam_unix) 1 - - m"),
    (b"<13>Oct 11 22:14:15 h %ASA-6-302013: m", b"<13>1 2026-10-11T22:14:15+02:00 h %ASA-6-302013 - - - m"),
    (b"<13>Oct 11 22:14:15 h a[1 2]: m", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - a[1 2]: m"),
    (b"<13>Oct 11 22:14:15 h a b: m", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - a b: m"),
    (b"<13>Oct 11 22:14:15 h http://x/", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - http://x/"),
    (b"<13>Oct 11 22:14:15 h 12:34:56 m", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - 12:34:56 m"),
    (b'<13>Oct 11 22:14:15 h {"a": 1}', b'<13>1 2026-10-11T22:14:15+02:00 h - - - - {"a": 1}'),
    (b"<13>Oct 11 22:14:15 h \xc3\xa9: m", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - \xc3\xa9: m"),
    (b"<13>Oct 11 22:14:15 h a:", b"<13>1 2026-10-11T22:14:15+02:00 h a - - - "),
    (b"<13>Oct 11 22:14:15 h ", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - "),
    (b"<13>Oct 11 22:14:15 h  a: m", b"<13>1 2026-10-11T22:14:15+02:00 h - - - -  a: m"),
    (b"<13>Oct 11 22:14:15 - a: m", b"<13>1 2026-10-11T22:14:15+02:00 - a - - - m"),
    (b"<13>Oct 11 22:14:15 2001:db8::1 a: m", b"<13>1 2026-10-11T22:14:15+02:00 2001:db8::1 a - - - m"),
    (b"<13>Oct 11 22:14:15 fe80::1%eth0 a: m", b"<13>1 2026-10-11T22:14:15+02:00 fe80::1%eth0 a - - - m"),
    (b"<13>Oct 11 22:14:15 ::ffff:192.0.2.9 a: m", b"<13>1 2026-10-11T22:14:15+02:00 ::ffff:192.0.2.9 a - - - m"),
    (b"<13>Oct 11 22:14:15 1:2:3:4:5:6:7:8 a: m", b"<13>1 2026-10-11T22:14:15+02:00 1:2:3:4:5:6:7:8 a - - - m"),
    (b"<13>Oct 11 22:14:15 source@a/b_c a: m", b"<13>1 2026-10-11T22:14:15+02:00 source@a/b_c a - - - m"),
    (
        b"<13>Oct 11 22:14:15 h " + b"a" * 60 + b"[" + b"1" * 200 + b"]: m",
        b"<13>1 2026-10-11T22:14:15+02:00 h " + b"a" * 48 + b" " + b"1" * 128 + b" - - m",
    ),
    (b"<13>Feb 30 22:14:15 h a: m", b"<13>1 - h a - - - m"),
)

#: What is not quite in either format, and what becomes of it in RFC 5424 and in RFC 3164.
NEITHER = (
    # RFC 3164 headers as they are found.
    (
        b"<13>Oct 1 22:14:15 h a: m",
        b"<13>1 2026-10-01T22:14:15+02:00 h a - - - m",
        b"<13>Oct  1 22:14:15 h a: m",
    ),
    (
        b"<13>Oct 01 22:14:15 h a: m",
        b"<13>1 2026-10-01T22:14:15+02:00 h a - - - m",
        b"<13>Oct  1 22:14:15 h a: m",
    ),
    (
        b"<13>Oct 11 2003 22:14:15 h a: m",
        b"<13>1 2003-10-11T22:14:15+02:00 h a - - - m",
        b"<13>Oct 11 22:14:15 h a: m",
    ),
    (
        b"<13>2003-10-11T22:14:15.003Z h a[7]: m",
        b"<13>1 2003-10-11T22:14:15.003Z h a 7 - - m",
        b"<13>Oct 12 00:14:15 h a[7]: m",
    ),
    (
        b"<13>2003-10-11T22:14:15+05:00 h m",
        b"<13>1 2003-10-11T22:14:15+05:00 h - - - - m",
        b"<13>Oct 11 19:14:15 h m",
    ),
    # No host.
    (
        b"<13>Oct 11 22:14:15 a: m",
        b"<13>1 2026-10-11T22:14:15+02:00 192.0.2.1 a - - - m",
        b"<13>Oct 11 22:14:15 192.0.2.1 a: m",
    ),
    (
        b"<13>2003-10-11T22:14:15Z a[7]: m",
        b"<13>1 2003-10-11T22:14:15Z 192.0.2.1 a 7 - - m",
        b"<13>Oct 12 00:14:15 192.0.2.1 a[7]: m",
    ),
    (
        b"<13>Oct 11 22:14:15 m",
        b"<13>1 2026-10-11T22:14:15+02:00 192.0.2.1 - - - - m",
        b"<13>Oct 11 22:14:15 192.0.2.1 m",
    ),
    (
        b"<13>Oct 11 22:14:15 dead::beef: m",
        b"<13>1 2026-10-11T22:14:15+02:00 192.0.2.1 dead - - - :beef: m",
        b"<13>Oct 11 22:14:15 192.0.2.1 dead::beef: m",
    ),
    (
        b"<13>Oct 11 22:14:15 " + b"h" * 256 + b" a: m",
        b"<13>1 2026-10-11T22:14:15+02:00 192.0.2.1 - - - - " + b"h" * 256 + b" a: m",
        b"<13>Oct 11 22:14:15 192.0.2.1 " + b"h" * 256 + b" a: m",
    ),
    (
        b"<13>Oct 11 22:14:15 ",
        b"<13>1 2026-10-11T22:14:15+02:00 192.0.2.1 - - - - ",
        b"<13>Oct 11 22:14:15 192.0.2.1 ",
    ),
    # A PRI, and no known header.
    (b"<13>m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - m", b"<13>Nov 22 08:00:00 192.0.2.1 m"),
    (b"<0>{}", b"<0>1 " + ARRIVED + b" 192.0.2.1 - - - - {}", b"<0>Nov 22 08:00:00 192.0.2.1 {}"),
    (b"<13> ", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - -  ", b"<13>Nov 22 08:00:00 192.0.2.1  "),
    (b"<13>a[1]: m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - a[1]: m", b"<13>Nov 22 08:00:00 192.0.2.1 a[1]: m"),
    (b"<13>29: *Apr", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 29: *Apr", b"<13>Nov 22 08:00:00 192.0.2.1 29: *Apr"),
    (b"<13>1- m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 1- m", b"<13>Nov 22 08:00:00 192.0.2.1 1- m"),
    (b"<13>01 m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 01 m", b"<13>Nov 22 08:00:00 192.0.2.1 01 m"),
    (b"<13>2003 m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 2003 m", b"<13>Nov 22 08:00:00 192.0.2.1 2003 m"),
    (
        b"<13>oct 11 22:14:15 h a: m",
        b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - oct 11 22:14:15 h a: m",
        b"<13>Nov 22 08:00:00 192.0.2.1 oct 11 22:14:15 h a: m",
    ),
    (
        b"<13>Oct 11 24:14:15 h a: m",
        b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - Oct 11 24:14:15 h a: m",
        b"<13>Nov 22 08:00:00 192.0.2.1 Oct 11 24:14:15 h a: m",
    ),
    (
        b"<13>Oct 11 22:14:15",
        b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - Oct 11 22:14:15",
        b"<13>Nov 22 08:00:00 192.0.2.1 Oct 11 22:14:15",
    ),
    # Not even a PRI.
    (b"m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - m", b"<13>Nov 22 08:00:00 192.0.2.1 m"),
    (b" <13>m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - -  <13>m", b"<13>Nov 22 08:00:00 192.0.2.1  <13>m"),
    (b"\0<13>m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - \0<13>m", b"<13>Nov 22 08:00:00 192.0.2.1 \0<13>m"),
    (b"1 - m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 1 - m", b"<13>Nov 22 08:00:00 192.0.2.1 1 - m"),
)


def batchOf(*messages: bytes, framing: Framing = COUNTED, origin: Origin = REMOTE) -> Batch:
    """
    One batch that holds these messages.
    """
    [batch] = batchesOf(messages, framing, origin)
    return batch


class ConverterTests(SynchronousTestCase):
    """
    Conversion of whole batches.
    """

    def setUp(self) -> None:
        """
        RFC 3164 times are local ones.
        """
        liveIn(self, CENTRAL_EUROPE)

    def convert(self, format: str, batch: Batch, framing: Framing = COUNTED) -> Converted:
        """
        Convert a batch, now.
        """
        return Converter(Form(format, framing)).convert(batch, NOW)

    def check(self, format: str, *pairs: tuple[bytes, bytes], origin: Origin = REMOTE) -> None:
        """
        Convert messages: each alone, all together, in both framings, and together with one of two lines.
        """
        for message, expected in pairs:
            self.compare(format, [message], [expected], origin)
        messages, expected_ = [message for message, _ in pairs], [expected for _, expected in pairs]
        self.compare(format, messages, expected_, origin)
        self.compare(format, [*messages, b"<13>a\nb: c"], expected_, origin)

    def compare(self, format: str, messages: list[bytes], expected: list[bytes], origin: Origin) -> None:
        """
        Convert one batch in both framings, and compare the beginning of what comes out.
        """
        plain = [message for message in messages if b"\n" not in message]
        for framing in Framing if plain == messages and b"\0" not in b"".join(messages) else [COUNTED]:
            batch = batchOf(*messages, framing=framing, origin=origin)
            [converted] = self.convert(format, batch).batches
            self.assertEqual(messagesOf(converted)[: len(expected)], expected)
            self.assertEqual((converted.framing, converted.count, converted.origin), (COUNTED, len(messages), origin))

    def test_fromRFC3164(self) -> None:
        """
        RFC 3164 messages become RFC 5424 messages.
        """
        self.check("rfc5424", *RFC3164)

    def test_fromRFC5424(self) -> None:
        """
        RFC 5424 messages become RFC 3164 messages, in local time and without their structured data.
        """
        self.check("rfc3164", *RFC5424)

    def test_fromNeither(self) -> None:
        """
        Messages of neither format get what they lack.
        """
        self.check("rfc5424", *((message, rfc5424) for message, rfc5424, _ in NEITHER))
        self.check("rfc3164", *((message, rfc3164) for message, _, rfc3164 in NEITHER))

    def test_asWanted(self) -> None:
        """
        What already is in the wanted format passes byte for byte: the same batch, if the framing is wanted too.
        """
        for format, pairs in (("rfc5424", RFC5424), ("rfc3164", RFC3164)):
            messages = [message for message, _ in pairs]
            for each in ([messages[0]], messages, [*messages, messages[-1] + b"\nx"]):
                batch = batchOf(*each)
                self.assertEqual(self.convert(format, batch), Converted([batch]))
                self.assertIs(self.convert(format, batch).batches[0], batch)
            self.check(format, *((message, message) for message in messages))

    def test_unparsed(self) -> None:
        """
        What begins with ``<`` and is of no known format passes unchanged, and is counted.
        """
        for format in ("rfc5424", "rfc3164"):
            self.check(format, *((message, message) for message in UNPARSED))
            batch = batchOf(*UNPARSED)
            converted = self.convert(format, batch)
            self.assertIs(converted.batches[0], batch)
            self.assertEqual(converted, Converted([batch], unparsed=len(UNPARSED)))

    def test_mixed(self) -> None:
        """
        Messages of all kinds in one batch keep their order.
        """
        messages = (b"<13>1 - h a p m - x", b"<13>Oct 11 22:14:15 h a: m", b"<bad", b"x")
        for format, expected in (
            ("rfc5424", (messages[0], RFC3164[0][1], b"<bad", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - x")),
            ("rfc3164", (b"<13>Nov 22 08:00:00 h a[p]: x", messages[1], b"<bad", b"<13>Nov 22 08:00:00 192.0.2.1 x")),
        ):
            for framing in Framing:
                converted = self.convert(format, batchOf(*messages, framing=framing))
                self.assertEqual(converted, Converted([batchOf(*expected)], unparsed=1))

    def test_asIs(self) -> None:
        """
        As-is changes no content at all, and counts nothing.
        """
        messages = [message for message, *_ in (*RFC5424, *RFC3164, *NEITHER)] + list(UNPARSED)
        batch = batchOf(*messages)
        self.assertEqual(self.convert("as-is", batch), Converted([batch]))
        self.assertIs(self.convert("as-is", batch).batches[0], batch)

    def test_local(self) -> None:
        """
        What programs write to ``/dev/log`` has no host field, in either time format; it gets our own name.
        """
        self.check(
            "rfc5424",
            (b"<13>Oct 11 22:14:15 a[1]: m", b"<13>1 2026-10-11T22:14:15+02:00 here a 1 - - m"),
            (b"<13>Oct 11 22:14:15 a b: m", b"<13>1 2026-10-11T22:14:15+02:00 here - - - - a b: m"),
            (b"<13>2003-10-11T22:14:15Z a: m", b"<13>1 2003-10-11T22:14:15Z here a - - - m"),
            (b"<13>1 - h a p m - x", b"<13>1 - h a p m - x"),
            (b"<13>m", b"<13>1 " + ARRIVED + b" here - - - - m"),
            origin=LOCAL,
        )
        self.check(
            "rfc3164",
            (b"<13>Oct 11 22:14:15 a[1]: m", b"<13>Oct 11 22:14:15 here a[1]: m"),
            (b"<13>Oct 11 22:14:15 a b: m", b"<13>Oct 11 22:14:15 here a b: m"),
            (b"<13>2003-10-11T22:14:15Z a: m", b"<13>Oct 12 00:14:15 here a: m"),
            (b"<13>1 - h a p m - x", b"<13>Nov 22 08:00:00 h a[p]: x"),
            (b"<13>m", b"<13>Nov 22 08:00:00 here m"),
            origin=LOCAL,
        )

    def test_severalLines(self) -> None:
        """
        Line feeds inside a message are part of it, also right behind its header and in structured data.
        """
        self.check(
            "rfc5424",
            (b"<13>Oct 11 22:14:15 h a: m\n<13>n", b"<13>1 2026-10-11T22:14:15+02:00 h a - - - m\n<13>n"),
            (b"<13>Oct 11 22:14:15 h a:\nm", b"<13>1 2026-10-11T22:14:15+02:00 h a - - - \nm"),
            (b"<13>Oct 11 22:14:15 h \nm", b"<13>1 2026-10-11T22:14:15+02:00 h - - - - \nm"),
            (b'<13>1 - h a p m [x a="\n\\\n"] \n\ny', b'<13>1 - h a p m [x a="\n\\\n"] \n\ny'),
            (b"<13>\nm", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - \nm"),
            (b"\n<13>m", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - \n<13>m"),
            (b"<13>1\nm", b"<13>1 " + ARRIVED + b" 192.0.2.1 - - - - 1\nm"),
            (b"<b\n<13>m", b"<b\n<13>m"),
        )
        self.check(
            "rfc3164",
            (b'<13>1 - h a p m [x a="\n\\\n"] \n\ny', b"<13>Nov 22 08:00:00 h a[p]: \n\ny"),
            (b"<13>Oct 11 22:14:15 h a: m\n<13>n", b"<13>Oct 11 22:14:15 h a: m\n<13>n"),
        )

    def test_linesNeverJoin(self) -> None:
        """
        With LF framing no field reaches into the next line.
        """
        lines = batchOf(b'<13>1 - h a p m [x a="', b'"] y', b"<13>Oct 11 22:14:15", b"h a: m", framing=LF)
        converted = self.convert("rfc3164", lines)
        self.assertEqual(
            messagesOf(converted.batches[0]),
            [
                b'<13>1 - h a p m [x a="',
                b'<13>Nov 22 08:00:00 192.0.2.1 "] y',
                b"<13>Nov 22 08:00:00 192.0.2.1 Oct 11 22:14:15",
                b"<13>Nov 22 08:00:00 192.0.2.1 h a: m",
            ],
        )

    def test_toLines(self) -> None:
        """
        Where LF framing is wanted, CR, LF and NUL inside become spaces, whatever the format.
        """
        batch = batchOf(b"<13>1 - h a p m - x\ny\r\0z", b"<13>Oct 11 22:14:15 h a: m\nn")
        for format, expected in (
            ("as-is", b"<13>1 - h a p m - x y  z\n<13>Oct 11 22:14:15 h a: m n\n"),
            ("rfc5424", b"<13>1 - h a p m - x y  z\n<13>1 2026-10-11T22:14:15+02:00 h a - - - m n\n"),
            ("rfc3164", b"<13>Nov 22 08:00:00 h a[p]: x y  z\n<13>Oct 11 22:14:15 h a: m n\n"),
        ):
            self.assertEqual(self.convert(format, batch, LF), Converted([Batch(expected, 2, LF, REMOTE)]))

    def test_otherFraming(self) -> None:
        """
        Where only the framing is another one, only that changes.
        """
        message = b"<13>1 - h a p m - x"
        converted = self.convert("rfc5424", batchOf(message, framing=LF))
        self.assertEqual(converted.batches, [Batch(b"19 " + message, 1, COUNTED, REMOTE)])
        converted = self.convert("rfc5424", batchOf(message), LF)
        self.assertEqual(converted.batches, [Batch(message + b"\n", 1, LF, REMOTE)])

    def test_ownHost(self) -> None:
        """
        The name of an origin is made to fit the field it is put in; an empty one is an unknown host.
        """
        for host, in5424, in3164 in (
            (b"2001:db8::1", b"2001:db8::1", b"2001:db8::1"),
            (b"fe80::1%eth0", b"fe80::1%eth0", b"fe80::1%eth0"),
            (b"my host", b"my_host", b"my_host"),
            (b"\xc3\xa9:", b"__:", b"___"),
            (b"", b"-", b"-"),
            (b"h" * 300, b"h" * 255, b"h" * 255),
        ):
            origin = Origin("udp:5140", host)
            self.check("rfc5424", (b"m", b"<13>1 " + ARRIVED + b" " + in5424 + b" - - - - m"), origin=origin)
            self.check("rfc3164", (b"m", b"<13>Nov 22 08:00:00 " + in3164 + b" m"), origin=origin)

    def test_manyMarks(self) -> None:
        """
        A batch of messages with a byte order mark is looked through once, also where one of them is no RFC 5424: this
        would not come to an end if there were two ways to match each.
        """
        marked = b"<13>1 - h a - - - " + BOM + b"m"
        for format in ("rfc5424", "rfc3164"):
            batch = batchOf(*[marked] * 200, b"<13>Oct 11 22:14:15 h a: m", marked)
            converted = self.convert(format, batch, LF).batches
            self.assertEqual(sum(each.count for each in converted), 202)

    def test_timeGoesOn(self) -> None:
        """
        A converter that runs for long finds the nearest year anew.
        """
        converter = Converter(Form("rfc5424", LF))
        batch = batchOf(b"<13>Oct 11 22:14:15 h a: m")
        for now, year in ((NOW, b"2026"), (NOW + 1, b"2026"), (NOW + 365 * 86400, b"2027"), (NOW, b"2026")):
            [converted] = converter.convert(batch, now).batches
            self.assertIn(b"<13>1 " + year + b"-10-11T", converted.payload)

    def test_arrival(self) -> None:
        """
        Messages without a time have that of their arrival, in every batch.
        """
        for format, first, second in (
            ("rfc5424", b"08:00:00.500000+01:00", b"08:00:01.250000+01:00"),
            ("rfc3164", b"08:00:00 ", b"08:00:01 "),
        ):
            converter = Converter(Form(format, LF))
            for now, expected in ((NOW, first), (NOW + 0.75, second)):
                for message in (b"m", b"<13>m"):
                    [converted] = converter.convert(batchOf(message), now).batches
                    self.assertIn(expected, converted.payload)

    def test_bounded(self) -> None:
        """
        A batch that grows too large becomes several.
        """
        for framing in Framing:
            batch = batchOf(*[b"x"] * 10000, framing=framing)
            batches = self.convert("rfc5424", batch, framing).batches
            self.assertGreater(len(batches), 1)
            self.assertEqual(sum(each.count for each in batches), 10000)
            for each in batches:
                self.assertEqual(len(messagesOf(each)), each.count)
                self.assertLess(len(each.payload), MAX_BATCH + 100)


class OversizeTests(SynchronousTestCase):
    """
    Messages that are too long after conversion.
    """

    def convert(self, batch: Batch, limit: int, oversize: str = "truncate", format: str = "as-is") -> Converted:
        """
        Convert for a destination with a limit.
        """
        return Converter(Form(format, COUNTED, limit, oversize)).convert(batch, NOW)

    def test_truncated(self) -> None:
        """
        With ``truncate`` a long message keeps its head, and is counted.
        """
        for framing in Framing:
            converted = self.convert(batchOf(b"abcd", b"abcde", b"abcdef" * 9, framing=framing), 4)
            self.assertEqual(converted, Converted([batchOf(b"abcd", b"abcd", b"abcd")], truncated=2))

    def test_dropped(self) -> None:
        """
        With ``drop`` it is given up, and counted.
        """
        for framing in Framing:
            converted = self.convert(batchOf(b"abcd", b"abcde", b"abc", framing=framing), 4, "drop")
            self.assertEqual(converted, Converted([batchOf(b"abcd", b"abc")], dropped=1))
        self.assertEqual(self.convert(batchOf(b"abcde"), 4, "drop"), Converted([], dropped=1))

    def test_afterConversion(self) -> None:
        """
        What counts is how long a message has become.
        """
        liveIn(self, CENTRAL_EUROPE)
        batch = batchOf(b"<13>Oct 11 22:14:15 h a: m", b"<13>1 2003-10-11T22:14:15.003Z h a p m - m", b"<bad")
        longer = b"<13>1 2026-10-11T22:14:15+02:00 h a - - - m"
        converted = self.convert(batch, len(longer), "drop", "rfc5424")
        self.assertEqual((sum(each.count for each in converted.batches), converted.dropped), (3, 0))
        converted = self.convert(batch, len(longer) - 1, "drop", "rfc5424")
        self.assertEqual(converted, Converted([batchOf(*messagesOf(batch)[1:])], unparsed=1, dropped=1))
        converted = self.convert(batch, 28, "truncate", "rfc3164")
        self.assertEqual(converted.truncated, 1)

    def test_fits(self) -> None:
        """
        Nothing is done to a batch whose messages all fit.
        """
        batch = batchOf(b"abcd", b"abc")
        self.assertIs(self.convert(batch, 4).batches[0], batch)

    def test_wholeCharacters(self) -> None:
        """
        A character of UTF-8 is not cut in two; other bytes are cut where they have to be.
        """
        for message, limit, expected in (
            ("abé".encode(), 3, b"ab"),
            ("ab€".encode(), 4, b"ab"),
            ("ab€".encode(), 3, b"ab"),
            ("ab€".encode(), 5, "ab€".encode()),
            ("ab😀c".encode(), 5, b"ab"),
            ("ab😀c".encode(), 6, "ab😀".encode()),
            ("aéb".encode(), 3, "aé".encode()),
            (b"a\xe2\x82b", 3, b"a\xe2\x82"),
            (b"a\x82\x82\x82\x82\x82", 3, b"a\x82\x82"),
            (b"\xff\xff\xff\xff\xff", 3, b"\xff\xff\xff"),
        ):
            [batch] = self.convert(batchOf(message), limit).batches
            self.assertEqual(messagesOf(batch), [expected], (message, limit))

    def test_nothingLeft(self) -> None:
        """
        A message whose head is nothing but line ends is given up: no message ends in those.
        """
        converted = self.convert(batchOf(b"abcde", b"\r\n\0\0e"), 4)
        self.assertEqual(converted, Converted([batchOf(b"abcd")], truncated=1, dropped=1))
        converted = self.convert(batchOf(b"ab\r\nc"), 4)
        self.assertEqual(converted, Converted([batchOf(b"ab")], truncated=1))


class FormTests(SynchronousTestCase):
    """
    :class:`Form`.
    """

    def test_shared(self) -> None:
        """
        Equal forms are one key, so that destinations can share converted batches.
        """
        self.assertEqual({Form("as-is", LF): 1}[Form("as-is", LF, 65536, "truncate")], 1)
        self.assertNotEqual(Form("as-is", LF), Form("as-is", LF, oversize="drop"))


#: Parts that mean something to a recogniser, in an order that often makes a message.
parts = st.tuples(
    st.sampled_from([b"", b"<13>", b"<191>", b"<192>", b"<", b"<13>1 ", b"<0>1 ", b"<13>2 "]),
    st.sampled_from(
        [b"", b"- ", b"Oct 11 22:14:15 ", b"Feb  3 2003 22:14:15 ", b"Feb 29 00:00:00 ", b"Feb 31 00:00:00 "]
    )
    | st.sampled_from([b"2003-10-11T22:14:15.003Z ", b"2003-10-11T22:14:15-07:00 ", b"0000-02-29T00:00:00Z "]),
    st.sampled_from([b"", b"h ", b"h: ", b"- ", b"2001:db8::1 ", b"[::1] ", b"h" * 256 + b" ", b"h\x80 "]),
    st.sampled_from(
        [b"", b"a p m ", b"- - - ", b"a: ", b"a[1]: ", b"a:", b"a" * 49 + b"[" + b"1" * 129 + b"]: ", b"[: "]
    ),
    st.sampled_from([b"", b"- ", b"-", b'[x a="b"] ', b'[x a="\\]"]', b'[x a="\n"] ', b"[x ", BOM]),
    st.sampled_from([b"", b"\n", b"\r", b"\0"]) | st.binary(max_size=20),
)
anyMessages = st.lists(parts.map(b"".join) | st.binary(max_size=40), min_size=1, max_size=8)
origins = st.sampled_from([REMOTE, LOCAL, Origin("x", b""), Origin("x", b"my host:"), Origin("x", b"\xff" * 300)])
forms = st.builds(Form, st.sampled_from(["rfc5424", "rfc3164", "as-is"]), st.sampled_from(Framing))
times = st.integers(0, 2**33) | st.floats(0, 2**33)


class ConversionPropertiesTests(SynchronousTestCase):
    """
    What is true of all messages.
    """

    @given(anyMessages, origins, st.sampled_from(Framing), forms, times)
    @settings(max_examples=200, deadline=None)
    def test_alwaysValid(self, messages: list[bytes], origin: Origin, framing: Framing, form: Form, now: float) -> None:
        """
        Whatever comes, nothing raises, no message is lost, and each is valid in the wanted format, but those that are
        counted as unparsed; and what has been converted once is not changed again.
        """
        converter = Converter(form)
        for batch in batchesOf(messages, framing, origin):
            converted = converter.convert(batch, now)
            [result] = converted.batches
            self.assertEqual((result.count, result.framing, result.origin), (batch.count, form.framing, origin))
            self.assertEqual(batchesOf(messagesOf(result), form.framing, origin), [result])
            received = Batch(result.payload, result.count, form.framing, REMOTE)
            again = converter.convert(received, now)
            self.assertIs(again.batches[0], received)
            self.assertEqual(again.unparsed, converted.unparsed)
            if form.format != "as-is":
                recogniser = getattr(recognition, form.format)(local=False)
                rows = recogniser.rows(recogniser.unlike(received))
                self.assertEqual(sum(not row[0] for row in rows), converted.unparsed)

    @given(anyMessages, origins, forms, times)
    @settings(max_examples=150, deadline=None)
    def test_neighboursDoNotMatter(self, messages: list[bytes], origin: Origin, form: Form, now: float) -> None:
        """
        What becomes of a message does not depend on those beside it in the batch.
        """
        converter = Converter(form)
        together = [m for batch in batchesOf(messages, COUNTED, origin) for m in self.converted(converter, batch, now)]
        alone = [
            m
            for one in messages
            for batch in batchesOf([one], COUNTED, origin)
            for m in self.converted(converter, batch, now)
        ]
        self.assertEqual(together, alone)

    @given(st.lists(st.tuples(anyMessages, origins), max_size=6), times)
    @settings(max_examples=150, deadline=None)
    def test_memoryDoesNotMatter(self, deliveries: list[tuple[list[bytes], Origin]], now: float) -> None:
        """
        What a converter remembers of earlier batches changes nothing: each becomes what a new one would make of it.
        """
        old = Converter(Form("rfc5424", COUNTED))
        for messages, origin in deliveries + deliveries:
            for batch in batchesOf([each + end for each in messages for end in (b"", b": x", b"x")], LF, origin):
                new = Converter(Form("rfc5424", COUNTED))
                self.assertEqual(self.converted(old, batch, now), self.converted(new, batch, now))

    def converted(self, converter: Converter, batch: Batch, now: float) -> list[bytes]:
        """
        The messages of a batch, converted.
        """
        return [message for each in converter.convert(batch, now).batches for message in messagesOf(each)]
