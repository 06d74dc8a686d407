"""Pages that tell a visitor what to do: submit, reproduce, cite, ask the API. What they say works."""

import re
import shlex
from html import unescape
from pathlib import Path

import pytest
import yaml

from leaderboard.bundle import entry
from leaderboard.repository.results import bundles
from leaderboard.store.store import Store
from leaderboard.web import about, links
from leaderboard.web.reproduce import command
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.store_source import Stored
from leaderboard.web.views import api, submit
from metanas.base.errors import InvalidValue
from metanas.engine import config
from metanas.evaluation import result
from tests import runs
from tests.leaderboard.serving import SQLITE, Served
from tests.leaderboard.site import Fixed, standing
from tests.rooms import ROOT
from tests.test_docs import fault

COMMITTED = bundles()


def text(site: Site, address: str) -> str:
    return site.get(address).content.decode()


def test_five_commands_lead_to_the_board(tmp_path: Path) -> None:
    site = open_site(Fixed([standing(tmp_path / "x", "m", 0.5)]), live=True)
    page = text(site, links.SUBMIT)
    shown = [unescape(line) for line in re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code>", page)]
    assert shown == [line for _, line in submit.steps(site)] and len(shown) == 5
    assert [line.split()[1] for line in shown] == ["new-method", "run", "pack", "validate", "submit"]
    assert all(fault(shlex.split(line)[1:]) == "" for line in shown)
    assert "--suite mini-v1 --budget small" in shown[1], "of the first page's track"
    assert [line for _, line in submit.steps(open_site(Fixed([]), live=True))] == shown


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.parent.name)
def test_the_reproduce_command_gives_the_settings_of_the_result(folder: Path) -> None:
    submission = result.read_submission(folder / result.SUBMISSION)
    given = shlex.split(command(submission).replace("\\\n", ""))
    assert fault(given[1:]) == ""
    sets = [given[i + 1] for i, word in enumerate(given) if word == "--set"]
    budget = given[given.index("--budget") + 1]
    made = config.resolve(
        submission.method, submission.suite, budget=budget, seeds=submission.seeds, overrides=sets
    )
    assert made.budget.named(budget) == submission.budget and made.suite.name == submission.suite

    def leaves(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in tree.items():
            found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        return found

    have = leaves(made.settings)
    assert {key: have[key] for key in leaves(submission.settings)} == leaves(submission.settings)


def test_the_reproduce_command_names_another_budget_device_and_precision(tmp_path: Path) -> None:
    made = runs.make(tmp_path / "x", "m", 0.5)
    plain = made.model_copy(
        update={"settings": {"steps": 3, "names": ["a b", "c"], "text": "", "none": None}}
    )
    changed = plain.model_copy(
        update={
            "budget": {"name": "small", "iterations": 7, "tasks": 2, "eval_episodes": 100},
            "environment": {"device": "NVIDIA H100", "precision": "bf16"},
        }
    )
    shown = command(changed)
    assert "--device cuda --precision bf16" in shown and "--set budget.iterations=7" in shown
    words = shlex.split(shown.replace("\\\n", ""))
    sets = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert config.parse_overrides(sets) == {**changed.settings, "budget": {"iterations": 7}}


def test_the_benchmark_is_cited_as_its_citation_file_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    found = about.bibtex("https://example.org/r")
    assert citation["title"] in found and citation["authors"][0]["name"] in found
    assert f"version = {{{citation['version']}}}" in found and "url = {https://example.org/r}" in found
    page = text(open_site(Fixed([]), live=True, repository=""), links.CITE)
    assert "@software{metanas-bench-" in page and "url =" not in page


def test_an_administrator_says_where_the_repository_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(about.VARIABLE, "https://example.org/r")
    assert 'href="https://example.org/r" rel="noopener">Repository' in text(
        open_site(Fixed([]), live=True), ""
    )
    monkeypatch.setenv(about.VARIABLE, "javascript:alert(1)")
    with pytest.raises(InvalidValue, match="METANAS_REPOSITORY wants an address like https://"):
        open_site(Fixed([]), live=True)


@SQLITE
def test_the_api_page_lists_what_needs_no_token(server: Served) -> None:
    paths = server.client.get("/api/v1/openapi.json").json()["paths"]
    free = {
        path
        for path, methods in paths.items()
        if path.startswith("/api/") and "get" in methods and not methods["get"].get("security")
    } | {
        path
        for path, m in paths.items()
        if path.startswith("/api/") and {} in m.get("get", {}).get("security", [])
    }
    assert {path.partition("?")[0] for path, _ in api.READS} == free
    page = server.client.get(f"/{links.API}").text
    for path, _ in api.READS:
        assert path.replace("&", "&amp;") in page
    assert server.client.get("/api/v1/openapi.json").status_code == 200 and "api/v1/openapi.json" in page


def test_what_a_result_says_of_itself_does_not_contradict_its_run() -> None:
    """A number of iterations in a summary is the track's; who says "no meta-training" declares none."""
    for folder in COMMITTED:
        submission = result.read_submission(folder / result.SUBMISSION)
        declared = entry.parse((folder / "entry.json").read_bytes())
        for count in re.findall(r"(\d+) iterations", declared.summary):
            assert int(count) == submission.budget["iterations"], folder
        assert ("no meta-training" in declared.summary) == (not declared.meta_train_domains), folder


def test_every_page_of_the_committed_results_is_made_and_in_plain_words(committed_store: Store) -> None:
    site = open_site(Stored(committed_store), live=False)
    odd = (
        "told from luck",
        "numbers of the",
        "above chance",
        "random numbers",
        "fresh numbers",
        "as of the end",
    )
    odd += (
        "undecided",
        "+-",
        "a labelled example",
        "examples a class",
        "queries a class",
        " x seeds",
        "may be luck",
    )
    pages = [path for path in site.paths() if path.endswith(".html")]
    pair, *_ = (path for path in pages if "/compare/" in path)  # the others take as long and say the same
    for path in (p for p in pages if "/compare/" not in p or p == pair):
        seen = re.sub(r"<[^>]+>|&[a-z]+;", " ", text(site, path)).lower()
        assert not [phrase for phrase in odd if phrase in seen], path
    home, method = text(site, ""), text(site, next(p for p in site.paths() if "/methods/maml" in p))
    assert "Snapshot date (UTC)" in text(open_site(Stored(committed_store), live=True), "")
    assert "Chance-normalised accuracy" in home and "Show data" in method and "<h2>Reproduce</h2>" in method
    task = text(site, next(p for p in site.paths() if "/tasks/digits-5w1s" in p))
    assert "1 example per class" in task and "100 \u00d7 5" in method
