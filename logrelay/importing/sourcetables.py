"""
The options of syslog-ng's sources.

An option that stands in none of these tables is left out, and told; the documentation is made from them.
"""

from __future__ import annotations

from ..keys import LARGEST_MESSAGE, SMALLEST_MESSAGE
from ..values import GIB
from . import values
from .options import Option, always, flags, never, nothing, put, same, sized, table
from .treatments import TUNING, file, idle, permissions, protocols, reusing

#: What tells how names are treated: a message keeps the host that it came with, and no address is looked up.
HOSTS = (
    Option("use-dns", "", "use-dns(no)", never("hosts are never looked up, and are written as addresses"), "no"),
    Option("use-fqdn", "", "use-fqdn(no)", never("names are taken as they come"), "no"),
    Option("keep-hostname", "", "keep-hostname(yes)", always("a message keeps the host that it came with"), "yes"),
    Option("keep-timestamp", "", "keep-timestamp(yes)", always("a message keeps the time that it came with"), "yes"),
    Option("chain-hostnames", "", "chain-hostnames(no)", never("a message keeps the host that it came with"), "no"),
    Option("normalize-hostnames", "", "normalize-hostnames(no)", never("names are taken as they come"), "no"),
    Option("check-hostname", "", "check-hostname(no)", never("names are taken as they come"), "no"),
)

_PARSING = 'messages are parsed only as far as a destination\'s format needs it; format = "as-is" there sends what came'
_SOURCE_FLAGS = dict.fromkeys(
    ("threaded", "no-threaded", "expect-hostname", "syslog-protocol", "store-legacy-msghdr", "assume-utf8")
)

#: Of every source.
SOURCE: tuple[Option, ...] = (
    Option(
        "log-msg-size",
        "max-message-size",
        "log-msg-size(8192)",
        sized("max-message-size", SMALLEST_MESSAGE, LARGEST_MESSAGE),
    ),
    Option(
        "flags",
        "",
        "flags(syslog-protocol)",
        flags(_SOURCE_FLAGS, _PARSING),
        "syslog-protocol, expect-hostname, store-legacy-msghdr, threaded",
    ),
    Option(
        "encoding",
        "",
        'encoding("utf-8")',
        same(("utf-8", "utf8"), "messages are sent in the bytes they have"),
        "UTF-8",
    ),
    Option(
        "trim-large-messages",
        "",
        "trim-large-messages(yes)",
        always("the rest of a message that is too long is dropped, and counted"),
        "yes",
    ),
    *HOSTS,
    *idle(
        TUNING,
        "log-iw-size(1000)",
        "log-fetch-limit(100)",
        "dynamic-window-size(1000)",
        "dns-cache(no)",
        'persist-name("s")',
        "internal(no)",
        "use-syslogng-pid(no)",
        "optional(yes)",
    ),
)

#: Of sources that accept connections.
_STREAM = (
    Option(
        "max-connections",
        "max-connections",
        "max-connections(100)",
        put("max-connections", values.whole),
        "1000 without it",
    ),
    Option(
        "keep-alive", "", "keep-alive(yes)", always("connections stay open when the configuration is read again"), "yes"
    ),
)

#: Of sources that listen on a port.
NETWORK_SOURCE = table(
    Option("transport", "listen", 'transport("udp")', nothing, "tcp, tls, udp"),
    Option("port", "listen", "port(5140)", nothing),
    Option("localport", "listen", "localport(5140)", nothing),
    Option("ip", "listen", "ip(127.0.0.1)", nothing),
    Option("localip", "listen", "localip(127.0.0.1)", nothing),
    Option("ip-protocol", "listen", "ip-protocol(6)", nothing, "6 listens on :: where no address is given"),
    Option("listen-backlog", "listen", "listen-backlog(256)", nothing, "1024 without it"),
    Option(
        "tls",
        "source-tls.cert-file",
        'tls(key-file("/k.pem") cert-file("/c.pem") peer-verify(optional-untrusted))',
        nothing,
        "see below",
    ),
    Option("so-reuseport", "reuse-port", "so-reuseport(yes)", reusing),
    Option("so-rcvbuf", "so-rcvbuf", "transport(udp) so-rcvbuf(1048576)", sized("so-rcvbuf", 0, GIB), "for udp"),
    Option("so-keepalive", "", "so-keepalive(yes)", always("dead connections are found by TCP keepalive"), "yes"),
    *_STREAM,
    *SOURCE,
)

#: Of ``unix-stream()`` and ``unix-dgram()``.
UNIX_SOURCE = table(
    Option("perm", "mode", "perm(0660)", put("mode", permissions)),
    *_STREAM,
    *SOURCE,
    *idle("the folder of the socket must be there", "create-dirs(no)"),
    *idle(TUNING, "pass-unix-credentials(no)"),
)

#: Of sources that read files.
FILE_SOURCE = table(
    Option("base-dir", "path", 'base-dir("/var/log/app") filename-pattern("*.log")', nothing, "wildcard-file()"),
    Option(
        "filename-pattern", "path", 'base-dir("/var/log/app") filename-pattern("*.log")', nothing, "wildcard-file()"
    ),
    Option(
        "recursive",
        "path",
        'base-dir("/var/log/app") filename-pattern("*.log") recursive(yes)',
        nothing,
        "wildcard-file()",
    ),
    Option("read-old-records", "", "read-old-records(yes)", always("a new file is read from its beginning"), "yes"),
    *SOURCE,
    Option("flags", "", "flags(no-parse)", flags({**_SOURCE_FLAGS, "no-parse": None}, _PARSING), "no-parse"),
    *idle(TUNING, "follow-freq(1)", 'monitor-method("auto")', "max-files(100)"),
)

#: Of ``default-network-drivers()``.
DEFAULT_DRIVERS = table(
    Option("tcp-port", "listen", "tcp-port(5140)", nothing),
    Option("udp-port", "listen", "udp-port(5140)", nothing),
    Option("rfc5424-tcp-port", "listen", "rfc5424-tcp-port(6010)", nothing),
    Option("rfc5424-tls-port", "listen", "rfc5424-tls-port(6515)", nothing),
    Option(
        "tls",
        "source-tls.cert-file",
        'tls(key-file("/k.pem") cert-file("/c.pem") peer-verify(optional-untrusted))',
        nothing,
        "see below",
    ),
    Option("log-msg-size", "max-message-size", "log-msg-size(8192)", nothing),
    Option("max-connections", "max-connections", "max-connections(100)", nothing),
    Option("flags", "", "flags(syslog-protocol)", nothing),
)

#: Of ``tls()`` of a source.
SOURCE_TLS = table(
    Option("cert-file", "source-tls.cert-file", "peer-verify(no)", file("cert-file"), vital=True),
    Option("key-file", "source-tls.key-file", "peer-verify(no)", file("key-file"), vital=True),
    Option(
        "ca-file",
        "source-tls.client-ca-file",
        'ca-file("/ca.pem")',
        nothing,
        "unless peer-verify asks for no certificate",
    ),
    Option(
        "peer-verify",
        "source-tls.client-ca-file",
        'ca-file("/ca.pem")',
        nothing,
        "required-trusted, optional-untrusted, no",
    ),
    Option(
        "ssl-options", "", "ssl-options(no-sslv3) peer-verify(no)", protocols, "those before TLS 1.2 are never spoken"
    ),
    Option("allow-compress", "", "allow-compress(no) peer-verify(no)", never("TLS is never compressed"), "no"),
)
