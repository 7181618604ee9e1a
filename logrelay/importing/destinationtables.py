"""
The options of syslog-ng's destinations.

An option that stands in none of these tables is left out, and told; the documentation is made from them.
"""

from __future__ import annotations

from ..config import smallestBuffer, smallestSpool
from ..keys import LARGEST_MESSAGE, LARGEST_STORE, SMALLEST_MESSAGE
from . import values
from .options import Option, always, flags, never, nothing, put, same, sized, table
from .treatments import (
    DEFAULT_MESSAGE,
    TUNING,
    family,
    file,
    idle,
    keptAlive,
    oneLine,
    pins,
    port,
    protocols,
    rfc5424,
    sync,
    version,
)

#: What fits messages of the default size.
_BUFFER, _SPOOL = smallestBuffer(DEFAULT_MESSAGE), smallestSpool(DEFAULT_MESSAGE)


#: Of destinations.
DESTINATION = table(
    Option("transport", "transport", "transport(tls) tls()", nothing, "tcp, tls"),
    Option("port", "port", "port(5140)", put("port", port), "514 for network() over tls", vital=True),
    Option("destport", "port", "destport(5140)", put("port", port), vital=True),
    Option("localip", "localip", "localip(127.0.0.1)", put("localip", values.text), vital=True),
    Option(
        "ip-protocol", "ip-protocol", "ip-protocol(6)", put("ip-protocol", family), "4 for names without it", vital=True
    ),
    Option("failover", "failovers", 'failover(servers("b.example.com"))', nothing, "see below"),
    Option("failover-servers", "failovers", 'failover-servers("b.example.com")', nothing),
    Option("tls", "transport", "transport(tls) tls()", nothing, "see below"),
    Option("disk-buffer", "spool.size", "disk-buffer(disk-buf-size(8388608) reliable(yes))", nothing, "see below"),
    Option("time-reopen", "time-reopen", "time-reopen(10)", put("time-reopen", values.number), "the longest wait here"),
    Option("throttle", "throttle", "throttle(1000)", put("throttle", values.number)),
    Option(
        "truncate-size",
        "max-message-size",
        "truncate-size(8192)",
        sized("max-message-size", SMALLEST_MESSAGE, LARGEST_MESSAGE),
    ),
    Option("tcp-keepalive-time", "keepalive", "tcp-keepalive-time(60)", keptAlive(0)),
    Option("tcp-keepalive-intvl", "keepalive", "tcp-keepalive-intvl(10)", keptAlive(1)),
    Option("tcp-keepalive-probes", "keepalive", "tcp-keepalive-probes(6)", keptAlive(2)),
    Option(
        "flags",
        "format",
        "flags(syslog-protocol)",
        flags(
            {"threaded": None, "syslog-protocol": rfc5424, "no-multi-line": oneLine},
            "logrelay has nothing like it: see whether you need it",
        ),
        "syslog-protocol",
    ),
    Option("so-keepalive", "", "so-keepalive(yes)", always("dead connections are found by TCP keepalive"), "yes"),
    Option(
        "keep-alive", "", "keep-alive(yes)", always("a connection stays if nothing of it is changed by a reload"), "yes"
    ),
    Option("spoof-source", "", "spoof-source(no)", never("only stream transports fail over"), "no"),
    Option("suppress", "", "suppress(0)", never("every message is sent"), "0"),
    *idle(
        TUNING,
        "flush-lines(100)",
        "flush-timeout(1000)",
        "batch-lines(100)",
        "batch-bytes(1000)",
        "batch-timeout(1000)",
        "workers(2)",
        'persist-name("d")',
        "internal(no)",
    ),
)

#: Of ``failover()``.
FAILOVER = table(
    Option("servers", "failovers", 'servers("b.example.com")', nothing),
    Option("failback", "failback", 'servers("b.example.com") failback(tcp-probe-interval(10))', nothing, "see below"),
)

#: Of ``failback()``.
FAILBACK = table(
    Option(
        "tcp-probe-interval",
        "failback.tcp-probe-interval",
        "tcp-probe-interval(10)",
        put("failback.tcp-probe-interval", values.number),
    ),
    Option(
        "successful-probes-required",
        "failback.successful-probes-required",
        "successful-probes-required(5)",
        put("failback.successful-probes-required", values.whole),
    ),
)

#: Of ``tls()`` of a destination.
TLS = table(
    Option("ca-file", "tls.ca-file", 'ca-file("/ca.pem")', file("tls.ca-file"), vital=True),
    Option("ca-dir", "tls.ca-dir", 'ca-dir("/etc/ssl/certs")', file("tls.ca-dir"), vital=True),
    Option("cert-file", "tls.cert-file", 'key-file("/k.pem") cert-file("/c.pem")', file("tls.cert-file"), vital=True),
    Option("key-file", "tls.key-file", 'key-file("/k.pem") cert-file("/c.pem")', file("tls.key-file"), vital=True),
    Option(
        "peer-verify",
        "",
        "peer-verify(required-trusted)",
        same(
            ("required-trusted", "yes"),
            "a server must always show a certificate with its name and a good chain: name its CA as ca-file",
        ),
        "required-trusted",
    ),
    Option(
        "trusted-keys",
        "tls.pins",
        'trusted-keys("SHA256:' + "0" * 64 + '")',
        pins,
        "digests of SHA-256 only",
        vital=True,
    ),
    Option(
        "ssl-options",
        "tls.min-version",
        "ssl-options(no-sslv3, no-tlsv12)",
        protocols,
        "no-tlsv12; those before TLS 1.2 are never spoken",
    ),
    Option("ssl-version", "tls.min-version", "ssl-version(tlsv1_3)", version, "tlsv1_2, tlsv1_3"),
    Option("sni", "", "sni(yes)", always("the name of a server is always told"), "yes"),
    Option("allow-compress", "", "allow-compress(no)", never("TLS is never compressed"), "no"),
)

#: Of ``disk-buffer()``.
DISK_BUFFER = table(
    Option("reliable", "spool.sync", "reliable(no)", put("spool.sync", sync), "yes: full; no: normal"),
    Option("disk-buf-size", "spool.size", "disk-buf-size(8388608)", sized("spool.size", _SPOOL, LARGEST_STORE)),
    Option("capacity-bytes", "spool.size", "capacity-bytes(8388608)", sized("spool.size", _SPOOL, LARGEST_STORE)),
    Option("mem-buf-size", "buffer.size", "mem-buf-size(8388608)", sized("buffer.size", _BUFFER, LARGEST_STORE)),
    Option(
        "flow-control-window-bytes",
        "buffer.size",
        "flow-control-window-bytes(8388608)",
        sized("buffer.size", _BUFFER, LARGEST_STORE),
    ),
    Option("dir", "spool.path", 'dir("/var/spool/x")', nothing, "with the destination's name behind it"),
    *idle(
        TUNING,
        "mem-buf-length(1000)",
        "flow-control-window-size(1000)",
        "qout-size(100)",
        "front-cache-size(100)",
        "compaction(no)",
        "prealloc(yes)",
        "truncate-size-ratio(1)",
    ),
)
