"""
What requests are answered with.
"""

from __future__ import annotations

import attrs

#: What is never left out.  Nothing but our own files is loaded, nothing runs that stands in the page, nobody frames it,
#: and nothing is kept.
ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@attrs.frozen
class Answer:
    """
    What a request is answered with.

    :ivar headers: those that are not always there.
    """

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    code: int = 200
    headers: dict[str, str] = attrs.Factory(dict)


def refusal(code: int, why: str, **headers: str) -> Answer:
    """
    An answer that says why there is no other.
    """
    return Answer(f"{why}\n".encode(), code=code, headers=headers)


def notAllowed() -> Answer:
    """
    What is no GET.
    """
    return refusal(405, "everything here is for reading: GET and HEAD", Allow="GET, HEAD")
