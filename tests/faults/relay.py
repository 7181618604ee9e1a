"""
The relay as a process of its own, which ``twistd -n logrelay --config`` would run the same way, and that can be asked:
``python -m tests.faults.relay CONFIG EVENTS``.

It appends its events to a file, a line of JSON each, with the time.  A line on its standard input is answered by one
with its snapshot; at the end of the input it stops, and says how it ended.  Every 20 ms it looks at what the kernel
knows of its connections to servers, as an account of its own of what may have to be sent again.
"""

from __future__ import annotations

import fcntl
import json
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import asdict
from twisted.internet import reactor, stdio
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.internet.tcp import Client
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from logrelay.events import Event
from logrelay.service import LogRelayService
from logrelay.tap import Options, makeService

from ..real import TOP, waitUntil

#: No relay of a trial lives longer, whatever happens to who started it.  Seconds.
LIFE = 600

#: Seconds between two looks at the connections.  At full load a megabyte passes in 20 ms.
_LOOK = 0.005

#: Where ``tcpi_snd_wnd`` stands in ``struct tcp_info``, and how much of that is read.
_SND_WND, _INFO_SIZE = 228, 232

theReactor: Any = reactor


@attrs.define
class Wire:
    """
    What was seen of the connections to servers.

    :ivar window: the largest window that a server advertised, in bytes.
    :ivar out: the most that was written to a connection and not acknowledged, in bytes.
    """

    window: int = 0
    out: int = 0

    def look(self) -> None:
        """
        Look at all of them.
        """
        for each in theReactor.getReaders():
            if isinstance(each, Client):
                info = each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
                self.window = max(self.window, struct.unpack_from("=I", info, _SND_WND)[0])
                (queued,) = struct.unpack("=i", fcntl.ioctl(each.fileno(), termios.TIOCOUTQ, b"\0" * 4))
                waiting = len(each.dataBuffer) + sum(map(len, each._tempDataBuffer)) - each.offset
                inTLS = getattr(each.protocol, "_appSendBuffer", ())
                self.out = max(self.out, queued + waiting + sum(map(len, inTLS)))


class Questions(LineOnlyReceiver):
    """
    Answers on standard input and output.
    """

    delimiter = b"\n"

    def __init__(self, relay: LogRelayService) -> None:
        self._relay = relay

    def lineReceived(self, line: bytes) -> None:
        """
        Say how it stands.
        """
        _tell({"snapshot": asdict(self._relay.snapshot())})

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Stop.
        """
        theReactor.stop()


def main(configuration: str, events: str) -> None:
    """
    Run the relay.
    """
    signal.alarm(LIFE)
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    options = Options()
    options.parseOptions(["--config", configuration])
    process: Any = makeService(options)
    relay, *_ = process
    wire = Wire()

    def note(event: Event) -> None:
        entry = {"at": time.monotonic(), "event": type(event).__name__, **asdict(event, recurse=False)}
        with Path(events).open("a") as output:
            output.write(json.dumps({**entry, "text": str(event)}, default=str) + "\n")

    relay.log.observers.append(note)
    process.privilegedStartService()
    process.startService()
    theReactor.addSystemEventTrigger("before", "shutdown", process.stopService)
    LoopingCall(wire.look).start(_LOOK)
    stdio.StandardIO(Questions(relay))
    theReactor.run()
    _tell({"snapshot": asdict(relay.snapshot()), "wire": asdict(wire)})


def _tell(what: object) -> None:
    """
    Say something to who started this.
    """
    print(json.dumps(what, default=str), flush=True)


class RelayProcess:
    """
    The other end of it.  Everything here blocks, with time limits.
    """

    def __init__(self, folder: Path, configuration: str, prefix: Sequence[str] = ()) -> None:
        """
        Start it.

        :param folder: for its files; made where it does not exist.
        :param configuration: the text of its file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._events = folder / "events"
        self._events.touch()
        (folder / "relay.toml").write_text(configuration)
        # Times count here, so its coverage is not measured.
        bare = ["env", "--unset=COVERAGE_PROCESS_START", f"PYTHONPATH={TOP}"]
        command = [*prefix, *bare, sys.executable, "-m", "tests.faults.relay"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(folder / "relay.toml"), str(self._events)],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._log = folder / "log"

    def events(self, kind: str = "", since: float = 0.0) -> list[dict[str, Any]]:
        """
        What has happened so far.

        :param kind: the name of a class of :mod:`logrelay.events`; empty: all.
        :param since: only what happened later.
        """
        entries = [json.loads(line) for line in self._events.read_text().split("\n")[:-1]]
        return [each for each in entries if each["at"] > since and kind in ("", each["event"])]

    def listening(self) -> None:
        """
        Wait until its source takes connections.
        """
        waitUntil(lambda: self.events("Listening") or self._process.poll() is not None, "the relay listens", 30)
        if self._process.poll() is not None:
            raise AssertionError(f"the relay has ended: {self._log.read_text()}")

    def ask(self) -> Any:
        """
        The state of its only destination, now.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(b"?\n")
        self._process.stdin.flush()
        snapshot = self._told(10)["snapshot"]
        return {**snapshot["destinations"][0], "at": snapshot["at"]}

    def finish(self, limit: float) -> tuple[Any, Wire]:
        """
        Stop it gracefully.

        :param limit: how long that may take, in seconds.
        :return: the last state of its only destination, and what was seen of its connections.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = self._told(limit)
        self._process.wait(limit)
        return last["snapshot"]["destinations"][0], Wire(**last["wire"])

    def _told(self, limit: float) -> Any:
        """
        The next line that it says.
        """
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], limit)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise AssertionError(f"the relay says nothing within {limit} s: {self._log.read_text()[-2000:]}")
        return json.loads(line)

    def close(self) -> None:
        """
        Leave nothing behind, whatever has happened.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
