"""
The way back to the primary: when it is probed, and what becomes of the answers.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .link import Link
from .probe import LinkLost, Prober
from .reasons import reasonOf, textOf
from .rotation import Rotation

_log = Logger(namespace="logrelay.failback")


class Failback:
    """
    Probes the primary while a failover is in use.  One probe at a time; the rotation says when, and counts.  Whoever is
    told how a probe went says whether there is to be another.
    """

    def __init__(
        self,
        clock: IReactorTime,
        rotation: Rotation,
        prober: Prober,
        onProbing: Callable[[], None],
        onGood: Callable[[Link | None], None],
        onFailed: Callable[[str, str], None],
    ) -> None:
        """
        :param onProbing: told when a probe begins.
        :param onGood: told of a good probe, with the connection if it was the last one required; that is to be taken
            over, or ended.
        :param onFailed: told why a probe was not good: reason and text.
        """
        self._clock = clock
        self._rotation = rotation
        self._prober = prober
        self._onProbing = onProbing
        self._onGood = onGood
        self._onFailed = onFailed
        self._call: IDelayedCall | None = None
        self._probe: Deferred[Link | None] | None = None

    def schedule(self) -> None:
        """
        Probe when it is time, if the rotation wants a probe at all.  While one is due or under way, nothing changes.
        """
        due = self._rotation.probeDue()
        if due is not None and self._probe is None and self._call is None:
            self._call = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._start)

    def stop(self) -> None:
        """
        Probe no more: the connection for whose sake it was done is gone.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._probe is not None:
            probe, self._probe = self._probe, None
            probe.cancel()

    def _start(self) -> None:
        """
        Make one probe.
        """
        self._call = None
        keep = self._rotation.probeStarted(self._clock.seconds())
        self._probe = probe = self._prober.probe(keep)
        self._onProbing()
        probe.addCallbacks(self._succeeded, self._failed)
        probe.addErrback(lambda reason: _log.failure("a failback probe went wrong", reason))

    def _succeeded(self, primary: Link | None) -> None:
        """
        Count it.
        """
        self._probe = None
        self._rotation.probeSucceeded()
        self._onGood(primary)

    def _failed(self, reason: Failure) -> None:
        """
        Counting starts over, unless we gave the probe up ourselves.
        """
        if self._probe is None:
            return
        self._probe = None
        self._rotation.probeFailed()
        if isinstance(reason.value, LinkLost):
            ending = reason.value.ending
            self._onFailed(ending.reason, ending.text)
        else:
            self._onFailed(reasonOf(reason), textOf(reason))
