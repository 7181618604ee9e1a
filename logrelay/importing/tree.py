"""
The statements of a configuration of syslog-ng, as a tree of brackets.

It knows nothing of what they mean: a statement is what stands before a ``;``, whatever it is, so that what is not
translated needs no grammar of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from ..values import shown
from .remarks import NotReadable
from .tokens import Token, TokenKind, tokens

#: More than any configuration that people write has.
MAX_DEPTH = 50

_CLOSING = {"(": ")", "{": "}", "[": "]"}


@attrs.frozen
class Group:
    """
    Brackets, and what is in them.

    :ivar bracket: the opening one.
    """

    bracket: str
    line: int
    items: list[Node] = attrs.field(factory=list)


Node = Token | Group


@attrs.frozen
class Call:
    """
    ``name(...)``: an option, or a driver.

    :ivar name: with dashes, as syslog-ng takes ``-`` and ``_`` for the same.
    """

    name: str
    line: int
    items: Sequence[Node]

    @property
    def words(self) -> list[Token]:
        """
        The words and strings that stand directly in it.
        """
        return [each for each in self.items if isinstance(each, Token) and each.kind is not TokenKind.MARK]


def parse(text: str) -> list[list[Node]]:
    """
    The statements of a file; a pragma is one by itself.

    :raises NotReadable: if brackets do not fit, or are too deep.
    """
    top = Group("", 1)
    stack = [top]
    for token in tokens(text):
        if token.kind is TokenKind.MARK and token.text in "({[":
            if len(stack) > MAX_DEPTH:
                raise NotReadable(
                    token.line, f"brackets are nested more than {MAX_DEPTH} deep", "take out those that are too many"
                )
            group = Group(token.text, token.line)
            stack[-1].items.append(group)
            stack.append(group)
        elif token.kind is TokenKind.MARK and token.text in ")}]":
            opened = stack.pop()
            if _CLOSING.get(opened.bracket) != token.text:
                raise NotReadable(token.line, *_unfit(opened, token))
        else:
            stack[-1].items.append(token)
    if len(stack) > 1:
        opened = stack[-1]
        wanted = _CLOSING[opened.bracket]
        raise NotReadable(
            opened.line, f"{opened.bracket} is opened here, and not closed", f"add the {wanted} that is missing"
        )
    return statements(top.items)


def _unfit(opened: Group, token: Token) -> tuple[str, str]:
    """
    What is wrong with a closing bracket, and the remedy.
    """
    if not opened.bracket:
        return f"{token.text} closes nothing", "take it out, or add what it is to close"
    return (
        f"{token.text} does not close the {opened.bracket} of line {opened.line}",
        f"add the {_CLOSING[opened.bracket]} that is missing before it",
    )


def statements(items: Iterable[Node]) -> list[list[Node]]:
    """
    What stands between ``;``, each a list; empty ones are left out.
    """
    found: list[list[Node]] = [[]]
    for item in items:
        if isinstance(item, Token) and item.kind is TokenKind.PRAGMA:
            found += [[item], []]
        elif isinstance(item, Token) and item.isMark(";"):
            found.append([])
        else:
            found[-1].append(item)
    return [each for each in found if each]


def canonical(name: str) -> str:
    """
    A keyword as this package knows it.
    """
    return name.replace("_", "-")


def keyword(node: Node) -> str:
    """
    The keyword that a node is; empty if it is none.
    """
    return canonical(node.text) if isinstance(node, Token) and node.kind is TokenKind.WORD else ""


def split(items: Sequence[Node]) -> tuple[list[Call], list[Node]]:
    """
    Tell options, or drivers, from what else stands beside them.

    :return: the calls, and the rest.
    """
    calls, rest = [], []
    place = 0
    while place < len(items):
        item = items[place]
        following = items[place + 1] if place + 1 < len(items) else None
        if keyword(item) and isinstance(following, Group) and following.bracket == "(":
            calls.append(Call(keyword(item), item.line, following.items))
            place += 1
        elif not (isinstance(item, Token) and item.isMark(";")):
            rest.append(item)
        place += 1
    return calls, rest


def written(node: Node) -> str:
    """
    What a node begins with, for people.
    """
    return shown(node.text if isinstance(node, Token) else node.bracket)
