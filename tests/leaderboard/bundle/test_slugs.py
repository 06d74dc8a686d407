"""Two names never have one address, whatever they are, also where files' names have no case."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.bundle.slugs import name, slug
from leaderboard.web import routes

TRACK = "mini-v1 1.0 / small (300-100-4) / full data / 0123abcd"
ALIKE = (
    "reptile",
    "Reptile",
    "REPTILE",
    "reptile ",
    "réptile",
    "rерtile",  # two letters of another script
    "шаг",
    "步",
    "my.method",
    "my-method",
    "my_method",
    "my method",
    "~",
    "",
    "\ud800",
)
NAMES = st.one_of(
    st.sampled_from(ALIKE), st.text(max_size=6), st.text("aA-_. /~1", max_size=6), st.just(TRACK)
)


@pytest.mark.parametrize("address", [slug, name])
def test_names_that_look_alike_have_addresses_of_their_own(address: "type[str]") -> None:
    assert len({address(text).casefold() for text in ALIKE}) == len(ALIKE)


@settings(max_examples=300)
@given(NAMES, NAMES)
def test_two_names_never_have_one_address(a: str, b: str) -> None:
    if a != b:
        assert name(a) != name(b)
        if "~" not in a + b:
            assert slug(a) != slug(b) or slug(a) in (a, b)  # a name and what is already its slug


@given(NAMES)
def test_an_address_is_one_that_the_routes_know(text: str) -> None:
    assert slug(slug(text)) == slug(text)
    assert re.fullmatch(routes.SLUG, slug(text))
    assert re.fullmatch(routes.METHOD, name(text))


def test_usual_names_keep_a_plain_address() -> None:
    assert slug(TRACK) == "mini-v1-1-0-small-300-100-4-full-data-0123abcd"
    assert slug("speech_commands/5w1s") == "speech_commands-5w1s" and slug("cifar-fs/5w1s") == "cifar-fs-5w1s"
    assert name("loo-nas") == "loo-nas" and name("my.method") == "my.method"
    assert slug(TRACK.replace("mini", "Mini")).startswith(slug(TRACK) + "~")
    assert (
        len({slug("a-1 1.0 / small (1) / sample / 01234567"), slug("a 1.1 / small (1) / sample / 01234567")})
        == 2
    )
