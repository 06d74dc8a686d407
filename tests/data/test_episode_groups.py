"""Episodes whose support and query sets share no speaker (`group_disjoint`)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metanas.data.episode import EpisodeShape
from metanas.data.sampler import ClassTable, digest, query_labels, sample

PLAIN = "1f4f0cc2a3e1e1f30fd1e391c4136eabd5a27e90efb96cb9234a22a3ba11b47c"
DISJOINT = "76b19e652463ea8676ca27de342011331a915c96fb67d36d95aeb6165f1b89cc"


def table(speakers: int, classes: int, each: int) -> ClassTable:
    """Every speaker says every class `each` times."""
    labels = np.repeat(np.arange(classes), speakers * each)
    groups = np.tile(np.arange(speakers), classes * each)
    return ClassTable.build("toy", "test", labels, np.arange(classes), groups)


@settings(deadline=None)
@given(
    speakers=st.integers(2, 9),
    each=st.integers(1, 4),
    shots=st.integers(1, 8),
    queries=st.integers(1, 8),
    seed=st.integers(0, 5),
)
def test_nobody_is_in_both_sets_or_the_error_says_that_it_cannot_be(
    speakers: int, each: int, shots: int, queries: int, seed: int
) -> None:
    toy, shape = replace(table(speakers, 4, each), disjoint=True), EpisodeShape(3, shots, queries)
    if shots + queries > speakers * each:
        with pytest.raises(ValueError, match="too few for"):
            sample(toy, seed, shape, np.arange(4))
        return
    # whole speakers must suffice on both sides
    if -(-shots // each) + -(-queries // each) > speakers:
        with pytest.raises(ValueError, match=f"no order of {speakers} speakers or drawers leaves {shots}"):
            sample(toy, seed, shape, np.arange(4))
        return
    drawn = sample(toy, seed, shape, np.arange(4))
    groups = np.tile(np.arange(speakers), 4 * each)
    for support, query in zip(drawn.support, drawn.query, strict=True):
        assert not set(groups[support].tolist()) & set(groups[query].tolist())
        assert len(set(support.tolist()) | set(query.tolist())) == 3 * (shots + queries)
    assert (drawn.query_y == query_labels("toy", "test", seed, shape, np.arange(4))).all()


def test_an_episode_is_a_pure_function_of_its_address() -> None:
    toy, shape = replace(table(6, 7, 5), disjoint=True), EpisodeShape(5, 2, 6)
    many, few = sample(toy, 3, shape, np.arange(30)), sample(toy, 3, shape, np.array([21, 4]))
    for a, b in zip(many, few, strict=True):
        assert (a[[21, 4]] == b).all()


def test_pinned_index_lists_keep_their_hash_with_and_without_the_option() -> None:
    toy, shape = table(6, 7, 5), EpisodeShape(5, 1, 15)
    assert digest(sample(toy, 0, shape, np.arange(100))) == PLAIN
    assert digest(sample(replace(toy, disjoint=True), 0, shape, np.arange(100))) == DISJOINT


def test_a_domain_without_speakers_says_so() -> None:
    toy = replace(table(3, 4, 9), groups=None, disjoint=True)
    with pytest.raises(ValueError, match="toy has no speakers or drawers to keep apart"):
        sample(toy, 0, EpisodeShape(3, 1, 5), np.arange(1))
