"""
The commands of ``logrelay`` that talk with a running relay.

They import little: whoever is called at night does not want to wait for them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .config import ControlSettings
from .control import report
from .control.client import Client, NoAnswer, Refused, socketOf
from .control.requests import COMMANDS
from .errors import LogRelayError

#: The environment variable that names the socket.
ENVIRONMENT = "LOGRELAY_SOCKET"

STATUSES = (
    "The status is 0 if it was done; 1 if the relay refused it, or could not do it; 2 if it was called wrongly; 3 if no"
    " relay answers."
)

_READY = (
    "The status is 0 if the relay is ready; 1 if it is not, as /ready would say; 2 if it was called wrongly; 3 if no"
    " relay answers."
)

_USABLE = (
    "The status is 0 if the server can be used; 1 if it can not, or the relay refused to look; 2 if it was called"
    " wrongly; 3 if no relay answers."
)

#: All but ``spool``, which can do more.
NAMES = frozenset({"status", "servers", "switch", "failback", "probe", "drain", "undrain", "reload", "top"})


def addTo(commands: Any) -> None:
    """
    Add the commands to those of ``logrelay``.
    """

    def add(name: str, work: Callable[[argparse.Namespace, Client], int], epilog: str = STATUSES) -> Any:
        what = COMMANDS[name].what
        summary = what[0].lower() + what[1:].removesuffix(".")
        parser = commands.add_parser(name, help=summary, description=what, epilog=epilog)
        addOptions(parser)
        parser.set_defaults(run=lambda options: guarded(work, options))
        return parser

    for parser in (add("status", _status, _READY), add("servers", _servers)):
        addDestination(parser, "only this one")
    add("switch", _order("switch"))
    add("failback", _order("failback"))
    add("probe", _probe, _USABLE)
    add("drain", _order("drain"))
    add("undrain", _order("undrain"))
    for name in ("switch", "failback", "probe", "drain", "undrain"):
        parser = commands.choices[name]
        if name != "failback":
            isOptional = name == "probe"
            hint = "its name in the configuration; the port may be left out"
            hint += "; default: the primary" if isOptional else ""
            parser.add_argument("server", metavar="SERVER", nargs="?" if isOptional else None, help=hint)
        addDestination(parser, "its destination; may be left out where there is one only")
    add("reload", _reload).add_argument(
        "--force", action="store_true", help="remove destinations though that loses messages"
    )
    top = commands.add_parser("top", help="watch it live", description=_top.__doc__, epilog=STATUSES)
    addSocket(top)
    top.set_defaults(run=lambda options: guarded(_top, options))


def addSocket(parser: Any) -> None:
    """
    Add what says which relay is meant.
    """
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--socket",
        metavar="PATH",
        help=f"the relay's control socket; default: ${ENVIRONMENT}, or else {ControlSettings().socket}",
    )
    which.add_argument("--config", metavar="FILE", help="the relay's configuration file, which names the socket")


def addOptions(parser: Any) -> None:
    """
    Add what every question and order takes.
    """
    addSocket(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def addDestination(parser: Any, what: str) -> None:
    """
    Add the choice of a destination.
    """
    parser.add_argument("--destination", metavar="NAME", default="", help=what)


def guarded(work: Callable[[argparse.Namespace, Client], int], options: argparse.Namespace) -> int:
    """
    Do something with a client, and turn what goes wrong into lines for people, and a status.
    """
    try:
        client = Client(_pathOf(options))
        try:
            status = work(options, client)
        finally:
            client.close()
        if sys.stdout is not None:
            # It is None where it was closed from the beginning.
            sys.stdout.flush()
        return status
    except NoAnswer as error:
        _say(str(error))
        return 3
    except Refused as error:
        for line in error.problems or (str(error),):
            _say(line)
        return 1
    except LogRelayError as error:
        _say(str(error))
        return 2
    except BrokenPipeError:
        # Whoever reads has seen enough.
        _writeNoMore()
        return 0
    except OSError as error:
        # What speaks with the relay has errors of its own.
        _say(f"standard output: {error.strerror}")
        _writeNoMore()
        return 1
    except KeyboardInterrupt:
        return 130


def _writeNoMore() -> None:
    """
    Keep Python from writing the rest to standard output, which cannot be written to.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    """
    Tell something on standard error.
    """
    print(f"logrelay: {report.plain(text)}", file=sys.stderr)


def _pathOf(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> str:
    """
    The socket of the relay that is meant.

    :raises LogRelayError: if the file that should name it can't be read.
    """
    if options.config is not None:
        return socketOf(options.config)
    return options.socket or environment.get(ENVIRONMENT) or ControlSettings().socket


def _show(lines: list[str]) -> None:
    """
    Print lines.
    """
    print("\n".join(lines))


def _json(data: object) -> None:
    """
    Print data.
    """
    print(json.dumps(data, indent=2))


def _stateOf(client: Client, only: str = "") -> Any:
    """
    The state of the relay.

    :param only: the name of a destination that it has to have.
    :raises Refused: if it has not.
    """
    relay = client.ask("status")
    names = [each["name"] for each in relay["destinations"]]
    if only and only not in names:
        raise Refused("refused", f"there is no destination {only}; name one of {', '.join(names)}")
    return relay


def _status(options: argparse.Namespace, client: Client) -> int:
    """
    How the relay is.
    """
    relay = _stateOf(client, options.destination)
    if options.json:
        wanted = [each for each in relay["destinations"] if options.destination in ("", each["name"])]
        _json({**relay, "destinations": wanted})
    else:
        _show(report.statusText(relay, options.destination))
    return 0 if relay["ready"] else 1


def _servers(options: argparse.Namespace, client: Client) -> int:
    """
    How the servers are.
    """
    if options.json:
        _json(client.ask("servers", **_only(options)))
    else:
        _show(report.serversText(_stateOf(client, options.destination), options.destination))
    return 0


def spool(options: argparse.Namespace, client: Client) -> int:
    """
    What waits in a running relay.
    """
    if options.json:
        _json(client.ask("spool", **_only(options)))
    else:
        _show(report.spoolText(_stateOf(client, options.destination), options.destination))
    return 0


def _only(options: argparse.Namespace) -> dict[str, str]:
    """
    The destination, if one was named.
    """
    return {"destination": options.destination} if options.destination else {}


def _order(command: str) -> Callable[[argparse.Namespace, Client], int]:
    """
    What gives an order, and tells how things are then.
    """

    def order(options: argparse.Namespace, client: Client) -> int:
        server = {} if command == "failback" else {"server": options.server}
        result = client.ask(command, **server, **_only(options))
        if options.json:
            _json(result)
            return 0
        relay = client.ask("status")
        _show(
            [
                report.headline(each, relay["at"])
                for each in relay["destinations"]
                if options.destination in ("", each["name"])
            ]
        )
        return 0

    return order


def _probe(options: argparse.Namespace, client: Client) -> int:
    """
    Whether a server could be used.
    """
    server = {} if options.server is None else {"server": options.server}
    found = client.ask("probe", **server, **_only(options))
    if options.json:
        _json(found)
    else:
        verdict = f"not usable: {found['reason']}" if found["reason"] else "usable"
        print(report.plain(f"{found['server']}: {verdict}: {found['text']} ({found['seconds']:.2f} s)"))
    return 1 if found["reason"] else 0


def _reload(options: argparse.Namespace, client: Client) -> int:
    """
    Another configuration.
    """
    result = client.ask("reload", force=options.force)
    if options.json:
        _json(result)
    else:
        print(f"reloaded: {report.plain(result['what'])}")
    return 0


def _top(options: argparse.Namespace, client: Client) -> int:
    """
    Shows the relay live, once a second: servers, rates, what waits, what was switched.  Press q to quit.
    """
    from .top import PATIENCE, watch

    client.patience = PATIENCE
    return watch(client)
