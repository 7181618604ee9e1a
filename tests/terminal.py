"""
As much of a VT100 as programs use that draw a screen: what they write becomes lines that can be looked at.
"""

from __future__ import annotations

import re

#: A control sequence, a two-character escape, a control character, or text.
_PIECE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()].|\x1b[^\[()]|[\x00-\x1f]|[^\x00-\x1f\x1b]+")


class Terminal:
    """
    A screen.

    :ivar unknown: sequences that were not understood.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.unknown: list[str] = []
        self._cells = self._blank()
        self._row = self._column = 0
        self._region = (0, rows - 1)
        self._saved = (0, 0)
        self._rest = ""

    def _blank(self) -> list[list[str]]:
        return [[" "] * self.columns for _ in range(self.rows)]

    def resize(self, columns: int, rows: int) -> None:
        """
        Become larger or smaller.
        """
        self.columns, self.rows = columns, rows
        self._cells = self._blank()
        self._row = self._column = 0
        self._region = (0, rows - 1)

    @property
    def lines(self) -> list[str]:
        """
        What is on it.
        """
        return ["".join(row).rstrip() for row in self._cells]

    def feed(self, text: str) -> None:
        """
        Take what a program writes.
        """
        text = self._rest + text
        end = 0
        for piece in _PIECE.finditer(text):
            if piece.start() != end or (piece[0] == "\x1b" and piece.end() == len(text)):
                break
            end = piece.end()
            if piece[2]:
                self._control(piece[2], [int(each) for each in re.findall("[0-9]+", piece[1])], piece[0])
            elif piece[0][0] >= " ":
                self._write(piece[0])
            else:
                self._character(piece[0])
        self._rest = text[end:]

    def _write(self, text: str) -> None:
        for character in text:
            self._column = min(self._column, self.columns - 1)
            self._cells[self._row][self._column] = character
            self._column += 1

    def _character(self, text: str) -> None:
        if text == "\r":
            self._column = 0
        elif text in ("\n", "\x1bD"):
            self._index(1)
        elif text == "\x1bM":
            self._index(-1)
        elif text == "\x1b7":
            self._saved = self._row, self._column
        elif text == "\x1b8":
            self._row, self._column = self._saved
        elif text == "\b":
            self._column = max(0, self._column - 1)
        elif text == "\t":
            self._column = min(self.columns - 1, (self._column // 8 + 1) * 8)

    def _index(self, by: int) -> None:
        """
        Go down or up by one line; at the edge of the region that scrolls, that scrolls.
        """
        top, bottom = self._region
        if self._row == (bottom if by > 0 else top):
            del self._cells[top if by > 0 else bottom]
            self._cells.insert(bottom if by > 0 else top, [" "] * self.columns)
        else:
            self._row = min(self.rows - 1, max(0, self._row + by))

    def _control(self, letter: str, numbers: list[int], whole: str) -> None:
        first = numbers[0] if numbers else 0
        row = self._cells[self._row]
        match letter:
            case "H":
                self._row = min(self.rows, max(1, first)) - 1
                self._column = min(self.columns, numbers[1] if len(numbers) > 1 else 1) - 1
            case "A":
                self._row = max(0, self._row - max(1, first))
            case "B":
                self._row = min(self.rows - 1, self._row + max(1, first))
            case "C":
                self._column = min(self.columns - 1, self._column + max(1, first))
            case "D":
                self._column = max(0, self._column - max(1, first))
            case "K":
                start, end = ((self._column, self.columns), (0, self._column + 1), (0, self.columns))[first]
                row[start:end] = [" "] * (min(end, self.columns) - start)
            case "J":
                row[self._column :] = [" "] * (self.columns - self._column)
                self._cells[self._row + 1 :] = self._blank()[self._row + 1 :]
            case "r":
                self._region = (max(1, first) - 1, min(self.rows, numbers[1] if len(numbers) > 1 else self.rows) - 1)
                self._row = self._column = 0
            case "m" | "h" | "l":
                pass
            case _:
                self.unknown.append(whole)
