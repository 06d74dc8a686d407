"""The cache of pages against a plain list of what was used last."""

import random

from leaderboard.web.page_cache import OVERHEAD, PageCache
from leaderboard.web.render import Page, page


def size(key: tuple[str, str], found: Page) -> int:
    return sum(map(len, key)) + len(found.content) + len(found.packed or b"") + OVERHEAD


def test_the_least_recently_used_pages_make_room_for_others() -> None:
    rng, most = random.Random(0), 20_000
    cache, model = PageCache(most), dict[tuple[str, str], Page]()
    for _ in range(2_000):
        key = f"page-{rng.randrange(30)}", ""
        if rng.random() < 0.5:
            found = cache.get(key)
            assert found is model.get(key)
            if found is not None:
                model[key] = model.pop(key)
        else:
            model.pop(key, None)
            model[key] = page(rng.randbytes(rng.randrange(3_000)), "text/html")
            cache.put(key, model[key])
            while sum(map(size, *zip(*model.items(), strict=True))) > most:
                del model[next(iter(model))]
        assert list(cache) == list(model.items())
    assert len(model) > 3


def test_a_page_larger_than_the_cache_is_not_kept() -> None:
    cache = PageCache(10_000)
    cache.put(("a", ""), page(b"x", "text/html"))
    cache.put(("b", ""), page(random.Random(0).randbytes(10_000), "image/png"))
    assert not list(cache) and cache.get(("b", "")) is None
