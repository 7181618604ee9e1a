"""
Payloads: messages framed, and taken apart again.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import MAX_BATCH, Batch, Framing, Origin
from logrelay.encoding import batchesOf, encode, fits, messagesOf, reframed

LF = Framing.LF
COUNTED = Framing.OCTET_COUNTING
ORIGIN = Origin("udp:5140", b"192.0.2.1")


class EncodeTests(SynchronousTestCase):
    """
    :func:`encode` and :func:`messagesOf`.
    """

    def test_counted(self) -> None:
        """
        With octet counting each message has its length before it, of whatever size it is.
        """
        messages = [b"a", b"b\r\n\0b", b"c" * 99, b"d" * 100, b"e" * 999, b"f" * 1000]
        [batch] = encode(messages, COUNTED, ORIGIN)
        self.assertEqual(batch.payload, b"".join(b"%d %b" % (len(message), message) for message in messages))
        self.assertEqual((batch.count, batch.framing, batch.origin), (6, COUNTED, ORIGIN))
        self.assertEqual(messagesOf(batch), messages)

    def test_lines(self) -> None:
        """
        With LF framing each message has one LF behind it.
        """
        [batch] = encode([b"a", b"b b"], LF, ORIGIN)
        self.assertEqual(batch, Batch(b"a\nb b\n", 2, LF, ORIGIN))
        self.assertEqual(messagesOf(batch), [b"a", b"b b"])

    def test_lineEndsInside(self) -> None:
        """
        With LF framing each CR, LF and NUL inside a message becomes one space.
        """
        [batch] = encode([b"a\nb", b"c\r\n\0d", b"e"], LF, ORIGIN)
        self.assertEqual(batch.payload, b"a b\nc   d\ne\n")

    def test_nothing(self) -> None:
        """
        No messages make no batch.
        """
        self.assertEqual(encode([], LF, ORIGIN), [])
        self.assertEqual(encode([], COUNTED, ORIGIN), [])

    def test_bounded(self) -> None:
        """
        What does not fit one batch becomes several, each of at most 64 KiB and one message.
        """
        for size, number in ((250, 1000), (MAX_BATCH, 3), (MAX_BATCH + 10, 3), (MAX_BATCH - 1, 2), (32 * 1024, 4)):
            messages = [b"x" * size] * number
            for framing in Framing:
                batches = encode(messages, framing, ORIGIN)
                self.assertEqual([message for batch in batches for message in messagesOf(batch)], messages)
                self.assertEqual(sum(batch.count for batch in batches), number)
                for batch in batches:
                    self.assertEqual(len(messagesOf(batch)), batch.count)
                    self.assertLess(len(batch.payload), MAX_BATCH + size + 7)

    @given(st.lists(st.binary(min_size=1).map(lambda message: message.rstrip(b"\r\n\0") + b".")))
    @settings(deadline=None)
    def test_roundTrip(self, messages: list[bytes]) -> None:
        """
        Any messages can be framed with octet counting and taken apart again.
        """
        self.assertEqual([m for batch in encode(messages, COUNTED, ORIGIN) for m in messagesOf(batch)], messages)


class BatchesOfTests(SynchronousTestCase):
    """
    :func:`batchesOf`.
    """

    def test_strips(self) -> None:
        """
        What trails a message is stripped, and empty messages are left out.
        """
        [batch] = batchesOf([b"a\n", b"", b"\r\n", b"b\0\0", b"c\nd"], COUNTED, ORIGIN)
        self.assertEqual(batch, Batch(b"1 a1 b3 c\nd", 3, COUNTED, ORIGIN))
        self.assertEqual(batchesOf([b"\n"], COUNTED, ORIGIN), [])

    def test_lines(self) -> None:
        """
        Where LF framing is wanted, what can't be in a line becomes a space.
        """
        [batch] = batchesOf([b"a\nb\n"], LF, ORIGIN)
        self.assertEqual(batch.payload, b"a b\n")

    def test_cut(self) -> None:
        """
        Longer messages than allowed keep their head.
        """
        [batch] = batchesOf([b"abcd", b"ab\ncd", b"\0\0\0d"], COUNTED, ORIGIN, 3)
        self.assertEqual(messagesOf(batch), [b"abc", b"ab"])


class ReframedTests(SynchronousTestCase):
    """
    :func:`reframed`.
    """

    def test_same(self) -> None:
        """
        A batch that has the framing wanted already stays the same object.
        """
        for batch in (Batch(b"a\nb\n", 2, LF, ORIGIN), Batch(b"3 a\nb", 1, COUNTED, ORIGIN)):
            [same] = reframed(batch, batch.framing)
            self.assertIs(same, batch)

    def test_other(self) -> None:
        """
        The other framing is made of it where wanted.
        """
        self.assertEqual(
            reframed(Batch(b"a\rb\nc\n", 2, LF, ORIGIN), COUNTED), [Batch(b"3 a\rb1 c", 2, COUNTED, ORIGIN)]
        )
        self.assertEqual(reframed(Batch(b"3 a\nb1 c", 2, COUNTED, ORIGIN), LF), [Batch(b"a b\nc\n", 2, LF, ORIGIN)])

    def test_linesSentAsLines(self) -> None:
        """
        Lines with CR or NUL inside are not sent on with them.
        """
        for inside in (b"\r", b"\0"):
            batch = Batch(b"a" + inside + b"b\nc\n", 2, LF, ORIGIN)
            self.assertEqual(reframed(batch, LF), [Batch(b"a b\nc\n", 2, LF, ORIGIN)])


class FitsTests(SynchronousTestCase):
    """
    :func:`fits`.
    """

    def test_longest(self) -> None:
        """
        A batch fits if its longest message does, wherever that stands.
        """
        for sizes in ((10,), (10, 1, 1), (1, 10, 1), (1, 1, 10), (10, 10, 10), (1,) * 50 + (10,), (5, 10) * 50):
            for framing in Framing:
                [batch] = encode([b"x" * size for size in sizes], framing, ORIGIN)
                self.assertEqual([fits(batch, limit) for limit in (1, 9, 10, 11)], [False, False, True, True])
