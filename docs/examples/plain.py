"""
A plain program, without Twisted, whose log goes to log servers: ``python plain.py logs-a.example.com:601 ...``

The relay needs Twisted's reactor, which runs here in a thread of its own.  What that means:

* A process can run the reactor only once.  A program that runs one already composes the relay as ``webapp.py`` does.
* Threads do not survive a fork: begin to relay in the process that logs, not in its parent.
* Logging never waits.  If nobody can take the messages, those that do not fit the buffers are dropped, and counted.
* The end waits until the servers have everything, for 30 seconds (``stop-timeout``) if one still takes messages, and
  not at all if none can be used.  A program that is killed takes along what was not delivered.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Any

from twisted.internet import reactor

from logrelay import Configuration, DestinationSettings, LogRelayService, RelayHandler, parseServer


@contextmanager
def relayed(reactor: Any, servers: Sequence[str]) -> Iterator[RelayHandler]:
    """
    Relay what a handler gets, within a ``with`` block.

    :param reactor: Twisted's, which must not run yet.
    :param servers: the primary first.
    """
    destination = DestinationSettings("central", tuple(parseServer(server, 601) for server in servers))
    relay = LogRelayService(reactor, Configuration(sources=(), destinations=(destination,)))
    reactor.callWhenRunning(relay.startService)
    reactor.addSystemEventTrigger("before", "shutdown", relay.stopService)
    # Signals stay with the program; and if the block is never left, the thread keeps nobody alive.
    thread = Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)
    thread.start()
    try:
        yield RelayHandler(relay.inlet)
    finally:
        reactor.callFromThread(reactor.stop)
        thread.join()


def work(number: int) -> None:
    """
    Something worth logging.
    """
    logging.getLogger("worker").info("step %d done", number)


def main() -> None:
    """
    Knows nothing of log servers.
    """
    logging.info("begun")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(100)))
    try:
        raise ValueError("nothing is perfect")
    except ValueError:
        logging.exception("something went wrong")
    logging.info("finished")


if __name__ == "__main__":
    with relayed(reactor, sys.argv[1:]) as handler:
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.INFO)
        main()
