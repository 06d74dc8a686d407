"""Pages through the server: headers, conditional requests, errors, and that a new result appears."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from leaderboard.store.store import Store
from leaderboard.web.static_site import export
from tests import runs
from tests.leaderboard.serving import Served, served


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    folder = tmp_path_factory.mktemp("board")
    store = Store(folder / "board.db")
    for name, skill in (("best", 0.9), ("a.b_c-d", 0.4)):
        runs.make(folder / name, name, skill)
        store.add(folder / name)
    store.close()
    with served(f"sqlite:///{folder}/board.db", folder / "board-data") as found:
        yield found, folder


def track(found: Served) -> str:
    (slug,) = found.app.state.live.site().tracks
    return str(slug)


def test_the_first_page_is_a_board_and_every_answer_under_a_strict_content_policy(
    board: tuple[Served, Path],
) -> None:
    for path in ("/", "/healthz", "/readyz", "/nothing", "/api/v1/tracks", "/api/v1/openapi.json"):
        headers = board[0].client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers
    answer = board[0].client.get("/")
    assert answer.status_code == 200
    assert "spoken-words 1-shot (synthetic)" in answer.text


def test_a_page_that_did_not_change_is_not_sent_again(board: tuple[Served, Path]) -> None:
    first = board[0].client.get("/")
    again = board[0].client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_packed_and_plain_are_the_same_page(board: tuple[Served, Path]) -> None:
    plain = board[0].client.get("/", headers={"Accept-Encoding": "identity"})
    packed = board[0].client.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nothing.html", 404, "There is no such page"),
        ("/static/../../leaderboard/board.py", 404, "There is no such page"),
        ("/{track}/index.html?sort=%3Cscript%3E", 400, "sort=&lt;script&gt;: there is only rank"),
        ("/{track}/index.html?q=" + "x" * 3000, 400, "the query is too long"),
        ("/{track}/index.html?page=999999999999999999999", 400, "page wants a positive number"),
    ],
)
def test_an_error_is_a_page_with_the_way_back(
    board: tuple[Served, Path], address: str, status: int, words: str
) -> None:
    answer = board[0].client.get(address.format(track=track(board[0])))
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize("address", ["/nothing.html", "/a/b/c.html", "/a/b/", "/%2e%2e/x", "/x%20y/z"])
def test_the_menu_of_an_error_leads_on_from_any_address_and_below_any_prefix(
    board: tuple[Served, Path], address: str
) -> None:
    answer = board[0].client.get(address)
    assert answer.status_code == 404
    menu = re.findall(r'<li><a href="([^"]+)"', answer.text)
    assert len(menu) >= 8 and not any(link.startswith("/") for link in menu)
    for link in menu:
        below = urljoin(f"http://testserver/prefix{address}", link)
        assert below.startswith("http://testserver/prefix/")
        assert board[0].client.get(below.removeprefix("http://testserver/prefix")).status_code == 200, link


def test_what_is_not_of_the_api_is_said_in_its_own_way(board: tuple[Served, Path]) -> None:
    answer = board[0].client.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_every_static_page_is_served_too(board: tuple[Served, Path], tmp_path: Path) -> None:
    """The same addresses on both, and every export file byte for byte."""
    found, folder = board
    index = export(Store(folder / "board.db"), tmp_path / "site")
    for path in sorted(index.parent.rglob("*")):
        if path.is_file():
            address = path.relative_to(index.parent).as_posix()
            answer = found.client.get(f"/{address}")
            assert answer.status_code == 200, address
            if not address.endswith(".html"):
                assert answer.content == path.read_bytes(), address


def test_a_new_result_appears_without_a_restart(board: tuple[Served, Path]) -> None:
    found, folder = board
    runs.make(folder / "new", "newcomer", 0.7)
    found.context.store.add(folder / "new")
    address, until = f"/{track(found)}/index.html", time.monotonic() + 20
    while "newcomer" not in found.client.get(address).text:
        assert time.monotonic() < until, "it never appeared"
        time.sleep(0.05)
