"""The ladder: a newer submission takes the older one's place only if it is better by a standard error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard.bundle.scores import Scored, TaskScore
from leaderboard.ranking import standing
from leaderboard.scoring.ladder import kept_on_the_ladder
from leaderboard.store.store import Store, insert
from metanas.evaluation.result import SUBMISSION
from tests import runs
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


def test_only_more_than_a_standard_error_climbs_the_ladder(server: Served, tmp_path: Path) -> None:
    def submit(folder: str, **options: Any) -> str:
        identity = server.post(bundles.zipped(tmp_path / folder, **options)).json()["id"]
        server.work()
        return str(identity)

    def on_board() -> list[str]:
        return [row["id"] for row in server.get("leaderboard", "nobody").json()["submissions"]]

    first = submit("a", skill=0.6)
    worse = submit("b", skill=0.5, seed=2)
    assert on_board() == [first]
    state = server.get(f"submissions/{worse}").json()
    assert (state["state"], state["superseded"]) == ("published", True)
    better = submit("d", skill=0.8, seed=3)
    assert on_board() == [better]
    url = f"/api/v1/submissions/{better}/withdraw"
    withdrawn = server.client.post(url, json={"reason": "a bug"}, headers=server.headers("owner"))
    assert withdrawn.status_code == 200
    mended = submit("e", skill=0.7, seed=4)
    assert on_board() == [mended], "who withdraws the older one first may fall"
    assert server.get(f"submissions/{mended}").json()["attempts"] == 4


@SQLITE
@pytest.mark.parametrize(("points", "climbs"), [(0.0, False), (0.003, False), (0.1, True)])
def test_the_step_of_the_ladder_is_the_standard_error_of_the_paired_difference(
    store: Store, tmp_path: Path, points: float, climbs: bool
) -> None:
    runs.make(tmp_path / "a", "m", 0.5)
    store.add(tmp_path / "a")
    (old,) = standing.current(store)
    tasks = []
    for name, accuracy in old.accuracies.items():
        queries = 1000
        noise = np.random.default_rng(0).normal(0, 0.05, accuracy.shape)
        right = ((accuracy + points + noise - noise.mean()) * queries).clip(0, queries).round()
        tasks.append(TaskScore(name, right.astype(np.uint16), queries, {}, np.zeros_like(right, np.uint8)))
    with store.database.write() as session:
        row = insert(
            session, {SUBMISSION: old.document.model_dump_json().encode()}, old.document, account=None
        )
        kept = kept_on_the_ladder(session, row, Scored(old.document, tuple(tasks), {}, {}))
    assert (kept is None) == climbs
    gaps = [t.right / t.queries - old.accuracies[t.task] for t in tasks]
    error = np.sqrt(sum(gap.mean(0).var(ddof=1) / gap.shape[1] for gap in gaps)) / len(gaps)
    assert (np.mean([gap.mean() for gap in gaps]) > error) == climbs, "by hand, from episodes alone"
