"""A `Site`: all pages of the leaderboard at one revision of its store, by address.

The server and the static export both get their pages here. A site is not updated: when something is
published or withdrawn, a new one is opened (`live.py`). Ranked boards and rendered pages are cached in it.
Used by the views in `views/`; `routes.py` says which view answers which address.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Protocol
from urllib.parse import urlencode

from leaderboard.ranking.board import Board, rank_track
from leaderboard.ranking.standing import Standing, at_end_of
from leaderboard.repository.studies import Shown
from leaderboard.web import links, render
from leaderboard.web.page_cache import PageCache
from leaderboard.web.query import Query
from leaderboard.web.render import Busy, File, Missing, Page, View
from leaderboard.web.track_names import track_names
from metanas.evaluation.charts.theme import svg
from metanas.evaluation.result import Submission as Document

RANKING = Lock()  # one board at a time, also while an earlier site still answers: a thousand take 100 MB
MAX_PAST = 4  # boards of past days in the cache


class Source(Protocol):
    """Where pages read from: `store_source.Stored`, or plain values in tests.

    A `Standing` is one submission with its recomputed scores; a track is named by its full name.
    """

    def revisions(self) -> Mapping[str, int]:
        """Of every track a number that grows whenever one of its pages may change."""
        ...

    def tracks(self) -> Mapping[str, Document]:
        """A submission.json of each track with a published submission, sorted by the track's name."""
        ...

    def home(self) -> str | None:
        """The track of the first page; None if there is none."""
        ...

    def published(self, track: str) -> tuple[Standing, ...]:
        """All published submissions of a track, superseded ones included."""
        ...

    def history(self, method: str) -> tuple[Standing, ...]:
        """The published and withdrawn submissions of a method on all tracks, oldest first."""
        ...

    def studies(self) -> tuple[Shown, ...]:
        """The transfer studies to show."""
        ...

    def one(self, identity: str) -> Standing | None:
        """A submission by its id, in any state; None if there is none."""
        ...

    def file(self, sha256: str) -> bytes:
        """The content of a file of a submission."""
        ...


@dataclass(frozen=True)
class Route:
    """The addresses that one view answers."""

    pattern: re.Pattern[str]  # of the whole address
    view: Callable[..., View | File]  # called with (site, query, **named groups of the pattern)
    paths: Callable[["Site"], Iterable[str]]  # the addresses that a static export writes


class Site:
    """All pages at one revision.

    tracks: slug -> name. names: slug -> what people call it. home: the slug of the first page's track, ""
    without one. studies: path -> transfer study. documents: track -> a submission.json. live, repository: as
    in `routes.open_site`.
    """

    def __init__(self, source: Source, routes: Sequence[Route], *, live: bool, repository: str) -> None:
        self.source, self.live, self._routes, self.repository = source, live, routes, repository
        self._revisions = source.revisions()  # read first: what is newer is taken for a change later
        self.documents = source.tracks()
        self.tracks = {links.slug(track): track for track in self.documents}
        self.names = {links.slug(track): name for track, name in track_names(self.documents).items()}
        self.home = links.slug(first) if (first := source.home()) else ""
        self.studies = {shown.path: shown for shown in source.studies()}
        self._boards: dict[tuple[str, str, date | None], Board] = {}
        self._pages = PageCache()
        self._published: dict[str, tuple[Standing, ...]] = {}
        self._lock, self._past = Lock(), Lock()

    @property
    def common(self) -> dict[str, object]:
        """The values that every page has; a view's own go before them. track, page: of the menu."""
        menu = {"track": None, "page": None, "name": None}
        return {
            **menu,
            "live": self.live,
            "tracks": self.names,
            "home": self.home,
            "repository": self.repository,
        }

    def board(self, slug: str, domain: str = "", as_of: date | None = None) -> Board:
        """A track's board, cached; ranked on one domain alone, or as it was at the end of a day (UTC).

        Missing if no track has that slug, or nothing had been published on it by then. Busy for a board of
        the past while another one is ranked; few of them are kept.
        """
        if slug not in self.tracks:
            raise Missing(f"no track {slug!r}")
        day = None if as_of is None else self._earlier(slug, as_of)
        key = slug, domain, day
        if (kept := self._boards.get(key)) is not None:
            return kept
        lock = self._lock if day is None else self._past
        if not lock.acquire(blocking=day is None):
            raise Busy("another board of the past is being ranked; try again in a few seconds")
        try:  # requests for the same board share one computation
            if key not in self._boards:
                self._rank(key)
            return self._boards[key]
        finally:
            lock.release()

    def adopt(self, earlier: "Site") -> None:
        """Take over boards and pages of the tracks where nothing has changed since an earlier site.

        Pages have a menu with all tracks, so they are taken over only where those are the same.
        """
        same = {
            slug
            for slug, track in self.tracks.items()
            if self._revisions.get(track) == earlier._revisions.get(track)
        }
        tracks = {self.tracks[slug] for slug in same}
        self._published |= {
            track: rows for track, rows in list(earlier._published.items()) if track in tracks
        }
        self._boards |= {key: board for key, board in list(earlier._boards.items()) if key[0] in same}
        if self.common == earlier.common:
            for key, page in earlier._pages:
                if key[0].partition("/")[0] in same:
                    self._pages.put(key, page)

    def published(self, track: str) -> tuple[Standing, ...]:
        """All published submissions of a track, superseded ones included; read once."""
        if track not in self._published:
            self._published[track] = self.source.published(track)
        return self._published[track]

    def _rank(self, key: tuple[str, str, date | None]) -> None:
        slug, domain, day = key
        standings = self._standings(slug, day)
        if not standings:
            raise Missing(f"nothing was published on track {slug!r} by {day or 'now'}")
        past = [other for other in list(self._boards) if other[2] is not None]  # others add to it
        if day is not None and len(past) >= MAX_PAST:
            del self._boards[past[0]]
        with RANKING:
            self._boards[key] = rank_track(self.tracks[slug], standings, domain)

    def _standings(self, slug: str, day: date | None) -> Sequence[Standing]:
        """What is ranked on a track now, or was at the end of a day."""
        every = self.published(self.tracks[slug])
        return [s for s in every if not s.superseded] if day is None else at_end_of(every, day)

    def _earlier(self, slug: str, day: date) -> date | None:
        """The last day until this one on which the track changed; None if it has not changed since.

        Days between two changes have the same board.
        """
        days = {at.date() for standing in self.published(self.tracks[slug]) for at in standing.led}
        before = [change for change in days if change <= day]
        if not before:
            raise Missing(f"nothing was published on track {slug!r} by {day}")
        then, now = ({s.id for s in self._standings(slug, d)} for d in (max(before), None))
        return None if then == now else max(before)

    def get(self, address: str, query: Query | None = None) -> Page:
        """The page at an address; "" is the first page. From the cache if it is there.

        Missing if no page has the address; QueryError if a parameter has a value that it cannot have.
        """
        query = query or {}
        key = _key(address, query)
        if address.startswith("submissions/"):  # a submission may change between revisions
            return self._render(*key, query)
        return self.once(address, query, lambda: self._render(*key, query))

    def once(self, address: str, query: Query, make: Callable[[], Page]) -> Page:
        """What the cache has for an address and a query, or else what `make` makes, kept from now on."""
        if (page := self.kept(address, query)) is None:
            page = make()
            self._pages.put(_key(address, query), page)
        return page

    def kept(self, address: str, query: Query) -> Page | None:
        """The page if it is in the cache, else None; never computes anything."""
        return self._pages.get(_key(address, query))

    def paths(self) -> list[str]:
        """All addresses of a static export: pages, the SVGs of their pictures, styles and scripts."""
        pages = [path for route in self._routes for path in route.paths(self)]
        pictures = [
            links.picture(path, name, theme)
            for path in pages
            for name in self._pictures(path)
            for theme in ("light", "dark")
        ]
        return [*pages, *pictures, *render.static_paths()]

    def view(self, address: str, query: Query) -> View | File:
        """What the page at an address shows, not rendered. Missing and QueryError as in `get`."""
        for route in self._routes:
            if match := route.pattern.fullmatch(address):
                return route.view(self, query, **match.groupdict())
        raise Missing(f"there is no page {address!r}")

    def _render(self, address: str, query_string: str, query: Query) -> Page:
        if address.startswith("static/"):
            return render.static(address)
        if match := re.fullmatch(r"(.+)\.([a-z-]+)\.(light|dark)\.svg", address):
            page, name, theme = match.groups()
            view = self.view(f"{page}.html", query)
            if not isinstance(view, View) or name not in view.pictures:
                raise Missing(f"there is no picture {address!r}")
            return render.page(svg(view.pictures[name], theme).encode(), "image/svg+xml")  # type: ignore[arg-type]
        view = self.view(address, query)
        if isinstance(view, File):
            return render.page(view.content, view.media)
        link_query = f"?{query_string}" if query_string else ""
        text = render.html(view, address, self.common, query=link_query)
        return render.page(text.encode(), "text/html; charset=utf-8")

    def _pictures(self, path: str) -> Sequence[str]:
        if not path.endswith(".html"):
            return ()
        view = self.view(path, {})
        return tuple(view.pictures) if isinstance(view, View) else ()


def _key(address: str, query: Query) -> tuple[str, str]:
    """The key of the cache: an address and its query string. The order of parameters does not matter."""
    parameters = [(name, value) for name in sorted(query) for value in query[name]]
    return address or links.HOME, urlencode(parameters)
