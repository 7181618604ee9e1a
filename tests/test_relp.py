"""
RELP: the tables of its dialogue, its frames, and the two sides of a session with each other.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.encoding import messagesOf
from logrelay.errors import RelpError
from logrelay.relp import CLIENT, SERVER, State, Step
from logrelay.relpclient import Accepted, ClientSession, Ended, Opened
from logrelay.relpframes import MAX_NUMBER, Remainder, frame, headerAt, offersIn, shown
from logrelay.relpserver import Closing, Messages, Reply, ServerSession

from .relpcases import batched, chunks, taken

#: The dialogue as it is on the wire, from beginning to end, and what each side's states are behind each step: the
#: server reads a step of the client's later than that says it, and the client a step of the server's.
DIALOGUES = (
    ((Step.OPEN, State.OPENING, State.OPEN), (Step.OPENED, State.OPEN, State.OPEN)),
    ((Step.SYSLOG, State.OPEN, State.OPEN), (Step.ANSWERED, State.OPEN, State.OPEN)),
    ((Step.CLOSE, State.CLOSING, State.CLOSING), (Step.ANSWERED, State.CLOSING, State.CLOSING)),
    ((Step.SERVERCLOSE, State.ENDED, State.ENDED),),
)

#: What each side may go on with, in the order of the steps.
MAY = {
    "client": {
        State.NEW: {Step.OPEN},
        State.OPENING: {Step.SYSLOG, Step.CLOSE, Step.OPENED, Step.SERVERCLOSE},
        State.OPEN: {Step.SYSLOG, Step.CLOSE, Step.ANSWERED, Step.SERVERCLOSE},
        State.CLOSING: {Step.OPENED, Step.ANSWERED, Step.CLOSED, Step.SERVERCLOSE},
        State.ENDED: set(),
    },
    "server": {
        State.NEW: {Step.OPEN, Step.SYSLOG, Step.CLOSE, Step.SERVERCLOSE},
        State.OPEN: {Step.SYSLOG, Step.CLOSE, Step.ANSWERED, Step.SERVERCLOSE},
        State.CLOSING: {Step.ANSWERED, Step.SERVERCLOSE},
        State.ENDED: set(),
    },
}


class DialogueTests(SynchronousTestCase):
    """
    The tables.
    """

    def test_allAreThere(self) -> None:
        """
        Each table has every state that it leads to, and from each of them another way out than to go on for ever.
        """
        for table in (CLIENT, SERVER):
            leads = {state for steps in table.values() for state in steps.values()}
            self.assertEqual(leads | {State.NEW}, set(table))
            for state, steps in table.items():
                self.assertEqual(bool(set(steps.values()) - {state}), state is not State.ENDED)

    def test_whatMayBe(self) -> None:
        """
        From each state there are these steps, and no others.
        """
        for name, table in (("client", CLIENT), ("server", SERVER)):
            self.assertEqual({state: set(steps) for state, steps in table.items()}, MAY[name])

    def test_dialogue(self) -> None:
        """
        A whole session goes through both tables.
        """
        client = server = State.NEW
        for step, clientState, serverState in (each for part in DIALOGUES for each in part):
            client = CLIENT[client][step]
            if step is not Step.OPENED:  # To the server this is one thing with OPEN.
                server = SERVER[server][step]
            self.assertEqual((client, server), (clientState, serverState), step)


#: A frame's bytes, and its number, command and data.
FRAMES = (
    (b"1 open 0\n", (1, b"open", b"")),
    (b"3 rsp 0\n", (3, b"rsp", b"")),
    (b"0 serverclose 0\n", (0, b"serverclose", b"")),
    (b"2 syslog 5 hello\n", (2, b"syslog", b"hello")),
    (b"2 syslog 3 \n\0\n\n", (2, b"syslog", b"\n\0\n")),
    (b"002 syslog 05 hello\n", (2, b"syslog", b"hello")),
    (b"2 syslog 0 \n", (2, b"syslog", b"")),
    (b"999999999 rsp 6 200 OK\n", (MAX_NUMBER, b"rsp", b"200 OK")),
)

#: What is no header, and becomes none however it goes on.
BAD = (
    b"x", b" ", b"\n", b"-", b"1\n", b"1\t", b"1  ", b"1 1", b"1 op3", b"1 open\n", b"1 open x", b"1 open  ",
    b"1 open -", b"1 open 1x", b"1 open 3\n", b"1 open 0\r", b"1000000000", b"1 open 1000000000", b"1 " + b"x" * 33,
)  # fmt: skip


class FrameTests(SynchronousTestCase):
    """
    Frames.
    """

    def test_both(self) -> None:
        """
        What is read is what was written; frames in another notation mean the same.
        """
        for written, (number, command, data) in FRAMES:
            header = headerAt(b"###" + written, 3)
            assert header is not None
            self.assertEqual((header.number, header.command), (number, command))
            self.assertEqual((b"###" + written)[header.start : header.end], data)
            self.assertEqual(header.end, 3 + len(written) - 1)
            again = headerAt(frame(number, command, data), 0)
            assert again is not None
            self.assertEqual((again.number, again.command, again.end - again.start), (number, command, len(data)))

    def test_unfinished(self) -> None:
        """
        A header that is cut anywhere is none yet, and no error.
        """
        for written, (_, _, data) in FRAMES:
            head = written[: len(written) - len(data) - 1]
            for end in range(len(head)):
                self.assertIsNone(headerAt(head[:end], 0), head[:end])

    def test_bad(self) -> None:
        """
        What can't become a header is an error, of one line, as soon as that is certain.
        """
        for data in BAD:
            error = self.assertRaises(RelpError, headerAt, data, 0)
            self.assertTrue(str(error).isprintable(), str(error))
            self.assertIsNone(headerAt(data[:-1], 0), data)

    def test_shown(self) -> None:
        """
        What a peer says is shown as one line, and not more than that.
        """
        self.assertEqual(shown(b"a\nb\0\xff"), "a\\nb\\x00�")
        self.assertEqual(len(shown(b"x" * 1000)), 80)

    def test_offers(self) -> None:
        """
        Offers are lines of a name and values.
        """
        self.assertEqual(offersIn(b"\na=1,2\nb\nc="), {b"a": [b"1", b"2"], b"b": [b""], b"c": [b""]})

    def test_remainder(self) -> None:
        """
        What is kept is looked at again when enough has come, and not before.
        """
        kept = Remainder()
        kept.keep(b"12", missing=3)
        self.assertEqual([kept.join(b"3"), kept.join(b"4"), len(kept)], [b"", b"", 4])
        self.assertEqual([kept.join(b"56"), len(kept), kept.join(b"7")], [b"123456", 0, b"7"])


class SessionsTests(SynchronousTestCase):
    """
    The two sides with each other.
    """

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.lists(st.binary(max_size=150), max_size=20), max_size=5),
        st.lists(st.integers(1, 200), max_size=30),
        st.lists(st.integers(1, 40), max_size=30),
        st.sampled_from((1, MAX_NUMBER - 150)),
    )
    def test_anyChunks(self, reads: list[list[bytes]], there: list[int], back: list[int], first: int) -> None:
        """
        However both streams are cut, each message arrives once and in order, is answered once, and both see the end.
        """
        client, server = ClientSession(first), ServerSession(1000, first=first)
        sent, said = [], client.open()
        for read in reads:
            batch = batched(read)
            if batch is not None:
                sent += messagesOf(batch)
                said += client.frames(batch.payload, batch.count)
        said += client.close()
        got, answers = [], b""
        for chunk in chunks(said, there):
            for event in server.receive(chunk):
                match event:
                    case Messages():
                        got += taken(event)
                        answers += server.answer(event.first, event.count)
                    case Reply():
                        answers += event.data
                    case Closing():
                        answers += server.end()
        events = [event for chunk in chunks(answers, back) for event in client.receive(chunk)]
        self.assertEqual((got, server.error, client.error), (sent, None, None))
        self.assertEqual((events[0], events[-1]), (Opened(), Ended()))
        accepted = [event for event in events[1:-1] if isinstance(event, Accepted)]
        self.assertEqual(len(accepted), len(events) - 2)
        numbers = [number for each in accepted for number in range(each.first, each.first + each.count)]
        self.assertEqual(numbers, list(range(first + 1, first + 1 + len(sent))))
        self.assertEqual(client.outstanding, 0)


#: What a RELP stream is made of, and what it is not.
WILD = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"1 open 0\n",
                b"1 open 38 relp_version=0\ncommands=syslog\nx=yzabcdefg\n",
                b"2 syslog 3 abc\n",
                b"3 syslog 0\n",
                b"0 serverclose 0\n",
                b"1 rsp 6 200 OK\n",
                b"2 rsp 6 200 OK\n",
                b"2 rsp 3 500\n",
                b"2 close 0\n",
                b"999999999 syslog 1 x\n",
                b"1 syslog 999999999 ",
                b"1 ",
                b" ",
                b"\n",
            ]
        ),
        st.builds(
            frame, st.integers(0, 5), st.sampled_from([b"open", b"syslog", b"close", b"rsp"]), st.binary(max_size=300)
        ),
        st.binary(max_size=20),
    ),
    max_size=20,
)


class WildTests(SynchronousTestCase):
    """
    Peers that make no sense.
    """

    @settings(max_examples=100, deadline=None)
    @given(WILD, st.lists(st.integers(1, 60), max_size=30))
    def test_server(self, parts: list[bytes], lengths: list[int]) -> None:
        """
        Whatever a client says, nothing raises, no more is kept than a message, and it does not matter where it is cut.
        """
        outcomes = []
        for sizes in ([], lengths):
            session = ServerSession(100)
            got: list[bytes] = []
            others: list[object] = []
            for chunk in chunks(b"".join(parts), sizes):
                for event in session.receive(chunk):
                    if isinstance(event, Messages):
                        got += taken(event)
                        session.answer(event.first, event.count)
                    else:
                        others.append(event)
                self.assertLessEqual(session.held, 100 + 60)
            outcomes.append((got, others, session.error is None))
        self.assertEqual(outcomes[0], outcomes[1])

    @settings(max_examples=100, deadline=None)
    @given(WILD, st.lists(st.integers(1, 60), max_size=30))
    def test_client(self, parts: list[bytes], lengths: list[int]) -> None:
        """
        Whatever a server says, nothing raises, nothing is accepted that was not sent, and where it is cut does not
        matter.
        """
        outcomes = []
        batch = batched([b"one", b"two", b"three"])
        assert batch is not None
        for sizes in ([], lengths):
            session = ClientSession(1)
            session.open()
            session.frames(batch.payload, batch.count)
            accepted: list[int] = []
            others: list[str] = []
            for chunk in chunks(b"".join(parts), sizes):
                for event in session.receive(chunk):
                    if isinstance(event, Accepted):
                        accepted += range(event.first, event.first + event.count)
                    else:
                        others.append(repr(event))
            self.assertLessEqual(set(accepted), {2, 3, 4})
            self.assertEqual(len(accepted), len(set(accepted)))
            outcomes.append((sorted(accepted), others, session.error is None))
        self.assertEqual(outcomes[0], outcomes[1])
