"""A board's site at one revision: an address to a page. The server and the static export both ask here.

A site is made anew when something on the board changes; its boards and pages are kept once they are made.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Protocol
from urllib.parse import urlencode

from leaderboard.board import Board, rank_track
from leaderboard.standing import Standing
from leaderboard.transfers import Shown
from leaderboard.web import links, render
from leaderboard.web.query import Query
from leaderboard.web.render import File, Missing, Page, View
from metanas.evaluation.charts.theme import svg

KEPT = 2_000  # pages kept per revision; there is no end of queries


class Source(Protocol):
    """A board as its pages see it."""

    def tracks(self) -> tuple[str, ...]:
        """Tracks that have something published."""
        ...

    def current(self, track: str, as_of: date | None = None) -> tuple[Standing, ...]:
        """Published and not superseded (at the end of that day), one per method."""
        ...

    def history(self, method: str) -> tuple[Standing, ...]:
        """All that was ever published of a method, oldest first."""
        ...

    def studies(self) -> tuple[Shown, ...]:
        """The transfer studies it shows."""
        ...

    def one(self, identity: str) -> Standing | None:
        """A submission in whatever state it is."""
        ...


@dataclass(frozen=True)
class Route:
    """Which addresses a view answers. `paths` lists them for a static export."""

    pattern: re.Pattern[str]
    view: Callable[..., View | File]  # (site, query, **groups of the pattern)
    paths: Callable[["Site"], Iterable[str]]


class Site:
    """All pages of one revision of a board."""

    def __init__(self, source: Source, routes: Sequence[Route], *, live: bool) -> None:
        self.source, self.live, self._routes = source, live, routes
        self.tracks = {links.slug(track): track for track in source.tracks()}
        self.studies = {shown.path: shown for shown in source.studies()}
        self._boards: dict[tuple[str, str, date | None], Board] = {}
        self._pages: dict[tuple[str, str], Page] = {}
        self._lock = Lock()

    def board(self, slug: str, domain: str = "", as_of: date | None = None) -> Board:
        """A track's board, ranked once. Missing if there is no such track, or nothing on it then."""
        if slug not in self.tracks:
            raise Missing(f"no track {slug!r}")
        key = slug, domain, as_of
        with self._lock:  # two readers who want the same new board wait for one computation
            if key not in self._boards:
                standings = self.source.current(self.tracks[slug], as_of)
                if not standings:
                    raise Missing(f"nothing was on {slug} on {as_of}")
                self._boards[key] = rank_track(self.tracks[slug], standings, domain)
            return self._boards[key]

    def get(self, address: str, query: Query | None = None) -> Page:
        """The page at an address, "" being the first. Missing; QueryError for a query that means nothing."""
        query = query or {}
        if (found := self.kept(address, query)) is not None:
            return found
        key = _key(address, query)
        made = self._make(*key, query)
        if not address.startswith("submissions/"):  # these change between revisions
            if len(self._pages) >= KEPT:
                self._pages.clear()
            self._pages[key] = made
        return made

    def kept(self, address: str, query: Query) -> Page | None:
        """The page if it was made before."""
        return self._pages.get(_key(address, query))

    def paths(self) -> list[str]:
        """All addresses of a static export: pages, then pictures, then styles and scripts."""
        pages = [path for route in self._routes for path in route.paths(self)]
        pictures = [
            links.picture(path, name, theme)
            for path in pages
            for name in self._pictures(path)
            for theme in ("light", "dark")
        ]
        return [*pages, *pictures, *render.static_paths()]

    def view(self, address: str, query: Query) -> View | File:
        """What the page at an address shows. Missing if there is none."""
        for route in self._routes:
            if found := route.pattern.fullmatch(address):
                return route.view(self, query, **found.groupdict())
        raise Missing(f"there is no page {address!r}")

    def _make(self, address: str, words: str, query: Query) -> Page:
        if address.startswith("static/"):
            return render.static(address)
        if drawn := re.fullmatch(r"(.+)\.([a-z-]+)\.(light|dark)\.svg", address):
            page, name, theme = drawn.groups()
            view = self.view(f"{page}.html", query)
            if not isinstance(view, View) or name not in view.pictures:
                raise Missing(f"there is no picture {address!r}")
            return render.page(svg(view.pictures[name], theme).encode(), "image/svg+xml")  # type: ignore[arg-type]
        view = self.view(address, query)
        if isinstance(view, File):
            return render.page(view.text.encode(), view.media)
        text = render.html(view, address, live=self.live, query=f"?{words}" if words else "")
        return render.page(text.encode(), "text/html; charset=utf-8")

    def _pictures(self, path: str) -> Sequence[str]:
        if not path.endswith(".html"):
            return ()
        view = self.view(path, {})
        return tuple(view.pictures) if isinstance(view, View) else ()


def _key(address: str, query: Query) -> tuple[str, str]:
    """An address and its query in one order."""
    words = sorted((name, value) for name, values in query.items() for value in values)
    return address or links.HOME, urlencode(words)
