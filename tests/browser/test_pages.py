"""The pages as people have them: in a browser, with and without scripts, wide and narrow, light and dark."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.browser.page import Page
from tests.leaderboard import bundles

METHODS = ["best", "middle", "other", "scratch"]
KINDS = [
    "index.html",
    "rules.html",
    "{track}/pareto-flops.html",
    "{track}/index.html?q=nobody",
    "{track}/compare.html?m=best",
    "submit.html",
    "api.html",
    "cite.html",
    "domains.html",
    "domains/digits.html",
    "domains/langid.html",
    "domains/spoken-words.html",
    "domains/huffpost.html",
    "no/such/page.html",
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
    page.link("Method and authors").click()
    page.wait(lambda: page.rows() == sorted(METHODS) and "sort=method" in page.driver.current_url)
    page.link("Mean accuracy, %").click()
    page.wait(lambda: page.rows() == METHODS)
    page.link("Mean accuracy, %").click()
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
    page.wait(lambda: "Ranked on digits alone" in page.text("#board"))
    assert page.find("th[data-column=on-digits]") and not page.find("th[data-column=on-langid]")


def test_choose_columns(page: Page, server: str) -> None:
    page.go(server)
    page.find("form details summary")[0].click()
    page.find("input[value=tier]")[0].click()
    page.wait(lambda: not page.find("th[data-column=tier]"))
    page.find("input[value=attempts]")[0].click()
    page.wait(lambda: len(page.find("th[data-column=attempts]")) == 1)
    assert page.complaints() == [], "the address changed, and the links of the page with it"
    page.driver.refresh()
    assert len(page.find("th[data-column=attempts]")) == 1 and not page.find("th[data-column=tier]")
    assert page.find("th[data-column=family]")


def test_no_column_is_cut_off_and_the_answer_is_on_the_first_screen(page: Page, server: str) -> None:
    page.go(server)
    over = "const box = document.querySelector('.scroll'); return box.scrollWidth - box.clientWidth"
    assert page.driver.execute_script(over) <= 0
    for css in (".headline", ".button", "#table tbody tr:nth-child(4)"):
        bottom = page.driver.execute_script(
            f"return document.querySelector('{css}').getBoundingClientRect().bottom"
        )
        assert 0 < bottom < 800, css


def test_what_matches_nothing_can_be_reset(page: Page, server: str) -> None:
    page.go(server)
    page.find("#q")[0].send_keys("nobody")
    page.wait(lambda: page.rows() == [] and "No match" in page.text("#board"))
    page.link("Reset filters").click()
    page.wait(lambda: page.rows() == METHODS and page.find("#q")[0].get_attribute("value") == "")


def test_tick_two_rows_with_the_keyboard_and_compare(page: Page, server: str) -> None:
    page.go(server)
    for name in ("best", "scratch"):
        page.find(f"#table input[value={name}]")[0].send_keys(Keys.SPACE)
    page.find("button.compare")[0].send_keys(Keys.ENTER)
    page.wait(lambda: page.text("h1") == "Compare best, scratch")


def test_the_menu_of_a_page_that_is_not_there_leads_on(page: Page, server: str) -> None:
    page.go(f"{server}/no/such/page.html")
    page.link("Pareto").click()
    page.wait(lambda: page.text("h1") == "Accuracy and what it costs")


def test_the_pareto_picture_zooms_and_its_table_is_short(
    page: Page, server: str, addresses: list[str]
) -> None:
    page.go(f"{server}/{next(a for a in addresses if 'pareto' in a)}")
    ticks = (
        "return [...document.querySelectorAll('.vega .role-axis-label text')].map(t => t.textContent)"
        ".sort().join()"
    )
    first = page.driver.execute_script(ticks)
    page.find("button[value=in]")[0].send_keys(Keys.ENTER)
    page.wait(lambda: page.driver.execute_script(ticks) != first)
    page.find("button[value=all]")[0].click()
    page.wait(lambda: page.driver.execute_script(ticks) == first)
    page.find("main > details:last-of-type summary")[0].click()
    page.driver.execute_script(
        "const body = document.querySelector('.tall tbody'), row = body.rows[0];"
        "for (let i = 0; i < 1000; i++) body.append(row.cloneNode(true))"
    )
    height = page.driver.execute_script("return document.documentElement.scrollHeight")
    assert height < 3000


def test_samples_of_a_domain_are_seen_and_heard(page: Page, server: str) -> None:
    page.go(f"{server}/domains/spoken-words.html")
    loaded = "return [...document.images].every(image => image.naturalWidth > 10)"
    page.wait(lambda: bool(page.driver.execute_script(loaded)))
    page.driver.execute_script(
        "for (const clip of document.querySelectorAll('audio')) clip.preload = 'auto', clip.load()"
    )
    heard = "return [...document.querySelectorAll('audio')].every(clip => clip.duration > 0.1 && !clip.error)"
    page.wait(lambda: bool(page.driver.execute_script(heard)))
    assert page.complaints() == []


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
    row.find_element(By.CSS_SELECTOR, "td:last-child a").click()  # its date
    page.wait(lambda: "What happened" in page.text())
    assert re.search(r"received.*scoring.*published", page.text("ol.timeline"), re.DOTALL)


@pytest.mark.parametrize("pixels", [1400, 400])
def test_every_page_is_accessible_quiet_and_asks_no_other_host(
    page: Page, server: str, addresses: list[str], pixels: int
) -> None:
    page.width(pixels)
    for address in addresses:
        page.go(f"{server}/{address}")
        expected = ["404"] if "no/such" in address else []
        assert [c for c in page.complaints() if not any(e in c for e in expected)] == [], address
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


def test_a_static_site_shows_more_columns_resets_and_compares_two(page: Page, folder: Path) -> None:
    page.go((folder / "site" / "index.html").as_uri())
    assert not page.find("th[data-column=seeds]")[0].is_displayed()
    page.find("form details summary")[0].click()
    page.find("input[value=seeds]")[0].click()
    assert page.find("th[data-column=seeds]")[0].is_displayed()
    assert page.find("#table tbody tr:first-child td:last-child")[0].is_displayed() is False
    Select(page.find("select[name=tier]")[0]).select_by_visible_text("reproduced")
    assert page.rows() == [] and "No match" in page.text("#board")
    page.find("#reset")[0].click()
    assert page.rows() == METHODS and page.find("th[data-column=seeds]")[0].is_displayed()
    page.find("#table input[value=scratch]")[0].click()
    page.find("button.compare")[0].click()
    assert "Choose two of the best 8" in page.text("#note")
    page.find("#table input[value=best]")[0].click()
    page.find("button.compare")[0].click()
    page.wait(lambda: page.text("h1") == "Compare best, scratch")
    assert page.complaints() == []


def test_a_static_picture_is_drawn_from_a_folder(page: Page, folder: Path) -> None:
    (pareto,) = (folder / "site").glob("*/pareto-flops.html")
    page.go(pareto.as_uri())
    assert len(page.find(".vega svg")) == 1
    assert page.complaints() == [] and page.hosts() <= {""}
