"""
The relays whose spools are compared: each a process with a configuration of its own, which takes messages by TCP and
sends them on as they came, one line each.

They keep them meanwhile: logrelay in memory, or in a spool; syslog-ng in a reliable disk buffer, which it never syncs;
rsyslog in a disk-assisted queue, which has 100,000 messages in memory before it begins to write to the disk, and does
not sync that either.  All have room for a GiB, wait for room rather than drop anything, and try an absent server again
each second.
"""

from __future__ import annotations

import attrs

from tests.real import MESSAGE_SIZE, Rsyslog, SyslogNg

from .relays import LogRelay

#: Bytes on disk.
ROOM = 1 << 30


@attrs.define
class SpoolingLogRelay(LogRelay):
    """
    Ours.

    :ivar to: the port of its server.
    :ivar sync: of the spool; empty: without one.
    :ivar source: ``syslog`` or ``relp``.
    """

    to: int = 0
    sync: str = ""
    source: str = "syslog"

    def configuration(self) -> str:
        """
        As little as possible.
        """
        spool = f'[destination.central.spool]\nsize = {ROOM}\nsync = "{self.sync}"' if self.sync else ""
        return f"""
[[source]]
type = "{self.source}"
listen = "tcp:{self.port}:interface=127.0.0.1"

[destination.central]
driver = "network"
format = "as-is"
primary = "127.0.0.1:{self.to}"
time-reopen = 1

{spool}
"""


@attrs.define
class SpoolingSyslogNg(SyslogNg):
    """
    syslog-ng, which parses nothing.

    :ivar to: the port of its server.
    """

    to: int = 0

    def configuration(self) -> str:
        """
        It reads more at a time than by default, as its manual advises for few and fast connections.
        """
        return f"""@version: 3.38
options {{ stats-freq(0); use-dns(no); keep-hostname(yes); log-msg-size({MESSAGE_SIZE}); time-reopen(1); }};
source s {{
    network(ip("127.0.0.1") port({self.port}) transport("tcp") flags(no-parse)
        max-connections(10) log-iw-size(100000) log-fetch-limit(1000));
}};
destination d {{
    network("127.0.0.1" port({self.to}) transport("tcp") template("$MSG\\n")
        disk-buffer(reliable(yes) disk-buf-size({ROOM}) dir("{self.directory}")));
}};
log {{ source(s); destination(d); flags(flow-control); }};
"""


@attrs.define(slots=False)
class SpoolingRsyslog(Rsyslog):
    """
    rsyslog.

    :ivar to: the port of its server.
    """

    to: int = 0

    def configuration(self) -> str:
        """
        It would drop what it has no room for after two seconds.
        """
        return f"""global(workDirectory="{self.directory}" maxMessageSize="{MESSAGE_SIZE}")
module(load="imtcp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="sent") {{
    action(type="omfwd" target="127.0.0.1" port="{self.to}" protocol="tcp" template="raw"
        action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1"
        queue.type="LinkedList" queue.size="100000" queue.filename="spool" queue.maxDiskSpace="{ROOM}"
        queue.dequeueBatchSize="1024" queue.timeoutEnqueue="600000" queue.saveOnShutdown="on")
}}
input(type="imtcp" address="{self.host}" port="{self.port}" ruleset="sent")
action(type="omfile" file="{self.directory / "log"}")
"""
