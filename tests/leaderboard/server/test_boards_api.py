"""The API's boards: the numbers of the pages, named by their content, in pieces of any size."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from leaderboard.ranking import standing
from leaderboard.server import metrics, reads
from leaderboard.server.rows import Rows
from leaderboard.store.store import Store
from metanas.evaluation.statistics import difference
from tests import runs
from tests.leaderboard.serving import Served, served

SKILLS = {"best": 0.9, "middle": 0.6, "scratch": 0.4}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("board")
    store = Store(folder / "board.db")
    for name, skill in SKILLS.items():
        runs.make(folder / name, name, skill)
        store.add(folder / name)
    store.close()
    with served(f"sqlite:///{folder}/board.db", folder / "board.data") as found:
        yield found


def get(board: Served, path: str, **query: Any) -> Any:
    return board.client.get(f"/api/v1/{path}", params=query)


def track(board: Served) -> str:
    (name,) = get(board, "tracks").json()["tracks"]
    return str(name)


def test_benchmarks_are_the_suites_and_say_what_can_be_challenged(board: Served) -> None:
    suites = [b["name"] for b in get(board, "benchmarks").json()["benchmarks"]]
    assert suites == ["core-lite-v1", "core-v1", "mini-v1", "planted-v1", "series-v1"]
    mini = get(board, "benchmarks/mini-v1").json()
    assert mini["challenges"] == ["langid", "spoken-words"]
    assert set(mini["pinned"]) == set(mini["suite"]["domains"])
    assert get(board, "benchmarks/core-v1").json()["challenges"] == []
    wrong = get(board, "benchmarks/nope")
    assert (
        wrong.status_code == 404
        and "there are: core-lite-v1, core-v1, mini-v1, planted-v1, series-v1" in wrong.json()["detail"]
    )


def test_two_methods_are_compared_by_their_paired_difference(board: Served) -> None:
    (pair,) = get(board, "compare", track=track(board), m=["best", "scratch"]).json()["pairs"]
    found = {s.method: s.accuracies for s in standing.current(board.context.store)}
    gap = difference(found["best"], found["scratch"])
    assert pair["difference"]["mean"] == pytest.approx(gap.mean)
    assert (pair["a"], pair["b"], pair["verdict"]) == ("best", "scratch", "better")
    (turned,) = get(board, "compare", track=track(board), m=["scratch", "best"]).json()["pairs"]
    assert (turned["a"], turned["b"], turned["verdict"]) == ("scratch", "best", "worse"), "in the order asked"
    assert get(board, "compare", track=track(board), m=["best", "none"]).status_code == 404
    assert get(board, "compare", track=track(board), m=["best"]).status_code == 422


def test_the_pareto_front_is_that_of_the_page(board: Served) -> None:
    found = get(board, "pareto", track=track(board)).json()
    assert {p["method"]: round(p["accuracy"]) for p in found["points"]}["best"] in range(85, 95)
    assert found["front"] == ["best"], "all have the same number of parameters"
    assert (
        "there is no cost 'beauty'"
        in get(board, "pareto", track=track(board), cost="beauty").json()["detail"]
    )


def test_what_did_not_change_is_not_sent_again_and_what_is_ones_own_is_not_public(board: Served) -> None:
    for path in ("leaderboard", "tracks", "methods/best", "benchmarks", "audit/head"):
        first = get(board, path)
        assert first.headers["cache-control"] == "public, no-cache"
        again = board.client.get(f"/api/v1/{path}", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304 and not again.content, path
    assert get(board, "leaderboard").headers["etag"] != get(board, "tracks").headers["etag"]
    assert board.get("submissions").headers["cache-control"] == "private, no-cache"
    assert "etag" not in get(board, "methods/none").headers


def test_pages_of_any_size_give_every_submission_once(board: Served) -> None:
    whole = get(board, "leaderboard").json()
    assert whole["next"] is None and len(whole["submissions"]) == 3
    for limit in (1, 2, 3):
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": limit}
        while query.get("after", "") is not None:
            answer = get(board, "leaderboard", **query).json()
            assert len(answer["submissions"]) <= limit
            found += answer["submissions"]
            query["after"] = answer["next"]
        assert found == whole["submissions"]
    assert get(board, "leaderboard", limit=0).status_code == 422


def test_rows_are_read_before_anyone_asks(board: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(board.context.store, reads.brief)
    assert list(rows.prepare()) == [None]
    whole = {"track": None, "tier": None, "after": None, "limit": 10}
    expected = get(board, "leaderboard").text
    monkeypatch.setattr(standing, "several", pytest.fail)
    assert rows.page(**whole) == expected


def test_counts_have_an_application_of_their_own(board: Served) -> None:
    assert board.client.get("/metrics").status_code == 404, "a proxy shows this port to everyone"
    with TestClient(metrics.application(board.context.store)) as here:
        lines = here.get("/metrics").text.splitlines()
        assert 'metanas_submissions{state="published"} 3' in lines
        assert "# TYPE metanas_audit_links counter" in lines
