"""
What somebody who is on call wants to know first.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.snapshot import ReloadSnapshot, Snapshot, SpoolSnapshot
from logrelay.verdict import BAD, DAY, GOOD, WORTH_A_LOOK, levelOf, remarksOf, summaryOf

from .snapshots import destination, relay, server, source

PRIMARY = (server("a", active=True), server("b"))

#: The time of all snapshots here.
NOW = 1000.0


class VerdictTests(SynchronousTestCase):
    """
    Every thing that is not as it should be, alone.
    """

    def assertVerdict(self, snapshot: Snapshot, level: str, *texts: str) -> None:
        """
        Assert how bad it is, and what is said.
        """
        remarks = remarksOf(snapshot)
        self.assertEqual((levelOf(remarks), [str(each) for each in remarks]), (level, list(texts)))

    def test_well(self) -> None:
        """
        Where nothing is wrong, that is said.
        """
        well = destination(servers=PRIMARY)
        self.assertVerdict(relay(well), GOOD)
        self.assertEqual(summaryOf(relay(well), []), "All is well: every destination uses its primary")

    def test_each(self) -> None:
        """
        One remark for each.
        """
        failed = server("a", reason="eof", text="it ended", failedAt=900.0)
        down = destination(servers=(failed,), state="waiting", proved=False)
        spool = SpoolSnapshot("/spool", 1, 10, "No space left on device")
        for snapshot, level, text in (
            (relay(down), BAD, "central: no server is in use (waiting)"),
            (relay(destination(servers=PRIMARY), ailments=("the disk hangs",)), BAD, "the disk hangs"),
            (relay(destination(servers=PRIMARY), startedAt=None), BAD, "the relay is not running"),
            (relay(destination(servers=PRIMARY), bound=False), BAD, "the sources have no sockets"),
            (
                relay(destination(servers=PRIMARY, spool=spool)),
                BAD,
                "central: nothing can be put on disk: No space left on device",
            ),
            (
                relay(destination(servers=PRIMARY, crowded=True)),
                WORTH_A_LOOK,
                "central: its store is above the high mark",
            ),
            (relay(), WORTH_A_LOOK, "central: on failover b (a: eof)"),
            (relay(destination(chosen=True)), WORTH_A_LOOK, "central: on failover b (chosen by an operator)"),
            (
                relay(destination(servers=(server("a", active=True), server("b", drained=True)))),
                WORTH_A_LOOK,
                "central: b is drained",
            ),
            (
                relay(destination(servers=PRIMARY), sources=(source("in", heldBy=("central", "x")),)),
                WORTH_A_LOOK,
                "source in: waits for central, x",
            ),
            (
                relay(destination(servers=PRIMARY), reload=ReloadSnapshot(900.0, True, "nonsense")),
                WORTH_A_LOOK,
                "the last reload failed: nonsense",
            ),
        ):
            self.assertVerdict(snapshot, level, text)

    def test_certificates(self) -> None:
        """
        Those of servers, our own and that of the listeners: worth a look 30 days before they end, bad on the last one.
        """
        for left, level, text in (
            (31.5, GOOD, None),
            (30.5, WORTH_A_LOOK, "expires in 30 days"),
            (1.5, BAD, "expires in 1 day"),
            (0.5, BAD, "expires today"),
            (-0.5, BAD, "has expired"),
        ):
            at = NOW + left * DAY
            of = (server("a", active=True, notAfter=at),)
            for snapshot, what in (
                (relay(destination(servers=of)), "central: the certificate of a"),
                (relay(destination(servers=PRIMARY, ownNotAfter=at)), "central: the certificate that it shows"),
                (relay(destination(servers=PRIMARY), ownNotAfter=at), "the certificate of the listeners"),
            ):
                self.assertVerdict(snapshot, level, *(() if text is None else (f"{what} {text}",)))

    def test_revocations(self) -> None:
        """
        A revocation list that should have been replaced is told; one that is to be is usual.
        """
        for left, level, text in (
            (0.5, GOOD, None),
            (-0.5, WORTH_A_LOOK, "central: a revocation list in crl-file has expired"),
        ):
            snapshot = relay(destination(servers=PRIMARY, listsUntil=NOW + left * DAY))
            self.assertVerdict(snapshot, level, *(() if text is None else (text,)))

    def test_worstFirst(self) -> None:
        """
        The worst is what the one line says, and how many more there are.
        """
        snapshot = relay(ailments=(), bound=False)
        remarks = remarksOf(snapshot)
        self.assertEqual(summaryOf(snapshot, remarks), "the sources have no sockets (and 1 more)")
        self.assertEqual([each.level for each in remarks], [BAD, WORTH_A_LOOK])
