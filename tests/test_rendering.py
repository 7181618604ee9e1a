"""
The state of a relay as data, and in words.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from logrelay.control.report import plain, reasonsOf, serversText, size, span, spoolText, statusText
from logrelay.counters import DestinationCounters
from logrelay.rendering import asData, keyOf
from logrelay.snapshot import ReloadSnapshot, SpoolSnapshot, SwitchSnapshot

from . import snapshots
from .snapshots import MIB


def data(*parts: Any, **changes: Any) -> Any:
    """
    A relay's state, as JSON brings it.
    """
    return json.loads(json.dumps(asData(snapshots.relay(*parts, **changes))))


class DataTests(SynchronousTestCase):
    """
    For programs.
    """

    def test_keys(self) -> None:
        """
        Keys are those of the snapshot, with dashes; what follows from it is there, too.
        """
        self.assertEqual(keyOf("unsentBatches"), "unsent-batches")
        relay = data()
        self.assertEqual((relay["started-at"], relay["bound"], relay["reload"]), (100, True, None))
        [central] = relay["destinations"]
        self.assertEqual((central["active"], central["counters"]["resent"]), ("b", 34))
        self.assertEqual([each["state"] for each in central["servers"]], ["failed", "active"])
        self.assertEqual(central["servers"][0]["failed-at"], 900)

    def test_ready(self) -> None:
        """
        Each thing that keeps a relay from being ready is told, and only those.
        """
        self.assertEqual((data()["ready"], data()["unready"]), (True, []))
        away = snapshots.destination(servers=(snapshots.server("a"),), state="waiting", crowded=True)
        fresh = snapshots.destination(proved=False)
        for relay, words in (
            (data(startedAt=None), ["the relay is not running"]),
            (data(bound=False), ["the sources have no sockets"]),
            (data(away), ["central: no server is in use (waiting)", "central: its store is above the high mark"]),
            (data(fresh), ["central: b has not proved yet that it delivers"]),
        ):
            self.assertEqual((relay["ready"], relay["unready"]), (False, words))


class WordsTests(SynchronousTestCase):
    """
    For people.
    """

    def test_numbers(self) -> None:
        """
        Times and sizes are as exact as it matters.
        """
        self.assertEqual(
            [span(each) for each in (-5, 0, 119.9, 120, 7199, 7200, 172799, 172800)],
            ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h 0 min", "47 h 59 min", "2 d 0 h"],
        )
        self.assertEqual([size(each) for each in (0, 1023, 1536, 64 * MIB)], ["0 B", "1023 B", "1.5 KiB", "64 MiB"])
        self.assertEqual(reasonsOf({"overflow": 3, "none": 0, "oversize": 1}), "4 (overflow 3, oversize 1)")

    def test_status(self) -> None:
        """
        Everything that someone on call wants to know is there.
        """
        central = snapshots.destination(
            oldest=988.0,
            inFlight=7,
            unsent=1200,
            chosen=True,
            switches=(SwitchSnapshot(900.0, "a", "b", "eof"),),
            spool=SpoolSnapshot("/spool", 512 * MIB, 1024 * MIB, "disk full"),
            counters=DestinationCounters(settled=5, resent=34),
        )
        relay = data(
            central,
            sources=(snapshots.source(heldBy=("central",)),),
            ailments=("a hung disk",),
            reload=ReloadSnapshot(950.0, True, "line 7"),
        )
        text = "\n".join(statusText(relay))
        for words in (
            "relay: ready, up 15 min",
            "ailing: a hung disk",
            "not reloaded at ",
            ": line 7",
            "central: b since ",
            "(100 s; eof; chosen)",
            "     a  failed  eof 100 s ago: it ended",
            "  >  b  active",
            "waiting 1,200, in flight 7, oldest 12 s; settled 5, resent 34, dropped 0",
            "spool 50 % of 1 GiB in /spool, takes nothing: disk full",
            "a -> b  eof",
            "tcp:5140  received 1,200  waits for central",
        ):
            self.assertIn(words, text)
        self.assertIn("broken:", "\n".join(spoolText(relay)))
        self.assertEqual(serversText(relay, "central")[0], "central:")

    def test_escaped(self) -> None:
        """
        Nothing that came from elsewhere reaches a terminal as it is.
        """
        evil = "\x1b]0;x\x07\r\n\u202e\x9b"
        self.assertEqual(plain("a\x1bü"), "a\\x1bü")
        counters = DestinationCounters()
        counters.dropped[evil] = 1
        part = snapshots.destination(
            evil,
            reason=evil,
            servers=(
                snapshots.server(evil, reason=evil, text=evil, failedAt=1.0, identity=(evil,), notAfter=9.0),
                snapshots.server(evil, active=True),
            ),
            switches=(SwitchSnapshot(1.0, evil, evil, evil),),
            spool=SpoolSnapshot(evil, 1, 2, evil),
            counters=counters,
        )
        relay = data(
            part,
            sources=(snapshots.source(evil, heldBy=(evil,)),),
            ailments=(evil,),
            reload=ReloadSnapshot(1.0, False, evil),
        )
        for line in (*statusText(relay), *serversText(relay), *spoolText(relay)):
            self.assertTrue(line.isprintable(), line)
