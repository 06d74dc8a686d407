"""The site that a running server shows, rebuilt in the background when something is published or withdrawn.

A request never waits for a rebuild: it is answered from the last complete `Site` until the new one is ranked
and has its first page. Uses `routes.py`; `server/pages.py` answers requests from it.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from leaderboard.ranking import standing
from leaderboard.repository.studies import Shown
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.store_source import Stored

CHECK_SECONDS = 0.2  # the least time between two checks for changes


class Live:
    """The newest complete site of a store, with these transfer studies. Building the first one blocks."""

    def __init__(self, store: Store, studies: tuple[Shown, ...] = ()) -> None:
        self._store, self._studies = store, studies
        self._revision, self._site = self._build()
        self._checked = time.monotonic()
        self._lock = Lock()  # held from the submission of a refresh to its end
        self._executor = ThreadPoolExecutor(1, "site")

    def site(self) -> Site:
        """The site to answer a request from; starts a check for changes every CHECK_SECONDS."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS and self._lock.acquire(blocking=False):
            self._checked = now
            self._executor.submit(self._refresh)
        return self._site

    def close(self) -> None:
        """Stop checking for changes; waits for a rebuild in progress."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _refresh(self) -> None:
        try:
            if standing.shown_revision(self._store) != self._revision:
                self._revision, self._site = self._build()
        finally:
            self._lock.release()

    def _build(self) -> tuple[int, Site]:
        revision = standing.shown_revision(self._store)  # read first: the next check finds what changes later
        site = open_site(Stored(self._store, self._studies), live=True)
        site.get(links.HOME)  # ranks the board of the first page and renders it
        return revision, site
