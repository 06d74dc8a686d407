"""One answer to who sees a submission, on pages, in the API and in exports, soon after every change."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from leaderboard.admin import accounts
from leaderboard.admin.verify import verify
from leaderboard.ranking import standing
from leaderboard.scoring import decisions
from leaderboard.store.models import Event, Submission
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
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
    """Wait for something that no request brings about; takes a second or two on a machine that is free."""
    end = time.monotonic() + 30
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
def test_an_erased_person_leaves_pages_and_api_by_itself(server: Served, tmp_path: Path) -> None:
    identity = submit(server, tmp_path / "a", "mine")
    until(lambda: shown(server) == {"mine"})
    track = server.get(f"submissions/{identity}").json()["track"]
    addresses = (links.HOME, links.method(track, "mine"), "api/v1/leaderboard")
    assert all("Ada Lovelace" in server.client.get(f"/{address}").text for address in addresses)
    accounts.erase(server.context.store, "ada")
    for address in addresses:
        until(lambda: "Lovelace" not in server.client.get(f"/{address}").text)  # noqa: B023
    verify(server.context.store)


@SQLITE
def test_a_past_day_shows_what_was_on_the_board_and_not_what_came_last(
    server: Served, tmp_path: Path
) -> None:
    """The first day: one leads, a worse one is published below it. Later a better one takes its place."""
    kept, below = (submit(server, tmp_path / f"{s}", "mine", skill=s) for s in (0.6, 0.5))
    with server.context.store.database.write() as session:
        for event in session.scalars(select(Event)):
            event.at -= timedelta(days=3)
        for row in session.scalars(select(Submission)):
            row.accepted -= timedelta(days=3)
    better = submit(server, tmp_path / "c", "mine", skill=0.8)
    site = open_site(Stored(server.context.store), live=True)
    (slug,) = site.tracks

    def on_board(days: int) -> list[str]:
        day = datetime.now(UTC).date() - timedelta(days=days)
        return [line.standing.id for line in site.board(slug, as_of=day).lines]

    assert [on_board(days) for days in (0, 1, 3)] == [[better], [kept], [kept]]
    assert say(server, better, "withdraw", "owner").status_code == 200
    site = open_site(Stored(server.context.store), live=True)
    assert [on_board(days) for days in (0, 1, 3)] == [[kept]] * 3
    assert site.board(slug, as_of=datetime.now(UTC).date()) is site.board(slug)
    assert below in {row.id for row in site.published(site.tracks[slug])}


def test_an_event_that_is_seen_after_a_later_one_is_a_change_too(server: Served, tmp_path: Path) -> None:
    """PostgreSQL numbers events when they are written, and shows them when their transactions end."""
    identity = submit(server, tmp_path / "a", "mine")
    store, seen = server.context.store, []
    for number in (10**6, 10**6 - 1):
        with store.database.write() as session:
            event = Event(id=number, submission_id=identity, state="published", reason="disputed")
            session.add(event)
        places, _ = standing.page(store, track=None, tier=None, after=None, limit=1)
        seen.append((standing.shown_revision(store), standing.shown_revisions(store), places))
    assert all(before != after for before, after in zip(*seen, strict=True))


@SQLITE
@pytest.mark.parametrize("settled", [False, True])
def test_an_erased_person_leaves_what_they_disputed(server: Served, tmp_path: Path, settled: bool) -> None:
    """Their name stands in the history of somebody else's submission, and in the mark of a reviewer."""
    identity = submit(server, tmp_path / "a", "theirs", "other")
    until(lambda: shown(server) == {"theirs"})
    track = server.get(f"submissions/{identity}").json()["track"]
    assert say(server, identity, "dispute", "reviewer").status_code == 200
    page = "/" + links.method(track, "theirs")
    until(lambda: "rita" in server.client.get(page).text)
    if settled:
        with server.context.store.database.write() as session:
            row = session.get_one(Submission, identity)
            decisions.decide(session, row, "publish", "it is fine", actor="root")
    accounts.erase(server.context.store, "rita")
    events = server.get(f"submissions/{identity}/events", "nobody").json()["events"]
    assert events and not any("rita" in event["reason"] for event in events)
    for address in (page, "/" + links.submission(identity), f"/api/v1/submissions/{identity}"):
        until(lambda: "rita" not in server.client.get(address).text)  # noqa: B023
    verify(server.context.store)


@SQLITE
def test_what_changes_on_a_track_leaves_the_pages_of_others(server: Served, tmp_path: Path) -> None:
    def track(identity: str) -> str:
        return str(server.get(f"submissions/{identity}").json()["track"])

    one = submit(server, tmp_path / "a", "one")
    other = submit(server, tmp_path / "b", "two", "other", budget="demo")
    until(lambda: shown(server) == {"one", "two"})
    site = server.app.state.live.site()
    slugs = links.slug(track(one)), links.slug(track(other))
    boards = [site.board(slug) for slug in slugs]
    pages = [site.get(links.board(site.tracks[slug])) for slug in slugs]
    submit(server, tmp_path / "c", "three", "other", budget="demo", skill=0.3)
    until(lambda: shown(server) == {"one", "two", "three"})
    later = server.app.state.live.site()
    assert later is not site
    assert later.board(slugs[0]) is boards[0] and later.kept(links.board(track(one)), {}) is pages[0]
    assert [line.method for line in later.board(slugs[1]).lines] != ["two"]
    assert "three" in later.get(links.board(track(other))).content.decode()


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
