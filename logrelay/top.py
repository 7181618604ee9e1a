"""
``logrelay top``: a relay, live, on a terminal.
"""

from __future__ import annotations

import contextlib
import curses
import locale
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from .control.client import Client, NoAnswer, Refused
from .control.screen import Line, Style, screenOf
from .errors import LogRelayError

#: How often the relay is asked, in seconds.
PERIOD = 1.0

#: How long an answer may take: meanwhile no key does anything.
PATIENCE = 3.0

#: How colours are numbered.
_GREEN, _RED = 1, 2

#: Keys that end it.
_QUIT = {ord("q"), ord("Q"), 27}


def watch(client: Client) -> int:
    """
    Show a relay until somebody has seen enough.  If it goes away, wait for it to come back.

    :return: the status to exit with.
    :raises NoAnswer: if no relay answers at the beginning.
    :raises LogRelayError: if there is no terminal.
    """
    relay = client.ask("status")
    locale.setlocale(locale.LC_ALL, "")
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise LogRelayError("top needs a terminal on which it can move the cursor; use logrelay status")
    try:
        # Not to wait for a second key after Escape.
        os.environ.setdefault("ESCDELAY", "25")
        with _terminating():
            curses.wrapper(lambda window: _Display(window, client, relay).run())
    except curses.error as error:
        raise LogRelayError(f"top cannot use this terminal (TERM={os.environ.get('TERM', '')}): {error}") from error
    except KeyboardInterrupt:
        pass
    return 0


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """
    Let signals that would end the process at once end it in order, with the terminal as it was.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Display:
    """
    A screen, and the relay whose state is on it.
    """

    def __init__(self, window: Any, client: Client, relay: Any) -> None:
        self._window = window
        self._client = client
        self._relay = relay
        self._before: Any = None
        self._trouble = ""
        self._styles = _styles()

    def run(self) -> None:
        """
        Go on until a key ends it.
        """
        with contextlib.suppress(curses.error):
            curses.curs_set(0)
        self._draw()
        due = time.monotonic() + PERIOD
        while True:
            self._window.timeout(max(0, int(1000 * (due - time.monotonic()))))
            key = self._window.getch()
            if key in _QUIT:
                return
            if key == curses.KEY_RESIZE:
                curses.update_lines_cols()
                self._window.clear()
                self._draw()
            elif time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                self._ask()
                self._draw()

    def _ask(self) -> None:
        """
        Get the state.
        """
        try:
            relay = self._client.ask("status")
        except (NoAnswer, Refused) as error:
            self._trouble = str(error)
            return
        # After a gap the rates would be those of the gap.
        self._before = None if self._trouble else self._relay
        self._relay, self._trouble = relay, ""

    def _draw(self) -> None:
        """
        Show it.
        """
        height, width = self._window.getmaxyx()
        self._window.erase()
        for row, line in enumerate(screenOf(self._relay, self._before, width, height, self._trouble)):
            self._put(row, line)
        self._window.refresh()

    def _put(self, row: int, line: Line) -> None:
        """
        Show one line.
        """
        # It fails in the last cell of the last line, behind which there is no place for the cursor; and when the window
        # has become smaller meanwhile.
        with contextlib.suppress(curses.error):
            self._window.addstr(row, 0, line.text, self._styles[line.style])


def _styles() -> dict[Style, int]:
    """
    How each style looks on this terminal.
    """
    green = red = 0
    with contextlib.suppress(curses.error):
        if curses.has_colors():
            curses.use_default_colors()
            curses.init_pair(_GREEN, curses.COLOR_GREEN, -1)
            curses.init_pair(_RED, curses.COLOR_RED, -1)
            green, red = curses.color_pair(_GREEN), curses.color_pair(_RED)
    return {
        Style.PLAIN: curses.A_NORMAL,
        Style.TITLE: curses.A_BOLD,
        Style.GOOD: green | curses.A_BOLD,
        Style.BAD: red | curses.A_BOLD,
        Style.FAINT: curses.A_DIM,
    }
