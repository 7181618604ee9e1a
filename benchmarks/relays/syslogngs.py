"""
Debian's syslog-ng, configured for some work.
"""

from __future__ import annotations

import attrs

from benchmarks.wire import HOST, Wire
from tests.real import SyslogNg

from .working import LONGEST, ROOM, UDP_BUFFER, Working

#: How many messages one turn reads from a connection, and for how many from each there is room: as its manual advises
#: for few and fast connections; less where there are many, for its room is reserved.
FETCH, WINDOW = 1000, 10_000
MANY_FETCH, MANY_WINDOW = 100, 1000

#: Where connections begin to be many.
MANY = 50


@attrs.define(slots=False)
class WorkingSyslogNg(Working, SyslogNg):
    """
    syslog-ng, which parses nothing where the message is to stay as it is.

    It reads and writes more at a time than by default (``log-fetch-limit``, ``log-iw-size``, ``flush-lines``), looks up
    no names and no processes (``pass-unix-credentials``), keeps the host of each message, and makes its clients wait
    rather than drop anything (``flow-control``).
    """

    def configuration(self) -> str:
        """
        One source, one destination.
        """
        many = self.work.connections > MANY
        fetch, window = (MANY_FETCH, MANY_WINDOW) if many else (FETCH, WINDOW)
        connections = self.work.connections + (10 if many else 0)
        room = connections * window
        limits = f"log-fetch-limit({fetch}) log-iw-size({room})"
        return f"""@version: 3.38
options {{ stats-freq(0); mark-freq(0); use-dns(no); chain-hostnames(no); keep-hostname(yes);
    pass-unix-credentials(no); flush-lines(1000); log-msg-size({LONGEST}); log-fifo-size({room + 1000});
    time-reopen(1); }};
source in {{ {self._source(limits, connections)}; }};
destination out {{ {self._destination()}; }};
log {{ source(in); destination(out); flags(flow-control); }};
"""

    def _source(self, limits: str, connections: int) -> str:
        comes = self.work.comes
        flags = "flags(no-parse)" if self.work.goes.form == "as-is" else ""
        if comes.transport == "unix-dgram":
            return f'unix-dgram("{self.socketPath}" {flags} {limits})'
        if comes.transport == "udp":
            return f'network(ip("{HOST}") port({self.port}) transport("udp") so-rcvbuf({UDP_BUFFER}) {flags} {limits})'
        if comes.form == "rfc5424" and not flags:
            flags = "flags(syslog-protocol)"
        tls = ""
        if comes.transport == "tls":
            cert, key = self.tlsFiles().cert, self.tlsFiles().key
            tls = f'tls(cert-file("{cert}") key-file("{key}") peer-verify(optional-untrusted))'
        return f"""network(ip("{HOST}") port({self.port}) {_transport(comes)} {tls} {flags}
    max-connections({connections}) {limits})"""

    def _destination(self) -> str:
        goes, tls, spool = self.work.goes, "", ""
        if goes.transport == "tls":
            tls = f'tls(ca-file("{self.tlsFiles().ca}") peer-verify(required-trusted))'
        if self.work.sync:
            spool = f'disk-buffer(reliable(yes) disk-buf-size({ROOM}) dir("{self.directory}"))'
        if goes.form == "as-is":
            end = "\\n" if goes.framing == "lf" else ""
            return f'network("{HOST}" port({self.to}) {_transport(goes)} template("$MSG{end}") {tls} {spool})'
        driver = "syslog" if goes.framing == "octet-counting" else "network"
        return f'{driver}("{HOST}" port({self.to}) transport("{goes.transport}") {tls} {spool})'


def _transport(wire: Wire) -> str:
    """
    The option: ``network()`` knows octet counting over TCP as a transport called ``framed``.
    """
    if wire.framing == "lf":
        return f'transport("{wire.transport}")'
    assert wire.transport == "tcp", wire
    return 'transport("framed")'
