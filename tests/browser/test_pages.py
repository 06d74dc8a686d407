"""The pages as people have them: in a browser, with and without scripts, wide and narrow, light and dark."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.browser.page import Page
from tests.leaderboard import bundles

METHODS = ["best", "middle", "other", "scratch"]
KINDS = [
    "index.html",
    "rules.html",
    "{track}/pareto-parameters.html",
    "transfer.html",
    "transfer/mini-v1/maml.html",
    "{track}/compare.html?m=best&m=middle",
    "{track}/compare.html",
    "{track}/significance.html",
    "{track}/methods/best.html",
    "{track}/tasks/digits-5w1s.html",
    "{submission}",
]


@pytest.fixture(scope="module")
def addresses(folder: Path) -> list[str]:
    """One address of every kind of page."""
    (track,) = (path.parent.name for path in (folder / "site").glob("*/leaderboard.json"))
    submission = sorted((folder / "site" / "submissions").glob("*.html"))[0]
    return [k.format(track=track, submission=f"submissions/{submission.name}") for k in KINDS]


def test_sort_by_a_heading(page: Page, server: str) -> None:
    page.go(server)
    assert page.rows() == METHODS
    page.link("Method").click()
    page.wait(lambda: page.rows() == sorted(METHODS) and "sort=method" in page.driver.current_url)
    page.link("Mean").click()
    page.wait(lambda: page.rows() == METHODS)
    page.link("Mean").click()
    page.wait(lambda: page.rows() == METHODS[::-1])
    assert page.find("th[aria-sort=ascending]")[0].text.startswith("Mean")


def test_filter_as_one_types_and_share_the_address(page: Page, server: str) -> None:
    page.go(server)
    page.find("#q")[0].send_keys("Mid")
    page.wait(lambda: page.rows() == ["middle"])
    page.wait(lambda: "q=Mid" in page.driver.current_url)
    shared = page.driver.current_url
    page.go("about:blank")
    page.go(shared)
    assert page.rows() == ["middle"]
    assert page.find("#q")[0].get_attribute("value") == "Mid"


def test_rank_one_domain_alone(page: Page, server: str) -> None:
    page.go(server)
    Select(page.find("select[name=domain]")[0]).select_by_visible_text("digits")
    page.wait(lambda: "digits alone" in page.text("#board"))
    assert not page.find("th[data-column^=langid]")


def test_hide_columns(page: Page, server: str) -> None:
    page.go(server)
    page.find("form details summary")[0].click()
    page.find("input[value=attempts]")[0].click()
    page.wait(lambda: not page.find("th[data-column=attempts]"))
    assert page.find("th[data-column=seeds]")


def test_open_a_method_and_compare_two(page: Page, server: str) -> None:
    page.go(server)
    page.link("best").click()
    page.wait(lambda: page.text("h1").startswith("best"))
    assert "Adaptation" in page.text() and page.find(".drawing svg")
    page.link("Compare").click()
    page.wait(lambda: page.text("h1") == "Compare")
    for name in ("best", "scratch"):
        page.find(f"input[name=m][value={name}]")[0].click()
    page.find("button.go")[0].click()
    page.wait(lambda: page.text("h1") == "Compare best, scratch")
    page.wait(lambda: len(page.find(".vega[data-drawn=yes] svg")) == 2)
    assert "better" in page.text()


def test_submit_by_the_program_and_watch_it_appear(
    page: Page, server: str, token: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "newcomer.zip"
    bundle.write_bytes(bundles.zipped(tmp_path / "run", "newcomer", skill=0.7))
    page.go(server)
    assert "newcomer" not in page.rows()
    words = ["submit", str(bundle), "--server", server]
    done = subprocess.run(
        [sys.executable, "-m", "metanas", *words],
        env=os.environ | {"METANAS_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr

    def shown() -> bool:
        page.driver.refresh()
        return "newcomer" in page.rows()

    page.wait(shown)
    row = page.driver.find_element(By.CSS_SELECTOR, "tr[data-method=newcomer]")
    row.find_element(By.CSS_SELECTOR, "td:last-child a").click()
    page.wait(lambda: "What happened" in page.text())
    assert re.search(r"received.*scoring.*published", page.text("ol.timeline"), re.DOTALL)


@pytest.mark.parametrize("pixels", [1400, 400])
def test_every_page_is_accessible_quiet_and_asks_no_other_host(
    page: Page, server: str, addresses: list[str], pixels: int
) -> None:
    page.width(pixels)
    for address in addresses:
        page.go(f"{server}/{address}")
        assert page.complaints() == [], address
        assert page.hosts() <= {urlsplit(server).netloc}, address
        assert page.axe() == [], address
        assert page.too_wide() <= 0, address


def test_dark_pages_are_legible(page: Page, server: str, addresses: list[str]) -> None:
    page.dark(True)
    for address in addresses:
        page.go(f"{server}/{address}")
        assert page.axe() == [], address
    page.dark(False)


def test_the_first_column_stays_in_sight_on_a_phone(page: Page, server: str) -> None:
    page.width(400)
    page.go(server)
    page.driver.execute_script("document.querySelector('.scroll').scrollLeft = 400")
    left = page.driver.execute_script(
        "return document.querySelector('tbody th').getBoundingClientRect().left"
    )
    assert 0 <= left < 40


def test_without_scripts_everything_is_there(page: Page, server: str, addresses: list[str]) -> None:
    page.scripts(False)
    for address in addresses:
        page.driver.get(f"{server}/{address}")
        for picture in page.find(".chart img"):
            page.wait(lambda picture=picture: int(picture.get_property("naturalWidth") or 0) > 100)  # type: ignore[misc]
    page.driver.get(f"{server}/?sort=method")
    page.find("#q")[0].send_keys("mid")
    page.find("button.go")[0].click()
    page.wait(lambda: "q=mid" in page.driver.current_url)
    assert "middle" in page.text("#table") and "scratch" not in page.text("#table")


def test_a_static_site_sorts_and_filters_from_a_folder(page: Page, folder: Path) -> None:
    page.go((folder / "site" / "index.html").as_uri())
    assert page.rows() == METHODS
    page.find("th[data-column=method] button")[0].click()
    assert page.rows() == sorted(METHODS)
    page.find("th[data-column=method] button")[0].click()
    assert page.rows() == sorted(METHODS, reverse=True)
    page.find("#q")[0].send_keys("e")
    assert page.rows() == ["other", "middle", "best"]
    shared = page.driver.current_url
    assert "#" in shared
    page.go("about:blank")
    page.go(shared)
    assert page.rows() == ["other", "middle", "best"]
    assert page.complaints() == []


def test_a_static_picture_is_drawn_from_a_folder(page: Page, folder: Path) -> None:
    (pareto,) = (folder / "site").glob("*/pareto-parameters.html")
    page.go(pareto.as_uri())
    assert len(page.find(".vega svg")) == 1
    assert page.complaints() == [] and page.hosts() <= {""}
