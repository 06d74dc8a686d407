"""The first screen: what this is, who leads and by how much, the table, and the ways on from it."""

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leaderboard.ranking.standing import Standing
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.track_names import budget_words, track_names
from metanas.evaluation.one_to_many import with_baseline
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.result import Costs, Provenance, Submission
from tests.leaderboard.site import GAINS, Fixed, standing

ENTRY = {
    "authors": [{"name": "Ada <b>L</b>"}, {"name": "B"}, {"name": "C"}],
    "family": "nas",
    "summary": "s",
    "paper_url": "https://example.org/paper",
    "code": {"url": "https://example.org/code", "commit": "abcdef0", "licence": "MIT"},
}


@pytest.fixture(scope="module")
def standings(tmp_path_factory: pytest.TempPathFactory) -> list[Standing]:
    folder = tmp_path_factory.mktemp("runs")
    found = [
        standing(folder / name, name, skill) for name, skill in (("best", 0.9), ("next", 0.6), ("last", 0.3))
    ]
    costs = found[0].document.costs.model_copy(
        update={"adapt_flops": 5_439_705_600, "predict_macs": 2_936_939}
    )
    document = found[0].document.model_copy(update={"costs": costs})
    return [dataclasses.replace(found[0], entry=ENTRY, document=document, gains=GAINS), *found[1:]]


@pytest.fixture(scope="module")
def live(standings: list[Standing]) -> Site:
    return open_site(Fixed(standings), live=True)


def text(site: Site, address: str = "", **query: list[str]) -> str:
    return site.get(address, query).content.decode()


def words(page: str) -> str:
    """What a reader sees of a page, as one line."""
    return " ".join(re.sub(r"<[^>]+>", "", page).split())


def test_the_first_screen_says_what_this_is_who_leads_and_how_to_enter(live: Site) -> None:
    page = text(live)
    board = live.board(live.home)
    leader = board.lines[0]
    (against,) = [a for a in with_baseline(board.views(), "best", LEVEL) if a.name == "next"]
    low, high = -100 * against.difference.high, -100 * against.difference.low
    headline = (
        f"best leads on mini-v1, small budget: {100 * leader.mean:.1f} %, "
        f"{-100 * against.difference.mean:+.1f} [{low:+.1f}, {high:+.1f}] points over next, significant."
    )
    assert headline in words(page)
    before_table = page[: page.index("<table")]
    for part in ("MetaNAS-Bench ranks methods", 'class="headline"', 'class="button" href="submit.html"'):
        assert part in before_table, part


def test_a_lead_that_is_not_significant_is_called_so_as_the_ranks_do(tmp_path: Path) -> None:
    rows = [
        standing(tmp_path / name, name, skill) for name, skill in (("aa", 0.61), ("bbb", 0.6))
    ]  # a name of another length answers otherwise
    site = open_site(Fixed(rows), live=True)
    lead = site.board(site.home).lead
    assert lead is not None and not lead.significant and site.board(site.home).lines[0].ranks == "1\u20132"
    assert "not significant. 2 methods may be the best." in words(text(site))


def test_one_method_leads_nobody(tmp_path: Path) -> None:
    site = open_site(Fixed([standing(tmp_path / "x", "lonely", 0.5)]), live=True)
    assert "lonely is the only method on mini-v1, small budget" in words(text(site))


def test_the_table_answers_who_how_good_at_what_price(live: Site) -> None:
    page = text(live)
    row = next(row for row in page.split("<tr")[1:] if 'data-method="best"' in row)
    gain = "+2.1 [+1.1, +3.1]"
    for part in (
        "Ada &lt;b&gt;L&lt;/b&gt; et al.",
        ">nas<",
        ">paper<",
        ">code<",
        "recomputed",
        gain,
        "5.44 G",
        "2026-01-01",
    ):
        assert part in row, part
    assert 'href="https://example.org/paper" rel="nofollow ugc noopener"' in row
    headings = re.findall(r'data-column="([^"]+)"', page)
    assert headings == [
        *("rank", "method", "mean", "family", "links", "tier", "on-digits", "on-spoken-words"),
        *("gain", "adapt", "date"),
    ]
    details = text(live, columns=["macs", "tasks"])
    assert "2.94 M" in details and 'data-column="digits/5w1s"' in details


def test_of_many_domains_the_table_has_one_column_a_modality(tmp_path: Path) -> None:
    """18 domains of core-v1 would not fit on a screen."""
    one = standing(tmp_path / "x", "m", 0.5)
    domains = ("omniglot", "cifar-fs", "mnist", "clinc150", "banking77", "fsdd", "speech_commands")
    first = one.document.tasks[0]
    tasks = tuple(first.model_copy(update={"domain": domain}) for domain in domains)
    accuracies = {task.name: one.accuracies[first.name] for task in tasks}
    document = one.document.model_copy(update={"tasks": tasks})
    many = dataclasses.replace(one, document=document, accuracies=accuracies, summaries={}, curves={})
    page = text(open_site(Fixed([many]), live=True))
    assert re.findall(r'data-column="(on-[^"]+)"', page) == ["on-image", "on-text", "on-speech"]
    assert "image (3)" in page


def test_where_nothing_matches_the_filters_can_be_reset(live: Site) -> None:
    page = text(live, q=["nobody"])
    assert "No match. Reset filters" in words(page)
    assert 'id="reset" href="index.html"' in page, "where the reader is, on the first page and on a track's"
    assert 'id="reset" href="index.html"' in text(live, f"{live.home}/index.html", q=["nobody"])
    assert re.search(r'<p id="none" hidden>', text(live)), "hidden where there are rows"


def test_filters_find_authors_and_families(live: Site) -> None:
    for query in ({"q": ["ADA <B>"]}, {"family": ["nas"]}):
        assert re.findall(r'<tr data-method="([^"]+)"', text(live, **query)) == ["best"]


def test_rows_can_be_ticked_and_compared(live: Site) -> None:
    page = text(live)
    form = page[page.index('<form id="compare"') :]
    assert f'action="{live.home}/compare.html"' in form[: form.index(">")]
    assert re.findall(r'name="m" value="([^"]+)" aria-label="Compare ([^"]+)"', form) == [
        (name, name) for name in ("best", "next", "last")
    ]


def document(budget: dict[str, int | float | str], suite_version: str = "1.1") -> Submission:
    return Submission.model_construct(suite="mini-v1", suite_version=suite_version, budget=budget)


SMALL = {"name": "small", "iterations": 100, "tasks": 2, "eval_episodes": 30}


def test_tracks_have_names_and_no_two_the_same() -> None:
    full = {
        "mini-v1 1.1 / small (30-100-2) / full data / 75832912": SMALL,
        "mini-v1 1.1 / small (30-50-2) / full data / 75832912": {**SMALL, "iterations": 50},
        "mini-v1 1.1 / small (30-50-2) / full data / 00000000": {**SMALL, "iterations": 50},
        "mini-v1 1.1 / small-2T (30-2e12-2) / sample / 75832912": {
            **SMALL,
            "name": "small-2T",
            "flops": 2e12,
        },
        "mini-v1 1.1 / full (200-2000-4) / full data / 75832912": {**SMALL, "name": "full"},
        "something else": SMALL,
    }
    found = track_names({track: document(budget) for track, budget in full.items()})
    names = [name.short for name in found.values()]
    assert len(set(names)) == len(names)
    assert names[3:] == [
        "mini-v1, small-2T budget, sample of the data",
        "mini-v1, full budget",
        "something else",
    ]
    assert "100 iterations of 2 tasks per domain" in names[0] and names[2].endswith("data 00000000")
    assert (
        budget_words({**SMALL, "flops": 2e12})
        == "2 TFLOP of meta-training, 30 test episodes per task and seed"
    )


def test_no_page_names_a_track_by_its_hashes_where_people_read(live: Site) -> None:
    static = open_site(live.source, live=False)
    full = live.tracks[live.home]
    for path in (p for p in static.paths() if p.endswith(".html")):
        page = text(static, path)
        assert full not in page.replace(f"<code>{full}</code>", ""), path
        assert f"<h1>{full}" not in page and "(30-100-2)" not in page


def test_code_that_is_stored_is_not_called_unpublished(tmp_path: Path) -> None:
    one = standing(tmp_path / "x", "m", 0.5)
    provenance = Provenance(commit="a" * 40, dirty=False)
    stored = dataclasses.replace(one, document=one.document.model_copy(update={"provenance": provenance}))
    address = links.method(one.track, "m")
    page = text(open_site(Fixed([stored]), live=True, repository=""), address)
    assert f"commit <code>{'a' * 40}</code>" in page and "not published" not in page
    linked = text(open_site(Fixed([stored]), live=True, repository="https://example.org/r"), address)
    assert f'href="https://example.org/r/tree/{"a" * 40}"' in linked
    assert '<a href="https://example.org/r" rel="noopener">Repository</a>' in linked
    assert "not published" in text(open_site(Fixed([one]), live=True), address)


def test_the_pareto_pages_have_costs_that_differ_and_short_tables(standings: list[Standing]) -> None:
    cheap = standings[1].document.model_copy(
        update={"costs": Costs(**{**standings[0].document.costs.model_dump(), "adapt_flops": 1000})}
    )
    site = open_site(
        Fixed([standings[0], dataclasses.replace(standings[1], document=cheap), standings[2]]), live=True
    )
    for cost, missing in (("flops", 1), ("macs", 1), ("parameters", 0)):
        page = text(site, f"{site.home}/pareto-{cost}.html")
        assert page.count("does not state this cost.") == missing
        assert 'class="zoom"' in page and '<div class="tall">' in page
    flops = text(site, f"{site.home}/pareto-flops.html")
    assert "5,439,705,600" in flops and "1,000" in flops
    assert f'href="{site.home}/pareto-flops.html"' in text(site), "the first that the menu leads to"
    empty = open_site(Fixed([standings[2]]), live=True)
    assert "No result of this track states this cost." in text(empty, f"{empty.home}/pareto-flops.html")


def test_dates_are_of_the_accepted_result(standings: list[Standing]) -> None:
    late = dataclasses.replace(standings[0], accepted=datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert ">2026-12-31<" in text(open_site(Fixed([late]), live=True))
