"""
Bad servers, end to end: none gets a byte of log data, whenever it is met.
"""

from __future__ import annotations

from pathlib import Path

import attrs
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from .figures import show
from .loopback import scripted
from .tlsmatrix import BAD, FIRST, NOTHING_WRONG, OCCASIONS, REST, Case, Outcome, runAll, table


class BadPrimaryTests(TestCase):
    """
    A primary with which something is wrong, and a failover with which nothing is.
    """

    timeout = 60

    async def outcomes(self, cases: dict[str, Case]) -> list[Outcome]:
        """
        What comes of some cases.
        """
        outcomes = await runAll(reactor, Path(self.mktemp()), cases)
        show(table(outcomes))
        return outcomes

    @scripted
    async def test_neverGetsTheStream(self) -> None:
        """
        Whether it is met at the start, at a reconnect or at a failback probe: it is refused for the right reason and
        gets no log data, the failover gets everything, and no connection of the failover is dropped.
        """
        outcomes = await self.outcomes(BAD)
        self.assertEqual(len(outcomes), len(BAD) * len(OCCASIONS))
        self.assertEqual([str(outcome) for outcome in outcomes if not outcome.good], [])

    @scripted
    async def test_whateverTheDeliveryLevel(self) -> None:
        """
        What was written before a TLS 1.3 server refused our certificate is not settled, though its kernel has it.
        """
        refuses = BAD["refuses our certificate, TLS 1.3"]
        cases = {level: attrs.evolve(refuses, delivery=level) for level in ("acked", "written")}
        outcomes = await self.outcomes(cases)
        self.assertEqual([str(outcome) for outcome in outcomes if not outcome.good], [])

    @scripted
    async def test_aGoodOneDoes(self) -> None:
        """
        With a good primary the same trials see that it takes the stream.
        """
        outcomes = await self.outcomes({"nothing wrong": NOTHING_WRONG})
        self.assertEqual([outcome.trouble for outcome in outcomes], [""] * len(OCCASIONS))
        atStart, atReconnect, atProbe = outcomes
        self.assertEqual((atStart.failover, atReconnect.failover, atProbe.dropped), (0, 0, 1))
        self.assertEqual([outcome.good for outcome in outcomes], [False] * len(OCCASIONS))
        self.assertEqual([outcome.missing > 0 and outcome.logged > 0 for outcome in outcomes], [True] * len(OCCASIONS))
        self.assertLess(atProbe.failover, FIRST + REST)
