"""
The table of options in the documentation of ``logrelay import``, made from the tables that it works by.

``python -m tests.importtable`` writes ``docs/importing.inc``; a test tells when that has to be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from logrelay.importing.destinationtables import DESTINATION, DISK_BUFFER, FAILBACK, FAILOVER, TLS
from logrelay.importing.globaltable import GLOBAL
from logrelay.importing.options import Option
from logrelay.importing.sourcetables import DEFAULT_DRIVERS, FILE_SOURCE, NETWORK_SOURCE, SOURCE_TLS, UNIX_SOURCE

FILE = Path(__file__).resolve().parent.parent / "docs" / "importing.inc"

#: What is documented, in this order; and a configuration's part with one of the options in it.
TABLES: tuple[tuple[str, Mapping[str, Option], str], ...] = (
    ("Sources that listen on ports", NETWORK_SOURCE, "source s { network(%s); };"),
    ("``default-network-drivers()``", DEFAULT_DRIVERS, "source s { default-network-drivers(%s); };"),
    ("``unix-stream()`` and ``unix-dgram()``", UNIX_SOURCE, 'source s { unix-stream("/run/s.sock" %s); };'),
    ("``file()`` and ``wildcard-file()``", FILE_SOURCE, 'source s { file("/var/log/x" %s); };'),
    (
        "``tls()`` of sources",
        SOURCE_TLS,
        'source s { network(transport(tls) tls(cert-file("/c.pem") key-file("/k.pem") %s)); };',
    ),
    ("Destinations", DESTINATION, 'destination d { network("a.example.com" %s); };'),
    ("``failover()``", FAILOVER, 'destination d { network("a.example.com" failover(%s)); };'),
    (
        "``failback()``",
        FAILBACK,
        'destination d { network("a.example.com" failover(servers("b.example.com") failback(%s))); };',
    ),
    ("``tls()`` of destinations", TLS, 'destination d { network("a.example.com" transport(tls) tls(%s)); };'),
    ("``disk-buffer()``", DISK_BUFFER, 'destination d { network("a.example.com" disk-buffer(%s)); };'),
    ("Global options", GLOBAL, "options { %s; };"),
)


def text() -> str:
    """
    All of it.
    """
    return "\n".join(line for title, options, _ in TABLES for line in _table(title, options))


def _table(title: str, options: Mapping[str, Option]) -> Iterator[str]:
    """
    One table.  Options that need nothing, and take any value, are named below it.
    """
    rows = [option for option in options.values() if option.ours or not _idle(option)]
    yield from (f".. list-table:: {title}", "   :header-rows: 1", "   :widths: 30 30 40", "")
    yield from ("   * - syslog-ng", "     - logrelay", "     - values, remarks")
    for option in rows:
        yield f"   * - ``{option.name}()``"
        yield f"     - {f'``{option.ours}``' if option.ours else 'as it is anyway'}"
        yield f"     - {option.note}".rstrip()
    yield ""
    idle = [option for option in options.values() if not option.ours and _idle(option)]
    if idle:
        yield f"Of no meaning here: {', '.join(f'``{option.name}()``' for option in idle)}."
        yield ""


def _idle(option: Option) -> bool:
    return option.treat.__name__ == "nothing"


if __name__ == "__main__":
    FILE.write_text(text())
