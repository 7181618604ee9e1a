"""
Debian's rsyslog, configured for some work.
"""

from __future__ import annotations

import attrs

from benchmarks.wire import HOST
from tests.real import Rsyslog

from .working import LONGEST, ROOM, UDP_BUFFER, Working


@attrs.define(slots=False)
class WorkingRsyslog(Working, Rsyslog):
    """
    rsyslog with its main queue in memory between the input and the action, as it has by default.

    It takes up to 256 messages from that at a time, as it does without a configuration.  It parses each message, as it
    always does, and sends on ``%rawmsg%`` where the message is to stay as it is.  It would drop what it has no room for
    after two seconds, and is told to wait.  No names are looked up.  Over UDP it reads 128 datagrams at a time; its
    unix socket has no rate limit; TLS is OpenSSL's, as with the others; RELP has a window of 1000.
    """

    def configuration(self) -> str:
        """
        One input, one action.
        """
        files = ""
        if "tls" in (self.work.comes.transport, self.work.goes.transport):
            named = {"CertFile": self.tlsFiles().cert, "KeyFile": self.tlsFiles().key, "CAFile": self.tlsFiles().ca}
            files = " ".join(f'DefaultNetstreamDriver{name}="{path}"' for name, path in named.items())
        return f"""global(workDirectory="{self.directory}" maxMessageSize="{LONGEST}" net.enableDNS="off" {files})
main_queue(queue.type="FixedArray" queue.dequeueBatchSize="256" queue.timeoutEnqueue="600000")
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="bare" type="string" string="%rawmsg%")
{self._action()}
{self._input()}
action(type="omfile" file="{self.directory / "log"}")
"""

    def _input(self) -> str:
        transport = self.work.comes.transport
        where = f'address="{self.host}" port="{self.port}" ruleset="forward"'
        if transport == "udp":
            return f"""module(load="imudp" batchSize="128" timeRequery="8")
input(type="imudp" rcvbufSize="{UDP_BUFFER}" {where})"""
        if transport == "unix-dgram":
            return f"""module(load="imuxsock" sysSock.use="off")
input(type="imuxsock" socket="{self.socketPath}" createPath="on" rateLimit.interval="0" usePIDFromSystem="off"
    useSpecialParser="off" ruleset="forward")"""
        if transport == "relp":
            return f'module(load="imrelp")\ninput(type="imrelp" maxDataSize="{LONGEST}" {where})'
        tls = (
            'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"' if transport == "tls" else ""
        )
        sessions = self.work.connections + 10
        return f'module(load="imtcp" maxSessions="{sessions}" {tls})\ninput(type="imtcp" {where})'

    def _action(self) -> str:
        goes, queue, load = self.work.goes, "", ""
        if self.work.sync:
            queue = f"""queue.type="LinkedList" queue.size="100000" queue.filename="spool" queue.maxDiskSpace="{ROOM}"
        queue.dequeueBatchSize="1024" queue.timeoutEnqueue="600000" queue.saveOnShutdown="on\""""
        if goes.transport == "relp":
            load = 'module(load="omrelp")\n'
            kind = 'type="omrelp" windowSize="1000"'
        else:
            kind = f'type="omfwd" protocol="tcp" tcp_framing="{_FRAMINGS[goes.framing]}"'
        if goes.transport == "tls":
            kind += ' streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/certvalid"'
        template = _TEMPLATES.get(goes.form) or ("raw" if goes.framing == "lf" and goes.transport != "relp" else "bare")
        return f"""{load}ruleset(name="forward") {{
    action({kind} target="{HOST}" port="{self.to}" template="{template}"
        action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1"
        {queue})
}}"""


_FRAMINGS = {"lf": "traditional", "octet-counting": "octet-counted"}
_TEMPLATES = {"rfc5424": "RSYSLOG_SyslogProtocol23Format", "rfc3164": "RSYSLOG_TraditionalForwardFormat"}
