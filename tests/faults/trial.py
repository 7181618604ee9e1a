"""
One trial of one row: played, and judged.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import attrs

from logrelay.batches import MAX_BATCH
from logrelay.config import MIB

from .account import Account
from .relay import Wire
from .rows import WINDOW, Row
from .scene import SHORT, Limits, Scene, Setting
from .stream import POISON, SIZE

#: What is kept to be sent again: between these, in bytes, whatever windows the servers advertise.
_LEAST, _MOST = MIB, 32 * MIB

#: A server's window may have been larger between two looks, but not by much.
_UNSEEN = 1.1

#: A message as it is sent: with its octet count before it.
_FRAME = SIZE + 4


@attrs.frozen
class Outcome:
    """
    What came of a trial.

    :ivar lost: messages that are nowhere and should be somewhere.
    :ivar late: messages that a stopped server wrote when it went on.
    :ivar resent: the most that one loss had sent again, and ``resentBound`` the most that it might; in messages.
    :ivar seconds: what was measured, once or several times.
    :ivar troubles: why the row does not hold, but for its seconds; for people.
    """

    lost: int = 0
    duplicates: int = 0
    late: int = 0
    resent: int = 0
    resentBound: int = 0
    seconds: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


@attrs.frozen
class Task:
    """
    One trial to be made.

    :ivar number: which of a row's trials it is.
    """

    row: Row
    transport: str
    limits: Limits = SHORT
    number: int = 0
    count: int = 60_000
    rate: int = 10_000

    @property
    def setting(self) -> Setting:
        """
        What the scene is given.
        """
        row = self.row
        return Setting(
            parts=row.parts,
            transport=self.transport,
            limits=self.limits,
            network=network(),
            options=row.options,
            failback=row.failback,
            count=self.count,
            rate=self.rate,
            number=self.number,
        )


def network() -> bool:
    """
    Whether trials can have networks of their own.
    """
    from ..netns import missing

    return missing() is None


def run(task: Task, keep: Path | None = None) -> Outcome:
    """
    Make a trial.

    :param keep: where the files of one that fails are left.
    :return: also of a trial that did not come to its end: then its troubles say why.
    """
    folder = Path(tempfile.mkdtemp(prefix="logrelay-fault-"))
    try:
        outcome = _played(task, folder)
        if outcome.troubles and keep is not None:
            shutil.copytree(folder, keep / folder.name, ignore=_sockets)
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sockets(folder: str, names: list[str]) -> list[str]:
    """
    What cannot be copied.
    """
    return [name for name in names if Path(folder, name).is_socket()]


def _played(task: Task, folder: Path) -> Outcome:
    """
    Play the script, and judge; keep the events of the relay where it does not come to its end.
    """
    scene: Scene | None = None
    try:
        scene = Scene(folder, task.setting)
        task.row.script(scene)
        scene.delivered()
        state, wire = scene.relay.finish(scene.patience)
        scene.quiet()
        return _judged(task, scene, state, wire)
    except Exception as error:
        told = [f"{each['at']:.3f} {each['text']}" for each in scene.relay.events()[-12:]] if scene is not None else []
        return Outcome(troubles=("\n    ".join([f"{type(error).__name__}: {error}", *told]),))
    finally:
        if scene is not None:
            scene.close()


def _judged(task: Task, scene: Scene, state: Any, wire: Wire) -> Outcome:
    """
    Hold what was seen against what must be.
    """
    account = Account.of(scene.stream.sent, *scene.received())
    poisonous = scene.stream.poisonous
    lost = set(account.lost) - {poisonous}
    losses = scene.relay.events("ConnectionEnded") + scene.relay.events("AttemptFailed")
    resent = max((each["resent"] for each in losses), default=0)
    bound = WINDOW if task.transport == "relp" else _resendable(wire)
    troubles = [f"{len(lost)} messages are lost, {min(lost)} to {max(lost)}"] if lost else []
    if resent > bound:
        seen = f"largest window {wire.window} bytes, at most {wire.out} unacknowledged"
        troubles.append(f"{resent} messages sent again, {bound} is the bound ({seen})")
    if task.transport == "relp" and account.duplicates > WINDOW * len(losses):
        troubles.append(f"{account.duplicates} duplicates, {WINDOW} is the window")
    if scene.relay.events("Undelivered"):
        troubles.append(f"at the end: {scene.relay.events('Undelivered')[-1]['text']}")
    if not task.row.poison and any(state["counters"]["dropped"].values()):
        troubles.append(f"dropped: {state['counters']['dropped']}")
    troubles += _setAside(scene) if task.row.poison else [f"set aside: {each}" for each in scene.deadLetters]
    troubles += _disorder(scene, account)
    return Outcome(
        len(lost),
        account.duplicates,
        account.late,
        resent,
        bound,
        tuple(scene.seconds),
        tuple(scene.notes),
        tuple(troubles),
    )


def _resendable(wire: Wire) -> int:
    """
    How many messages may be sent again after a loss: W and one batch, and what was written and not acknowledged.
    """
    kept = min(_MOST, max(_LEAST, int(2 * _UNSEEN * wire.window)))
    return (kept + MAX_BATCH + wire.out) // _FRAME + 1


def _setAside(scene: Scene) -> list[str]:
    """
    What is wrong with the dead letters, where there has to be one.
    """
    letters = scene.deadLetters
    if len(letters) != 1 or POISON.decode() not in letters[0]["message"]:
        return [f"the dead letters are not the poisonous message: {letters}"]
    return []


def _disorder(scene: Scene, account: Account) -> list[str]:
    """
    Where a server got messages in another order than they were sent: more stretches than it had connections.
    """
    poisonous = scene.stream.poisonous
    troubles = []
    for place, found in enumerate(account.stretches):
        connections = scene.connections(place)
        # The poisonous message is missing where it was.
        gaps = sum(last + 1 == poisonous for _, last in found)
        if len(found) - gaps > connections:
            troubles.append(f"server {place + 1}: {connections} connections, but {len(found)} stretches: {found[:10]}")
    return troubles
