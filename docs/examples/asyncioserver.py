"""
An asyncio program whose log goes to log servers: ``python asyncioserver.py PORT logs-a.example.com:601 ...``

It greets who connects.  All of it is asyncio and the standard library's logging, but for the relay, which needs
Twisted's reactor: that runs on the same event loop, so there is one loop, one thread, and no waiting of one for the
other.  What that means:

* Twisted's reactor is installed *on a loop*, before anything else imports ``twisted.internet.reactor``.
* The reactor runs the loop (``reactor.run()``, not ``asyncio.run()``), and takes SIGINT and SIGTERM.
* A Deferred becomes a future by ``asFuture``, a coroutine a Deferred by ``Deferred.fromCoroutine`` or ``fromFuture``.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet import asyncioreactor
from twisted.internet.defer import Deferred

from logrelay import Configuration, DestinationSettings, LogRelayService, RelayHandler, parseServer

log = logging.getLogger("greeter")


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Ask for a name, and greet who has it.
    """
    writer.write(b"Who is there?\n")
    name = (await reader.readline()).decode("utf-8", "replace").strip()
    log.info("greeted %s", name)
    writer.write(f"Good evening, {name}.\n".encode())
    await writer.drain()
    writer.close()


async def serve(port: int) -> asyncio.Server:
    """
    Knows nothing of log servers.
    """
    server = await asyncio.start_server(greet, "127.0.0.1", port)
    log.info("greeting on port %d", server.sockets[0].getsockname()[1])
    return server


def main(port: int, servers: Sequence[str]) -> None:
    """
    Run the program until a signal ends it.

    :param servers: the log servers, the primary first.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    from twisted.internet import reactor as installed

    reactor: Any = installed
    destination = DestinationSettings("central", tuple(parseServer(server, 601) for server in servers))
    relay = LogRelayService(reactor, Configuration(sources=(), destinations=(destination,)))
    logging.getLogger().addHandler(RelayHandler(relay.inlet, appName="greeter"))
    logging.getLogger().setLevel(logging.INFO)
    serving = loop.create_task(serve(port))

    async def end() -> None:
        """
        Close the server first: its last words are to be delivered, too.
        """
        (await serving).close()
        log.info("closed")
        await relay.stopService().asFuture(loop)

    reactor.callWhenRunning(relay.startService)
    # Twisted waits for the Deferred before it ends the loop.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(loop.create_task(end())))
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
