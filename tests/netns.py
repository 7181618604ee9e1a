"""
Network namespaces: hosts of their own on this machine, with addresses, a hosts file and faults of their own.

Only root can make them, with ``ip`` (iproute2) and ``nft`` (nftables).  The addresses are those that RFC 5737 and
RFC 3849 keep for documentation: no packet leaves this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

#: Where ``ip netns exec`` looks for files that it is to mount over those of /etc.
ETC = Path("/etc/netns")

#: Dropped on both ways in the host itself, so that nothing tells the others: no reset, no "unreachable".  Neighbours
#: are still answered, as a router in between would, or the others would soon call the host unreachable.
BLACK_HOLE = """
table inet hole {
    chain in { type filter hook input priority 0; policy drop; icmpv6 type 133-137 accept; }
    chain out { type filter hook output priority 0; policy drop; icmpv6 type 133-137 accept; }
}
"""


def missing() -> str | None:
    """
    Why tests in namespaces have to be skipped, or ``None``: made for the ``skip`` attribute of a test case.
    """
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    packages = [package for program, package in (("ip", "iproute2"), ("nft", "nftables")) if not shutil.which(program)]
    return f"{', '.join(packages)}: not installed" if packages else None


def _run(*arguments: str, given: str | None = None) -> None:
    """
    Run a command that has to succeed.
    """
    done = subprocess.run(arguments, input=given, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")


@attrs.define
class Host:
    """
    One host of a :class:`Network`: its loopback interface, and one address of each family.

    :ivar name: the name of the namespace.
    """

    name: str
    address: str
    address6: str

    @property
    def prefix(self) -> list[str]:
        """
        The command that turns into the one it is given, run on this host.
        """
        return ["ip", "netns", "exec", self.name]

    def setNames(self, names: Mapping[str, Sequence[str]]) -> None:
        """
        Say which addresses each name has, for processes of this host: at once, also for those that run.

        Other names do not resolve, and nothing is asked for them.  The C library sorts a name's addresses by its own
        rules (RFC 6724), IPv6 first, then those that have more leading bits in common with this host's address.
        """
        lines = [f"{address} {name}\n" for name, addresses in names.items() for address in addresses]
        # Written over, not replaced: what is mounted is the file, not its name.
        (ETC / self.name / "hosts").write_text("".join(lines))

    def blackHole(self) -> None:
        """
        Let every packet to and from this host vanish.
        """
        _run(*self.prefix, "nft", "-f", "-", given=BLACK_HOLE)

    def heal(self) -> None:
        """
        End the black hole.
        """
        _run(*self.prefix, "nft", "delete", "table", "inet", "hole")


@attrs.define
class Network:
    """
    Hosts on one wire, each a namespace; close it always.

    :ivar name: begins the names of its namespaces; no other network on this machine may have it.
    """

    name: str = attrs.field(factory=lambda: f"logrelay{os.getpid()}")
    hosts: list[Host] = attrs.field(factory=list, init=False)

    def open(self) -> None:
        """
        Make the wire.

        :raises RuntimeError: a command failed; its message says which and why.
        """
        _run("ip", "netns", "add", self.name)
        _run("ip", "-n", self.name, "link", "add", "wire", "type", "bridge")
        _run("ip", "-n", self.name, "link", "set", "wire", "up")

    def host(self) -> Host:
        """
        Add a host, up and reachable by the others.

        :raises RuntimeError: a command failed; its message says which and why.
        """
        number = len(self.hosts) + 1
        host = Host(f"{self.name}-{number}", f"192.0.2.{number}", f"2001:db8::{number}")
        self.hosts.append(host)
        folder = ETC / host.name
        folder.mkdir(parents=True)
        (folder / "nsswitch.conf").write_text("hosts: files\n")
        host.setNames({})
        _run("ip", "netns", "add", host.name)
        port = f"port{number}"
        _run("ip", "-n", self.name, "link", "add", port, "type", "veth", "peer", "wire", "netns", host.name)
        _run("ip", "-n", self.name, "link", "set", port, "master", "wire", "up")
        _run("ip", "-n", host.name, "link", "set", "lo", "up")
        _run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "wire")
        # Without "nodad" the address could not be used for its first second.
        _run("ip", "-n", host.name, "address", "add", f"{host.address6}/64", "dev", "wire", "nodad")
        _run("ip", "-n", host.name, "link", "set", "wire", "up")
        return host

    def close(self) -> None:
        """
        Take everything away, however far it came: made for ``addCleanup``.

        Processes that still run in it keep its namespaces alive, without names: end them first.
        """
        for name in [*(host.name for host in self.hosts), self.name]:
            with contextlib.suppress(RuntimeError):
                _run("ip", "netns", "del", name)
            shutil.rmtree(ETC / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            ETC.rmdir()
