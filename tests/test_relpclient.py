"""
The client's side of RELP.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.relpclient import LAST_NUMBER, MAX_ANSWER, Accepted, ClientSession, Ended, Event, Opened, Refused
from logrelay.relpframes import MAX_NUMBER, OFFERS, frame

from .relpcases import OPENED, answers, batched, chunks


def asking(count: int = 5, first: int = 1) -> ClientSession:
    """
    A session that was opened, with so many messages behind it.
    """
    session = ClientSession(first)
    session.open()
    batch = batched([b"message"] * count)
    if batch is not None:
        session.frames(batch.payload, batch.count)
    return session


END = b"0 serverclose 0\n"

#: What the server says to a session with the messages 2 to 6, the events, and what is still without an answer.
SAID: tuple[tuple[bytes, list[Event], int], ...] = (
    (OPENED, [Opened()], 5),
    (b"1 rsp 6 200 OK\n", [Opened()], 5),
    (b"1 rsp 3 200\n", [Opened()], 5),
    (frame(1, b"rsp", b"200 OK\nrelp_version=0"), [Opened()], 5),
    (frame(1, b"rsp", b"200 OK\ncommands=other,syslog"), [Opened()], 5),
    (OPENED + answers(2), [Opened(), Accepted(2, 1)], 4),
    (OPENED + answers(2, 3, 4, 5, 6), [Opened(), Accepted(2, 5)], 0),
    (OPENED + answers(2, 3) + answers(4, text=b"200 fine") + answers(5), [Opened(), Accepted(2, 4)], 1),
    (OPENED + answers(2, 3, text=b"200"), [Opened(), Accepted(2, 2)], 3),
    (OPENED + answers(2, text=b"200 OK\nmore\nlines"), [Opened(), Accepted(2, 1)], 4),
    (OPENED + b"0002 rsp 06 200 OK\n", [Opened(), Accepted(2, 1)], 4),
    (OPENED + answers(6, 4, 2, 3, 5), [Opened(), Accepted(6, 1), Accepted(4, 1), Accepted(2, 2), Accepted(5, 1)], 0),
    (OPENED + answers(3, 4), [Opened(), Accepted(3, 2)], 3),
    (
        OPENED + answers(2) + answers(3, text=b"500 no") + answers(4),
        [Opened(), Accepted(2, 1), Refused(3, 500, "no"), Accepted(4, 1)],
        2,
    ),
    (OPENED + answers(2, text=b"500"), [Opened(), Refused(2, 500, "")], 4),
    (OPENED + answers(2, text=b"451 a\tb\nmore"), [Opened(), Refused(2, 451, "a\\tb")], 4),
    (OPENED + answers(2) + END, [Opened(), Accepted(2, 1), Ended()], 4),
    (END, [Ended()], 5),
    (END + b"nonsense", [Ended()], 5),
)

#: What the server must not say to it, the events before that, and a part of what people are told.
WRONG: tuple[tuple[bytes, list[Event], str], ...] = (
    (b"HTTP/1.1 400", [], "HTTP"),
    (OPENED + b"2 rsp 5 200 OK\n", [Opened()], "longer than it says"),
    (OPENED + b"2 rsp 6 200 OK\r\n", [Opened()], "longer than it says"),
    (OPENED + b"2 rsp 0\n", [Opened()], "without a code"),
    (OPENED + answers(2, text=b"OK"), [Opened()], "without a code: OK"),
    (OPENED + answers(2, text=b"2000 OK"), [Opened()], "without a code"),
    (OPENED + answers(2, 3, 3), [Opened(), Accepted(2, 2)], "an answer to 3"),
    (OPENED + answers(3, 3), [Opened(), Accepted(3, 1)], "an answer to 3"),
    (OPENED + answers(7), [Opened()], "an answer to 7"),
    (OPENED + answers(0), [Opened()], "an answer to 0"),
    (OPENED + answers(2, 3, 4, 5, 6, 7), [Opened(), Accepted(2, 5)], "an answer to 7"),
    (OPENED + OPENED, [Opened()], "the answer to open"),
    (answers(2), [], "an answer to a message"),
    (answers(2, text=b"200 fine"), [], "an answer to a message"),
    (OPENED + b"0 hint 0\n", [Opened()], "hint"),
    (OPENED + b"2 syslog 1 a\n", [Opened()], "syslog"),
    (frame(1, b"rsp", b"500 go\naway"), [], "does not open a session: 500 go"),
    (frame(1, b"rsp", b"200 OK\ncommands=starttls"), [], "no syslog command"),
    (b"1 rsp 0\n", [], "without a code"),
    (OPENED + b"2 rsp %d " % (MAX_ANSWER + 1), [Opened()], "more than anybody needs"),
)


class ClientTests(SynchronousTestCase):
    """
    One session.
    """

    def test_said(self) -> None:
        """
        What the server says becomes events, and answers to consecutive messages become one.
        """
        for data, events, outstanding in SAID:
            session = asking()
            self.assertEqual(session.receive(data), events, data)
            self.assertEqual((session.error, session.outstanding), (None, outstanding), data)

    def test_wrong(self) -> None:
        """
        What makes no sense is an error that is told in one line; what came before counts, what comes after does not.
        """
        for data, events, told in WRONG:
            session = asking()
            self.assertEqual(session.receive(data), events, data)
            self.assertIn(told, str(session.error), data)
            self.assertTrue(str(session.error).isprintable(), data)
            self.assertEqual(session.receive(answers(2)), [])

    def test_cutAnywhere(self) -> None:
        """
        It is the same, however the server's stream is cut: in two at every byte, or into single bytes.
        """
        for data, _, _ in (*SAID, *WRONG):
            once = asking()
            expected = spread(once.receive(data))
            for cuts in [[cut] for cut in range(len(data))] + [[1] * len(data)]:
                session = asking()
                events = [event for chunk in chunks(data, cuts) for event in session.receive(chunk)]
                self.assertEqual(spread(events), expected, (data, cuts))
                # Of nonsense it is told what had come of it.
                self.assertEqual(kind(session), kind(once), (data, cuts))

    def test_bytes(self) -> None:
        """
        What the session says, byte for byte.
        """
        session = ClientSession()
        self.assertEqual(session.open(), b"1 open %d %b\n" % (len(OFFERS), OFFERS))
        batch = batched([b"one", b"two\nlines", b"x" * 120, b"y" * 1200])
        assert batch is not None
        long = b"4 syslog 120 %b\n5 syslog 1200 %b\n" % (b"x" * 120, b"y" * 1200)
        said = session.frames(batch.payload, batch.count)
        self.assertEqual(said, b"2 syslog 3 one\n3 syslog 9 two\nlines\n" + long)
        self.assertEqual((session.number, session.outstanding), (6, 4))
        self.assertEqual(session.close(), b"6 close 0\n")

    def test_close(self) -> None:
        """
        After ``close`` what is out is still answered, and then the session has ended.
        """
        for end in (b"7 rsp 0\n0 serverclose 0\n", b"0 serverclose 0\n", b"7 rsp 6 200 OK\n8 rsp 6 200 OK\n"):
            session = asking()
            session.close()
            events = session.receive(OPENED + answers(2, 3, 4, 5, 6) + end)
            self.assertEqual((events, session.error), ([Opened(), Accepted(2, 5), Ended()], None), end)

    def test_manyAnswers(self) -> None:
        """
        Thousands of answers in one read are one event.
        """
        session = asking(5000)
        said = OPENED + answers(*range(2, 5002))
        self.assertEqual(session.receive(said), [Opened(), Accepted(2, 5000)])

    def test_longAnswer(self) -> None:
        """
        The longest answer is taken, byte by byte too.
        """
        session = asking()
        data = OPENED + answers(2, text=b"200 OK\n" + b"x" * (MAX_ANSWER - 7))
        events = [event for chunk in chunks(data, [1] * len(data)) for event in session.receive(chunk)]
        self.assertEqual((events, session.error), ([Opened(), Accepted(2, 1)], None))

    def test_numbersEnd(self) -> None:
        """
        The numbers end before they have ten digits, and one is left for ``close``.
        """
        session = ClientSession(LAST_NUMBER - 2)
        session.open()
        self.assertEqual((session.room, session.exhausted), (2, False))
        batch = batched([b"one", b"two"])
        assert batch is not None
        self.assertEqual(session.frames(batch.payload, 2), b"999999997 syslog 3 one\n999999998 syslog 3 two\n")
        self.assertEqual((session.room, session.exhausted), (0, True))
        self.assertEqual(session.close(), b"%d close 0\n" % MAX_NUMBER)
        said = frame(LAST_NUMBER - 2, b"rsp", b"200 OK") + answers(LAST_NUMBER - 1, LAST_NUMBER)
        events = session.receive(said + b"999999999 rsp 0\n0 serverclose 0\n")
        self.assertEqual((events, session.error), ([Opened(), Accepted(LAST_NUMBER - 1, 2), Ended()], None))

    def test_ourOwnMistakes(self) -> None:
        """
        A program that says what it may not say has a bug.
        """
        closed, ended = asking(), asking()
        closed.close()
        ended.receive(END)
        for wrong in (
            asking().open,
            closed.close,
            lambda: closed.frames(b"1 a", 1),
            ended.close,
            ClientSession().close,
        ):
            self.assertRaises(AssertionError, wrong)
        self.assertRaises(AssertionError, ClientSession().frames, b"1 a", 1)
        self.assertRaises(AssertionError, asking(0, LAST_NUMBER).frames, b"1 a", 1)


def kind(session: ClientSession) -> str:
    """
    What is wrong, without what was read.
    """
    return str(session.error).partition(":")[0]


def spread(events: list[Event]) -> list[Event]:
    """
    Events with one for each message, as they are if each answer comes by itself.
    """
    spread: list[Event] = []
    for event in events:
        if isinstance(event, Accepted):
            spread += [Accepted(number, 1) for number in range(event.first, event.first + event.count)]
        else:
            spread.append(event)
    return spread
