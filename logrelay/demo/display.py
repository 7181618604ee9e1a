"""
How the demo is shown: lines, and on a terminal a panel below them that is redrawn in place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

import attrs

from ..snapshot import DestinationSnapshot, ServerSnapshot, Snapshot

#: Control sequences (ECMA-48): to hide the cursor and show it, to go up some lines to their beginning, and to clear
#: from there to the end of the screen.
_HIDE, _SHOW, _UP, _CLEAR = "\x1b[?25l", "\x1b[?25h", "\x1b[{}F", "\x1b[J"

#: The panel is cut to this where the terminal does not tell its size.
_COLUMNS = 80


@attrs.define(eq=False)
class Lines:
    """
    Plain lines, each with the seconds since the beginning.

    :ivar seconds: the seconds since the beginning.
    """

    stream: TextIO
    seconds: Callable[[], float]

    def say(self, text: str) -> None:
        """
        Show one step.
        """
        self._write(f"{self.seconds():7.3f} s  {text}\n")

    def show(self, snapshot: Snapshot) -> None:
        """
        The state in between is of no interest here.
        """

    def close(self, lines: Sequence[str] = ()) -> None:
        """
        End, with some lines that belong to no moment.
        """
        self._write("".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        # The relay is not to stumble because nobody looks any more.
        with contextlib.suppress(BrokenPipeError):
            self.stream.write(text)
            self.stream.flush()


@attrs.define(eq=False)
class Live(Lines):
    """
    The same lines, and below them the relay's state, redrawn in place.

    :ivar names: what to call servers, by their addresses.
    :ivar columns: how wide the terminal is now.
    """

    names: Mapping[str, str]
    columns: Callable[[], int]
    _panel: list[str] = attrs.field(factory=list)

    def say(self, text: str) -> None:
        """
        Show one step above the panel.
        """
        panel, self._panel = self._panel, []
        self._write(self._erased(panel))
        super().say(text)
        self._draw(panel)

    def show(self, snapshot: Snapshot) -> None:
        """
        Redraw the panel.
        """
        # A line that is broken by the terminal would take two, and could not be erased by counting.
        width = self.columns() - 1
        panel = ["", *(line[:width] for line in panelOf(snapshot, self.names))]
        erased, self._panel = self._erased(self._panel), []
        self._draw(panel, erased)

    def close(self, lines: Sequence[str] = ()) -> None:
        """
        Take the panel away and give the cursor back.
        """
        self._write(self._erased(self._panel) + _SHOW)
        self._panel = []
        super().close(lines)

    def _erased(self, panel: Sequence[str]) -> str:
        return f"{_UP.format(len(panel))}{_CLEAR}" if panel else ""

    def _draw(self, panel: list[str], before: str = "") -> None:
        """
        Write a panel where the cursor is, in one go, so that nothing flickers.
        """
        self._write(before + _HIDE + "".join(f"{line}\n" for line in panel))
        self._panel = panel


def displayFor(
    stream: TextIO,
    seconds: Callable[[], float],
    names: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> Lines:
    """
    A live display on a terminal that understands control sequences, lines elsewhere.
    """
    if stream.isatty() and environment.get("TERM", "dumb") != "dumb":
        return Live(stream, seconds, names, lambda: _columnsOf(stream))
    return Lines(stream, seconds)


def _columnsOf(stream: TextIO) -> int:
    """
    How wide a terminal is.
    """
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def panelOf(snapshot: Snapshot, names: Mapping[str, str]) -> list[str]:
    """
    A relay's state in a few lines.

    :param names: what to call servers, by their addresses.
    """
    lines = []
    received = sum(source.counters.received for source in snapshot.sources)
    for destination in snapshot.destinations:
        counters = destination.counters
        for place, server in enumerate(destination.servers):
            name = names.get(server.name, server.name)
            lines.append(f"  {'>' if server.active else ' '} {name:<8} {_stateOf(destination, server, place)}")
        lines.append(
            f"    taken in {received:,}   sent {counters.sent:,}   of these again {counters.resent:,}"
            f"   kept in case of a loss {destination.bufferCost / 1024:,.0f} KiB"
        )
    return lines


def _stateOf(destination: DestinationSnapshot, server: ServerSnapshot, place: int) -> str:
    """
    One server in a few words.
    """
    if server.active:
        return "in use"
    if place == 0 and destination.goodProbes:
        return f"answers again: {destination.goodProbes} of {destination.requiredProbes} probes"
    if server.reason:
        return f"not usable ({server.reason}): {server.text}"
    return "standby"
