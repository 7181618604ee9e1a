"""
What the keys of one destination have to do with each other.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

import attrs

from .config import (
    DRIVERS,
    BufferSettings,
    DestinationSettings,
    FailbackSettings,
    SpoolSettings,
    TLSSettings,
    smallestBuffer,
    smallestSpool,
)
from .keys import BUFFER, DESTINATION, FAILBACK, SPOOL, TLS, Section
from .lines import KeyPath
from .sections import Findings, Reading, readSection, readTable
from .servers import Server
from .values import File, Folder, shown, sizeText

#: What looks deeper into the files that settings name than "it can be read".  For each thing wrong it gives the key
#: (such as ``cert-file``), what is wrong and the remedy.
CheckFiles = Callable[[TLSSettings], Iterable[tuple[str, str, str]]]

#: What has no meaning for RELP: it has frames of its own, and the server's answers settle its messages.
_NOT_FOR_RELP = ("framing", "replay-max", "replay-time", "checkpoint", "checkpoint-age")


def _fillIn(values: dict[str, Any]) -> None:
    """
    Fill in what the driver decides.
    """
    driver = DRIVERS.get(values.get("driver", ""), DRIVERS["syslog"])
    values.setdefault("format", driver.format)
    values.setdefault("framing", driver.framing)
    values.setdefault("delivery", driver.delivery)
    values.setdefault("port", driver.tlsPort if values.get("transport") == "tls" else driver.port)


@attrs.frozen
class DestinationRules:
    """
    Reads the destinations.

    :ivar base: the absolute path of the folder that relative paths start from.
    :ivar platform: ``sys.platform``; only Linux tells what a peer has acknowledged.
    """

    findings: Findings
    base: str
    checkFiles: CheckFiles
    platform: str = sys.platform

    def read(self, name: str, table: Mapping[str, object]) -> DestinationSettings | None:
        """
        Read ``[destination.NAME]`` and the sections in it.

        :return: the settings, or ``None`` if anything was wrong.
        """
        before = len(self.findings.found)
        path: KeyPath = ("destination", name)
        if not re.fullmatch("[A-Za-z0-9_-]{1,64}", name):
            what = f"{shown(name)} can't be the name of a destination: it stands in logs, metrics and file names"
            self.findings.add(path, what, "write 1 to 64 letters, digits, - and _")
        own = readSection(self.findings, DESTINATION, path, table, self.base)
        failback, tls, buffer, spool = (
            self._inner(own, section, inner)
            for section, inner in ((FAILBACK, "failback"), (TLS, "tls"), (BUFFER, "buffer"), (SPOOL, "spool"))
        )
        values = own.values
        self._driver(own)
        _fillIn(values)
        servers = self._servers(own)
        if failback and not own.written.get("failovers"):
            self.findings.add(
                failback.path, "there are no failovers to come back from", "add failovers, or take it out"
            )
        if values.get("delivery") == "acked" and self.platform != "linux":
            what = "only Linux tells what a peer has acknowledged"
            self.findings.add((*path, "delivery"), what, 'write "replay" or "written"')
        self._buffer(own, buffer)
        self._spool(own, spool)
        tlsSettings = self._tls(own, tls)
        if len(self.findings.found) > before:
            return None
        return DestinationSettings(
            name=name,
            servers=servers,
            failback=FailbackSettings(**failback.values) if failback else None,
            tls=tlsSettings,
            buffer=BufferSettings(**buffer.values) if buffer else BufferSettings(),
            spool=SpoolSettings(**spool.values) if spool else None,
            **{key: value for key, value in values.items() if key not in ("primary", "failovers", "port")},
        )

    def _driver(self, own: Reading) -> None:
        """
        Refuse keys that would change nothing with this driver.  One that is written with its default does no harm.
        """
        driver = own.values.get("driver")
        if driver is None:
            return
        idle = _NOT_FOR_RELP if driver == "relp" else ("window",)
        for name in idle:
            key = DESTINATION.find(name)
            assert key is not None, name
            default = key.defaultValue() if key.default else None
            if name in own.written and key.attribute in own.values and own.written[name] != default:
                what = f"has no meaning for the driver {driver}"
                self.findings.add((*own.path, name), what, "take it out")
        delivery = own.values.get("delivery")
        if delivery and (driver == "relp") != (delivery == "relp"):
            what = "the driver relp has a level of its own, relp, and only it has that"
            self.findings.add((*own.path, "delivery"), what, "take it out")
        if own.values.get("stamp") and own.values.get("format", DRIVERS[driver].format) != "rfc5424":
            what = "only RFC 5424 has structured data to hold it"
            self.findings.add((*own.path, "stamp"), what, 'write format = "rfc5424", or take it out')

    def _inner(self, own: Reading, section: Section, name: str) -> Reading | None:
        """
        Read a section of the destination, if it is there.
        """
        path = (*own.path, name)
        if name not in own.written:
            return None
        table = readTable(self.findings, path, own.written[name], section.header)
        return None if table is None else readSection(self.findings, section, path, table, self.base)

    def _servers(self, own: Reading) -> tuple[Server, ...]:
        """
        The servers, the primary first, none twice.
        """
        named = [((*own.path, "primary"), own.values.get("primary"))]
        for place, entry in enumerate(own.values.get("failovers", ())):
            named.append(((*own.path, "failovers", place), entry))
        servers: dict[tuple[str, int], Server] = {}
        for path, entry in named:
            if entry is None:
                continue
            server = Server(entry[0], own.values["port"] if entry[1] is None else entry[1])
            if server.identity in servers:
                self.findings.add(path, f"{server} is the same server as one before it", "take one of them out")
            servers[server.identity] = server
            self._family(own, path, server)
        self._localip(own)
        return tuple(servers.values())

    def _family(self, own: Reading, path: KeyPath, server: Server) -> None:
        """
        Refuse an address that can't be reached with the addresses allowed.
        """
        version = server.address.version if server.address else None
        local = own.values.get("localip")
        for key, wanted in (
            ("ip-protocol", own.values.get("ipProtocol", "any")),
            ("localip", str(ip_address(local).version) if local else "any"),
        ):
            if version and wanted not in ("any", str(version)):
                what = f"{server.host} is an IPv{version} address, and {key} allows only IPv{wanted}"
                self.findings.add(path, what, f"write an IPv{wanted} address or a name, or change {key}")

    def _localip(self, own: Reading) -> None:
        local, wanted = own.values.get("localip"), own.values.get("ipProtocol", "any")
        if local and wanted not in ("any", str(ip_address(local).version)):
            what = f"{local} is not an IPv{wanted} address, and ip-protocol allows no others"
            self.findings.add((*own.path, "localip"), what, f"write an IPv{wanted} address, or change ip-protocol")

    def _buffer(self, own: Reading, buffer: Reading | None) -> None:
        """
        Refuse a buffer in which nothing could move.  The default is large enough for any message.
        """
        longest = own.values.get("maxMessageSize")
        size = buffer.values.get("size") if buffer else None
        if buffer and longest and size and size < smallestBuffer(longest):
            what = (
                f"{sizeText(size)} is too small for a max-message-size of {sizeText(longest)}: four batches, each of "
                "up to 64KiB and one message more, must fit"
            )
            self.findings.add((*buffer.path, "size"), what, f"write at least {sizeText(smallestBuffer(longest))}")

    def _spool(self, own: Reading, spool: Reading | None) -> None:
        """
        Fill in the folder, and refuse a spool in which nothing could move.
        """
        if spool is None:
            return
        spool.values.setdefault("path", os.path.join(self.base, "spool", str(own.path[-1])))
        longest, size = own.values.get("maxMessageSize"), spool.values.get("size")
        if longest and size and size < smallestSpool(longest):
            what = (
                f"{sizeText(size)} is too small for a max-message-size of {sizeText(longest)}: room is given back in"
                " eighths, and a batch of 64KiB and one message more must fit with its log"
            )
            self.findings.add((*spool.path, "size"), what, f"write at least {sizeText(smallestSpool(longest))}")

    def _tls(self, own: Reading, tls: Reading | None) -> TLSSettings | None:
        """
        The TLS options; where the transport is tcp there are none.
        """
        transport = own.values.get("transport")
        if tls and transport == "tcp":
            what = "the transport is tcp, so nothing is encrypted"
            self.findings.add(tls.path, what, 'add transport = "tls", or take the TLS options out')
        if (tls and not self._filesFit(tls)) or transport != "tls":
            return None
        values = dict(tls.values) if tls else {}
        values["pins"] = frozenset(values.get("pins", ()))
        settings = TLSSettings(**values)
        for key, what, remedy in self.checkFiles(settings):
            self.findings.add((*own.path, "tls", key), what, remedy)
        return settings

    def _filesFit(self, tls: Reading) -> bool:
        """
        Whether every file named is there, and none is of use only with another.
        """
        files = [key for key in TLS.keys if isinstance(key.kind, File | Folder) and key.name in tls.written]
        fit = all(key.attribute in tls.values for key in files)
        for name, other in (("cert-file", "key-file"), ("key-file", "cert-file"), ("key-passphrase-file", "key-file")):
            if name in tls.written and other not in tls.written:
                fit = False
                self.findings.add((*tls.path, name), f"is of no use without {other}", f"add {other}, or take it out")
        return fit
