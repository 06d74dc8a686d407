"""Rendered pages by address and query, the most recently used ones up to a number of bytes.

Anyone may ask for any number of queries, so what is kept of them must be bounded, and what visitors ask for
must not give way to what was asked for once.
"""

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from leaderboard.web.render import Page

Key = tuple[str, str]  # an address and its query string
MOST = 64 * 2**20  # bytes
OVERHEAD = 500  # bytes of a key and what holds it


class PageCache:
    """Pages by key; the least recently used ones are dropped. Thread-safe. most: bytes."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._pages: OrderedDict[Key, Page] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Page | None:
        """The page, or None."""
        with self._lock:
            if (page := self._pages.get(key)) is not None:
                self._pages.move_to_end(key)
            return page

    def put(self, key: Key, page: Page) -> None:
        """Keep a page."""
        with self._lock:
            if (before := self._pages.pop(key, None)) is not None:
                self._size -= _size(key, before)
            self._pages[key] = page
            self._size += _size(key, page)
            while self._size > self._most:
                self._size -= _size(*self._pages.popitem(last=False))

    def __iter__(self) -> Iterator[tuple[Key, Page]]:
        """Keys and pages as they are now, the most recently used last."""
        with self._lock:
            return iter(list(self._pages.items()))


def _size(key: Key, page: Page) -> int:
    return sum(map(len, key)) + len(page.content) + len(page.packed or b"") + OVERHEAD
