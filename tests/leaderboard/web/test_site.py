"""The pages as values: every address answers, links lead somewhere, numbers agree, twice the same bytes."""

import csv
import dataclasses
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import Any
from unittest.mock import Mock

import pytest

from leaderboard.ranking.standing import Standing, home_track
from leaderboard.repository.studies import read_all
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.drawings import drawings
from leaderboard.web.query import DEFAULT, QueryError, TableQuery
from leaderboard.web.render import Missing
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.views import exports
from metanas.data import manifest
from metanas.evaluation import result
from metanas.evaluation.statistics import Interval
from tests import runs
from tests.leaderboard.site import CHOICES, Fixed, standing

METHODS = {"scratch": 0.4, "best": 0.9, "middle": 0.6, "a.b_c-d": 0.58}


@pytest.fixture(scope="module")
def standings(tmp_path_factory: pytest.TempPathFactory) -> list[Standing]:
    folder = tmp_path_factory.mktemp("runs")
    found = [standing(folder / name, name, skill, day=2) for name, skill in METHODS.items()]
    older = dataclasses.replace(standing(folder / "old", "best", 0.5, day=1), superseded=True)
    return [older, *found]


@pytest.fixture(scope="module")
def static(standings: list[Standing]) -> Site:
    return open_site(Fixed(standings, read_all()), live=False)


@pytest.fixture(scope="module")
def live(standings: list[Standing]) -> Site:
    return open_site(Fixed(standings, read_all()), live=True)


class Links(HTMLParser):
    """Everything a page refers to, its tables, and whether scripts or styles stand in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        for name in ("href", "src", "srcset"):
            if (value := named.get(name)) is not None:
                self.found.append(value)


def text(site: Site, address: str, **query: list[str]) -> str:
    return site.get(address, query).content.decode()


def track(site: Site) -> str:
    (slug,) = site.tracks
    return slug


def test_every_link_of_the_static_site_leads_to_a_page_of_it(static: Site) -> None:
    paths = static.paths()
    assert len(paths) == len(set(paths))
    for path in paths:
        if path.endswith(".html"):
            for target in Links(text(static, path)).found:
                if target.startswith("#"):
                    continue
                assert "//" not in target and ":" not in target, f"{path} asks another host: {target}"
                assert normpath(f"{dirname(path) or '.'}/{target}") in paths, f"{path} links to {target}"


def test_two_static_sites_are_the_same_bytes(standings: list[Standing], static: Site) -> None:
    """Whatever the order of the submissions; of the pictures, which take long, one of each kind."""
    again = open_site(Fixed(list(reversed(standings)), read_all()), live=False)
    assert again.paths() == static.paths()
    pictures = {path.split(".")[-3]: path for path in static.paths() if path.endswith(".light.svg")}
    assert set(pictures) == {"matrix", "parts", "pareto", "forest", "scatter", "curves"}
    for path in static.paths():
        if not path.endswith((".light.svg", ".dark.svg")) or path in pictures.values():
            assert again.get(path).content == static.get(path).content, path


def test_no_page_has_a_script_or_style_of_its_own(static: Site, live: Site) -> None:
    """The content policy is default-src 'self': what stands in the page would not run."""
    for site in (static, live):
        for path in (p for p in static.paths() if p.endswith(".html")):
            for tag, attributes in Links(text(site, path)).tags:
                assert (
                    tag != "style"
                    and "style" not in attributes
                    and not any(name.startswith("on") for name in attributes)
                ), f"{path}: {tag}"
                if tag == "script":
                    assert attributes.get("src") or attributes.get("type") == "application/json", path


def test_every_picture_has_words_a_table_and_an_svg(static: Site) -> None:
    drawn = 0
    for path in (p for p in static.paths() if p.endswith(".html")):
        page = text(static, path)
        for name in re.findall(r'data-name="([^"]+)"', page):
            drawn += 1
            assert "<table" in page, f"{path}: {name} has no table beside it"
            svg = static.get(links.picture(path, name, "light")).content.decode()
            assert "<title>" in svg and "<desc>" in svg
    assert drawn >= 11, "three of them of transfer studies"


def test_every_number_of_the_table_is_in_the_exports(static: Site) -> None:
    slug = track(static)
    rows = json.loads(text(static, f"{slug}/leaderboard.json"))["rows"]
    table = list(csv.DictReader(io.StringIO(text(static, f"{slug}/leaderboard.csv"))))
    page = text(static, f"{slug}/index.html")
    markdown, latex = (text(static, f"{slug}/leaderboard.{form}") for form in ("md", "tex"))
    assert [row["method"] for row in rows] == [row["method"] for row in table]
    for row, line in zip(rows, table, strict=True):
        mean = row["mean"]
        gain = row["architecture_gain"]
        assert f"{100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]" in page
        assert (row["swap_test"]["mean"], row["regret"]["mean"]) == (0.3, 0.042)
        assert "adapt_flops" in row and "predict_macs" in row
        assert float(line["mean"]) == pytest.approx(100 * mean["mean"], abs=1e-4)
        written = f"{100 * mean['mean']:.1f} [{100 * mean['low']:.1f}, {100 * mean['high']:.1f}]"
        assert written in page and written in markdown
        half = 50 * (mean["high"] - mean["low"])
        assert f"{100 * mean['mean']:.1f} \\pm {half:.1f}" in latex


def test_a_spreadsheet_gets_no_formula(tmp_path: Path) -> None:
    site = open_site(Fixed([standing(tmp_path / "x", "=1+1", 0.5)]), live=False)
    assert "'=1+1" in text(site, f"{track(site)}/leaderboard.csv")


def names(page: str) -> list[str]:
    return re.findall(r'<tr data-method="([^"]+)"', page)


def test_filters_hide_rows_and_keep_ranks(live: Site) -> None:
    address = f"{track(live)}/index.html"
    page = text(live, address, q=["DLE"])
    assert names(page) == ["middle"]
    assert '<td class="rank" data-value="1">2' in page, "its rank on the whole board"
    assert names(text(live, address, tier=["reproduced"])) == []
    assert len(names(text(live, address, transductive=["no"]))) == 4


def test_sorting_and_its_permalink(live: Site) -> None:
    address = f"{track(live)}/index.html"
    for column, group in (("digits/5w1s", "tasks"), ("on-digits", "domains")):
        up = names(text(live, address, sort=[column], columns=[group]))
        down = text(live, address, sort=[f"-{column}"], columns=[group])
        assert up == list(reversed(names(down)))
        assert f'aria-sort="descending" data-column="{column}"' in down
    assert names(text(live, address, sort=["method"])) == sorted(METHODS)


def test_swap_test_and_regret_are_columns_to_choose(live: Site) -> None:
    page = text(live, f"{track(live)}/index.html", columns=["swap", "regret"], sort=["regret"])
    assert "+30.0 [+29.0, +31.0]" in page and "+4.2 [+3.2, +5.2]" in page
    assert 'aria-sort="ascending" data-column="regret"' in page


def test_a_domain_alone_is_ranked_on_itself(live: Site) -> None:
    page = text(live, f"{track(live)}/index.html", domain=["digits"])
    assert "digits alone" in page
    assert 'data-column="spoken-words/5w1s"' not in page


def test_the_board_as_of_a_day_shows_what_stood_then(live: Site) -> None:
    address = f"{track(live)}/index.html"
    assert names(text(live, address, as_of=["2026-01-01"])) == ["best"]
    assert len(names(text(live, address, as_of=["2026-01-02"]))) == 4
    with pytest.raises(Missing):
        live.get(address, {"as_of": ["2025-12-31"]})


def test_a_board_of_the_past_is_ranked_while_another_one_is_kept(live: Site) -> None:
    """Both look into the same cache, under locks of their own."""
    slug = track(live)
    board = live.board(slug)

    class Kept(tuple[str, str, None]):
        def __getitem__(self, place: Any) -> Any:  # another thread's turn
            live._boards.setdefault((slug, "langid", None), board)
            return super().__getitem__(place)

    live._boards[Kept((slug, "digits", None))] = board  # type: ignore[index]
    assert [line.method for line in live.board(slug, as_of=date(2026, 1, 1)).lines] == ["best"]


def test_a_choice_survives_its_permalink() -> None:
    from urllib.parse import parse_qs

    choice = TableQuery(q="x&y", domain="digits", sort="mean", descending=True, columns=("date",), page=3)
    again = TableQuery.of(parse_qs(choice.link()[1:]), ["digits"], ["digits/5w1s"])
    assert again == choice
    assert TableQuery().link() == "", "the plain address"
    assert TableQuery.of({}, [], []).columns == DEFAULT


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"sort": ["nothing"]}, "sort=nothing: there is only rank, method"),
        ({"page": ["0"]}, "page wants a positive number, got '0'"),
        ({"page": ["٣"]}, "page wants a positive number"),
        ({"as_of": ["today"]}, "as_of wants a day like 2026-11-24, got 'today'"),
        ({"domain": ["x"]}, "domain=x: there is only digits, spoken-words"),
        ({"columns": ["x"]}, "columns=x: there is only family, links, tier, domains"),
        ({"tier": ["gold"]}, "tier=gold: there is only recomputed, challenged, reproduced"),
    ],
)
def test_a_query_that_means_nothing_says_what_would(
    live: Site, query: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(QueryError, match=re.escape(message)):
        live.get(f"{track(live)}/index.html", query)


@pytest.mark.parametrize("address", ["x", "x/index.html", "../etc/passwd", "static/../board.py", "static/"])
def test_there_is_nothing_elsewhere(live: Site, address: str) -> None:
    with pytest.raises(Missing):
        live.get(address)


def test_what_entrants_type_is_text(tmp_path: Path) -> None:
    evil = standing(tmp_path / "x", "m", 0.5)
    object.__setattr__(evil, "entry", {"summary": "<script>alert(1)</script>", "claims": {}})
    object.__setattr__(evil, "flags", (("odd", '"><img src=x onerror=alert(1)>'),))
    site = open_site(Fixed([evil]), live=True)
    page = text(site, links.method(evil.track, "m"))
    assert "<script>alert" not in page and "<img src=x" not in page


def test_the_method_page_has_all_that_belongs_to_it(static: Site, standings: list[Standing]) -> None:
    page = text(static, links.method(standings[-1].track, "best"))
    for words in (
        "About best.",
        "Reported and recomputed",
        "99.0",
        "Adaptation",
        "<svg",
        "conv3/relu &gt; gru",
        "metanas run --method best --suite mini-v1 --budget small --seeds 0,1",
        "@misc{metanas-bench-best-2026",
        "superseded" if standings[0].superseded else "recomputed, published",
    ):
        assert words in page, words


def test_comparing_shows_differences_and_refuses_what_cannot_be(live: Site) -> None:
    address = f"{track(live)}/compare.html"
    page = text(live, address, m=["best", "scratch"])
    assert "best - scratch" in page and "better" in page
    assert "best - a.b_c-d" in text(live, address, m=["best", "a.b_c-d", "middle"])
    with pytest.raises(QueryError, match="no such method"):
        live.get(address, {"m": ["best", "x"]})


def test_an_interval_beyond_0_to_100_is_cut_alike_in_every_form() -> None:
    line = Mock(method="wide", overall=Interval(0.45, -0.5, 1.4, ""), tasks={}, ranks="1")
    line.place = Mock(first=1, last=1, best=True, family="wide", to_best=Interval(0.0, 0.0, 0.0, ""))
    board = Mock(tasks=())
    (row,) = csv.DictReader(io.StringIO(exports.WRITERS["csv"](board, [line])))
    assert [row[name] for name in ("mean", "mean low", "mean high")] == ["45.0000", "0.0000", "100.0000"]
    for form in ("md", "tex"):
        assert "45.0 [0.0, 100.0]" in exports.WRITERS[form](board, [line])


def test_one_method_is_no_comparison_but_a_start_of_one(live: Site) -> None:
    page = text(live, f"{track(live)}/compare.html", m=["best"])
    assert "2 to 6 methods can be compared; 1 chosen so far." in page
    assert 'value="best" checked' in page and 'value="scratch" checked' not in page


def test_methods_are_compared_with_the_best_and_with_a_baseline(live: Site) -> None:
    address = f"{track(live)}/significance.html"
    page = text(live, address, baseline=["scratch"])
    for words in ("may be the best, alone", "not the best", "Minus scratch", "points are found significant"):
        assert words in page, words
    assert "points are found significant" in text(live, f"{track(live)}/index.html")
    with pytest.raises(QueryError, match="baseline=x: no such method on this board"):
        live.get(address, {"baseline": ["x"]})


def test_a_track_by_training_operations_is_the_first_view(tmp_path: Path) -> None:
    budget = {"name": "small-2T", "flops": 2e12, "tasks": 2, "eval_episodes": 20}
    store = Store(tmp_path / "board.db")
    for method in ("a", "bb", "ccc"):
        runs.make(tmp_path / method, method, 0.6)
        store.add(tmp_path / method)
    assert "/ small (" in str(home_track(store))
    for method, first in (("a", "small"), ("bb", "small-2T")):  # of one there is nothing to compare yet
        folder = tmp_path / f"paid-{method}"
        result.write(folder, runs.make(folder, method, 0.6).model_copy(update={"budget": budget}))
        store.add(folder)
        assert f"/ {first} (" in str(home_track(store))
    store.close()


def test_an_empty_board_says_how_to_make_a_result() -> None:
    site = open_site(Fixed([]), live=True)
    assert "metanas run --method protonet" in text(site, "")


def test_a_submission_that_is_not_published_has_no_page(tmp_path: Path) -> None:
    waiting = standing(tmp_path / "x", "m", 0.5)
    object.__setattr__(waiting, "state", "flagged")
    object.__setattr__(waiting, "public", False)
    site = open_site(Fixed([waiting]), live=True)
    with pytest.raises(Missing):
        site.get(links.submission(waiting.id))


def test_a_page_of_a_large_board_has_a_hundred_rows(tmp_path: Path) -> None:
    one = standing(tmp_path / "x", "m", 0.5, whole=False)
    many = []
    for i in range(120):
        document = one.document.model_copy(update={"method": f"m{i:03d}"})
        many.append(dataclasses.replace(one, method=f"m{i:03d}", document=document))
    site = open_site(Fixed(many), live=True)
    address = f"{track(site)}/index.html"
    first, second = names(text(site, address)), names(text(site, address, page=["2"]))
    assert (len(first), len(second)) == (100, 20)
    assert not set(first) & set(second)
    assert len(site.get(address).packed) < 300_000


SHARES = {"node": [[1.0, *[0.0] * 7]] * 2, "activation": [[1.0, 0.0, 0.0]] * 2, "depth": [0.0, 1.0]}


@pytest.mark.parametrize(
    "change",
    [
        {"node": []},
        {"ops": ["conv3"]},
        {"ops": ["<svg>"] * 8},
        {"depth": [float("nan"), 0.5]},
        {"depth": [0.5] * 3},
        {"text": 7},
        {"activation": "x"},
        {"shares": {**SHARES, "node": [[0.5] * 8] * 3}},
        {"shares": {**SHARES, "activation": [[0.5] * 2] * 2}},
        {"shares": {**SHARES, "depth": [0.5, 1.5]}},
    ],
)
def test_what_is_no_architecture_is_not_drawn(change: dict[str, object]) -> None:
    assert len(drawings("m", {"t": {"text": "conv3", **CHOICES}})) == 1
    (counted,) = drawings("m", {"t": {"text": "conv3", **CHOICES, "shares": SHARES}})
    assert counted.counted and counted.rows[-1] == ("exit", ("0.0 (p 40.0)", "100.0 (p 60.0)"))
    assert drawings("m", {"t": {"text": "conv3", **CHOICES, **change}}) == []


def test_a_methods_page_says_what_adapting_its_architecture_does(tmp_path: Path) -> None:
    one = standing(tmp_path / "x", "m", 0.5)
    page = text(open_site(Fixed([one]), live=False), links.method(one.track, "m"))
    assert "+2.1 [+1.1, +3.1]" in page and "swap test" in page and "over a random one" not in page
    plain = dataclasses.replace(one, gains={})
    page = text(open_site(Fixed([plain]), live=False), links.method(one.track, "m"))
    assert "What adapting the architecture does" not in page


def test_methods_that_differ_in_case_or_script_all_have_pages(tmp_path: Path) -> None:
    names = ("reptile", "Reptile", "r\u0435ptile")  # the last with a Cyrillic letter
    standings = [standing(tmp_path / str(i), name, 0.5, day=1 + i) for i, name in enumerate(names)]
    site = open_site(Fixed(standings), live=False)
    pages = [path for path in site.paths() if path.endswith(".html")]
    assert len({path.casefold() for path in pages}) == len(pages)
    for name in names:
        assert name in text(site, links.method(standings[0].track, name))
    assert sum("/compare/" in path for path in pages) == 3
    for path in pages:
        assert site.get(path).content


def test_a_task_s_page_says_which_queries_are_repeated(
    standings: list[Standing], static: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = standings[0].document.tasks[0]
    address = links.task(static.board(track(static)).track, task.name)
    assert "Repeated queries" not in text(static, address)
    shape = str(task.shape)
    entry = {
        "fingerprint": task.fingerprint,
        "episodes": 600,
        "test": {shape: "0" * 64},
        "repeats": {shape: {"episodes": 122, "queries": 122, "train": 3}},
    }
    monkeypatch.setattr(manifest, "read", lambda suite: {task.domain: {"full": entry}})
    queries = 600 * task.ways * task.queries
    expected = (
        f"122 of 600 episodes ({12200 / queries:.2g} % of queries), 3 of {queries:,} queries in meta-train"
    )
    again = open_site(Fixed(standings, read_all()), live=False)  # a site keeps its pages
    assert expected in text(again, address)


def test_relative_links_are_those_of_posixpath() -> None:
    addresses = ("index.html", "a/index.html", "a/b/c.html", "a/b/d/e.html", "ab/y.html", "a/b.html")
    for target, page in product(addresses, addresses):
        assert links.relative(target, page) == relpath(target, dirname(page) or ".")
