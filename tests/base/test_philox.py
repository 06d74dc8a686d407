import numpy as np
import pytest
from scipy import stats

from metanas.base import philox


@pytest.mark.parametrize(
    ("counters", "key", "expected"),
    [  # the known-answer tests that come with Random123 (Salmon et al., 2011)
        ([0] * 4, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([2**32 - 1] * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counters: list[int], key: int, expected: str) -> None:
    found = philox.philox(key, np.array([counters], np.uint64))[0]
    assert " ".join(f"{int(word):08x}" for word in found) == expected


def test_a_row_of_a_stream_does_not_depend_on_the_rows_beside_it() -> None:
    together = philox.words(7, np.arange(100), 9)
    assert (philox.words(7, np.array([41]), 9) == together[41]).all()
    assert (philox.words(7, np.array([41]), 5) == together[41, :5]).all()


def test_bounded_integers_are_uniform() -> None:
    drawn = philox.below(10, philox.words(philox.key("uniform"), np.arange(1000), 100)).ravel()
    assert stats.chisquare(np.bincount(drawn, minlength=10)).pvalue > 0.001
