"""
The vectors, through the decoders and through the pass that converts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from logrelay import recognition
from logrelay.batches import Batch, Framing, Origin
from logrelay.counters import SourceCounters
from logrelay.formats import Converter, Form
from logrelay.framing import decoderFor, messagesOf

from .vectors import Vector, loadVectors
from .zones import UTC, liveIn

ORIGIN = Origin("tcp:5140", b"192.0.2.1")

#: 2026-11-22 08:00:00 UTC
NOW = 1795334400.0

VECTORS = loadVectors()


class DecodedVectorsTests(SynchronousTestCase):
    """
    What the decoder makes of each vector.
    """

    def check(self, vector: Vector, chunks: Iterable[bytes]) -> list[Batch]:
        """
        Feed a new decoder, and compare the outcome with the vector's.
        """
        counters = SourceCounters()
        decoder = decoderFor(None, ORIGIN, 65536, counters)
        batches = [batch for chunk in chunks for batch in decoder.decode(chunk)]
        batches += decoder.finish()
        messages = tuple(message for batch in batches for message in messagesOf(batch))
        self.assertEqual(messages, vector.messages, vector.name)
        self.assertEqual(counters.received, len(vector.messages), vector.name)
        wrong = decoder.error is not None or counters.incomplete > 0
        self.assertEqual(wrong, bool(vector.error), vector.name)
        self.assertEqual(decoder.held, 0, vector.name)
        return batches

    def test_asTheyCame(self) -> None:
        """
        The messages of each vector come out, in the framing that its first bytes show.
        """
        for vector in VECTORS:
            for batch in self.check(vector, vector.chunks):
                self.assertIs(batch.framing, vector.framing, vector.name)

    def test_splitAtEveryByte(self) -> None:
        """
        It does not matter where the network has cut a stream in two.
        """
        for vector in VECTORS:
            for cut in range(len(vector.input) + 1):
                self.check(vector, (vector.input[:cut], vector.input[cut:]))

    def test_byteByByte(self) -> None:
        """
        Nor does it matter if every byte comes alone.
        """
        for vector in VECTORS:
            self.check(vector, (vector.input[at : at + 1] for at in range(len(vector.input))))

    def test_loaded(self) -> None:
        """
        All vectors are there, under names of their own.
        """
        self.assertEqual(len({vector.name for vector in VECTORS}), 81)


def fieldsFound(batch: Batch) -> dict[str, Any]:
    """
    Apply the patterns that convert to a batch of one message: those that bring it into the format that it is not in.

    :return: what they found, under the names that the vectors give it.
    """
    recognisers = recognition.rfc5424(local=False), recognition.rfc3164(local=False)
    recogniser = next(each for each in recognisers if each.unlike(batch))
    [(_, pri, _, _, host, app, pid, text, *_)] = recogniser.rows(messagesOf(batch))
    fields = {"host": host, "app": app, "pid": pid}
    named = {key: None if value in (b"", b"-") else value.decode() for key, value in fields.items()}
    return {"pri": int(pri[1:-1]), "msg": text.decode(), **named}


class ConvertedVectorsTests(SynchronousTestCase):
    """
    What the pass that converts makes of each vector's header.
    """

    def setUp(self) -> None:
        """
        RFC 3164 times are local ones.
        """
        liveIn(self, UTC)

    def batch(self, vector: Vector, framing: Framing) -> Batch:
        """
        The one message of a vector about headers.
        """
        [message] = vector.messages
        payload = message + b"\n" if framing is Framing.LF else b"%d %b" % (len(message), message)
        return Batch(payload, 1, framing, ORIGIN)

    def test_invalidHeader(self) -> None:
        """
        A message whose header is not valid passes unchanged through every conversion, and is counted as unparsed.
        """
        for vector in VECTORS:
            if vector.parsed and vector.fields is None:
                for form in (Form("rfc5424", Framing.OCTET_COUNTING), Form("rfc3164", Framing.LF)):
                    batch = self.batch(vector, form.framing)
                    converted = Converter(form).convert(batch, NOW)
                    self.assertIs(converted.batches[0], batch, vector.name)
                    self.assertEqual(converted.unparsed, 1, vector.name)

    def test_fields(self) -> None:
        """
        The fields of a valid header are found by the patterns that convert, in either framing.
        """
        for vector in VECTORS:
            for framing in Framing:
                if vector.fields is not None:
                    found = fieldsFound(self.batch(vector, framing))
                    expected = {key: value for key, value in vector.fields.items() if key in found}
                    self.assertEqual({key: found[key] for key in expected}, expected, vector.name)

    def test_unchangedIfWanted(self) -> None:
        """
        A message that is valid in one of the two formats passes byte for byte where that one is wanted.
        """
        for vector in VECTORS:
            if vector.fields is not None and "msg" in vector.fields:
                batch = self.batch(vector, Framing.OCTET_COUNTING)
                unchanged = [
                    Converter(Form(format, Framing.OCTET_COUNTING)).convert(batch, NOW).batches == [batch]
                    for format in ("rfc5424", "rfc3164")
                ]
                if vector.name != "rfc3164-iso-timestamp":
                    self.assertEqual(sorted(unchanged), [False, True], vector.name)

    def test_timestamp(self) -> None:
        """
        The time of an RFC 5424 message is brought to the local zone.
        """
        [vector] = [vector for vector in VECTORS if vector.fields and "ts" in vector.fields]
        converted = Converter(Form("rfc3164", Framing.LF)).convert(self.batch(vector, Framing.LF), NOW)
        self.assertEqual(converted.batches[0].payload, b"<13>Aug 24 12:14:15 h a[p]: hi\n")
