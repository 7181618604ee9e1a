"""
The account sees what it is there to see: a row that holds must mean something.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from .account import Account, stretches
from .rows import ROWS
from .scene import SHORT, Limits
from .stream import HEAD, POISON, messages
from .suite import Result, table, tasks
from .trial import Outcome


def written(*numbers: int) -> bytes:
    """
    What a server writes that gets these messages.
    """
    return b"".join(messages(number, number + 1)[0][HEAD:] + b"\n" for number in numbers)


class AccountTests(SynchronousTestCase):
    """
    What servers wrote, and what follows.
    """

    def test_lostAndDuplicates(self) -> None:
        """
        What is in no file is lost, and each copy beyond the first is a duplicate, in whichever file.
        """
        account = Account.of(6, [written(0, 1, 2), written(1, 2, 2, 4)])
        self.assertEqual((account.lost, account.duplicates), ((3, 5), 3))

    def test_cutOff(self) -> None:
        """
        A message that was cut off has not arrived.
        """
        self.assertEqual(Account.of(2, [written(0, 1)[:-2] + b"\n"]).lost, (1,))

    def test_space(self) -> None:
        """
        A space before the text makes no difference.
        """
        self.assertEqual(Account.of(1, [b" " + written(0)]).lost, ())

    def test_late(self) -> None:
        """
        What a stopped server writes when it goes on is counted apart: it neither saves a message nor doubles one.
        """
        account = Account.of(3, [written(0), written(1)], [written(1, 2), b""])
        self.assertEqual((account.lost, account.duplicates, account.late), ((2,), 0, 2))

    def test_stretches(self) -> None:
        """
        A stretch ends where a message is missing, comes again, or has changed its place.
        """
        self.assertEqual(stretches([0, 1, 2, 1, 2, 3, 5]), [(0, 2), (1, 3), (5, 5)])
        self.assertEqual(stretches([0, 2, 1, 3]), [(0, 0), (2, 2), (1, 1), (3, 3)])

    def test_poison(self) -> None:
        """
        The poisonous message is as long as the others.
        """
        clean, poisonous = messages(0, 2, 1)
        self.assertEqual((POISON in clean, POISON in poisonous, len(clean)), (False, True, len(poisonous)))


class ResultTests(SynchronousTestCase):
    """
    When a row holds.
    """

    def result(self, key: str, *outcomes: Outcome, limits: Limits = SHORT) -> Result:
        """
        The result of some trials.
        """
        (row,) = (each for each in ROWS if each.key == key)
        return Result(row, "tcp", limits, list(outcomes))

    def test_seconds(self) -> None:
        """
        The median is within the bound, and the worst less than a second over it.
        """
        bound = SHORT.ack + 1
        for holds, *seconds in (
            (True, bound, bound, bound + 0.9),
            (False, bound, bound, bound + 1),
            (False, bound + 0.1, bound + 0.1, 0),
            (False,),
        ):
            result = self.result("hole", *(Outcome(seconds=(each,)) for each in seconds))
            self.assertEqual(result.holds, holds, seconds)

    def test_never(self) -> None:
        """
        A stream must not pause longer than it may, not even once.
        """
        self.assertTrue(self.result("hole-probe", Outcome(seconds=(0.1, 0.1, 0.19))).holds)
        self.assertFalse(self.result("hole-probe", Outcome(seconds=(0.1, 0.1, 0.21))).holds)

    def test_defaults(self) -> None:
        """
        With the relay's default limits the bound is another one.
        """
        self.assertEqual(self.result("stop", limits=Limits()).bound, 61)
        self.assertEqual(self.result("hole-idle", limits=Limits()).bound, 12)

    def test_trouble(self) -> None:
        """
        One trial with trouble is enough, and the table says which.
        """
        result = self.result("poison", Outcome(), Outcome(troubles=("one is lost",)))
        self.assertFalse(result.holds)
        self.assertIn("poison tcp: one is lost", table([result]))

    def test_nothing(self) -> None:
        """
        What was not tried does not hold.
        """
        self.assertFalse(self.result("poison").holds)

    def test_tasks(self) -> None:
        """
        Every row is tried over each of its transports, ten times or three, and once with the default limits.
        """
        chosen = tasks(["kill", "all-down"])
        counts = {(each.row.key, each.transport, each.limits == SHORT): 0 for each in chosen}
        for each in chosen:
            counts[each.row.key, each.transport, each.limits == SHORT] += 1
        expected: dict[tuple[str, str, bool], int] = {}
        for transport in ("tcp", "tls", "relp"):
            expected |= {("kill", transport, True): 10, ("kill", transport, False): 1}
            expected |= {("all-down", transport, True): 3, ("all-down", transport, False): 1}
        self.assertEqual(counts, expected)
