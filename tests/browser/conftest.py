"""A real Chromium and a real server on this machine. Skips loudly where there is no Chromium."""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver

from leaderboard.accounts import tokens
from leaderboard.repository import studies
from leaderboard.server.app import create_app
from leaderboard.server.settings import Settings
from leaderboard.store.store import Store
from leaderboard.web.static_site import export
from metanas.evaluation import result
from tests.browser.page import Page
from tests.browser.page import chromium as start
from tests.browser.pictures import with_architectures, with_curves
from tests.leaderboard import bundles


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        message = "NOT RUN in a browser: apt-get install chromium chromium-driver"
        if os.environ.get("METANAS_REQUIRE_CHROMIUM"):
            pytest.fail(message)
        pytest.skip(message)
    found = start(browser, driver)
    yield found
    found.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome) -> Iterator[Page]:
    """A window of desktop width with nothing in its logs."""
    found = Page(chromium)
    found.width(1400)
    yield found
    found.scripts(True)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of four methods, its static site in `site`."""
    root = tmp_path_factory.mktemp("browser")
    store = Store(root / "board.db")
    for name, skill in (("scratch", 0.4), ("best", 0.9), ("middle", 0.6), ("other", 0.58)):
        made = bundles.run(root / name, name, skill=skill, seed=len(name))
        flops = made.costs.model_copy(
            update={"adapt_flops": int(1e9 * skill), "predict_macs": int(1e6 / skill)}
        )
        result.write(root / name, made.model_copy(update={"costs": flops}))
        with_architectures(root / name)
        store.add(root / name)
    with_curves(store)
    export(store, root / "site", studies.read_all())
    store.close()
    return root


@pytest.fixture(scope="session")
def token(folder: Path) -> str:
    """With which Ada may submit."""
    store = Store(folder / "board.db")
    with store.database.write() as session:
        secret, _ = tokens.issue(session, f"ada-{secrets.token_hex(2)}", "test", ("submit", "read:own"), 1)
    store.close()
    return secret


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[str]:
    """The address of a running board."""
    config = uvicorn.Config(
        create_app(Settings(db=str(folder / "board.db"), studies=studies.FOLDER)), port=0, log_level="error"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.05)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()
