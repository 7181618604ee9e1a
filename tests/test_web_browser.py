"""
The page, in a real browser, on a relay that relays.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from twisted.internet.threads import deferToThread

from .browser import MISSING, Browser
from .loopback import scripted
from .relays import LogServer, client, counted, destination, numbered, source
from .requests import Still, WebCase
from .snapshots import destination as destinationSnapshot
from .snapshots import relay, server
from .snapshots import source as sourceSnapshot

EVIL = '<script>document.title = "owned"</script><img src=x onerror="document.title = 1">'

#: How long the page may take to show what has happened.
SOON = 10.0


def see(browser: Browser, what: Callable[[str], object], selector: str = "body") -> str:
    """
    Wait until the page shows something.

    :return: what is to be read there then.
    """
    deadline = time.monotonic() + SOON
    while True:
        text = browser.text(selector)
        if what(text):
            return text
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {SOON:g} s; the page says:\n{text}")
        time.sleep(0.05)


class PageTests(WebCase):
    """
    What people see.
    """

    timeout = 90
    skip = MISSING

    async def browser(self, width: int = 1280, height: int = 800, scripts: bool = True) -> Browser:
        """
        A browser, until the end of the test.
        """
        browser = await deferToThread(Browser, width, height, scripts)
        self.addCleanup(lambda: deferToThread(browser.close))
        return browser

    def relaying(self, *servers: LogServer) -> str:
        """
        A relay with some servers.

        :return: where its page is.
        """
        self.relayed = self.relay([destination(*servers)], [source(name="in")])
        return f"http://127.0.0.1:{self.serve(self.relayed)}/"

    @scripted
    async def test_failover(self) -> None:
        """
        A page that is open shows a failover, without being loaded again and without a complaint in the console; and
        when the relay is gone it says that what it shows is old.
        """
        one, two = self.server(), self.server()
        browser = await self.browser()
        page = self.relaying(one, two)
        sent = numbered(10)
        client(self, self.relayed).sendall(counted(sent))
        await self.arrived(one, 10)
        await deferToThread(browser.open, page)
        first = f"{one.server} is in use, the primary"
        await deferToThread(see, browser, lambda text: first in text and "live," in text)
        await deferToThread(browser.run, "window.loaded = 'once'")
        await one.kill()
        await self.until(lambda: two.connections)
        text = await deferToThread(see, browser, lambda text: f"{two.server} is in use, failover 1" in text)
        self.assertIn(f"{one.server} was left", text)
        overall = await deferToThread(browser.text, "h1")
        self.assertIn(f"central: on failover {two.server}", overall)
        row = "table tbody tr[role=row]"
        await deferToThread(see, browser, lambda text: f"{one.server}\ncentral" not in text and "failed" in text, row)
        self.assertEqual(await deferToThread(browser.run, "return window.loaded"), "once")
        self.assertEqual(await deferToThread(lambda: browser.complaints), [])
        # What was sent to the first and not settled came again to the second.
        self.assertLessEqual(set(two.messages), set(sent))
        await self.service.stopService()
        await deferToThread(see, browser, lambda text: "has not been heard of since" in text)

    @scripted
    async def test_withoutScripts(self) -> None:
        """
        Without JavaScript the same facts are there.
        """
        still = Still()
        page = f"http://127.0.0.1:{self.serve(still)}/"
        texts = []
        for scripts in (True, False):
            browser = await self.browser(scripts=scripts)
            await deferToThread(browser.open, page)
            if scripts:
                await deferToThread(see, browser, lambda text: "live," in text)
            text = await deferToThread(browser.text, "main")
            # What the plots cover grows from one browser to the other.
            texts.append(re.sub(r"\b[0-9]+ s\b", "... s", text))
            self.assertEqual("live," in await deferToThread(browser.text), scripts)
        self.assertEqual(*texts)
        self.assertIn("eof: it ended", texts[0])

    @scripted
    async def test_phone(self) -> None:
        """
        On a small phone nothing scrolls sideways, however long names are; and whatever stands in them is text.
        """
        long = "logs.with-a-name-that-goes-on-and-on-and-on-and-on.example.com:6514"
        servers = (
            server(EVIL, reason=EVIL, text=EVIL, failedAt=900.0),
            server(long, active=True, identity=(EVIL, long), notAfter=2e9),
        )
        names = destinationSnapshot(EVIL, servers=servers, reason=EVIL)
        still = Still(relay(names, sources=(sourceSnapshot("x" * 200, heldBy=(EVIL,)),)))
        browser = await self.browser(360, 640)
        await deferToThread(browser.open, f"http://127.0.0.1:{self.serve(still)}/")
        await deferToThread(see, browser, lambda text: "live," in text)
        width, room = await deferToThread(
            browser.run, "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        self.assertLessEqual(width, room)
        self.assertEqual(room, 360)
        self.assertEqual(await deferToThread(browser.run, "return document.title"), "logrelay")
        self.assertEqual(
            await deferToThread(browser.run, "return document.querySelectorAll('main script, img').length"), 0
        )
        self.assertIn(EVIL, await deferToThread(browser.text, "h2"))
        # The policy of the page holds, too: what somebody put in would not run.
        await deferToThread(
            browser.run,
            "const s = document.createElement('script'); s.textContent = 'document.title = 2'; document.body.append(s)",
        )
        self.assertEqual(await deferToThread(browser.run, "return document.title"), "logrelay")
        [complaint] = await deferToThread(lambda: browser.complaints)
        self.assertIn("Content Security Policy", complaint)
