"""
Tests for :mod:`logrelay.configfile`, and through it for the rules that make a configuration of a file.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Framing
from logrelay.config import (
    BufferSettings,
    Configuration,
    ControlSettings,
    DestinationSettings,
    FailbackSettings,
    HTTPSettings,
    SourceSettings,
    SourceTLSSettings,
    SpoolSettings,
    TLSSettings,
)
from logrelay.configfile import MAX_FILE, readConfiguration
from logrelay.errors import ConfigurationError, Problem
from logrelay.keys import (
    BUFFER,
    CONTROL,
    DESTINATION,
    FAILBACK,
    HTTP,
    SECTIONS,
    SOURCE,
    SOURCE_TLS,
    SPOOL,
    TLS,
    TOP,
)
from logrelay.listening import Listen, parseListen
from logrelay.servers import Server

PIN = "sha256:" + "ab" * 32

#: Every key of the specification that this version knows, with the values that it shows.
EXAMPLE = """\
stop-timeout = 30
state-dir = "state"                 # file positions, dead letters, boot id
on-switch = []                      # a command

[[source]]
type = "syslog"
listen = "tcp:5140:interface=127.0.0.1"
framing = "auto"                    # auto | octet-counting | lf
max-message-size = 65536
max-connections = 1000
so-rcvbuf = 0                       # udp
mode = 0o666                        # unix sockets
reuse-port = false                  # tcp, udp
to = ["central"]                    # default: every destination

[[source]]
type = "file"
path = "/var/log/app/*.log"

[destination.central]
driver = "syslog"
format = "rfc5424"
framing = "octet-counting"
transport = "tls"
primary = "logs-a.example.com"
failovers = ["logs-b.example.com", "logs-c.example.com:7514"]
port = 601
localip = ""                        # address to connect from
ip-protocol = "any"                 # any | 4 | 6
delivery = "replay"                 # written | acked | replay
replay-max = "32MiB"
replay-time = 0
checkpoint = 0
checkpoint-age = 300
window = 1000                       # relp
stamp = ""
max-message-size = 65536
oversize = "truncate"               # truncate | drop
time-reopen = 60
failover-delay = 0
connect-timeout = 10
tls-timeout = 10
ack-timeout = 10
stall-timeout = 60
drain-timeout = 5
keepalive = [5, 2, 3]               # idle, interval, probes
throttle = 0                        # messages a second; delays, never drops

[destination.central.failback]      # absent: no failback
tcp-probe-interval = 60
successful-probes-required = 3
probe = "connect"                   # connect | verify

[destination.central.tls]
ca-file = "ca.pem"
ca-dir = "certs"
crl-file = "crl.pem"
cert-file = "me.pem"
key-file = "me.key"
key-passphrase-file = "secret"
pins = ["PIN"]
min-version = "1.2"

[destination.central.buffer]
size = "64MiB"
overflow = "block"                  # block | drop-newest | drop-oldest

[destination.central.spool]         # absent: memory only
path = "spool/central"
size = "1GiB"
sync = "full"                       # full | normal

[source-tls]                        # for tls: sources
cert-file = "me.pem"
key-file = "me.key"
client-ca-file = "ca.pem"

[control]
socket = "/run/logrelay/control.sock"

[http]
listen = "tcp:9514:interface=127.0.0.1"
""".replace("PIN", PIN)

SOURCE_LINES = '[[source]]\nlisten = "tcp:5140"\n'
DESTINATION_LINES = '[destination.central]\nprimary = "logs-a"\n'
TLS_LINES = 'transport = "tls"\n[destination.central.tls]\n'

#: Mistakes in a destination, written from line 5 on: what is written, the line, the key within the destination, words
#: of what is wrong and of the remedy.
DESTINATION_MISTAKES = [
    # names of keys
    ('failover = ["b"]', 5, "failover", "is unknown", "did you mean failovers?"),
    ("time_reopen = 5", 5, "time_reopen", "is unknown", "did you mean time-reopen?"),
    ("PORT = 5", 5, "PORT", "is unknown", "did you mean port?"),
    ("overflow = 'block'", 5, "overflow", "is unknown", "belongs to [destination.NAME.buffer]"),
    ("stop-timeout = 5", 5, "stop-timeout", "is unknown", "belongs to the top of the file"),
    ("zzz = 5", 5, "zzz", "is unknown", "known here are driver, format"),
    ('"a b\\n" = 5', 5, '"a b\\n"', "is unknown", "known here"),
    ("[destination.central.bufer]", 5, "bufer", "is unknown", "did you mean buffer?"),
    # not in this version
    ("[destination.central.spool]\nsync = 'ful'", 6, "spool.sync", '"ful" is none of', "full"),
    ("[destination.central.spool]\nsize = '2MiB'", 6, "spool.size", "too small", "4MiB"),
    # what belongs to RELP, and what does not
    ("delivery = 'relp'", 5, "delivery", "only it has that", "take it out"),
    ("driver = 'relp'\ndelivery = 'acked'", 6, "delivery", "a level of its own", "take it out"),
    ("window = 128", 5, "window", "no meaning for the driver syslog", "take it out"),
    ("driver = 'relp'\nwindow = 0", 6, "window", "too small", "1 to 5000"),
    ("driver = 'relp'\nwindow = 5001", 6, "window", "too large", "1 to 5000"),
    ("driver = 'relp'\nframing = 'lf'", 6, "framing", "no meaning for the driver relp", "take it out"),
    ("driver = 'relp'\nreplay-max = '1MiB'", 6, "replay-max", "no meaning for the driver relp", "take it out"),
    ("driver = 'relp'\nreplay-time = 5", 6, "replay-time", "no meaning for the driver relp", "take it out"),
    ("driver = 'relp'\ncheckpoint = 5", 6, "checkpoint", "no meaning for the driver relp", "take it out"),
    ("driver = 'relp'\ncheckpoint-age = 5", 6, "checkpoint-age", "no meaning for the driver relp", "take it out"),
    # the mark of each message
    ("stamp = 'logrelay'", 5, "stamp", "not a name of structured data", "logrelay@32473"),
    ("stamp = 5", 5, "stamp", "not a name of structured data", "logrelay@32473"),
    ("stamp = 'log relay@32473'", 5, "stamp", "not a name of structured data", "logrelay@32473"),
    ("stamp = 'logrelay@32473'\nformat = 'as-is'", 5, "stamp", "only RFC 5424", 'format = "rfc5424"'),
    ("stamp = 'logrelay@32473'\ndriver = 'network'", 5, "stamp", "only RFC 5424", 'format = "rfc5424"'),
    # only streams fail over
    ("driver = 'kafka'", 5, "driver", "only stream transports fail over", 'one of "syslog", "network"'),
    ("driver = 'file'", 5, "driver", "only stream transports fail over", 'one of "syslog", "network"'),
    ("driver = 'sylog'", 5, "driver", "is none of", 'write "syslog"'),
    ("transport = 'udp'", 5, "transport", "only stream transports fail over", 'one of "tcp", "tls"'),
    ("transport = 'unix-dgram'", 5, "transport", "only stream transports fail over", 'one of "tcp", "tls"'),
    # servers
    ("failovers = 'b'", 5, "failovers", '"b" is not a list', 'write ["b"]'),
    ("failovers = 5", 5, "failovers", "5 is not a server", "host"),
    ("failovers = [\n'b',\n'b:514:tls',\n]", 7, "failovers", "nothing but host and port may differ", "host:port"),
    ("failovers = [\n'b',\n{host = 'c', transport = 'tls'}]", 7, "failovers", "nothing but host and port", "host:port"),
    ("[destination.central.failovers]\nb = 1", 5, "failovers", "nothing but host and port may differ", "host:port"),
    ("failovers = ['b',\n'c', 'B.:601']", 6, "failovers", "B.:601 is the same server", "take one of them out"),
    ("failovers = ['logs-a:601']", 5, "failovers", "logs-a:601 is the same server", "take one of them out"),
    ("failovers = ['2001:DB8::1', '[2001:db8:0::1]:601']", 5, "failovers", "is the same server", "take one"),
    ("failovers = ['']", 5, "failovers", "no server is named", "host"),
    ("failovers = ['b:65536']", 5, "failovers", "no such port", "1 to 65535"),
    # families
    ("ip-protocol = 4\nfailovers = ['::1']", 6, "failovers", "::1 is an IPv6 address, and ip-protocol", "IPv4"),
    ("localip = '::1'\nfailovers = ['192.0.2.1']", 6, "failovers", "192.0.2.1 is an IPv4 address, and localip", "IPv6"),
    ("localip = '::1'\nip-protocol = '4'", 5, "localip", "::1 is not an IPv4 address", "change ip-protocol"),
    ("localip = 'eth0'", 5, "localip", '"eth0" is not an IP address', "not a name"),
    ("localip = 5", 5, "localip", "5 is not a text", "in quotes"),
    ("ip-protocol = 5", 5, "ip-protocol", "5 is none of", '"any", "4", "6"'),
    # numbers
    ("port = 0", 5, "port", "0 is too small", "from 1 to 65535"),
    ("port = 65536", 5, "port", "65536 is too large", "from 1 to 65535"),
    ("port = '514'", 5, "port", '"514" is not a whole number', "from 1 to 65535"),
    ("port = 514.0", 5, "port", "514.0 is not a whole number", "from 1 to 65535"),
    ("port = true", 5, "port", "true is not a whole number", "from 1 to 65535"),
    ("time-reopen = 0", 5, "time-reopen", "0 is too small", "seconds, a number from 0.001"),
    ("time-reopen = '60s'", 5, "time-reopen", '"60s" is not a number', "seconds, a number"),
    ("ack-timeout = 10000000", 5, "ack-timeout", "10000000 is too large", "to 604800"),
    ("stall-timeout = inf", 5, "stall-timeout", "is too large", "to 604800"),
    ("connect-timeout = nan", 5, "connect-timeout", "NaN is not a number", "seconds"),
    ("tls-timeout = -1", 5, "tls-timeout", "-1 is too small", "seconds"),
    ("drain-timeout = 0x" + "f" * 5000, 5, "drain-timeout", "this huge number is too large", "seconds"),
    ("failover-delay = -0.1", 5, "failover-delay", "-0.1 is too small", "from 0"),
    ("checkpoint-age = 1979-05-27", 5, "checkpoint-age", "1979-05-27 is not a number", "seconds"),
    ("throttle = -1", 5, "throttle", "too small", "messages a second"),
    ("keepalive = [5, 2]", 5, "keepalive", "not a list of three numbers", "[idle, interval, probes]"),
    ("keepalive = 5", 5, "keepalive", "not a list of three numbers", "[idle, interval, probes]"),
    ("keepalive = [5, 2, 128]", 5, "keepalive", "128 in it is not a whole number from 1 to 127", "[5, 2, 3]"),
    ("keepalive = [5, 2.5, 3]", 5, "keepalive", "2.5 in it is not", "[5, 2, 3]"),
    ("keepalive = [0, true, 3]", 5, "keepalive", "0 in it is not", "[5, 2, 3]"),
    # sizes
    ("max-message-size = 479", 5, "max-message-size", "479 is too small: every receiver must take 480", "480 to 1MiB"),
    ("max-message-size = '2MiB'", 5, "max-message-size", "is too large", "480 to 1MiB"),
    ("replay-max = '32MB'", 5, "replay-max", '"32MB" is not a size', '"64MiB"'),
    ("replay-max = 1.5", 5, "replay-max", "1.5 is not a size", '"64MiB"'),
    ("replay-max = true", 5, "replay-max", "true is not a size", '"64MiB"'),
    ("replay-max = 0", 5, "replay-max", 'delivery = "acked" keeps nothing', "a number of bytes"),
    ("checkpoint = -1", 5, "checkpoint", "too small", "a number of bytes"),
    (
        "[destination.central.buffer]\nsize = '511KiB'",
        6,
        "buffer.size",
        "too small for a max-message-size of 64KiB",
        "512KiB",
    ),
    ("max-message-size = '1MiB'\nbuffer.size = '4MiB'", 6, "buffer.size", "four batches", "4352KiB"),
    ("buffer = 5", 5, "buffer", "5 is not a section", "[destination.NAME.buffer]"),
    ("buffer.overflow = 'drop'", 5, "buffer.overflow", "is none of", '"drop-'),
    # words
    ("format = 'rfc5425'", 5, "format", '"rfc5425" is none of', 'write "rfc5424"'),
    ("framing = 'auto'", 5, "framing", '"auto" is none of', '"octet-counting", "lf"'),
    ("oversize = []", 5, "oversize", "a list is none of", '"truncate", "drop"'),
    ("delivery = 'ackd'", 5, "delivery", "is none of", 'write "acked"'),
    ("delivery = {}", 5, "delivery", "a table is none of", '"written", "acked", "replay"'),
    # failback
    ("[destination.central.failback]", 5, "failback", "no failovers to come back from", "add failovers"),
    ("failovers = []\nfailback = {probe = 'verify'}", 6, "failback", "no failovers", "add failovers"),
    ("failovers = ['b']\nfailback = true", 6, "failback", "true is not a section", "[destination.NAME.failback]"),
    ("failovers = ['b']\nfailback.tcp-probe-interval = 0", 6, "failback.tcp-probe-interval", "too small", "seconds"),
    ("failovers = ['b']\nfailback.probe = 'tcp'", 6, "failback.probe", "is none of", '"connect", "verify"'),
    (
        "failovers = ['b']\nfailback.successful-probes-required = 0",
        6,
        "failback.successful-probes-required",
        "small",
        "1",
    ),
    # TLS
    ("[destination.central.tls]", 5, "tls", "the transport is tcp", 'transport = "tls"'),
    (TLS_LINES + "ca-file = 'none.pem'", 7, "tls.ca-file", "can't be read: No such file", "that the user who starts"),
    (TLS_LINES + "ca-file = 'certs'", 7, "tls.ca-file", "is not a regular file", "a file"),
    (TLS_LINES + "crl-file = ''", 7, "tls.crl-file", '"" can\'t be the path of a file', "leave the key out"),
    (
        TLS_LINES + "crl-file = 'a\\u0000'".replace("'", '"'),
        7,
        "tls.crl-file",
        "can't be the path",
        "leave the key out",
    ),
    (TLS_LINES + "crl-file = 5", 7, "tls.crl-file", "5 is not a text", "the path of a file in quotes"),
    (TLS_LINES + "ca-dir = 'ca.pem'", 7, "tls.ca-dir", "can't be read: Not a directory", "the path of a folder"),
    (TLS_LINES + "cert-file = 'me.pem'", 7, "tls.cert-file", "of no use without key-file", "add key-file"),
    (TLS_LINES + "key-file = 'me.key'", 7, "tls.key-file", "of no use without cert-file", "add cert-file"),
    (TLS_LINES + "key-passphrase-file = 'secret'", 7, "tls.key-passphrase-file", "without key-file", "add key-file"),
    (TLS_LINES + f"pins = ['{PIN}',\n'{PIN[:-1]}']", 8, "tls.pins", "is not a pin", "64 hexadecimal digits"),
    (TLS_LINES + "pins = [5]", 7, "tls.pins", "5 is not a pin", "64 hexadecimal digits"),
    (TLS_LINES + f"pins = '{PIN}'", 7, "tls.pins", "is not a list", "write ["),
    (TLS_LINES + "min-version = '1.1'", 7, "tls.min-version", "is none of", '"1.2", "1.3"'),
]

#: Mistakes in a source, in the same way.
SOURCE_MISTAKES = [
    ("lisen = 'tcp:1'", 5, "lisen", "is unknown", "did you mean listen?"),
    ("path = '/var/log/*'", 5, "path", "no meaning for tcp: it is for file", "take it out"),
    ("type = 'file'\npath = '/a'", 4, "listen", "files do not listen", "take it out"),
    ("[[source]]\ntype = 'file'", 5, "path", "is missing", "/var/log/app/*.log"),
    ("[[source]]\ntype = 'file'\npath = ''", 7, "path", "can't be the path of files", "write the path of files"),
    ("[[source]]\ntype = 'file'\npath = 5", 7, "path", "5 is not a text", "in quotes"),
    ("[[source]]\ntype = 'file'\npath = '/var/log/'", 7, "path", "is a folder", '"/var/log/*"'),
    ("[[source]]\ntype = 'file'\npath = '/a'\nframing = 'lf'", 8, "framing", "no meaning for file", "take it out"),
    ("type = 'journal'", 5, "type", "is none of", '"syslog", "relp", "file", "stdin"'),
    ("type = 'relp'\nframing = 'lf'", 6, "framing", "frames of its own", "take it out"),
    ("[[source]]\ntype = 'relp'", 5, "listen", "is missing", "tcp:5140"),
    ("[[source]]\ntype = 'relp'\nlisten = 'udp:2514'", 7, "listen", "can't be listened for on udp", "tcp:2514"),
    ("[[source]]\ntype = 'relp'\nlisten = 'unix:a'", 7, "listen", "can't be listened for on unix", "tcp: or tls:"),
    ("[[source]]\ntype = 'relp'\nlisten = 'tls:2514'", 7, "listen", "needs a certificate", "[source-tls]"),
    ("[[source]]\ntype = 'relp'\nlisten = 'tcp:5140'", 7, "listen", "listens there too", "reuse-port"),
    ("type = 'stdin'", 4, "listen", "standard input does not listen", "take it out"),
    ("framing = 'cr'", 5, "framing", "is none of", '"auto", "octet-counting", "lf"'),
    ("max-message-size = '2MiB'", 5, "max-message-size", "each connection may hold one", "480 to 1MiB"),
    ("max-connections = 0", 5, "max-connections", "too small: each takes", "connections, a whole number from 1"),
    ("reuse-port = 'yes'", 5, "reuse-port", '"yes" is not true or false', "without quotes"),
    ("reuse-port = 1", 5, "reuse-port", "1 is not true or false", "without quotes"),
    ("mode = 666", 5, "mode", "666 is not a mode", "0o660"),
    ("mode = '0o666'", 5, "mode", "is not a mode", "0o660"),
    ("mode = true", 5, "mode", "is not a mode", "0o660"),
    ("so-rcvbuf = '1MiB'", 5, "so-rcvbuf", "has no meaning for tcp: it is for udp", "take it out"),
    ("mode = 0o600", 5, "mode", "has no meaning for tcp: it is for unix, unix-dgram", "take it out"),
    ("to = []", 5, "to", "names no destination", "to feed all"),
    ("to = 'central'", 5, "to", "is not a list", 'write ["central"]'),
    ("to = ['central',\n'centrol']", 6, "to", 'no destination "centrol"', 'write "central"'),
    ("to = ['zzz']", 5, "to", 'no destination "zzz"', "add it as [destination.NAME]"),
    ("to = ['central', 'central']", 5, "to", "named twice", "name it once"),
    ("to = [5]", 5, "to", "5 is not a name", "in quotes"),
    ("[[source]]", 5, "listen", "is missing", 'type = "stdin"'),
    ("[[source]]\nlisten = 5140", 6, "listen", "5140 is not a text", "tcp:5140"),
    ("[[source]]\nlisten = 'tpc:5140'", 6, "listen", '"tpc" is nothing to listen on', "write tcp:"),
    ("[[source]]\nlisten = 'tcp:5140'", 6, "listen", "of another source listens there too", "reuse-port"),
    ("[[source]]\nlisten = 'tls:6514'", 6, "listen", "needs a certificate", "[source-tls]"),
    ("reuse-port = true\n[[source]]\nlisten = 'tcp:5140'", 7, "listen", "listens there too", "reuse-port"),
    ("[[source]]\nlisten = 'udp:514'\nmax-connections = 5", 7, "max-connections", "no meaning for udp", "take it out"),
    ("[[source]]\nlisten = 'udp:514'\nframing = 'lf'", 7, "framing", "no meaning for udp", "take it out"),
    ("[[source]]\nlisten = 'unix:a'\nreuse-port = true", 7, "reuse-port", "no meaning for unix", "take it out"),
    ("[[source]]\nlisten = 'unix:" + "a" * 107 + "'", 6, "listen", "longer than a unix socket's path", "shorter"),
    ("[[source]]\ntype = 'stdin'\nmode = 0o600", 7, "mode", "no meaning for stdin", "take it out"),
    (
        "[[source]]\ntype = 'stdin'\n[[source]]\ntype = 'stdin'",
        8,
        "type",
        "reads standard input",
        "take one of them out",
    ),
]

#: Files that are wrong as a whole: what is written, the line (or none), the key, words of what is wrong and the remedy.
FILE_MISTAKES = [
    ("on-switch = 'x'\n" + SOURCE_LINES + DESTINATION_LINES, 1, "on-switch", "is not a list", 'write ["x"]'),
    ("on-switch = ['/x']\n" + SOURCE_LINES + DESTINATION_LINES, 1, "on-switch", "no program that can be run", "name"),
    ("on-switch = ['']\n" + SOURCE_LINES + DESTINATION_LINES, 1, "on-switch", "can't be a program", "write"),
    (SOURCE_LINES + DESTINATION_LINES + "[control]\nsocket = ''", 6, "control.socket", "can't be the path", "write"),
    (
        SOURCE_LINES + DESTINATION_LINES + "[control]\nsocket = '/" + "x" * 107 + "'",
        6,
        "control.socket",
        "longer",
        "sh",
    ),
    (SOURCE_LINES + DESTINATION_LINES + "[http]", 5, "http.listen", "is missing", "add it: tcp:9514"),
    (
        SOURCE_LINES + DESTINATION_LINES + "[http]\nlisten = 'udp:1'",
        6,
        "http.listen",
        "not served over HTTP",
        "tcp:9514",
    ),
    (SOURCE_LINES + DESTINATION_LINES + "[destinations.b]", 5, "destinations", "unknown", "did you mean destination?"),
    (SOURCE_LINES + DESTINATION_LINES + "[source_tls]", 5, "source_tls", "unknown", "did you mean source-tls?"),
    ("state-dir = ''\n" + SOURCE_LINES + DESTINATION_LINES, 1, "state-dir", "can't be the path", "leave the key out"),
    ("source-tls = 5\n" + SOURCE_LINES + DESTINATION_LINES, 1, "source-tls", "is not a section", "[source-tls]"),
    (
        SOURCE_LINES + DESTINATION_LINES + "[source-tls]\nkey-file = 'me.key'",
        5,
        "source-tls.cert-file",
        "missing",
        "add",
    ),
    (SOURCE_LINES, 1, "destination", "there is no destination", "add [destination.NAME]"),
    ("destination = 5\n" + SOURCE_LINES, 1, "destination", "5 is not a section", "[destination.NAME]"),
    (
        SOURCE_LINES + "[[destination]]\nprimary = 'a'",
        3,
        "destination",
        "a list is not a section",
        "[destination.NAME]",
    ),
    (
        SOURCE_LINES + "[[destination.a]]\nprimary = 'a'",
        3,
        "destination.a",
        "a list is not a section",
        "[destination.NAME]",
    ),
    (SOURCE_LINES + "[destination]\nprimary = 'a'", 4, "destination.primary", "is not a section", "[destination.NAME]"),
    (SOURCE_LINES + "[destination.central]", 3, "destination.central.primary", "is missing", "add it: host"),
    (SOURCE_LINES + "[destination.central]\nprimary = ''", 4, "destination.central.primary", "no server", "host"),
    (
        SOURCE_LINES + "[destination.central]\nprimary = ['a']",
        4,
        "destination.central.primary",
        "nothing but host",
        "host",
    ),
    (
        SOURCE_LINES + "[destination.'a b']\nprimary = 'a'",
        3,
        'destination."a b"',
        "can't be the name",
        "1 to 64 letters",
    ),
    (DESTINATION_LINES, 1, "source", "there is no source", "add [[source]]"),
    ("source = []\n" + DESTINATION_LINES, 1, "source", "there is no source", "--listen"),
    ("source = ['tcp:1']\n" + DESTINATION_LINES, 1, "source", '"tcp:1" is not a section', "[[source]]"),
    (DESTINATION_LINES + "[source]\nlisten = 'tcp:1'", 3, "source", "a table is not a list of sources", "two brackets"),
    # what is no TOML
    ("stop-timeout = 30\nstop-timeout = 30", 2, "TOML", "Cannot overwrite a value", "mend the line"),
    ("[a]\n\n[a]\n", 3, "TOML", "Cannot declare ('a',) twice", "mend the line"),
    ("\n\nlisten\n\n", 3, "TOML", "Expected '='", "mend the line"),
    ("a = '''\n\n", 1, "TOML", "Expected", "mend the line"),
    ('a = "tcp:1:interface=\\:\\:1"', 1, "TOML", "Unescaped '\\' in a string (column", "single quotes"),
    ("a = " + "[" * 5000, None, "file", "nested too deeply", "brackets"),
    ("a = " + "1" * 5000, None, "TOML", "Exceeds the limit", "mend the line"),
]


class FileTestCase(SynchronousTestCase):
    """
    A folder with the files that configurations name.
    """

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.folder, "certs"))
        for name in ("ca.pem", "crl.pem", "me.pem", "me.key", "secret"):
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(name)
        self.path = os.path.join(self.folder, "relay.toml")
        self.checked: list[TLSSettings | SourceTLSSettings] = []
        self.faults: list[tuple[str, str, str]] = []

    def check(self, settings: TLSSettings | SourceTLSSettings) -> Sequence[tuple[str, str, str]]:
        """
        Stands for what looks into the files.
        """
        self.checked.append(settings)
        return self.faults

    def read(self, text: str | bytes, platform: str = "linux") -> Configuration:
        with open(self.path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return readConfiguration(self.path, self.check, self.check, platform)

    def problems(self, text: str | bytes, platform: str = "linux") -> tuple[Problem, ...]:
        error: ConfigurationError = self.assertRaises(ConfigurationError, self.read, text, platform)
        return error.problems

    def assertProblem(self, text: str, line: int | None, key: str, what: str, remedy: str) -> None:
        """
        Assert that a file has just this one problem.
        """
        problems = self.problems(text)
        self.assertEqual(len(problems), 1, (text, problems))
        (problem,) = problems
        where = f"{self.path}:{line}" if line else self.path
        self.assertEqual((problem.where, problem.key), (where, key), (text, problem))
        self.assertIn(what, problem.what, text)
        self.assertIn(remedy, problem.remedy, text)

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)


class GoodFileTests(FileTestCase):
    """
    What a good file means.
    """

    def test_everyKey(self) -> None:
        """
        The example of the specification is read to the values that it shows, paths relative to the file.
        """
        tls = TLSSettings(
            caFile=self.file("ca.pem"),
            caDir=self.file("certs"),
            crlFile=self.file("crl.pem"),
            certFile=self.file("me.pem"),
            keyFile=self.file("me.key"),
            keyPassphraseFile=self.file("secret"),
            pins=frozenset([b"\xab" * 32]),
        )
        text = "tcp:5140:interface=127.0.0.1"
        expected = Configuration(
            sources=(
                SourceSettings(text, listen=Listen("tcp", text, 5140, "127.0.0.1"), to=("central",)),
                SourceSettings("/var/log/app/*.log", "file", to=("central",), path="/var/log/app/*.log"),
            ),
            destinations=(
                DestinationSettings(
                    "central",
                    (
                        Server("logs-a.example.com", 601),
                        Server("logs-b.example.com", 601),
                        Server("logs-c.example.com", 7514),
                    ),
                    transport="tls",
                    failback=FailbackSettings(),
                    tls=tls,
                    spool=SpoolSettings(self.file("spool/central")),
                ),
            ),
            stateDir=self.file("state"),
            sourceTLS=SourceTLSSettings(self.file("me.pem"), self.file("me.key"), self.file("ca.pem")),
            control=ControlSettings(wanted=True),
            http=HTTPSettings(parseListen("tcp:9514:interface=127.0.0.1")),
        )
        self.assertEqual(self.read(EXAMPLE), expected)

    def test_exampleIsComplete(self) -> None:
        """
        The example names every key of the table.
        """
        for section in SECTIONS:
            for key in section.keys:
                self.assertIn(f"\n{key.name} = ", "\n" + EXAMPLE)

    def test_defaults(self) -> None:
        """
        Where to listen and whom to send to are enough: everything else has its default.
        """
        expected = Configuration(
            sources=(SourceSettings("tcp:5140", listen=Listen("tcp", "tcp:5140", 5140), to=("central",)),),
            destinations=(DestinationSettings("central", (Server("logs-a", 601),)),),
            stateDir=self.file("state"),
        )
        self.assertEqual(self.read(SOURCE_LINES + DESTINATION_LINES), expected)

    def test_spool(self) -> None:
        """
        A spool needs no options: its folder is named like the destination.
        """
        text = SOURCE_LINES + DESTINATION_LINES + "[destination.central.spool]\n"
        for lines, expected in (
            ("", SpoolSettings(self.file("spool/central"), 1024**3, "full")),
            ("path = '/x'\nsize = '4MiB'\nsync = 'normal'", SpoolSettings("/x", 4 * 1024**2, "normal")),
        ):
            (destination,) = self.read(text + lines).destinations
            self.assertEqual(destination.spool, expected)

    def test_oneSpoolForTwo(self) -> None:
        """
        Two destinations cannot have one spool.
        """
        text = SOURCE_LINES + DESTINATION_LINES + "spool = {path = 'a'}\n[destination.b]\nprimary = 'b'\n"
        self.assertProblem(
            text + "spool.path = './a'", 8, "destination.b.spool.path", "spool of destination central", "of its own"
        )

    def test_driverDefaults(self) -> None:
        """
        Format, framing and port depend on driver and transport, each unless written.
        """
        octets, lf = Framing.OCTET_COUNTING, Framing.LF
        for lines, expected in (
            ("", ("rfc5424", octets, 601)),
            ("driver = 'network'", ("rfc3164", lf, 514)),
            ("transport = 'tls'", ("rfc5424", octets, 6514)),
            ("driver = 'network'\ntransport = 'tls'", ("rfc3164", lf, 6514)),
            ("driver = 'network'\nformat = 'as-is'\nframing = 'octet-counting'\nport = 7", ("as-is", octets, 7)),
        ):
            (destination,) = self.read(SOURCE_LINES + DESTINATION_LINES + lines).destinations
            found = (destination.format, destination.framing, destination.servers[0].port)
            self.assertEqual(found, expected, lines)

    def test_tlsWithoutSection(self) -> None:
        """
        TLS needs no options: the platform's roots are trusted.
        """
        (destination,) = self.read(SOURCE_LINES + DESTINATION_LINES + "transport = 'tls'").destinations
        self.assertEqual(destination.tls, TLSSettings())

    def test_values(self) -> None:
        """
        Units, octal numbers, digests with colons, and numbers where the words are digits.
        """
        colons = "SHA256:" + ":".join(["AB"] * 32)
        lines = (
            "ip-protocol = 6\nlocalip = '::1'\nfailovers = ['::2', 'b']\nmax-message-size = '8KiB'\n"
            "transport = 'tls'\nfailover-delay = 0.5\nkeepalive = [1, 2, 3]\n"
            f"tls = {{pins = ['{colons}'], min-version = 1.3}}\n"
            f"buffer = {{size = '1GiB', overflow = 'drop-oldest'}}\nfailback = {{}}\n"
        )
        configuration = self.read(DESTINATION_LINES + lines + "[[source]]\nlisten = 'unix:a'\nmode = 0o600")
        (destination,) = configuration.destinations
        self.assertEqual(destination.buffer, BufferSettings(1024**3, "drop-oldest"))
        self.assertEqual(destination.tls, TLSSettings(pins=frozenset([b"\xab" * 32]), minVersion="1.3"))
        self.assertEqual(destination.failback, FailbackSettings())
        self.assertEqual((destination.ipProtocol, destination.localip, destination.keepalive), ("6", "::1", (1, 2, 3)))
        self.assertEqual((destination.maxMessageSize, destination.failoverDelay), (8192, 0.5))
        self.assertEqual(configuration.sources[0].mode, 0o600)

    def test_smallestBuffer(self) -> None:
        """
        The smallest buffer that is legal is taken.
        """
        lines = "[destination.central.buffer]\nsize = '512KiB'"
        self.assertEqual(self.read(SOURCE_LINES + DESTINATION_LINES + lines).destinations[0].buffer.size, 512 * 1024)

    def test_sources(self) -> None:
        """
        Sources have names of their own, absolute paths, and feed every destination unless told.
        """
        text = """
            [destination.a]
            primary = "a"
            [destination.b]
            primary = "b"
            [[source]]
            type = "stdin"
            [[source]]
            listen = "tcp:0"
            [[source]]
            listen = "tcp:0"
            to = ["b"]
            [[source]]
            listen = "unix:run/../log"
            [[source]]
            listen = "udp:514"
            reuse-port = true
            so-rcvbuf = "1MiB"
            [[source]]
            listen = "udp:514"
            reuse-port = true
            [[source]]
            listen = "systemd:domain=UNIX:name=log"
            framing = "lf"
            [[source]]
            type = "file"
            path = "app/../*.log"
            [[source]]
            type = "file"
            path = "app/../*.log"
            to = ["b"]
            """
        sources = self.read(text).sources
        names = ["stdin", "tcp:0", "tcp:0 #2", "unix:run/../log", "udp:514", "udp:514 #2"]
        names += ["systemd:domain=UNIX:name=log", "app/../*.log", "app/../*.log #2"]
        self.assertEqual([source.name for source in sources], names)
        self.assertEqual({source.path for source in sources[-2:]}, {self.file("*.log")})
        self.assertEqual([source.to for source in sources[:3]], [("a", "b"), ("a", "b"), ("b",)])
        self.assertEqual([source.listen.path for source in sources if source.listen][2], self.file("log"))
        self.assertIdentical(sources[0].listen, None)
        self.assertEqual((sources[0].framing, sources[6].framing), (None, Framing.LF))
        self.assertEqual(sources[4].soRcvbuf, 1024 * 1024)

    def test_namesOfSources(self) -> None:
        """
        No two sources have the same name, whatever files are called, and none that of what the program hands in.
        """
        files = ["stdin", "program", "tcp:0", "a", "a", "a #2"]
        text = "".join(f"[[source]]\ntype = 'file'\npath = '{each}'\n" for each in files)
        listeners = "[[source]]\ntype = 'stdin'\n[[source]]\nlisten = 'tcp:0'\n"
        sources = self.read(f"{text}{listeners}[destination.central]\nprimary = 'a'").sources
        names = [each.name for each in sources]
        self.assertEqual(len(set(names)), 8)
        self.assertNotIn("program", names)

    def test_byteOrderMark(self) -> None:
        """
        What some editors put before the first character does no harm.
        """
        self.assertEqual(len(self.read(b"\xef\xbb\xbf" + (SOURCE_LINES + DESTINATION_LINES).encode()).sources), 1)

    def test_relativeToTheFile(self) -> None:
        """
        Paths start from the folder of the file, also where its own path is relative.
        """
        self.read(SOURCE_LINES + DESTINATION_LINES)
        configuration = readConfiguration(os.path.relpath(self.path), self.check, self.check)
        self.assertEqual(configuration.stateDir, self.file("state"))


class MistakeTests(FileTestCase):
    """
    What is said of a file with a mistake.
    """

    def test_destinations(self) -> None:
        """
        Each mistake in a destination is told with line, key, what is wrong and the remedy, and nothing besides.
        """
        for lines, line, key, what, remedy in DESTINATION_MISTAKES:
            text = SOURCE_LINES + DESTINATION_LINES + lines
            self.assertProblem(text, line, f"destination.central.{key}", what, remedy)

    def test_sources(self) -> None:
        """
        So is each mistake in a source.
        """
        for lines, line, key, what, remedy in SOURCE_MISTAKES:
            self.assertProblem(DESTINATION_LINES + SOURCE_LINES + lines, line, f"source.{key}", what, remedy)

    def test_files(self) -> None:
        """
        And each mistake outside of them.
        """
        for row in FILE_MISTAKES:
            self.assertProblem(*row)

    def test_allAtOnce(self) -> None:
        """
        All mistakes are told together, in the order of the file, a line each.
        """
        text = (
            "stop-timeout = -1\n[[source]]\nlisten = 'tls:1'\nto = ['x', 5]\n[destination.central]\nport = 0\n"
            "drivr = 'syslog'\nfailovers = ['a:0', 'b:0', 'c']\n[destination.b]\nprimary = 'b'\ntls.pins = [5, 6]\n"
            "[http]\n"
        )
        error = self.assertRaises(ConfigurationError, self.read, text)
        lines = [problem.where.removeprefix(self.path + ":") for problem in error.problems]
        self.assertEqual(lines, ["1", "3", "4", "4", "5", "6", "7", "8", "8", "11", "11", "11", "12"])
        self.assertEqual(len(str(error).splitlines()), len(lines))
        self.assertTrue(str(error).startswith(f"{self.path}:1: stop-timeout: -1 is too small; write seconds"))

    def test_ackedNeedsLinux(self) -> None:
        """
        Elsewhere nothing tells what a peer has acknowledged.
        """
        text = SOURCE_LINES + DESTINATION_LINES + "delivery = 'acked'"
        (problem,) = self.problems(text, platform="darwin")
        self.assertIn("only Linux", problem.what)
        self.assertEqual(self.read(text).destinations[0].delivery, "acked")

    def test_socketAsFile(self) -> None:
        """
        What would block, or never end, is not opened.
        """
        with socket.socket(socket.AF_UNIX) as listener:
            folder = os.getcwd()
            os.chdir(self.folder)  # the whole path may be too long for a socket
            self.addCleanup(os.chdir, folder)
            listener.bind("pipe")
        text = SOURCE_LINES + DESTINATION_LINES + TLS_LINES + "ca-file = 'pipe'"
        self.assertProblem(text, 7, "destination.central.tls.ca-file", "is not a regular file", "a file")

    def test_longValue(self) -> None:
        """
        A wrong value is shown short, and without what a terminal would obey.
        """
        text = SOURCE_LINES + DESTINATION_LINES + 'oversize = "\\u001b[2J\\u2028' + "x" * 1000 + '"'
        (problem,) = self.problems(text)
        self.assertIn("[2J\\u2028xxx", problem.what)
        self.assertTrue(problem.what.isprintable())
        self.assertLess(len(problem.what), 200)


class UnreadableFileTests(FileTestCase):
    """
    Files that can't be read at all.
    """

    def test_missing(self) -> None:
        """
        A path that names no file, a folder, or nothing that can be a path.
        """
        for path, words in (
            (self.file("none"), "No such file"),
            (self.folder, "Is a directory"),
            ("a\0b", "null byte"),
        ):
            error = self.assertRaises(ConfigurationError, readConfiguration, path, self.check, self.check)
            (problem,) = error.problems
            self.assertEqual((problem.where, problem.key), (path, "file"))
            self.assertIn(words, problem.what)

    def test_notUTF8(self) -> None:
        """
        Another encoding is told with its line.
        """
        (problem,) = self.problems("a = 1\n# m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller".encode("latin-1"))
        self.assertEqual((problem.where, problem.what), (f"{self.path}:2", "is not UTF-8"))

    def test_tooLong(self) -> None:
        """
        A file that is surely no configuration is not read to its end.
        """
        (problem,) = self.problems(b"#" * (MAX_FILE + 1))
        self.assertIn("longer than 1 MiB", problem.what)


class TLSFileTests(FileTestCase):
    """
    What a deeper look into the files finds.
    """

    def test_told(self) -> None:
        """
        It is told with the lines of the keys, together with the other mistakes.
        """
        self.faults = [("cert-file", "is no certificate", "name one"), ("ca-file", "is missing", "add it")]
        text = SOURCE_LINES + DESTINATION_LINES + TLS_LINES + "cert-file = 'me.pem'\nkey-file = 'me.key'\n[http]\n"
        problems = self.problems(text + "[source-tls]\ncert-file = 'me.pem'\nkey-file = 'me.key'")
        self.assertEqual(
            [(problem.where.removeprefix(self.path), problem.key, problem.what) for problem in problems],
            [
                (":6", "destination.central.tls.ca-file", "is missing"),
                (":7", "destination.central.tls.cert-file", "is no certificate"),
                (":9", "http.listen", "is missing"),
                (":10", "source-tls.ca-file", "is missing"),
                (":11", "source-tls.cert-file", "is no certificate"),
            ],
        )

    def test_besideOtherMistakes(self) -> None:
        """
        Other mistakes of the section do not hide it.
        """
        self.faults = [("ca-file", "holds no certificate", "name one")]
        lines = "ca-file = 'ca.pem'\npins = ['x']\nmin-version = '1.4'\nx = 5"
        found = [problem.key for problem in self.problems(SOURCE_LINES + DESTINATION_LINES + TLS_LINES + lines)]
        self.assertEqual(found, [f"destination.central.tls.{key}" for key in ("ca-file", "pins", "min-version", "x")])

    def test_onlySoundFiles(self) -> None:
        """
        There is no deeper look where a file could not be opened or lacks its other half, nor where TLS is not used.
        """
        self.problems(SOURCE_LINES + DESTINATION_LINES + TLS_LINES + "key-file = 'me.key'")
        broken = "ca-file = 'none'\n[source-tls]\ncert-file = 'none'\nkey-file = 'me.key'"
        self.assertEqual(len(self.problems(SOURCE_LINES + DESTINATION_LINES + TLS_LINES + broken)), 2)
        self.read(SOURCE_LINES + DESTINATION_LINES)
        self.assertEqual(self.checked, [])

    def test_platformRoots(self) -> None:
        """
        Without options there is a look at what the platform has.
        """
        self.read(SOURCE_LINES + DESTINATION_LINES + "transport = 'tls'")
        self.assertEqual(self.checked, [TLSSettings()])

    def test_tlsSource(self) -> None:
        """
        A ``tls:`` source and its certificate.
        """
        text = (
            DESTINATION_LINES
            + "[[source]]\nlisten = 'tls:6514'\n[source-tls]\ncert-file = 'me.pem'\nkey-file = 'me.key'"
        )
        settings = SourceTLSSettings(self.file("me.pem"), self.file("me.key"))
        self.assertEqual(self.read(text).sourceTLS, settings)
        self.assertEqual(self.checked, [settings])


#: Where the keys of each section are written.
HEADERS = {
    TOP.header: (),
    SOURCE.header: ("source", 0),
    DESTINATION.header: ("destination", "central"),
    FAILBACK.header: ("destination", "central", "failback"),
    TLS.header: ("destination", "central", "tls"),
    BUFFER.header: ("destination", "central", "buffer"),
    SPOOL.header: ("destination", "central", "spool"),
    SOURCE_TLS.header: ("source-tls",),
    CONTROL.header: ("control",),
    HTTP.header: ("http",),
}

WORDS = st.sampled_from(
    [
        *(
            "",
            "a",
            "b:514",
            "[::1]:1",
            "192.0.2.1",
            "::1",
            "a b",
            "tcp",
            "tls",
            "syslog",
            "network",
            "auto",
            "lf",
            "as-is",
        ),
        *(
            "tcp:514",
            "udp:514",
            "tls:1",
            "unix:a",
            "unix:",
            "systemd:INET:0",
            "64MiB",
            "1GiB",
            "9" * 15 + "GiB",
            "central",
        ),
        *(
            "me.pem",
            "me.key",
            "certs",
            ".",
            "..",
            "/",
            "\0",
            PIN,
            "sha256:",
            "4",
            "6",
            "1.3",
            "replay",
            "block",
            "stdin",
        ),
    ]
)
SCALARS = st.one_of(
    WORDS,
    WORDS,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.booleans(),
    st.integers(-2, 2**17),
    st.integers(),
    st.floats(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
    max_leaves=6,
)
KEYS = [(HEADERS[section.header], key.name) for section in SECTIONS for key in section.keys] + [
    ((), name) for name in ("source", "destination", "source-tls", "control", "extra")
]


def toml(value: Any) -> str:
    """
    A value in TOML's notation.
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class AnyInputTests(FileTestCase):
    """
    Whatever a file holds, it is a configuration or a list of problems.
    """

    def outcome(self, text: str) -> None:
        try:
            configuration = self.read(text)
        except ConfigurationError as error:
            self.assertTrue(error.problems)
            for problem in error.problems:
                self.assertTrue(problem.where.startswith(self.path), problem)
                self.assertEqual(len(str(problem).splitlines()), 1)
        else:
            self.assertTrue(configuration.sources and configuration.destinations)
            attrs.asdict(configuration)

    def test_values(self) -> None:
        """
        Any values for any keys.
        """

        @settings(max_examples=150, deadline=None, database=None)
        @given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=5))
        def check(entries: list[tuple[tuple[tuple[str | int, ...], str], object]]) -> None:
            tree: dict[str, Any] = {"source": [{"listen": "tcp:1"}], "destination": {"central": {"primary": "a"}}}
            for (path, name), value in entries:
                table: Any = tree
                for part in path:
                    if isinstance(table, list):
                        table = table[0] if table else {}
                    elif isinstance(table, dict):
                        table = table.setdefault(part, {})
                if isinstance(table, dict):
                    table[name] = value
            self.outcome("".join(f"{toml(name)} = {toml(value)}\n" for name, value in tree.items()))

        check()

    def test_text(self) -> None:
        """
        Any text.
        """
        pieces = [
            *"[]{}=.,#\"'\n\\",
            '"""',
            "'''",
            "[[source]]\n",
            "[destination.central]\n",
            "primary = 'a'\n",
            "listen",
        ]
        text = st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=3)), max_size=30).map("".join)

        @settings(max_examples=150, deadline=None, database=None)
        @given(text)
        def check(text: str) -> None:
            self.outcome(text)

        check()
