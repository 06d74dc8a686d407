"""One answer to who sees a submission, on pages, in the API and in exports, soon after every change."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.web import links
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


def submit(server: Served, folder: Path, method: str, role: str = "owner", **options: Any) -> str:
    identity = server.post(bundles.zipped(folder, method, **options), role).json()["id"]
    server.work()
    return str(identity)


def say(server: Served, identity: str, verb: str, role: str, **body: str) -> Any:
    url = f"/api/v1/submissions/{identity}/{verb}"
    return server.client.post(url, json={"reason": "because", **body}, headers=server.headers(role))


def until(true: Callable[[], bool]) -> None:
    """Wait 2 s for something that no request brings about."""
    end = time.monotonic() + 2
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def shown(server: Served) -> set[str]:
    """The methods on the pages, without asking for one."""
    site = server.app.state.live.site()
    return {line.method for slug in site.tracks for line in site.board(slug).lines}


def test_a_rejected_result_leaves_every_page_and_export_by_itself(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a", "leading", skill=0.9)
    submit(server, tmp_path / "b", "other", skill=0.5)
    until(lambda: shown(server) == {"leading", "other"})
    track = server.get(f"submissions/{identity}").json()["track"]
    say(server, identity, "dispute", "reviewer")
    assert say(server, identity, "decision", "reviewer", verdict="reject").status_code == 200
    until(lambda: shown(server) == {"other"})
    addresses = [
        "index.html",
        links.board(track),
        *(links.board(track, f"leaderboard.{e}") for e in ("csv", "json")),
    ]
    addresses += [
        links.board(track, p) for p in ("compare.html", "pareto-parameters.html", "significance.html")
    ]
    for address in addresses:
        answer = server.client.get(f"/{address}")
        assert answer.status_code == 200 and "leading" not in answer.text, address
    assert server.client.get("/" + links.method(track, "leading")).status_code == 404
    assert server.client.get("/" + links.submission(identity)).status_code == 404
    assert server.get(f"submissions/{identity}", "nobody").status_code == 404


@SQLITE
def test_a_page_that_was_asked_for_before_its_result_left_says_so(server: Served, tmp_path: Path) -> None:
    """The pages are those of up to two seconds ago; what they read anew may be gone."""
    identity = submit(server, tmp_path / "a", "gone")
    until(lambda: shown(server) == {"gone"})
    server.app.state.live.close()  # no rebuild from here on
    track = server.get(f"submissions/{identity}").json()["track"]
    say(server, identity, "decision", "reviewer", verdict="reject")
    say(server, identity, "dispute", "reviewer")
    say(server, identity, "decision", "reviewer", verdict="reject")
    assert server.client.get("/" + links.method(track, "gone")).status_code == 404


def test_what_was_flagged_stays_unseen_when_it_is_withdrawn(server: Served, tmp_path: Path) -> None:
    submit(server, tmp_path / "a", "mine", budget="demo")
    identity = submit(server, tmp_path / "b", "copy", "other", budget="demo")
    assert server.get(f"submissions/{identity}", "other").json()["state"] == "flagged"
    assert say(server, identity, "withdraw", "other").status_code == 200
    for path in ("", "/scores", "/files/predictions.parquet"):
        assert server.get(f"submissions/{identity}{path}", "nobody").status_code == 404
    assert server.get("methods/copy", "nobody").status_code == 404
    assert server.client.get("/" + links.submission(identity)).status_code == 404
    assert server.get(f"submissions/{identity}", "other").json()["state"] == "withdrawn"


@pytest.mark.parametrize("verb", ["withdraw", "decision"])
def test_the_submission_before_takes_its_place_again(server: Served, tmp_path: Path, verb: str) -> None:
    first = submit(server, tmp_path / "a", "mine", skill=0.4)
    second = submit(server, tmp_path / "b", "mine", skill=0.6)
    submit(server, tmp_path / "c", "mine", skill=0.3)  # never on the board

    def on_board() -> list[str]:
        return [row["id"] for row in server.get("leaderboard", "nobody").json()["submissions"]]

    assert on_board() == [second]
    role = "owner" if verb == "withdraw" else "reviewer"
    assert (
        say(server, second, verb, role, **({"verdict": "reject"} if verb == "decision" else {})).status_code
        == 200
    )
    assert on_board() == [first]
    events = server.get(f"submissions/{first}/events", "nobody").json()["events"]
    assert events[-1]["reason"] == f"on the board again, since {second} left it"
