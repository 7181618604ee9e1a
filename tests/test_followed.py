"""
Whatever happens to a log, and whenever the relay ends and begins again: what is in its files arrives.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from .followed import Following, Logs

EXAMPLES = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))

#: Longer than what was cut is looked for.
SOON = 10

#: Longer than anything takes that the source does by itself: a minute until it lets go of a rotated file.
ALL = 150

#: Of sources that follow the log; there is one at a time.
NAMES = st.sampled_from(["one", "other"])


class Rotations(RuleBasedStateMachine):
    """
    A writer, a rotator, and a relay that may be held, end and die.

    :cvar pattern: what the source follows.
    """

    pattern: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="logrelay-"))
        (self.folder / "logs").mkdir()
        self.following = Following(self.folder / "state", str(self.folder / "logs" / self.pattern))
        self.following.route.secures = False
        self.logs = Logs(self.folder / "logs", self.following.now)
        self.copying = False
        self.cut = 0.0
        self.repeatable: set[bytes] = set()
        self.following.start()
        # A log is known when it was seen in its place, and its position was saved.
        self.logs.open()
        self.pass_(2.5)

    def pass_(self, seconds: float) -> None:
        """
        Let time pass for everybody.
        """
        self.following.spend(seconds)

    @rule(count=st.integers(1, 5), size=st.sampled_from([13, 30, 700]))
    def write(self, count: int, size: int) -> None:
        """
        Some lines.
        """
        self.logs.write(count, size)
        self.pass_(0.1)

    @precondition(lambda self: not self.copying)
    @rule(create=st.booleans(), reopens=st.booleans())
    def rename(self, create: bool, reopens: bool) -> None:
        """
        Rotation by rename; the writer may be told late.
        """
        self.logs.rename(create)
        if reopens:
            self.logs.open()
        self.pass_(0.1)

    @rule()
    def reopen(self) -> None:
        """
        The writer opens what is in place now.
        """
        self.logs.open()

    @precondition(lambda self: self.logs.live.exists() and not self.copying)
    @rule(part=st.integers(0, 100), slow=st.booleans())
    def copy(self, part: int, slow: bool) -> None:
        """
        The beginning of copytruncate, of which the relay may see a part.
        """
        self.copying = True
        self.pass_(1)
        if slow:
            self.logs.copy(self.logs.live.stat().st_size * part // 100)
            self.pass_(2)
            self.logs.copyRest()
        else:
            self.logs.copy()

    @precondition(lambda self: self.copying)
    @rule()
    def truncate(self) -> None:
        """
        Its end.
        """
        self.copying = False
        self.cut = self.following.now()
        self.logs.truncate()
        self.pass_(0.1)

    @rule(seconds=st.sampled_from([0.1, 0.5, 2, 5, 70]))
    def wait(self, seconds: float) -> None:
        """
        Nothing happens.
        """
        self.pass_(seconds)

    @precondition(lambda self: self.following.running)
    @rule()
    def hold(self) -> None:
        """
        A destination is full.
        """
        self.following.throttle.hold("central")

    @precondition(lambda self: self.following.running)
    @rule()
    def release(self) -> None:
        """
        It has room.
        """
        self.following.throttle.release("central")

    @precondition(lambda self: self.following.running)
    @rule(count=st.integers(1, 10))
    def secure(self, count: int) -> None:
        """
        A destination has settled something.
        """
        self.following.secure(count)

    @precondition(lambda self: self.following.running)
    @rule(kill=st.booleans())
    def end(self, kill: bool) -> None:
        """
        The relay ends, and what was not secured by then, or not saved, may be repeated; also where it has not looked
        since a log was cut: its bookmark does not tell of a short copy that it has less than was read.
        """
        if kill or self.copying or self.following.now() < self.cut + 2:
            self.repeatable |= set(self.following.messages)
        if kill:
            self.following.kill()
        else:
            self.following.secure()
            self.following.stop()

    @precondition(lambda self: self.following.running and not self.copying)
    @rule(name=NAMES)
    def exchange(self, name: str) -> None:
        """
        Another source takes the place of the one that there is; nothing is repeated but as in :meth:`end`.
        """
        if self.following.now() < self.cut + 2:
            self.repeatable |= set(self.following.messages)
        self.following.settings = attrs.evolve(self.following.settings, name=name)
        self.following.exchange()

    # A copy of what the relay has never seen in its place is no copy to it.
    @precondition(lambda self: not self.following.running and not self.copying)
    @rule(name=NAMES)
    def begin(self, name: str) -> None:
        """
        The relay begins again, perhaps with another source.
        """
        self.following.settings = attrs.evolve(self.following.settings, name=name)
        self.following.start()

    def teardown(self) -> None:
        """
        In the end everything that is in a file has arrived, and soon; and nothing twice without a reason.
        """
        try:
            self.finish()
            missing = set(self.logs.contents) - set(self.following.messages)
            assert not missing, ("missing", missing)
            self.settle(ALL)
            arrived = Counter(self.following.messages)
            assert set(arrived) <= set(self.logs.written), set(arrived) - set(self.logs.written)
            twice = {line for line, count in arrived.items() if count > 1} - self.repeatable
            assert not twice, ("twice", twice)
            self.following.stop()
            assert not self.following.reactor.getDelayedCalls()
            # A new beginning has nothing to do.
            self.following.start()
            self.settle(SOON)
            self.following.stop()
            assert Counter(self.following.messages) == arrived, Counter(self.following.messages) - arrived
        finally:
            if self.following.running:
                self.following.kill()
            self.logs.close()
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        """
        End what has begun, and let the relay go on.
        """
        if self.copying:
            self.logs.truncate()
        if not self.following.running:
            self.following.start()
        self.following.throttle.release("central")
        self.settle(SOON)

    def settle(self, seconds: int) -> None:
        """
        Let time pass, and everything settle.
        """
        for _ in range(10):
            self.following.secure()
            self.pass_(seconds / 10)
        self.following.secure()


class RotationsTests(SynchronousTestCase):
    """
    The machine, run.
    """

    def run_(self, of: str) -> None:
        """
        Run it with a pattern.
        """

        class Machine(Rotations):
            pattern = of

        run_state_machine_as_test(Machine, settings=EXAMPLES)

    def test_live(self) -> None:
        """
        Where a source follows the log alone.
        """
        self.run_("app.log")

    def test_all(self) -> None:
        """
        Where its pattern names the rotated ones, too.
        """
        self.run_("app.log*")
