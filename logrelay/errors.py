"""
The errors that logrelay raises, split by whose fault it is.

Everything derives from :class:`LogRelayError`, so that an application that composes the relay can catch one
name.  Only ``tap`` and ``cli`` turn them into exits.
"""

from __future__ import annotations

import attrs


class LogRelayError(Exception):
    """
    The root of every error of this package.
    """


@attrs.frozen
class Problem:
    """
    One mistake in a configuration, told so that it can be mended.

    :ivar where: the file and line, or the flag (``relay.toml:12``, ``--primary``).
    :ivar key: the key as the user wrote it (``destination.central.primary``).
    :ivar what: what is wrong with it.
    :ivar remedy: what to do about it.
    """

    where: str
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.what}; {self.remedy}"


class ConfigurationError(LogRelayError):
    """
    The operator's fault: one or more mistakes in flags or a file, all told at once.

    :ivar problems: every mistake found, in the order of the file.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ReloadRefused(LogRelayError):
    """
    The operator's fault: a good configuration that this relay can't go over to while it runs.

    :ivar problems: everything that is in the way.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class OrderRefused(LogRelayError):
    """
    The operator's fault, or a server's: what was ordered of a running relay cannot be done, and nothing has changed.
    """


class FramingError(LogRelayError):
    """
    The sending peer's fault: its bytes are not frames any more, and its connection has to be closed.
    """


class RelpError(LogRelayError):
    """
    The peer's fault: what it says is not RELP, or comes where it has no place, and its connection has to be closed.
    """


class BufferFull(LogRelayError):
    """
    The caller's fault: more sends are waiting for room than the relay keeps.
    """


class RelayStopped(LogRelayError):
    """
    Nobody's fault: the relay has stopped, and so takes nothing more, and confirms nothing more.
    """


class NotVerified(LogRelayError):
    """
    The server's fault: it did not prove to be the server that the configuration names.
    """
