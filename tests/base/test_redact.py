"""No part of a password or a query is in what messages show of an address."""

import pytest

from metanas.base.redact import address, without


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:1/path", "http://host:1/path"),
        ("postgresql://ada:secret@host/x", "postgresql://ada:***@host/x"),
        ("http://token-secret@host", "http://***@host"),
        ("postgresql://ada@host/x", "postgresql://ada@host/x"),
        ("http://ada:se@cret/x@host", "http://ada:***@host"),
        ("http://host/?key=secret", "http://host/"),
        ("http://ada:a?secret@host", "http://***"),
        ("http://ada:p@host/x?password=a@secret", "http://***"),
        ("ada:secret@host", "ada:***@host"),
        ("runs/board.db", "runs/board.db"),
        ("sqlite:///a@b/board.db?timeout=1", "sqlite:///a@b/board.db"),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert address(url) == shown


def test_others_words_lose_the_parts_of_a_secret() -> None:
    url = "http://ada:p%40rt/secret@host:1/?key=hidden"
    text = without(f"{url}: host 'p@rt' or p%40rt has no secret, hidden or port", url)
    assert text == "http://ada:***@host:1/: host '***' or *** has no ***, *** or port"
