"""
The layers of the package hold: what is pure stays pure, and nothing reaches up.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parent.parent
PACKAGE = TOP / "logrelay"

#: Every module, in its layer.  A module uses what is in its own layer or in one before it.
LAYERS = (
    # Pure: no Twisted, no socket, no clock.
    """
    ages backoff batches bookmarks bucket config configfile control control.report control.requests control.screen
    conversion counters decoding destinationrules difference
    encoding errors events formats framing glossary headers
    importing importing.checking importing.conversion importing.destinations importing.destinationtables
    importing.fitting importing.globaltable importing.joining importing.localsources importing.options
    importing.parts importing.paths importing.remarks importing.rendering importing.sources importing.sourcetables
    importing.sourcetls importing.statements importing.tokens importing.treatments importing.tree importing.values
    keys lines listening liveness marks outbox progress recognition relp
    relpclient relpframes relpserver remembered rendering rotated rotation routing search sections servers snapshot
    sourcerules
    spool spool.arrivals spool.backlog spool.bundles spool.database spool.files spool.folder spool.jobs spool.lock
    spool.reader spool.reading spool.record spool.store stamping store timestamps validation values verdict watched
    window
    """,
    # Adapters: each wraps one interface of Twisted, or of OpenSSL.
    """
    calming client complaints connector consumer deadletters delivery departure destination destinationsnapshot disk
    drops endpoints entrance eventlogger expiry failback failover feeds health hook inlet linger link listeners
    loading orders positions probe reasons reconnecting relpsender reporter resolver searcher sender senders
    socketoptions tcpinfo throttle views waiters ways
    tls tlsconnection tlscontexts tlsendpoint tlsfiles tlspeer tlsroots
    sources sources.acceptor sources.connection sources.copies sources.datagram sources.dialogue sources.exact
    sources.factory sources.file sources.flow sources.folders sources.follower sources.handler
    sources.interface sources.logs sources.observer sources.pack sources.program sources.relp sources.roster
    sources.sockets sources.stdin sources.stream sources.systemd sources.tap sources.wakeup
    """,
    # Composition.
    "parts service steering control.commands control.connection control.service",
    # What shows a relay.
    """
    web web.answers web.channel web.collector web.destinationview web.front web.history web.markup web.metrics web.page
    web.plots web.replies web.samples web.service web.stream web.words
    """,
    # Commands, and what is made for other programs.
    """
    __init__ __main__ check cli completion control.client controlcommand hangup importcommand memory notify options
    spoolcommand spooldrop spoollist spooloutput tap testing top
    demo demo.account demo.certificates demo.display demo.generator demo.processes demo.server demo.stage demo.story
    """,
)

#: Those of them that are folders.
FOLDERS = {"control", "demo", "importing", "sources", "spool", "web"}

#: What a pure module may not use of the standard library: the network, other threads, and the time.
IMPURE = {"asyncio", "random", "select", "selectors", "signal", "socket", "ssl", "subprocess", "threading", "time"}

#: Methods of datetime that read the clock.
CLOCKS = {"now", "today", "utcnow"}

layerOf = {name: number for number, names in enumerate(LAYERS) for name in names.split()}


def modules() -> dict[str, ast.Module]:
    """
    Every module of the package, parsed, by its name in the package.
    """
    parsed = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        parsed[name.removesuffix(".__init__")] = ast.parse(path.read_text(), str(path))
    return parsed


def imports(name: str, tree: ast.AST) -> Iterator[str]:
    """
    The full names of all that a module imports, those that only a type checker reads included.
    """
    parts = name.split(".")
    package = ["logrelay", *(parts if name in FOLDERS else parts[:-1])]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*origin, *(node.module or "").split(".")]).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def ours(imported: str) -> str | None:
    """
    Which of our modules an imported name is, or is from; ``None`` where it is none of ours.
    """
    parts = imported.split(".")
    if parts[0] != "logrelay":
        return None
    candidates = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
    return next((name for name in candidates if name in layerOf), "__init__" if len(parts) == 2 else None)


class LayersTests(SynchronousTestCase):
    """
    The package, parsed and not imported.
    """

    modules = modules()

    def test_everyModuleHasALayer(self) -> None:
        """
        Every module is in exactly one layer, and every one listed is there.
        """
        self.assertEqual(sorted(name for names in LAYERS for name in names.split()), sorted(self.modules))

    def test_nothingReachesUp(self) -> None:
        """
        No module imports one of a later layer.
        """
        wrong = []
        for name, tree in self.modules.items():
            for imported in imports(name, tree):
                target = ours(imported)
                if target is not None and layerOf[target] > layerOf.get(name, len(LAYERS)):
                    wrong.append(f"{name} imports {imported}")
        self.assertEqual(wrong, [])

    def test_pureModules(self) -> None:
        """
        A pure module uses the standard library (without network, threads and time), attrs and zope.interface.
        """
        allowed = (sys.stdlib_module_names - IMPURE) | {"attr", "attrs", "logrelay", "zope"}
        wrong = []
        for name, tree in self.modules.items():
            if layerOf.get(name) == 0:
                wrong += [f"{name} imports {one}" for one in imports(name, tree) if one.split(".")[0] not in allowed]
                calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
                wrong += [
                    f"{name} reads the clock"
                    for call in calls
                    if isinstance(call, ast.Attribute) and call.attr in CLOCKS
                ]
        self.assertEqual(wrong, [])

    def test_tlsStaysInTls(self) -> None:
        """
        Only the modules of TLS import OpenSSL and what checks certificates.

        The demo is no part of the relay: it makes certificates, and its log server is a stranger's.
        """
        foreign = {"OpenSSL", "cryptography", "service_identity", "ssl"}
        importers = {
            name
            for name, tree in self.modules.items()
            for imported in imports(name, tree)
            if imported.split(".")[0] in foreign or imported.startswith("twisted.internet.ssl")
        }
        self.assertEqual({name for name in importers if not name.startswith(("tls", "demo."))}, set())

    def test_onlyTapNamesTheReactor(self) -> None:
        """
        The global reactor is named by tap alone, and there only inside a function.
        """
        named = {
            name
            for name, tree in self.modules.items()
            if any(imported.startswith("twisted.internet.reactor") for imported in imports(name, tree))
        }
        self.assertEqual(named, {"tap"})
        outside = [node for node in self.modules["tap"].body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
        for node in outside:
            self.assertNotIn("twisted.internet.reactor", set(imports("tap", node)))

    def test_everyPackageIsInstalled(self) -> None:
        """
        Every folder of modules stands in setup.cfg: packages are listed there by hand.
        """
        configuration = ConfigParser()
        configuration.read(TOP / "setup.cfg")
        folders = {path.parent.relative_to(TOP) for path in PACKAGE.rglob("*.py")}
        packages = {".".join(folder.parts) for folder in folders} | {"twisted.plugins"}
        self.assertEqual(set(configuration["options"]["packages"].split()), packages)

    def test_thePluginFolderIsNoPackage(self) -> None:
        """
        No ``__init__.py`` stands beside the plugin or above it: it would hide Twisted's own, and all other plugins.
        """
        self.assertEqual([path.name for path in (TOP / "twisted").rglob("*.py")], ["logrelay_plugin.py"])
