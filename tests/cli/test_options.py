"""Numbers on the command line are bounded: what is too large is a usage error, not an overflow far inside."""

from typing import Any

import pytest

from tests.benchmarks.fuzz_commands import commands

NUMBERS = [
    (path, parameter)
    for path, parameters in commands().items()
    for parameter in parameters
    if parameter.type_descriptor.annotation in (int, float)
]


def test_numbers_are_found() -> None:
    assert {"episode", "trials", "days", "rescore"} <= {parameter.name for _, parameter in NUMBERS}


@pytest.mark.parametrize(
    ("path", "parameter"), NUMBERS, ids=[f"{' '.join(path)} {p.name}" for path, p in NUMBERS]
)
def test_every_number_has_a_least_and_a_most(path: tuple[str, ...], parameter: Any) -> None:
    assert parameter.min is not None
    assert parameter.max is not None and parameter.max < 2**31
