"""
The ``logrelay`` command: what is not the daemon itself, which ``twistd logrelay`` runs.

Its status is 0 if all is well, 1 if something is wrong with what it was to look at, 2 if it was called wrongly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from . import importcommand, spoolcommand
from .check import findings
from .config import Configuration, warningsOf
from .configfile import readConfiguration
from .demo.story import play
from .errors import ConfigurationError, LogRelayError
from .tls import checkFiles, checkSourceFiles


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: without the command's name; ``None`` for those of the process.
    :return: the status to exit with.
    :raises SystemExit: after help or the version was shown (0), and when called wrongly (2).
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser() -> argparse.ArgumentParser:
    """
    What may be written on the command line.
    """
    parser = argparse.ArgumentParser(
        prog="logrelay",
        description="Tools for a relay of log messages.  The relay itself is run by twistd logrelay.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="tell whether a configuration file is good", description=_check.__doc__)
    check.add_argument("file", metavar="FILE", help="a configuration file (TOML)")
    check.add_argument(
        "--connect", action="store_true", help="also connect to each server, as the relay would, and say who it is"
    )
    check.set_defaults(run=_check)
    demo = commands.add_parser(
        "demo", help="show failover and failback on this machine, in half a minute", description=_demo.__doc__
    )
    demo.add_argument(
        "--break", dest="broken", action="store_true", help="let a server throw messages away, to see that it shows"
    )
    demo.set_defaults(run=_demo)
    spoolcommand.addTo(commands)
    importcommand.addTo(commands)
    return parser


class _ShowVersion(argparse.Action):
    """
    ``--version``.  The version is that of what is installed, and is looked for only when it is wanted.
    """

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        """
        Show it and exit.
        """
        print(f"logrelay {version('logrelay')}")
        parser.exit()


def _check(options: argparse.Namespace) -> int:
    """
    Reads a configuration file and tells everything that is wrong with it, a line each.
    """
    try:
        configuration = readConfiguration(options.file, checkFiles, checkSourceFiles)
    except ConfigurationError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    print(f"{options.file}: ok")
    for warning in warningsOf(configuration):
        print(f"{options.file}: warning: {warning}")
    return _withReactor(lambda reactor: _connect(reactor, configuration)) if options.connect else 0


async def _connect(reactor: Any, configuration: Configuration) -> bool:
    """
    Look at each server, and say what was found.

    :return: whether all can be used.
    """
    found = await findings(reactor, configuration, lambda what: print(f"warning: {what}"))
    for finding in found:
        print(finding, file=sys.stderr if finding.reason else sys.stdout)
    return not any(finding.reason for finding in found)


def _demo(options: argparse.Namespace) -> int:
    """
    Runs a relay, three log servers and a generator of messages on this machine; kills a server, brings it back, and
    counts what arrived.  The status is 1 if any message was lost.
    """
    return _withReactor(lambda reactor: play(reactor, sys.stdout, options.broken))


def _withReactor(work: Callable[[Any], Awaitable[bool]]) -> int:
    """
    Do something that needs a reactor, once, and end the reactor.

    :return: 0 if the work says that all is well; 1 if not, or if it was interrupted.
    """
    good = False

    async def working(reactor: Any) -> None:
        nonlocal good
        # Processes can't be waited for before the reactor runs.
        await deferLater(reactor, 0, lambda: None)
        try:
            good = await work(reactor)
        except LogRelayError as error:
            print(f"logrelay: {error}", file=sys.stderr)

    try:
        react(lambda reactor: Deferred.fromCoroutine(working(reactor)))
    except SystemExit as end:
        return 0 if good and not end.code else 1
