"""
One trial: a relay, three servers, one fault, each on a host of its own; and what came of it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import reduce
from operator import add
from pathlib import Path

import attrs

from tests.netns import Network
from tests.real import RealServer

from .faultkinds import Fault, Load, Scene
from .faultserver import FaultServer, received, size
from .feed import Feed
from .numbered import Received
from .relays import RELAYS, SERVER_PORT, Relay

#: Between a relay's start and the first message, so that its connection stands.  Seconds.
SETTLE = 1.5

#: A trial is over when nothing has come for so long after everything has: late duplicates are counted.  Seconds.
LATE = 2.0

#: Also when, after a switch, nothing has come for so long though something is missing: no relay waits longer between
#: two attempts (``time-reopen`` and its like are 1 s, at most a few servers are tried).  Seconds.
QUIET = 10.0

#: How often the files are looked at, in seconds.
LOOK = 0.05


@attrs.frozen
class Outcome:
    """
    What came of a trial.

    :ivar taken: how many messages the relay took from the sender.
    :ivar refused: how many more it was to take, and did not.
    :ivar lost: how many of those taken no server has got.
    :ivar duplicates: how many came beside the first of each.
    :ivar seconds: from the fault to the first message at a failover; ``None``: none came.
    :ivar watched: for how long it was watched after the fault, in seconds.
    :ivar memory: the most that the relay had, in KiB; ``None``: it has crashed.
    """

    taken: int
    refused: int
    lost: int
    duplicates: int
    seconds: float | None
    watched: float
    memory: int | None


@attrs.define
class Trial:
    """
    What stands while one goes on.

    :ivar total: how many messages are sent, if the relay takes all.
    """

    relay: Relay
    servers: Sequence[RealServer]
    failovers: Sequence[FaultServer]
    feed: Feed
    total: int

    def watch(self, began: float, limit: float) -> None:
        """
        Wait until all is said.

        :param began: when the fault did.
        :param limit: how many seconds after it this ends in any case.
        """
        before, changed, checked = -1, time.monotonic(), False
        while time.monotonic() < began + limit:
            now, bytesNow = time.monotonic(), sum(map(size, self.servers))
            if bytesNow != before or not self.feed.done:
                before, changed, checked = bytesNow, now, False
            if now - changed > LATE and not checked:
                checked = True  # Not again until something changes: it reads all files.
                if self.received().distinct == self.total:
                    return
            if now - changed > QUIET and self.switched(began) is not None:
                return
            time.sleep(LOOK)

    def received(self) -> Received:
        """
        What all servers have got together.
        """
        return reduce(add, map(received, self.servers))

    def switched(self, began: float) -> float | None:
        """
        How many seconds after the fault something first came to a failover.
        """
        times = [moment for server in self.failovers if (moment := server.firstAfter(began)) is not None]
        return min(times) - began if times else None

    def outcome(self, began: float) -> Outcome:
        """
        How it stands.
        """
        taken = self.feed.taken(self.relay.pid)
        memory, watched, seconds = self.relay.peak(), time.monotonic() - began, self.switched(began)
        got = self.received()
        return Outcome(taken, self.total - taken, taken - got.distinct, got.duplicates, seconds, watched, memory)


def run(fault: Fault, relay: str, load: Load, limit: float) -> Outcome:
    """
    Make one trial, and leave nothing behind.

    :param relay: a name of :data:`benchmarks.relays.RELAYS`.
    :param limit: for how many seconds after the fault it is watched at most.
    :raises TimeoutError: something did not start, or the fault could not be made.
    :raises RuntimeError: the network could not be made.
    """
    load = Load(load.messages * fault.larger, load.rate * fault.larger)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        network = Network()
        stack.callback(network.close)
        network.open()
        home, *places = (network.host() for _ in range(4))
        primary = fault.primary(folder / "primary", places[0], load)
        failovers = [
            FaultServer(folder / f"failover-{number}", host=place.address, port=SERVER_PORT, prefix=place.prefix)
            for number, place in enumerate(places[1:], 1)
        ]
        tested = RELAYS[relay](folder / "relay", prefix=home.prefix, servers=[place.address for place in places])
        for process in (primary, *failovers, tested):
            stack.callback(process.close)
            process.start(timeout=20)
        time.sleep(SETTLE)
        feed = Feed(home, tested.port)
        stack.callback(feed.close)
        began = fault.strike(Scene(primary, places[0], feed, load))
        trial = Trial(tested, (primary, *failovers), failovers, feed, fault.total(load))
        trial.watch(began, limit)
        return trial.outcome(began)
