"""Results that look wrong wait for a reviewer; declared test data: `web/test_declared.py`."""

from pathlib import Path

from tests.leaderboard import bundles
from tests.leaderboard.serving import Served


def test_copies_and_perfect_results_wait_for_a_person(server: Served, tmp_path: Path) -> None:
    server.post(bundles.zipped(tmp_path / "a", skill=0.6, budget="demo"))
    copy = bundles.zipped(tmp_path / "b", "copy", skill=0.6, budget="demo")
    second = server.post(copy, role="other").json()["id"]
    third = server.post(bundles.zipped(tmp_path / "c", "perfect", skill=1.0, budget="demo")).json()["id"]
    server.work()
    assert server.get(f"submissions/{second}", "other").json()["state"] == "flagged"
    assert (
        "agrees with mine"
        in server.get(f"submissions/{second}/events", "other").json()["events"][-1]["reason"]
    )
    assert server.get(f"submissions/{third}").json()["flags"][0][0] == "perfect"
    assert [row["method"] for row in server.get("leaderboard").json()["submissions"]] == ["mine"]
    body = {"verdict": "publish", "reason": "the same code, as agreed"}
    url = f"/api/v1/submissions/{second}/decision"
    assert server.client.post(url, json=body, headers=server.headers("reviewer")).status_code == 200
    assert len(server.get("leaderboard").json()["submissions"]) == 2
