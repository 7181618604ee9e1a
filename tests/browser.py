"""
A real browser: Debian's chromium, driven by selenium.  Everything here blocks; a test with a reactor calls it from a
thread.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

#: Why tests with it have to be skipped, or ``None``.
MISSING = None if CHROMIUM and DRIVER else "chromium is not there; run apt-get install chromium chromium-driver"


class Browser:
    """
    One browser, with a profile of its own.
    """

    def __init__(self, width: int = 1280, height: int = 800, scripts: bool = True, dark: bool = False) -> None:
        """
        :param scripts: whether JavaScript is on.
        """
        self._profile = tempfile.mkdtemp(prefix="chromium")
        options = ChromeOptions()
        options.binary_location = CHROMIUM or ""
        for argument in (
            "--headless=new",
            # Root has none, and what is loaded is our own.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={self._profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._service = Service(executable_path=DRIVER or "")
        self.driver = Chrome(options, self._service)
        self.driver.set_page_load_timeout(20)
        # Of the content, not of the window: windows have a least width.
        self._resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        if not scripts:
            self._command("Emulation.setScriptExecutionDisabled", value=True)

    def _command(self, name: str, **parameters: object) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str) -> None:
        """
        Load a page.
        """
        self.driver.get(address)

    def run(self, script: str) -> Any:
        """
        What a script returns in the page.
        """
        return self.driver.execute_script(script)

    def text(self, selector: str = "body") -> str:
        """
        What is to be read in the first element that fits.
        """
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    @property
    def complaints(self) -> list[str]:
        """
        What the console says, since this was last asked.
        """
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, path: str, whole: bool = False) -> None:
        """
        Save what is to be seen.
        """
        if whole:
            size = self._command("Page.getLayoutMetrics")["cssContentSize"]
            self._resize(size["width"], size["height"])
        self.driver.save_screenshot(path)

    def close(self) -> None:
        """
        End the browser and its driver, whatever state they are in.
        """
        with suppress(Exception):
            self.driver.quit()
        if self._service.process is not None and self._service.process.poll() is None:
            self._service.process.kill()
            self._service.process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)
