"""
What is done with options of which the relay has something like it, but not the same.
"""

from __future__ import annotations

from ..values import Mistake
from . import values
from .options import Draft, Option, Treatment, nothing
from .remarks import plain
from .tree import Call

#: Of both programs.
DEFAULT_MESSAGE = 65536

_LARGEST_PORT = 65535


def port(call: Call) -> int:
    """
    A port.  syslog-ng knows services by their names, too.
    """
    number = values.whole(call)
    if not 1 <= number <= _LARGEST_PORT:
        raise Mistake(f"{number} is no port", f"write one from 1 to {_LARGEST_PORT}")
    return number


def family(call: Call) -> str:
    """
    The version of IP.
    """
    version = values.whole(call)
    if version not in (4, 6):
        raise Mistake(f"{version} is no version of IP", "write 4 or 6")
    return str(version)


def permissions(call: Call) -> int:
    """
    The mode of a file.
    """
    mode = values.whole(call)
    if not 0 <= mode <= 0o777:
        raise Mistake(f"{oct(mode)} is no mode", "write one from 0 to 0777")
    return mode


def sync(call: Call) -> str:
    """
    How sure a disk buffer is.
    """
    return "full" if values.truth(call) else "normal"


def reusing(draft: Draft, call: Call) -> None:
    """
    A port that is shared.
    """
    if values.truth(call):
        draft.part.put("reuse-port", True, call.line)


def keptAlive(place: int) -> Treatment:
    """
    One of the three numbers of TCP keepalive; the others stay as they are by default.
    """

    def treat(draft: Draft, call: Call) -> None:
        entry = draft.part.find("keepalive")
        numbers = list(entry.value) if entry is not None and isinstance(entry.value, list) else [5, 2, 3]
        draft.part.put("keepalive", [*numbers[:place], values.whole(call), *numbers[place + 1 :]], call.line)

    return treat


def pins(draft: Draft, call: Call) -> None:
    """
    Digests of certificates.  Ours are of SHA-256.
    """
    found = values.texts(call)
    weak = [each for each in found if not each.lower().startswith("sha256:")]
    if weak:
        draft.leftOut(
            call,
            "only SHA-256 can be pinned, so any certificate with the server's name and a good chain would do;"
            " write pins = [...] with what openssl x509 -fingerprint -sha256 says",
        )
    else:
        draft.part.put("tls.pins", found, call.line)


def protocols(draft: Draft, call: Call) -> None:
    """
    Versions of TLS that are not allowed.
    """
    for word in values.texts(call) if call.items else ():
        name = word.replace("_", "-").lower()
        if name == "no-tlsv12":
            draft.part.put("tls.min-version", "1.3", call.line)
        elif name not in ("no-sslv2", "no-sslv3", "no-tlsv1", "no-tlsv11"):
            draft.remarks.add(call.line, f"{draft.part.origin}: ssl-options({name}) was left out", _TLS_RANGE)


def version(draft: Draft, call: Call) -> None:
    """
    The one version of TLS.
    """
    name = values.text(call).replace("_", "-").lower()
    if name == "tlsv1-3":
        draft.part.put("tls.min-version", "1.3", call.line)
    elif name != "tlsv1-2":
        draft.leftOut(call, _TLS_RANGE)


def file(key: str) -> Treatment:
    """
    The path of a file of TLS.  One that is relative stays so: the relay refuses a file that is not there, and trusts no
    others instead.
    """

    def treat(draft: Draft, call: Call) -> None:
        name = values.text(call)
        if not name.startswith("/"):
            what = f"{draft.part.origin}: {call.name}({plain(name)}) is relative to the folder that syslog-ng runs in"
            draft.remarks.add(call.line, what, "write the whole path, or put the file beside the new configuration")
        draft.part.put(key, name, call.line)

    return treat


def rfc5424(draft: Draft, call: Call) -> None:
    """
    ``flags(syslog-protocol)``: RFC 5424 whatever the driver.
    """
    draft.part.put("format", "rfc5424", call.line)


def oneLine(draft: Draft, call: Call) -> None:
    """
    ``flags(no-multi-line)``: with LF between messages there is no other way.
    """
    driver = draft.part.find("driver")
    if driver is not None and driver.value == "syslog":
        what = f"{draft.part.origin}: flags(no-multi-line) was left out"
        draft.remarks.add(call.line, what, 'a message keeps its line ends, unless framing = "lf" is written')


_TLS_RANGE = 'the relay speaks TLS 1.2 and 1.3, or 1.3 alone with min-version = "1.3"'
TUNING = "tunes syslog-ng itself"


def idle(note: str, *examples: str) -> tuple[Option, ...]:
    """
    Options that need nothing.
    """
    return tuple(Option(each.partition("(")[0], "", each, nothing, note) for each in examples)


#: What to do without some of those that are left out.
HINTS = {
    "bad-hostname": "names are taken as they come",
    "cipher-suite": "the relay leaves the choice to OpenSSL",
    "crl-dir": "put its lists into one PEM file, and name that as crl-file; it is for the server's own certificate",
    "default-facility": "a message without a PRI gets <13>",
    "default-level": "a message without a PRI gets <13>",
    "default-priority": "a message without a PRI gets <13>",
    "default-severity": "a message without a PRI gets <13>",
    "host-override": "a message keeps the host that it came with",
    "localport": "the system chooses the port to connect from",
    "log-fifo-size": "it counts messages; buffer.size counts bytes, and is 64MiB where it is not written",
    "multi-line-mode": "each line is a message",
    "multi-line-prefix": "each line is a message",
    "pkcs12-file": "make PEM files of it (openssl pkcs12), and name them as cert-file and key-file",
    "template": "messages go out whole, in one of the formats rfc5424, rfc3164 and as-is: choose by format = ...",
    "trusted-dn": "a server is known by its name and its chain; pins = [...] fixes the certificate, too",
}
