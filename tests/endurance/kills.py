"""
The relay is killed again and again under load, and started again.

What was answered with 200 is delivered.  What comes twice is what one side could not know of the other: the client
sends again what had no answer, and the relay what the server had not confirmed, or not before the last commit began.
"""

from __future__ import annotations

import itertools
import random
import time
from contextlib import suppress
from pathlib import Path

from ..real import waitUntil
from .account import Account, duplicates
from .client import WINDOW, Client
from .outcomes import Outcome
from .relay import Relay, Settings
from .server import Server

#: Messages a second, and bytes of each.
RATE, SIZE = 20_000, 64

#: Seconds of work between a start and a kill.
SHORTEST, LONGEST = 0.2, 2.0

#: So often it is killed while it starts, which takes about so many seconds.
EARLY, STARTS = 0.2, (0.3, 0.8)

#: How long one commit may take, in seconds: the record has what had settled when the last one began.
COMMIT = 0.1

#: What one kill may bring twice, in messages: the windows of both sides, and what settled during one commit.  Over TCP
#: alone, where nobody answers, the server's is ``replay-max``.
ALLOWED = {"relp": 2 * WINDOW + int(RATE * COMMIT), "syslog": WINDOW + int(RATE * COMMIT) + 32 * 2**20 // SIZE}

#: How long the rest may take to be delivered.  Seconds.
REST = 60.0


def kills(seed: int, folder: Path, times: int = 50, driver: str = "relp", longest: float = LONGEST) -> Outcome:
    """
    Make the trial.

    :param times: how many kills.
    :param driver: of the destination.
    """
    chance = random.Random(seed)
    relay = Relay(folder, Settings(driver=driver))
    server = Server(folder, relay.server, driver == "relp")
    client = Client(relay.port, RATE, SIZE, 10_000_000)
    doubles = [0]
    try:
        server.start()
        for _ in range(times):
            if chance.random() < EARLY:
                relay.launch()
                time.sleep(chance.uniform(*STARTS))
            else:
                relay.start()
                time.sleep(chance.uniform(SHORTEST, longest))
            doubles.append(duplicates(server.counts.times(client.made)))
            relay.kill()
        relay.start()
        time.sleep(SHORTEST)
        client.stop()
        waitUntil(lambda: client.done, "every message is answered", REST)
        with suppress(TimeoutError):
            # What does not come is lost: the account says so.
            waitUntil(lambda: 0 not in server.counts.times(client.made), "everything has come", REST)
        time.sleep(SHORTEST)
    finally:
        client.close()
        relay.kill()
        server.kill()
    account = Account.of(client.journal, server.counts)
    doubles.append(account.duplicates)
    # Those before the first kill have no business to be there; the others belong to the kill before them.
    before, *each = [later - earlier for earlier, later in itertools.pairwise(doubles)]
    return _outcome(driver, times, account, before, each, relay)


def _outcome(driver: str, times: int, account: Account, before: int, each: list[int], relay: Relay) -> Outcome:
    """
    Judge.
    """
    troubles = []
    if account.lost:
        troubles.append(f"{driver}: {account.lost} messages were answered with 200 and are lost")
    if before:
        troubles.append(f"{driver}: {before} duplicates before the first kill")
    if max(each) > ALLOWED[driver]:
        troubles.append(f"{driver}: {max(each)} duplicates after one kill, more than {ALLOWED[driver]}")
    cells = {
        "to": driver,
        "kills": times,
        "answered 200": account.answered,
        "lost": account.lost,
        "duplicates": account.duplicates,
        "most by one kill": max(each),
        "memory MiB": relay.most / 2**20,
    }
    return Outcome(cells, troubles)
