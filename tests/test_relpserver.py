"""
The server's side of RELP.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import MAX_BATCH
from logrelay.relpframes import MAX_NUMBER, frame
from logrelay.relpserver import MAX_REQUEST, Closing, Event, Messages, Reply, ServerSession

from .relpcases import OPEN, OPENED, chunks, syslogs, taken

#: The longest message that most of these tests allow.
LIMIT = 300


@attrs.frozen
class Outcome:
    """
    What came of a stream.

    :ivar messages: what was taken, each with its number; of empty messages nothing but the number.
    :ivar said: what the session said by itself.
    :ivar end: ``close`` or a part of the error.
    """

    messages: dict[int, bytes]
    said: bytes = OPENED
    end: str = ""
    overlong: int = 0


def outcome(events: list[Event], session: ServerSession) -> Outcome:
    """
    Put together what came.
    """
    messages: dict[int, bytes] = {}
    said, end = b"", ""
    for event in events:
        match event:
            case Messages():
                texts = taken(event)
                numbers = [(event.first + place - 1) % MAX_NUMBER + 1 for place in range(event.count)]
                # Of an event with empty messages it is not told which they are; the tests have them alone or last.
                messages.update(zip(numbers, texts + [b""] * (event.count - event.messages), strict=True))
            case Reply():
                said += event.data
            case Closing():
                end = "close"
    return Outcome(messages, said, str(session.error or end), session.overlong)


X, Y = b"x" * 120, b"y" * 250

#: What comes, and what has to come of it.
STREAMS = (
    (b"", Outcome({}, b"")),
    (OPEN, Outcome({})),
    (frame(1, b"open", b"\nrelp_version=1\ncommands=other,syslog"), Outcome({})),
    (OPEN + syslogs(2, b"one"), Outcome({2: b"one"})),
    (OPEN + syslogs(2, X, Y, b"z", X), Outcome({2: X, 3: Y, 4: b"z", 5: X})),
    (OPEN + syslogs(2, b"a\nb\0c"), Outcome({2: b"a\nb\0c"})),
    (OPEN + syslogs(2, b"a\r\n\0", X + b"\n", b"b"), Outcome({2: b"a", 3: X, 4: b"b"})),
    (OPEN + syslogs(2, b"a", b""), Outcome({2: b"a", 3: b""})),
    (OPEN + syslogs(2, b"\r\n"), Outcome({2: b""})),
    (OPEN + b"2 syslog 0 \n", Outcome({2: b""})),
    (OPEN + b"0002 syslog 001 a\n3 syslog 0120 " + X + b"\n", Outcome({2: b"a", 3: X})),
    (OPEN + syslogs(2, b"x" * 300, b"a"), Outcome({2: b"x" * 300, 3: b"a"})),
    (OPEN + syslogs(2, b"x" * 301, b"a"), Outcome({2: b"x" * 300, 3: b"a"}, overlong=1)),
    (OPEN + syslogs(2, X, b"y" * 5000, X), Outcome({2: X, 3: b"y" * 300, 4: X}, overlong=1)),
    (OPEN + syslogs(2, b"x" * 299 + b"\r\n"), Outcome({2: b"x" * 299}, overlong=1)),
    (OPEN + b"2 close 0\n", Outcome({}, end="close")),
    (OPEN + syslogs(2, X) + b"3 close 0\n", Outcome({2: X}, end="close")),
    (b"1 close 0\n", Outcome({}, b"", end="close")),
    (
        b"1 syslog 1 a\n" + frame(2, b"open", b"commands=syslog") + syslogs(3, b"b"),
        Outcome({3: b"b"}, b"1 rsp 27 500 the session is not open\n2" + OPENED[1:]),
    ),
)

NO_SYSLOG = b"1 rsp 39 500 the client offers no syslog command\n"

#: What must not come, with what comes before it.
WRONG = (
    (b"<13>May  6 07:08:09 here app: line\n", Outcome({}, b"", "no RELP frame: <")),
    (b"\x16\x03\x01", Outcome({}, b"", "no RELP frame")),
    (b"1 open 0\n", Outcome({}, NO_SYSLOG, "no syslog command")),
    (frame(1, b"open", b"commands=starttls"), Outcome({}, NO_SYSLOG, "no syslog command")),
    (frame(2, b"open", b"commands=syslog"), Outcome({}, b"", "number 2 where 1 was due")),
    (frame(0, b"open", b"commands=syslog"), Outcome({}, b"", "number 0 where 1 was due")),
    (b"1 open %d " % (MAX_REQUEST + 1), Outcome({}, b"", "more than it can need")),
    (OPEN + frame(2, b"open", b"commands=syslog"), Outcome({}, end="open while the session is open")),
    (OPEN + syslogs(2, X) + syslogs(4, X), Outcome({2: X}, end="number 4 where 3 was due")),
    (OPEN + syslogs(2, X) + syslogs(2, X), Outcome({2: X}, end="number 2 where 3 was due")),
    (OPEN + syslogs(2, X) + b"3 starttls 0\n", Outcome({2: X}, end="unknown command: starttls")),
    (OPEN + b"2 SYSLOG 1 a\n", Outcome({}, end="unknown command: SYSLOG")),
    (OPEN + b"0 hint 0\n", Outcome({}, end="number 0")),
    (OPEN + b"2 syslog 1 a\r\n", Outcome({}, end="longer than it says")),
    (OPEN + b"2 syslog 120 " + X + b"x\n", Outcome({}, end="longer than it says")),
    (OPEN + b"2 syslog 119 " + X + b"\n", Outcome({}, end="longer than it says")),
    (OPEN + b"2 syslog 121 " + X + b"\n3 syslog 1 a\n", Outcome({}, end="longer than it says")),
    (OPEN + b"2 syslog 400 " + b"x" * 401, Outcome({}, end="longer than it says")),
    (OPEN + b"0000000002 syslog 1 a\n", Outcome({}, end="no RELP frame")),
    (OPEN + b"2 close 0\n3 syslog 1 a\n", Outcome({}, end="syslog while the session is close was said")),
)


class ServerTests(SynchronousTestCase):
    """
    One session.
    """

    def compare(self, got: Outcome, wanted: Outcome, data: object) -> None:
        """
        Errors are compared by a part of them; each is one line.
        """
        self.assertIn(wanted.end, got.end, data)
        self.assertEqual(bool(got.end), bool(wanted.end), (data, got.end))
        self.assertTrue(got.end.isprintable())
        same = attrs.evolve(got, end=wanted.end, overlong=wanted.overlong if got.messages == {} else got.overlong)
        self.assertEqual(same, wanted, data)

    def test_streams(self) -> None:
        """
        What comes becomes messages with numbers, and what comes before an error counts.
        """
        for data, wanted in STREAMS + WRONG:
            session = ServerSession(LIMIT)
            self.compare(outcome(session.receive(data), session), wanted, data)

    def test_cutAnywhere(self) -> None:
        """
        It is the same, however the client's stream is cut: in two at every byte, or into single bytes.
        """
        for data, wanted in STREAMS + WRONG:
            for cuts in [[cut] for cut in range(len(data))] + [[1] * len(data)]:
                session = ServerSession(LIMIT)
                events = [event for chunk in chunks(data, cuts) for event in session.receive(chunk)]
                self.compare(outcome(events, session), wanted, (data, cuts))

    def test_nothingAfterAnError(self) -> None:
        """
        After an error, and after the end, nothing is taken any more; the end is said once.
        """
        wrong = ServerSession(LIMIT)
        wrong.receive(OPEN + b"nonsense")
        ended = ServerSession(LIMIT)
        ended.receive(OPEN)
        self.assertEqual(ended.end(), b"0 serverclose 0\n")
        for session in (wrong, ended):
            self.assertEqual(session.receive(syslogs(2, X)), [])
        self.assertEqual((wrong.end(), ended.end()), (b"0 serverclose 0\n", b""))

    def test_oneEventForARead(self) -> None:
        """
        The messages of one read come together, in pieces that fit a batch.
        """
        session = ServerSession(LIMIT)
        session.receive(OPEN)
        [event] = session.receive(syslogs(2, *[X] * 100))
        self.assertEqual(event, Messages(2, 100, (b"120 " + X) * 100, 100))
        events = session.receive(syslogs(102, *[X] * 2000))
        sizes = [len(each.payload) for each in events if isinstance(each, Messages)]
        self.assertEqual(len(sizes), len(events))
        self.assertTrue(len(sizes) > 2 and max(sizes) <= MAX_BATCH + LIMIT, sizes)

    def test_alone(self) -> None:
        """
        Messages longer than a certain size come in events of their own, with their own numbers.
        """
        session = ServerSession(LIMIT, alone=120)
        session.receive(OPEN)
        events = session.receive(syslogs(2, X, b"", Y, b"z", X + b"\n", Y, Y, X))
        got = [(each.first, each.count, taken(each)) for each in events if isinstance(each, Messages)]
        self.assertEqual(got, [(2, 2, [X]), (4, 1, [Y]), (5, 2, [b"z", X]), (7, 1, [Y]), (8, 1, [Y]), (9, 1, [X])])

    def test_bounded(self) -> None:
        """
        Of a message that never ends not more is kept than one may have.
        """
        session = ServerSession(LIMIT)
        session.receive(OPEN + b"2 syslog 999999999 ")
        for _ in range(1000):
            session.receive(b"x" * 1000)
            self.assertLessEqual(session.held, LIMIT + 1000)
        self.assertLess(session.held, LIMIT + 40)
        self.assertEqual(session.overlong, 1)

    def test_wrap(self) -> None:
        """
        Behind the largest number comes 1.
        """
        session = ServerSession(LIMIT, first=MAX_NUMBER - 2)
        events = session.receive(
            frame(MAX_NUMBER - 2, b"open", b"commands=syslog") + syslogs(MAX_NUMBER - 1, X, X) + syslogs(1, X, X)
        )
        got = [each for each in events if isinstance(each, Messages)]
        self.assertEqual((got, session.error), ([Messages(MAX_NUMBER - 1, 4, (b"120 " + X) * 4, 4)], None))
        said = b"999999998 rsp 6 200 OK\n999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n2 rsp 6 200 OK\n"
        self.assertEqual(session.answer(MAX_NUMBER - 1, 4), said)

    def test_answers(self) -> None:
        """
        Answers have a code and a text.
        """
        session = ServerSession(LIMIT)
        self.assertEqual(session.answer(9, 3), b"9 rsp 6 200 OK\n10 rsp 6 200 OK\n11 rsp 6 200 OK\n")
        self.assertEqual(session.answer(9, 1, 500, "100 % no"), b"9 rsp 12 500 100 % no\n")

    def test_close(self) -> None:
        """
        At the end ``close`` is answered, if it was said.
        """
        session = ServerSession(LIMIT)
        session.receive(OPEN + b"2 close 0\n")
        self.assertEqual(session.end(), b"2 rsp 0\n0 serverclose 0\n")
