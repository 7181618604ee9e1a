"""
How rotated logs are named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

#: What is put behind a name, or before its extension, when a log is rotated: numbers, dates in whatever notation, and
#: some words.
_NUMBER = r"[.\-_][0-9][0-9.\-_:TZ]*"
_BEHIND = re.compile(rf"(?:{_NUMBER}|[.\-_]old|[.\-_]bak|[.\-_]save|~)")
_BEFORE_EXTENSION = re.compile(_NUMBER)

#: Where it may begin.
_BEGINS = re.compile(r"[.\-_~]")

#: How compressed files end.  They are not followed.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".zip", ".Z", ".lzo", ".br")


def livesOf(name: str) -> Iterator[str]:
    """
    The names that a log may have had before it was renamed, or copied, to this one: ``app.log`` for ``app.log.1``,
    ``app.log-20261125`` or ``app-20261125.log``; none for ``app.log.1.gz``.

    :param name: without its folder.
    """
    if name.endswith(COMPRESSED):
        return
    stem, extension = os.path.splitext(name)
    for match in _BEGINS.finditer(name):
        place = match.start()
        if place and _BEHIND.fullmatch(name, place):
            yield name[:place]
        if 0 < place < len(stem) and _BEFORE_EXTENSION.fullmatch(stem, place):
            yield name[:place] + extension


def mayBeCopy(name: str, live: str) -> bool:
    """
    Whether it is worth looking into a file for what was in a log: the content decides.
    """
    return name != live and not name.endswith(COMPRESSED) and (name.startswith(live) or live in livesOf(name))
