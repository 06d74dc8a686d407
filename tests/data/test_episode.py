import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metanas.data.episode import EpisodeShape
from metanas.data.sampler import ClassTable, class_tables, digest, query_labels, sample


def table(sizes: list[int]) -> ClassTable:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return ClassTable.build("toy", "test", labels, np.arange(len(sizes)))


@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=12),
    ways=st.integers(2, 14),
    shots=st.integers(1, 12),
    queries=st.integers(1, 20),
)
def test_any_shape_the_data_can_hold_works_and_any_other_is_a_clear_error(
    sizes: list[int], ways: int, shots: int, queries: int
) -> None:
    toy, shape = table(sizes), EpisodeShape(ways, shots, queries)
    if ways > len(sizes):
        with pytest.raises(ValueError, match=f"has {len(sizes)} classes, too few for {ways} ways"):
            sample(toy, 0, shape, np.arange(3))
        return
    if shots + queries > min(sizes):
        with pytest.raises(
            ValueError, match=f"a class with {min(sizes)} examples, too few for {shots} shots"
        ):
            sample(toy, 0, shape, np.arange(3))
        return
    drawn = sample(toy, 0, shape, np.arange(3))
    class_of = np.empty(sum(sizes), int)
    class_of[toy.rows] = np.repeat(np.arange(len(sizes)), toy.sizes)
    for support, support_y, query, query_y in zip(*drawn, strict=True):
        rows = np.concatenate([support, query])
        assert len(set(rows)) == len(rows), "an example stands twice in an episode"
        names = class_of[support[:: shape.shots]]  # the class behind every label
        assert len(set(names)) == ways
        assert (class_of[support] == names[support_y]).all()
        assert (class_of[query] == names[query_y]).all()
        assert (np.bincount(query_y) == queries).all()


def test_an_episode_is_a_pure_function_of_its_address() -> None:
    toy, shape = table([20] * 9), EpisodeShape(5, 1, 15)
    many = sample(toy, 3, shape, np.arange(50))
    few = sample(toy, 3, shape, np.array([31, 7]))
    for a, b in zip(many, few, strict=True):
        assert (a[[31, 7]] == b).all()
    assert digest(many) != digest(sample(toy, 4, shape, np.arange(50)))


def test_the_labels_of_the_queries_are_known_without_the_data() -> None:
    shape = EpisodeShape(5, 1, 15)
    drawn = sample(table([40] * 7), 0, shape, np.arange(20))
    assert (drawn.query_y == query_labels("toy", "test", 0, shape, np.arange(20))).all()


def test_pinned_index_lists_keep_their_hash() -> None:
    found = digest(sample(table([20] * 9), 0, EpisodeShape(5, 1, 15), np.arange(600)))
    assert found == "97bb04d23a43af7b40d8b673b60d2502865247cc83dc88bc4e49bda1f0f58665"


def test_every_example_is_equally_likely_in_support_and_query() -> None:
    toy, shape = table([20] * 6), EpisodeShape(3, 2, 4)
    drawn = sample(toy, 0, shape, np.arange(4000))
    for rows in (drawn.support, drawn.query):
        assert stats.chisquare(np.bincount(rows.ravel(), minlength=120)).pvalue > 0.001


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 0, 15), "shots must be positive, got 0"),
        ((5, -1, 15), "shots must be positive, got -1"),
        ((1, 1, 15), "ways must be at least 2, got 1"),
        ((5, 1, 0), "queries must be positive, got 0"),
    ],
)
def test_impossible_shapes_say_what_is_wrong(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EpisodeShape(*shape)


def test_splits_that_share_a_class_are_refused() -> None:
    with pytest.raises(ValueError, match="class 1 is in both train and test"):
        class_tables("toy", np.arange(3), {"train": np.array([0, 1]), "test": np.array([1, 2])}, None)
