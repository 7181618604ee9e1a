"""
What happens, as values: one event for each change of state, never one for each message.

The log, the demo and whatever else shows the relay's doings are observers of one :class:`EventLog`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import attrs


@attrs.frozen
class Event:
    """
    Something that happened.

    :cvar level: ``debug``, ``info``, ``warn`` or ``error``.
    :cvar text: a format string over the event's fields, and ``self``, for people.
    """

    level: ClassVar[str] = "info"
    text: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.text.format(self=self, **attrs.asdict(self, recurse=False))


def _more(repeated: int) -> str:
    """
    How often something happened before without being told.
    """
    return f" [{repeated} times more since last told]" if repeated else ""


@attrs.frozen
class Connected(Event):
    """
    A server stands, and is verified where TLS is used.
    """

    text = "{destination}: connected to {server}{identity}"
    destination: str
    server: str
    identity: str = ""


@attrs.frozen
class AttemptFailed(Event):
    """
    A server could not be used, or its connection ended before it was proved.  Told at most once a minute for each
    reason.

    :ivar resent: how many messages that leaves to be sent again.
    :ivar repeated: how often it happened before without being told.
    """

    level = "warn"
    text = "{destination}: {server} not usable ({reason}): {why}"
    destination: str
    server: str
    reason: str
    why: str
    resent: int = 0
    repeated: int = 0

    def __str__(self) -> str:
        again = f"; {self.resent} messages will be sent again" if self.resent else ""
        times = f" [{self.repeated} times more since last told]" if self.repeated else ""
        return f"{super().__str__()}{again}{times}"


@attrs.frozen
class ConnectionEnded(Event):
    """
    A proved connection is gone.
    """

    level = "warn"
    text = "{destination}: lost {server} ({reason}): {why}; {resent} messages will be sent again"
    destination: str
    server: str
    reason: str
    why: str
    resent: int


@attrs.frozen
class Switched(Event):
    """
    Another server is in use now.
    """

    text = "{destination}: switched from {before} to {after} ({reason})"
    level = "warn"
    destination: str
    before: str
    after: str
    reason: str


@attrs.frozen
class Chosen(Event):
    """
    An operator chose a server: it is kept until it fails, or until an operator ends that.
    """

    text = "{destination}: {server} was chosen by an operator, and stays in use until it fails"
    destination: str
    server: str


@attrs.frozen
class Released(Event):
    """
    An operator sent a destination back to its primary; no choice of a server holds any more.
    """

    text = "{destination}: sent back to the primary by an operator"
    destination: str


@attrs.frozen
class Drained(Event):
    """
    An operator took a server out of use.
    """

    level = "warn"
    text = "{destination}: {server} was drained by an operator, and is not used until it is undrained"
    destination: str
    server: str


@attrs.frozen
class Undrained(Event):
    """
    A server that an operator had drained may be used again.
    """

    text = "{destination}: {server} may be used again"
    destination: str
    server: str


@attrs.frozen
class RoundFailed(Event):
    """
    No server could be used; the next round begins after a wait.
    """

    level = "error"
    text = "{destination}: no server is usable; next attempt ({server}) in {wait:.1f} s"
    destination: str
    server: str
    wait: float


@attrs.frozen
class ProbeSucceeded(Event):
    """
    The primary answered a failback probe.
    """

    text = "{destination}: {server} answers ({good} of {required} probes)"
    destination: str
    server: str
    good: int
    required: int


@attrs.frozen
class ProbeFailed(Event):
    """
    The primary did not answer a failback probe as it should.
    """

    level = "debug"
    text = "{destination}: {server} is not back ({reason}): {why}"

    destination: str
    server: str
    reason: str
    why: str


@attrs.frozen
class CheckpointRefused(Event):
    """
    A server does not end its side of a connection, so it is not asked again.
    """

    level = "warn"
    text = "{destination}: {server} did not answer a checkpoint within {limit:g} s and gets no more of them"
    destination: str
    server: str
    limit: float


@attrs.frozen
class Dropped(Event):
    """
    Messages were given up.  Told at most once a minute for each reason.
    """

    level = "error"
    text = "{destination}: {count} messages of source {source} dropped ({reason})"
    destination: str
    source: str
    reason: str
    count: int


@attrs.frozen
class Searching(Event):
    """
    Connections are lost again and again with nothing settled, so the relay looks for a message that might cause it.
    """

    level = "warn"
    text = "{destination}: connections are lost again and again; looking for a message that may cause it"
    destination: str


@attrs.frozen
class SetAside(Event):
    """
    A message that no server takes was put into the dead-letter file.
    """

    level = "error"
    text = "{destination}: a message of source {source} was set aside in {path}: {why}"
    destination: str
    source: str
    path: str
    why: str


@attrs.frozen
class CannotSetAside(Event):
    """
    The dead-letter file cannot be written, so that the message goes on to hold up those behind it.
    """

    level = "error"
    text = "{destination}: cannot set a message aside in {path}: {why}; make it writable, or make room"
    destination: str
    path: str
    why: str


@attrs.frozen
class SourcePaused(Event):
    """
    A source is made to wait by full destinations.  Where that happens again and again, since servers are slower than
    sources, it is told at most once a minute, with how often it was repeated.
    """

    level = "warn"
    text = "source {source} waits for {destinations}{self.more}"
    source: str
    destinations: str
    repeated: int = 0

    @property
    def more(self) -> str:
        """
        How often it was repeated, for people.
        """
        return _more(self.repeated)


@attrs.frozen
class SourceResumed(Event):
    """
    A source is read again, of which it was told that it waits.
    """

    text = "source {source} is read again"
    source: str


@attrs.frozen
class SourceTrouble(Event):
    """
    Something is wrong with what a source gets, or with what it needs.  Told at most once a minute for each reason.

    :ivar reason: what it is, in a word.
    :ivar times: how often it happened since it was last told.
    """

    level = "warn"
    text = "source {source}: {why} [{reason}: {times} since last told]"
    source: str
    reason: str
    why: str
    times: int


@attrs.frozen
class PositionsTrouble(Event):
    """
    How far files have been relayed cannot be read, or saved.
    """

    level = "error"
    text = "{path} {why}"
    path: str
    why: str


@attrs.frozen
class SourceEnded(Event):
    """
    A source has come to its end, and is not read any more.
    """

    text = "source {source} has ended and is not read any more"
    source: str


@attrs.frozen
class Listening(Event):
    """
    A source takes messages in.
    """

    text = "source {source} listens on {address}"
    source: str
    address: str


@attrs.frozen
class Controllable(Event):
    """
    The control socket takes orders.
    """

    text = "takes orders at {path}"
    path: str


@attrs.frozen
class NoControl(Event):
    """
    There is no control socket: none was configured, and the usual one can't be had.
    """

    text = "takes no orders: no control socket at {path}: {why}"
    path: str
    why: str


@attrs.frozen
class CertificateWarning(Event):
    """
    Something about certificates needs an operator's attention.
    """

    level = "warn"
    text = "{destination}: {what}"
    destination: str
    what: str


@attrs.frozen
class CertificateExpires(Event):
    """
    A certificate is valid for 30, 7 or 1 days more, or not at all any more.  Told once for each of these and each
    certificate.

    :ivar destination: whose it is; ``sources`` for that of ``[source-tls]``.
    :ivar which: ``our certificate``, or that of which server.
    :ivar days: how many whole days are left; negative if it has expired.
    """

    level = "warn"
    text = "{destination}: {which} {self.when}; put another one in its place"
    destination: str
    which: str
    days: int

    @property
    def when(self) -> str:
        """
        When it expires, for people.
        """
        if self.days < 0:
            return "has expired"
        return "expires within a day" if self.days == 0 else f"expires in {self.days} day{'s' * (self.days > 1)}"


@attrs.frozen
class CommandRan(Event):
    """
    The command of ``on-switch`` has ended well.

    :ivar took: seconds.
    :ivar output: what it wrote, the end of it where that is long.
    """

    text = "on-switch: {command} ended after {took:.1f} s{self.said}"
    command: str
    took: float
    output: str = ""

    @property
    def said(self) -> str:
        """
        What it wrote, for people.
        """
        return f": {self.output}" if self.output else ""


@attrs.frozen
class CommandFailed(Event):
    """
    The command of ``on-switch`` could not be run, has failed, or took too long.

    :ivar output: what it wrote, the end of it where that is long.
    """

    level = "error"
    text = "on-switch: {command} failed: {why}{self.said}"
    command: str
    why: str
    output: str = ""

    @property
    def said(self) -> str:
        """
        What it wrote, for people.
        """
        return f": {self.output}" if self.output else ""


@attrs.frozen
class Undelivered(Event):
    """
    A destination stops and has messages left.

    :ivar unsent: how many no server was sent: they are lost.
    :ivar unconfirmed: how many were sent, and no server confirmed them in time: they may be lost.
    """

    level = "error"
    text = "{destination}: {unsent} messages were not delivered, and {unconfirmed} were sent but not confirmed"
    destination: str
    unsent: int
    unconfirmed: int


@attrs.frozen
class Reloading(Event):
    """
    Another configuration is about to be read and taken.
    """

    level = "debug"
    text = "reloading"


@attrs.frozen
class Reloaded(Event):
    """
    Another configuration is in use now.

    :ivar what: what is different.
    """

    text = "reloaded: {what}"
    what: str


@attrs.frozen
class ReloadFailed(Event):
    """
    A configuration was not taken, and nothing has changed.
    """

    level = "error"
    text = "not reloaded, the old configuration stays in use: {why}"
    why: str


@attrs.frozen
class Removed(Event):
    """
    A destination is not in the configuration any more, and has ended.

    :ivar spool: where what is left of it stays on disk; empty where it had no spool.
    """

    text = "{destination}: removed{self.rest}"
    destination: str
    spool: str = ""

    @property
    def rest(self) -> str:
        """
        What stays behind, for people.
        """
        return f"; its spool stays in {self.spool}" if self.spool else ""


@attrs.frozen
class SpoolDamaged(Event):
    """
    Something in a spool could not be read.

    :ivar path: the file, or the folder where files are missing.  A file is kept in the folder ``quarantine``.
    :ivar messages: how many messages are lost at most.
    """

    level = "error"
    text = (
        "{destination}: the spool is damaged: {path}: {why}; at most {messages} messages are lost, everything else is"
        " delivered"
    )
    destination: str
    path: str
    why: str
    messages: int


@attrs.frozen
class SpoolBroken(Event):
    """
    Nothing can be put on disk.  Told once until it can be again, and at most once a minute.
    """

    level = "error"
    text = (
        "{destination}: the spool {path} takes nothing: {why}; what is in it is delivered, new messages wait or are"
        " dropped by the overflow policy, and it is tried again each second"
    )
    destination: str
    path: str
    why: str


@attrs.frozen
class SpoolMended(Event):
    """
    Messages can be put on disk again.
    """

    text = "{destination}: the spool {path} takes messages again"
    destination: str
    path: str


@attrs.frozen
class Kept(Event):
    """
    The relay has stopped with messages in a spool: they are sent after the next start.
    """

    text = "{destination}: {messages} messages stay in the spool {path} until the next start"
    destination: str
    path: str
    messages: int


@attrs.frozen
class Stopped(Event):
    """
    A destination has stopped.
    """

    text = "{destination}: stopped"
    destination: str


#: What recurs is told at most once in so many seconds.
QUIET = 60.0


@attrs.define(eq=False)
class Digest:
    """
    Sums up what recurs, so that it is told at most once a minute.
    """

    _untold: Counter[Hashable] = attrs.field(factory=Counter)
    _toldAt: dict[Hashable, float] = attrs.field(factory=dict)

    def add(self, key: Hashable, count: int, now: float) -> int:
        """
        Something happened ``count`` times.

        :return: how often to tell that it happened; 0 for not now.
        """
        self._untold[key] += count
        if now - self._toldAt.get(key, -QUIET) < QUIET:
            return 0
        self._toldAt[key] = now
        return self._untold.pop(key)

    def forget(self, *keys: Hashable) -> None:
        """
        These things are news when they happen again.
        """
        for key in keys:
            self._untold.pop(key, None)
            self._toldAt.pop(key, None)

    def rest(self, now: float) -> dict[Any, int]:
        """
        What happened and was not told, to be told now.
        """
        rest, self._untold = dict(self._untold), Counter()
        self._toldAt.update(dict.fromkeys(rest, now))
        return rest


Observer = Callable[[Event], None]


def _silent() -> None:
    """
    What is done about a failing observer where nobody cares.
    """


@attrs.define(eq=False)
class EventLog:
    """
    Where events are told, and who listens.

    :ivar failed: called, with the exception being handled, when an observer raises.  What happens in the relay does not
        depend on who listens.
    """

    observers: list[Observer] = attrs.field(factory=list)
    failed: Callable[[], None] = _silent

    def tell(self, event: Event) -> None:
        """
        Tell every observer.
        """
        for observer in tuple(self.observers):
            try:
                observer(event)
            except Exception:
                self.failed()
