"""
How options of syslog-ng are treated: what an entry of the tables in ``tables`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from ..values import Mistake, shown, sizeText
from . import values
from .parts import Part, Value
from .remarks import Remarks, plain
from .tree import Call


@attrs.define(eq=False)
class Draft:
    """
    A part that is being made of a driver and its options.

    :ivar given: the options, by their names; of one that is given twice the last counts, as with syslog-ng.
    """

    part: Part
    remarks: Remarks
    given: dict[str, Call] = attrs.field(factory=dict)

    def leftOut(self, call: Call, remedy: str) -> None:
        """
        Say that an option is not in the result.
        """
        written = " ".join(shown(each.text).strip('"') for each in call.words[:4])
        more = " ..." if len(call.words) > 4 or len(call.words) < len(call.items) else ""
        self.remarks.add(call.line, f"{self.part.origin}: {plain(call.name)}({written}{more}) was left out", remedy)


#: Does with an option what is to be done.
Treatment = Callable[[Draft, Call], None]


@attrs.frozen
class Option:
    """
    One option that is translated, or needs no translation.

    :ivar name: syslog-ng's.
    :ivar ours: the key that it becomes; empty where it needs none.
    :ivar example: how it is written.
    :ivar note: for the documentation.
    :ivar vital: whether the part is not made if the value can't be read: it would be another one.
    """

    name: str
    ours: str
    example: str
    treat: Treatment
    note: str = ""
    vital: bool = False


def table(*options: Option) -> dict[str, Option]:
    """
    Options by their names.
    """
    return {option.name: option for option in options}


def apply(known: Mapping[str, Option], hints: Mapping[str, str], draft: Draft, calls: Sequence[Call]) -> None:
    """
    Treat all options of a driver.

    :param known: those that are translated.
    :param hints: what to do without some of the others.
    :raises Mistake: if a vital one can't be read.
    """
    for call in calls:
        option = known.get(call.name)
        if option is None:
            draft.leftOut(call, hints.get(call.name, "logrelay has nothing like it: see whether you need it"))
            continue
        draft.given[call.name] = call
        try:
            option.treat(draft, call)
        except Mistake as mistake:
            if option.vital:
                raise Mistake(f"{call.name}: {mistake.what}", mistake.remedy) from mistake
            draft.remarks.add(call.line, f"{draft.part.origin}: {call.name}: {mistake.what}", mistake.remedy)


def nothing(draft: Draft, call: Call) -> None:
    """
    The option needs nothing, or whoever makes the part will ask for it.
    """


def put(key: str, read: Callable[[Call], Value]) -> Treatment:
    """
    The option is a key of ours.
    """

    def treat(draft: Draft, call: Call) -> None:
        draft.part.put(key, read(call), call.line)

    return treat


def same(wanted: tuple[str, ...], remedy: str) -> Treatment:
    """
    With one of these values the option says what the relay does anyway.
    """

    def treat(draft: Draft, call: Call) -> None:
        if values.text(call).lower() not in wanted:
            draft.leftOut(call, remedy)

    return treat


def always(remedy: str) -> Treatment:
    """
    The relay does so anyway, and it can't be turned off.
    """
    return same(("yes", "on", "1"), remedy)


def never(remedy: str) -> Treatment:
    """
    The relay never does so.
    """
    return same(("no", "off", "0"), remedy)


def sized(key: str, low: int, high: int) -> Treatment:
    """
    The option is a number of bytes of ours, which has limits.
    """

    def treat(draft: Draft, call: Call) -> None:
        size = values.whole(call)
        allowed = min(max(size, low), high)
        draft.part.put(key, allowed, call.line)
        if allowed != size:
            limit = "least" if allowed > size else "most"
            what = f"{draft.part.origin}: {call.name}({size}) became {sizeText(allowed)}"
            draft.remarks.add(call.line, what, f"that is the {limit} that {key} can be")

    return treat


def flags(known: Mapping[str, Treatment | None], remedy: str) -> Treatment:
    """
    ``flags(...)``.

    :param known: those that need nothing are ``None``.
    """

    def treat(draft: Draft, call: Call) -> None:
        for word in values.texts(call) if call.items else ():
            name = word.replace("_", "-").lower()
            if name not in known:
                draft.remarks.add(call.line, f"{draft.part.origin}: flags({plain(word)}) was left out", remedy)
            elif (found := known[name]) is not None:
                found(draft, call)

    return treat
