"""Requests made from the API's own description, by schemathesis: no 5xx, no answer that is not described.

METANAS_SCHEMATHESIS sets the number of requests per endpoint; tests/benchmarks/board_requests.py asks for
enough to make 5,000.
"""

import os
from collections import Counter
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from leaderboard.transfers import FOLDER
from tests.leaderboard.serving import served

BYTES = ("application/zip", "application/vnd.apache.parquet")


@schemathesis.serializer(*BYTES)  # type: ignore[untyped-decorator, unused-ignore]
def as_it_is(context: object, value: object) -> object:
    """A body of any bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


EACH = int(os.environ.get("METANAS_SCHEMATHESIS", "40"))


def test_requests_made_from_the_description_are_answered_as_described(tmp_path: Path) -> None:
    codes: Counter[int] = Counter()
    with served(f"sqlite:///{tmp_path}/board.db", tmp_path / "data", studies=FOLDER) as server:
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", server.app)
        for found in schema.get_all_operations():
            operation = found.ok()

            @settings(
                max_examples=EACH,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def ask(case: schemathesis.Case) -> None:
                role = ("owner", "admin", "reviewer", "nobody")[sum(codes.values()) % 4]
                answer = case.call(headers=server.headers(role))
                codes[answer.status_code] += 1
                wrong_bytes = [positive_data_acceptance] if case.media_type in BYTES else []
                case.validate_response(answer, excluded_checks=wrong_bytes)

            ask()
    print(f"{sum(codes.values())} requests: {dict(sorted(codes.items()))}")
    assert not [code for code in codes if code >= 500]
