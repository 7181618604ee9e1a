"""
The sources of a relay: bound all or none, and exchanged all or none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from errno import EADDRINUSE

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IAddress

from . import events
from .difference import sharesSocket
from .errors import LogRelayError
from .events import Observer
from .servers import Server
from .sources import CannotListen, ISource
from .sources.interface import IListener


class Listeners:
    """
    The sources, by their names.

    :ivar bound: whether they have their sockets.
    :ivar running: whether they are read.
    """

    def __init__(self, tell: Observer) -> None:
        """
        :param tell: told where sources listen, and which can't any more.
        """
        self.tell = tell
        self.sources: dict[str, ISource] = {}
        self.bound = self.running = False

    def bind(self) -> None:
        """
        Bind every source, once; all or none.

        :raises LogRelayError: naming the source that could not be bound.
        """
        if self.bound:
            return
        try:
            for source in self.sources.values():
                source.bind()
        except LogRelayError:
            for source in self.sources.values():
                source.stop()
            raise
        self.bound = True

    def start(self) -> None:
        """
        Read every source.
        """
        self.running = True
        for source in self.sources.values():
            self.startOne(source)

    def startOne(self, source: ISource) -> None:
        """
        Read one source.
        """
        source.start()
        for address in addressesOf(source):
            self.tell(events.Listening(source.settings.name, address))

    def stop(self) -> Deferred[None]:
        """
        Close every source.
        """
        self.bound = self.running = False
        return _all([source.stop() for source in self.sources.values()])

    def exchange(self, new: Mapping[str, ISource], old: list[str]) -> Exchange:
        """
        Prepare to have other sources instead of some.

        :param new: by their names; those that are to take the place of one bear its name.
        :param old: the names of those that are to go.
        """
        return Exchange(self, new, {name: self.sources[name] for name in old})


@attrs.define(eq=False)
class Exchange:
    """
    Other sources instead of some: first all new ones are bound, and then it is done, or undone.

    A new source takes over the socket of an old one at the same address, so that nobody who connects is refused.  Where
    both can't have their sockets at once the old one lets go of its own, and is bound again if that was for nothing.

    :ivar _heirs: the new sources that have the socket of an old one: new to old.
    :ivar _unbound: old sources that had to let go of their sockets.
    """

    _listeners: Listeners
    _new: Mapping[str, ISource]
    _old: Mapping[str, ISource]
    _heirs: list[tuple[IListener, IListener]] = attrs.field(factory=list)
    _unbound: list[IListener] = attrs.field(factory=list)

    def bind(self) -> None:
        """
        Bind the new sources; all or none.

        :raises LogRelayError: naming the one that could not be bound; the old ones are as they were then.
        """
        if not self._listeners.bound:
            return
        try:
            for source in self._new.values():
                self._bindOne(source)
        except LogRelayError:
            self.undo()
            raise

    def _bindOne(self, source: ISource) -> None:
        """
        Bind one, in one of three ways.
        """
        inherited = next((each for each in self._candidates() if sharesSocket(each.settings, source.settings)), None)
        if inherited is not None and IListener.providedBy(source):
            self._inherit(source, inherited)
            return
        try:
            source.bind()
        except CannotListen as error:
            rivals = [each for each in self._candidates() if _collide(each, source)]
            # Where it may not be bound at all, nobody has to let go.
            if not rivals or not _isTaken(error):
                raise
            for rival in rivals:
                rival.unbind()
                self._unbound.append(rival)
            source.bind()

    def _candidates(self) -> list[IListener]:
        """
        Old sources that still have their sockets for themselves.
        """
        taken = [old for _, old in self._heirs]
        listeners = [IListener(each, None) for each in self._old.values()]
        return [each for each in listeners if each is not None and _isReachable(each) and each not in taken]

    def _inherit(self, source: IListener, old: IListener) -> None:
        """
        Take over the socket of an old source.
        """
        assert old.bound is not None
        source.bind(old.bound.duplicate())
        self._heirs.append((source, old))
        try:
            old.bound.adjust(source.settings)
        except OSError as error:
            raise CannotListen(source.settings, error.strerror or str(error), "check the socket's path") from error

    def undo(self) -> None:
        """
        Let go of the new ones, and have the old ones as they were.
        """
        for _, old in self._heirs:
            # What could not be changed need not be changed back.
            with suppress(OSError):
                if old.bound is not None:
                    old.bound.adjust(old.settings)
        for source in self._new.values():
            source.stop()
        for rival in self._unbound:
            self._restore(rival)

    def _restore(self, source: IListener) -> None:
        """
        Bind an old source again.
        """
        try:
            source.bind()
        except LogRelayError as error:
            self._listeners.tell(events.SourceTrouble(source.settings.name, "not-bound-again", str(error), 1))
        else:
            if self._listeners.running:
                source.start()

    def finish(self) -> dict[str, Deferred[None]]:
        """
        Read the new ones, and close the old ones.

        :return: fires for each old source, by its name, when it has ended.
        """
        for source, old in self._heirs:
            if old.bound is not None and source.bound is not None:
                old.bound.bequeath(source.bound)
                # Who has just connected is the new one's.
                old.unbind()
        ends = {name: source.stop() for name, source in self._old.items()}
        for name in ends:
            del self._listeners.sources[name]
        for name, new in self._new.items():
            self._listeners.sources[name] = new
            if self._listeners.running:
                # What can't be read twice at a time begins when the old one has ended.
                before = succeed(None) if new.settings.listen else ends.get(name, succeed(None))
                before.addCallback(lambda _, new: self._begin(new), new)
        return ends

    def _begin(self, source: ISource) -> None:
        """
        Read a new source, unless the relay has stopped, or has another one, by now.
        """
        if self._listeners.running and self._listeners.sources.get(source.settings.name) is source:
            self._listeners.startOne(source)


def addressesOf(source: ISource) -> tuple[str, ...]:
    """
    Where a source listens, for people.
    """
    return tuple(map(_addressText, source.listening))


def _addressText(address: IAddress) -> str:
    """
    One address.
    """
    if isinstance(address, IPv4Address | IPv6Address):
        return str(Server(address.host, address.port))
    return os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else str(address)


def _isReachable(source: IListener) -> bool:
    """
    Whether a source has its socket, and anybody can reach that.
    """
    return source.bound is not None and source.bound.reachable


def _collide(one: ISource, other: ISource) -> bool:
    """
    Whether two sources can't have their sockets at once.
    """
    ours, theirs = one.settings.listen, other.settings.listen
    return ours is not None and theirs is not None and ours.collides(theirs)


def _isTaken(error: CannotListen) -> bool:
    """
    Whether the only thing in the way is that somebody listens there.
    """
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == EADDRINUSE


def _all(those: list[Deferred[None]]) -> Deferred[None]:
    """
    Fires when all of them have.
    """
    return gatherResults(those).addCallback(lambda _: None)
