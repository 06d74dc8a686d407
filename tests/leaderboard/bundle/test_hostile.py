"""Hostile bundles: each is refused with words that a person understands, quickly, and leaves nothing."""

import time

from leaderboard.bundle import reading
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.validate import validate
from tests.leaderboard import bundles, hostile


def test_each_is_refused_with_the_right_words() -> None:
    wrong = []
    for case in hostile.cases():
        started = time.monotonic()
        try:
            validate(reading.read_zip(case.content))
            wrong.append(f"{case.name}: was valid")
        except BundleError as error:
            if case.says not in str(error):
                wrong.append(f"{case.name}: {str(error)[:300]} (expected: {case.says})")
        if time.monotonic() - started > 10:
            wrong.append(f"{case.name}: took {time.monotonic() - started:.0f} s")
    print(
        f"{len(hostile.cases())} hostile bundles, {len(wrong)} not refused with the right words within 10 s"
    )
    assert not wrong, "\n".join(wrong)
    validate(bundles.good())
