"""
The parts of the reference that are made from the code each time that the documentation is built.

``conf.py`` has them written into ``_generated/``, which git ignores; the pages include them.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import attrs
import states

from logrelay import cli, events, glossary, rotation
from logrelay.keys import SECTIONS, Key, Section
from logrelay.options import FLAGS, Options
from logrelay.values import sizeText


def literal(text: str) -> str:
    """
    Text as it would be typed.
    """
    return f"``{text}``" if text else ""


def table(widths: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """
    A table; a cell may have several lines.
    """
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (head, *rows):
        for place, cell in enumerate(row):
            first, *rest = cell.split("\n")
            lines.append(f"   {'*' if place == 0 else ' '} - {first}".rstrip())
            lines += [f"       {line}".rstrip() for line in rest]
    return "\n".join(lines) + "\n\n"


def title(text: str, line: str) -> str:
    """
    The title of a section.
    """
    return f"{text}\n{line * len(text)}\n\n"


def keys() -> str:
    """
    Every section, with its keys.
    """
    return "".join(_section(each) for each in SECTIONS)


def _section(section: Section) -> str:
    head = title(literal(section.header) if section.header else "Above all sections", "-")
    rows = ([literal(key.name), _default(key), _what(key)] for key in section.keys)
    return f"{head}{section.help}\n\n" + table("22 18 60", ("key", "default", "what it is for"), rows)


def _default(key: Key) -> str:
    return literal(key.default) or ("needed" if key.needed else "see there")


def _what(key: Key) -> str:
    flag = f"\n\nFlag: {literal('--' + key.flag)}" if key.flag else ""
    return f"{prose(key.help)}\n\nValue: {prose(key.kind.label)}{flag}"


def prose(text: str) -> str:
    """
    Text that was written for terminals: what reST would take for markup stands as it is.
    """
    return re.sub(r"([\\*|`_])", r"\\\1", text)


def flags() -> str:
    """
    The flags of ``twistd logrelay``.
    """
    others = {name.removeprefix("opt_"): inspect.getdoc(method) or "" for name, method in _methods()}
    stand = {name: (".".join(map(str, flag.path)), flag.help) for name, flag in FLAGS.items()}
    rows = [
        *([literal(f"--{name}"), "", prose(" ".join(text.split()))] for name, text in sorted(others.items())),
        *([literal(f"--{name}"), literal(path), prose(text)] for name, (path, text) in stand.items()),
    ]
    return table("25 30 45", ("flag", "stands for", "what it is for"), rows)


def _methods() -> Iterator[tuple[str, Callable[..., None]]]:
    """
    The flags that stand for no key of their own.
    """
    names = {f"opt_{name.replace('-', '_')}" for name in FLAGS}
    yield from (
        (name, method) for name, method in vars(Options).items() if name.startswith("opt_") and name not in names
    )


def commands() -> str:
    """
    What each command says of itself with ``--help``.
    """
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        return "".join(_help(parser) for parser in _parsers(cli.commandParser()))
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """
    The commands of a parser that have no others in them.
    """
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for each in action.choices.values():
            yield from _parsers(each)


def _help(parser: argparse.ArgumentParser) -> str:
    lines = "".join(f"   {line}".rstrip() + "\n" for line in parser.format_help().splitlines())
    return title(literal(parser.prog), "~") + f".. code-block:: none\n\n{lines}\n"


def reasons() -> str:
    """
    The reasons for which a server is left.
    """
    parts = []
    for head, those in (("Failures", glossary.FAILURES), ("Wishes", glossary.WISHES)):
        rows = ([literal(each.name), each.meaning, ", ".join(map(literal, each.keys))] for each in those)
        parts.append(title(head, "-") + table("20 55 25", ("reason", "what it means", "keys"), rows))
    return "".join(parts)


def eventTable() -> str:
    """
    The events, by their identifiers.
    """
    rows = []
    for each in sorted(eventsIn(events), key=lambda kind: kind.__name__):
        fields = ", ".join(literal(field.name) for field in attrs.fields(each))
        meaning = (inspect.getdoc(each) or "").split(":ivar")[0]
        rows.append([literal(each.__name__), each.level, fields, " ".join(meaning.split())])
    return table("20 8 27 45", ("identifier", "level", "fields", "when"), rows)


def eventsIn(module: ModuleType) -> Iterator[type[events.Event]]:
    """
    The events that a module defines.
    """
    for each in vars(module).values():
        if isinstance(each, type) and issubclass(each, events.Event) and each is not events.Event:
            yield each


def rules() -> str:
    """
    The table in the docstring of ``logrelay.rotation``.
    """
    doc = inspect.getdoc(rotation) or ""
    return doc[doc.index("====") : doc.rindex("====") + 4] + "\n"


def transitions() -> str:
    """
    What may follow what, in words.
    """
    rows = ([each.before, each.after, each.when] for each in states.TRANSITIONS)
    return table("15 15 70", ("from", "to", "when"), rows)


def names() -> str:
    """
    The public names and, for each, the first sentence of what its docstring says.
    """
    import logrelay

    rows = []
    for name in logrelay.__all__:
        doc = inspect.getdoc(getattr(logrelay, name)) or ""
        rows.append([literal(name), prose(" ".join(doc.split("\n\n")[0].split()).replace("``", ""))])
    return table("30 70", ("name", "what it is"), rows)


def numberOf(constant: str, bytewise: bool) -> str:
    """
    The value of a constant of ours.

    :param constant: as in ``spool.store.RECORD``.
    :param bytewise: whether it counts bytes.
    """
    module, _, name = constant.rpartition(".")
    value = getattr(import_module(f"logrelay.{module}"), name)
    return sizeText(value) if bytewise else f"{value:,g}"


def limits() -> str:
    """
    What is bounded, and by how much.
    """
    rows = []
    for line in (Path(__file__).parent / "limits.txt").read_text().splitlines():
        constant, _, what = line.partition("  ")
        if constant and not constant.startswith("#"):
            rows.append([what.strip(), numberOf(constant, "bytes" in what), literal(constant)])
    return table("60 20 20", ("what is bounded", "by", "constant"), rows)


FILES = {
    "keys.inc": keys,
    "flags.inc": flags,
    "commands.inc": commands,
    "reasons.inc": reasons,
    "events.inc": eventTable,
    "rules.inc": rules,
    "transitions.inc": transitions,
    "names.inc": names,
    "limits.inc": limits,
    "states.svg": states.drawing,
}


def write(folder: Path) -> None:
    """
    Write all of it; what is the same already is left alone, so that Sphinx builds only what has changed.
    """
    folder.mkdir(exist_ok=True)
    for name, make in FILES.items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
