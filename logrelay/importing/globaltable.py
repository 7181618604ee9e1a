"""
The global options of syslog-ng.

An option that does not stand here is left out, and told; the documentation is made from it.
"""

from __future__ import annotations

from ..keys import LARGEST_MESSAGE, SMALLEST_MESSAGE
from . import values
from .options import Option, never, put, sized, table
from .sourcetables import HOSTS
from .treatments import TUNING, idle

_FILES = "for files that syslog-ng writes"

#: Of ``options``.
GLOBAL = table(
    Option("time-reopen", "time-reopen", "time-reopen(10)", put("time-reopen", values.number), "of every destination"),
    Option(
        "log-msg-size",
        "max-message-size",
        "log-msg-size(8192)",
        sized("max-message-size", SMALLEST_MESSAGE, LARGEST_MESSAGE),
        "of every source",
    ),
    Option("mark-freq", "", "mark-freq(0)", never("no marks are sent"), "0"),
    Option("suppress", "", "suppress(0)", never("every message is sent"), "0"),
    *HOSTS,
    *idle(
        _FILES,
        'owner("root")',
        'group("adm")',
        "perm(0640)",
        "create-dirs(yes)",
        'dir-owner("root")',
        'dir-group("adm")',
        "dir-perm(0750)",
    ),
    *idle(
        TUNING,
        "stats-freq(0)",
        "stats-level(1)",
        "stats-lifetime(10)",
        "stats(freq(0))",
        "flush-lines(0)",
        "flush-timeout(1000)",
        "dns-cache(no)",
        "dns-cache-size(100)",
        "dns-cache-expire(100)",
        "dns-cache-expire-failed(100)",
        "log-iw-size(100)",
        "log-fetch-limit(100)",
        "min-iw-size-per-reader(100)",
        "threaded(yes)",
        "time-reap(10)",
        "time-sleep(10)",
        "use-uniqid(no)",
        "use-rcptid(no)",
        'log-level("default")',
    ),
)
