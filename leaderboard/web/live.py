"""The site that a running server shows, rebuilt in the background when something on a page may have changed.

A thread looks for changes, whether there are visitors or not. A request never waits for a rebuild: it is
answered from the last complete `Site` until the new one is ranked and has its first page. Uses `routes.py`;
`server/pages.py` answers requests from it.
"""

import logging
import threading

from leaderboard.ranking import standing
from leaderboard.repository.studies import Shown
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.store_source import Stored

CHECK_SECONDS = 0.25  # between two checks for changes
log = logging.getLogger(__name__)


class Live:
    """The newest complete site of a store. Building the first one blocks.

    studies, home: see `store_source.Stored`.
    """

    def __init__(self, store: Store, studies: tuple[Shown, ...] = (), home: str = "") -> None:
        self._store, self._studies, self._home = store, studies, home
        self._revision, self._site = self._build()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look for changes from now on, every CHECK_SECONDS."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="site", daemon=True)
            self._thread.start()

    def site(self) -> Site:
        """The site to answer a request from."""
        return self._site

    def close(self) -> None:
        """Stop looking for changes; waits for a rebuild in progress."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(CHECK_SECONDS):
            try:
                if standing.shown_revision(self._store) != self._revision:
                    self._revision, self._site = self._build()
            except Exception:  # the database may come back; until then the last site is shown
                log.exception("the pages could not be made anew")

    def _build(self) -> tuple[int, Site]:
        revision = standing.shown_revision(self._store)  # read first: the next check finds what changes later
        site = open_site(Stored(self._store, self._studies, self._home), live=True)
        site.get(links.HOME)  # ranks the board of the first page and renders it
        return revision, site
