"""
From the bytes of a configuration of syslog-ng to ours.
"""

from __future__ import annotations

import attrs

from ..configfile import MAX_FILE
from .checking import checked
from .joining import Joining
from .remarks import NotReadable, Remark, Remarks
from .statements import Content


@attrs.frozen
class Outcome:
    """
    What an import gives.

    :ivar text: a configuration that our reader accepts; empty if there is nothing to relay.
    :ivar remarks: what is not in it, in the order of the file.
    """

    text: str
    remarks: tuple[Remark, ...]


def converted(content: bytes, name: str) -> Outcome:
    """
    Convert a configuration.

    :param name: of the file, for people.
    :raises NotReadable: if it is none of syslog-ng's, or larger than any that people write.
    """
    if len(content) > MAX_FILE:
        raise NotReadable(0, "is longer than 1 MiB", "name a configuration file of syslog-ng")
    if b"\0" in content:
        raise NotReadable(content.count(b"\n", 0, content.index(b"\0")) + 1, "is no text", "name a text file")
    # Comments may be in any encoding; a value that is not UTF-8 is told where it stands.
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    remarks = Remarks()
    relay = Joining(Content.of(text, remarks), remarks).join()
    return Outcome(checked(relay, name, remarks), remarks.sorted())
