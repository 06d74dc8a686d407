"""Requests made from the API's own description, by schemathesis: no 5xx, no answer that is not described.

Every other request names what is really there: a track, methods, a submission and a challenge that each
endpoint gets of its own. METANAS_SCHEMATHESIS sets the number of requests per endpoint;
tests/benchmarks/board_requests.py asks for enough to make 5,000.
"""

import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from leaderboard.bundle.names import Members
from leaderboard.challenge import register
from leaderboard.repository.studies import FOLDER
from leaderboard.store.models import Challenge, now
from tests.leaderboard import bundles
from tests.leaderboard.serving import Served, served

EACH = int(os.environ.get("METANAS_SCHEMATHESIS", "24"))
BYTES = ("application/zip", "application/vnd.apache.parquet")
METHODS = {"one": 0.6, "two": 0.7}  # on the board all the time
ROLES = ("owner", "admin", "reviewer", "nobody")


@schemathesis.serializer(*BYTES)  # type: ignore[untyped-decorator, unused-ignore]
def as_it_is(context: object, value: object) -> object:
    """A body of any bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


class There(NamedTuple):
    """What a request can really ask for."""

    track: str
    submission: str
    challenge: str
    bundle: bytes  # not sent yet

    def put_into(self, case: schemathesis.Case) -> None:
        """Name it in a request that was made up."""
        path = case.operation.path
        if "identity" in (case.path_parameters or {}):
            case.path_parameters["identity"] = self.challenge if "challenges" in path else self.submission
        if "name" in (case.path_parameters or {}):
            known = {"methods": "one", "benchmarks": "mini-v1", "files": "submission.json"}
            case.path_parameters["name"] = next(v for k, v in known.items() if f"/{k}/" in path)
        wanted = {"track": self.track, "m": list(METHODS)}
        known_query = [p.name for p in case.operation.query]
        case.query = {**(case.query or {}), **{k: v for k, v in wanted.items() if k in known_query}}
        if isinstance(case.body, dict) and "submission" in case.body:
            case.body["submission"] = self.submission
        if case.media_type == "application/zip":
            case.body = self.bundle


def there(server: Served, files: Members, number: int) -> There:
    """A published submission with an open challenge, and a bundle like it."""
    first, second = (bundles.numbered(files, f"{number} {i}") for i in range(2))
    identity = server.post(first).json()["id"]
    server.work()
    with server.context.store.database.write() as session:
        row = Challenge(
            submission_id=identity,
            commitment="a" * 64,
            tasks="[]",
            state="open",
            deadline=now() + timedelta(hours=1),
            episodes=server.context.store.blobs.put(b"inputs"),
        )
        session.add(row)
        session.flush()
        challenge = row.id
    (track,) = server.get("tracks").json()["tracks"]
    return There(track, identity, challenge, second)


def unfit(case: schemathesis.Case) -> list[CheckFunction]:
    """Checks that say nothing of this request."""
    if case.media_type in BYTES:  # which bytes are a bundle is not in the description
        return [positive_data_acceptance, negative_data_rejection]
    if (
        "{identity}" in case.operation.path
    ):  # what one may not see is 404, not 401: test_roles.py has them all
        return [ignored_auth]
    return []


def ask(server: Served, operation: schemathesis.APIOperation, real: There, codes: Counter[int]) -> None:
    """EACH requests to one endpoint, in turn as everyone; every other four name what is there."""

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: schemathesis.Case) -> None:
        asked = sum(codes.values())
        if asked // len(ROLES) % 2:
            real.put_into(case)
        answer = case.call(headers=server.headers(ROLES[asked % len(ROLES)]))
        codes[answer.status_code] += 1
        case.validate_response(answer, excluded_checks=unfit(case))

    one()


def test_requests_made_from_the_description_are_answered_as_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "drawn", lambda number, tasks: b"inputs")
    codes: Counter[int] = Counter()
    with served(f"sqlite:///{tmp_path}/board.db", tmp_path / "data", studies=FOLDER) as server:
        for name, skill in METHODS.items():
            server.post(bundles.zipped(tmp_path / name, name, skill=skill))
        server.work()
        files = bundles.good()
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", server.app)
        for number, found in enumerate(schema.get_all_operations()):
            ask(server, found.ok(), there(server, files, number), codes)
    print(f"{sum(codes.values())} requests: {dict(sorted(codes.items()))}")
    assert not [code for code in codes if code >= 500]
    assert codes[200] > sum(codes.values()) / 5, "what is there was reached, too"
