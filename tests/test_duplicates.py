"""
Doubles, dropped by their stamps: through started relays, and with real servers.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import attrs
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from logrelay.servers import Server

from .loopback import scripted
from .real import RealServer, Rsyslog, SyslogNg
from .relays import RelayCase, addressOf, client, connected, counted, destination, numbered, source
from .test_realservers import RealCase, RsyslogFields, SyslogNgFields, at

NAME = "logrelay@32473"

#: A stamp as it stands in a message.
STAMP = re.compile(rb'\[logrelay@32473 boot="([0-9a-f]{12}-[0-9a-f]{8})" seq="([1-9]\d*)"\]')


def key(message: bytes) -> tuple[bytes, int]:
    """
    What tells a message from all others: boot and seq.
    """
    [(boot, seq)] = STAMP.findall(message)
    return boot, int(seq)


def unstamped(message: bytes) -> bytes:
    """
    A message as it was sent, without structured data.
    """
    return STAMP.sub(b"-", message)


def firstDifference(got: list[bytes], wanted: list[bytes]) -> tuple[int, bytes | None, bytes | None] | None:
    """
    Where two lists differ first, and by what; ``None`` if they are equal.  The differences of long lists, all of them,
    would take minutes to find.
    """
    pairs = enumerate(zip_longest(got, wanted))
    return next(((place, one, other) for place, (one, other) in pairs if one != other), None)


class DoublesTests(RelayCase):
    """
    Servers in this process.
    """

    @scripted
    async def test_killed(self) -> None:
        """
        The primary is killed in mid-stream.  Without doubles, what the two servers have got is exactly what was sent,
        in order, messages of the same text included.
        """
        primary, failover = self.server(), self.server()
        relay = self.relay([destination(primary, failover, format="rfc5424", stamp=NAME)], [source()])
        sender = await connected(addressOf(relay))
        self.addCleanup(sender.abortConnection)
        # Each text comes three times.
        sent = [message for message in numbered(1000) for _ in range(3)]
        for start in range(0, 3000, 100):
            sender.write(b"".join(message + b"\n" for message in sent[start : start + 100]))
            if start == 1500:
                await self.arrived(primary, 1000)
                await primary.kill()
            await self.turns()
        await self.until(lambda: sent[-1] in map(unstamped, failover.messages[-1:]))
        arrived = primary.messages + failover.messages
        self.assertGreater(len(arrived), len(sent))
        once = {key(message): unstamped(message) for message in arrived}
        self.assertEqual(firstDifference([once[each] for each in sorted(once)], sent), None)
        copies: dict[tuple[bytes, int], set[bytes]] = {}
        for message in arrived:
            copies.setdefault(key(message), set()).add(message)
        self.assertEqual({len(each) for each in copies.values()}, {1})

    @scripted
    async def test_oneCount(self) -> None:
        """
        Two sources never use the same number; two destinations of the same form get the same bytes, and one of another
        form other numbers.
        """
        servers = [self.server() for _ in range(3)]
        settings = [
            destination(server, name=str(place), format="rfc5424", stamp=NAME, maxMessageSize=65536 - place // 2)
            for place, server in enumerate(servers)
        ]
        relay = self.relay(settings, [source(), source(name="another")])
        messages = numbered(600)
        with client(self, relay) as one, client(self, relay, 1) as two:
            for start in range(0, 300, 30):
                one.sendall(counted(messages[start : start + 30]))
                two.sendall(counted(messages[300 + start : 330 + start]))
                await self.turns()
        first, same, other = [await self.arrived(server, 600) for server in servers]
        self.assertEqual(firstDifference(first, same), None)
        for each in (first, other):
            self.assertEqual(firstDifference(sorted(map(unstamped, each)), messages), None)
        keys = [key(message) for message in first + other]
        self.assertEqual(len({boot for boot, _ in keys}), 1)
        self.assertEqual({seq for _, seq in keys}, set(range(1, 1201)))
        self.assertEqual(len(keys), 1200)

    @scripted
    async def test_starts(self) -> None:
        """
        Each relay has a name of its own, the later one the greater.  What comes through two of them has the number of
        the first.
        """
        server = self.server()
        settings = destination(server, format="rfc5424", stamp=NAME)
        second = self.relay([settings], [source()])
        _, port = addressOf(second)
        chained = attrs.evolve(settings, name="next", servers=(Server("127.0.0.1", port),))
        # Names are told apart by the millisecond.
        await deferLater(reactor, 0.002, lambda: None)
        first = self.relay([chained])
        await first.send(b"<13>1 - h a p m - through both")
        [message] = await self.arrived(server, 1)
        await second.send(b"<13>1 - h a p m - through one")
        _, alone = await self.arrived(server, 2)
        self.assertEqual((unstamped(message)[-12:], unstamped(alone)[-11:]), (b"through both", b"through one"))
        self.assertEqual((key(message)[1], key(alone)[1]), (1, 1))
        self.assertGreater(key(message)[0], key(alone)[0])


class RealServersTests(RealCase):
    """
    Debian's syslog-ng and rsyslog.
    """

    async def data(self, kind: type[RealServer]) -> None:
        """
        One of them takes stamped messages, and has their data whole.
        """
        server = await self.started(kind)
        relay = self.relay([attrs.evolve(self.to(at(server)), stamp=NAME)])
        await relay.send(b"<13>1 - h a p m - first")
        await relay.send(b'<13>1 - h a p m [x@1 a="\\"\\\\\\] ["] second')
        lines = await deferToThread(server.waitFor, 2)
        (_, _, host, app, pid, msgid, data, text), (*_, both, second) = (line.split(b"|") for line in lines)
        self.assertEqual((host, app, pid, msgid), (b"h", b"a", b"p", b"m"))
        self.assertEqual((text.strip(), second.strip()), (b"first", b"second"))
        self.assertRegex(data, b"^" + STAMP.pattern + b"$")
        self.assertEqual((key(data)[1], key(both)[1]), (1, 2))
        self.assertEqual(STAMP.sub(b"", both), b'[x@1 a="\\"\\\\\\] ["]')

    @scripted
    async def test_structuredData(self) -> None:
        """
        What they parse of stamped messages is what was sent.
        """
        for kind in (SyslogNgFields, RsyslogFields):
            await self.data(kind)

    @scripted
    async def test_killed(self) -> None:
        """
        One of them is killed with messages on their way: without doubles, all that was sent is in their files.
        """
        primary, failover = await self.started(SyslogNgData), await self.started(RsyslogData)
        relay = self.relay([attrs.evolve(self.to(at(primary), at(failover)), stamp=NAME)], [source()])
        sender = await connected(addressOf(relay))
        self.addCleanup(sender.abortConnection)
        sent = numbered(4000)
        for start in range(0, 4000, 100):
            sender.write(b"".join(message + b"\n" for message in sent[start : start + 100]))
            if start == 2000:
                await deferToThread(primary.waitFor, 500)
                await deferToThread(primary.kill)
            await self.turns()
        await relay.whenSettled()
        # It has read everything by now; it may still be writing.
        texts = [message.rpartition(b"- ")[2] for message in sent]
        await self.until(lambda: any(line.endswith(texts[-1]) for line in failover.messages()[-1:]))
        lines = [line for server in (primary, failover) for line in server.messages()]
        once = {key(line): line.rpartition(b"|")[2].strip() for line in lines}
        self.assertEqual(firstDifference([once[each] for each in sorted(once)], texts), None)
        self.assertGreater(len(lines), len(once))


class SyslogNgData(SyslogNg):
    """
    Writes structured data and text.
    """

    def configuration(self) -> str:
        """
        The same, with another template.
        """
        return super().configuration().replace("$MSG", "$SDATA|$MSG")


class RsyslogData(Rsyslog):
    """
    Writes structured data and text.
    """

    def configuration(self) -> str:
        """
        The same, with another template.
        """
        return super().configuration().replace("%msg%", "%structured-data%|%msg%")
