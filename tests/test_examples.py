"""
The examples of the documentation do what they say.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from .twistds import LIMIT, Process, Sink, script

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"

MESSAGE = re.compile(r"<(\d+)>1 \S+ \S+ (\S+) \d+ (\S+) - (.*)", re.DOTALL)


def said(messages: list[bytes]) -> list[tuple[str, ...]]:
    """
    PRI, APP-NAME, MSGID and text of messages.
    """
    matches = [MESSAGE.fullmatch(message.decode()) for message in messages]
    return [match.groups() if match else () for match in matches]


class ExamplesTests(SynchronousTestCase):
    """
    Each is run as a reader would run it.
    """

    def setUp(self) -> None:
        self.sink = Sink(self)
        self.server = f"127.0.0.1:{self.sink.port}"

    def test_webApplication(self) -> None:
        """
        The log of the web application is at the server: its own lines, the access log, and how it ended.
        """
        # The first server refuses: the log is to be at the failover.
        environment = {"LOG_SERVERS": f"127.0.0.1:1 {self.server}", "SHOP": "tcp:0:interface=127.0.0.1"}
        command = [script("twistd"), "-n", "--pidfile=", "-y", str(EXAMPLES / "webapp.py")]
        shop = Process(self, command, environment)
        place = "http://127.0.0.1:" + shop.says(r"Site starting on (\d+)") + "/"
        with urlopen(place + "green/tea", timeout=LIMIT) as answer:
            self.assertEqual(answer.read(), b"Coming.\n")
        with self.assertRaises(HTTPError):
            urlopen(place, timeout=LIMIT)
        shop.popen.send_signal(signal.SIGTERM)
        messages = said(self.sink.readAll())
        self.assertEqual(shop.wait(), -signal.SIGTERM)
        self.assertIn(("14", "shop", "shop.orders", "ordered: green/tea"), messages)
        self.assertIn(("12", "shop", "shop.orders", "somebody ordered nothing"), messages)
        texts = "\n".join(message[-1] for message in messages)
        self.assertRegex(texts, r'"GET /green/tea HTTP/1\.1" 200 ')
        self.assertIn("Site starting on", texts)
        self.assertIn("Received SIGTERM, shutting down.", texts)

    def test_klein(self) -> None:
        """
        The log of the Klein application is at the failover that its file names, and it says which that is.
        """
        path = Path(self.mktemp()).resolve()
        path.write_text(f'[destination.central]\nprimary = "127.0.0.1:1"\nfailovers = ["{self.server}"]\n')
        environment = {"LOGRELAY": str(path), "TEAHOUSE": "tcp:0:interface=127.0.0.1"}
        house = Process(self, [script("twistd"), "-n", "--pidfile=", "-y", str(EXAMPLES / "kleinapp.py")], environment)
        place = "http://127.0.0.1:" + house.says(r"Site starting on (\d+)") + "/"
        with urlopen(place + "tea", timeout=LIMIT) as answer:
            self.assertEqual(answer.read(), b"Coming.\n")
        self.sink.accept()
        with urlopen(place + "health", timeout=LIMIT) as answer:
            self.assertEqual(answer.read().decode(), f"central: {self.server}\n")
        house.popen.send_signal(signal.SIGTERM)
        messages = said(self.sink.readAll())
        self.assertEqual(house.wait(), -signal.SIGTERM)
        self.assertIn(("14", "teahouse", "teahouse.orders", "ordered: tea"), messages)
        self.assertRegex("\n".join(message[-1] for message in messages), r'"GET /tea HTTP/1\.1" 200 ')

    def test_kleinWithMistakes(self) -> None:
        """
        A bad file ends the Klein application, with each mistake.
        """
        path = Path(self.mktemp()).resolve()
        path.write_text('[destination.central]\nprimary = "127.0.0.1:1"\nfailover = []\nprot = 1\n')
        command = [script("twistd"), "-n", "--pidfile=", "-y", str(EXAMPLES / "kleinapp.py")]
        house = Process(self, command, {"LOGRELAY": str(path)})
        self.assertEqual(house.wait(), 1)
        self.assertIn(f"{path}:3: destination.central.failover: is unknown here", house.said.read_text())
        self.assertIn(f"{path}:4: destination.central.prot: is unknown here", house.said.read_text())

    def test_asyncio(self) -> None:
        """
        The log of the asyncio program is at the failover, its last words included, when a signal has ended it.
        """
        command = [sys.executable, "-W", "error", str(EXAMPLES / "asyncioserver.py"), "0", "127.0.0.1:1", self.server]
        greeter = Process(self, command)
        first = self.sink.read(1)[0].decode()
        port = int(first.rpartition(" ")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as guest, guest.makefile("rwb") as stream:
            self.assertEqual(stream.readline(), b"Who is there?\n")
            stream.write("Zoë\n".encode())
            stream.flush()
            self.assertEqual(stream.readline().decode(), "Good evening, Zoë.\n")
        greeter.popen.send_signal(signal.SIGTERM)
        messages = said(self.sink.readAll())
        self.assertEqual((greeter.wait(), greeter.said.read_text()), (0, ""))
        expected = [f"greeting on port {port}", "greeted Zoë", "closed"]
        self.assertEqual(messages, [("14", "greeter", "greeter", text) for text in expected])

    def test_plainProgram(self) -> None:
        """
        The log of the plain program is at the server, whole, when the program has ended.
        """
        program = Process(self, [sys.executable, str(EXAMPLES / "plain.py"), "127.0.0.1:1", self.server])
        messages = said(self.sink.readAll())
        self.assertEqual((program.wait(), program.said.read_text()), (0, ""))
        self.assertEqual({message[:2] for message in messages}, {("14", "plain.py"), ("11", "plain.py")})
        first, *steps, wrong, last = messages
        self.assertEqual((first[2:], last[2:]), (("root", "begun"), ("root", "finished")))
        expected = {("14", "plain.py", "worker", f"step {number} done") for number in range(100)}
        self.assertEqual((len(steps), set(steps)), (100, expected))
        self.assertRegex(wrong[-1], r"(?s)^something went wrong\nTraceback .*ValueError: nothing is perfect$")

    def test_failover(self) -> None:
        """
        The test in the example of the failover alone, as its text says to run it; and the example, with two servers of
        which the first refuses.
        """
        # It is started in another folder than this.
        folder = Path(self.mktemp()).resolve()
        command = [sys.executable, "-m", "twisted.trial", f"--temp-directory={folder}", "failover"]
        tested = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual((tested.returncode, tested.stdout.splitlines()[-1]), (0, "PASSED (successes=1)"), tested)
        program = Process(self, [sys.executable, str(EXAMPLES / "failover.py"), "127.0.0.1:1", self.server])
        program.says("^server 1: connected$")
        self.assertIn("server 0: refused: ", program.said.read_text())
        self.assertEqual(self.sink.receive(), b"hello\n")


def numberedLine(boot: str, number: int, before: str = "", behind: str = "") -> str:
    """
    A stamped message, with other elements.
    """
    return f'<13>1 - h a p m {before}[logrelay@32473 boot="{boot}" seq="{number}"]{behind} text\n'


class DedupeTests(SynchronousTestCase):
    """
    The program that prints each message once.
    """

    def deduped(self, lines: list[str], *arguments: str, **changed: int) -> list[str]:
        """
        Give it lines.

        :param changed: its limits.
        """
        command = [sys.executable, str(EXAMPLES / "dedupe.py"), *arguments]
        if changed:
            text = (EXAMPLES / "dedupe.py").read_text()
            for name, value in changed.items():
                text = re.sub(rf"(?m)^{name} = .*", f"{name} = {value}", text)
            command = [sys.executable, "-c", text, *arguments]
        given = "".join(lines).encode()
        done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=LIMIT)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().splitlines(keepends=True)

    def test_doubles(self) -> None:
        """
        What has come is dropped, whatever came in between and in whatever order.
        """
        order = [3, 1, 2, 2, 5, 4, 1, 9, 7, 5, 8, 3, 9, 6, 7, 10]
        lines = [numberedLine("one", number) for number in order]
        expected = [numberedLine("one", number) for number in dict.fromkeys(order)]
        self.assertEqual(self.deduped(lines), expected)
        path = self.mktemp()
        Path(path).write_text("".join(lines))
        self.assertEqual(self.deduped([], path), expected)

    def test_starts(self) -> None:
        """
        The same number of another start is another message.
        """
        lines = [numberedLine(boot, number) for number in (1, 2) for boot in ("one", "two")]
        self.assertEqual(self.deduped(lines * 2), lines)

    def test_otherElements(self) -> None:
        """
        The stamp is found among other elements, and not in their values.
        """
        quoted = '<13>1 - h a p m [x a="\\"\\][logrelay@32473 boot=\\"b\\" seq=\\"1\\"\\]"] text\n'
        lines = [
            numberedLine("one", 1, behind='[x a="b"]'),
            numberedLine("one", 2, '[x a="\\]\\" [y"][z]'),
            quoted,
        ]
        again = [numberedLine("one", 1), numberedLine("one", 2, '[x a="c"]'), quoted]
        self.assertEqual(self.deduped(lines + again), [*lines, quoted])

    def test_withoutStamp(self) -> None:
        """
        What has no stamp is printed as often as it comes.
        """
        lines = ["<13>1 - h a p m - text\n", "anything\n", '<13>1 - h a p m - [logrelay@32473 boot="b" seq="1"]\n']
        self.assertEqual(self.deduped(lines * 2), lines * 2)

    def test_bounded(self) -> None:
        """
        The lowest ranges and the starts longest unheard of are forgotten: a double is printed then, and nothing lost.
        """
        apart = [numberedLine("one", number) for number in (1, 3, 5, 7)]
        self.assertEqual(self.deduped([*apart, apart[-1], apart[0]], RANGES=3), [*apart, apart[0]])
        starts = [numberedLine(boot, 1) for boot in ("one", "two", "three")]
        self.assertEqual(self.deduped([*starts, starts[1], starts[0]], BOOTS=2), [*starts, starts[0]])
