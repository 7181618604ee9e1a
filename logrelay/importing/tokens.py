"""
The tokens of a configuration of syslog-ng.

Words, numbers and strings are told apart as its own lexer does (``lib/cfg-lex.l``): a word is whatever has no bracket,
quote, comma, colon or the like in it, so ``127.0.0.1`` and ``/etc/x.pem`` are words; commas are spaces; in double
quotes a backslash begins an escape, in single quotes it is a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

import attrs

from .remarks import NotReadable

#: More than any configuration that people write has; each takes some 200 bytes.
MAX_TOKENS = 200_000

#: syslog-ng's numbers have 64 bits.
_LARGEST = 2**63 - 1

_TOKEN = re.compile(
    r"""
      ^[ \t]*@(?P<pragma>[^\n]*)
    | (?P<skip>[ \t\r,]+ | \n | \\\r?\n | \#[^\n]*)
    | "(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"
    | '(?P<single>[^']*)'
    | (?P<word>[^\ \#'"(){}\[\]\\;\r\n\t,|.@:]+(?:\.[^\ \#'"(){}\[\]\\;\r\n\t,|.@:]+)*)
    | (?P<mark>.)
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|o[0-7]{1,3}|\r?\n|.)", re.DOTALL)
_NAMED = {"a": "\a", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_NUMBER = re.compile(
    r"(?P<hex>0[xX][0-9A-Fa-f]{1,16})|(?P<octal>0[0-7]{1,21})|(?P<fraction>[-+]?[0-9]{1,18}\.[0-9]{1,18})"
    r"|(?P<whole>[-+]?[0-9]{1,18})(?P<unit>[kKmMgG]?)(?P<binary>[iI]?)[bB]?"
)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3}


class TokenKind(Enum):
    """
    What a token is.
    """

    WORD = "word"
    STRING = "string"
    MARK = "mark"
    PRAGMA = "pragma"


@attrs.frozen
class Token:
    """
    One token.

    :ivar text: of a string, what it stands for; of a pragma, what follows its ``@``.
    :ivar line: the line that it begins on, from 1.
    :ivar number: of a word that spells one, units applied.
    """

    kind: TokenKind
    text: str
    line: int
    number: int | float | None = None

    def isMark(self, text: str) -> bool:
        """
        Whether it is this one character.
        """
        return self.kind is TokenKind.MARK and self.text == text


def tokens(text: str) -> Iterator[Token]:
    """
    Tell the tokens apart; spaces and comments are left out.

    :raises NotReadable: where that can't be done.
    """
    line, count = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind != "skip":
            count += 1
            if count > MAX_TOKENS:
                raise NotReadable(line, f"has more than {MAX_TOKENS:,} words and signs", "import it in parts")
            yield _token(str(kind), match[str(kind)], line)
        line += match[0].count("\n")


def _token(kind: str, text: str, line: int) -> Token:
    """
    The token that matched as this kind.
    """
    if kind == "double":
        return Token(TokenKind.STRING, _ESCAPE.sub(_unescaped, text) if "\\" in text else text, line)
    if kind == "single":
        return Token(TokenKind.STRING, text, line)
    if kind == "word":
        return Token(TokenKind.WORD, text, line, _number(text))
    if kind == "pragma":
        return Token(TokenKind.PRAGMA, text.partition("#")[0].strip(), line)
    if text in "\"'":
        raise NotReadable(line, f"a string begins with {text} here, and does not end", f"add the {text} at its end")
    return Token(TokenKind.MARK, text, line)


def _unescaped(match: re.Match[str]) -> str:
    """
    What an escape stands for.
    """
    code = match[1]
    if code[0] in "xo" and len(code) > 1:
        value = int(code[1:], 16 if code[0] == "x" else 8) & 0xFF
        # Bytes that are no ASCII are part of a longer character, or of none.
        return chr(value) if value < 0x80 else chr(0xDC00 + value)
    return _NAMED.get(code, "" if code[-1] == "\n" else code)


def _number(text: str) -> int | float | None:
    """
    The number that a word spells, if it does.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match["fraction"]:
        return float(text)
    if match["hex"] or match["octal"]:
        value = int(text, 16 if match["hex"] else 8)
    else:
        value = int(match["whole"]) * (1024 if match["binary"] else 1000) ** _POWER[match["unit"].lower()]
    return value if abs(value) <= _LARGEST else None
