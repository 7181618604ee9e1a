"""
Reading on in one database, be it damaged or not.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from .bundles import BundleDamaged, Row, unpack
from .database import Database, Unreadable, isBusyDisk
from .files import File
from .jobs import Done
from .record import Cursor

#: So many rows are looked for one by one in a damaged database before other work has its turn.
LOOKS = 5000


class Reader:
    """
    Reads on in one database.

    :ivar exhausted: whether there is nothing more in it.
    """

    def __init__(self, file: File, limit: Cursor, done: Done) -> None:
        """
        :param limit: where it ends.
        """
        self._file = file
        self._limit = limit
        self._done = done
        self.exhausted = False

    def read(self, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Read until the budget is used up, or to the end.

        :return: where to read on, and what is left of the budget.
        """
        file = self._file
        file.unread = 0
        try:
            database = file.open()
        except (Unreadable, sqlite3.Error, OSError) as error:
            self._done.isReadable = not file.fails(error)
            self.exhausted = self._done.isReadable
            return cursor, budget
        try:
            # Closed, it no longer keeps the log from being worked in.
            with closing(database.rowsFrom(cursor.position)) as rows:
                for row in rows:
                    if row.position >= self._limit.position:
                        break
                    before = cursor
                    cursor, budget = self._take(row, cursor, budget)
                    if cursor != before:
                        file.failures = 0
                    if budget <= 0:
                        # Whatever is wrong with it is told when it has been read, not when it is removed.
                        self.exhausted = cursor.position >= self._limit.position
                        return cursor, budget
        except sqlite3.Error as error:
            if file.fails(error):
                self._done.isReadable = False
                return cursor, budget
            return self._search(database, cursor, budget)
        self.exhausted = True
        return cursor, budget

    def _search(self, opened: Database, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Look for the next rows one by one, where they cannot be read in their order.
        """
        for _ in range(LOOKS):
            if cursor.position >= self._limit.position:
                break
            try:
                row = opened.rowAt(cursor.position)
            except sqlite3.Error as error:
                if isBusyDisk(error) and self._file.fails(error):
                    # Asked again in a second.
                    self._done.isReadable = False
                    break
                row = None
            before = cursor
            if row is not None:
                cursor, budget = self._take(row, cursor, budget)
            if cursor.position == before.position:
                cursor = Cursor(cursor.position + 1, cursor.message)
            if budget <= 0:
                break
        self.exhausted = cursor.position >= self._limit.position
        return cursor, budget

    def _take(self, row: Row, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Take what is sound in a row and lies behind the cursor.
        """
        file = self._file
        try:
            stored = list(unpack(row))
        except BundleDamaged as error:
            # Its numbers cannot be trusted: the next row's tell what is missing.
            file.damage = file.damage or str(error)
            return cursor, budget
        if row.endPosition <= cursor.position or row.endPosition > self._limit.position:
            return cursor, budget
        file.lost += max(0, row.message - cursor.message)
        for each in stored:
            if each.position < cursor.position:
                continue
            if each.payload is None:
                file.damage = file.damage or "its content has changed"
                file.lost += each.count
            else:
                self._done.loaded.append(each)
                budget -= len(each.payload)
        return Cursor(row.endPosition, row.endMessage), budget
