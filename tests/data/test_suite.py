import pytest

from metanas.data.episode import EpisodeShape
from metanas.data.suite import DomainOptions, Suite, load_suite, names
from metanas.engine.config import resolve


def mixed() -> Suite:
    """mini-v1 with one domain of other ways and fewer queries."""
    options = {"langid": DomainOptions(ways=2, queries=4)}
    return load_suite("mini-v1").model_copy(update={"options": options, "shots": (1, 5)})


def test_a_domain_may_have_its_own_ways_and_queries() -> None:
    suite = mixed()
    assert suite.shapes("langid") == [EpisodeShape(2, 1, 4), EpisodeShape(2, 5, 4)]
    assert suite.shapes("digits") == [EpisodeShape(5, 1, 15), EpisodeShape(5, 5, 15)]
    assert suite.train_shapes("langid")[0].ways == 2


@pytest.mark.parametrize("name", names())
def test_options_are_for_domains_of_the_suite(name: str) -> None:
    suite = load_suite(name)
    assert set(suite.options) <= set(suite.domains)


def test_setting_one_option_keeps_the_others() -> None:
    words = ["suite.options.langid.ways=3", "suite.options.langid.queries=7"]
    suite = resolve("scratch", "mini-v1", overrides=words).suite
    assert suite.of("langid") == DomainOptions(ways=3, queries=7)
    assert suite.of("digits") == DomainOptions()
