"""
What somebody who is on call wants to know first: is anything wrong, and what.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .snapshot import DestinationSnapshot, Snapshot

#: How bad it is, from good to bad.
GOOD, WORTH_A_LOOK, BAD = "good", "warning", "bad"

DAY = 86400.0

#: Days left at which a certificate is worth a look (spec 2.4), and at which it is bad.
EXPIRES_SOON, EXPIRES_NOW = 30, 1


@attrs.frozen
class Remark:
    """
    One thing that is not as it should be.

    :ivar level: ``warning`` or ``bad``.
    :ivar where: the destination or source; empty for the whole relay.
    :ivar text: what it is.  It stays the same while that does: no ages, no counts.
    """

    level: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


def remarksOf(snapshot: Snapshot) -> list[Remark]:
    """
    All that is not as it should be, the worst first.
    """
    remarks = [*_ofRelay(snapshot)]
    for destination in snapshot.destinations:
        remarks += _ofDestination(destination, snapshot.at)
    for source in snapshot.sources:
        if source.heldBy:
            remarks.append(Remark(WORTH_A_LOOK, f"source {source.name}", f"waits for {', '.join(source.heldBy)}"))
    return sorted(remarks, key=lambda each: each.level != BAD)


def levelOf(remarks: list[Remark]) -> str:
    """
    How bad it is altogether.
    """
    if not remarks:
        return GOOD
    return BAD if any(each.level == BAD for each in remarks) else WORTH_A_LOOK


def summaryOf(snapshot: Snapshot, remarks: list[Remark]) -> str:
    """
    The whole relay in one line.
    """
    if not remarks:
        return "All is well: every destination uses its primary"
    first, more = remarks[0], len(remarks) - 1
    return f"{first}{f' (and {more} more)' if more else ''}"


def _ofRelay(snapshot: Snapshot) -> Iterator[Remark]:
    yield from (Remark(BAD, "", each) for each in snapshot.ailments)
    if snapshot.startedAt is None:
        yield Remark(BAD, "", "the relay is not running")
    elif not snapshot.bound:
        yield Remark(BAD, "", "the sources have no sockets")
    if snapshot.reload is not None and snapshot.reload.failed:
        yield Remark(WORTH_A_LOOK, "", f"the last reload failed: {snapshot.reload.what}")
    yield from _ofCertificate("", "the certificate of the listeners", snapshot.ownNotAfter, snapshot.at)


def _ofDestination(destination: DestinationSnapshot, now: float) -> Iterator[Remark]:
    name, [primary, *_] = destination.name, destination.servers
    if destination.active is None:
        yield Remark(BAD, name, f"no server is in use ({destination.state})")
    elif not primary.active:
        why = "chosen by an operator" if destination.chosen else whyLeft(destination)
        yield Remark(WORTH_A_LOOK, name, f"on failover {destination.active}{why and f' ({why})'}")
    if destination.spool is not None and destination.spool.broken:
        yield Remark(BAD, name, f"nothing can be put on disk: {destination.spool.broken}")
    if destination.crowded:
        yield Remark(WORTH_A_LOOK, name, "its store is above the high mark")
    yield from (Remark(WORTH_A_LOOK, name, f"{each.name} is drained") for each in destination.servers if each.drained)
    yield from _ofCertificate(name, "the certificate that it shows", destination.ownNotAfter, now)
    if destination.listsUntil is not None and destination.listsUntil < now:
        yield Remark(WORTH_A_LOOK, name, "a revocation list in crl-file has expired")
    for server in destination.servers:
        yield from _ofCertificate(name, f"the certificate of {server.name}", server.notAfter, now)


def whyLeft(destination: DestinationSnapshot) -> str:
    """
    Why a destination is not at its primary.
    """
    primary = destination.servers[0]
    if primary.drained:
        return f"{primary.name} is drained"
    if primary.reason:
        return f"{primary.name}: {primary.reason}"
    return destination.reason


def _ofCertificate(where: str, what: str, notAfter: float | None, now: float) -> Iterator[Remark]:
    """
    What to say of a certificate that ends.
    """
    if notAfter is None:
        return
    left = daysLeft(notAfter, now)
    if left < 0:
        yield Remark(BAD, where, f"{what} has expired")
    elif left <= EXPIRES_SOON:
        days = "today" if left == 0 else f"in {left} day{'s' if left != 1 else ''}"
        yield Remark(BAD if left <= EXPIRES_NOW else WORTH_A_LOOK, where, f"{what} expires {days}")


def daysLeft(notAfter: float, now: float) -> int:
    """
    Whole days until a moment; negative if it has passed.
    """
    return int((notAfter - now) // DAY)
