"""Every endpoint x every role: who gets what, on something public and on something of one's own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leaderboard.challenge import register
from leaderboard.store.models import Challenge, Submission, now
from leaderboard.store.store import publish
from tests.leaderboard import bundles
from tests.leaderboard.serving import Served, served

ROLES = ("nobody", "wrong", "reader", "owner", "other", "reviewer", "admin")
FREE, NOT_THERE = (200,) * 7, (404,) * 7  # never looks at a token; for a track without results
OPEN = (200, 401, 200, 200, 200, 200, 200)  # a wrong token is never taken for nobody
SECRET = (404, 401, 200, 200, 404, 200, 200)
OWN = (401, 401, 200, 200, 200, 200, 200)
ID, CHALLENGE = "/api/v1/submissions/{identity}", "/api/v1/challenges/{identity}"
# (method, path) -> statuses by role for a published submission, and for one that still waits
TABLE = {
    ("GET", "/healthz"): (FREE, FREE),
    ("GET", "/readyz"): (FREE, FREE),
    ("GET", "/api/v1/tracks"): (FREE, FREE),
    ("GET", "/api/v1/leaderboard"): (FREE, FREE),
    ("GET", "/api/v1/methods/{name}"): (FREE, (404,) * 7),
    ("GET", "/api/v1/audit/head"): (FREE, FREE),
    ("GET", "/api/v1/benchmarks"): (FREE, FREE),
    ("GET", "/api/v1/benchmarks/{name}"): (FREE, FREE),
    ("GET", "/api/v1/pareto"): (NOT_THERE, NOT_THERE),
    ("GET", "/api/v1/transfer"): (FREE, FREE),
    ("GET", "/api/v1/compare"): (NOT_THERE, NOT_THERE),
    ("GET", "/api/v1/submissions"): (OWN, OWN),
    ("GET", "/api/v1/quota"): (OWN, OWN),
    ("GET", ID): (OPEN, SECRET),
    ("GET", f"{ID}/events"): (OPEN, SECRET),
    ("GET", f"{ID}/scores"): ((404, 401, 404, 404, 404, 404, 404),) * 2,  # published by hand: no scores
    ("GET", f"{ID}/files/{{name}}"): (OPEN, SECRET),
    ("POST", "/api/v1/challenges"): (
        (401, 401, 403, 201, 403, 403, 403),
        (404, 401, 403, 409, 404, 403, 403),
    ),
    ("GET", CHALLENGE): (OPEN, SECRET),
    ("GET", f"{CHALLENGE}/episodes"): (
        (401, 401, 403, 200, 403, 403, 403),
        (404, 401, 403, 200, 404, 403, 403),
    ),
    ("POST", f"{CHALLENGE}/predictions"): (
        (401, 401, 403, 409, 403, 403, 403),
        (404, 401, 403, 409, 404, 403, 403),
    ),
    ("POST", "/api/v1/submissions"): ((401, 401, 403, 202, 202, 403, 403),) * 2,
    ("POST", f"{ID}/withdraw"): ((401, 401, 403, 200, 403, 403, 200), (404, 401, 403, 409, 404, 403, 409)),
    ("POST", f"{ID}/dispute"): ((401, 401, 403, 200, 200, 200, 200), (404, 401, 403, 409, 404, 409, 409)),
    ("POST", f"{ID}/decision"): ((401, 401, 403, 403, 403, 200, 200), (404, 401, 403, 403, 404, 409, 409)),
    ("POST", f"{ID}/rescore"): ((401, 401, 403, 403, 403, 403, 409), (404, 401, 403, 403, 404, 403, 409)),
}


@pytest.fixture
def server(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served(url, tmp_path / "data") as found:
        monkeypatch.setattr(register, "drawn", lambda number, tasks: b"inputs")
        found.secrets["wrong"] = "mnas_" + "a" * 43 + "_aaaaaa"
        yield found


def ask(server: Served, verb: str, path: str, identity: str, bundle: bytes, role: str) -> int:
    """The status of one request."""
    name = "README.md" if "files" in path else "mini-v1" if "benchmarks" in path else "mine"
    url = path.format(identity=identity, name=name)
    if url == "/api/v1/submissions" and verb == "POST":
        return int(server.post(bundle, role).status_code)
    if path.startswith("/api/v1/challenges"):
        return ask_challenge(server, verb, path, identity, role)
    body = {"reason": "as tested", **({"verdict": "reproduced"} if "decision" in path else {})}
    options: dict[str, Any] = {"json": body} if verb == "POST" else {}
    if path.rpartition("/")[2] in ("pareto", "compare"):
        options["params"] = {"track": "nothing here", "m": ["mine", "other"]}
    return int(server.client.request(verb, url, headers=server.headers(role), **options).status_code)


def ask_challenge(server: Served, verb: str, path: str, identity: str, role: str) -> int:
    """The same of a challenge of that submission: answered if it is public, otherwise over unanswered.

    Its inputs are there; predictions are refused (409) whoever may send them.
    """
    with server.context.store.database.write() as session:
        public = session.get_one(Submission, identity).state == "published"
        row = Challenge(
            submission_id=identity,
            commitment="a" * 64,
            tasks="[]",
            state="answered" if public else "open",
            deadline=now() - timedelta(hours=1),
            answered=now() if public else None,
            episodes=server.context.store.blobs.put(b"inputs"),
        )
        if "{identity}" in path:
            session.add(row)
            session.flush()
        challenge = row.id
    headers, url = server.headers(role), path.format(identity=challenge)
    if verb == "GET":
        return int(server.client.get(url, headers=headers).status_code)
    if path.endswith("predictions"):
        query = {"commitment": "b" * 64, "episodes": "b" * 64}
        headers |= {"Content-Type": "application/vnd.apache.parquet"}
        return int(server.client.post(url, content=b"x", params=query, headers=headers).status_code)
    body = {"submission": identity, "commitment": "a" * 64}
    return int(server.client.post(url, json=body, headers=headers).status_code)


def test_every_endpoint_answers_every_role_as_the_table_says(server: Served, tmp_path: Path) -> None:
    paths = server.app.openapi()["paths"]
    routes = {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}
    assert routes == set(TABLE), "an endpoint without an entry here, or the other way round"
    files = {name: bundles.members(tmp_path / name, name) for name in ("mine", "other")}
    numbers = iter(range(10_000))

    def submitted(column: int) -> str:
        """A submission that nothing was asked about: published for column 0, else waiting."""
        identity = str(server.post(bundles.numbered(files["mine"], next(numbers))).json()["id"])
        if column == 0:
            with server.context.store.database.write() as session:
                publish(session, session.get_one(Submission, identity), "by hand")
        return identity

    wrong = []
    for column in (1, 0):  # what waits first: once something is published, the method is public
        read = submitted(column)
        for number, role in enumerate(ROLES):
            for (verb, path), expected in TABLE.items():
                needs_none = verb == "GET" or path == "/api/v1/submissions"
                identity = read if needs_none else submitted(column)
                bundle = bundles.numbered(files["other" if role == "other" else "mine"], next(numbers))
                status = ask(server, verb, path, identity, bundle, role)
                if status != expected[column][number]:
                    wrong.append(f"{verb} {path} as {role}, {column=}: {status}")
    print(
        f"{len(TABLE)} endpoints x {len(ROLES)} roles x 2 states, {len(wrong)} answered otherwise than said"
    )
    assert not wrong, "\n".join(wrong)
    codes = [server.get(f"submissions/{read}/files/entry.json", role).status_code for role in ROLES]
    assert codes == [401, 401, 403, 200, 403, 403, 200], "the contact address is for its owner"
    for path in (f"submissions/{read}", "leaderboard", "methods/mine"):
        assert "ada@example.org" not in server.get(path, "nobody").text
