"""
All servers are down, and gigabytes gather on disk; then a server comes, and the relay is killed while it delivers them.

Memory stays what the configuration allows, however much is on disk, and the server gets the first message at once.
"""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

from ..real import waitUntil
from .account import Account
from .client import Client
from .outcomes import Outcome
from .relay import Relay, Settings
from .server import Server

#: Bytes of each message, and of all of them.
SIZE, BACKLOG = 4000, 2_000_000_000

#: What a relay may take in memory, in bytes: its buffer, and Python with all the rest.
MEMORY = (64 + 100) * 2**20

#: How soon after the listeners are up the server has to get the first byte.  Seconds.
FIRST_BYTE = 1.0

#: How long each step may take, in seconds, for a gigabyte and besides.
_GIGABYTE, _BESIDES = 240.0, 30.0


def drain(seed: int, folder: Path, driver: str, backlog: int = BACKLOG, kills: int = 5) -> Outcome:
    """
    Make the trial.

    :param driver: of the destination.
    :param backlog: how many bytes are to gather.
    """
    folder.mkdir()
    limit = _BESIDES + backlog / 1e9 * _GIGABYTE
    messages = backlog // SIZE
    chance = random.Random(seed)
    marks = sorted(chance.uniform(0.02, 0.8) * backlog for _ in range(kills))
    relay = Relay(folder, Settings(driver=driver, size="4GiB"))
    server = Server(folder, relay.server, relp=driver == "relp")
    client = Client(relay.port, 0, SIZE, messages)
    firsts: list[float] = []
    try:
        relay.start()
        waitUntil(lambda: client.done, "everything is on disk", limit)
        server.start()
        _restart(relay, server, firsts)
        for mark in marks:
            waitUntil(lambda mark=mark: server.counts.came > mark, f"{mark:.0f} bytes have come", limit)  # type: ignore[misc]
            _restart(relay, server, firsts)
        with suppress(TimeoutError):
            # What does not come is lost: the account says so.
            waitUntil(lambda: 0 not in server.counts.times(messages), "everything has come", limit)
        relay.memory()
    finally:
        client.close()
        relay.kill()
        server.kill()
    account = Account.of(client.journal, server.counts)
    return _outcome(driver, backlog, kills, account, relay.most, max(firsts))


def _restart(relay: Relay, server: Server, firsts: list[float]) -> None:
    """
    Kill the relay, start it, and see how soon the server gets anything.
    """
    relay.kill()
    # What is on its way is not from the new one.
    server.settle()
    server.counts.forget()
    began = relay.start()
    waitUntil(lambda: server.counts.began, "the first byte comes", _BESIDES)
    firsts.append(max(0.0, server.counts.began - began))


def _outcome(driver: str, backlog: int, kills: int, account: Account, most: int, first: float) -> Outcome:
    """
    Judge.
    """
    troubles = []
    if account.lost:
        troubles.append(f"{driver}: {account.lost} messages were answered with 200 and are lost")
    if most > MEMORY:
        troubles.append(f"{driver}: a relay took {most} bytes of memory, more than {MEMORY}")
    if first > FIRST_BYTE:
        troubles.append(f"{driver}: the first byte came {first:.2f} s after the listeners were up")
    cells = {
        "to": driver,
        "MB spooled": backlog / 1e6,
        "kills": kills + 1,
        "200": account.answered,
        "lost": account.lost,
        "duplicates": account.duplicates,
        "memory MiB": most / 2**20,
        "first byte s": first,
    }
    return Outcome(cells, troubles)
