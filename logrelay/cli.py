"""
The ``logrelay`` command: what is not the daemon itself, which ``twistd logrelay`` runs.

Its status is 0 if all is well, 1 if something is wrong with what it was to look at, 2 if it was called wrongly, 3 if no
relay answers.

What a command needs is imported when it is run: those for a running relay have to be there at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

from . import controlcommand
from .completion import SHELLS, scriptFor
from .config import Configuration, warningsOf
from .control.client import Client
from .errors import ConfigurationError, LogRelayError


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: without the command's name; ``None`` for those of the process.
    :return: the status to exit with.
    :raises SystemExit: after help or the version was shown (0), and when called wrongly (2).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = commandParser(arguments[0] if arguments else "").parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def commandParser(command: str = "") -> argparse.ArgumentParser:
    """
    What may be written on the command line.

    :param command: the one that is written; others may be missing then.
    """
    parser = argparse.ArgumentParser(
        prog="logrelay",
        description="Tools for a relay of log messages.  The relay itself is run by twistd logrelay.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    controlcommand.addTo(commands)
    if command in controlcommand.NAMES:
        return parser
    check = commands.add_parser("check", help="tell whether a configuration file is good", description=_check.__doc__)
    check.add_argument("file", metavar="FILE", help="a configuration file (TOML)")
    check.add_argument(
        "--connect", action="store_true", help="also connect to each server, as the relay would, and say who it is"
    )
    check.set_defaults(run=_check)
    demo = commands.add_parser(
        "demo", help="show failover and failback on this machine, in some 15 seconds", description=_demo.__doc__
    )
    demo.add_argument(
        "--break", dest="broken", action="store_true", help="let a server throw messages away, to see that it shows"
    )
    demo.set_defaults(run=_demo)
    from . import importcommand, spoolcommand

    spoolcommand.addTo(commands)
    importcommand.addTo(commands)
    completion = commands.add_parser(
        "completion", help="write what makes a shell complete this command", description=_completion.__doc__
    )
    completion.add_argument(
        "what",
        metavar="SHELL",
        choices=(*SHELLS, *_NAMES),
        help="bash, zsh or fish; servers and destinations write the names in a running relay, for those",
    )
    controlcommand.addSocket(completion)
    completion.set_defaults(run=_completion)
    return parser


#: What the scripts for shells ask for.
_NAMES = ("servers", "destinations")


class _ShowVersion(argparse.Action):
    """
    ``--version``.  The version is that of what is installed, and is looked for only when it is wanted.
    """

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        """
        Show it and exit.
        """
        from importlib.metadata import version

        print(f"logrelay {version('logrelay')}")
        parser.exit()


def _check(options: argparse.Namespace) -> int:
    """
    Reads a configuration file and tells everything that is wrong with it, a line each.
    """
    from .configfile import readConfiguration
    from .tls import checkFiles, checkSourceFiles

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
    from .check import findings

    found = await findings(reactor, configuration, lambda what: print(f"warning: {what}"))
    for finding in found:
        print(finding, file=sys.stderr if finding.reason else sys.stdout)
    return not any(finding.reason for finding in found)


def _demo(options: argparse.Namespace) -> int:
    """
    Runs a relay, three log servers and a generator of messages on this machine; kills a server, brings it back, and
    counts what arrived.  The status is 1 if any message was lost.
    """
    from .demo.story import play

    return _withReactor(lambda reactor: play(reactor, sys.stdout, options.broken))


def _completion(options: argparse.Namespace) -> int:
    """
    Writes a script that makes a shell complete this command: eval "$(logrelay completion bash)" in ~/.bashrc; for
    zsh a file _logrelay in a folder of $fpath, for fish logrelay.fish in ~/.config/fish/completions.
    """
    if options.what in SHELLS:
        print(scriptFor(options.what, commandParser()), end="")
        return 0
    return controlcommand.guarded(_names, options)


def _names(options: argparse.Namespace, client: Client) -> int:
    """
    The names of the destinations, or of the servers, of a running relay.
    """
    destinations = client.ask("servers")
    if options.what == "destinations":
        names = [each["destination"] for each in destinations]
    else:
        names = [server["name"] for each in destinations for server in each["servers"]]
    print("\n".join(dict.fromkeys(names)))
    return 0


def _withReactor(work: Callable[[Any], Awaitable[bool]]) -> int:
    """
    Do something that needs a reactor, once, and end the reactor.

    :return: 0 if the work says that all is well; 1 if not, or if it was interrupted.
    """
    from twisted.internet.defer import Deferred
    from twisted.internet.task import deferLater, react

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
