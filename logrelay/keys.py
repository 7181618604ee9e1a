"""
The one table of everything that can be configured.

The reader of files, the flags of ``twistd logrelay`` and the reference documentation are all made from it: a key that
stands here is read, checked against its limits, suggested when it is misspelt, and documented.
"""

from __future__ import annotations

import re
import tomllib

import attrs

from .batches import Framing
from .config import DRIVERS, ControlSettings
from .listening import FORMS as LISTEN_FORMS
from .listening import WEB_FORMS, parseListen, parseWebListen
from .servers import FORMS as SERVER_FORMS
from .servers import splitServer
from .values import (
    ADDRESS,
    GIB,
    MIB,
    TRUTH,
    Choice,
    Command,
    File,
    Folder,
    Kind,
    Mistake,
    NewSocket,
    Number,
    Parsed,
    Pattern,
    Several,
    Size,
    shown,
)

#: Seconds.  Whoever asks for more than a week surely thinks of another unit.
LONGEST = 7 * 24 * 3600

#: Bytes.  More than any machine has.
LARGEST_STORE = 1024 * GIB

#: Bytes.  A server in the field may refuse 480 (RFC 5424, 6.1, makes that the least it must accept), and each of
#: ``max-connections`` may keep one message of the largest size in memory.
SMALLEST_MESSAGE, LARGEST_MESSAGE = 480, MIB

_MESSAGE_LIMITS = "every receiver must take 480 bytes (RFC 5424), and each connection may hold one largest message"

#: The rule of spec 1.8, said wherever it is broken.
STREAMS_ONLY = "only stream transports fail over"


_PIN = '"sha256:" and 64 hexadecimal digits, colons between allowed'
_KEEPALIVE = "[idle, interval, probes], as in [5, 2, 3]"
_STAMP = '"logrelay@" and your private enterprise number, as in "logrelay@32473"'
_MODE = "permissions from 0o000 to 0o777, in octal as in 0o660"

#: What Linux allows: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT.
_KEEPALIVE_LIMITS = (32767, 32767, 127)


def _pin(value: object) -> bytes:
    """
    The SHA-256 digest of a certificate.
    """
    name, _, digest = value.partition(":") if isinstance(value, str) else ("", "", "")
    digits = digest.replace(":", "")
    if name.lower() != "sha256" or not re.fullmatch("[0-9A-Fa-f]{64}", digits):
        raise Mistake(f"{shown(value)} is not a pin", f"write {_PIN}")
    return bytes.fromhex(digits)


def _keepalive(value: object) -> tuple[int, ...]:
    """
    Idle seconds, seconds between probes, number of probes.
    """
    if not isinstance(value, list) or len(value) != 3:
        raise Mistake(f"{shown(value)} is not a list of three numbers", f"write {_KEEPALIVE}")
    for item, high in zip(value, _KEEPALIVE_LIMITS, strict=True):
        if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= high:
            raise Mistake(f"{shown(item)} in it is not a whole number from 1 to {high}", f"write {_KEEPALIVE}")
    return tuple(value)


def _mode(value: object) -> int:
    """
    Permissions of a file.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o777:
        raise Mistake(f"{shown(value)} is not a mode", f"write {_MODE}")
    return value


def _stamp(value: object) -> str:
    """
    The name of a structured data element of one's own (RFC 5424, section 7.2.2), or nothing.
    """
    if not isinstance(value, str) or (value and not re.fullmatch(r"[!#-<>?A-\\^-~]{1,20}@[0-9]{1,10}", value)):
        raise Mistake(f"{shown(value)} is not a name of structured data", f"write {_STAMP}")
    return value


def _name(value: object) -> str:
    """
    The name of a destination.
    """
    if not isinstance(value, str):
        raise Mistake(f"{shown(value)} is not a name", "write the name of a destination in quotes")
    return value


#: ``host`` or ``host:port``, read as the host and the port or ``None``.
SERVER = Parsed(SERVER_FORMS.removeprefix("write "), splitServer)
LISTEN = Parsed(LISTEN_FORMS.removeprefix("write for example "), parseListen)
WEB_LISTEN = Parsed(WEB_FORMS.removeprefix("write for example "), parseWebListen)
PIN = Parsed(_PIN, _pin)
NAME = Parsed("the name of a destination", _name)
KEEPALIVE = Parsed(_KEEPALIVE, _keepalive)
MODE = Parsed(_MODE, _mode)
STAMP = Parsed(_STAMP, _stamp)


@attrs.frozen
class Key:
    """
    One key of a section.

    :ivar name: as it is written.
    :ivar kind: what its values are; a list of such values where it is :class:`logrelay.values.Several`.
    :ivar help: what it is for, in one line.
    :ivar default: in TOML's notation; empty where there is none, or where it depends on others.
    :ivar needed: whether it can't be left out.
    :ivar flag: the flag of ``twistd logrelay`` that says the same, without its dashes; empty where there is none.
    :ivar attribute: the attribute of the settings that it becomes.
    """

    name: str
    kind: Kind | Several
    help: str
    default: str = ""
    needed: bool = False
    flag: str = ""
    attribute: str = attrs.field(
        default=attrs.Factory(lambda key: re.sub("-(.)", lambda match: match[1].upper(), key.name), takes_self=True)
    )

    def defaultValue(self) -> object:
        """
        The default as tomllib gives it.
        """
        return tomllib.loads(f"value = {self.default}")["value"]


@attrs.frozen
class Section:
    """
    One section of a file.

    :ivar header: as it is written; ``NAME`` stands for a name that the user chooses.
    :ivar help: what it is for, in one line.
    :ivar tables: names of the sections in it.
    """

    header: str
    help: str
    keys: tuple[Key, ...]
    tables: tuple[str, ...] = ()

    def find(self, name: str) -> Key | None:
        """
        The key of this name, if there is one.
        """
        return next((key for key in self.keys if key.name == name), None)


def _seconds(low: float) -> Number:
    return Number("seconds", low, LONGEST, whole=False)


#: The least time limit: at zero everything would fail at once.
_POSITIVE = 0.001
_WIRE = {framing.value: framing for framing in (Framing.OCTET_COUNTING, Framing.LF)}


def _words(*words: str) -> dict[str, object]:
    return {word: word for word in words}


TOP = Section(
    "",
    "The relay as a whole.",
    (
        Key("stop-timeout", _seconds(0), "How long a stop goes on sending what is stored.", "30"),
        Key("state-dir", Folder(exists=False), "Where the relay keeps what must survive a restart.", '"state"'),
        Key(
            "on-switch",
            Command(),
            "A program that is run whenever another server is in use, with its arguments.",
            "[]",
        ),
    ),
    tables=("source", "destination", "source-tls", "control", "http"),
)

SOURCE = Section(
    "[[source]]",
    "Where messages come from; one section for each.",
    (
        Key(
            "type",
            Choice(_words("syslog", "relp", "file", "stdin")),
            "What it reads: a socket that speaks syslog or RELP, files, or standard input (which needs twistd -n).",
            '"syslog"',
        ),
        Key("listen", LISTEN, "Where it listens, as a Twisted endpoint description."),
        Key("path", Pattern(), "For file: which files are followed; ** stands for any folders."),
        Key(
            "framing",
            Choice({"auto": None, **_WIRE}),
            "How messages are told apart; auto looks at the first bytes of each connection.",
            '"auto"',
        ),
        Key(
            "max-message-size",
            Size(SMALLEST_MESSAGE, LARGEST_MESSAGE, _MESSAGE_LIMITS),
            "The longest message that is taken; of a longer one the head is kept, a counted frame ends the connection.",
            "65536",
        ),
        Key(
            "max-connections",
            Number("connections", 1, 1_000_000, "each takes a descriptor and memory"),
            "How many clients may be connected at once.",
            "1000",
        ),
        Key("so-rcvbuf", Size(0, GIB), "For udp: the kernel's receive buffer; 0 leaves it as it is.", "0"),
        Key("mode", MODE, "For unix sockets: the permissions of the socket.", "0o666"),
        Key("reuse-port", TRUTH, "For tcp, tls and udp: lets several relays share the port.", "false"),
        Key("to", Several(NAME), "Which destinations get its messages; all of them unless given."),
    ),
)

DESTINATION = Section(
    "[destination.NAME]",
    "Where messages go: servers in order, the primary first, that share one way of talking.",
    (
        Key(
            "driver",
            Choice(_words(*DRIVERS), rule=STREAMS_ONLY + ", by these drivers"),
            "syslog is RFC 5424 with octet counting, network is RFC 3164 with LF, relp is RFC 5424 with answers.",
            '"syslog"',
            flag="driver",
        ),
        Key(
            "format",
            Choice(_words("rfc5424", "rfc3164", "as-is")),
            "The format of the messages sent; by default that of the driver.",
            flag="format",
        ),
        Key("framing", Choice(_WIRE), "How messages are told apart; by default as the driver does.", flag="framing"),
        Key(
            "transport",
            Choice(_words("tcp", "tls"), rule=STREAMS_ONLY),
            "How servers are talked to.",
            '"tcp"',
            flag="transport",
        ),
        Key("primary", SERVER, "The server that is tried first.", needed=True, flag="primary"),
        Key("failovers", Several(SERVER), "The servers that are tried after it, in order.", "[]", flag="failover"),
        Key(
            "port",
            Number("port", 1, 65535),
            "The port of servers written without one; by default 2514 for relp, else 6514 for tls, 601 for syslog, 514 "
            "for network.",
            flag="port",
        ),
        Key("localip", ADDRESS, "The address to connect from.", '""', flag="localip"),
        Key(
            "ip-protocol",
            Choice(_words("any", "4", "6")),
            "Which of a server's addresses are tried.",
            '"any"',
            flag="ip-protocol",
        ),
        Key(
            "delivery",
            Choice(_words("written", "acked", "replay", "relp")),
            "When a message counts as delivered; by default replay, with the driver relp always relp.",
            flag="delivery",
        ),
        Key(
            "replay-max",
            Size(1, GIB, 'every loss resends it; delivery = "acked" keeps nothing'),
            "How much of what the servers acknowledged is kept to be sent again after a loss.",
            '"32MiB"',
        ),
        Key(
            "replay-time",
            _seconds(0),
            "So many seconds a message is kept at least, for servers that queue in memory; at most half the buffer.",
            "0",
        ),
        Key("checkpoint", Size(0, LARGEST_STORE), "Bytes sent after which a checkpoint is made; 0 for never.", "0"),
        Key("checkpoint-age", _seconds(1), "How long a message waits to be settled until a checkpoint is made.", "300"),
        Key(
            "window",
            Number("messages", 1, 5000, "a loss sends so many again"),
            "For relp: how many messages may be out without an answer.",
            "1000",
        ),
        Key(
            "stamp",
            STAMP,
            "Marks every RFC 5424 message with its number, the same in each copy, so that doubles can be told; "
            "empty for no mark.",
            '""',
        ),
        Key(
            "max-message-size",
            Size(SMALLEST_MESSAGE, LARGEST_MESSAGE, _MESSAGE_LIMITS),
            "The longest message that is sent, after conversion.",
            "65536",
        ),
        Key("oversize", Choice(_words("truncate", "drop")), "What is done with longer ones.", '"truncate"'),
        Key(
            "time-reopen",
            _seconds(_POSITIVE),
            "The longest wait after all servers were tried in vain.",
            "60",
            flag="time-reopen",
        ),
        Key("failover-delay", _seconds(0), "The wait before the next server is tried within a round.", "0"),
        Key(
            "connect-timeout",
            _seconds(_POSITIVE),
            "The time that the name look-up and all addresses of a server get.",
            "10",
        ),
        Key("tls-timeout", _seconds(_POSITIVE), "The time that a TLS handshake gets.", "10"),
        Key("ack-timeout", _seconds(_POSITIVE), "How long data may be out without being acknowledged.", "10"),
        Key("stall-timeout", _seconds(_POSITIVE), "How long a server may refuse to read.", "60"),
        Key("drain-timeout", _seconds(_POSITIVE), "The time that a graceful end gets.", "5"),
        Key("keepalive", KEEPALIVE, "TCP keepalive: idle seconds, interval, number of probes.", "[5, 2, 3]"),
        Key(
            "throttle",
            Number("messages a second", 0, 1_000_000_000, whole=False),
            "The most that is sent; 0 for no limit.  It delays, and never drops.",
            "0",
        ),
    ),
    tables=("failback", "tls", "buffer", "spool"),
)

FAILBACK = Section(
    "[destination.NAME.failback]",
    "Present: the destination goes back to its primary when that works again.",
    (
        Key(
            "tcp-probe-interval",
            _seconds(_POSITIVE),
            "The time from one probe of the primary to the next.",
            "60",
            flag="tcp-probe-interval",
        ),
        Key(
            "successful-probes-required",
            Number("probes", 1, 1000),
            "How many probes in a row must succeed before the primary is used again.",
            "3",
            flag="successful-probes-required",
        ),
        Key(
            "probe",
            Choice(_words("connect", "verify")),
            "What a probe wants: a connection that stays, or also a process that answers its end.",
            '"connect"',
        ),
    ),
)

TLS = Section(
    "[destination.NAME.tls]",
    "How servers are verified, and what they are shown; for all of a destination's servers.",
    (
        Key("ca-file", File(), "CA certificates (PEM); with ca-dir instead of the platform's.", flag="ca-file"),
        Key("ca-dir", Folder(exists=True), "A folder of CA certificates.", flag="ca-dir"),
        Key("crl-file", File(), "A list of revoked certificates (PEM).", flag="crl-file"),
        Key("cert-file", File(), "Our own certificate and its chain (PEM).", flag="cert-file"),
        Key("key-file", File(), "The key of our certificate (PEM).", flag="key-file"),
        Key(
            "key-passphrase-file",
            File(),
            "A file whose first line unlocks the key.",
            flag="key-passphrase-file",
        ),
        Key("pins", Several(PIN), "The only server certificates that are good, by digest.", "[]"),
        Key("min-version", Choice(_words("1.2", "1.3")), "The lowest version of TLS.", '"1.2"'),
    ),
)

BUFFER = Section(
    "[destination.NAME.buffer]",
    "The memory for messages that have not settled.",
    (
        Key(
            "size",
            Size(1, LARGEST_STORE),
            "How much memory messages may take that have not settled.",
            '"64MiB"',
            flag="buffer-size",
        ),
        Key(
            "overflow",
            Choice(_words("block", "drop-newest", "drop-oldest")),
            "What is done when the buffer is full: sources wait, or messages are dropped.",
            '"block"',
            flag="overflow",
        ),
    ),
)

SPOOL = Section(
    "[destination.NAME.spool]",
    "A store on disk, for messages to survive the relay; absent: they are in memory only.",
    (
        Key("path", Folder(exists=False), "Its folder, for this destination alone; default: spool/NAME."),
        Key("size", Size(MIB, LARGEST_STORE), "How much it may take on disk.", '"1GiB"'),
        Key(
            "sync",
            Choice(_words("full", "normal")),
            "With normal a power cut may take the last MiB or two; that saves a wait for the disk with each commit.",
            '"full"',
        ),
    ),
)

SOURCE_TLS = Section(
    "[source-tls]",
    "The certificate that tls: sources present.",
    (
        Key("cert-file", File(), "The certificate and its chain (PEM).", needed=True),
        Key("key-file", File(), "The key of the certificate (PEM).", needed=True),
        Key(
            "client-ca-file",
            File(),
            "CA certificates (PEM); present: clients must show a certificate that one of them issued.",
            attribute="clientCAFile",
        ),
    ),
)

CONTROL = Section(
    "[control]",
    "The socket by which the logrelay command steers the relay.  Present: a relay that cannot have it does not start.",
    (
        Key(
            "socket",
            NewSocket(),
            "The path of the control socket; only the relay's user, and root, may use it.",
            f'"{ControlSettings().socket}"',
            flag="control",
        ),
    ),
)

HTTP = Section(
    "[http]",
    "Present: metrics, health, status and a live page are served, for reading only.",
    (
        Key(
            "listen",
            WEB_LISTEN,
            "Where metrics, health, status and a live page are served; on loopback unless an interface is named.",
            needed=True,
            flag="http",
        ),
    ),
)

#: Every section, in the order of the documentation.
SECTIONS = (TOP, SOURCE, DESTINATION, FAILBACK, TLS, BUFFER, SPOOL, SOURCE_TLS, CONTROL, HTTP)
