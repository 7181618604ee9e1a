"""
HTML as the page needs it, by twisted.web.template, which escapes whatever is put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.python.failure import Failure
from twisted.web.template import Tag, flattenString, tags

from .words import clock, moment

#: A text, an element, or several of them.
Content = Any


def element(kind: str, /, *content: Content, **attributes: str) -> Tag:
    """
    An element of any name.

    :param attributes: ``_`` stands for ``-``, and one at the end is left out (``class_``).
    """
    return Tag(kind, {_attribute(key): value for key, value in attributes.items()}, list(content))


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def html(content: Content) -> bytes:
    """
    Something as text.
    """
    found: list[bytes | Failure] = []
    # Nothing in it has to be waited for.
    flattenString(None, content).addBoth(found.append)
    [result] = found
    if isinstance(result, Failure):
        result.raiseException()
    assert isinstance(result, bytes)
    return result


def time(at: float, now: float) -> Tag:
    """
    A moment, for people and machines.
    """
    return tags.time(clock(at, now), datetime=f"{moment(at):%Y-%m-%dT%H:%M:%SZ}")


def day(at: float) -> Tag:
    """
    The day of a moment, in UTC.
    """
    return tags.time(f"{moment(at):%Y-%m-%d}", datetime=f"{moment(at):%Y-%m-%dT%H:%M:%SZ}")


def table(caption: Tag, heads: Sequence[str], rows: Iterable[Sequence[Content]], empty: str) -> Tag:
    """
    A table whose first column names the row.

    The roles are what these elements have anyway; but browsers take them away where a narrow screen shows each row as a
    block, in which every value has its head before it.

    :param caption: a heading.
    :param empty: what to say where there are no rows.
    """
    body = [
        tags.tr(
            element("th", first, scope="row", role="rowheader", data_head=heads[0]),
            *(
                element("td", tags.div(cell), role="cell", data_head=head)
                for head, cell in zip(heads[1:], rest, strict=True)
            ),
            role="row",
        )
        for first, *rest in rows
    ]
    if not body:
        return tags.div(caption, tags.p(empty, class_="muted"))
    columns = (tags.th(head, scope="col", role="columnheader") for head in heads)
    return tags.table(
        tags.caption(caption),
        tags.thead(tags.tr(*columns, role="row"), role="rowgroup"),
        tags.tbody(*body, role="rowgroup"),
        role="table",
    )


def badge(state: str) -> Tag:
    """
    A state: by its word, and by its colour.
    """
    return tags.span(state, class_=f"badge {state}")


def facts(*pairs: tuple[str, Content]) -> Tag:
    """
    Names and values.
    """
    return tags.dl(*(tags.div(tags.dt(name), tags.dd(value)) for name, value in pairs), class_="facts")
