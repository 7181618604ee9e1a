"""
The values of syslog-ng's options.
"""

from __future__ import annotations

from ..values import Mistake, shown
from .tokens import Token, TokenKind
from .tree import Call, Group

#: More than any list of servers, flags or fingerprints that people write has.
MAX_VALUES = 100

_TRUE, _FALSE = ("yes", "on", "1"), ("no", "off", "0")


def only(call: Call) -> Token:
    """
    The one word, number or string of an option.

    :raises Mistake: if it has another number of them, or anything else.
    """
    if not call.items:
        raise Mistake("it has no value", "give it one there, or write it into the new file")
    if len(call.items) > 1 or isinstance(call.items[0], Group):
        raise Mistake("it has more than one value", "write what it means into the new file")
    return checked(call.items[0])


def checked(token: Token) -> Token:
    """
    A word or string that may stand in TOML.

    :raises Mistake: if it may not.
    """
    text = token.text
    if token.kind is TokenKind.MARK:
        raise Mistake(f"{shown(text)} is no value", "put it in quotes there, or write it into the new file")
    if token.kind is TokenKind.WORD and "`" in text:
        raise Mistake(f"{shown(text)} stands for something defined elsewhere", "write the value into the new file")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Mistake(f"{shown(text)} is not UTF-8", "rename it, and write it into the new file") from None
    if not text or "\0" in text:
        raise Mistake(f"{shown(text)} can't be a value", "write the right one into the new file")
    return token


def text(call: Call) -> str:
    """
    The word or string of an option.

    :raises Mistake: if it has anything else.
    """
    return only(call).text


def texts(call: Call) -> list[str]:
    """
    The words and strings of an option.

    :raises Mistake: if it has anything else, or none.
    """
    if not call.items or any(isinstance(each, Group) for each in call.items):
        raise Mistake("it is no list of names", "write what it means into the new file")
    if len(call.items) > MAX_VALUES:
        raise Mistake(f"it has more than {MAX_VALUES} values", "write those that you need into the new file")
    return [checked(each).text for each in call.items if isinstance(each, Token)]


def number(call: Call) -> int | float:
    """
    The number of an option.

    :raises Mistake: if it has anything else.
    """
    token = only(call)
    if token.number is None:
        raise Mistake(f"{shown(token.text)} is not a number, or too large", "write the right one into the new file")
    return token.number


def whole(call: Call) -> int:
    """
    The number of an option that has no fraction.  Quotes make no difference (``port("514")``).

    :raises Mistake: if it has anything else.
    """
    token = only(call)
    value = token.number
    if token.kind is TokenKind.STRING and token.text.isascii() and token.text.isdigit() and len(token.text) < 19:
        value = int(token.text)
    if not isinstance(value, int):
        raise Mistake(
            f"{shown(token.text)} is not a whole number, or too large", "write the right one into the new file"
        )
    return value


def truth(call: Call) -> bool:
    """
    The yes or no of an option.

    :raises Mistake: if it has anything else.
    """
    word = text(call).lower()
    if word not in (*_TRUE, *_FALSE):
        raise Mistake(f"{shown(word)} is neither yes nor no", "write yes or no there")
    return word in _TRUE


def path(call: Call) -> str:
    """
    The path of an option.

    :raises Mistake: if it has anything else, or one that starts where nobody knows.
    """
    name = text(call)
    if not name.startswith("/"):
        what = f"{shown(name)} is relative, to the folder that syslog-ng runs in"
        raise Mistake(what, "write the whole path into the new file")
    return name
