"""
Tests for :mod:`logrelay.rotation`: tables of what happened, and which server is next and when.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import FailbackSettings
from logrelay.rotation import Rotation, When

NOW, DELAY, ROUND = When.NOW, When.AFTER_DELAY, When.AFTER_ROUND

#: An interval that makes times easy to read: two of them are 20 seconds.
FAILBACK = FailbackSettings(tcpProbeInterval=10, successfulProbesRequired=3)

#: One row: what happened to the server in use, the server that is next, and when; ``None`` where nothing is to be done.
Row = tuple[str, int, When | None]

#: Every reason for which a proved connection may end (spec 1.6), but ``eof`` and ``reset``.
OTHER_REASONS = ("ack-timeout", "stalled", "keepalive", "unreachable", "tls-alert", "protocol")


def happens(rotation: Rotation, what: str, now: float) -> When | None:
    """
    Let one thing happen: ``failed``, ``connected``, ``proved``, or the reason for which a proved connection ended.
    """
    match what:
        case "failed":
            return rotation.attemptFailed(now, "refused")
        case "connected":
            rotation.connected(now)
        case "proved":
            rotation.proved()
        case reason:
            return rotation.connectionLost(reason, now)
    return None


class FailoverTests(SynchronousTestCase):
    """
    Spec 1.1 to 1.3: the order of the servers, and the waits between them.
    """

    def check(self, count: int, *rows: Row) -> None:
        """
        Let things happen to ``count`` servers, one a second, from the start.
        """
        rotation = Rotation(count)
        self.assertEqual(rotation.current, 0)
        for number, (what, server, when) in enumerate(rows):
            answer = happens(rotation, what, float(number))
            self.assertEqual((number, what, rotation.current, answer), (number, what, server, when))

    def test_failedAttemptsGoThroughTheList(self) -> None:
        """
        A failed attempt is followed by the next server after ``failover-delay``; after a whole round there is the
        growing wait, and then the primary again.
        """
        self.check(
            3,
            ("failed", 1, DELAY),
            ("failed", 2, DELAY),
            ("failed", 0, ROUND),
            ("failed", 1, DELAY),
            ("failed", 2, DELAY),
            ("failed", 0, ROUND),
        )

    def test_loneServer(self) -> None:
        """
        A lone server is tried again and again; each attempt is a round.
        """
        self.check(1, ("failed", 0, ROUND), ("failed", 0, ROUND), ("connected", 0, None), ("failed", 0, ROUND))

    def test_loneServerGetsASecondTry(self) -> None:
        """
        A lone server that was proved is tried again at once, whatever ended its connection; the wait comes after that.
        """
        for reason in ("eof", "reset", *OTHER_REASONS):
            self.check(1, ("connected", 0, None), ("proved", 0, None), (reason, 0, NOW), ("failed", 0, ROUND))

    def test_secondTry(self) -> None:
        """
        When a proved connection ends by ``eof`` or ``reset`` the same server gets one immediate attempt, which counts
        in the round, and then the next server is tried.
        """
        for reason in ("eof", "reset"):
            self.check(
                3,
                ("connected", 0, None),
                ("proved", 0, None),
                (reason, 0, NOW),
                ("failed", 1, DELAY),
                ("failed", 2, DELAY),
                ("failed", 0, ROUND),
            )

    def test_secondTryConnects(self) -> None:
        """
        A second try that connects, and ends before it is proved, has failed like any other; one that is proved has
        earned its server another second try.
        """
        self.check(2, ("proved", 0, None), ("eof", 0, NOW), ("connected", 0, None), ("failed", 1, DELAY))
        self.check(
            2, ("proved", 0, None), ("eof", 0, NOW), ("connected", 0, None), ("proved", 0, None), ("eof", 0, NOW)
        )

    def test_otherEndsGoOn(self) -> None:
        """
        When a proved connection ends for any other reason the next server is tried at once, and the end does not count
        as a failed attempt: the round that follows has as many as there are servers.
        """
        for reason in OTHER_REASONS:
            self.check(
                3,
                ("connected", 0, None),
                ("proved", 0, None),
                (reason, 1, NOW),
                ("failed", 2, DELAY),
                ("failed", 0, DELAY),
                ("failed", 1, ROUND),
            )

    def test_afterTheLastComesThePrimary(self) -> None:
        """
        The list wraps, also from a connection that worked: when all failovers are down the primary is tried.
        """
        self.check(2, ("failed", 1, DELAY), ("proved", 1, None), ("ack-timeout", 0, NOW), ("failed", 1, DELAY))
        self.check(2, ("failed", 1, DELAY), ("proved", 1, None), ("eof", 1, NOW), ("failed", 0, DELAY))

    def test_connectingIsNoProof(self) -> None:
        """
        A bare connect does not interrupt a run of failures: servers that accept and close make a round.
        """
        self.check(
            2,
            ("connected", 0, None),
            ("failed", 1, DELAY),
            ("connected", 1, None),
            ("failed", 0, ROUND),
        )

    def test_proofEndsTheRound(self) -> None:
        """
        A proved connection does: failures are counted from its end.
        """
        self.check(
            3,
            ("failed", 1, DELAY),
            ("failed", 2, DELAY),
            ("connected", 2, None),
            ("proved", 2, None),
            ("eof", 2, NOW),
            ("failed", 0, DELAY),
            ("failed", 1, DELAY),
            ("failed", 2, ROUND),
        )

    def test_proofEndsTheRoundByItself(self) -> None:
        """
        They are counted from the proof, too, when we ended the connection, as a checkpoint does.
        """
        self.check(3, ("failed", 1, DELAY), ("failed", 2, DELAY), ("proved", 2, None), ("failed", 0, DELAY))

    @given(
        st.integers(1, 5),
        st.lists(st.sampled_from(["failed", "connected", "proved", "eof", "stalled"]), min_size=30, max_size=60),
    )
    @settings(max_examples=60, deadline=None)
    def test_roundsAreWhole(self, count: int, events: list[str]) -> None:
        """
        Whatever happens, a wait comes exactly after as many failures in a row as there are servers, and each server
        had one of them.
        """
        rotation = Rotation(count)
        failed: list[int] = []
        for number, what in enumerate(events):
            tried = rotation.current
            answer = happens(rotation, what, float(number))
            self.assertIn(rotation.current, range(count))
            if what == "failed":
                failed.append(tried)
                self.assertEqual(answer, ROUND if len(failed) == count else DELAY)
            if len(failed) == count:
                self.assertEqual(sorted(failed), list(range(count)))
            if len(failed) == count or what in ("proved", "eof", "stalled"):
                failed = []


class PatienceTests(SynchronousTestCase):
    """
    Spec 1.6: slow servers everywhere must not cause a storm.
    """

    def test_doublesAfterARound(self) -> None:
        """
        When a whole round ended ``stalled`` the stall time doubles, up to 16 times.
        """
        rotation = Rotation(2)
        patience = []
        for _ in range(12):
            rotation.attemptFailed(0, "stalled")
            patience.append(rotation.patience)
        self.assertEqual(patience, [1, 2, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16])

    def test_countsConnectionsThatWereUpForLong(self) -> None:
        """
        A connection may be proved by its age alone and then stall: it counts, too.
        """
        rotation = Rotation(2)
        rotation.proved()
        rotation.connectionLost("stalled", 70)
        rotation.attemptFailed(130, "stalled")
        self.assertEqual(rotation.patience, 2)

    def test_otherReasonsInterrupt(self) -> None:
        """
        A round in which one server failed for another reason is not one.
        """
        rotation = Rotation(2)
        for reason in ("stalled", "refused", "stalled", "eof", "stalled"):
            rotation.attemptFailed(0, reason)
        self.assertEqual(rotation.patience, 1)

    def test_endsWhenSomethingSettles(self) -> None:
        """
        The configured stall time holds again when something settles, and counting starts over.
        """
        rotation = Rotation(2)
        for _ in range(3):
            rotation.attemptFailed(0, "stalled")
        self.assertEqual(rotation.patience, 2)
        rotation.settled()
        self.assertEqual(rotation.patience, 1)
        rotation.attemptFailed(0, "stalled")
        self.assertEqual(rotation.patience, 1)


class ProbeTests(SynchronousTestCase):
    """
    Spec 1.4: when the primary is probed, and how probes are counted.
    """

    def onFailover(self, now: float, count: int = 3) -> Rotation:
        """
        A rotation whose first failover was connected just now.
        """
        rotation = Rotation(count, FAILBACK)
        rotation.attemptFailed(now, "refused")
        rotation.connected(now)
        return rotation

    def probe(self, rotation: Rotation, now: float, good: bool = True) -> tuple[bool, bool]:
        """
        Make one probe.

        :return: whether it was to be the last one, and whether it was enough.
        """
        last = rotation.probeStarted(now)
        if good:
            return last, rotation.probeSucceeded()
        rotation.probeFailed()
        return last, False

    def test_withoutFailback(self) -> None:
        """
        Without failback the relay stays on a working failover and probes nothing.
        """
        rotation = Rotation(2)
        rotation.attemptFailed(0, "refused")
        rotation.connected(0)
        self.assertEqual((rotation.probeDue(), rotation.required, rotation.current), (None, 0, 1))

    def test_notOnThePrimary(self) -> None:
        """
        The primary in use is not probed, and a lone server never is.
        """
        for count in (1, 2):
            rotation = Rotation(count, FAILBACK)
            self.assertIsNone(rotation.probeDue())
            rotation.connected(0)
            self.assertIsNone(rotation.probeDue())

    def test_notBeforeAFailoverIsConnected(self) -> None:
        """
        Nothing is probed while no failover has been connected since the primary was left.
        """
        rotation = Rotation(3, FAILBACK)
        rotation.attemptFailed(0, "refused")
        self.assertIsNone(rotation.probeDue())

    def test_firstProbe(self) -> None:
        """
        The first probe is due one interval after the failover was connected.
        """
        self.assertEqual(self.onFailover(5).probeDue(), 15)

    def test_laterProbes(self) -> None:
        """
        The next one is due one interval after the start of the last one, however that ended and however long it took.
        """
        rotation = self.onFailover(0)
        self.probe(rotation, 10.5)
        self.assertEqual(rotation.probeDue(), 20.5)
        self.probe(rotation, 21, good=False)
        self.assertEqual(rotation.probeDue(), 31)

    def test_counting(self) -> None:
        """
        So many good probes in a row are enough, and the last of them is known when it starts.
        """
        rotation = self.onFailover(0)
        answers = [self.probe(rotation, now) for now in (10, 20, 30)]
        self.assertEqual(answers, [(False, False), (False, False), (True, True)])
        self.assertEqual(rotation.goodProbes, 3)

    def test_oneProbeMayBeEnough(self) -> None:
        """
        With 1 required the first probe is the last one.
        """
        rotation = Rotation(2, FailbackSettings(successfulProbesRequired=1))
        rotation.attemptFailed(0, "refused")
        rotation.connected(0)
        self.assertEqual(self.probe(rotation, 60), (True, True))

    def test_aFailedProbeStartsOver(self) -> None:
        """
        A failed probe sets the count to 0.
        """
        rotation = self.onFailover(0)
        for good in (True, True, False):
            self.probe(rotation, 10, good)
        self.assertEqual(rotation.goodProbes, 0)
        self.assertEqual([self.probe(rotation, 10) for _ in range(2)], [(False, False), (False, False)])

    def test_anAttemptAtThePrimaryStartsOver(self) -> None:
        """
        An attempt at the primary in the rotation sets the count to 0, whether it fails or connects; if it fails, the
        first probe is due one interval after the next failover was connected.
        """
        rotation = self.onFailover(0, count=2)
        self.probe(rotation, 10)
        rotation.connectionLost("ack-timeout", 12)
        rotation.attemptFailed(13, "refused")
        self.assertEqual((rotation.current, rotation.goodProbes, rotation.probeDue()), (1, 0, None))
        rotation.connected(14)
        self.assertEqual(rotation.probeDue(), 24)

        rotation = self.onFailover(0, count=2)
        self.probe(rotation, 10)
        rotation.connectionLost("ack-timeout", 12)
        rotation.connected(13)
        self.assertEqual((rotation.current, rotation.goodProbes, rotation.probeDue()), (0, 0, None))

    def test_anotherFailoverKeepsTheCount(self) -> None:
        """
        Going from one failover to another, or back to the same one, has nothing to do with the primary: the count and
        the times of the probes stay.
        """
        rotation = self.onFailover(0, count=3)
        self.probe(rotation, 10)
        rotation.connectionLost("eof", 12)
        rotation.connected(12)
        self.assertEqual((rotation.current, rotation.goodProbes, rotation.probeDue()), (1, 1, 20))
        rotation.connectionLost("ack-timeout", 14)
        rotation.connected(15)
        self.assertEqual((rotation.current, rotation.goodProbes, rotation.probeDue()), (2, 1, 20))

    def test_returning(self) -> None:
        """
        After the return the primary is in use, nothing is probed or counted, and its failures make a new round.
        """
        rotation = self.onFailover(0, count=2)
        rotation.attemptFailed(1, "refused")
        rotation.attemptFailed(2, "refused")
        self.assertEqual(rotation.current, 1)
        rotation.connected(2)
        for now in (12, 22, 32):
            self.probe(rotation, now)
        rotation.returned(33)
        self.assertEqual((rotation.current, rotation.goodProbes, rotation.probeDue()), (0, 0, None))
        self.assertEqual((rotation.attemptFailed(34, "refused"), rotation.current), (DELAY, 1))

    def test_allDown(self) -> None:
        """
        When all failovers are down the rotation tries the primary without waiting for probes.
        """
        rotation = self.onFailover(0, count=3)
        rotation.connectionLost("ack-timeout", 5)
        self.assertEqual((rotation.attemptFailed(5, "refused"), rotation.current), (DELAY, 0))


class DampingTests(SynchronousTestCase):
    """
    Spec 1.4: a primary that fails soon after a failback has to show more.  Two intervals are 20 seconds.
    """

    def setUp(self) -> None:
        self.rotation = Rotation(2, FAILBACK)

    def failback(self, now: float) -> None:
        """
        Be on the failover, and return to the primary just now.
        """
        if self.rotation.current == 0:
            self.rotation.attemptFailed(now, "refused")
        self.rotation.connected(now)
        self.rotation.returned(now)

    def test_doubles(self) -> None:
        """
        The number required doubles with each failure within two intervals of a failback, up to 8 times.
        """
        required = []
        for round in range(5):
            self.failback(round * 100)
            self.rotation.connectionLost("ack-timeout", round * 100 + 19)
            required.append(self.rotation.required)
        self.assertEqual(required, [6, 12, 24, 24, 24])

    def test_moreProbesAreNeeded(self) -> None:
        """
        The number that doubled is the one that probes have to reach.
        """
        self.failback(0)
        self.rotation.connectionLost("ack-timeout", 5)
        self.rotation.connected(5)
        enough = []
        for now in range(15, 75, 10):
            last = self.rotation.probeStarted(now)
            enough.append((last, self.rotation.probeSucceeded()))
        self.assertEqual(enough, 5 * [(False, False)] + [(True, True)])

    def test_unprovedToo(self) -> None:
        """
        A connection that ended before it was proved is such a failure, too.
        """
        self.failback(0)
        self.rotation.attemptFailed(1, "refused")
        self.assertEqual(self.rotation.required, 6)

    def test_endsWhenThePrimaryStaysUp(self) -> None:
        """
        When the primary has stayed up for two intervals the configured number holds again.
        """
        for up, required in ((19.9, 12), (20, 3), (1000, 3)):
            self.rotation = Rotation(2, FAILBACK)
            self.failback(0)
            self.rotation.connectionLost("ack-timeout", 1)
            self.failback(100)
            self.rotation.connectionLost("ack-timeout", 100 + up)
            self.assertEqual((up, self.rotation.required), (up, required))

    def test_alsoWithoutAFailback(self) -> None:
        """
        It may have got the stream by the rotation: staying up counts; failing soon after does not make things worse.
        """
        for up, required in ((5, 6), (20, 3)):
            self.rotation = Rotation(2, FAILBACK)
            self.failback(0)
            self.rotation.connectionLost("ack-timeout", 1)
            self.rotation.attemptFailed(2, "refused")
            self.rotation.connected(2)
            self.assertEqual(self.rotation.current, 0)
            self.rotation.connectionLost("ack-timeout", 2 + up)
            self.assertEqual((up, self.rotation.required), (up, required))

    def test_notAtTheFirstFailure(self) -> None:
        """
        A primary that fails soon after the start was not returned to.
        """
        self.rotation.connected(0)
        self.rotation.connectionLost("ack-timeout", 1)
        self.assertEqual(self.rotation.required, 3)

    def test_aRestartIsNoFailure(self) -> None:
        """
        A primary whose second try connects is not left, and has stayed up.
        """
        self.failback(0)
        self.rotation.connectionLost("eof", 10)
        self.rotation.connected(10)
        self.assertEqual(self.rotation.required, 3)
        self.rotation.attemptFailed(25, "refused")
        self.assertEqual(self.rotation.required, 3)

    def test_aSecondTryThatFails(self) -> None:
        """
        What counts is when the connection ended, not when the second try did, which may take its time.
        """
        self.failback(0)
        self.rotation.connectionLost("eof", 15)
        self.rotation.attemptFailed(25, "refused")
        self.assertEqual(self.rotation.required, 6)

        self.failback(100)
        self.rotation.connectionLost("eof", 120)
        self.rotation.attemptFailed(130, "refused")
        self.assertEqual(self.rotation.required, 3)

    def test_anAttemptThatFailsChangesNothing(self) -> None:
        """
        Attempts at the primary that do not connect leave the number as it is.
        """
        self.failback(0)
        self.rotation.connectionLost("ack-timeout", 1)
        for now in range(2, 100):
            self.rotation.attemptFailed(now, "refused")
        self.assertEqual(self.rotation.required, 6)


class RemapTests(SynchronousTestCase):
    """
    Another list of servers.
    """

    def onFailover(self, failback: FailbackSettings | None = FAILBACK) -> Rotation:
        """
        On the second of three, the primary having failed at 0; the third probe is due.
        """
        rotation = Rotation(3, failback)
        rotation.attemptFailed(0, "refused")
        rotation.connected(0)
        rotation.proved()
        if failback is not None:
            rotation.probeStarted(10)
            rotation.probeSucceeded()
        return rotation

    def test_theOneInUseStays(self) -> None:
        """
        The server in use is that wherever it is listed now; the next one is the one behind it there.
        """
        for places, count, current, after in (
            ((0, 1, 2), 3, 1, 2),
            ((0, 2, 1), 3, 2, 0),
            ((1, 3, None), 4, 3, 0),
            ((None, 0, None), 1, 0, 0),
        ):
            rotation = self.onFailover()
            rotation.remap(places, count, 20)
            self.assertEqual(rotation.current, current)
            rotation.connectionLost("ack-timeout", 30)
            self.assertEqual(rotation.current, after)

    def test_elseTheFirst(self) -> None:
        """
        If the server in use is not listed any more, the first one is next.
        """
        rotation = self.onFailover()
        rotation.remap((1, None, 0), 2, 20)
        self.assertEqual((rotation.current, rotation.probeDue()), (0, None))

    def test_rounds(self) -> None:
        """
        A round has as many attempts as there are servers now, and begins anew.
        """
        rotation = Rotation(3)
        rotation.attemptFailed(0, "refused")
        rotation.attemptFailed(0, "refused")
        rotation.remap((0, None, 1), 2, 1)
        self.assertEqual(rotation.current, 1)
        self.assertEqual([rotation.attemptFailed(2, "refused") for _ in range(2)], [DELAY, ROUND])

    def test_probesGoOn(self) -> None:
        """
        While the primary stays the same, its good probes count on, and the next one is due as it was.
        """
        rotation = self.onFailover()
        rotation.remap((0, 2, 1), 3, 20)
        self.assertEqual((rotation.goodProbes, rotation.probeDue()), (1, 10 + FAILBACK.tcpProbeInterval))

    def test_anotherPrimary(self) -> None:
        """
        Nothing is known of another primary; it is probed in its turn, and no more often for what the old one did.
        """
        rotation = self.onFailover()
        rotation._damping = 4
        rotation.remap((None, 1, 2), 3, 20)
        self.assertEqual((rotation.goodProbes, rotation.required), (0, FAILBACK.successfulProbesRequired))
        self.assertEqual(rotation.probeDue(), 10 + FAILBACK.tcpProbeInterval)

    def test_thePrimaryBecomesAFailover(self) -> None:
        """
        The one in use is not the primary any more: the new one is probed from now on.
        """
        rotation = Rotation(2, FAILBACK)
        rotation.connected(0)
        rotation.remap((1, 0), 2, 20)
        self.assertEqual((rotation.current, rotation.probeDue()), (1, 20 + FAILBACK.tcpProbeInterval))

    def test_aFailoverBecomesThePrimary(self) -> None:
        """
        The one in use is the primary now: there is nothing to probe, and its time as primary begins.
        """
        rotation = self.onFailover()
        rotation.remap((1, 0, 2), 3, 20)
        self.assertEqual((rotation.current, rotation.probeDue()), (0, None))
        self.assertEqual(rotation._primarySince, 20)

    def test_untouched(self) -> None:
        """
        A primary in use that stays the primary goes on as it is.
        """
        rotation = Rotation(2, FAILBACK)
        rotation.connected(5)
        rotation.remap((0, None), 1, 20)
        self.assertEqual((rotation.current, rotation._primarySince), (0, 5))


class OrdersTests(SynchronousTestCase):
    """
    An operator's orders.
    """

    def test_chosen(self) -> None:
        """
        A chosen failover is kept without a look at the primary, until it fails; the primary is never a choice.
        """
        rotation = Rotation(3, FAILBACK)
        rotation.connected(0)
        rotation.choose(1, 5)
        rotation.connected(5)
        self.assertEqual((rotation.current, rotation.chosen, rotation.probeDue()), (1, True, None))
        rotation.connectionLost("ack-timeout", 50)
        self.assertEqual((rotation.current, rotation.chosen), (2, False))
        rotation.choose(0, 60)
        self.assertEqual((rotation.current, rotation.chosen), (0, False))

    def test_itsSecondTry(self) -> None:
        """
        A second try at a chosen server does not end the choice.
        """
        rotation = Rotation(2)
        rotation.choose(1, 0)
        rotation.connected(0)
        rotation.connectionLost("eof", 5)
        self.assertEqual((rotation.current, rotation.chosen), (1, True))
        rotation.attemptFailed(5, "refused")
        self.assertEqual((rotation.current, rotation.chosen), (0, False))

    def test_leavingThePrimaryIsNoFailure(self) -> None:
        """
        A primary that was left by an order has not failed: the number of probes required stays.
        """
        rotation = Rotation(2, FAILBACK)
        rotation.returned(0)
        rotation.choose(1, 1)
        rotation.connected(1)
        rotation.release(2)
        self.assertEqual(rotation.required, FAILBACK.successfulProbesRequired)
        self.assertEqual(rotation.probeDue(), 2 + FAILBACK.tcpProbeInterval)

    def test_drained(self) -> None:
        """
        A drained server is left out, and a round is as long as there are others.
        """
        rotation = Rotation(3)
        rotation.drain(1, 0)
        self.assertEqual(rotation.eligible, 2)
        self.assertEqual([rotation.attemptFailed(0, "refused") for _ in range(2)], [DELAY, ROUND])
        self.assertEqual(rotation.current, 0)
        rotation.drain(0, 0)
        self.assertEqual(rotation.current, 2)
        self.assertEqual(rotation.attemptFailed(0, "refused"), ROUND)
        self.assertRaises(ValueError, rotation.drain, 2, 0)
        self.assertEqual(rotation.current, 2)
        rotation.undrain(0, 0)
        rotation.attemptFailed(0, "refused")
        self.assertEqual(rotation.current, 0)

    def test_drainedPrimary(self) -> None:
        """
        It is not probed; and from an interval after it is undrained it is.
        """
        rotation = Rotation(2, FAILBACK)
        rotation.connected(0)
        rotation.drain(0, 1)
        rotation.connected(1)
        self.assertIsNone(rotation.probeDue())
        rotation.undrain(0, 7)
        self.assertEqual(rotation.probeDue(), 7 + FAILBACK.tcpProbeInterval)

    def test_remapped(self) -> None:
        """
        Orders follow their servers to other places, and end with them.
        """
        for places, count, current, chosen, drained in (
            ((1, 0, 2), 3, 2, True, {0}),
            ((0, None, 1), 2, 1, True, set()),
            ((0, 1, None), 2, 0, False, {1}),
            ((None, 0, None), 1, 0, False, set()),
        ):
            rotation = Rotation(3)
            rotation.choose(2, 0)
            rotation.drain(1, 0)
            rotation.remap(places, count, 1)
            self.assertEqual((rotation.current, rotation.chosen, rotation.drained), (current, chosen, drained))
