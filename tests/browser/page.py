"""What a test does with a browser window: go, click, type, read, and ask what the browser complained of."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SECONDS = 30


def chromium(browser: str, driver: str) -> webdriver.Chrome:
    """Start Chromium without a screen; its programs' paths."""
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.set_page_load_timeout(60)
    return found


class Page:
    """A window of a browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def width(self, pixels: int) -> None:
        """As wide as that; narrow ones are phones."""
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def scripts(self, on: bool) -> None:
        """Whether the page's scripts run."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def dark(self, on: bool) -> None:
        """Whether the reader prefers dark pages."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def go(self, address: str) -> None:
        """Open a page and wait until its pictures are drawn; earlier complaints are forgotten."""
        self.complaints(), self.hosts()
        self.driver.get(address)
        if self.find(".vega") and self.driver.execute_script("return window.vegaEmbed !== undefined"):
            self.wait(lambda: len(self.find(".vega[data-drawn=yes]")) == len(self.find(".vega")))

    def find(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def link(self, text: str) -> WebElement:
        return self.driver.find_element(By.LINK_TEXT, text)

    def text(self, css: str = "main") -> str:
        return self.driver.find_element(By.CSS_SELECTOR, css).text

    def rows(self) -> list[str]:
        """The methods in the ranked table, from top to bottom, as far as they are shown."""
        script = """return [...document.querySelectorAll('#table tbody tr')].filter(row => !row.hidden)
            .map(row => row.querySelector('th a').textContent)"""
        found: list[str] = self.driver.execute_script(script)
        return found

    def wait(self, true: Callable[[], bool]) -> None:
        """Until something is true. TimeoutError after SECONDS."""
        until = time.monotonic() + SECONDS

        def now() -> bool:
            try:
                return true()
            except StaleElementReferenceException:  # the page was changed while we looked
                return False

        while not now():
            if time.monotonic() > until:
                raise TimeoutError(
                    f"not so after {SECONDS} s: {self.driver.current_url}\n{self.text('body')}"
                )
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What the browser logged as warnings and errors since last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def hosts(self) -> set[str]:
        """Where requests went since last asked."""
        found = set()
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                parts = urlsplit(message["params"]["request"]["url"])
                if parts.scheme not in ("data", "blob"):
                    found.add(parts.netloc)
        return found

    def axe(self) -> list[str]:
        """What axe-core finds serious or critical."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.driver.execute_async_script(
            "axe.run(document).then(arguments[arguments.length - 1])"
        )
        return [
            f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    def too_wide(self) -> int:
        """By how many pixels the page (not a table in it) is wider than the window."""
        over: int = self.driver.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        return over
