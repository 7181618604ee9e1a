"""
The vectors: what real senders put on the wire, and the messages that must come out.

They are samples of the rules, taken from what several servers made of each input.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from logrelay.batches import Framing

_FRAMINGS = {"octet-counting": Framing.OCTET_COUNTING, "non-transparent (LF)": Framing.LF}


@attrs.frozen
class Vector:
    """
    One vector.

    :ivar name: unique among them.
    :ivar input: all bytes of one connection, which the sender then ends.
    :ivar chunks: the same bytes as they came, where that matters; else all at once.
    :ivar messages: the messages that must come out, as they are.
    :ivar framing: the framing that has to be told from the first bytes; ``None`` where nothing decides it.
    :ivar error: what is wrong with the stream, in a few words; empty if nothing is.
    :ivar parsed: whether it is the header that matters here.
    :ivar fields: what is in the header, as far as servers agree; ``None`` where it is not valid, so that the message
        must be relayed as it is.
    """

    name: str
    input: bytes
    chunks: tuple[bytes, ...]
    messages: tuple[bytes, ...]
    framing: Framing | None
    error: str
    parsed: bool
    fields: Mapping[str, Any] | None


def loadVectors() -> list[Vector]:
    """
    Read all vectors.
    """
    return [_vector(each) for each in json.loads(Path(__file__).with_name("vectors.json").read_text())]


def _vector(raw: Mapping[str, Any]) -> Vector:
    """
    Decode one vector.
    """
    expect = raw["expect"]
    parsed = raw["kind"] == "parse"
    return Vector(
        name=raw["name"],
        input=b64decode(raw["input_base64"]),
        chunks=tuple(b64decode(chunk) for chunk in raw.get("chunks_base64") or [raw["input_base64"]]),
        messages=tuple(b64decode(message) for message in expect["messages_base64"]),
        framing=Framing.LF if parsed else _FRAMINGS.get(expect["framing_detected"]),
        error=expect.get("error", ""),
        parsed=parsed,
        fields=expect.get("fields"),
    )
