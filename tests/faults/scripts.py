"""
What is done in each row of the table: scripts, played on a :class:`tests.faults.scene.Scene`.

Each begins a stream, hurts the server in use, and waits until the next one has messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..ownserver import MUCH, OwnServer
from .scene import Scene

Script = Callable[[Scene], None]

#: How long everything is down, where everything is, in seconds.
OUTAGE = 60

#: How long a server that has just come into use is left alone, in seconds.
_HOLD = 0.3

#: Where probes are further apart than this, in seconds, a stream must be slower to last for several of them.
_SOON = 10

#: So long after the last probe a probe is surely under way, in seconds: each takes one second.
_INTO_PROBE = 0.3


def killed(scene: Scene) -> None:
    """
    The primary is killed.
    """
    scene.flow()
    scene.midway()
    scene.strike(scene.servers[0].kill)
    scene.reaches(1)


def ended(scene: Scene) -> None:
    """
    The primary is asked to end.
    """
    scene.flow()
    scene.midway()
    scene.strike(scene.servers[0].stop)
    scene.reaches(1)


def atFullLoad(script: Script) -> Script:
    """
    The same, with four times as many messages, and these as fast as the relay takes them.
    """

    def play(scene: Scene) -> None:
        scene.count, scene.rate = 4 * scene.count, 0
        script(scene)

    return play


def killedWhenPaused(scene: Scene) -> None:
    """
    The primary reads 30 MB as fast as they come, then nothing more, and is killed with what its kernel has taken.
    """
    much = MUCH // 200
    scene.stream.flow(much + much // 3, 0)
    scene.until(lambda: scene.arrivals.sizes[0] > MUCH * 3 // 4, "much read")
    scene.stream.wait()
    scene.flow()
    time.sleep(0.5)
    scene.strike(scene.servers[0].kill)
    scene.reaches(1)


def vanished(scene: Scene) -> None:
    """
    The primary's host becomes a black hole, with data under way.
    """
    scene.flow()
    scene.midway()
    scene.strike(lambda: scene.blackHole(0))
    scene.reaches(1)


def vanishedIdle(scene: Scene) -> None:
    """
    The primary's host becomes a black hole when nothing is under way; then there is a message, in each trial a little
    later.
    """
    scene.stream.send(scene.count // 10)
    scene.quiet()
    scene.strike(lambda: scene.blackHole(0))
    time.sleep(scene.setting.number % 10 * 0.15)
    scene.stream.send(1)
    scene.reaches(1)
    scene.flow()


def hung(scene: Scene) -> None:
    """
    The primary is stopped in its tracks; when all is over, it goes on.
    """
    scene.flow()
    scene.midway()
    scene.strike(lambda: scene.pause(0))
    scene.reaches(1)
    scene.delivered()
    scene.resume(0)


def fromTheStart(scene: Scene) -> None:
    """
    The primary was never well.
    """
    scene.strike(scene.flow)
    scene.reaches(1)


def shutDoor(scene: Scene) -> None:
    """
    The primary closes its connections, and from then on every new one at once.
    """
    scene.flow()
    scene.midway()
    scene.strike(_own(scene, 0).shut)
    scene.reaches(1)


def allShut(scene: Scene) -> None:
    """
    Every server closes each connection at once; after a long time one is well.
    """
    scene.flow()
    time.sleep(OUTAGE)
    _noteWait(scene)
    scene.strike(_own(scene, 1).recover)
    scene.reaches(1)


def allDown(scene: Scene) -> None:
    """
    Every server is killed; after a long time the third is there again, alone.
    """
    scene.flow()
    scene.midway()
    for server in scene.servers:
        server.kill()
    time.sleep(OUTAGE)
    scene.servers[2].start()
    _noteWait(scene)
    scene.strike(lambda: None)
    scene.reaches(2)


def restarted(scene: Scene) -> None:
    """
    Three servers are restarted one after the other, three rounds: each when the relay knows that it is well.
    """
    scene.count *= 100
    scene.flow()
    for turn in range(9):
        place = turn % 3
        time.sleep(_HOLD)
        scene.until(lambda: scene.relay.ask()["proved"], "a proved connection")
        scene.strike(scene.servers[place].stop)
        scene.reaches((place + 1) % 3)
        scene.servers[place].start()
    scene.stream.stop()


def poisoned(scene: Scene) -> None:
    """
    One message makes every server close.
    """
    scene.stream.poisonous = scene.count // 2
    scene.flow()
    scene.until(lambda: scene.deadLetters, "a dead letter")


def vanishedFailover(scene: Scene) -> None:
    """
    The primary is killed, and then the failover's host becomes a black hole.
    """
    scene.flow()
    scene.midway()
    scene.servers[0].kill()
    scene.until(lambda: scene.arrivals.sizes[1], "messages at the failover")
    time.sleep(_HOLD)
    scene.strike(lambda: scene.blackHole(1))
    scene.reaches(2)


def vanishedInProbe(scene: Scene) -> None:
    """
    The primary's host becomes a black hole during the second of three probes; what counts is for how long the
    failover's stream paused at most while probes hung.
    """
    _probed(scene, 1)
    scene.until(lambda: scene.relay.events("ProbeFailed", scene.began), "a failed probe")
    scene.stream.stop()
    scene.seconds.append(scene.arrivals.gap(1, scene.began, time.monotonic()))


def vanishedInLastProbe(scene: Scene) -> None:
    """
    The primary's host becomes a black hole during the third of three probes, so that the stream moves to it; what
    counts is how long the failover had to wait for it to come back.
    """
    _probed(scene, 2)
    # To the primary, and back.
    scene.until(lambda: scene.relay.events("Switched", scene.began)[1:], "two switches")
    time.sleep(_HOLD)
    scene.seconds.append(scene.arrivals.gap(1, scene.began, time.monotonic()))
    scene.stream.stop()


def _probed(scene: Scene, good: int) -> None:
    """
    The failover is in use, the primary is back, and vanishes in the probe after some good ones.
    """
    scene.count *= 10
    if scene.limits.probe > _SOON:
        scene.rate //= 10
    scene.flow()
    scene.until(lambda: scene.arrivals.sizes[1], "messages at the failover")
    scene.servers[0].start()
    scene.until(lambda: scene.relay.events("ProbeSucceeded")[good - 1 :], f"{good} good probes")
    # The next one begins an interval after this one began, and this one has taken a second.
    time.sleep(max(0.0, scene.limits.probe - 1) + _INTO_PROBE)
    scene.strike(lambda: scene.blackHole(0))


def _noteWait(scene: Scene) -> None:
    """
    Note how long the relay is going to wait now.
    """
    state = scene.relay.ask()
    if state["state"] == "waiting":
        scene.notes.append(f"{state['since'] - state['at']:.1f} s of a wait were left")


def _own(scene: Scene, place: int) -> OwnServer:
    """
    A server that is ours.
    """
    server = scene.servers[place]
    assert isinstance(server, OwnServer)
    return server
