"""
What is said over the control socket: one request a line, one answer a line, both JSON objects in UTF-8.

A request has a ``command`` and what that takes.  An answer has ``ok``; then ``result``, or ``error`` for people and
``kind`` for programs.  Requests may have a ``version``; answers always do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import attrs

from ..errors import LogRelayError
from ..values import KIB, meant, shown

#: Of what is said here.  It grows when something is said that a client who knows the one before would misunderstand.
VERSION = 1

#: The longest request in bytes, with its LF: many times as long as one with the longest names is.
MAX_LINE = 64 * KIB

#: The longest name of a server or a destination that is looked for.  Host names have up to 253 characters.
MAX_NAME = 1000

#: Kinds of refusal, and what they mean.
KINDS = {
    "malformed": "the request is not one: no JSON object, too long, or something in it is of the wrong kind",
    "unknown": "there is no such command",
    "version": "the relay does not speak this version",
    "refused": "it cannot be done, and nothing has changed",
    "stopped": "the relay has stopped, or is stopping",
    "denied": "only the relay's own user, and root, may use the socket; the connection is closed",
    "busy": "as many connections are open as there may be; this one is closed",
    "slow": "nothing was asked for too long, or a request did not end; the connection is closed",
    "failed": "a defect of the relay's, which is in its log",
}


class Refusal(LogRelayError):
    """
    The client's fault, mostly: a request that is not carried out.

    :ivar kind: one of :data:`KINDS`.
    :ivar problems: the parts of the text, where there are several.
    """

    def __init__(self, kind: str, text: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.problems = problems


@attrs.frozen
class Argument:
    """
    Something that a command takes.

    :ivar kind: ``str`` or ``bool``.
    """

    what: str
    kind: type = str
    needed: bool = False


@attrs.frozen
class Command:
    """
    Something that can be asked or ordered.

    :ivar what: what it does, for people.
    :ivar result: what its answer holds, for people.
    """

    what: str
    result: str
    arguments: Mapping[str, Argument] = attrs.field(factory=dict)


_WHERE = Argument("the destination; may be left out where there is one only")
_AT = Argument("one destination; all if it is left out")
_SERVER = Argument("the server, by its name in the configuration; its port may be left out", needed=True)

#: Every command.
COMMANDS = {
    "status": Command("How the relay is.", "the whole state, as ``/status`` gives it"),
    "servers": Command(
        "How the servers are.",
        "a list: ``destination``, and its ``servers`` in order, as in ``status``",
        {"destination": _AT},
    ),
    "spool": Command(
        "What waits, and where.",
        "a list: ``destination``, its ``spool`` (null: memory only), and ``unsent``, ``in-flight``, ``oldest``,"
        " ``buffer-cost``, ``buffer-size``, as in ``status``",
        {"destination": _AT},
    ),
    "switch": Command(
        "Use a server, and stay there until it fails, or until ``failback``.",
        "null, when it is in use; where no server is, when it is being tried",
        {"server": _SERVER, "destination": _WHERE},
    ),
    "failback": Command(
        "Go back to the primary now, and let no choice of a server hold any more.",
        "as of ``switch``",
        {"destination": _WHERE},
    ),
    "probe": Command(
        "See whether a server could be used, without using it.",
        "``server``, ``reason`` (empty: it could), ``text``, ``seconds``",
        {"server": attrs.evolve(_SERVER, what=f"{_SERVER.what}; default: the primary", needed=False)}
        | {"destination": _WHERE},
    ),
    "drain": Command(
        "Do not use a server, until ``undrain``.",
        "null, when it is not in use any more",
        {"server": _SERVER, "destination": _WHERE},
    ),
    "undrain": Command("Let a server be used again.", "null", {"server": _SERVER, "destination": _WHERE}),
    "reload": Command(
        "Read the configuration file again, and go over to it.",
        "``what``: what has changed, for people.  A refusal has ``problems``, a list of all that is in the way",
        {"force": Argument("remove destinations though that loses messages", bool)},
    ),
}


@attrs.frozen
class Request:
    """
    Something that was asked.
    """

    command: str
    arguments: Mapping[str, Any]


def parseRequest(line: bytes) -> Request:
    """
    Understand one line.

    :raises Refusal: if that can't be done; with what to write instead.
    """
    said = _object(line)
    version = said.pop("version", VERSION)
    if version != VERSION or isinstance(version, bool | float):
        raise Refusal("version", f"version {shown(version)} is not spoken here; this relay speaks version {VERSION}")
    name = said.pop("command", None)
    if not isinstance(name, str):
        raise Refusal("malformed", 'a request has a "command", a text; {"command": "status"} is one')
    command = COMMANDS.get(name)
    if command is None:
        raise Refusal("unknown", f"there is no command {shown(name)}; {remedy(name, COMMANDS)}")
    for key, value in said.items():
        _check(name, key, value, command.arguments)
    missing = [key for key, argument in command.arguments.items() if argument.needed and key not in said]
    if missing:
        raise Refusal("malformed", f"{name} needs {' and '.join(missing)}")
    return Request(name, said)


def _object(line: bytes) -> dict[str, Any]:
    """
    The JSON object of a line.

    :raises Refusal: if it is none.
    """
    try:
        said = json.loads(line.decode("utf-8"), parse_constant=_noNumber)
    except UnicodeDecodeError:
        raise Refusal("malformed", "the request is not UTF-8") from None
    except RecursionError:
        raise Refusal("malformed", "the request is nested too deeply") from None
    except ValueError as error:
        # Those of JSON, and that of Python for integers of more than 4300 digits.
        raise Refusal("malformed", f"the request is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise Refusal("malformed", 'a request is a JSON object; {"command": "status"} is one')
    return said


def _noNumber(text: str) -> NoReturn:
    """
    Refuse what Python takes for JSON, and no standard does.
    """
    raise ValueError(f"{text} is no number")


def _check(command: str, key: str, value: object, arguments: Mapping[str, Argument]) -> None:
    """
    Look at one argument.

    :raises Refusal: if it can't be.
    """
    argument = arguments.get(key)
    if argument is None:
        taken = f"; {remedy(key, arguments)}" if arguments else ""
        raise Refusal("malformed", f"{command} takes no {shown(key)}{taken}")
    if not isinstance(value, argument.kind):
        kind = "a text" if argument.kind is str else "true or false"
        raise Refusal("malformed", f"{key} of {command} is {shown(value)}; write {kind}")
    if isinstance(value, str) and not 0 < len(value) <= MAX_NAME:
        raise Refusal("malformed", f"{key} of {command} has {len(value)} characters; write 1 to {MAX_NAME}")


def remedy(name: str, known: Mapping[str, object]) -> str:
    """
    What to write instead of a name that nobody knows.
    """
    guess = meant(name, known)
    return f"did you mean {guess}?" if guess else f"write one of {', '.join(known)}"


def answerOf(result: object) -> bytes:
    """
    The answer to a request that was carried out, as a line.
    """
    return _line({"ok": True, "result": result})


def refusalOf(refusal: Refusal) -> bytes:
    """
    The answer to one that was not, as a line.
    """
    said: dict[str, object] = {"ok": False, "error": str(refusal), "kind": refusal.kind}
    if refusal.problems:
        said["problems"] = list(refusal.problems)
    return _line(said)


def _line(said: dict[str, object]) -> bytes:
    """
    An answer in ASCII, so that no name in it can hold what a terminal would obey.
    """
    return json.dumps({"version": VERSION, **said}, separators=(",", ":")).encode("ascii") + b"\n"
