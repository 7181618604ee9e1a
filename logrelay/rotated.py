"""
How rotated logs are named.
"""

from __future__ import annotations

import os
import re

#: What is put behind a name, or before its extension, when a log is rotated: numbers, and dates in whatever notation.
_SUFFIX = r"[.\-_][0-9][0-9.\-_:TZ]*"
_OLD = re.compile(rf"({_SUFFIX}|[.\-_]old|[.\-_]bak|[.\-_]save|~)")

#: How compressed files end.  They are not followed.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".zip", ".Z", ".lzo", ".br")


def isRotated(name: str, live: str) -> bool:
    """
    Whether a file may be what a live log was renamed, or copied, to: ``app.log.1``, ``app.log-20261125``,
    ``app-20261125.log``; but not ``app.log.1.gz``.

    :param name: without its folder, as ``live`` is.
    """
    if name == live or name.endswith(COMPRESSED):
        return False
    if name.startswith(live) and _OLD.fullmatch(name, len(live)):
        return True
    stem, extension = os.path.splitext(live)
    middle = name[len(stem) : len(name) - len(extension)]
    return bool(extension) and name == stem + middle + extension and bool(re.fullmatch(_SUFFIX, middle))


def mayBeCopy(name: str, live: str) -> bool:
    """
    Whether it is worth looking into a file for what was in a live log: the content decides.
    """
    return isRotated(name, live) or (name != live and name.startswith(live) and not name.endswith(COMPRESSED))
