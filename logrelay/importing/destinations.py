"""
The drivers of syslog-ng's destinations, as destinations of ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

import attrs

from ..values import Mistake, literal, shown
from . import values
from .destinationtables import DESTINATION, DISK_BUFFER, FAILBACK, FAILOVER, TLS
from .options import Draft, apply
from .parts import Part, Value
from .remarks import Remarks, plain
from .treatments import HINTS
from .tree import Call, Group, Node, keyword, split, written

#: The version of IP of each driver that is translated; ``None``: that of ``ip-protocol()``.
DRIVERS = {"network": None, "syslog": None, "tcp": None, "tcp6": "6"}

#: Those that lose what a server does not read.
_DATAGRAMS = ("udp", "udp6", "unix-dgram")

_STREAMS_ONLY = "only stream transports fail over: send to the server by tcp or tls"

_LONGEST_NAME = 64


@attrs.frozen
class Destinations:
    """
    Makes destinations.

    :ivar defaults: what the global options say of every destination.
    :ivar names: those taken so far.
    """

    remarks: Remarks
    defaults: Part
    names: set[str] = attrs.field(factory=set)

    def make(self, origin: str, name: str, items: Sequence[Node]) -> Iterator[Part]:
        """
        Make the destinations of a ``destination`` statement.

        :param origin: for people: ``destination d_net``.
        """
        calls, rest = split(items)
        for other in rest[:1]:
            what = f"{origin}: what begins here with {written(other)} was left out"
            self.remarks.add(other.line, what, "write a destination for what it does")
        for call in calls:
            draft = Draft(Part(f"{origin}, {plain(call.name)}()", call.line), self.remarks)
            try:
                self._one(draft, call)
            except Mistake as mistake:
                what = f"{draft.part.origin} was left out: {mistake.what}"
                self.remarks.add(call.line, what, mistake.remedy)
                continue
            draft.part.name = self._named(name)
            _spoolFolder(draft)
            yield draft.part

    def _named(self, name: str) -> str:
        """
        A name that our configuration takes, and that no other destination has.
        """
        wanted = re.sub("[^A-Za-z0-9_-]", "-", name)[:_LONGEST_NAME] or "destination"
        found, number = wanted, 1
        while found in self.names:
            number += 1
            end = f"-{number}"
            found = wanted[: _LONGEST_NAME - len(end)] + end
        self.names.add(found)
        return found

    def _one(self, draft: Draft, call: Call) -> None:
        """
        A driver.

        :raises Mistake: if it can't be one of ours.
        """
        if call.name in _DATAGRAMS:
            raise Mistake("datagrams can be lost unseen", _STREAMS_ONLY)
        if call.name not in DRIVERS:
            raise Mistake("logrelay sends to log servers only", "keep syslog-ng, or another program, for it")
        if not call.items or (len(call.items) > 1 and isinstance(call.items[1], Group) and keyword(call.items[0])):
            raise Mistake("it names no server", "write a destination with a primary")
        primary = values.text(Call(call.name, call.line, call.items[:1]))
        draft.part.put("driver", "syslog" if call.name == "syslog" else "network", call.line)
        apply(DESTINATION, HINTS, draft, split(call.items)[0])
        transport = self._transport(draft)
        draft.part.put("transport", transport, call.line)
        draft.part.put("primary", primary, call.line)
        self._failovers(draft)
        if call.name != "syslog" and transport == "tls" and draft.part.find("port") is None:
            # Ours is 6514.
            draft.part.put("port", 514, call.line)
        self._families(draft, DRIVERS[call.name])
        if "disk-buffer" in draft.given:
            self._diskBuffer(draft, draft.given["disk-buffer"])
        reopen = self.defaults.find("time-reopen")
        if reopen is not None and draft.part.find("time-reopen") is None:
            draft.part.put("time-reopen", reopen.value, reopen.line)

    def _transport(self, draft: Draft) -> str:
        """
        How servers are talked to.  Whoever gives TLS options wants TLS.
        """
        given = draft.given
        transport = values.text(given["transport"]).lower() if "transport" in given else "tcp"
        if transport == "udp":
            raise Mistake("datagrams can be lost unseen", _STREAMS_ONLY)
        if transport not in ("tcp", "tls"):
            raise Mistake(f"there is no transport {shown(transport)}", "write a destination for tcp or tls")
        if "tls" not in given:
            return transport
        apply(TLS, HINTS, draft, split(given["tls"].items)[0])
        return "tls"

    def _failovers(self, draft: Draft) -> None:
        """
        ``failover()``, or ``failover-servers()`` as it was before.
        """
        given = draft.given
        listed = given.get("failover-servers")
        if "failover" in given:
            inner = Draft(draft.part, self.remarks)
            apply(FAILOVER, HINTS, inner, split(given["failover"].items)[0])
            listed = inner.given.get("servers", listed)
            if "failback" in inner.given:
                draft.part.tables["failback"] = {}
                apply(FAILBACK, HINTS, draft, split(inner.given["failback"].items)[0])
        if listed is not None:
            draft.part.put("failovers", values.texts(listed), listed.line)

    def _families(self, draft: Draft, fixed: str | None) -> None:
        """
        Which addresses of a name are tried: IPv4 ones, if syslog-ng is told nothing else.
        """
        if fixed is not None:
            draft.part.put("ip-protocol", fixed, draft.part.line)
        if draft.part.find("ip-protocol") is not None:
            return
        named = [draft.part.find(key) for key in ("primary", "failovers")]
        hosts = [host for entry in named if entry for host in _texts(entry.value)]
        addresses = [literal(host) for host in hosts]
        if None in addresses and all(each is None or each.version == 4 for each in addresses):
            draft.part.put("ip-protocol", "4", draft.part.line)

    def _diskBuffer(self, draft: Draft, call: Call) -> None:
        """
        ``disk-buffer()``.  One that says nothing of being reliable is not, and need not wait for the disk.
        """
        draft.part.put("spool.sync", "normal", call.line)
        inner = Draft(draft.part, self.remarks)
        apply(DISK_BUFFER, HINTS, inner, split(call.items)[0])
        if "dir" in inner.given:
            draft.given["dir"] = inner.given["dir"]


def _texts(value: Value) -> list[str]:
    """
    The text or texts that a key has.
    """
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _spoolFolder(draft: Draft) -> None:
    """
    The folder of a spool, which is for one destination alone.
    """
    call = draft.given.get("dir")
    if call is None:
        return
    try:
        draft.part.put("spool.path", os.path.join(values.path(call), draft.part.name), call.line)
    except Mistake as mistake:
        draft.remarks.add(call.line, f"{draft.part.origin}: dir: {mistake.what}", mistake.remedy)
