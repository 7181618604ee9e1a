"""
From a case and a contestant to the relay that runs.
"""

from __future__ import annotations

from pathlib import Path

from tests.real import RealServer

from .cases import Case, Contestant
from .relays import RELAYS
from .relays.ours import WorkingLogRelay
from .relays.rsyslogs import WorkingRsyslog
from .relays.socats import Socat
from .relays.syslogngs import WorkingSyslogNg
from .relays.working import Working
from .wire import Files

KINDS: dict[str, type[Working]] = {
    "logrelay": WorkingLogRelay,
    "rsyslog": WorkingRsyslog,
    "syslog-ng": WorkingSyslogNg,
    "socat": Socat,
}

#: Where the servers of a failover are, as the relays' configuration files have it: port 5140 of each.
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def relayFor(case: Case, contestant: Contestant, folder: Path, to: int, files: Files) -> RealServer | None:
    """
    The relay, not started; ``None`` if there is none.

    :param to: the port of the sink.
    """
    if contestant.kind == "direct":
        return None
    if case.strikes:
        return RELAYS[contestant.kind](folder, servers=ADDRESSES)
    return KINDS[contestant.kind](folder, work=case.work(contestant), to=to, files=files)
