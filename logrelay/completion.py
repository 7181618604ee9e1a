"""
``logrelay completion``: what a shell needs to complete the command, made from its parser.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

#: Shells that are known.
SHELLS = ("bash", "zsh", "fish")

#: What stands for a file, among the names of arguments in help texts.
_FILES = {"FILE", "PATH"}

#: Arguments that a running relay knows the values of, and what asks for them.
_ASKED = {"SERVER": "servers", "NAME": "destinations"}


@attrs.frozen
class Place:
    """
    What may be written after some commands.

    :ivar commands: those commands; none at the beginning.
    :ivar words: the commands that may follow.
    :ivar options: the options that may.
    :ivar values: what may follow an option: words, or ``FILE``, ``SERVER``, ``NAME``.
    :ivar arguments: the same of what is no option.
    """

    commands: tuple[str, ...]
    words: dict[str, str]
    options: dict[str, str]
    values: dict[str, str]
    arguments: str


def placesOf(parser: argparse.ArgumentParser, commands: tuple[str, ...] = ()) -> Iterator[Place]:
    """
    All that may be written.
    """
    words: dict[str, str] = {}
    options: dict[str, str] = {}
    values: dict[str, str] = {}
    arguments = []
    below: list[Place] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            for name, child in action.choices.items():
                words[name] = helps.get(name, "")
                below += placesOf(child, (*commands, name))
        elif action.option_strings:
            for option in action.option_strings:
                options[option] = (action.help or "") % _expanded(action) if action.help else ""
            if action.nargs != 0:
                values |= dict.fromkeys(action.option_strings, _valueOf(action))
        else:
            arguments.append(_valueOf(action))
    yield Place(commands, words, options, values, arguments[0] if arguments else "")
    yield from below


def _expanded(action: argparse.Action) -> dict[str, Any]:
    """
    What a help text may name.
    """
    return {"default": action.default, "prog": "logrelay"}


def _valueOf(action: argparse.Action) -> str:
    """
    What may stand for an argument.
    """
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    name = action.metavar if isinstance(action.metavar, str) else ""
    return "FILE" if name in _FILES else name if name in _ASKED else ""


def scriptFor(shell: str, parser: argparse.ArgumentParser) -> str:
    """
    What makes a shell complete the command.

    :param shell: one of :data:`SHELLS`.
    """
    places = list(placesOf(parser))
    if shell == "fish":
        return _fish(places)
    return (_ZSH if shell == "zsh" else _BASH) % {
        "paths": "|".join(shlex.quote(" ".join(each.commands)) for each in places if each.commands),
        "places": "\n".join(_cases(places)),
        "values": "\n".join(_valueCases(places)),
    }


# bash and zsh.

#: Finds out which command is being written (``place``), and takes from tables what may come next: ``list`` has words,
#: ``value`` the kind of an argument.  The table of options comes second, since an option's value is nothing else.
_COMMON = """\
        case "$each" in
            --socket|--config) relay=("$each" "$next") ;;
        esac
        case "${place:+$place }$each" in
            %(paths)s) place="${place:+$place }$each" ;;
        esac
    done
    case "$place" in
%(places)s
    esac
    case "$place:$last" in
%(values)s
    esac
    case "$value" in
        servers|destinations) list="$list $(logrelay completion "$value" "${relay[@]}" 2>/dev/null)" ;;
        FILE) ;;
        ?*) list="$list $value" ;;
    esac
"""

_BASH = (
    """\
# Completion of the logrelay command for bash; made by: logrelay completion bash
_logrelay() {
    # A colon begins a new word in bash, but not in the name of a server.
    local -a said relay=()
    local IFS=$' \\t\\n' list="" value="" place="" each next last i
    read -ra said <<< "${COMP_LINE:0:COMP_POINT}"
    local word=""
    [[ "${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] || { word="${said[-1]}"; unset 'said[-1]'; }
    last="${said[-1]}"
    for ((i = 1; i < ${#said[@]}; i++)); do
        each="${said[i]}" next="${said[i+1]}"
"""
    + _COMMON
    + """\
    if [[ "$value" == FILE && "$word" != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
    if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%"${word##*:}"}"}")
    fi
}
complete -F _logrelay logrelay
"""
)

_ZSH = (
    """\
#compdef logrelay
# Completion of the logrelay command for zsh; made by: logrelay completion zsh
_logrelay() {
    local -a relay
    local list="" value="" place="" each next last="${words[CURRENT-1]}" i
    for ((i = 2; i < CURRENT; i++)); do
        each="${words[i]}" next="${words[i+1]}"
"""
    + _COMMON
    + """\
    if [[ "$value" == FILE && "$PREFIX" != -* ]]; then
        _files
        return
    fi
    compadd -- ${=list}
}
if [[ "${funcstack[1]}" == _logrelay ]]; then _logrelay "$@"; else compdef _logrelay logrelay; fi
"""
)


def _cases(places: Sequence[Place]) -> Iterator[str]:
    """
    What may follow each command.
    """
    for each in places:
        value = _ASKED.get(each.arguments, each.arguments)
        words = " ".join((*each.words, *each.options))
        yield f"        {shlex.quote(' '.join(each.commands))}) list={shlex.quote(words)} value={shlex.quote(value)} ;;"


def _valueCases(places: Sequence[Place]) -> Iterator[str]:
    """
    What may follow each option.
    """
    for each in places:
        for option, value in each.values.items():
            at = shlex.quote(f"{' '.join(each.commands)}:{option}")
            yield f"        {at}) list='' value={shlex.quote(_ASKED.get(value, value))} ;;"


# fish, which knows by itself what follows what, if it is told for each.


def _fish(places: Sequence[Place]) -> str:
    """
    Completion for fish.
    """
    lines = [
        "# Completion of the logrelay command for fish; made by: logrelay completion fish",
        "complete -c logrelay -f",
    ]
    for each in places:
        where = _fishWhere(each)
        for word, summary in each.words.items():
            lines.append(f"complete -c logrelay -n {where} -a {shlex.quote(word)} -d {_fishText(summary)}")
        for option, summary in each.options.items():
            kind = "l" if option.startswith("--") else "s"
            name = option.lstrip("-")
            needs = _fishValue(each.values[option], True) if option in each.values else ""
            lines.append(f"complete -c logrelay -n {where} -{kind} {name}{needs} -d {_fishText(summary)}")
        if each.arguments:
            lines.append(f"complete -c logrelay -n {where}{_fishValue(each.arguments, False)}")
    return "\n".join(lines) + "\n"


def _fishWhere(place: Place) -> str:
    """
    When the entries of a place hold.
    """
    if not place.commands:
        return "__fish_use_subcommand"
    seen = " ; and ".join(f"__fish_seen_subcommand_from {command}" for command in place.commands)
    if place.words:
        seen += f" ; and not __fish_seen_subcommand_from {' '.join(place.words)}"
    return shlex.quote(seen)


def _fishValue(value: str, isOption: bool) -> str:
    """
    What an argument may be.
    """
    if value == "FILE":
        return " -r -F" if isOption else " -F"
    needed = " -x" if isOption else ""
    if value in _ASKED:
        return f"{needed} -a {shlex.quote(f'(logrelay completion {_ASKED[value]} 2>/dev/null)')}"
    return f"{needed} -a {shlex.quote(value)}" if value else needed


def _fishText(text: str) -> str:
    """
    A description, in fish's quotes.
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
