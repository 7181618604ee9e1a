"""
Our relay, configured for some work.
"""

from __future__ import annotations

import attrs

from benchmarks.wire import HOST

from . import LogRelay
from .working import ROOM, UDP_BUFFER, Working


@attrs.define(slots=False)
class WorkingLogRelay(Working, LogRelay):
    """
    logrelay with what it has by default: the delivery level ``replay``, and a buffer of 64 MiB; with one more thing for
    UDP, the receive buffer that the others have too.
    """

    def configuration(self) -> str:
        """
        As little as possible.
        """
        goes, files = self.work.goes, ""
        lines = ['driver = "relp"'] if goes.transport == "relp" else [f'framing = "{goes.framing}"']
        if goes.transport == "tls":
            lines.append('transport = "tls"')
            files = f'[destination.central.tls]\nca-file = "{self.tlsFiles().ca}"\n'
        if goes.transport != "relp":
            lines.append(f'delivery = "{self.work.delivery}"')
        spool = f'[destination.central.spool]\nsize = {ROOM}\nsync = "{self.work.sync}"\n' if self.work.sync else ""
        return f"""
{self._source()}
[destination.central]
primary = "{HOST}:{self.to}"
format = "{goes.form}"
time-reopen = 1
{chr(10).join(lines)}

{files}{spool}"""

    def _source(self) -> str:
        comes, certificate = self.work.comes, ""
        kind = "relp" if comes.transport == "relp" else "syslog"
        where = f"{'tcp' if kind == 'relp' else comes.transport}:{self.port}:interface={HOST}"
        limits = f"max-connections = {self.work.connections + 10}"
        if comes.transport == "unix-dgram":
            where, limits = f"unix-dgram:{self.socketPath}", ""
        elif comes.transport == "udp":
            limits = f"so-rcvbuf = {UDP_BUFFER}"
        elif comes.transport == "tls":
            certificate = f'[source-tls]\ncert-file = "{self.tlsFiles().cert}"\nkey-file = "{self.tlsFiles().key}"\n'
        return f'{certificate}[[source]]\ntype = "{kind}"\nlisten = "{where}"\n{limits}\n'
