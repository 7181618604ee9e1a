"""
A Klein application whose whole log goes to log servers: its own lines, Twisted's, and the access log.

Run it with ``twistd -n -y kleinapp.py``, ask for http://127.0.0.1:8080/tea, and stop it with Ctrl-C.  The relay is
described in a file, which the environment names (``LOGRELAY=logrelay.toml``): its operator chooses servers, failover
and TLS there, as for ``twistd logrelay``, and the program knows of none of it.  A file with mistakes ends the program
at its start, with a line for each.
"""

from __future__ import annotations

import os

from klein import Klein
from twisted.application.service import Application, IServiceCollection
from twisted.application.strports import service
from twisted.internet import reactor
from twisted.logger import Logger, globalLogPublisher
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from logrelay import LogRelayService, RelayObserver, readConfiguration

log = Logger(namespace="teahouse.orders")
relay = LogRelayService(reactor, readConfiguration(os.environ.get("LOGRELAY", "logrelay.toml")))
app = Klein()


@app.route("/<item>")
def order(request: IRequest, item: str) -> bytes:
    """
    Take an order, which is confirmed to the guest as soon as it is logged.
    """
    log.info("ordered: {item}", item=item)
    return b"Coming.\n"


@app.route("/health")
def health(request: IRequest) -> bytes:
    """
    Say which log server is in use: the state of the relay is at hand.
    """
    active = [f"{each.name}: {each.active or 'none'}\n" for each in relay.snapshot().destinations]
    return "".join(active).encode()


# From now on: what is logged before the relay runs waits for it.
globalLogPublisher.addObserver(RelayObserver(relay.inlet, appName="teahouse"))

application = Application("teahouse")
collection = IServiceCollection(application)
# Services are stopped in reverse order: the relay, which comes first, last.
relay.setServiceParent(collection)
service(os.environ.get("TEAHOUSE", "tcp:8080:interface=127.0.0.1"), Site(app.resource())).setServiceParent(collection)
