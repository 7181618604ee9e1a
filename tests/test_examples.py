"""
The examples of the documentation do what they say.
"""

from __future__ import annotations

import re
import signal
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
