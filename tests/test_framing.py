"""
Decoders: what they make of streams, however these are cut.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import MAX_BATCH, Batch, Framing, Origin
from logrelay.counters import SourceCounters
from logrelay.framing import Decoder, batchesOf, decoderFor, messagesOf

LF = Framing.LF
COUNTED = Framing.OCTET_COUNTING
ORIGIN = Origin("tcp:5140", b"192.0.2.1")

#: The longest message that most of these tests allow.
LIMIT = 20

#: Fewer than usual, since each example is decoded several times; and no deadline on a busy machine.
thorough = settings(max_examples=100, deadline=None)


@attrs.frozen
class Outcome:
    """
    What came of a stream.
    """

    messages: list[bytes]
    overlong: int = 0
    incomplete: int = 0
    badFrames: int = 0


def decoded(framing: Framing | None, chunks: Iterable[bytes], limit: int = LIMIT) -> Outcome:
    """
    Run one stream through a new decoder.
    """
    counters = SourceCounters()
    decoder = decoderFor(framing, ORIGIN, limit, counters)
    batches = [batch for chunk in chunks for batch in decoder.decode(chunk)]
    batches += decoder.finish()
    messages = [message for batch in batches for message in messagesOf(batch)]
    assert counters.received == len(messages) == sum(batch.count for batch in batches)
    assert counters.badFrames == (decoder.error is not None)
    return Outcome(messages, counters.overlong, counters.incomplete, counters.badFrames)


def cut(data: bytes, lengths: Iterable[int]) -> list[bytes]:
    """
    Cut data into pieces of these lengths, and a last one.
    """
    pieces = []
    for length in lengths:
        pieces.append(data[:length])
        data = data[length:]
    return [*pieces, data]


def counted(*messages: bytes) -> bytes:
    """
    Messages as a sender with octet counting would send them.
    """
    return b"".join(b"%d %b" % (len(message), message) for message in messages)


#: Framing, what comes, and what has to come of it, with messages of at most 20 bytes.
STREAMS = (
    (LF, b"", Outcome([])),
    (LF, b"a\n", Outcome([b"a"])),
    (LF, b"a\nb\n", Outcome([b"a", b"b"])),
    (LF, b"a\nb", Outcome([b"a", b"b"])),
    (LF, b"a\r\nb\r\n", Outcome([b"a", b"b"])),
    (LF, b"a\r\0\r\nb\0\0\n", Outcome([b"a", b"b"])),
    (LF, b"\n\na\n\n\nb\n\n", Outcome([b"a", b"b"])),
    (LF, b"\r\n\0\n\r\0\n", Outcome([])),
    (LF, b"\r", Outcome([])),
    (LF, b"a\rb\0c\n", Outcome([b"a\rb\0c"])),
    (LF, b"\0a\n", Outcome([b"\0a"])),
    (LF, b" a \t\n", Outcome([b" a \t"])),
    (LF, b"1 a\n", Outcome([b"1 a"])),
    (LF, b"x" * 20 + b"\na\n", Outcome([b"x" * 20, b"a"])),
    (LF, b"x" * 21 + b"\na\n", Outcome([b"x" * 20, b"a"], overlong=1)),
    (LF, b"x" * 90 + b"\na\n" + b"y" * 90 + b"\n", Outcome([b"x" * 20, b"a", b"y" * 20], overlong=2)),
    (LF, b"x" * 90, Outcome([b"x" * 20], overlong=1)),
    (LF, b"\0" * 90 + b"x\n", Outcome([], overlong=1)),
    (LF, b"x" * 19 + b"\r\r\n", Outcome([b"x" * 19], overlong=1)),
    (COUNTED, b"", Outcome([])),
    (COUNTED, b"1 a", Outcome([b"a"])),
    (COUNTED, b"1 a2 bb", Outcome([b"a", b"bb"])),
    (COUNTED, b"3 a\nb1 c", Outcome([b"a\nb", b"c"])),
    (COUNTED, b"2 a\n1 b", Outcome([b"a", b"b"])),
    (COUNTED, b"4 a\r\n\0001 b", Outcome([b"a", b"b"])),
    (COUNTED, b"2 a\r1 b", Outcome([b"a", b"b"])),
    (COUNTED, b"2 a\t1 b", Outcome([b"a\t", b"b"])),
    (COUNTED, b"1 a\n\n1 b\n", Outcome([b"a", b"b"])),
    (COUNTED, b"\n1 a", Outcome([b"a"])),
    (COUNTED, b"0 1 a0 000 1 b0 ", Outcome([b"a", b"b"])),
    (COUNTED, b"2 \r\n1 a", Outcome([b"a"])),
    (COUNTED, b"0001 a000000002 bb", Outcome([b"a", b"bb"])),
    (COUNTED, b"20 " + b"x" * 20 + b"1 a", Outcome([b"x" * 20, b"a"])),
    (COUNTED, b"1 a21 " + b"x" * 21 + b"1 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a100 ", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a999999999 ", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a0000000001 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a0000000001", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 ax1 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a1\tb1 c", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a 1 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a+1 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a\r\n1 b", Outcome([b"a"], badFrames=1)),
    (COUNTED, b"1 a9 bb", Outcome([b"a"], incomplete=1)),
    (COUNTED, b"1 a12", Outcome([b"a"], incomplete=1)),
    (COUNTED, b"1 a9 ", Outcome([b"a"], incomplete=1)),
    (None, b"", Outcome([])),
    (None, b"1 a1 b", Outcome([b"a", b"b"])),
    (None, b"000000001 a", Outcome([b"a"])),
    (None, b"0000000001 a", Outcome([b"0000000001 a"])),
    (None, b"1\ta\n", Outcome([b"1\ta"])),
    (None, b"123\n1 a\n", Outcome([b"123", b"1 a"])),
    (None, b" 1 a", Outcome([b" 1 a"])),
    (None, b"\n1 a", Outcome([b"1 a"])),
    (None, b"<13>a\n1 b\n", Outcome([b"<13>a", b"1 b"])),
    (None, b"12", Outcome([], incomplete=1)),
    (None, b"99 a", Outcome([], badFrames=1)),
)


class StreamsTests(SynchronousTestCase):
    """
    The table of streams.
    """

    def test_atOnce(self) -> None:
        """
        Each stream gives its messages, and what was wrong with it is counted.
        """
        for framing, data, outcome in STREAMS:
            self.assertEqual(decoded(framing, [data]), outcome, (framing, data))

    def test_splitAtEveryByte(self) -> None:
        """
        The outcome is the same wherever the stream is cut in two.
        """
        for framing, data, outcome in STREAMS:
            for at in range(len(data)):
                self.assertEqual(decoded(framing, cut(data, [at])), outcome, (framing, data, at))

    def test_byteByByte(self) -> None:
        """
        The outcome is the same if every byte comes alone.
        """
        for framing, data, outcome in STREAMS:
            self.assertEqual(decoded(framing, cut(data, [1] * len(data))), outcome, (framing, data))


class DecoderTests(SynchronousTestCase):
    """
    What is true of a decoder beside the messages it finds.
    """

    def decoder(self, framing: Framing | None, limit: int = LIMIT) -> Decoder:
        """
        A new decoder.
        """
        self.counters = SourceCounters()
        return decoderFor(framing, ORIGIN, limit, self.counters)

    def test_passesBytesOn(self) -> None:
        """
        What already is canonical is handed on as the very bytes that were read.
        """
        for framing, data in ((LF, b"one\ntwo\n"), (COUNTED, counted(b"one", b"x" * 100, b"y" * 1000))):
            [batch] = self.decoder(framing, 1000).decode(data)
            self.assertIs(batch.payload, data)
            self.assertEqual(batch, Batch(data, data.count(b"\n") or 3, framing, ORIGIN))

    def test_madeCanonical(self) -> None:
        """
        Other bytes become a canonical payload.
        """
        [batch] = self.decoder(LF).decode(b"\none\r\n\n\0two\0\n")
        self.assertEqual((batch.payload, batch.count), (b"one\n\0two\n", 2))
        [batch] = self.decoder(COUNTED).decode(b"3 one\n05 two\r\n0 2 \r\n3 six")
        self.assertEqual((batch.payload, batch.count), (b"3 one3 two3 six", 3))

    def test_onlyWholeMessages(self) -> None:
        """
        A message is handed on as soon as it is whole; until then it is kept, and counted as held.
        """
        for framing, whole, begun, rest in ((LF, b"a\n", b"bb", b"b\n"), (COUNTED, b"1 a", b"3 b", b"bb")):
            decoder = self.decoder(framing)
            [batch] = decoder.decode(whole + begun)
            self.assertEqual(batch.payload, whole)
            self.assertEqual(decoder.held, len(begun))
            [batch] = decoder.decode(rest)
            self.assertEqual(batch.payload, begun + rest)
            self.assertEqual(decoder.held, 0)

    def test_heldWhileUndecided(self) -> None:
        """
        Digits that may be a count are held until it shows what they are.
        """
        decoder = self.decoder(None)
        self.assertEqual(decoder.decode(b"12"), [])
        self.assertEqual((decoder.held, decoder.error), (2, None))
        self.assertEqual(decoder.decode(b" hello"), [])
        self.assertEqual(decoder.held, 8)

    def test_heldIsBounded(self) -> None:
        """
        However much comes without an end, no more is kept than the longest message allowed.
        """
        for framing, data in ((LF, b"x" * 100), (LF, b"\0" * 100), (COUNTED, b"\n" * 100), (None, b"x" * 100)):
            decoder = self.decoder(framing)
            for _ in range(10):
                self.assertEqual(decoder.decode(data), [])
                self.assertLessEqual(decoder.held, LIMIT + 1)

    def test_batchesAreBounded(self) -> None:
        """
        However much is read at once, a batch is not larger than allowed.
        """
        messages = [b"x" * 999] * 500
        for framing, data in ((LF, b"".join(message + b"\n" for message in messages)), (COUNTED, counted(*messages))):
            decoder = self.decoder(framing, 65536)
            batches = decoder.decode(data[:600]) + decoder.decode(data[600:])
            self.assertEqual([message for batch in batches for message in messagesOf(batch)], messages)
            self.assertGreaterEqual(MAX_BATCH + 1010, max(len(batch.payload) for batch in batches))

    def test_counts(self) -> None:
        """
        Messages and the bytes read are counted.
        """
        for framing in (LF, COUNTED, None):
            decoder = self.decoder(framing)
            data = b"a\n\nb\nc" if framing is LF else b"1 a0 1 b9 "
            decoder.decode(data)
            self.assertEqual((self.counters.received, self.counters.receivedBytes), (2, len(data)))

    def test_nothingAfterAnError(self) -> None:
        """
        After an error, which says what is wrong, all that follows is ignored.
        """
        decoder = self.decoder(COUNTED)
        [batch] = decoder.decode(b"1 a" + b"hello" + b"1 b" * MAX_BATCH)
        self.assertEqual(batch.payload, b"1 a")
        self.assertIn("hello", str(decoder.error))
        self.assertEqual(decoder.decode(b"1 a"), [])
        self.assertEqual(decoder.finish(), [])
        self.assertEqual((decoder.held, self.counters.received, self.counters.badFrames), (0, 1, 1))

    def test_tooLongFrame(self) -> None:
        """
        The error of an over-long frame names its length and the key that limits it.
        """
        decoder = self.decoder(None)
        decoder.decode(b"21 ")
        self.assertEqual(str(decoder.error), "a frame of 21 bytes, more than max-message-size (20)")


#: Where a stream may be cut.
lengths = st.lists(st.integers(0, 12), max_size=40)
#: What a stream may be made of; mostly what means something to a decoder.
wild = st.lists(st.sampled_from([b"\n", b"\r", b"\0", b" ", b"0", b"1", b"2", b"12 ", b"x", b"\n9 "]) | st.binary())
framings = st.sampled_from([LF, COUNTED, None])


class DecoderPropertiesTests(SynchronousTestCase):
    """
    What is true of all streams.
    """

    @given(st.lists(st.binary(min_size=1, max_size=30)), lengths, st.booleans())
    @thorough
    def test_roundTripCounted(self, messages: list[bytes], lengths: list[int], auto: bool) -> None:
        """
        Whatever messages are sent with octet counting, cut anywhere, come out, but for what trails them.
        """
        outcome = decoded(None if auto else COUNTED, cut(counted(*messages), lengths), 30)
        expected = [kept for message in messages if (kept := message.rstrip(b"\r\n\0"))]
        self.assertEqual(outcome, Outcome(expected))

    @given(st.lists(st.binary(max_size=30)), lengths)
    @thorough
    def test_roundTripLines(self, messages: list[bytes], lengths: list[int]) -> None:
        """
        Whatever lines are sent, cut anywhere, come out, but for what trails them.
        """
        lines = [message.replace(b"\n", b"") for message in messages]
        outcome = decoded(LF, cut(b"".join(line + b"\n" for line in lines), lengths), 30)
        self.assertEqual(outcome, Outcome([kept for line in lines if (kept := line.rstrip(b"\r\0"))]))

    @given(framings, wild, lengths)
    @thorough
    def test_cutsDoNotMatter(self, framing: Framing | None, parts: list[bytes], lengths: list[int]) -> None:
        """
        Whatever comes, nothing raises, and the outcome does not depend on where it was cut.
        """
        data = b"".join(parts)
        self.assertEqual(decoded(framing, cut(data, lengths)), decoded(framing, [data]))

    @given(framings, wild, lengths)
    @thorough
    def test_boundsHold(self, framing: Framing | None, parts: list[bytes], lengths: list[int]) -> None:
        """
        Whatever comes, payloads are canonical, and no message or remainder is longer than allowed.
        """
        decoder = decoderFor(framing, ORIGIN, LIMIT, SourceCounters())
        batches = []
        for chunk in cut(b"".join(parts), lengths):
            batches += decoder.decode(chunk)
            self.assertLessEqual(decoder.held, LIMIT + 9)
        for batch in batches + decoder.finish():
            messages = messagesOf(batch)
            self.assertLessEqual(max(map(len, messages)), LIMIT)
            self.assertNotIn(b"", messages)
            if batch.framing is COUNTED or not set(batch.payload) & {0, 13}:
                self.assertEqual(batchesOf(messages, batch.framing, ORIGIN), [batch])
            else:
                self.assertEqual(b"".join(message + b"\n" for message in messages), batch.payload)
