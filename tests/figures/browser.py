"""A real browser, Debian's Chromium, for the tests that look at pages.

Without it these tests are skipped, and say so; with GENMEM_REQUIRE_BROWSER set, as `make test` does, they fail.
"""

import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()
DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE = 60.0


class Browser:
    """A window of Chromium that keeps what the console said and what was asked of the network."""

    def __init__(self, profile: Path):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # The path of the driver: Selenium's own manager would look for one on the internet.
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self._said: list[dict] = []
        self._asked: list[str] = []

    def open(self, url: str, size: tuple[int, int] = DESKTOP) -> None:
        """Go to the page in a window of this many CSS pixels; a narrow one is a phone, with touch."""
        self.resize(size)
        self.driver.get(url)

    def resize(self, size: tuple[int, int]) -> None:
        phone = size[0] < 600
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})

    def run(self, script: str, *arguments):
        """The value of a JavaScript function's body."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments, seconds: float = PATIENCE):
        """The first value of the script that is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < end, f"not within {seconds:g} s: {script}"
            time.sleep(0.02)
        return value

    def errors(self) -> list[str]:
        """What the console has said that is worse than information, since the browser started."""
        self._said += self.driver.get_log("browser")
        return [entry["message"] for entry in self._said if entry["level"] not in ("INFO", "DEBUG")]

    def requests(self) -> list[str]:
        """Every address that was asked for since the browser started, pages and sockets; not what the file holds
        itself."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._asked.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                self._asked.append(message["params"]["url"])
        return [address for address in self._asked if not address.startswith(("data:", "blob:", "chrome:", "about:"))]

    def sideways(self) -> int:
        """CSS pixels that the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def picture(self, element) -> np.ndarray:
        """What an element looks like, (height, width, 3) bytes."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for the tests of a file."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        sentence = f"{' and '.join(missing)} not found; `make browser` installs what the browser tests need"
        if os.environ.get("GENMEM_REQUIRE_BROWSER"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    window = Browser(tmp_path_factory.mktemp("profile"))
    yield window
    window.driver.quit()
