"""The challenge tier: commit, receive, answer once, in time, and for oneself only."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load

from leaderboard.accounts import tokens
from leaderboard.admin.retention import expire
from leaderboard.admin.verify import VerifyError, verify
from leaderboard.bundle import reading
from leaderboard.bundle.problem import BundleError
from leaderboard.challenge import register
from leaderboard.challenge.outcome import outcome
from leaderboard.challenge.sealing import DrawError, NotSealable, number_of, sealed_tasks
from leaderboard.store import audit
from leaderboard.store.models import Challenge, now
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.data.episode import EpisodeShape
from metanas.data.sealed import SealedTask, labels
from metanas.data.suite import load_suite
from metanas.evaluation import result
from tests import runs
from tests.leaderboard import bundles, hostile
from tests.leaderboard.serving import MANY, SQLITE, Served, served

A, B = "a" * 64, "b" * 64  # commitments
LANGID = {"commitment": A, "domains": ["langid"]}
EPISODES = 3


@pytest.fixture(autouse=True)
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that are made at once; the real ones are tested below and in tests/data/test_sealed.py."""
    monkeypatch.setattr(register, "drawn", lambda number, tasks: f"inputs of {len(tasks)}".encode())


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[Served]:
    with served(url, tmp_path / "data", challenge_episodes=EPISODES) as found:
        yield found


def publish(server: Served, folder: Path, method: str = "mine", role: str = "owner", **options: Any) -> str:
    """The id of a published submission."""
    identity = server.post(bundles.zipped(folder, method, **options), role).json()["id"]
    server.work()
    assert server.get(f"submissions/{identity}", role).json()["state"] == "published"
    return str(identity)


def commit(server: Served, submission: str, role: str = "owner", **body: Any) -> Any:
    content = {"submission": submission, **LANGID, **body}
    return server.client.post("/api/v1/challenges", json=content, headers=server.headers(role))


def answers(server: Served, challenge: dict[str, Any], skill: float = 0.6, seed: int = 0) -> bytes:
    """predictions.parquet that is right with that probability; the test knows the server's secret."""
    random, tables = np.random.default_rng(seed), []
    number = number_of(server.context.challenges.secret, challenge["id"])
    for t in challenge["tasks"]:
        task = SealedTask(t["domain"], EpisodeShape(t["ways"], t["shots"], t["queries"]), t["episodes"])
        true = labels(number, task)
        for run in challenge["seeds"]:
            answer = np.where(random.random(true.shape) < skill, true, (true + 1) % t["ways"])
            tables.append(result.table(task.name, run, 0, 0.9 * np.eye(t["ways"])[answer] + 0.02))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables).unify_dictionaries(), sink)
    return bytes(sink.getvalue().to_pybytes())


def send(server: Served, challenge: dict[str, Any], content: bytes, role: str = "owner", **query: str) -> Any:
    headers = {**server.headers(role), "Content-Type": "application/vnd.apache.parquet"}
    params = {"commitment": challenge["commitment"], "episodes": challenge["episodes"], **query}
    url = f"/api/v1/challenges/{challenge['id']}/predictions"
    return server.client.post(url, content=content, params=params, headers=headers)


def test_answers_are_scored_by_the_labels_that_only_the_server_knows(server: Served, tmp_path: Path) -> None:
    submission = publish(server, tmp_path / "a")
    assert commit(server, submission, "other").status_code == 403
    answer = commit(server, submission)
    assert answer.status_code == 201
    challenge = answer.json()
    assert challenge["state"] == "open" and challenge["accuracy"] is None
    assert [t["domain"] for t in challenge["tasks"]] == ["langid", "langid"]
    inputs = server.get(f"challenges/{challenge['id']}/episodes").content
    assert hashlib.sha256(inputs).hexdigest() == challenge["episodes"]

    number = number_of(server.context.challenges.secret, challenge["id"])
    shown = json.dumps(server.get(f"challenges/{challenge['id']}").json())
    assert str(number) not in shown and "label" not in shown
    with server.context.store.database.read() as session:
        row = session.get_one(Challenge, challenge["id"])
        assert str(number) not in repr(vars(row))
    assert (tmp_path / "data" / "challenge-secret.hex").stat().st_mode & 0o077 == 0

    content = answers(server, challenge)
    for role, status in (("other", 404), ("nobody", 404), ("reader", 403), ("reviewer", 403), ("admin", 403)):
        assert send(server, challenge, content, role).status_code == status, role
        seen = server.get(f"challenges/{challenge['id']}/episodes", role).status_code
        assert seen == status, role
    done = send(server, challenge, content)
    assert done.status_code == 200, done.text
    assert set(done.json()["accuracy"]) == {"langid/5w1s", "langid/5w5s"}
    assert all(0.5 < accuracy < 0.7 for accuracy in done.json()["accuracy"].values())
    assert server.get(f"challenges/{challenge['id']}", "nobody").json()["commitment"] == A
    (row,) = server.get("leaderboard?tier=challenged", "nobody").json()["submissions"]
    assert row["fresh_accuracy"] == done.json()["accuracy"]
    assert row["challenge"] == challenge["id"]
    assert server.get("leaderboard?tier=recomputed", "nobody").json()["submissions"] == []
    with server.context.store.database.read() as session:
        assert audit.verify(session) > 0
        recorded = [json.loads(link.record)["action"] for link in session.query(audit.Audit)]
    assert recorded[-3:] == ["committed", "drawn", "answered"]


def test_chance_answers_give_no_tier_and_both_scores_stand_in_the_table(
    server: Served, tmp_path: Path
) -> None:
    submission = publish(server, tmp_path / "a", skill=0.9)
    challenge = commit(server, submission).json()
    assert send(server, challenge, answers(server, challenge, skill=0.2)).status_code == 200
    assert server.get("leaderboard?tier=challenged", "nobody").json()["submissions"] == []
    found = server.get(f"submissions/{submission}", "nobody").json()
    assert found["tier"] == "recomputed" and found["challenge"] == challenge["id"]
    events = server.get(f"submissions/{submission}/events", "nobody").json()["events"]
    assert f"answered the challenge {challenge['id']}, not held: fresh " in events[-1]["reason"]
    store = server.context.store
    with store.database.write() as session:  # as an earlier version granted it
        session.get_one(Challenge, challenge["id"]).submission.tier = "challenged"
    assert server.get("leaderboard?tier=challenged", "nobody").json()["submissions"] == []
    site = open_site(Stored(store), live=True)
    table = site.get(links.HOME).content.decode()
    assert "challenge not held" in table and "Fresh / pinned" in table
    assert "not held" in site.get(links.method(found["track"], "mine")).content.decode()
    with pytest.raises(VerifyError, match="its tier is challenged, by the audit chain and its scores recomp"):
        verify(store)


def test_a_fresh_score_may_be_lower_by_what_the_intervals_and_other_classes_allow() -> None:
    random = np.random.default_rng(0)

    def view(skill: float, episodes: int) -> dict[str, Any]:
        return {"langid/5w1s": random.binomial(75, skill, (3, episodes)) / 75}

    assert outcome(view(0.7, 30), {}) is None
    for fresh, held in ((0.7, True), (0.62, True), (0.9, True), (0.55, False), (0.2, False)):
        found = outcome({**view(0.7, 30), "digits/5w1s": np.ones((3, 30))}, view(fresh, 30))
        assert found is not None and found.held == held, (fresh, str(found))


@SQLITE
def test_the_tier_and_the_scores_are_on_the_pages_and_verify_scores_them_again(
    server: Served, tmp_path: Path
) -> None:
    submission = publish(server, tmp_path / "a")
    challenge = commit(server, submission).json()
    send(server, challenge, answers(server, challenge, skill=1.0))
    track = server.get(f"submissions/{submission}").json()["track"]
    site = open_site(Stored(server.context.store), live=True)
    table = site.get(links.HOME, {"tier": ["challenged"]}).content.decode()
    assert 'data-tier="challenged"' in table
    page = site.get(links.method(track, "mine")).content.decode()
    assert "Fresh episodes" in page and A in page and "100.0" in page
    rules = site.get(links.RULES).content.decode()
    assert "Public data sets cannot be sealed" in rules
    store = server.context.store
    assert verify(store, 1.0).rescored == 1
    with store.database.write() as session:
        score = session.get_one(Challenge, challenge["id"]).submission.scores[-1]
        assert score.kind == "fresh"
        score.right = bytes(len(score.right))
    with pytest.raises(VerifyError, match="langid/5w5s has other scores than its predictions give"):
        verify(store, 1.0)


@SQLITE
def test_digits_and_public_suites_cannot_be_sealed_and_the_refusal_says_so(
    server: Served, tmp_path: Path
) -> None:
    submission = publish(server, tmp_path / "a")
    answer = commit(server, submission, domains=["digits", "langid"])
    assert answer.status_code == 422
    assert (
        "public data sets cannot be sealed: whoever has digits has its labels; of mini-v1, "
        "langid and spoken-words can be challenged"
    ) in answer.json()["detail"]
    assert "has no domain 'omniglot'" in commit(server, submission, domains=["omniglot"]).json()["detail"]
    made = runs.make(tmp_path / "run", "m", 0.5)
    core = made.model_copy(
        update={
            "suite": "core-v1",
            "tasks": tuple(
                made.tasks[0].model_copy(update={"domain": domain})
                for domain in load_suite("core-v1").domains
            ),
        }
    )
    for domains in ((), ("omniglot",)):
        with pytest.raises(NotSealable, match="of core-v1, no domain can be challenged"):
            sealed_tasks(core, domains, 3)


def test_after_the_deadline_nothing_counts_and_another_can_be_registered(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path / "data", challenge_episodes=1) as server:
        submission = publish(server, tmp_path / "a")
        challenge = commit(server, submission).json()
        committed, deadline = (np.datetime64(challenge[key][:19]) for key in ("committed", "deadline"))
        assert np.timedelta64(72, "h") <= deadline - committed < np.timedelta64(73, "h")
        with server.context.store.database.write() as session:
            session.get_one(Challenge, challenge["id"]).deadline = now() - timedelta(seconds=1)
        late = send(server, challenge, answers(server, challenge))
        assert late.status_code == 409 and "closed at" in late.json()["detail"]
        assert server.get(f"challenges/{challenge['id']}").json()["state"] == "expired"
        expire(server.context.store, 0, remove=True)
        gone = server.get(f"challenges/{challenge['id']}/episodes")
        assert gone.status_code == 410 and "register another" in gone.json()["detail"]
        again = commit(server, submission, commitment=B)
        assert again.status_code == 201 and again.json()["id"] != challenge["id"]


def test_a_method_has_one_challenge_at_a_time_which_takes_answers_to_its_own_commitment_and_episodes(
    server: Served, tmp_path: Path
) -> None:
    submission = publish(server, tmp_path / "a")
    challenge, again = commit(server, submission).json(), commit(server, submission).json()
    assert challenge == again
    second = commit(server, submission, commitment=B)
    assert second.status_code == 409 and "one at a time" in second.json()["detail"]
    content = answers(server, challenge)
    changed = send(server, challenge, content, commitment=B)
    assert changed.status_code == 409
    assert f"SHA-256 {B}, the commitment was {A}" in changed.json()["detail"]
    other = send(server, challenge, content, episodes=B)
    assert other.status_code == 409 and f"answers to the episodes {B}" in other.json()["detail"]
    assert send(server, challenge, content).status_code == 200


def test_an_answer_counts_once_for_one_challenge_and_a_retry_of_it_is_told_the_same(
    server: Served, tmp_path: Path
) -> None:
    submission = publish(server, tmp_path / "a")
    challenge = commit(server, submission).json()
    content = answers(server, challenge)
    first, retry = send(server, challenge, content), send(server, challenge, content)
    assert (first.status_code, retry.status_code) == (200, 200)
    assert first.json() == retry.json()
    better = send(server, challenge, answers(server, challenge, skill=1.0))
    assert better.status_code == 409 and "the first answer counts" in better.json()["detail"]
    assert server.get(f"challenges/{challenge['id']}").json()["accuracy"] == first.json()["accuracy"]
    once = commit(server, submission, commitment=B)
    assert once.status_code == 409 and "each is only once" in once.json()["detail"]
    second = commit(server, publish(server, tmp_path / "b", seed=1, skill=0.8)).json()
    replayed = send(server, second, content)
    assert replayed.status_code == 409
    assert f"answered another challenge, {challenge['id']}" in replayed.json()["detail"]


@SQLITE
def test_challenges_have_a_quota(url: str, tmp_path: Path) -> None:
    quotas = {**MANY, "challenge": ((1, timedelta(days=30)),)}
    with served(url, tmp_path / "data", challenge_episodes=1, quotas=quotas) as server:
        assert commit(server, publish(server, tmp_path / "a")).status_code == 201
        refused = commit(server, publish(server, tmp_path / "b", "second", seed=1))
        assert refused.status_code == 429 and "at most 1 challenges in 30 days" in refused.json()["detail"]


def test_a_challenge_that_could_not_be_drawn_is_drawn_by_the_same_request(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = publish(server, tmp_path / "a")

    def broken(number: int, tasks: Sequence[SealedTask]) -> bytes:
        raise DrawError("this server could not draw episodes: no voice")

    with monkeypatch.context() as patch:
        patch.setattr(register, "drawn", broken)
        failed = commit(server, submission)
        assert failed.status_code == 503 and "no voice" in failed.json()["detail"]
    drawn = commit(server, submission)
    assert drawn.status_code == 201 and drawn.json()["state"] == "open"
    with server.context.store.database.read() as session:
        assert session.query(Challenge).count() == 1, "and its quota is used once"


@SQLITE
def test_predictions_that_are_not_valid_are_explained_and_leave_the_challenge_open(
    server: Served, tmp_path: Path
) -> None:
    challenge = commit(server, publish(server, tmp_path / "a")).json()
    content = answers(server, challenge)
    missing = pa.BufferOutputStream()
    pq.write_table(result.parse_table(result.PREDICTIONS, content, result.SCHEMA).slice(1), missing)
    wrong = {
        b"nonsense": "not a Parquet file",
        content[:-9] + content[-8:]: "a damaged Parquet file",
        missing.getvalue().to_pybytes(): "rows, the tasks of submission.json ask for",
    }
    for case in hostile.cases():
        with suppress(BundleError):
            wrong.setdefault(reading.read_zip(case.content)[result.PREDICTIONS], "")
    assert len(wrong) >= 13
    for sent, says in wrong.items():
        answer = send(server, challenge, sent)
        assert answer.status_code == 422 and says in answer.json()["detail"], (sent[:40], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert server.get(f"challenges/{challenge['id']}").json()["state"] == "open"
    assert send(server, challenge, content).status_code == 200


@SQLITE
def test_what_does_not_exist_is_a_404_even_for_an_administrator_who_may_submit(server: Served) -> None:
    with server.context.store.database.write() as session:
        secret, _ = tokens.issue(session, "both", "", ("submit", "admin"), 1)
    server.secrets["both"] = secret
    unknown = "0" * 36
    nothing = {"id": unknown, "commitment": A, "episodes": B}
    assert commit(server, unknown, "both").status_code == 404
    assert send(server, nothing, b"", "both").status_code == 404
    for path in ("", "/episodes"):
        assert server.get(f"challenges/{unknown}{path}", "both").status_code == 404


def test_a_server_draws_in_a_process_of_its_own_and_never_loads_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from leaderboard.challenge.sealing import drawn\n"
        "from metanas.data.sealed import SealedTask\n"
        "from metanas.data.episode import EpisodeShape\n"
        "import leaderboard.server.app\n"
        "found = drawn(5, [SealedTask(d, EpisodeShape(2, 1, 2), 1) for d in ('langid', 'spoken-words')])\n"
        "assert 'torch' not in sys.modules\n"
        "sys.stdout.buffer.write(found)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert {name: array.shape for name, array in load(done.stdout).items()} == {
        "langid/2w1s/support": (1, 2, 24),
        "langid/2w1s/query": (1, 4, 24),
        "spoken-words/2w1s/support": (1, 2, 40, 64),
        "spoken-words/2w1s/query": (1, 4, 40, 64),
    }
