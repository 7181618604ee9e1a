"""
A client of the control socket.  It blocks, and needs no reactor: a command has to be there at once.
"""

from __future__ import annotations

import json
import os
import socket
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..config import ControlSettings
from ..errors import LogRelayError

#: A relay that is not answered by its reactor for so many seconds has something wrong with it.
PATIENCE = 10.0

#: An order may have to wait for others, and for servers: for a connection, and for another one's end.
LONG_PATIENCE = 300.0

#: What changes something takes as long as that takes.
_ORDERS = frozenset({"switch", "failback", "probe", "drain", "undrain", "reload"})

#: No answer is longer.  One with a hundred destinations has a megabyte.
MAX_ANSWER = 64 * 1024 * 1024

_READ = 65536


class NoAnswer(LogRelayError):
    """
    No relay answers on the socket, or not as one should.
    """


class Refused(LogRelayError):
    """
    The relay does not do what was asked.

    :ivar kind: by its name in :data:`logrelay.control.requests.KINDS`.
    :ivar problems: the parts of the text, where there are several.
    """

    def __init__(self, kind: str, text: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.problems = problems


class Client:
    """
    A connection to the control socket of a relay.  It is made when something is asked, and again if it was lost before
    that.

    :ivar patience: for answers to questions, in seconds.
    """

    def __init__(self, path: str, patience: float = PATIENCE, longPatience: float = LONG_PATIENCE) -> None:
        """
        :param patience: for questions, in seconds.
        :param longPatience: for orders.
        """
        self._path = path
        self.patience = patience
        self._longPatience = longPatience
        self._socket: socket.socket | None = None

    def ask(self, command: str, **arguments: object) -> Any:
        """
        Ask something, and wait for the answer.

        :return: the result, as JSON knows it.
        :raises NoAnswer: if there is none.  An order may have been carried out nevertheless.
        :raises Refused: if the relay does not do it.
        """
        limit = self._longPatience if command in _ORDERS else self.patience
        try:
            answer = self._exchange(json.dumps({"command": command, **arguments}).encode() + b"\n", limit)
        except BaseException:
            # What comes on this connection now would be the answer to this, and not to what is asked next.
            self.close()
            raise
        return self._resultOf(answer)

    def close(self) -> None:
        """
        Close the connection.
        """
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _exchange(self, request: bytes, limit: float) -> bytes:
        """
        One request, and the line that answers it.

        :raises NoAnswer: if there is none.
        """
        if self._socket is None:
            self._socket = self._connected()
        self._socket.settimeout(limit)
        try:
            # A relay that has closed it may have said why.
            with suppress(BrokenPipeError):
                self._socket.sendall(request)
            return self._line(self._socket)
        except TimeoutError:
            raise NoAnswer(f"the relay at {self._path} does not answer within {limit:g} s") from None
        except OSError as error:
            raise NoAnswer(f"the relay at {self._path} has closed the connection: {error.strerror}") from None

    def _connected(self) -> socket.socket:
        """
        A connection.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self.patience)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            raise NoAnswer(f"no relay answers at {self._path}: {_why(error)}") from None
        return connection

    def _line(self, connection: socket.socket) -> bytes:
        """
        Read one line.
        """
        pieces: list[bytes] = []
        length = 0
        while not pieces or not pieces[-1].endswith(b"\n"):
            piece = connection.recv(_READ)
            length += len(piece)
            if not piece:
                raise NoAnswer(f"the relay at {self._path} has closed the connection without an answer")
            if length > MAX_ANSWER:
                raise NoAnswer(f"what answers at {self._path} does not end its answer; is that a relay?")
            pieces.append(piece)
        return b"".join(pieces)

    def _resultOf(self, line: bytes) -> Any:
        """
        What an answer holds.
        """
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        match answer:
            case {"ok": True, "result": result}:
                return result
            case {"ok": False, "error": str(text), "kind": str(kind)}:
                if kind in ("denied", "busy", "slow", "stopped"):
                    self.close()
                raise Refused(kind, text, tuple(map(str, answer.get("problems", ()))))
        self.close()
        raise NoAnswer(f"what answers at {self._path} does not speak as a relay of this version does")


def _why(error: OSError) -> str:
    """
    Why there is no connection, and what to do.
    """
    match error:
        case FileNotFoundError():
            return "there is no socket; is the relay running?  Name its socket with --socket or --config"
        case ConnectionRefusedError():
            return "the relay that has made the socket is not there any more"
        case PermissionError():
            return "permission denied; run this as the relay's user, or as root"
        case TimeoutError():
            return "it does not take the connection"
    return error.strerror or str(error)


def socketOf(path: str) -> str:
    """
    Which control socket a configuration file names.  Nothing else of the file has to be right: it may be under way.

    :raises LogRelayError: if the file can't be read.
    """
    try:
        with open(path, "rb") as file:
            tree: Mapping[str, Any] = tomllib.load(file)
    except OSError as error:
        raise LogRelayError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LogRelayError(f"{path}: is not TOML: {error}; logrelay check tells more") from error
    section = tree.get("control", {})
    written = section.get("socket") if isinstance(section, dict) else None
    if not isinstance(written, str):
        return ControlSettings().socket
    return os.path.join(os.path.dirname(os.path.abspath(path)), written)
