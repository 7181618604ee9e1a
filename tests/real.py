"""
The real programs: Debian's syslog-ng and rsyslog as log servers, loggen as a client, logrotate, and Prometheus'
promtool.

The two daemons' packages conflict, and none of all is to run on its own, so nothing of theirs is installed:
``python -m tests.real`` downloads the packages, unpacks them into ``.real/`` (which git ignores) and installs only
the libraries that they need.  The daemons run from there, each in a directory of its own, on a port of its own.

Everything here blocks; a test with a reactor calls it from a thread.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

TOP = Path(__file__).resolve().parent.parent
ROOT = TOP / ".real"
PACKAGES = ("syslog-ng-core", "rsyslog", "rsyslog-openssl", "rsyslog-relp", "logrotate", "prometheus")

#: The servers must never be what limits a test: this many connections each, and messages of up to 64 KiB.
CONNECTIONS = 1000
MESSAGE_SIZE = 65536

_SEQUENCE = re.compile(rb"\bseq: (\d+), thread: (\d+)")


def install() -> None:
    """
    Download and unpack the programs, and install the libraries that they need and that are missing (as root).

    :raises subprocess.CalledProcessError: apt or dpkg failed.
    """
    shutil.rmtree(ROOT, ignore_errors=True)
    archives = ROOT / "archives"
    archives.mkdir(parents=True)
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES], cwd=archives, check=True)
    needed = set()
    for archive in archives.iterdir():
        subprocess.run(["dpkg", "-x", archive, ROOT], check=True)
        needed |= _libraries(_said("dpkg-deb", "-f", archive, "Depends"))
    shutil.rmtree(archives)
    states = _said("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").splitlines()
    missing = needed - {state.split()[0] for state in states if state.endswith(" installed")}
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-qq", "install", "--no-install-recommends", *sorted(missing)]
        subprocess.run(command, env=environment, check=True)


def _libraries(depends: str) -> set[str]:
    """
    Which libraries a package depends on: of ``libpcre3, sysvinit-utils (>= 3) | lsb-base`` the first.
    Scripts for browsers are none.
    """
    names = (alternatives.split("|")[0].split("(")[0].strip() for alternatives in depends.split(","))
    return {name for name in names if name.startswith(("lib", "zlib")) and not name.startswith("libjs-")}


def _said(*command: str | Path) -> str:
    """
    What a command that has to succeed prints.
    """
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def waitUntil(condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:
    """
    Ask until a condition holds.

    :param what: names it, for the error.
    :raises TimeoutError: it did not hold within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.01)


def freePort(host: str = "127.0.0.1") -> int:
    """
    A TCP port that nobody listens on now.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def sequences(messages: Sequence[bytes]) -> list[tuple[int, int]]:
    """
    The numbers that loggen put into its messages: (thread, number), in the order of the messages.
    """
    found = (_SEQUENCE.search(message) for message in messages)
    return [(int(match[2]), int(match[1])) for match in found if match]


def missing(*programs: type[RealServer | Loggen]) -> str | None:
    """
    Why tests of these programs have to be skipped, or ``None``: made for the ``skip`` attribute of a test case.
    """
    packages = {one.package for one in programs if not (ROOT / one.program).exists()}
    return f"{', '.join(sorted(packages))}: not unpacked; run python -m tests.real" if packages else None


def environment() -> dict[str, str]:
    """
    What makes the unpacked programs find their own libraries and plugins.
    """
    usr = ROOT / "usr"
    return {**os.environ, "LD_LIBRARY_PATH": str(usr / "lib/syslog-ng"), "SYSLOGNG_PREFIX": str(usr)}


@attrs.frozen
class ServerTls:
    """
    The certificate that a server shows, and whose clients it takes.

    :ivar certFile: PEM, its chain included.
    :ivar clientCaFile: PEM; clients must have a certificate by one of these.  ``None``: none is asked for.
    """

    certFile: Path
    keyFile: Path
    clientCaFile: Path | None = None


@attrs.define
class RealServer:
    """
    A real log server, in a process of its own that listens on one TCP port.

    It may be stopped and started again at will; it keeps its port, and goes on writing to the same file.

    :ivar directory: for its configuration, its state and what it received; made where it does not exist.
    :ivar driver: ``syslog`` (RFC 5424, octet counting) or ``network`` (RFC 3164, LF).
    :ivar tls: absent: plain TCP.
    :ivar prefix: a command that turns into the one it is given, such as ``ip netns exec NAME``.
    """

    package: ClassVar[str]
    program: ClassVar[str]

    directory: Path
    driver: str = "syslog"
    tls: ServerTls | None = None
    host: str = "127.0.0.1"
    port: int = attrs.field(factory=freePort)
    prefix: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def output(self) -> Path:
        """
        Where the text of each message (MSG, without its header) becomes one line.
        """
        return self.directory / "received"

    @property
    def pid(self) -> int:
        """
        The process that listens.
        """
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """
        Whether the process is there (it may be paused).
        """
        return self._process is not None and self._process.poll() is None

    def configuration(self) -> str:
        """
        The text of a minimal configuration file.
        """
        raise NotImplementedError

    def arguments(self, configuration: Path) -> list[str]:
        """
        What the program is to be called with, to stay in the foreground and off the system's own files.
        """
        raise NotImplementedError

    def start(self, timeout: float = 10.0) -> None:
        """
        Start the server and wait until it listens.

        :raises TimeoutError: it did not, and was ended; the message has what it said.
        """
        assert not self.running, "already started"
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "configuration"
        configuration.write_text(self.configuration())
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, str(ROOT / self.program), *self.arguments(configuration)],
                cwd=self.directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            waitUntil(lambda: not self.running or self.listening(), "listening", timeout)
        except TimeoutError:
            self.kill()
        if not self.running:
            said = (self.directory / "log").read_text(errors="replace")
            raise TimeoutError(f"{self.program} does not listen on {self.port}: {said}")

    def listening(self) -> bool:
        """
        Whether it is ready for clients.
        """
        return listens(self.pid, self.port)

    def stop(self, timeout: float = 10.0) -> None:
        """
        End the server as an operator would (SIGTERM), and wait for its end.
        """
        assert self._process is not None, "not started"
        self._process.terminate()
        self._process.wait(timeout)

    def kill(self) -> None:
        """
        End the server as a crash would (SIGKILL).
        """
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """
        Freeze the server: its kernel goes on answering, it does not (SIGSTOP).
        """
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """
        Let a paused server go on.
        """
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """
        Make sure that no process is left, whatever happened: made for ``addCleanup``.
        """
        if self.running:
            self.kill()

    def messages(self) -> list[bytes]:
        """
        The texts received so far, one for each message, in the order of the file.
        """
        if not self.output.exists():
            return []
        # rsyslog counts the space after an RFC 3164 tag as part of the message, syslog-ng does not.
        return [line.removeprefix(b" ") for line in self.output.read_bytes().split(b"\n")[:-1]]

    def last(self) -> list[bytes]:
        """
        The text received last, if there is one.  It is found without reading the whole file.
        """
        if not self.output.exists():
            return []
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - 2 * MESSAGE_SIZE))
            lines = file.read().split(b"\n")
        return [line.removeprefix(b" ") for line in lines[-2:-1]]

    def waitFor(self, count: int, timeout: float = 10.0) -> list[bytes]:
        """
        Wait until at least so many messages are in the file.

        :return: all the texts received.
        :raises TimeoutError: they are not; the message says how many are.
        """
        try:
            waitUntil(lambda: len(self.messages()) >= count, "messages", timeout)
        except TimeoutError:
            raise TimeoutError(f"{len(self.messages())} of {count} messages within {timeout} s") from None
        return self.messages()


class SyslogNg(RealServer):
    """
    syslog-ng with one ``syslog()`` or ``network()`` source and one file.
    """

    package = "syslog-ng-core"
    program = "usr/sbin/syslog-ng"

    def configuration(self) -> str:
        """
        Flow control keeps it from dropping what it has read: then what is lost, was lost before it.
        """
        transport, tls = "tcp", ""
        if self.tls is not None:
            transport = "tls"
            check = "peer-verify(optional-untrusted)"
            if self.tls.clientCaFile is not None:
                check = f'peer-verify(required-trusted) ca-file("{self.tls.clientCaFile}")'
            tls = f'tls(cert-file("{self.tls.certFile}") key-file("{self.tls.keyFile}") {check})'
        version = "ip-protocol(6)" if ":" in self.host else ""
        return f"""@version: 3.38
options {{ stats-freq(0); use-dns(no); chain-hostnames(no); keep-hostname(yes); log-msg-size({MESSAGE_SIZE}); }};
source s {{
    {self.driver}(ip("{self.host}") port({self.port}) transport("{transport}") {version} {tls}
        max-connections({CONNECTIONS}) log-iw-size({100 * CONNECTIONS}));
}};
destination d {{ file("{self.output}" template("$MSG\\n")); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""

    def arguments(self, configuration: Path) -> list[str]:
        """
        Capabilities are left alone, so that it runs without root too.
        """
        return [
            "--foreground",
            "--stderr",
            "--no-caps",
            f"--cfgfile={configuration}",
            f"--module-path={ROOT / 'usr/lib/syslog-ng/3.38'}",
            # In its own folder, which it runs in: the path of a unix socket must be short.
            "--persist-file=persist",
            "--control=control",
            "--pidfile=pid",
        ]


@attrs.define(slots=False)
class Rsyslog(RealServer):
    """
    rsyslog with one imtcp listener (either framing, either format) and one file, its main queue as it is by default.

    :ivar queue: the type of its main queue.  ``FixedArray`` is in memory, and holds up to 50,000 messages that were
        read; with ``Direct`` it reads on only when a message is written.
    """

    package = "rsyslog, rsyslog-openssl"
    program = "usr/sbin/rsyslogd"

    queue: str = "FixedArray"

    def configuration(self) -> str:
        """
        Its default limit of 8 KiB a message would split what syslog-ng takes whole.
        """
        files, module = "", f'load="imtcp" MaxSessions="{CONNECTIONS}"'
        if self.tls is not None:
            named = {
                "CertFile": self.tls.certFile,
                "KeyFile": self.tls.keyFile,
                "CAFile": self.tls.clientCaFile or self.tls.certFile,
            }
            files = " ".join(f'DefaultNetstreamDriver{name}="{path}"' for name, path in named.items())
            check = "anon" if self.tls.clientCaFile is None else "x509/certvalid"
            module += f' StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="{check}"'
        return f"""global(workDirectory="{self.directory}" maxMessageSize="{MESSAGE_SIZE}" {files})
main_queue(queue.type="{self.queue}")
module({module})
template(name="text" type="string" string="%msg%\\n")
ruleset(name="received") {{ action(type="omfile" file="{self.output}" template="text" asyncWriting="off") }}
input(type="imtcp" address="{self.host}" port="{self.port}" ruleset="received")
action(type="omfile" file="{self.directory / "log"}")
"""

    def arguments(self, configuration: Path) -> list[str]:
        """
        In the foreground, with its own modules and its own process file.
        """
        modules = next((ROOT / "usr/lib").glob("*/rsyslog"))
        return ["-n", "-f", str(configuration), "-i", str(self.directory / "pid"), "-M", str(modules)]


@attrs.define
class RsyslogRelp(Rsyslog):
    """
    rsyslog with one imrelp listener and one file.

    :ivar queue: the type of its main queue.  With ``Direct`` it answers when the message is written, with any other
        when the message is in the queue, in memory.
    """

    package = "rsyslog, rsyslog-relp"

    queue: str = "Direct"

    def configuration(self) -> str:
        """
        With TLS a client needs a certificate if there is a CA to check it by.
        """
        return f"""global(workDirectory="{self.directory}" maxMessageSize="{MESSAGE_SIZE}")
main_queue(queue.type="{self.queue}")
module(load="imrelp" tls.tlslib="openssl")
template(name="text" type="string" string="%msg%\\n")
ruleset(name="received") {{ action(type="omfile" file="{self.output}" template="text" asyncWriting="off") }}
input(type="imrelp" address="{self.host}" port="{self.port}" ruleset="received" maxDataSize="{MESSAGE_SIZE}"
    {relpTls(self.tls)})
action(type="omfile" file="{self.directory / "log"}")
"""


@attrs.define
class RsyslogToRelp(Rsyslog):
    """
    rsyslog that takes messages by imtcp and sends them on by omrelp, each as it came in.

    :ivar to: where it sends them.
    :ivar window: how many it lets be without an answer.
    :ivar sendsTls: absent: plain TCP to there.
    """

    package = "rsyslog, rsyslog-relp"

    to: tuple[str, int] = ("127.0.0.1", 2514)
    window: int = 128
    sendsTls: ServerTls | None = None

    def configuration(self) -> str:
        """
        It never gives up, tries again every second, and keeps what waits in memory.
        """
        host, port = self.to
        return f"""global(workDirectory="{self.directory}" maxMessageSize="{MESSAGE_SIZE}")
module(load="imtcp")
module(load="omrelp" tls.tlslib="openssl")
template(name="raw" type="string" string="%rawmsg%")
ruleset(name="sent") {{
    action(type="omrelp" target="{host}" port="{port}" template="raw" windowSize="{self.window}" timeout="5"
        action.resumeRetryCount="-1" action.resumeInterval="1" queue.type="LinkedList" queue.size="200000"
        {relpTls(self.sendsTls)})
}}
input(type="imtcp" address="{self.host}" port="{self.port}" ruleset="sent")
action(type="omfile" file="{self.directory / "log"}")
"""


def relpTls(tls: ServerTls | None) -> str:
    """
    The options of librelp for TLS, which are the same on both sides: with a CA the peer must have a certificate by it.
    """
    if tls is None:
        return ""
    options = f'tls="on" tls.myCert="{tls.certFile}" tls.myPrivKey="{tls.keyFile}"'
    if tls.clientCaFile is None:
        return options
    return f'{options} tls.caCert="{tls.clientCaFile}" tls.authMode="certvalid"'


def listens(pid: int, port: int) -> bool:
    """
    Whether this very process listens on this TCP port, in its own network namespace, found without connecting to it.
    """
    try:
        owned = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
        tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return False  # A process that ends, or that opens and closes files just now: ask again.
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    # sl, local address:port, remote, state (0A: LISTEN), …, inode
    return any(
        row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in owned for row in rows
    )


@attrs.define
class Loggen:
    """
    One run of syslog-ng's load generator, started with :meth:`start`.

    Its messages bear a number that counts from 0 in each connection: see :func:`sequences`.
    """

    package: ClassVar[str] = "syslog-ng-core"
    program: ClassVar[str] = "usr/bin/loggen"

    _process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls,
        target: tuple[str, int] | Path,
        *,
        rate: int = 1000,
        seconds: int | None = None,
        number: int | None = None,
        size: int = 256,
        connections: int = 1,
        datagrams: bool = False,
        tls: bool = False,
        framed: bool = False,
        prefix: Sequence[str] = (),
    ) -> Loggen:
        """
        Begin to send.  Over TLS that is TLS 1.2: ``loggen.cnf`` says why.

        :param target: host and port, or the path of a unix socket.
        :param rate: messages a second on each connection.
        :param seconds: how long to send for; or ``number``: how many messages on each connection.
        :param size: bytes of each message.
        :param framed: RFC 5424 with octet counting instead of RFC 3164 with LF.
        :param prefix: as for :class:`RealServer`.
        """
        options = [f"--rate={rate}", f"--size={size}", f"--active-connections={connections}", "--quiet"]
        # Without a number it sends until the time is over; with one, the time must not end it.
        options.append(f"--interval={seconds if number is None else 3600}")
        if number is not None:
            options.append(f"--number={number}")
        if framed:
            options.append("--syslog-proto")
        if tls:
            options.append("--use-ssl")
        else:
            options.append("--dgram" if datagrams else "--stream")
        if isinstance(target, Path):
            options += ["--unix", str(target)]
        else:
            host, port = target
            if not tls:
                options.append("--inet")
            if ":" in host:
                options.append("--ipv6")
            options += [host, str(port)]
        return cls(
            subprocess.Popen(
                [*prefix, str(ROOT / cls.program), *options],
                env={**environment(), "OPENSSL_CONF": str(TOP / "tests/loggen.cnf")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )

    @property
    def ended(self) -> bool:
        """
        Whether it has.
        """
        return self._process.poll() is not None

    def wait(self, timeout: float = 120.0) -> int:
        """
        Wait for the end.

        :return: how many messages were sent, by its own account.
        """
        said, _ = self._process.communicate(timeout=timeout)
        counts = re.findall(rb"count=(\d+)", said)
        if not counts:
            raise AssertionError(f"loggen ended with {self._process.returncode}: {said.decode(errors='replace')}")
        return int(counts[-1])

    def close(self) -> None:
        """
        Make sure that no process is left.
        """
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    install()
