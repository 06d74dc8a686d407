"""What can be taken away from the pages: bundles, answers, citations; the same from every build."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import pytest

from leaderboard.bundle import reading
from leaderboard.bundle.names import ENTRY, Members
from leaderboard.bundle.pack import collect, to_zip
from leaderboard.ranking import standing
from leaderboard.repository.results import bundles as committed
from leaderboard.repository.results import open_with
from leaderboard.scoring.validate import validate
from leaderboard.store.store import Store
from leaderboard.web import downloads, links
from leaderboard.web.render import Missing
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.evaluation import result
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served
from tests.leaderboard.site import Fixed
from tests.leaderboard.site import standing as made

STATE = {"url": "https://example.org/state.safetensors", "sha256": "c" * 64}


@SQLITE
def test_a_bundle_comes_back_valid_with_the_same_scores_and_without_the_contact(
    server: Served, tmp_path: Path
) -> None:
    bundles.run(tmp_path / "run", "mine")
    sent: Members = collect(tmp_path / "run", {**bundles.ABOUT, "trained_state": STATE})
    identity = server.post(to_zip(sent)).json()["id"]
    server.work()
    live = open_site(Stored(server.context.store), live=True)
    got = live.get(links.file(identity, "bundle.zip"))
    assert got.media == "application/zip" and got.packed is None
    (tmp_path / "got.zip").write_bytes(got.content)
    members = reading.read(tmp_path / "got.zip")
    for ours, theirs in zip(validate(members).tasks, validate(sent).tasks, strict=True):
        assert ours.task == theirs.task and (ours.right == theirs.right).all()
    assert bundles.ABOUT["contact"].encode() not in got.content
    assert {name for name in members if members[name] != sent[name]} == {ENTRY}
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert json.loads(archive.read(ENTRY))["contact"] == downloads.WITHHELD
    answers = live.get(links.file(identity, result.PREDICTIONS))
    assert answers.content == sent[result.PREDICTIONS]
    assert answers.media == "application/vnd.apache.parquet"
    for name in (ENTRY, "curves.parquet", "other.zip"):
        with pytest.raises(Missing):
            live.get(links.file(identity, name))
    page = live.get(links.method(live.tracks[live.home], "mine")).content.decode()
    for part in ("bundle (zip)", "answers (Parquet)", "scores (JSON)", STATE["url"], STATE["sha256"]):
        assert part in page, part


def test_files_of_what_is_not_public_are_not_given(tmp_path: Path) -> None:
    hidden = dataclasses.replace(made(tmp_path / "x", "m", 0.5), public=False)
    site = open_site(Fixed([hidden]), live=True)
    with pytest.raises(Missing):
        site.get(links.file(hidden.id, "bundle.zip"))


def test_committed_results_have_the_same_ids_dates_and_pages_on_every_board(
    committed_store: Store, tmp_path: Path
) -> None:
    """A static export that is built anew, on another day, leaves every citation as it was."""
    other = Store(tmp_path / "board.db")
    assert open_with(other) == len(committed())
    assert open_with(other) == 0
    pages = []
    for store in (committed_store, other):
        site = open_site(Stored(store), live=False)
        same = ("static/", "transfer", "domain")  # whatever the board
        paths = [p for p in site.paths() if not p.startswith(same) and not p.endswith(".svg")]
        pages.append({path: site.get(path).content for path in paths if "/compare/" not in path})
    other.close()
    assert pages[0].keys() == pages[1].keys()
    different = [path for path, content in pages[0].items() if content != pages[1][path]]
    assert different == []
    method = next(
        content for path, content in pages[0].items() if path.endswith("methods/maml.html")
    ).decode()
    folder = next(folder for folder in committed() if folder.parent.name == "maml")
    document = result.read_submission(folder / result.SUBMISSION)
    assert f"@misc{{metanas-bench-maml-2026-{document.predictions_sha256[:8]}" in method
    assert f"date = {{{document.created:%Y-%m-%d}}}" in method
    assert "author = {{MetaNAS-Bench maintainers}}" in method


def test_ids_of_committed_results_are_of_the_time_of_their_runs(committed_store: Store) -> None:
    rows = standing.current(committed_store)
    assert len({row.id for row in rows}) == len(committed())
    for row in rows:
        assert row.accepted == row.document.created
        assert int(row.id.replace("-", "")[:12], 16) == int(row.accepted.timestamp() * 1000)
        assert row.id[14] == "7" and row.id[19] in "89ab", "a UUID of version 7"


def test_what_bibtex_would_misread_is_escaped(tmp_path: Path) -> None:
    entry = {"authors": [{"name": "A & B {x}"}, {"name": "C_D"}], "summary": "s"}
    one = dataclasses.replace(made(tmp_path / "x", "m", 0.5), entry=entry)
    page = open_site(Fixed([one]), live=True).get(links.method(one.track, "m")).content.decode()
    assert r"author = {{A \&amp; B \{x\}} and {C\_D}}" in page
