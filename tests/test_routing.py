"""
Routes: one batch, converted once for each form, in every store that wants it.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.batches import Batch, Framing, Origin
from logrelay.counters import SourceCounters
from logrelay.encoding import messagesOf
from logrelay.formats import GROWTH, Form
from logrelay.routing import IRoute, Route, Tally
from logrelay.stamping import Numbering
from logrelay.store import Accepted, Secured

ORIGIN = Origin("tcp:5140", b"192.0.2.7")
COUNTED = Form("rfc5424", Framing.OCTET_COUNTING)

#: 2026-11-22 08:00:00 UTC
NOW = 1795334400.0


@attrs.define(eq=False)
class KeptTaker:
    """
    A destination that keeps what it is given, and answers when it is told to.
    """

    form: Form
    batches: list[Batch] = attrs.field(factory=list)
    answers: list[Accepted | None] = attrs.field(factory=list)
    securing: list[Secured | None] = attrs.field(factory=list)
    short: list[tuple[int, int]] = attrs.field(factory=list)
    held: int = 0

    def append(self, batch: Batch, accepted: Accepted | None = None, secured: Secured | None = None) -> None:
        """
        Keep it.
        """
        self.batches.append(batch)
        self.answers.append(accepted)
        self.securing.append(secured)

    def shortened(self, batch: Batch, truncated: int, oversize: int) -> None:
        """
        Keep the numbers.
        """
        self.short.append((truncated, oversize))

    def hold(self, delta: int) -> None:
        """
        Keep account.
        """
        self.held += delta

    def secure(self, place: int) -> None:
        """
        Say that a batch is safe.
        """
        secured = self.securing[place]
        assert secured is not None
        secured()

    def answer(self, place: int, taken: bool) -> None:
        """
        Say whether a batch was taken.
        """
        accepted = self.answers[place]
        assert accepted is not None
        accepted(taken)


def lines(*messages: bytes) -> Batch:
    """
    A batch as a source of lines brings it.
    """
    return Batch(b"".join(message + b"\n" for message in messages), len(messages), Framing.LF, ORIGIN)


class RouteCase(SynchronousTestCase):
    """
    Routes to destinations that keep what they get.
    """

    def setUp(self) -> None:
        self.counters = SourceCounters()
        self.numbering = Numbering("boot")
        self.answers: list[bool] = []

    def route(self, *takers: KeptTaker) -> Route:
        """
        A route to some destinations.
        """
        return Route(takers, self.counters, lambda: NOW, self.numbering)


class RouteTests(RouteCase):
    """
    From a source to its destinations.
    """

    def test_interface(self) -> None:
        """
        It is a route.
        """
        verifyObject(IRoute, self.route())

    def test_convertedOnce(self) -> None:
        """
        Destinations that want the same form get the very same batch; another form is another batch.
        """
        one, two = KeptTaker(COUNTED), KeptTaker(attrs.evolve(COUNTED))
        other = KeptTaker(Form("rfc3164", Framing.LF))
        self.route(one, other, two).deliver(lines(b"<13>1 - h a - - - one", b"two"))
        self.assertEqual(len(one.batches), 1)
        self.assertIs(one.batches[0], two.batches[0])
        self.assertEqual([len(messagesOf(each.batches[0])) for each in (one, other)], [2, 2])
        self.assertEqual(messagesOf(one.batches[0])[0], b"<13>1 - h a - - - one")
        self.assertTrue(messagesOf(other.batches[0])[0].startswith(b"<13>Nov 22 "))

    def test_unchanged(self) -> None:
        """
        What is already in the form wanted is not even copied.
        """
        taker = KeptTaker(Form("as-is", Framing.LF))
        batch = lines(b"one")
        self.route(taker).deliver(batch)
        self.assertIs(taker.batches[0], batch)

    def test_unparsedIsCountedOnce(self) -> None:
        """
        A message that no form can make sense of is one unparsed message, however many forms are wanted.
        """
        self.route(KeptTaker(COUNTED), KeptTaker(Form("rfc3164", Framing.LF))).deliver(lines(b"<999>x", b"fine"))
        self.assertEqual(self.counters.unparsed, 1)

    def test_accepted(self) -> None:
        """
        A batch is accepted when every store has said so, and then only once.
        """
        takers = [KeptTaker(COUNTED), KeptTaker(COUNTED), KeptTaker(Form("as-is", Framing.LF))]
        self.route(*takers).deliver(lines(b"one"), self.answers.append)
        for taker in takers:
            self.assertEqual(self.answers, [])
            taker.answer(0, True)
        self.assertEqual(self.answers, [True])

    def test_acceptedInParts(self) -> None:
        """
        A batch that conversion has made too large for one is accepted when all its parts are.
        """
        taker = KeptTaker(COUNTED)
        self.route(taker).deliver(lines(*[b"x" * 100] * 500), self.answers.append)
        self.assertEqual(len(taker.batches), 2)
        taker.answer(1, True)
        taker.answer(0, False)
        self.assertEqual(self.answers, [False])

    def test_notAccepted(self) -> None:
        """
        One destination that drops it is enough for a batch not to be accepted; the others have it all the same.
        """
        takers = [KeptTaker(COUNTED), KeptTaker(COUNTED)]
        self.route(*takers).deliver(lines(b"one"), self.answers.append)
        takers[0].answer(0, False)
        takers[1].answer(0, True)
        self.assertEqual(self.answers, [False])
        self.assertEqual(len(takers[1].batches), 1)

    def test_nowhere(self) -> None:
        """
        A route without destinations accepts everything.
        """
        self.route().deliver(lines(b"one"), self.answers.append)
        self.assertEqual(self.answers, [True])

    def test_oversize(self) -> None:
        """
        Each destination is told how many messages were cut or given up for its own limit; given up is not accepted.
        """
        cutting = KeptTaker(Form("as-is", Framing.LF, 3))
        dropping = KeptTaker(Form("as-is", Framing.LF, 3, "drop"))
        roomy = KeptTaker(Form("as-is", Framing.LF))
        batch = lines(b"1234", b"12")
        self.route(cutting).deliver(batch, self.answers.append)
        cutting.answer(0, True)
        self.route(cutting, dropping, roomy).deliver(batch, self.answers.append)
        for taker in (cutting, dropping, roomy):
            taker.answer(-1, True)
        self.assertEqual(self.answers, [True, False])
        self.assertEqual([each.short for each in (cutting, dropping, roomy)], [[(1, 0)] * 2, [(0, 1)], []])
        payloads = [each.batches[-1].payload for each in (cutting, dropping, roomy)]
        self.assertEqual(payloads, [b"123\n12\n", b"12\n", batch.payload])

    def test_nothingIsLeft(self) -> None:
        """
        A batch whose every message is given up is answered all the same.
        """
        taker = KeptTaker(Form("as-is", Framing.LF, 3, "drop"))
        self.route(taker).deliver(lines(b"1234"), self.answers.append)
        self.assertEqual((taker.batches, self.answers), ([], [False]))

    def test_nobodyAsks(self) -> None:
        """
        Where nobody wants to know whether a batch was accepted, stores are not asked.
        """
        taker = KeptTaker(COUNTED)
        self.route(taker).deliver(lines(b"one"))
        self.assertEqual(taker.answers, [None])

    def test_hold(self) -> None:
        """
        What decoders keep is counted in every store.
        """
        takers = [KeptTaker(COUNTED), KeptTaker(Form("as-is", Framing.LF))]
        route = self.route(*takers)
        route.hold(10)
        route.hold(-3)
        self.assertEqual([taker.held for taker in takers], [7, 7])


class LeadTests(RouteCase):
    """
    A route that leads elsewhere from now on.
    """

    def test_elsewhere(self) -> None:
        """
        What comes goes to the new destinations, in the forms that they want.
        """
        one, two, three = KeptTaker(COUNTED), KeptTaker(COUNTED), KeptTaker(Form("as-is", Framing.LF))
        route = self.route(one, two)
        route.deliver(lines(b"<13>1 - h a - - - one"))
        route.lead([two, three])
        route.deliver(lines(b"<13>1 - h a - - - two"))
        self.assertEqual([len(each.batches) for each in (one, two, three)], [1, 2, 1])
        self.assertIs(three.batches[0].framing, Framing.LF)

    def test_anotherForm(self) -> None:
        """
        A destination that wants another form now gets that.
        """
        taker = KeptTaker(COUNTED)
        route = self.route(taker)
        taker.form = Form("as-is", Framing.LF, 2000)
        route.lead([taker])
        route.deliver(lines(b"one"))
        self.assertEqual((taker.batches[0].payload, route.certain), (b"one\n", 2000 - GROWTH))

    def test_answers(self) -> None:
        """
        Who waits for an answer gets it from those that the batch was delivered to, neither earlier nor twice.
        """
        one, two, three = (KeptTaker(COUNTED) for _ in range(3))
        route = self.route(one, two)
        route.deliver(lines(b"one"), self.answers.append)
        route.lead([three])
        one.answer(0, True)
        self.assertEqual(self.answers, [])
        two.answer(0, True)
        self.assertEqual(self.answers, [True])

    def test_kept(self) -> None:
        """
        It is told by how much what decoders keep has changed, for whom.
        """
        one, two, three = (KeptTaker(COUNTED) for _ in range(3))
        route = self.route(one, two)
        route.hold(10)
        route.hold(-3)
        self.assertEqual(list(route.lead([two, three])), [(one, -7), (three, 7)])
        self.assertEqual(list(route.lead([two, three])), [])
        route.hold(1)
        self.assertEqual([one.held, two.held, three.held], [7, 8, 1])


class SecuredTests(SynchronousTestCase):
    """
    When a batch is safe at every destination.
    """

    def setUp(self) -> None:
        self.secured: list[str] = []

    def deliver(self, *takers: KeptTaker, batch: Batch | None = None) -> None:
        """
        Deliver a batch, and note when it is secured.
        """
        clock = lambda: NOW  # noqa: E731
        route = Route(takers, SourceCounters(), clock, Numbering("boot"))
        route.deliver(batch or lines(b"one"), None, lambda: self.secured.append("secured"))

    def test_all(self) -> None:
        """
        The last destination counts, whatever form it wants.
        """
        takers = [KeptTaker(COUNTED), KeptTaker(Form("as-is", Framing.LF))]
        self.deliver(*takers)
        for taker in takers:
            self.assertEqual(self.secured, [])
            taker.secure(0)
        self.assertEqual(self.secured, ["secured"])

    def test_parts(self) -> None:
        """
        All parts of a batch count that conversion has made too large for one.
        """
        taker = KeptTaker(COUNTED)
        self.deliver(taker, batch=lines(*[b"x" * 100] * 500))
        taker.secure(1)
        self.assertEqual(self.secured, [])
        taker.secure(0)
        self.assertEqual(self.secured, ["secured"])

    def test_nothingLeft(self) -> None:
        """
        A batch of which nothing is left to store is safe at once.
        """
        self.deliver(KeptTaker(Form("as-is", Framing.LF, 480, "drop")), batch=lines(b"x" * 500))
        self.assertEqual(self.secured, ["secured"])


class TallyTests(SynchronousTestCase):
    """
    Waiting for several answers.
    """

    def test_answersBeforeTheEnd(self) -> None:
        """
        Stores that answer at once do not make it seem that all parts are there.
        """
        answers: list[bool] = []
        tally = Tally(answers.append)
        for _ in range(2):
            accepted = tally.expected()
            assert accepted is not None
            accepted(True)
            self.assertEqual(answers, [])
        tally.close()
        self.assertEqual(answers, [True])

    def test_nobodyAsks(self) -> None:
        """
        Without anybody to tell there is nothing to answer.
        """
        tally = Tally(None)
        self.assertIsNone(tally.expected())
        tally.close()
