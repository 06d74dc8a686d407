"""The queue of submissions that wait to be scored."""

from datetime import timedelta
from pathlib import Path

from leaderboard.scoring import jobs
from leaderboard.store.models import now
from tests.leaderboard import bundles
from tests.leaderboard.serving import Served


def test_a_job_whose_worker_died_is_done_by_another_and_only_once(server: Served, tmp_path: Path) -> None:
    identity = server.post(bundles.zipped(tmp_path / "a")).json()["id"]
    database = server.context.store.database
    with database.write() as session:
        dead = jobs.lease(session, "dead", 60, now())
        assert dead is not None
        assert jobs.lease(session, "eager", 60, now()) is None, "it is leased"
    with database.write() as session:
        late = now() + timedelta(seconds=61)
        assert jobs.lease(session, "other", 0, late - timedelta(hours=1)) is None
        taken = jobs.lease(session, "other", 60, late)
        assert taken is not None and taken.attempt == 2
    with database.write() as session:
        assert not jobs.finish(session, dead, ""), "who comes too late changes nothing"
        assert jobs.finish(session, taken, "")
        assert not jobs.finish(session, taken, ""), "nor does who comes twice"
    assert server.get(f"submissions/{identity}").json()["state"] == "scoring"


def test_a_job_that_kills_its_scorers_is_given_up_and_can_be_asked_for_again(
    server: Served, tmp_path: Path
) -> None:
    identity = server.post(bundles.zipped(tmp_path / "a")).json()["id"]
    database = server.context.store.database
    for attempt in (1, 2, 3):
        with database.write() as session:
            held = jobs.lease(session, "w", 60, now())
            assert held is not None and held.attempt == attempt
            jobs.give_back(session, held, "ended with code -9")
    found = server.get(f"submissions/{identity}").json()
    assert found["state"] == "failed"
    assert server.get("leaderboard").json()["submissions"] == []
    answer = server.client.post(f"/api/v1/submissions/{identity}/rescore", headers=server.headers("admin"))
    assert answer.status_code == 200
    server.work()
    assert server.get(f"submissions/{identity}").json()["state"] == "published"
