"""Hostile bundles: each is refused with words that a person understands, quickly, and leaves nothing."""

import time

import pytest

from leaderboard.bundle import reading
from leaderboard.bundle.names import Members
from leaderboard.bundle.problem import BundleError
from leaderboard.bundle.validate import validate
from tests.leaderboard import bundles, hostile


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return bundles.members(tmp_path_factory.mktemp("good") / "run")


def test_each_is_refused_with_the_right_words(good: Members) -> None:
    found = hostile.cases(good)
    assert len(found) >= 60
    wrong = []
    for case in found:
        started = time.monotonic()
        try:
            validate(reading.read_zip(case.content))
            wrong.append(f"{case.name}: was valid")
        except BundleError as error:
            if case.says not in str(error):
                wrong.append(f"{case.name}: {str(error)[:300]} (expected: {case.says})")
        if time.monotonic() - started > 10:
            wrong.append(f"{case.name}: took {time.monotonic() - started:.0f} s")
    print(f"{len(found)} hostile bundles, {len(wrong)} not refused with the right words within 10 s")
    assert not wrong, "\n".join(wrong)
    validate(good)
