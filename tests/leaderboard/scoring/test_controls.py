"""Controls that come in a bundle: scored with it, shown on the method page, part of its JSON."""

import json
from pathlib import Path

import pytest

from leaderboard.ranking import standing
from leaderboard.scoring.document import of_scored
from leaderboard.scoring.transport import from_wire, to_wire
from leaderboard.scoring.validate import validate
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.evaluation import result
from metanas.evaluation.gains import EVERYWHERE
from tests.leaderboard import bundles


def test_controls_are_scored_stored_and_shown(tmp_path: Path) -> None:
    files = bundles.controlled(bundles.good())
    for name, content in files.items():
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_bytes(content)
    scored = validate(files)
    assert scored.gains[EVERYWHERE].keys() == {"gain", "decoding"}
    assert scored.gains["digits"]["decoding"]["mean"] == 0
    gain, accuracy = scored.gains[EVERYWHERE]["gain"], json.loads(of_scored(scored))["mean"]["mean"]
    assert accuracy / 2 <= gain["mean"] <= accuracy / 2 + 0.05 and gain["p"] < 0.01
    again = from_wire(json.loads(to_wire(scored)), files[result.SUBMISSION])
    assert of_scored(again) == of_scored(scored)

    store = Store(tmp_path / "board.db")
    track = store.add(tmp_path / "run")
    (shown,) = standing.history(store, "mine")
    assert shown.gains == scored.gains
    page = open_site(Stored(store), live=False).get(links.method(track, "mine")).content.decode()
    assert "What adapting the architecture does" in page and "architecture gain" in page
    assert f"{100 * gain['mean']:+.1f} [" in page
    store.close()


def test_a_bundle_without_controls_scores_as_before() -> None:
    plain, asked = validate(bundles.good()), validate(bundles.controlled(bundles.good()))
    assert plain.gains == {}
    before, after = json.loads(of_scored(plain)), json.loads(of_scored(asked))
    assert after.pop("architecture") and before == after


def test_a_packed_run_takes_its_controls_along(tmp_path: Path) -> None:
    from leaderboard.bundle.pack import collect
    from metanas.evaluation.controls import CONTROLS

    bundles.run(tmp_path / "run")
    content = bundles.controlled(bundles.good())[CONTROLS]
    (tmp_path / "run" / CONTROLS).write_bytes(content)
    assert collect(tmp_path / "run", bundles.ABOUT)[CONTROLS] == content
    assert validate(collect(tmp_path / "run", bundles.ABOUT)).gains[EVERYWHERE]["gain"][
        "mean"
    ] == pytest.approx(validate(bundles.controlled(bundles.good())).gains[EVERYWHERE]["gain"]["mean"])
