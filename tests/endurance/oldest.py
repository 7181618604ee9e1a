"""
A disk that is full of datagrams, with ``overflow = "drop-oldest"``: the newest ones are delivered, and each one that is
not is accounted for.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from ..real import freePort, waitUntil
from .datagrams import FIRST, Datagrams
from .disks import SIZE as DISK
from .disks import smallDisk
from .full import DROPPED, UDP
from .outcomes import Outcome
from .relay import Relay, Settings
from .server import Server

#: Seconds between two messages, and bytes of each: five megabytes a second, or so.
PAUSE, SIZE = 0.0001, 1400

#: So many bytes are sent before there is a server, and then for so many seconds more.
BEFORE, MORE = 2 * DISK, 3.0

#: So many of the last messages have to come, but for a few that the kernel may drop; and so few may be unaccounted for.
#: Of what is given up a window may come all the same, since it was sent and not answered.
LAST, FEW, WINDOW = 1000, 20, 1000

_LIMIT = 60.0


def oldest(folder: Path, size: str) -> Outcome:
    """
    Make the trial.

    :param size: of the spool: more than the disk, or less.
    """
    folder.mkdir()
    with smallDisk(folder / "disk"):
        port = freePort()
        sources = UDP.format(port=port)
        settings = Settings(overflow="drop-oldest", sources=sources, spool="disk/spool", memory="16MiB", size=size)
        relay = Relay(folder, settings)
        server, datagrams = Server(folder, relay.server, relp=True), Datagrams(port, PAUSE, SIZE)
        try:
            relay.start()
            datagrams.start()
            waitUntil(lambda: datagrams.sent * SIZE > BEFORE, "enough is sent", _LIMIT)
            server.start()
            time.sleep(MORE)
            datagrams.close()
            server.settle()
            relay.stop()
        finally:
            datagrams.close()
            relay.kill()
            server.kill()
        return _outcome(size, relay, server, datagrams)


def _outcome(size: str, relay: Relay, server: Server, datagrams: Datagrams) -> Outcome:
    """
    Judge.
    """
    times = server.counts.times(FIRST + datagrams.sent)[FIRST:]
    came, last = len(times) - times.count(0), LAST - times[-LAST:].count(0)
    dropped, kernel = _sum(relay, DROPPED), _sum(relay, r"kernel-drops: (\d+)")
    missing = datagrams.sent - came - dropped - kernel
    troubles = []
    if last < LAST - kernel - FEW:
        troubles.append(f"{size}: only {last} of the last {LAST} messages came")
    if not -WINDOW <= missing <= FEW:
        troubles.append(f"{size}: {missing} messages are unaccounted for")
    cells = {
        "spool.size": size,
        "sent": datagrams.sent,
        "came": came,
        "dropped": dropped,
        "by the kernel": kernel,
        "unaccounted": missing,
        f"of the last {LAST}": last,
    }
    return Outcome(cells, troubles)


def _sum(relay: Relay, pattern: str) -> int:
    """
    What the relay has counted.
    """
    return sum(int(re.findall(pattern, line)[0]) for line in relay.said(pattern))
