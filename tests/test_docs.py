"""
The documentation is true: what is made from the code holds all of it, and what is drawn is what happens.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import logrelay
from logrelay import (
    FailbackSettings,
    FailoverClientFactory,
    FailoverObserver,
    Policy,
    events,
    glossary,
    reasons,
    rotation,
)
from logrelay.failover import CHECKPOINT, OPERATOR
from logrelay.keys import SECTIONS
from logrelay.link import PROVED_AFTER, Link
from logrelay.options import Options
from logrelay.testing import FakeServer

from .test_layers import FOLDERS

TOP = Path(__file__).resolve().parent.parent
DOCS = TOP / "docs"
sys.path.insert(0, str(DOCS))

import generated  # noqa: E402 - it stands among the pages
import states  # noqa: E402


class ReferenceTests(SynchronousTestCase):
    """
    What is made from the code.
    """

    def test_keys(self) -> None:
        """
        Every section is there with its keys and their defaults.
        """
        text = generated.keys()
        for section in SECTIONS:
            part = text.partition(f"``{section.header}``\n-")[2] if section.header else text
            for key in section.keys:
                row = f"   * - ``{key.name}``\n     - " + (f"``{key.default}``" if key.default else "")
                self.assertIn(row, part, f"{section.header} {key.name}")

    def test_flags(self) -> None:
        """
        Every flag of the plugin is there.
        """
        named = set(re.findall(r"(?m)^   \* - ``--(\S+)``$", generated.flags()))
        # Those that usage.Options brings itself are twistd's, too.
        expected = {name.rstrip("=") for name in Options().longOpt} - {"help", "version"}
        self.assertEqual(named, expected)

    def test_commands(self) -> None:
        """
        Every command of the command line is there, with its help.
        """
        text = generated.commands()
        for name in ("check", "demo", "spool ls", "spool cat", "spool export", "spool drop"):
            self.assertIn(f"``logrelay {name}``\n~", text)
        self.assertIn("--connect", text)

    def test_events(self) -> None:
        """
        Every event is there, with its level, its fields and what it means; and somebody tells it.
        """
        text = generated.eventTable()
        code = "".join(path.read_text() for path in (TOP / "logrelay").rglob("*.py") if path.name != "events.py")
        for each in generated.eventsIn(events):
            name = each.__name__
            fields = ", ".join(f"``{field.name}``" for field in attrs.fields(each))
            self.assertRegex(text, rf"(?m)^   \* - ``{name}``\n     - {each.level}\n     -( {fields})?\n     - \w")
            self.assertRegex(code, rf"\bevents\.{name}\b|\b{name}\(", name)

    def test_names(self) -> None:
        """
        Every public name is there.
        """
        text = generated.names()
        for name in logrelay.__all__:
            self.assertRegex(text, rf"   \* - ``{name}``\n     - \w|   \* - ``{name}``\n     - \[")

    def test_limits(self) -> None:
        """
        Every limit that the page on security names is in the code: its value is shown.
        """
        rows = re.findall(r"(?m)^     - (\S+)\n     - ``(\S+)``$", generated.limits())
        lines = [line for line in (DOCS / "limits.txt").read_text().splitlines() if not line.startswith("#")]
        self.assertEqual([constant for _, constant in rows], [line.split()[0] for line in lines])
        self.assertIn(("1MiB", "configfile.MAX_FILE"), rows)
        with self.assertRaises(AttributeError):
            generated.numberOf("configfile.NO_LIMIT", bytewise=False)

    def test_written(self) -> None:
        """
        A file that is the same already is not written again.
        """
        folder = Path(self.mktemp())
        generated.write(folder)
        self.assertEqual({path.name for path in folder.iterdir()}, set(generated.FILES))
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        generated.write(folder)
        self.assertEqual({path: path.stat().st_mtime_ns for path in folder.iterdir()}, before)


class GlossaryTests(SynchronousTestCase):
    """
    The reasons.
    """

    def test_nothingElseIsGiven(self) -> None:
        """
        Whatever the code gives as a reason for leaving a server is explained, and nothing is explained that it never
        gives.
        """
        known = {each.name for each in (*glossary.FAILURES, *glossary.WISHES)}
        found: set[object] = {reason for _, reason in reasons._BY_TYPE} | set(reasons._BY_ERRNO.values())
        texts = set()
        for path in (TOP / "logrelay").rglob("*.py"):
            if path.name == "glossary.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(node.value)
                name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
                if isinstance(node, ast.Call) and node.args and name in ("abort", "Ending"):
                    found |= {each.value for each in node.args[:1] if isinstance(each, ast.Constant)}
        # A probe that nobody waits for any more tells nobody.
        self.assertEqual(found - known, {"cancelled"})
        self.assertEqual(known - texts, set())

    def test_keysExist(self) -> None:
        """
        The keys that are named are keys of destinations.
        """
        keys = {key.name for section in SECTIONS for key in section.keys}
        for each in (*glossary.FAILURES, *glossary.WISHES):
            self.assertEqual(set(each.keys) - keys, set())


def unknownIn(tree: dict[str, Any], header: str = "") -> list[str]:
    """
    The keys of a part of a configuration that no section has.
    """
    [section] = [each for each in SECTIONS if each.header.strip("[]") == header]
    unknown = []
    for name, value in tree.items():
        inner = f"{header}.{name}".lstrip(".")
        if not header and name in ("destination", "source"):
            parts = value if isinstance(value, list) else value.values()
            inner = "source" if name == "source" else "destination.NAME"
            unknown += [each for part in parts for each in unknownIn(part, inner)]
        elif isinstance(value, dict):
            unknown += unknownIn(value, inner)
        elif section.find(name) is None:
            unknown.append(inner)
    return unknown


class SampleTests(SynchronousTestCase):
    """
    Parts of configurations in the text, which nobody runs.
    """

    def test_keys(self) -> None:
        """
        Each is TOML, and has no key but those that there are.
        """
        samples = []
        for path in (TOP / "README.rst", *DOCS.glob("*.rst")):
            blocks = re.findall(r"(?m)(?:^\.\. code-block:: toml|::)\n\n((?:(?: +.*)?\n)+)", path.read_text())
            for block in map(inspect.cleandoc, blocks):
                if re.match(r"\[\[?[a-z]|[a-z-]+ = ", block):
                    samples.append((path.name, block))
        self.assertGreater(len(samples), 10)
        self.assertIn("README.rst", {name for name, _ in samples})
        for name, block in samples:
            self.assertEqual((name, unknownIn(tomllib.loads(block))), (name, []))


class ArchitectureTests(SynchronousTestCase):
    """
    The page for those who change it.
    """

    def test_everyModule(self) -> None:
        """
        Every module and folder of the package is named.
        """
        named = set(re.findall(r"``(\w+)``", (DOCS / "architecture.rst").read_text()))
        there = {path.stem for path in (TOP / "logrelay").iterdir() if path.suffix == ".py" or path.name in FOLDERS}
        self.assertEqual(there - named - {"__main__"}, set())


class Watched(FailoverClientFactory):
    """
    Notes each change of its state.
    """

    seen: set[tuple[str, str]]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state":
            before = type(self.__dict__.get("state", value)).__name__
            self.__dict__.setdefault("seen", set())
            if before != type(value).__name__:
                self.seen.add((before, type(value).__name__))
        super().__setattr__(name, value)


class Attempts(FailoverObserver):
    """
    Notes each attempt: its time and server; and whom a connection is to.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.made: list[tuple[float, int]] = []
        self.used: list[tuple[float, int]] = []
        self.wait = 0.0

    def attempted(self, server: int) -> None:
        """
        See ``FailoverObserver``.
        """
        self.made.append((self.clock.seconds(), server))

    def connected(self, server: int, link: Link, reason: str) -> None:
        """
        See ``FailoverObserver``.
        """
        self.used.append((self.clock.seconds(), server))

    def roundFailed(self, server: int, wait: float) -> None:
        """
        See ``FailoverObserver``.
        """
        self.wait = wait


#: ``failover-delay`` and the interval of probes here, in seconds; nothing else takes so long.
DELAY, INTERVAL = 3.0, 100.0

#: What comes next: the server and when, in the words of the table.
Next = tuple[int, str]


class FailoverTests(SynchronousTestCase):
    """
    The page on failover: its rules and its states, gone through by a client factory and three servers in memory.
    """

    def setUp(self) -> None:
        """
        Three servers and a factory.
        """
        self.clock = Clock()
        self.servers = [FakeServer(self.clock) for _ in range(3)]
        self.attempts = Attempts(self.clock)
        self.factory = self.make()

    def make(self) -> Watched:
        """
        A factory that is not started yet.
        """
        policy = Policy(
            failoverDelay=DELAY, failback=FailbackSettings(tcpProbeInterval=INTERVAL, successfulProbesRequired=1)
        )
        endpoints = [server.endpoint for server in self.servers]
        return Watched(self.clock, endpoints, Factory.forProtocol(Protocol), policy, self.attempts)

    def spend(self, seconds: float) -> None:
        """
        Let time pass.
        """
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)

    def link(self) -> Link:
        """
        The connection in use.
        """
        state: Any = self.factory.state
        link: Link = state.link
        return link

    def proved(self) -> None:
        """
        Start, and be connected to the primary for long enough.
        """
        self.factory.start()
        self.spend(PROVED_AFTER + 2)

    def next(self, happen: Callable[[], None]) -> Next:
        """
        Let something happen, and see what is attempted then.
        """
        count, began = len(self.attempts.made), self.clock.seconds()
        happen()
        for _ in range(100):
            if len(self.attempts.made) > count:
                break
            self.clock.advance(0.05)
        at, server = self.attempts.made[count]
        took = at - began
        if self.attempts.wait and abs(took - self.attempts.wait) < 0.2:
            return server, "the growing wait"
        return server, "failover-delay" if abs(took - DELAY) < 0.2 else "at once" if took < 0.2 else f"{took} s"

    def start(self) -> Next:
        """
        The first attempt.
        """
        return self.next(self.factory.start)

    def failed(self) -> Next:
        """
        The attempt at the primary fails.
        """
        self.servers[0].refuse()
        self.factory.start()
        return self.next(lambda: self.clock.advance(0))

    def round(self) -> Next:
        """
        All three fail, the last of them being the third.
        """
        for server in self.servers:
            server.refuse()
        self.factory.start()
        self.spend(2 * DELAY - 0.1)
        while not self.attempts.wait:
            self.clock.advance(0.01)
        return self.next(lambda: None)

    def ended(self) -> Next:
        """
        The proved connection is reset.
        """
        self.proved()
        return self.next(self.servers[0].reset)

    def endedOtherwise(self) -> Next:
        """
        The proved connection is given up.
        """
        self.proved()
        return self.next(lambda: self.link().abort("stalled", "for a test"))

    def checkpoint(self) -> Next:
        """
        The proved connection is ended, to be made again.
        """
        self.proved()
        return self.next(lambda: self.link().finish(CHECKPOINT, 5))

    def failback(self) -> Next:
        """
        The primary is well again; there is a probe, and no attempt.
        """
        self.servers[0].refuse()
        self.factory.start()
        self.spend(DELAY + 1)
        self.servers[0].accept()
        attempts, probes = len(self.attempts.made), self.servers[0].attempts
        self.spend(INTERVAL + 10)
        self.assertEqual((len(self.attempts.made), self.servers[0].attempts), (attempts, probes + 1))
        return self.attempts.used[-1][1], "on the last probe's own connection"

    def test_rules(self) -> None:
        """
        Each line of the table is what happens.
        """
        ways: dict[str, Callable[[], Next]] = {
            "start": self.start,
            "an attempt failed": self.failed,
            "*n* attempts in a row failed (a round)": self.round,
            "a proved connection ended by eof or reset": self.ended,
            "a proved connection ended otherwise": self.endedOtherwise,
            "a checkpoint ended well": self.checkpoint,
            "enough probes in a row were good": self.failback,
        }
        rows = [re.split(r"  +", line) for line in generated.rules().splitlines()[3:-1]]
        self.assertEqual([row[0] for row in rows], list(ways))
        after = {"primary": 0, "the next": 1, "the same": 0}
        for what, server, when in rows:
            self.setUp()
            number, soon = ways[what]()
            # After the last one of a round the next is the primary.
            self.assertEqual(number, 0 if "round" in what else after[server], what)
            self.assertIn(soon, when.replace("``", ""), what)

    def test_states(self) -> None:
        """
        The states that are drawn are those there are, and each arrow is gone, and no other.
        """
        from logrelay.failover import State

        self.assertEqual(set(states.PLACES), {each.__name__ for each in State.__args__})
        ends = (self.stopWaiting, self.stopConnecting, self.stopConnected, self.stopReturning)
        stories = (self.ended, self.failed, self.failback, self.primaryLost, self.chosen, *ends)
        seen = set()
        for story in stories:
            self.setUp()
            story()
            seen |= self.factory.seen
        self.assertEqual(seen, {(each.before, each.after) for each in states.TRANSITIONS})

    def returning(self) -> None:
        """
        On the way from a failover that does not answer its end to the primary.
        """
        self.servers[0].refuse()
        self.factory.start()
        self.spend(DELAY + 1)
        self.servers[0].accept()
        self.servers[1].ignoreEnds()
        while type(self.factory.state).__name__ != "Returning":
            self.spend(0.1)

    def primaryLost(self) -> None:
        """
        The primary goes away meanwhile.
        """
        self.returning()
        self.servers[0].reset()
        self.spend(10)

    def chosen(self) -> None:
        """
        An operator's server is used on a connection that stands.
        """
        self.proved()
        links: list[Any] = []
        self.factory.proberOf(1).probe(keep=True).addCallback(links.append)
        self.spend(3)
        self.factory.hold(OPERATOR)
        self.spend(1)
        self.factory.rotation.choose(1, self.clock.seconds())
        self.factory.resume(links[0])
        self.assertEqual(self.attempts.used[-1][1], 1)

    def stopWaiting(self) -> None:
        """
        Stopped between two attempts.
        """
        self.failed()
        self.factory.stop()
        self.factory = self.make()
        self.servers[0].refuse()
        self.factory.start()
        self.clock.advance(0)
        self.factory.stop()

    def stopConnecting(self) -> None:
        """
        Stopped in an attempt.
        """
        self.servers[0].hang()
        self.factory.start()
        self.factory.stop()
        self.spend(12)

    def stopConnected(self) -> None:
        """
        Stopped in use.
        """
        self.proved()
        self.factory.stop()
        self.spend(1)

    def stopReturning(self) -> None:
        """
        Stopped on the way to the primary.
        """
        self.returning()
        self.factory.stop()
        self.spend(10)

    def test_drawing(self) -> None:
        """
        Every state has its box, and every arrow its label or, to Idle, the one for all.
        """
        drawn = states.drawing()
        for name in states.PLACES:
            self.assertIn(f">{name}</text>", drawn)
        labelled = [each for each in states.TRANSITIONS if each.label]
        self.assertEqual(drawn.count('marker-end="url(#end)"'), len(labelled) + 1)
        self.assertEqual({each.after for each in states.TRANSITIONS if not each.label}, {"Idle"})

    def test_docstring(self) -> None:
        """
        The rules are those in the docstring of the module that keeps them.
        """
        self.assertIn(generated.rules().strip(), inspect.getdoc(rotation) or "")
