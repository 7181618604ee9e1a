"""
``tls()`` of a source: what a relay shows its clients, and asks them for.

All ``tls:`` sources of a relay share it.  Whatever would let in more clients than syslog-ng does is refused: the source
is left out then.
"""

from __future__ import annotations

from ..values import Mistake, shown
from . import values
from .options import Draft, apply
from .parts import Part, Relay
from .sourcetables import SOURCE_TLS
from .treatments import HINTS
from .tree import Call, split

_BY_HAND = "write [source-tls] and the source by hand"

#: What decides which clients are let in, and has no equal.
_STRICTER = {
    "ca-dir": "put the certificates of the folder into one PEM file, and name that as ca-file there",
    "crl-dir": "revoked client certificates would be let in: take them out of the CA, or it out there",
    "trusted-keys": "any certificate of the CA would be let in: use a CA for these clients only, and take it out there",
    "trusted-dn": "any certificate of the CA would be let in: use a CA for these clients only, and take it out there",
}


def present(relay: Relay, draft: Draft, call: Call | None) -> None:
    """
    Have the relay show the certificate that a source is to show.

    :param call: ``tls()``.
    :raises Mistake: if this can't be done as safely.
    """
    own = Draft(Part(f"{draft.part.origin}, tls()", draft.part.line), draft.remarks)
    options = split(call.items)[0] if call is not None else []
    for option in options:
        if option.name in _STRICTER:
            raise Mistake(f"{option.name}() has no equal", _STRICTER[option.name])
    apply(SOURCE_TLS, HINTS, own, options)
    for key in ("cert-file", "key-file"):
        if own.part.find(key) is None:
            raise Mistake(f"there is no {key} that could be shown", _BY_HAND)
    own.part.tables.pop("tls", None)
    _askClients(own)
    known = relay.sourceTLS
    if known is None:
        relay.sourceTLS = own.part
    elif {key: entry.value for key, entry in known.keys.items()} != {
        key: entry.value for key, entry in own.part.keys.items()
    }:
        raise Mistake(
            f"its tls() is another than that of line {known.line}, and all tls: sources of a relay share theirs",
            "run a second relay for it",
        )


def _askClients(own: Draft) -> None:
    """
    Whether clients need a certificate.  syslog-ng wants a good one unless it is told otherwise.
    """
    given = own.given
    verify = values.text(given["peer-verify"]).lower() if "peer-verify" in given else "required-trusted"
    if verify in ("optional-untrusted", "no", "off", "0"):
        return
    if verify not in ("required-trusted", "yes", "on", "1"):
        raise Mistake(f"peer-verify({shown(verify)}) has no equal", "decide between required-trusted and no")
    if "ca-file" not in given:
        raise Mistake("clients need a certificate, and there is no ca-file to check it by", _BY_HAND)
    own.part.put("client-ca-file", values.path(given["ca-file"]), given["ca-file"].line)
