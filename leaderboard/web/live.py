"""The site that a running server shows, rebuilt in the background when something on a page may have changed.

A thread looks for changes, whether there are visitors or not. A request never waits for a rebuild: it is
answered from the last complete `Site` until the new one is ranked and has its first page. Uses `routes.py`;
`server/pages.py` answers requests from it.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from leaderboard.ranking import standing
from leaderboard.repository.studies import Shown
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.site import Site
from leaderboard.web.store_source import Stored
from leaderboard.web.views.pareto import COSTS

CHECK_SECONDS = 0.25  # between two checks for changes
STOP_SECONDS = 1.0
PAUSE_SECONDS = 0.05  # between two pages that are prepared: visitors go first
PREPARED = (
    "index.html",
    "significance.html",
    "compare.html",
    *(f"pareto-{cost}.html" for cost in COSTS),
    "leaderboard.json",
    "leaderboard.csv",
)
log = logging.getLogger(__name__)


class Live:
    """The newest complete site of a store.

    studies, home: see `store_source.Stored`. Once a site is there, what takes longest is made before anyone
    asks for it, in steps: pages (`prepare`), then what each of `also` makes.
    """

    def __init__(
        self,
        store: Store,
        studies: tuple[Shown, ...] = (),
        home: str = "",
        also: Sequence[Callable[[], Iterator[None]]] = (),
    ) -> None:
        self._store, self._studies, self._home, self._also = store, studies, home, also
        self._shown: tuple[int, Site] | None = None  # a revision and its site
        self._building = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Build the first site and look for changes from now on, every CHECK_SECONDS."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="site", daemon=True)
            self._thread.start()

    def site(self) -> Site:
        """The site to answer a request from. Waits for the first one."""
        if self._shown is None:
            with self._building:
                if self._shown is None:
                    self._shown = self._build()
        return self._shown[1]

    def kept(self) -> Site | None:
        """The same without waiting: None before the first one is complete."""
        return None if self._shown is None else self._shown[1]

    def close(self) -> None:
        """Stop looking for changes; a rebuild in progress has STOP_SECONDS."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _watch(self) -> None:
        prepared: Iterator[None] = iter(())
        while True:
            try:
                before = self._shown
                if before is None:
                    self.site()
                elif standing.shown_revision(self._store) != before[0]:
                    self._shown = self._build()
                if self._shown is not None and self._shown is not before:
                    prepared = chain(prepare(self._shown[1]), *(more() for more in self._also))
            except Exception:  # the database may come back; until then the last site is shown
                log.exception("the pages could not be made anew")
            try:
                pause = next(prepared, CHECK_SECONDS) or PAUSE_SECONDS
            except Exception:  # a page that cannot be made; whoever asks for it is told
                log.exception("a page could not be prepared")
                pause = CHECK_SECONDS
            if self._stop.wait(pause):
                return

    def _build(self) -> tuple[int, Site]:
        revision = standing.shown_revision(self._store)  # read first: the next check finds what changes later
        site = open_site(Stored(self._store, self._studies, self._home), live=True)
        if self._shown is not None:
            site.adopt(self._shown[1])
        site.get(links.HOME)  # ranks the board of the first page and renders it
        return revision, site


def prepare(site: Site) -> Iterator[None]:
    """Make the pages of the first page's track that compare all its methods, one at each step."""
    if not site.home:
        return
    board = site.board(site.home)
    for page in PREPARED:
        yield None
        site.get(links.board(board.track, page))
    for task in board.tasks:
        yield None
        site.get(links.task(board.track, task.name))
    for domain in board.domains:
        yield None
        site.board(site.home, domain)
