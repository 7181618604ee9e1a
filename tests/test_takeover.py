"""
A connection that a probe made and the stream goes on over: as good as any other.
"""

from __future__ import annotations

import socket

from logrelay.config import FailbackSettings
from logrelay.failover import Connected
from logrelay.socketoptions import NOTSENT_LOWAT, lowerTransport

from .loopback import scripted
from .relays import RelayCase, destination, numbered

#: Soon.
FAILBACK = FailbackSettings(tcpProbeInterval=0.2, successfulProbesRequired=2)


class TakenOverTests(RelayCase):
    """
    On real sockets.
    """

    @scripted
    async def test_options(self) -> None:
        """
        It is asked whether its peer is still there when it is idle, sends small batches at once, and keeps little
        unsent: like a connection that was made for the stream.
        """
        primary, failover = self.server(), self.server()
        await primary.refuse()
        relay = self.relay([destination(primary, failover, failback=FAILBACK, keepalive=(7, 3, 4))])
        relay.send(numbered(1)[0])
        await self.arrived(failover, 1)
        primary.listen()
        await self.until(lambda: relay.snapshot().destinations[0].servers[0].active)
        state = relay._destinations["central"].factory.state
        assert isinstance(state, Connected)
        lower = lowerTransport(state.link.transport)
        assert lower is not None
        options = [
            lower.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            *(
                lower.socket.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_NODELAY,
                    socket.TCP_NOTSENT_LOWAT,
                )
            ),
        ]
        self.assertEqual(options, [1, 7, 3, 4, 1, NOTSENT_LOWAT])
        relay.send(numbered(1, start=1)[0])
        await self.until(lambda: numbered(1, start=1)[0] in primary.messages)
