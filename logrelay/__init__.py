"""
logrelay: takes log messages in and delivers them to the first of several log servers that works.

What stands here, and in :mod:`logrelay.testing` and :mod:`logrelay.events`, is public: ``docs/api.rst`` says what that
promises.  :class:`LogRelayService` is the relay as a service, for ``twistd logrelay`` and for any other application;
:class:`FailoverClientFactory` is its failover, for any protocol.

A name is imported when it is first asked for: the package itself loads neither Twisted nor OpenSSL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batches import Framing
    from .client import FailoverClientFactory
    from .config import (
        BufferSettings,
        Configuration,
        ControlSettings,
        DestinationSettings,
        FailbackSettings,
        HTTPSettings,
        SourceSettings,
        SourceTLSSettings,
        SpoolSettings,
        TLSSettings,
    )
    from .errors import (
        BufferFull,
        ConfigurationError,
        LogRelayError,
        NotVerified,
        OrderRefused,
        Problem,
        RelayStopped,
        ReloadRefused,
    )
    from .failover import FailoverObserver, Policy
    from .listening import Listen, parseListen
    from .loading import readConfiguration
    from .orders import Probed
    from .servers import Server, parseServer
    from .service import LogRelayService
    from .snapshot import (
        DestinationSnapshot,
        FileSnapshot,
        ReloadSnapshot,
        ServerSnapshot,
        Snapshot,
        SourceSnapshot,
        SpoolSnapshot,
        SwitchSnapshot,
    )
    from .sources import RelayHandler, RelayObserver
    from .steering import Steering
    from .values import Mistake

__all__ = [
    "BufferFull",
    "BufferSettings",
    "Configuration",
    "ConfigurationError",
    "ControlSettings",
    "DestinationSettings",
    "DestinationSnapshot",
    "FailbackSettings",
    "FailoverClientFactory",
    "FailoverObserver",
    "FileSnapshot",
    "Framing",
    "HTTPSettings",
    "Listen",
    "LogRelayError",
    "LogRelayService",
    "Mistake",
    "NotVerified",
    "OrderRefused",
    "Policy",
    "Probed",
    "Problem",
    "RelayHandler",
    "RelayObserver",
    "RelayStopped",
    "ReloadRefused",
    "ReloadSnapshot",
    "Server",
    "ServerSnapshot",
    "Snapshot",
    "SourceSettings",
    "SourceSnapshot",
    "SourceTLSSettings",
    "SpoolSettings",
    "SpoolSnapshot",
    "Steering",
    "SwitchSnapshot",
    "TLSSettings",
    "parseListen",
    "parseServer",
    "readConfiguration",
]

#: The modules that public names are in, for :func:`__getattr__`; a type checker reads the imports above.
_MODULES = {
    "batches": "Framing",
    "client": "FailoverClientFactory",
    "config": "BufferSettings Configuration ControlSettings DestinationSettings FailbackSettings HTTPSettings "
    "SourceSettings SourceTLSSettings SpoolSettings TLSSettings",
    "errors": "BufferFull ConfigurationError LogRelayError NotVerified OrderRefused Problem RelayStopped ReloadRefused",
    "failover": "FailoverObserver Policy",
    "listening": "Listen parseListen",
    "loading": "readConfiguration",
    "orders": "Probed",
    "servers": "Server parseServer",
    "service": "LogRelayService",
    "snapshot": "DestinationSnapshot FileSnapshot ReloadSnapshot ServerSnapshot Snapshot SourceSnapshot SpoolSnapshot "
    "SwitchSnapshot",
    "sources": "RelayHandler RelayObserver",
    "steering": "Steering",
    "values": "Mistake",
}

_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:
    # A type checker that saw it would take any name for one of ours.
    def __getattr__(name: str) -> object:
        """
        Import a public name when it is asked for (PEP 562), and keep it.
        """
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value


def __dir__() -> list[str]:
    """
    What can be asked for, imported or not.
    """
    return sorted({*globals(), *__all__})
