"""
Stamps: which messages get one, what else happens to them (nothing), and what the numbers are.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing, Origin
from logrelay.encoding import batchesOf, messagesOf
from logrelay.formats import Converted, Converter, Form
from logrelay.stamping import Numbering, bootName

from .test_formats import BOM, NEITHER, RFC3164, UNPARSED, anyMessages

NAME = "logrelay@32473"
BOOT = "019abc3d5e6f-00c0ffee"
ORIGIN = Origin("tcp:5140", b"192.0.2.1")
NOW = 1795334400.0
COUNTED = Framing.OCTET_COUNTING


def stamp(number: int) -> bytes:
    """
    The stamp with a number.
    """
    return b'[logrelay@32473 boot="019abc3d5e6f-00c0ffee" seq="%d"]' % number


#: Messages before and after.
STAMPED = (
    (b"<13>1 - - - - - -", b"<13>1 - - - - - " + stamp(1)),
    (b"<13>1 - h a p m - ", b"<13>1 - h a p m " + stamp(1) + b" "),
    (b"<13>1 - h a p m - x", b"<13>1 - h a p m " + stamp(1) + b" x"),
    (b"<13>1 - h a p m -  - x", b"<13>1 - h a p m " + stamp(1) + b"  - x"),
    (b"<13>1 - h a p m - " + BOM + b"\xc5\xbe", b"<13>1 - h a p m " + stamp(1) + b" " + BOM + b"\xc5\xbe"),
    (b"<13>1 - h a p m - [x] y", b"<13>1 - h a p m " + stamp(1) + b" [x] y"),
    (b"<13>1 - h a p m - " + stamp(7), b"<13>1 - h a p m " + stamp(1) + b" " + stamp(7)),
    (b"<13>1 - h a p m [x]", b"<13>1 - h a p m " + stamp(1) + b"[x]"),
    (b'<13>1 - h a p m [x a="b"][y@1 c="d" e=""] z', b"<13>1 - h a p m " + stamp(1) + b'[x a="b"][y@1 c="d" e=""] z'),
    (b'<13>1 - h a p m [x a="\\"\\] \\\\ ["] y', b"<13>1 - h a p m " + stamp(1) + b'[x a="\\"\\] \\\\ ["] y'),
    # Its name in other elements, and names that only resemble it.
    (b'<13>1 - h a p m [x a="[logrelay@32473 "] y', b"<13>1 - h a p m " + stamp(1) + b'[x a="[logrelay@32473 "] y'),
    (b'<13>1 - h a p m [x a="[logrelay@32473\\]"]', b"<13>1 - h a p m " + stamp(1) + b'[x a="[logrelay@32473\\]"]'),
    (b"<13>1 - h a p m [logrelay@324731]", b"<13>1 - h a p m " + stamp(1) + b"[logrelay@324731]"),
    (b"<13>1 - h a p m [xlogrelay@32473]", b"<13>1 - h a p m " + stamp(1) + b"[xlogrelay@32473]"),
    (b"<13>1 - h a p m [Logrelay@32473]", b"<13>1 - h a p m " + stamp(1) + b"[Logrelay@32473]"),
)

#: What bears a stamp of this name: from the outside, it passes as it is.
BORNE = (
    b'<13>1 - h a p m [logrelay@32473 boot="b" seq="7"] x',
    b'<13>1 - h a p m [x a="\\]"][logrelay@32473 boot="b" seq="7"][y] x',
    b"<13>1 - h a p m [x][logrelay@32473]",
)

#: The same with LF inside, which only octet counting can bring.
SEVERAL_LINES = (
    (b'<13>1 - h a p m [x a="\n\\\n"] \n\ny', b"<13>1 - h a p m " + stamp(1) + b'[x a="\n\\\n"] \n\ny'),
    (b"<13>1 - h a p m - x\n<13>1 - h a p m - y", b"<13>1 - h a p m " + stamp(1) + b" x\n<13>1 - h a p m - y"),
)


class StamperCase(SynchronousTestCase):
    """
    Converts with a stamp.
    """

    def convert(self, *messages: bytes, framing: Framing = COUNTED, form: Form | None = None) -> Converted:
        """
        Convert messages, numbered from 1.
        """
        [batch] = batchesOf(messages, framing, ORIGIN)
        return Converter(form or Form("rfc5424", COUNTED, stamp=NAME), Numbering(BOOT)).convert(batch, NOW)

    def messages(self, *messages: bytes, framing: Framing = COUNTED) -> list[bytes]:
        """
        What they become.
        """
        [batch] = self.convert(*messages, framing=framing).batches
        return messagesOf(batch)


class StampedTests(StamperCase):
    """
    Messages before and after.
    """

    def test_stamped(self) -> None:
        """
        The element stands in place of ``-``, or before those that are there, in either framing.
        """
        for framing in Framing:
            for before, after in STAMPED:
                self.assertEqual(self.messages(before, framing=framing), [after])

    def test_severalLines(self) -> None:
        """
        A counted message with LF inside is one message; so are the others of its batch.
        """
        for before, after in SEVERAL_LINES:
            self.assertEqual(self.messages(before), [after])
            expected = [after, b"<13>1 - h a p m " + stamp(2), b"<bad"]
            self.assertEqual(self.messages(before, b"<13>1 - h a p m -", b"<bad"), expected)

    def test_converted(self) -> None:
        """
        What becomes RFC 5424 is stamped too.
        """
        for message in [*(before for before, _ in RFC3164), *(before for before, *_ in NEITHER)]:
            [plain] = self.convert(message, form=Form("rfc5424", COUNTED)).batches
            [unstamped] = messagesOf(plain)
            [after] = self.messages(message)
            self.assertEqual(after.replace(stamp(1), b"-", 1), unstamped)
            self.assertIn(stamp(1), after)

    def test_unparsed(self) -> None:
        """
        What is not valid is left alone, uses up no number, and is counted as unparsed.
        """
        converted = self.convert(*UNPARSED, b"<13>1 - h a p m -")
        [batch] = converted.batches
        self.assertEqual(messagesOf(batch), [*UNPARSED, b"<13>1 - h a p m " + stamp(1)])
        self.assertEqual(converted.unparsed, len(UNPARSED))

    def test_alreadyStamped(self) -> None:
        """
        A message with a stamp of the same name keeps that, uses up no number, and gets no other.
        """
        for framing in Framing:
            messages = self.messages(*BORNE, b"<13>1 - h a p m - x", framing=framing)
            self.assertEqual(messages, [*BORNE, b"<13>1 - h a p m " + stamp(1) + b" x"])

    def test_asLines(self) -> None:
        """
        For LF framing line ends in a message still become spaces.
        """
        converted = self.convert(b"<13>1 - h a p m - x\ny", form=Form("rfc5424", Framing.LF, stamp=NAME))
        self.assertEqual([each.payload for each in converted.batches], [b"<13>1 - h a p m " + stamp(1) + b" x y\n"])

    def test_cut(self) -> None:
        """
        The limit of length is for the stamped message: a cut one keeps its stamp, be its own data however long.
        """
        head = b"<13>1 - h a p m " + stamp(1)
        for message in (b"<13>1 - h a p m - " + b"x" * 200, b'<13>1 - h a p m [x a="' + b"y" * 200 + b'"]'):
            converted = self.convert(message, form=Form("rfc5424", COUNTED, len(head) + 5, stamp=NAME))
            [[cut]] = [messagesOf(batch) for batch in converted.batches]
            self.assertEqual((cut[:-5], len(cut), converted.truncated), (head, len(head) + 5, 1))
        form = Form("rfc5424", COUNTED, len(head) - 1, "drop", NAME)
        self.assertEqual(self.convert(b"<13>1 - h a p m -", form=form), Converted([], dropped=1))

    def test_bounded(self) -> None:
        """
        A batch that grows too large becomes several, numbered on.
        """
        batches = self.convert(*[b"<13>1 - - - - - - x"] * 2000).batches
        self.assertGreater(len(batches), 1)
        messages = [message for batch in batches for message in messagesOf(batch)]
        self.assertEqual(messages, [b"<13>1 - - - - - %b x" % stamp(number) for number in range(1, 2001)])

    def test_off(self) -> None:
        """
        Without a stamp what is as wanted is not even copied.
        """
        [batch] = batchesOf([before for before, _ in STAMPED], COUNTED, ORIGIN)
        self.assertIs(Converter(Form("rfc5424", COUNTED), Numbering(BOOT)).convert(batch, NOW).batches[0], batch)


elements = st.lists(
    st.sampled_from(["x", "y@1", "logrelay@3247"]).flatmap(
        lambda name: st.text(max_size=10).map(
            lambda value: f'[{name} a="' + re.sub(r'(["\\\]])', r"\\\1", value) + '"]',
        )
    ),
    max_size=3,
).map(lambda each: "".join(each).encode("utf-8", "replace"))


class PropertiesTests(StamperCase):
    """
    What is true of all messages.
    """

    @given(st.lists(st.tuples(elements, st.none() | st.binary(max_size=20)), min_size=1, max_size=6))
    @settings(max_examples=100, deadline=None)
    def test_removed(self, parts: list[tuple[bytes, bytes | None]]) -> None:
        """
        Without the element a stamped message is what it was.
        """
        messages = [
            b"<13>1 - h a p m " + (data or b"-") + (b"" if text is None else b" " + text) for data, text in parts
        ]
        [batch] = batchesOf(messages, COUNTED, ORIGIN)
        stamped = self.messages(*messages)
        removed = [
            each.replace(stamp(number), b"" if data else b"-", 1)
            for number, (each, (data, _)) in enumerate(zip(stamped, parts, strict=True), 1)
        ]
        self.assertEqual(removed, messagesOf(batch))
        for number, (each, before) in enumerate(zip(stamped, removed, strict=True), 1):
            self.assertTrue(each.startswith(b"<13>1 - h a p m " + stamp(number)), before)

    @given(anyMessages)
    @settings(max_examples=100, deadline=None)
    def test_anything(self, messages: list[bytes]) -> None:
        """
        Whatever comes, no message is lost; all but the unparsed ones are stamped, in order, and are otherwise as they
        would be; and another relay of the same name changes nothing in them.
        """
        for batch in batchesOf(messages, COUNTED, ORIGIN):
            [plain] = Converter(Form("rfc5424", COUNTED)).convert(batch, NOW).batches
            first = Converter(Form("rfc5424", COUNTED, stamp=NAME), Numbering(BOOT)).convert(batch, NOW)
            [stamped] = first.batches
            number = 0
            for before, after in zip(messagesOf(plain), messagesOf(stamped), strict=True):
                if before != after:
                    number += 1
                    head, _, tail = after.partition(stamp(number))
                    self.assertIn(before, (head + tail, head + b"-" + tail))
            self.assertEqual(number, stamped.count - first.unparsed)
            again = Converter(Form("rfc5424", COUNTED, stamp=NAME), Numbering("other")).convert(stamped, NOW)
            self.assertEqual((again.batches, again.unparsed), ([stamped], first.unparsed))


class BootTests(SynchronousTestCase):
    """
    The name of a start.
    """

    def test_ordered(self) -> None:
        """
        A later start has the greater name, whatever chance says; at the same time chance decides.
        """
        names = [bootName(now, chance) for now, chance in ((0, 0.9), (NOW, 0.9), (NOW + 0.001, 0.1), (NOW * 100, 0))]
        self.assertEqual(sorted(names), names)
        self.assertNotEqual(bootName(NOW, 0.1), bootName(NOW, 0.2))
        self.assertEqual({len(name) for name in names}, {len(BOOT)})
        self.assertEqual(bootName(0, 1 - 2**-53), "000000000000-ffffffff")
