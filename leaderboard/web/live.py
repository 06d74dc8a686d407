"""The site that a server shows: always a whole one, made anew in the background when the board changes.

Readers never wait for that: until the new site is ranked and its first page drawn, they get the old one,
which is a fraction of a second behind. Comes after `routes.py`; `server/pages.py` answers requests from it.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from leaderboard import standing
from leaderboard.store.store import Store
from leaderboard.transfers import Shown
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.stored import Stored

CHECK_SECONDS = 0.2  # how often the board is asked whether something changed


class Live:
    """The newest finished site of a store, with these transfer studies."""

    def __init__(self, store: Store, studies: tuple[Shown, ...] = ()) -> None:
        self._store, self._studies = store, studies
        self._revision, self._site = self._made()
        self._checked = time.monotonic()
        self._lock = Lock()
        self._maker = ThreadPoolExecutor(1, "site")

    def site(self) -> Site:
        """The site to answer from; looks for changes in the background now and then."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS and self._lock.acquire(blocking=False):
            self._checked = now
            self._maker.submit(self._refresh)
        return self._site

    def close(self) -> None:
        """Stop looking for changes."""
        self._maker.shutdown(wait=True, cancel_futures=True)

    def _refresh(self) -> None:
        try:
            if standing.shown_revision(self._store) != self._revision:
                self._revision, self._site = self._made()
        finally:
            self._lock.release()

    def _made(self) -> tuple[int, Site]:
        revision = standing.shown_revision(self._store)  # read first: a change after it is found next time
        site = open_site(Stored(self._store, self._studies), live=True)
        site.get(links.HOME)
        return revision, site
