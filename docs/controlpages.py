"""
Writes the parts of the page on control that the code knows: ``control.inc`` and ``protocol.inc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from logrelay.cli import commandParser
from logrelay.completion import placesOf
from logrelay.control.requests import COMMANDS, KINDS
from logrelay.controlcommand import NAMES


def commandLines() -> Iterator[str]:
    """
    The usage of each command, and of ``logrelay spool`` without a command of its own.
    """
    for place in placesOf(commandParser()):
        if len(place.commands) == 1 and place.commands[0] in {*NAMES, "spool"}:
            [name] = place.commands
            argument = {"": "", "SERVER": " [SERVER]" if name == "probe" else " SERVER"}[place.arguments]
            options = [
                f"``{option}`` ({text})"
                for option, text in place.options.items()
                if option not in ("-h", "--help", "--socket", "--config", "--json")
            ]
            yield f"``logrelay {name}{argument}``"
            yield f"    {COMMANDS[name].what if name in COMMANDS else 'Watch the relay live, until q is pressed.'}"
            if options:
                yield f"    Options: {', '.join(options)}."
            yield ""
    yield "All take ``--socket`` and ``--config``, and all but ``top`` ``--json``."


def protocolLines() -> Iterator[str]:
    """
    The table of commands, and that of refusals.
    """
    yield "Commands:"
    yield ""
    for name, command in COMMANDS.items():
        yield f"``{name}``"
        yield f"    {command.what}  The result: {command.result}."
        for key, argument in command.arguments.items():
            kind = "text" if argument.kind is str else "true or false"
            needed = ", needed" if argument.needed else ""
            yield ""
            yield f"    * ``{key}`` ({kind}{needed}): {argument.what}"
        yield ""
    yield "Kinds of refusal:"
    yield ""
    for kind, meaning in KINDS.items():
        yield f"``{kind}``"
        yield f"    {meaning}"
        yield ""


def write(folder: Path) -> None:
    """
    Write them.
    """
    for name, lines in (("control.inc", commandLines()), ("protocol.inc", protocolLines())):
        (folder / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
