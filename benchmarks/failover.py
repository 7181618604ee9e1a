"""
Three servers stopped and started in turn under load, and nothing lost.

``python -m benchmarks.failover`` sends messages of loggen (20,000 a second for 60 seconds) through a relay to
syslog-ng, rsyslog and a server of our own.  Whichever is in use is stopped by SIGTERM, and started again some seconds
later.  Printed: what arrived, and how long each switch took: from the end of the connection, as the relay saw it, to
the first message in the next server's file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as theReactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from logrelay import events
from logrelay.config import Configuration, DestinationSettings, SourceSettings
from logrelay.listening import parseListen
from logrelay.servers import Server
from logrelay.service import LogRelayService
from tests.ownserver import OwnServer
from tests.real import Loggen, RealServer, Rsyslog, SyslogNg, freePort, sequences

#: How often the servers' files are looked at, in seconds: the error of each time printed.
LOOK = 0.002

reactor: Any = theReactor


class Arrivals:
    """
    Notes when each server's file grew, in a thread of its own.

    :ivar times: for each server, the times at which it had grown.
    """

    def __init__(self, servers: Sequence[RealServer]) -> None:
        self.times: list[list[float]] = [[] for _ in servers]
        self._outputs = [server.output for server in servers]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        sizes = [0] * len(self._outputs)
        while not self._over.wait(LOOK):
            now = time.monotonic()
            for place, output in enumerate(self._outputs):
                size = output.stat().st_size if output.exists() else 0
                if size != sizes[place]:
                    sizes[place] = size
                    self.times[place].append(now)

    def stop(self) -> None:
        """
        Look no more.
        """
        self._over.set()
        self._thread.join()


async def trial(seconds: int, rate: int, hold: float, servers: Sequence[RealServer]) -> bool:
    """
    Run it, and print what was seen.

    :param hold: seconds between two stops.
    :return: whether everything arrived.
    """
    for server in servers:
        await deferToThread(server.start)
    port = freePort()
    source = SourceSettings("tcp", listen=parseListen(f"tcp:{port}:interface=127.0.0.1"), to=("central",))
    destination = DestinationSettings("central", tuple(Server(each.host, each.port) for each in servers))
    relay = LogRelayService(reactor, Configuration((source,), (destination,)))
    ends: list[tuple[float, int | None]] = []
    names = [str(server) for server in destination.servers]

    def note(event: events.Event) -> None:
        print(f"{time.monotonic() - began:7.3f} {event}", flush=True)
        if isinstance(event, events.ConnectionEnded) or (
            isinstance(event, events.AttemptFailed) and (not ends or ends[-1][1] is not None)
        ):
            ends.append((time.monotonic(), None))
        elif isinstance(event, events.Connected) and ends:
            ends[-1] = (ends[-1][0], names.index(event.server))

    began = time.monotonic()
    relay.log.observers.append(note)
    relay.privilegedStartService()
    relay.startService()
    arrivals = Arrivals(servers)
    stops: list[float] = []
    load = Loggen.start(("127.0.0.1", port), rate=rate, seconds=seconds)
    sent = deferToThread(load.wait, seconds + 60)
    place = 0
    while time.monotonic() - began + 2 * hold < seconds:
        await deferLater(reactor, hold, lambda: None)
        stops.append(time.monotonic())
        await deferToThread(servers[place].stop)
        await deferLater(reactor, hold / 2, lambda: None)
        await deferToThread(servers[place].start)
        place = (place + 1) % len(servers)
    number = await sent
    await relay.stopService()
    await deferLater(reactor, 2, lambda: None)
    arrivals.stop()
    received = [sequences(server.messages()) for server in servers]
    distinct = set().union(*received)
    lost = number - len(distinct)
    print(
        f"sent {number}, received {', '.join(str(len(each)) for each in received)}: lost {lost}, "
        f"received more than once {sum(map(len, received)) - len(distinct)}"
    )
    switches = [
        (end, next((when for when in arrivals.times[to] if when > end), None)) for end, to in ends if to is not None
    ]
    took = [first - end for end, first in switches if first is not None]
    print(
        "from the end of the connection to the first message at the next server:",
        " ".join(f"{each:.3f}" for each in took),
        f"median {statistics.median(took):.3f} s, worst {max(took):.3f} s",
    )
    fromStop = [min(first for _, first in switches if first is not None and first > stop) - stop for stop in stops]
    print(
        "from the SIGTERM to the same:",
        " ".join(f"{each:.3f}" for each in fromStop),
        f"median {statistics.median(fromStop):.3f} s, worst {max(fromStop):.3f} s",
        flush=True,
    )
    return lost == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the trial.

    :return: 0 if nothing was lost.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--hold", type=float, default=5.0)
    options = parser.parse_args(arguments)
    status = [2]
    with tempfile.TemporaryDirectory() as name:
        servers = [SyslogNg(Path(name, "syslog-ng")), Rsyslog(Path(name, "rsyslog")), OwnServer(Path(name, "own"))]

        def go() -> None:
            running = Deferred.fromCoroutine(trial(options.seconds, options.rate, options.hold, servers))
            running.addCallback(lambda good: status.__setitem__(0, 0 if good else 1))
            running.addErrback(lambda reason: reason.printTraceback())
            running.addBoth(lambda _: theReactor.stop())

        theReactor.callWhenRunning(go)
        theReactor.run()
        for server in servers:
            server.close()
    return status[0]


if __name__ == "__main__":
    sys.exit(main())
