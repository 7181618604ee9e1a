"""
A disk that fails: its file system takes no more writes, as Linux does when it meets an error.

What is on it is delivered all the same, and when the disk has been mounted again and the relay restarted, the rest.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from ..real import waitUntil
from .account import Account
from .client import Client
from .disks import FailingDisk
from .outcomes import Outcome
from .relay import Relay, Settings
from .server import Server

#: Bytes of each message; how many are on the disk when it fails, and how many there are at all.
SIZE, BEFORE, MESSAGES = 1000, 6000, 10_000

#: How long each step may take.  Seconds.
LIMIT = 60.0


def readonly(folder: Path) -> Outcome | None:
    """
    Make the trial.

    :return: nothing where there can be no such disk.
    """
    folder.mkdir()
    try:
        disk = FailingDisk(folder / "image", folder / "disk")
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    # Little memory, so that most has to be read while the disk fails.
    relay = Relay(folder, Settings(spool="disk/spool", memory="1MiB"))
    server = Server(folder, relay.server, relp=True)
    client = Client(relay.port, 0, SIZE, BEFORE)
    troubles: list[str] = []
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: relay.said("takes nothing: "), "the relay says that the disk fails"),
        (lambda: all(server.counts.times(BEFORE)), "what is on the failing disk is delivered"),
    ]
    try:
        relay.start()
        waitUntil(lambda: client.done, "everything is on disk", LIMIT)
        disk.fail()
        client.more(MESSAGES)
        for condition, what in steps:
            waitUntil(condition, what, LIMIT)
            if "says" in what:
                server.start()
        relay.kill()
        disk.unmount()
        disk.check()
        disk.mount()
        relay.start()
        waitUntil(lambda: client.done, "every message is answered", LIMIT)
        waitUntil(lambda: all(server.counts.times(MESSAGES)), "everything has come", LIMIT)
    except TimeoutError as error:
        troubles.append(str(error))
    finally:
        client.close()
        relay.kill()
        server.kill()
        disk.unmount()
    account = Account.of(client.journal, server.counts)
    if account.lost:
        troubles.append(f"{account.lost} messages were answered with 200 and are lost")
    cells = {
        "200": account.answered,
        "lost": account.lost,
        "duplicates": account.duplicates,
        "broken": len(relay.said("takes nothing: ")),
        "damaged": len(relay.said("the spool is damaged")),
    }
    return Outcome(cells, troubles)
