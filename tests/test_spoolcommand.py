"""
Tests for :mod:`logrelay.spoolcommand`: a spool, looked at without the relay.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest import mock

import attrs
from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Batch, Framing
from logrelay.cli import main
from logrelay.spool import Spool

from .spools import Bench
from .stores import PAUSABLE

TOP = Path(__file__).resolve().parent.parent

#: Messages of each batch, as lines: what a batch of the other framing has in their place is the same.
MESSAGES = 10


@attrs.frozen
class Outcome:
    """
    What the command did.
    """

    status: object
    output: bytes
    errors: str


def run(*arguments: object, answer: str = "") -> Outcome:
    """
    Run ``logrelay spool`` in this process.

    :param answer: what it reads from standard input.
    """
    output, errors = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        mock.patch("sys.stdin", io.StringIO(answer)),
    ):
        try:
            status: object = main(["spool", *map(str, arguments)])
        except SystemExit as end:
            status = end.code
        output.flush()
    return Outcome(status, output.buffer.getvalue(), errors.getvalue())


def process(*arguments: object) -> list[str]:
    """
    The command that runs ``logrelay spool`` in a process of its own.
    """
    return [sys.executable, "-m", "logrelay", "spool", *map(str, arguments)]


def line(number: int) -> bytes:
    """
    A message.
    """
    return b"<13>message %06d " % number + b"x" * 100


def lines(first: int, end: int) -> bytes:
    """
    Messages from one number up to another, as lines.
    """
    return b"".join(line(number) + b"\n" for number in range(first, end))


def frames(first: int, end: int) -> bytes:
    """
    The same, with octet counting.
    """
    return b"".join(b"%d %b" % (len(line(number)), line(number)) for number in range(first, end))


class SpoolCase(SynchronousTestCase):
    """
    A spool of some batches, every second one counted.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.bench = Bench(self.path)

    def filled(self, batches: int) -> Spool:
        """
        An open spool that has so many batches.
        """
        spool = self.bench.spool()
        for first in range(0, batches * MESSAGES, MESSAGES):
            counted = first % (2 * MESSAGES)
            payload = (frames if counted else lines)(first, first + MESSAGES)
            framing = Framing.OCTET_COUNTING if counted else Framing.LF
            spool.append(Batch(payload, MESSAGES, framing, PAUSABLE))
            # Each in a bundle of its own.
            self.bench.worker.catchUp()
        return spool

    def settle(self, spool: Spool, batches: int) -> None:
        """
        So many batches settle, and the record says so.
        """
        for _ in range(batches):
            spool.next()
        spool.settle(batches)
        spool.tick()
        self.bench.worker.catchUp()

    def left(self, batches: int, settled: int = 0, gracefully: bool = False) -> None:
        """
        A spool that a relay has left, by being killed if not gracefully.
        """
        spool = self.filled(batches)
        self.settle(spool, settled)
        if gracefully:
            self.bench.close(spool)
            return
        killed = Path(self.mktemp())
        shutil.copytree(self.path, killed)
        self.bench.kill(spool)
        shutil.rmtree(self.path)
        killed.rename(self.path)

    def files(self) -> dict[str, bytes]:
        """
        All that is in the folder.
        """
        return {str(each): each.read_bytes() for each in self.path.rglob("*") if each.is_file()}

    def damage(self, position: int) -> Path:
        """
        Change a byte in the batch at a position.

        :return: the database.
        """
        (path,) = self.path.glob("*.sqlite3")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            (payload,) = connection.execute("SELECT payload FROM bundle WHERE position = ?", (position,)).fetchone()
            payload = payload[:20] + b"!" + payload[21:]
            connection.execute("UPDATE bundle SET payload = ? WHERE position = ?", (payload, position))
        return path


class ListTests(SpoolCase):
    """
    ``ls``.
    """

    def test_table(self) -> None:
        """
        Each database has a line, and the totals are told.
        """
        self.left(7, settled=3)
        outcome = run("ls", self.path)
        self.assertEqual((outcome.status, outcome.errors), (0, ""))
        owner, headings, row, totals = outcome.output.decode().splitlines()
        self.assertEqual(owner, f"{self.path}: no relay works on it")
        self.assertEqual(headings.split(), ["database", "batches", "messages", "settled", "positions", "MiB"])
        name = "batch-0000000000000000-message-0000000000000000.sqlite3"
        self.assertEqual(row.split(), [name, "7", "70", "30", "0-6", "0.1"])
        self.assertEqual(totals, "40 messages not settled, 30 settled and still there, 0.1 MiB")

    def test_json(self) -> None:
        """
        The same for programs.
        """
        self.left(7, settled=3)
        outcome = run("ls", "--json", self.path)
        content = json.loads(outcome.output)
        self.assertEqual(outcome.status, 0)
        self.assertEqual((content["messages"], content["unsettled"], content["settled"]), (70, 40, 30))
        self.assertEqual(content["databases"][0]["batches"], 7)
        self.assertIs(content["pid"], None)

    def test_damaged(self) -> None:
        """
        What cannot be read is found and told, and makes the status 1.
        """
        self.left(5)
        self.damage(2)
        outcome = run("ls", self.path)
        self.assertEqual(outcome.status, 1)
        self.assertIn(b"damaged: its content has changed; up to 10 messages cannot be read\n", outcome.output)

    def test_missing(self) -> None:
        """
        Files that are not there any more are told, as far as their messages had not settled.
        """
        self.left(5, settled=2)
        for file in self.path.glob("batch-*"):
            file.unlink()
        outcome = run("ls", self.path)
        self.assertEqual(outcome.status, 1)
        self.assertIn(b"files are missing, with up to 30 messages that have not settled\n", outcome.output)

    def test_quarantine(self) -> None:
        """
        What the relay has put aside is told, and is no news.
        """
        self.left(1)
        quarantine = self.path / "quarantine"
        quarantine.mkdir()
        (quarantine / "something").write_bytes(b"x" * (1 << 20))
        outcome = run("ls", self.path)
        self.assertEqual(outcome.status, 0)
        self.assertIn(b"quarantine: 1 file that could not be read, 1.0 MiB\n", outcome.output)

    def test_whileARelayWorks(self) -> None:
        """
        It works while a relay has the folder, and says which process that is.
        """
        spool = self.filled(4)
        self.settle(spool, 1)
        before = self.files()
        outcome = run("ls", self.path)
        self.assertEqual((outcome.status, outcome.errors), (0, ""))
        self.assertIn(f"pid {os.getpid()} works on it".encode(), outcome.output)
        self.assertIn(b"\n30 messages not settled, 10 settled and still there, ", outcome.output)
        self.assertEqual(self.files(), before)
        self.bench.close(spool)

    def test_empty(self) -> None:
        """
        A spool that has nothing is one.
        """
        self.left(3, settled=3, gracefully=True)
        outcome = run("ls", self.path)
        self.assertEqual((outcome.status, outcome.errors), (0, ""))
        self.assertEqual(outcome.output.count(b"\n"), 2)


class CatTests(SpoolCase):
    """
    ``cat``.
    """

    def test_unsettled(self) -> None:
        """
        What has not settled is written, a line each, and nothing in the folder changes, with and without a log there.
        """
        for gracefully in (False, True):
            self.left(7, settled=3, gracefully=gracefully)
            before = self.files()
            self.assertEqual(any(name.endswith("-wal") for name in before), not gracefully)
            self.assertEqual(run("cat", self.path), Outcome(0, lines(30, 70), ""))
            self.assertEqual(self.files(), before)
            run("drop", "--yes", self.path)
            self.path = Path(self.mktemp()).absolute()
            self.bench = Bench(self.path)

    def test_all(self) -> None:
        """
        With ``--all`` also what has settled is.
        """
        self.left(7, settled=3)
        self.assertEqual(run("cat", "--all", self.path), Outcome(0, lines(0, 70), ""))

    def test_lineFeeds(self) -> None:
        """
        What would break a line in two is a space.
        """
        spool = self.bench.spool()
        spool.append(Batch(b"9 a\nb\r\nc\0d", 1, Framing.OCTET_COUNTING, PAUSABLE))
        self.bench.worker.catchUp()
        self.bench.kill(spool)
        self.assertEqual(run("cat", self.path).output, b"a b  c d\n")

    def test_damaged(self) -> None:
        """
        What is damaged is skipped, and told with its number.
        """
        self.left(5)
        path = self.damage(2)
        outcome = run("cat", self.path)
        self.assertEqual((outcome.status, outcome.output), (1, lines(0, 20) + lines(30, 50)))
        self.assertEqual(
            outcome.errors, f"logrelay: {path}: its content has changed; up to 10 messages cannot be read\n"
        )

    def test_unreadable(self) -> None:
        """
        A file that is no database at all costs its messages, and no more.
        """
        self.left(5)
        self.left(5)
        first, _ = sorted(self.path.glob("*.sqlite3"))
        first.write_bytes(b"nonsense")
        before = self.files()
        outcome = run("cat", self.path)
        self.assertEqual((outcome.status, outcome.output), (1, lines(0, 50)))
        self.assertIn(f"{first}: it is not a SQLite database; up to 50 messages cannot be read", outcome.errors)
        self.assertEqual(self.files(), before)

    def test_withoutARecord(self) -> None:
        """
        Where it is not known what has settled, everything is written.
        """
        self.left(5, settled=3)
        (self.path / "settled").write_bytes(b"nonsense")
        self.assertEqual(run("cat", self.path), Outcome(0, lines(0, 50), ""))

    def test_whileARelayWorks(self) -> None:
        """
        It is an error that names the process.
        """
        spool = self.filled(1)
        outcome = run("cat", self.path)
        self.assertEqual((outcome.status, outcome.output), (1, b""))
        self.assertIn(f"a relay works on this spool (pid {os.getpid()})", outcome.errors)
        self.bench.close(spool)

    def test_noSpool(self) -> None:
        """
        A folder that is none, or not there, is an error in one line.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "something").touch()
        for command in ("ls", "cat", "drop"):
            for path, word in ((folder, "it is no spool"), (folder / "x", "no such folder")):
                outcome = run(command, path)
                self.assertEqual((outcome.status, outcome.output, outcome.errors.count("\n")), (1, b"", 1))
                self.assertIn(f"logrelay: {path}: ", outcome.errors)
                self.assertIn(word, outcome.errors)
        self.assertEqual([each.name for each in folder.iterdir()], ["something"])

    def test_noRoomForTheCopy(self) -> None:
        """
        Where there is no room for the copy of a database, that is told, and what to do.
        """
        self.left(1)
        with mock.patch("shutil.copyfile", side_effect=OSError(28, "No space left on device")):
            outcome = run("cat", self.path)
        self.assertEqual((outcome.status, outcome.output), (1, b""))
        self.assertIn("TMPDIR", outcome.errors)


class ExportTests(SpoolCase):
    """
    ``export``.
    """

    def test_framings(self) -> None:
        """
        All messages are written in one framing, whatever theirs was.
        """
        self.left(4, settled=1)
        for framing, content in (("lf", lines(10, 40)), ("octet-counting", frames(10, 40))):
            target = Path(self.mktemp()).absolute()
            before = self.files()
            outcome = run("export", "--framing", framing, self.path, target)
            self.assertEqual(outcome, Outcome(0, f"{target}: 30 messages\n".encode(), ""))
            self.assertEqual(target.read_bytes(), content)
            self.assertEqual(self.files(), before)

    def test_default(self) -> None:
        """
        By default every message is as it is stored.
        """
        self.left(2)
        target = Path(self.mktemp())
        run("export", self.path, target)
        self.assertEqual(target.read_bytes(), frames(0, 20))

    def test_overwritesNothing(self) -> None:
        """
        A file that is there stays as it is, and nothing is left beside it.
        """
        self.left(2)
        folder = Path(self.mktemp())
        folder.mkdir()
        target = folder / "target"
        target.write_text("precious")
        outcome = run("export", self.path, target)
        self.assertEqual(outcome.status, 1)
        self.assertIn(f"{target}: it is there already", outcome.errors)
        self.assertEqual(target.read_text(), "precious")
        self.assertEqual(list(folder.iterdir()), [target])

    def test_damaged(self) -> None:
        """
        What is sound is written, and the rest told.
        """
        self.left(3)
        self.damage(1)
        target = Path(self.mktemp())
        outcome = run("export", self.path, target)
        self.assertEqual((outcome.status, target.read_bytes()), (1, frames(0, 10) + frames(20, 30)))
        self.assertIn("up to 10 messages cannot be read", outcome.errors)

    def test_nowhere(self) -> None:
        """
        A folder that is not there is told by its name.
        """
        self.left(1)
        outcome = run("export", self.path, "/nonexistent/target")
        self.assertEqual(outcome.status, 1)
        self.assertIn("/nonexistent/", outcome.errors)


class DropTests(SpoolCase):
    """
    ``drop``.
    """

    def test_asks(self) -> None:
        """
        It says how much it is, and does nothing unless that is agreed to.
        """
        self.left(5, settled=2)
        for answer, word in (("n\n", "nothing was done"), ("", "--yes")):
            outcome = run("drop", self.path, answer=answer)
            self.assertEqual((outcome.status, outcome.output), (1, b""))
            self.assertIn(f"{self.path}: give up 30 messages that have not settled?", outcome.errors)
            self.assertIn(word, outcome.errors)
        self.assertEqual(run("cat", self.path).output, lines(20, 50))
        self.assertEqual(run("drop", self.path, answer="y\n").status, 0)
        self.assertEqual(run("cat", "--all", self.path), Outcome(0, b"", ""))

    def test_numbersGoOn(self) -> None:
        """
        What comes after it has new numbers: nothing looks as if it were missing.
        """
        self.left(5, settled=2)
        outcome = run("drop", "--yes", self.path)
        self.assertEqual(outcome, Outcome(0, f"{self.path}: gave up 30 messages\n".encode(), ""))
        spool = self.bench.spool()
        self.assertEqual((spool.settled, spool.end, spool.messages, self.bench.damages), (5, 5, 0, []))
        self.bench.close(spool)

    def test_damaged(self) -> None:
        """
        What cannot be read is given up, too.
        """
        self.left(5)
        next(self.path.glob("*.sqlite3")).write_bytes(b"nonsense")
        self.assertEqual(run("drop", "--yes", self.path).status, 0)
        self.assertEqual(list(self.path.glob("*.sqlite3")), [])

    def test_whileARelayWorks(self) -> None:
        """
        It refuses, and names the process.
        """
        spool = self.filled(1)
        outcome = run("drop", "--yes", self.path)
        self.assertEqual((outcome.status, outcome.output), (1, b""))
        self.assertIn(f"(pid {os.getpid()})", outcome.errors)
        self.assertEqual(spool.messages, MESSAGES)
        self.bench.close(spool)

    def test_quarantine(self) -> None:
        """
        With ``--quarantine`` only that is emptied, also while a relay works.
        """
        spool = self.filled(2)
        quarantine = self.path / "quarantine"
        quarantine.mkdir()
        for name in ("one", "two"):
            (quarantine / name).touch()
        outcome = run("drop", "--quarantine", self.path, answer="yes\n")
        self.assertEqual(outcome.status, 0)
        self.assertIn("remove 2 files from the quarantine?", outcome.errors)
        self.assertEqual(list(quarantine.iterdir()), [])
        self.bench.kill(spool)
        self.assertEqual(run("cat", self.path).output, lines(0, 20))


class HelpTests(SynchronousTestCase):
    """
    What can be said to it.
    """

    def test_help(self) -> None:
        """
        Each command says what it does, and what its status means.
        """
        for command, word in (("ls", "--json"), ("cat", "--all"), ("export", "octet-counting"), ("drop", "--yes")):
            outcome = run(command, "--help")
            self.assertEqual((outcome.status, outcome.errors), (0, ""))
            self.assertIn(word.encode(), outcome.output)
            self.assertIn(b"The status is 0", outcome.output)

    def test_misuse(self) -> None:
        """
        What cannot be understood is status 2.
        """
        for arguments in (("ls",), ("export", "x"), ("nonsense", "x"), ("export", "--framing=x", "a", "b")):
            self.assertEqual(run(*arguments).status, 2)


class ProcessTests(SpoolCase):
    """
    The command as a process.
    """

    def environment(self) -> dict[str, str]:
        """
        Of the processes.
        """
        return {**os.environ, "PYTHONPATH": str(TOP)}

    def test_readerThatHasEnough(self) -> None:
        """
        A reader that ends before everything is read is no error, and nothing is said of it.
        """
        self.left(400)
        with subprocess.Popen(
            process("cat", self.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()
        ) as started:
            assert started.stdout is not None and started.stderr is not None
            self.assertEqual(started.stdout.read(20), lines(0, 1)[:20])
            started.stdout.close()
            self.assertEqual((started.stderr.read(), started.wait(60)), (b"", 0))

    def test_fullDisk(self) -> None:
        """
        An output that takes no more is told, in a line.
        """
        self.left(400)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                process("cat", self.path), stdout=full, stderr=subprocess.PIPE, env=self.environment(), timeout=60
            )
        self.assertEqual((done.returncode, done.stderr), (1, b"logrelay: standard output: No space left on device\n"))

    def test_memory(self) -> None:
        """
        What it needs does not grow with the spool.
        """
        spool = self.bench.spool()
        payload = lines(0, 500)
        for _ in range(1000):
            spool.append(Batch(payload, 500, Framing.LF, PAUSABLE))
            self.bench.worker.catchUp()
            spool.next()
        self.bench.kill(spool)
        # Its address space, all libraries included.
        limited = ["prlimit", f"--as={400 << 20}", *process("cat", self.path)]
        done = subprocess.run(limited, capture_output=True, env=self.environment(), timeout=60)
        self.assertEqual((done.returncode, done.stderr, len(done.stdout)), (0, b"", 1000 * len(payload)))
