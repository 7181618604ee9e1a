"""
The faults, each as data: how the primary behaves, what is sent, and what happens to the primary in the middle of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import attrs

from tests.netns import Host
from tests.real import RealServer, SyslogNg, waitUntil

from .faultserver import FaultServer, received, size
from .feed import Feed
from .numbered import FRAME
from .relays import SERVER_PORT

#: How long anything may take to get ready for a fault, in seconds.
READY = 60.0

#: Bytes that the server reads fast before it pauses: its kernel has a large receive buffer for the connection by then.
FAST = 30_000_000

#: How many times as many messages, and as many a second, that trial sends.
LARGER = 5

#: For how long the kernels fill up before a server that has paused is killed, in seconds.
FILL = 1.0

#: Between the last message and the black hole, so that everything is acknowledged; and from there to one message more,
#: so that it comes after the keepalive's time of 3 s.
REST, IDLE = 2.0, 4.0


@attrs.frozen
class Load:
    """
    What is sent.

    :ivar messages: how many, in all.
    :ivar rate: how many a second.
    """

    messages: int
    rate: int


@attrs.frozen
class Scene:
    """
    What a fault happens to.
    """

    primary: RealServer
    host: Host
    feed: Feed
    load: Load


@attrs.frozen
class Fault:
    """
    One fault.

    :ivar name: for the command.
    :ivar title: for the table.
    :ivar strike: sends, makes it happen, and returns when it did, on the monotonic clock, without waiting for the end
        of what is sent.
    :ivar behaviour: of the primary, as :mod:`benchmarks.faultserver` knows it, made from the load.
    :ivar larger: how many times the load is sent.
    :ivar real: whether the primary is Debian's syslog-ng.
    :ivar total: how many messages are sent in all, made from the load.
    """

    name: str
    title: str
    strike: Callable[[Scene], float]
    behaviour: Callable[[Load], str] = lambda load: "well"
    larger: int = 1
    real: bool = False
    total: Callable[[Load], int] = lambda load: load.messages

    def primary(self, directory: Path, host: Host, load: Load) -> RealServer:
        """
        The server that it will happen to.
        """
        if self.real:
            return SyslogNg(directory, host=host.address, port=SERVER_PORT, prefix=host.prefix)
        behaviour = self.behaviour(load)
        return FaultServer(directory, host=host.address, port=SERVER_PORT, prefix=host.prefix, behaviour=behaviour)


def _middle(act: Callable[[Scene], None]) -> Callable[[Scene], float]:
    """
    In the middle of the stream.
    """

    def strike(scene: Scene) -> float:
        scene.feed.send(scene.load.messages, scene.load.rate)
        waitUntil(lambda: scene.feed.sent >= scene.load.messages // 2, "half of the messages sent", READY)
        began = time.monotonic()
        act(scene)
        return began

    return strike


def _killed(scene: Scene) -> None:
    scene.primary.kill()


def _stopped(scene: Scene) -> None:
    scene.primary.stop()


def _hung(scene: Scene) -> None:
    scene.primary.pause()


def _holed(scene: Scene) -> None:
    scene.host.blackHole()


def _closing(scene: Scene) -> None:
    assert isinstance(scene.primary, FaultServer)
    scene.primary.closeAll()


def _killedAfterPause(scene: Scene) -> float:
    """
    Killed when it has read much, and the kernels have filled up since.
    """
    scene.feed.send(scene.load.messages, scene.load.rate)
    waitUntil(lambda: size(scene.primary) >= FAST, f"{FAST} bytes read", READY)
    time.sleep(FILL)
    began = time.monotonic()
    scene.primary.kill()
    return began


def _fromTheStart(scene: Scene) -> float:
    """
    It is there before the relay starts; what counts is from the first message on.
    """
    scene.feed.send(scene.load.messages, scene.load.rate)
    return scene.feed.began


def _holedIdle(scene: Scene) -> float:
    """
    Half of the messages, silence, the black hole, and one message more.
    """
    count = scene.load.messages // 2
    scene.feed.send(count, scene.load.rate)
    waitUntil(lambda: scene.feed.done, "all sent", READY)
    # Not by size: a relay may write a message's time in its own way.
    waitUntil(lambda: received(scene.primary).distinct >= count, "all read", READY)
    time.sleep(REST)
    began = time.monotonic()
    scene.host.blackHole()
    time.sleep(IDLE)
    scene.feed.send(1, scene.load.rate)
    return began


FAULTS = (
    Fault("kill", "SIGKILL, all read", _middle(_killed)),
    Fault("kill-slow", "SIGKILL, slow reader", _middle(_killed), lambda load: f"slow:{load.rate * FRAME // 2}"),
    Fault(
        "kill-paused", "SIGKILL, 30 MB read fast, then none", _killedAfterPause, lambda load: f"pause:{FAST}", LARGER
    ),
    Fault("hang", "SIGSTOP (hung)", _middle(_hung)),
    Fault("deaf", "accepts, never reads", _fromTheStart, lambda load: "deaf"),
    Fault("hole", "black hole, busy", _middle(_holed)),
    Fault("hole-idle", "black hole, idle, then a message", _holedIdle, total=lambda load: load.messages // 2 + 1),
    Fault("close", "accepts and closes at once, for ever", _middle(_closing)),
    Fault("stop", "Debian's syslog-ng stopped (SIGTERM)", _middle(_stopped), real=True),
)
