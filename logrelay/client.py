"""
The client factory that keeps one connection to one of several servers.

It carries out what :mod:`logrelay.rotation` decides: it owns the attempts and their timers, and builds a protocol on
each connection.  It knows nothing of log messages, and rotates whatever endpoints it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ParamSpec

from twisted.internet.defer import Deferred
from twisted.internet.error import NotConnectingError
from twisted.internet.interfaces import IConnector, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from .connector import EndpointConnector
from .failback import Failback
from .failover import (
    CHECKPOINT,
    FAILBACK,
    FINISHED,
    OPERATOR,
    RELOAD,
    Connected,
    Connecting,
    FailoverObserver,
    Idle,
    IGreeting,
    Policy,
    Returning,
    State,
    Waiting,
)
from .link import UNANSWERED, Ending, Link
from .probe import Prober
from .reasons import reasonOf, textOf
from .reconnecting import ReconnectingFactory
from .rotation import Rotation, When
from .servers import Places

_log = Logger(namespace="logrelay.client")

_P = ParamSpec("_P")

__all__ = ["FailoverClientFactory", "FailoverObserver", "Policy"]


class FailoverClientFactory(ReconnectingFactory):
    """
    Keeps a connection to the first of several endpoints that works.

    :ivar state: what it is doing now.
    :ivar rotation: which server is meant; ``rotation.current`` is its place in the list.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        endpoints: Sequence[IStreamClientEndpoint],
        protocolFactory: IProtocolFactory,
        policy: Policy | None = None,
        observer: FailoverObserver | None = None,
    ) -> None:
        """
        :param endpoints: the servers, the primary first.
        :param protocolFactory: builds a protocol for each connection.
        :raises ValueError: if there are no endpoints.
        """
        if not endpoints:
            raise ValueError("a list of servers needs at least one")
        self.policy = policy = policy or Policy()
        super().__init__(reactor, protocolFactory, policy.timeReopen)
        self.endpoints = tuple(endpoints)
        self.observer = observer or FailoverObserver()
        self.rotation = Rotation(len(endpoints), policy.failback)
        self.state: State = Idle(reactor.seconds())
        self._connector = EndpointConnector(self, self.newLink)
        self._failback = self._newFailback()
        self._stopped: list[Deferred[None]] = []
        self._held: Deferred[None] | None = None
        self._heldFor = RELOAD
        self._lastEnd = "start"

    @property
    def proves(self) -> bool:
        """
        Whether the server in use has shown that it delivers: on the connection in use, or by the checkpoint before it.
        """
        linked = isinstance(self.state, Connected) and (self.state.link.proved or self._lastEnd == CHECKPOINT)
        return linked or self.reconnects

    @property
    def inUse(self) -> bool:
        """
        Whether a server is in use: connected, or just being connected to again after a checkpoint.
        """
        return self.reconnects or isinstance(self.state, Connected | Returning)

    @property
    def reconnects(self) -> bool:
        """
        Whether the server has just confirmed a checkpoint, and is connected to again.
        """
        return isinstance(self.state, Connecting) and self._lastEnd == CHECKPOINT

    # For the owner.

    def start(self) -> None:
        """
        Connect to the primary, and go on from there.

        :raises RuntimeError: if it has been started and has not stopped since.
        """
        if not isinstance(self.state, Idle):
            raise RuntimeError("this factory is at work; wait until stop() has fired before you start it again")
        self.continueTrying = 1
        self.rotation = Rotation(len(self.endpoints), self.policy.failback)
        self._failback = self._newFailback()
        self.resetDelay()
        self._lastEnd = "start"
        self._connector.connect()

    def stop(self) -> Deferred[None]:
        """
        End the connection gracefully and make no other.

        :return: fires when nothing is left; after ``drainTimeout`` at the latest.
        """
        done: Deferred[None] = Deferred()
        self._stopped.append(done)
        self.stopTrying()
        match self.state:
            case Connected(link) | Returning(link):
                link.finish(FINISHED, self.policy.drainTimeout)
            case Idle():
                self._idle()
        return done

    def stopTrying(self) -> None:
        """
        Make no other connection.  One that is in use stays so until it ends.
        """
        super().stopTrying()
        self._failback.stop()
        match self.state:
            case Waiting():
                self._idle()
            case Returning(_, primary):
                primary.abort(FINISHED, "not needed any more")

    def newLink(self) -> Link:
        """
        A link for an attempt or a probe.
        """
        return Link(self.clock, self.policy.keepalive)

    def _idle(self) -> None:
        """
        Nothing is left to do.
        """
        self.state = Idle(self.clock.seconds())
        stopped, self._stopped = self._stopped, []
        for done in stopped:
            done.callback(None)
        self._letGo()

    # For a reload.

    def hold(self, why: str = RELOAD) -> Deferred[None]:
        """
        End the connection or the attempt that is under way, and make no other before :meth:`resume`.

        :param why: the reason to give for it.
        :return: fires when nothing is under way; after ``drainTimeout`` at the latest.
        :raises RuntimeError: if it is held already.
        """
        if self._held is not None:
            raise RuntimeError("this factory is held already")
        self._held = held = Deferred[None]()
        self._heldFor = why
        self._failback.stop()
        match self.state:
            case Connected(link):
                link.finish(why, self.policy.drainTimeout)
            case Returning(link, primary):
                primary.abort(why, "not needed any more")
                link.finish(why, self.policy.drainTimeout)
            case Connecting():
                # One that has just failed will say so by itself.
                with suppress(NotConnectingError):
                    self._connector.stopConnecting()
            case Waiting():
                self._rest()
            case Idle():
                self._letGo()
        return held

    def _rest(self) -> None:
        """
        Nothing is under way any more.  Said on a later turn: this call may come out of a connection's end.
        """
        self.state = Waiting(self.clock.seconds())
        self._callIn(0, self._letGo)

    def _letGo(self) -> None:
        """
        Tell who has held us, if anybody has.
        """
        held, self._held = self._held, None
        if held is not None:
            held.callback(None)

    def resume(self, link: Link | None = None) -> None:
        """
        After :meth:`hold` has fired: go on, with the server whose turn it is.

        :param link: a connection to it that stands already.
        """
        if not isinstance(self.state, Waiting):
            if link is not None:
                link.abort(FINISHED, "not needed any more")
            return
        if self._heldFor == OPERATOR:
            self._lastEnd = OPERATOR
        if link is not None and link.whyGone is None:
            self._connector.adopt(link)
        else:
            self._connectIn(0)

    # For an operator.

    def proberOf(self, server: int, verify: bool = False) -> Prober:
        """
        What makes probes of a server.

        :param server: by its place in the list.
        :param verify: whether a probe wants the server's own end besides.
        """
        greeting = IGreeting(self.protocolFactory, None)
        greet = None if greeting is None else greeting.greet
        return Prober(self.clock, self.endpoints[server], self.newLink, verify, self.policy.drainTimeout, greet)

    def scheduleProbes(self) -> None:
        """
        Probe the primary when the rotation now says so, which has been told something new.
        """
        self._failback.stop()
        if isinstance(self.state, Connected):
            self._scheduleProbe()

    def reconfigure(
        self,
        endpoints: Sequence[IStreamClientEndpoint],
        policy: Policy,
        places: Places,
        protocolFactory: IProtocolFactory,
    ) -> None:
        """
        Take on other servers, or another policy.  If a connection is in use, or an attempt under way, its server must
        be among them; else :meth:`hold` comes first, and :meth:`resume` after this.

        :param endpoints: the same objects for what is unchanged.
        :param places: where each server of the old list is in the new one.
        """
        before, self.endpoints = self.endpoints, tuple(endpoints)
        was, self.policy = self.policy, policy
        self.protocolFactory = protocolFactory
        now = self.clock.seconds()
        if before != self.endpoints:
            self.rotation.remap(places, len(self.endpoints), now)
        self.rotation.failback = policy.failback
        self.backoff.longest = self.maxDelay = policy.timeReopen
        probesAlike = (was.failback, was.drainTimeout) == (policy.failback, policy.drainTimeout)
        if not probesAlike or before[0] is not self.endpoints[0]:
            self._failback.stop()
            self._failback = self._newFailback()
        match self.state:
            case Connected(link):
                link.keepAlive(policy.keepalive)
                self._scheduleProbe()
            case Returning(_, primary):
                primary.keepAlive(policy.keepalive)
            case Waiting(until) if self._callID is not None:
                # A list that is new, or a shorter wait, is tried without the wait that was for the old one.
                wait = 0 if before != self.endpoints else min(policy.timeReopen, until - now)
                self._connectIn(max(0, wait))

    def _tell(self, event: Callable[_P, None], *arguments: _P.args, **keywords: _P.kwargs) -> None:
        """
        Tell the observer.
        """
        try:
            event(*arguments, **keywords)
        except Exception:
            _log.failure("the observer failed")

    # ClientFactory, as the connector calls it.

    def startedConnecting(self, connector: IConnector) -> None:
        """
        An attempt begins.
        """
        self.connector = connector
        self.state = Connecting(self.clock.seconds())
        self._tell(self.observer.attempted, self.rotation.current)

    def nextEndpoint(self) -> IStreamClientEndpoint:
        """
        The endpoint whose turn it is.
        """
        return self.endpoints[self.rotation.current]

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        An attempt came to nothing.
        """
        if not self.continueTrying:
            self._idle()
        elif self._held is not None:
            self._rest()
        else:
            self._attemptFailed(reasonOf(reason), textOf(reason))

    def _attemptFailed(self, reason: str, text: str) -> None:
        """
        Go on with the next server.
        """
        if self._lastEnd == CHECKPOINT:
            self._lastEnd = reason
        self._tell(self.observer.attemptFailed, self.rotation.current, reason, text)
        self._goOn(self.rotation.attemptFailed(self.clock.seconds(), reason))

    def linkMade(self, link: Link) -> None:
        """
        A connection stands: use it.
        """
        if not self.continueTrying:
            link.abort(FINISHED, "not needed any more")
            return
        now = self.clock.seconds()
        self.rotation.connected(now)
        self.state = Connected(link, now)
        link.onProved = self._proved
        if link.proved:
            self._proved(link)
        try:
            link.attach(self)
        except Exception:
            _log.failure("a connection could not be used")
            link.abort("protocol", "our own protocol failed on the new connection")
            return
        self._tell(self.observer.connected, self.rotation.current, link, self._lastEnd)
        self._scheduleProbe()

    def _proved(self, link: Link) -> None:
        """
        The connection delivers: what went before is forgotten.
        """
        self.rotation.proved()
        self.resetDelay()

    def clientConnectionLost(self, connector: IConnector, unused_reason: Failure) -> None:
        """
        The connection that was in use is gone.
        """
        link = self._connector.link
        assert link is not None and link.ending is not None
        ending = link.ending
        if not self.continueTrying:
            self._idle()
        elif self._held is not None:
            self._lastEnd = self._heldFor
            if link.proved and ending.reason not in (self._heldFor, UNANSWERED):
                self._tell(self.observer.lost, self.rotation.current, link)
            self._rest()
        elif isinstance(self.state, Returning):
            self._lastEnd = FAILBACK
            self._return(self.state.primary)
        elif link.finishing == CHECKPOINT and (ending.clean or ending.reason == UNANSWERED):
            # The server is not left: a probe of the primary goes on.
            self._lastEnd = CHECKPOINT
            self._connectIn(0)
        else:
            self._lastEnd = ending.reason
            self._goOnAfter(link, ending)

    def _goOnAfter(self, link: Link, ending: Ending) -> None:
        """
        The server in use went away; how it did decides where to go on.
        """
        if link.proved:
            self._tell(self.observer.lost, self.rotation.current, link)
            self._goOn(self.rotation.connectionLost(ending.reason, self.clock.seconds()))
        else:
            self._attemptFailed(ending.reason, ending.text)

    # Going on.

    def _goOn(self, when: When) -> None:
        """
        Make the next attempt, when the rotation says.
        """
        self._failback.stop()
        if when is When.AFTER_ROUND:
            self.delay = self.backoff.wait()
            self.state = Waiting(self.clock.seconds() + self.delay)
            self._tell(self.observer.roundFailed, self.rotation.current, self.delay)
            self.retry(self._connector)
            if self._callID is None:
                self._idle()
        else:
            self._connectIn(self.policy.failoverDelay if when is When.AFTER_DELAY else 0)

    def _connectIn(self, delay: float) -> None:
        """
        Make the next attempt within a round.  Never in this call, which may come out of a connection's end.
        """
        if not self.continueTrying:
            self._idle()
            return
        self.state = Waiting(self.clock.seconds() + delay)
        self._callIn(delay, self._connector.connect)

    # Failback.

    def _newFailback(self) -> Failback:
        """
        What finds the way back to the primary, for one run of this factory.
        """
        settings = self.policy.failback
        verify = settings is not None and settings.probe == "verify"
        return Failback(
            self.clock,
            self.rotation,
            self.proberOf(0, verify),
            lambda: self._tell(self.observer.probing),
            self._primaryGood,
            self._primaryBad,
        )

    def _scheduleProbe(self) -> None:
        """
        Probe the primary when it is time, unless somebody who was just told something has stopped us.
        """
        if self.continueTrying:
            self._failback.schedule()

    def _primaryBad(self, reason: str, text: str) -> None:
        """
        A probe was not good.
        """
        self._tell(self.observer.probeFailed, reason, text)
        self._scheduleProbe()

    def _primaryGood(self, primary: Link | None) -> None:
        """
        A probe was good; move to the primary if it was the last one required.
        """
        self._tell(self.observer.probed, self.rotation.goodProbes, self.rotation.required)
        state = self.state
        if primary is None:
            self._scheduleProbe()
        elif isinstance(state, Connected) and self.continueTrying:
            self.state = Returning(state.link, primary, self.clock.seconds())
            state.link.finish(FAILBACK, self.policy.drainTimeout)
        else:
            # The failover is being connected again after a checkpoint.  The next probe will be the last one.
            primary.abort(FAILBACK, "the failover's connection does not stand")
            self._scheduleProbe()

    def _return(self, primary: Link) -> None:
        """
        The failover's connection has ended; go on over the primary's, if that still stands.
        """
        if primary.whyGone is None:
            self.rotation.returned(self.clock.seconds())
            self._connector.adopt(primary)
        else:
            self.rotation.probeFailed()
            self._tell(self.observer.probeFailed, *primary.whyGone)
            self._connectIn(0)
