"""
What an import has to say of a configuration: what was left out, and what to do about it.
"""

from __future__ import annotations

import attrs

from ..errors import LogRelayError


class NotReadable(LogRelayError):
    """
    The operator's fault: what was given is no configuration of syslog-ng.

    :ivar line: where that shows; 0 for the file as a whole.
    """

    def __init__(self, line: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.line = line
        self.what = what
        self.remedy = remedy


@attrs.frozen(order=True)
class Remark:
    """
    One thing that is not, or not quite, in the result.

    :ivar line: where it stands in the configuration of syslog-ng.
    """

    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


@attrs.frozen
class Remarks:
    """
    Everything said so far.
    """

    found: list[Remark] = attrs.field(factory=list)

    def add(self, line: int, what: str, remedy: str) -> None:
        """
        Say something.
        """
        self.found.append(Remark(line, what, remedy))

    def sorted(self) -> tuple[Remark, ...]:
        """
        All of it, in the order of the file, each once.
        """
        return tuple(sorted(set(self.found)))


def plain(text: str) -> str:
    """
    A name as it stands in a message or a comment: on one line, not too long, and without characters that a terminal
    would obey.
    """
    text = text if len(text) <= 80 else text[:79] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
