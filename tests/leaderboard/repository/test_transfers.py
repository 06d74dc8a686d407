"""Transfer studies on the board: the numbers of the report everywhere, and what is damaged is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq
import pytest

from leaderboard.admin.pull_request import Change, check
from leaderboard.bundle.problem import BundleError
from leaderboard.repository import studies
from leaderboard.server.app import create_app
from leaderboard.server.settings import Settings
from leaderboard.web import links
from leaderboard.web.render import Missing
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from metanas.evaluation import study, tables, transfer
from metanas.evaluation.result import ResultError, read_table
from tests.leaderboard.serving import served
from tests.leaderboard.site import Fixed

MINI = studies.FOLDER / "mini-v1" / "maml"
PLACE = studies.ROOT / "mini-v1" / "maml"


@pytest.fixture(scope="module")
def site() -> Site:
    return open_site(Fixed([], studies.read_all()), live=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A study that may be damaged, in its place of a repository."""
    return Path(shutil.copytree(MINI, tmp_path / PLACE))


def text(site: Site, address: str) -> str:
    return site.get(address).content.decode()


def change(folder: Path, **fields: Any) -> None:
    """Other values in study.json; the answers stay those it names."""
    path = folder / study.STUDY
    digest = hashlib.sha256((folder / study.ANSWERS).read_bytes()).hexdigest()
    document = {**json.loads(path.read_text()), "answers_sha256": digest, **fields}
    path.write_text(json.dumps(document))


def test_the_page_shows_every_number_of_the_report(site: Site) -> None:
    page = text(site, links.study("mini-v1/maml"))
    found = tables.transfer(transfer.read(MINI))
    assert len(found) == 3, "accuracy, differences, what transfers"
    for table in found:
        for row in table.rows:
            for cell in row:
                assert f">{cell}</t" in page, f"{table.title}: {cell}"
    drawn = site.get(links.picture(links.study("mini-v1/maml"), "matrix", "light")).content.decode()
    cells = transfer.read(MINI).cells
    inside, gap = cells[0].accuracy, next(cell.difference for cell in cells if cell.difference is not None)
    assert f"{100 * inside.mean:.1f}" in drawn and f"[{100 * gap.low:.1f}, {100 * gap.high:.1f}]" in drawn


def test_the_page_says_which_command_made_it_and_quotes_what_strangers_wrote(copy: Path) -> None:
    site = open_site(Fixed([], studies.read_all(copy.parents[1])), live=False)
    arguments = json.loads((copy / study.STUDY).read_text())["arguments"]
    assert f"metanas transfer {' '.join(arguments[:4])}" in text(site, links.study("mini-v1/maml"))
    change(copy, arguments=["--method", "maml; rm -r /"])
    site = open_site(Fixed([], studies.read_all(copy.parents[1])), live=False)
    assert "--method &#39;maml; rm -r /&#39;<" in text(site, links.study("mini-v1/maml"))


def test_the_first_page_is_a_study_that_says_what_transfers_and_leads_to_all(site: Site) -> None:
    page = text(site, links.TRANSFER)
    (first,) = (path for path in site.studies if f'{path}.html" aria-current="true"' in page)
    assert "neither" in site.studies[first].study.variants
    for path in site.studies:
        assert f'href="transfer/{path}.html"' in page
    with pytest.raises(Missing):
        site.get(links.study("mini-v1/none"))
    assert "metanas transfer --method maml" in text(open_site(Fixed([]), live=False), links.TRANSFER)


def test_a_study_without_fresh_numbers_says_so(copy: Path) -> None:
    answers = read_table(copy / study.ANSWERS, study.SCHEMA)
    kept = answers.filter([word != "neither" for word in answers["variant"].to_pylist()])
    pq.write_table(kept, copy / study.ANSWERS)
    change(copy, variants=["both", "weights", "arch"], arguments=[])
    site = open_site(Fixed([], studies.read_all(copy.parents[1])), live=False)
    page = text(site, links.study("mini-v1/maml"))
    assert "no run from a random initialisation" in page and "not recorded" in page
    assert page.count('class="vega"') == 1


def test_the_api_answers_the_numbers_of_the_files(site: Site, tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path}/b.db", tmp_path / "data", studies=studies.FOLDER) as server:
        answer = server.client.get("/api/v1/transfer")
        again = server.client.get("/api/v1/transfer", headers={"If-None-Match": answer.headers["etag"]})
        assert server.client.get("/transfer/mini-v1/maml.json").content == studies.document(
            site.studies["mini-v1/maml"]
        )
    assert again.status_code == 304
    files = [json.loads(text(site, links.study(path, "json"))) for path in site.studies]
    assert answer.json() == {"studies": files}
    matrix = transfer.read(MINI)
    (mini,) = (found for found in files if found["path"] == "mini-v1/maml")
    for cell, shown in zip(matrix.cells, mini["cells"], strict=True):
        assert (shown["train"], shown["test"], shown["p"]) == (cell.train, cell.test, cell.p)
        assert shown["accuracy"]["low"] == cell.accuracy.low
    assert len(mini["parts"]) == len(matrix.parts) == 3 * len(matrix.cells)


def test_every_committed_study_would_pass_as_a_pull_request() -> None:
    shown = studies.read_all()
    assert len(shown) >= 2
    for found in shown:
        studies.check(studies.FOLDER / found.path, studies.ROOT / found.path)


def cut(folder: Path) -> None:
    path = folder / study.ANSWERS
    path.write_bytes(path.read_bytes()[:-100])


def one_row_less(folder: Path) -> None:
    path = folder / study.ANSWERS
    pq.write_table(read_table(path, study.SCHEMA).slice(1), path)
    change(folder)


def without_in_domain(folder: Path) -> None:
    change(folder, rows=[["digits"], ["langid"]])


def other_data(folder: Path) -> None:
    tasks = json.loads((folder / study.STUDY).read_text())["tasks"]
    change(folder, tasks=[{**tasks[0], "fingerprint": "0" * 64}, *tasks[1:]])


def endless(folder: Path) -> None:
    tasks = json.loads((folder / study.STUDY).read_text())["tasks"]
    change(folder, tasks=[{**tasks[0], "episodes": 100_000, "queries": 10_000}, *tasks[1:]])


DAMAGE: list[
    tuple[Callable[[Path], None], str, bool]
] = [  # what, message, whether a board refuses to open with it
    (cut, r"answers.parquet: not a (readable )?Parquet file", True),
    (one_row_less, r"answers.parquet: .*expected each of the episodes 0 to 29 once", True),
    (without_in_domain, r"study.json: rows: 'spoken-words' is tested on, but no row was", True),
    (lambda f: change(f, variants=["weights"]), r"study.json: variants: 'both' is missing", True),
    (lambda f: change(f, seeds=[0, 0]), r"study.json: seeds: 0 stands there twice", True),
    (lambda f: change(f, arguments=["a\nb"]), r"study.json: arguments.0: String should match", True),
    (lambda f: (f / study.STUDY).write_text("{"), r"study.json: not JSON", True),
    (lambda f: (f / study.ANSWERS).unlink(), r"answers.parquet: (missing|cannot be read)", True),
    (other_data, r"study.json: tasks.0.fingerprint: other data than the suite's", False),
    (endless, r"study.json: tasks: \d+ answers, at most 20000000", False),
    (lambda f: change(f, method="../x"), r"study.json: method: got '../x'", False),
    (lambda f: change(f, suite="none"), r"bundle: lies in leaderboard/studies/mini-v1/maml", False),
    (lambda f: (f / "x.py").write_text(""), r"x.py: does not belong in a study", False),
]


@pytest.mark.parametrize(("damage", "message", "opens"), DAMAGE)
def test_a_damaged_study_is_refused_with_its_fault(
    copy: Path, tmp_path: Path, damage: Callable[[Path], None], message: str, opens: bool
) -> None:
    studies.check(copy, PLACE)
    damage(copy)
    with pytest.raises(BundleError, match=message):
        studies.check(copy, PurePosixPath(PLACE))
    if opens:
        with pytest.raises(ResultError, match=rf"transfer study .*mini-v1/maml: {message}"):
            create_app(Settings(db=str(tmp_path / "b.db"), studies=copy.parents[1]))


def added(copy: Path) -> list[Change]:
    return [Change("A", f"{PLACE}/{path.name}") for path in sorted(copy.iterdir())]


def test_a_pull_request_may_add_a_whole_study_but_no_link(copy: Path, tmp_path: Path, site: Site) -> None:
    report = check(tmp_path, added(copy))
    assert report.problems == () and "## Valid" in report.text
    assert report.scores == site.get(links.study("mini-v1/maml", "json")).content
    assert all(tables.markdown(table) in report.text for table in tables.transfer(transfer.read(copy)))
    changed = added(copy)
    cut(copy)
    assert "answers.parquet: not a Parquet file" in check(tmp_path, changed).text
    copy.rename(tmp_path / "elsewhere")
    copy.symlink_to(tmp_path / "elsewhere")
    assert "a link, not a folder" in check(tmp_path, changed).text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (Change("A", "leaderboard/results/mini-v1/a/0/entry.json"), "a study changes nothing outside"),
        (Change("M", f"{PLACE}/study.json"), "never changed or deleted"),
        (Change("A", f"{PLACE}/cells/x.parquet"), "does not belong there"),
        (Change("A", f"{studies.ROOT}/mini-v1/other/study.json"), "one new folder a pull request, got 2"),
    ],
)
def test_a_pull_request_that_does_more_is_refused(
    copy: Path, tmp_path: Path, more: Change, message: str
) -> None:
    report = check(tmp_path, [*added(copy), more])
    assert message in report.text and report.scores is None
