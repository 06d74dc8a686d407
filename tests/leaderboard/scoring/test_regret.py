"""Candidates that come in a bundle: regret is computed from them, stored, shown, part of the exports."""

import json
from pathlib import Path

from leaderboard.bundle.pack import collect
from leaderboard.ranking import standing
from leaderboard.scoring.document import of_scored
from leaderboard.scoring.transport import from_wire, to_wire
from leaderboard.scoring.validate import validate
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.evaluation import regret, result
from metanas.evaluation.gains import EVERYWHERE
from tests.leaderboard import bundles


def test_regret_is_scored_stored_and_shown(tmp_path: Path) -> None:
    files = bundles.with_candidates(bundles.controlled(bundles.good()))
    for name, content in files.items():
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_bytes(content)
    scored = validate(files)
    assert scored.gains[EVERYWHERE].keys() == {"gain", "decoding", "regret", "oracle"}
    found = scored.gains[EVERYWHERE]["regret"]
    assert found["p"] is None and found["mean"] <= scored.gains[EVERYWHERE]["oracle"]["mean"]
    again = from_wire(json.loads(to_wire(scored)), files[result.SUBMISSION])
    assert of_scored(again) == of_scored(scored)

    store = Store(tmp_path / "board.db")
    track = store.add(tmp_path / "run")
    (shown,) = standing.history(store, "mine")
    assert shown.gains == scored.gains
    site, cell = open_site(Stored(store), live=True), f"{100 * found['mean']:+.1f} ["
    page = site.get(links.method(track, "mine")).content.decode()
    assert "regret, episode by episode" in page and cell in page
    board = site.get(links.board(track, "index.html"), {"columns": ["regret"]}).content.decode()
    assert 'data-column="regret"' in board and cell in board
    (row,) = json.loads(site.get(links.board(track, "leaderboard.json")).content)["rows"]
    assert row["regret"]["mean"] == found["mean"]
    store.close()


def test_a_bundle_without_candidates_scores_as_before() -> None:
    files = bundles.controlled(bundles.good())
    plain, asked = validate(files), validate(bundles.with_candidates(files))
    assert plain.gains[EVERYWHERE].keys() == {"gain", "decoding"}
    for domain, figures in plain.gains.items():
        assert {name: asked.gains[domain][name] for name in figures} == figures
    before, after = json.loads(of_scored(plain)), json.loads(of_scored(asked))
    assert before.pop("architecture") != after.pop("architecture") and before == after


def test_a_packed_run_takes_its_candidates_along(tmp_path: Path) -> None:
    bundles.run(tmp_path / "run")
    content = bundles.with_candidates(bundles.good())[regret.CANDIDATES]
    (tmp_path / "run" / regret.CANDIDATES).write_bytes(content)
    assert collect(tmp_path / "run", bundles.ABOUT)[regret.CANDIDATES] == content
