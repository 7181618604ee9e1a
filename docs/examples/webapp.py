"""
A twisted.web application whose whole log goes to log servers: its own lines, Twisted's, and the access log.

Run it with ``twistd -n -y webapp.py``, ask for http://127.0.0.1:8080/tea, and stop it with Ctrl-C.  The servers are in
the environment: ``LOG_SERVERS="logs-a.example.com logs-b.example.com:7601"``, the primary first.
"""

from __future__ import annotations

import os

from twisted.application.service import Application, IServiceCollection
from twisted.application.strports import service
from twisted.internet import reactor
from twisted.logger import Logger, globalLogPublisher
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from logrelay import Configuration, DestinationSettings, LogRelayService, RelayObserver, parseServer

log = Logger(namespace="shop.orders")


class Shop(Resource):
    """
    Sells whatever is asked for.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Take an order.
        """
        item = b"/".join(request.postpath or []).decode("utf-8", "replace")
        if not item:
            log.warn("somebody ordered nothing")
            request.setResponseCode(404)
            return b"What would you like?\n"
        log.info("ordered: {item}", item=item)
        return b"Coming.\n"


servers = os.environ.get("LOG_SERVERS", "logs-a.example.com logs-b.example.com").split()
destination = DestinationSettings("central", tuple(parseServer(server, 601) for server in servers))
relay = LogRelayService(reactor, Configuration(sources=(), destinations=(destination,)))

# From now on: what is logged before the relay runs waits for it.
globalLogPublisher.addObserver(RelayObserver(relay.inlet, appName="shop"))

application = Application("shop")
collection = IServiceCollection(application)
# Services are stopped in reverse order: the relay, which comes first, last.
relay.setServiceParent(collection)
service(os.environ.get("SHOP", "tcp:8080:interface=127.0.0.1"), Site(Shop())).setServiceParent(collection)
