"""Nobody chooses the rivals of a result: its track follows from the suite that the server knows."""

import json
from pathlib import Path

import pytest

from leaderboard.bundle.names import Members
from leaderboard.bundle.problem import BundleError
from leaderboard.ranking import standing
from leaderboard.scoring.validate import inspect
from leaderboard.store.store import Store, track_of
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored, check_home
from metanas.base.errors import InvalidValue
from metanas.evaluation import result
from tests import runs
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


def changed(**fields: object) -> Members:
    document = {**json.loads(bundles.good()[result.SUBMISSION]), **fields}
    return bundles.resealed(bundles.good(), submission_json=json.dumps(document).encode())


def tasks() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(bundles.good()[result.SUBMISSION])["tasks"]
    return found


def test_the_order_of_the_tasks_makes_no_track_of_its_own() -> None:
    usual = inspect(bundles.good()).submission
    assert track_of(inspect(changed(tasks=tasks()[::-1])).submission) == track_of(usual)


def test_the_tracks_of_committed_results_are_what_they_were() -> None:
    """On 30 test episodes, as the first results were, and on 100, of either budget."""
    now = Path("leaderboard/results/mini-v1/protonet")
    for folder, digits in (
        (Path("docs/comparison/mini-v1/protonet"), "75832912"),
        (now / "daa3608052ce", "787f1826"),
        (now / "2c95ddbd2c1a", "787f1826"),
    ):
        assert track_of(result.read_submission(folder / result.SUBMISSION)).endswith(f"full data / {digits}")


def test_a_list_of_episodes_that_nobody_pinned_is_refused() -> None:
    """The budgets test on fewer episodes than the suite pins; these lists are pinned too."""
    invented = [{**task, "manifest": "a" * 64} for task in tasks()]
    with pytest.raises(BundleError, match="not the pinned episodes: aaaa"):
        inspect(changed(tasks=invented))


def test_a_part_of_a_suite_is_refused() -> None:
    with pytest.raises(BundleError, match="1 of the 6 of mini-v1 are missing: digits 5w1s15q"):
        inspect(changed(tasks=tasks()[1:]))


@SQLITE
def test_the_first_page_is_the_administrators(server: Served, tmp_path: Path) -> None:
    """However many entrants crowd on another track."""
    store = server.context.store
    bundles.run(tmp_path / "own", "ours", skill=0.5)
    store.add(tmp_path / "own")
    for i in range(2):
        server.post(bundles.zipped(tmp_path / f"{i}", f"crowd{i}", seed=i + 5, budget="small"))
    server.work()
    small, smoke = (
        next(t for t in standing.tracks(store) if f"/ {name} " in t) for name in ("small", "smoke")
    )
    assert open_site(Stored(store), live=True).get("").content.decode().count("crowd") == 0
    chosen = open_site(Stored(store, home=small), live=True)
    assert chosen.tracks[chosen.home] == small and b"crowd1" in chosen.get("").content
    check_home(store, smoke)
    with pytest.raises(InvalidValue, match="--home 'mini' is no track of this board: mini-v1"):
        check_home(store, "mini")


def test_a_board_of_ones_own_still_opens_with_its_largest_track(tmp_path: Path) -> None:
    store = Store(tmp_path / "board.db")
    for name, sample in (("a", True), ("b", False), ("c", False)):
        runs.make(tmp_path / name, name, 0.6, sample=sample)
        store.add(tmp_path / name)
    site = open_site(Stored(store), live=True)
    assert "full data" in site.tracks[site.home]
    store.close()
