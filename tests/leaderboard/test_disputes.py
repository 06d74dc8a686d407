"""Doubts that people have, and small steps that luck takes: disputes and the ladder, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard import standing
from leaderboard.scoring.ladder import kept_on_the_ladder
from leaderboard.scoring.scores import Scored, TaskScore
from leaderboard.store.store import Store, insert
from metanas.evaluation.result import SUBMISSION
from tests import runs
from tests.leaderboard import bundles
from tests.leaderboard.serving import MANY, Served, served


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[Served]:
    with served(url, tmp_path / "data") as found:
        yield found


def submit(server: Served, folder: Path, **options: Any) -> str:
    identity = server.post(bundles.zipped(folder, **options)).json()["id"]
    server.work()
    return str(identity)


def say(server: Served, identity: str, verb: str, role: str, **body: str) -> Any:
    url = f"/api/v1/submissions/{identity}/{verb}"
    return server.client.post(
        url, json={"reason": "the code does something else", **body}, headers=server.headers(role)
    )


def on_board(server: Served) -> list[str]:
    return [row["id"] for row in server.get("leaderboard", "nobody").json()["submissions"]]


def test_a_disputed_result_stays_marked_until_a_reviewer_settles_it(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a")
    assert say(server, identity, "dispute", "other").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.state == "published"
    assert found.flags == (("disputed", "bob: the code does something else"),)
    assert on_board(server) == [identity]
    assert say(server, identity, "decision", "owner", verdict="publish").status_code == 403
    assert say(server, identity, "decision", "reviewer", verdict="publish").status_code == 200
    found = standing.one(server.context.store, identity)
    assert found is not None and found.flags == ()
    assert [event.reason.partition(":")[0] for event in found.events[-2:]] == [
        "disputed by bob",
        "dispute settled",
    ]
    again = say(server, identity, "decision", "reviewer", verdict="publish")
    assert again.status_code == 409 and "nothing about it is in doubt" in again.json()["detail"]


def test_a_dispute_can_end_with_a_rejection(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a")
    say(server, identity, "dispute", "other")
    assert say(server, identity, "decision", "admin", verdict="reject").json()["state"] == "rejected"
    assert on_board(server) == []
    late = say(server, identity, "dispute", "other")
    assert late.status_code == 404, "what is not public is not there for others"


def test_disputes_have_a_quota(url: str, tmp_path: Path) -> None:
    quotas = {**MANY, "dispute": ((1, timedelta(days=1)),)}
    with served(url, tmp_path / "data", quotas=quotas) as server:
        identity = submit(server, tmp_path / "a")
        assert [say(server, identity, "dispute", "other").status_code for _ in range(2)] == [200, 429]


def test_only_more_than_a_standard_error_climbs_the_ladder(server: Served, tmp_path: Path) -> None:
    first = submit(server, tmp_path / "a", skill=0.6)
    worse = submit(server, tmp_path / "b", skill=0.5, seed=2)
    assert on_board(server) == [first]
    state = server.get(f"submissions/{worse}").json()
    assert (state["state"], state["superseded"]) == ("published", True)
    better = submit(server, tmp_path / "d", skill=0.8, seed=3)
    assert on_board(server) == [better]
    say(server, better, "withdraw", "owner")
    mended = submit(server, tmp_path / "e", skill=0.7, seed=4)
    assert on_board(server) == [mended], "who withdraws the older one first may fall"
    assert server.get(f"submissions/{mended}").json()["attempts"] == 4


@pytest.mark.parametrize(("points", "climbs"), [(0.0, False), (0.004, False), (0.1, True)])
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
        tasks.append(TaskScore(name, right.astype(np.uint16), queries, {}))
    with store.database.write() as session:
        row = insert(
            session, {SUBMISSION: old.document.model_dump_json().encode()}, old.document, account=None
        )
        kept = kept_on_the_ladder(session, row, Scored(old.document, tuple(tasks), {}, {}))
    assert (kept is None) == climbs
    gaps = [t.right / t.queries - old.accuracies[t.task] for t in tasks]
    error = np.sqrt(sum(gap.mean(0).var(ddof=1) / gap.shape[1] for gap in gaps)) / len(gaps)
    assert (np.mean([gap.mean() for gap in gaps]) > error) == climbs, "by hand, from episodes alone"
