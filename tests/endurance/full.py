"""
The disk is full before the spool is: sources wait, what was answered with 200 stays, and when a server comes everything
goes on by itself; also when the relay was killed meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from ..real import freePort, waitUntil
from .account import Account
from .client import Client
from .datagrams import FIRST, Datagrams
from .disks import SIZE as DISK
from .disks import smallDisk
from .outcomes import Outcome
from .relay import Relay, Settings
from .server import Server

#: Bytes of each message, and how many: nearly twice what the disk has room for.
SIZE, MESSAGES = 1000, 45_000

#: How long each step may take.  Seconds.
LIMIT = 60.0

#: One more source, as text.
UDP = """
[[source]]
type = "syslog"
listen = "udp:{port}:interface=127.0.0.1"
"""

#: What the relay says.
_BROKEN, _MENDED, DROPPED = "takes nothing: ", "takes messages again", r"(\d+) messages of source udp\S* dropped"


@attrs.define
class Seen:
    """
    What was seen of a full disk.

    :ivar held: how many messages had been answered with 200 when the disk was full.
    """

    held: int = 0
    troubles: list[str] = attrs.field(factory=list)


def full(folder: Path, overflow: str, killed: bool, messages: int = MESSAGES) -> Outcome:
    """
    Make the trial.

    :param overflow: the policy.
    :param killed: whether to kill the relay while the disk is full.
    """
    folder.mkdir()
    with smallDisk(folder / "disk"):
        port = freePort()
        settings = Settings(overflow=overflow, sources=UDP.format(port=port), spool="disk/spool", memory="16MiB")
        relay = Relay(folder, settings)
        server = Server(folder, relay.server, relp=True)
        client, datagrams = Client(relay.port, 0, SIZE, messages), Datagrams(port)
        seen = Seen()
        try:
            relay.start()
            datagrams.start()
            _fill(relay, client, seen)
            if killed:
                relay.kill()
                relay.start()
                waitUntil(lambda: len(relay.said(_BROKEN)) == 2, "the disk is still full", LIMIT)
            server.start()
            _recover(relay, client, server, seen)
            datagrams.close()
            time.sleep(0.5)
            relay.stop()
        finally:
            client.close()
            datagrams.close()
            relay.kill()
            server.kill()
        return _outcome(relay, client, server, datagrams, seen, overflow, killed)


def _fill(relay: Relay, client: Client, seen: Seen) -> None:
    """
    Send until the disk is full, and see the client wait.
    """
    waitUntil(lambda: relay.said(_BROKEN), "the disk is full", LIMIT)
    time.sleep(0.5)
    seen.held = client.answered
    time.sleep(2)
    if client.answered != seen.held:
        seen.troubles.append(f"{client.answered - seen.held} messages were answered while the disk was full")
    if len(relay.said(_BROKEN)) != 1:
        seen.troubles.append(f"a full disk was told {len(relay.said(_BROKEN))} times")


def _recover(relay: Relay, client: Client, server: Server, seen: Seen) -> None:
    """
    Let everything be delivered.
    """
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: server.counts.came > DISK / 2, "what is on the full disk is delivered"),
        (lambda: relay.said(_MENDED), "the spool takes messages again"),
        (lambda: client.done, "every message is answered"),
        (lambda: 0 not in server.counts.times(client.made), "everything has come"),
    ]
    for condition, what in steps:
        try:
            waitUntil(condition, what, LIMIT)
        except TimeoutError as error:
            seen.troubles.append(str(error))
            return


def _outcome(
    relay: Relay, client: Client, server: Server, datagrams: Datagrams, seen: Seen, overflow: str, killed: bool
) -> Outcome:
    """
    Judge.
    """
    account = Account.of(client.journal, server.counts)
    troubles = list(seen.troubles)
    if account.lost:
        troubles.append(f"{account.lost} messages were answered with 200 and are lost")
    came = server.counts.times(FIRST + datagrams.sent)[FIRST:]
    cells = {
        "overflow": overflow,
        "killed": "yes" if killed else "no",
        "200 at full": seen.held,
        "200": account.answered,
        "lost": account.lost,
        "duplicates": account.duplicates,
        "broken": len(relay.said(_BROKEN)),
        "mended": len(relay.said(_MENDED)),
        "UDP sent": datagrams.sent,
        "UDP came": len(came) - came.count(0),
        "UDP dropped": sum(int(re.findall(DROPPED, line)[0]) for line in relay.said(DROPPED)),
    }
    name = f"{overflow}{', killed' if killed else ''}"
    return Outcome(cells, [f"{name}: {trouble}" for trouble in troubles])
