"""The routing table of the site: the pattern of an address, the view it shows, the paths of a static export.

A new page is a view in `views/` and one line in `ROUTES`. `live.py` (server) and `static_site.py` (static
export) open sites through `open_site`.
"""

import re
from collections.abc import Callable, Iterable

from leaderboard.web import about, links
from leaderboard.web.render import File, View
from leaderboard.web.site import Route, Site, Source
from leaderboard.web.views import (
    api,
    cite,
    compare,
    domain,
    exports,
    method,
    pareto,
    ranked,
    rules,
    significance,
    submission,
    submit,
    task,
    transfer,
)

SLUG = r"[a-z0-9_-]+(?:~[0-9a-f]{8})?"  # bundle/slugs.py
TRACK = rf"(?P<track>{SLUG})"
METHOD = r"[a-z0-9_][a-z0-9._-]*(?:~[0-9a-f]{8})?"
STUDY = rf"(?P<path>{METHOD}(?:/{METHOD})*)"


def _route(pattern: str, view: Callable[..., View | File], paths: Callable[[Site], Iterable[str]]) -> Route:
    return Route(re.compile(pattern), view, paths)


ROUTES = (
    _route(r"index\.html", ranked.home, lambda site: ["index.html"]),
    _route(r"rules\.html", rules.page, rules.paths),
    _route(r"submit\.html", submit.page, submit.paths),
    _route(r"api\.html", api.page, api.paths),
    _route(r"cite\.html", cite.page, cite.paths),
    _route(r"domains\.html", domain.index, lambda site: []),
    _route(rf"domains/(?P<name>{SLUG})\.html", domain.page, domain.paths),
    _route(r"transfer\.html", transfer.home, lambda site: [links.TRANSFER]),
    _route(rf"transfer/{STUDY}\.html", transfer.page, transfer.paths),
    _route(rf"transfer/{STUDY}\.json", transfer.scores, transfer.score_paths),
    _route(r"submissions/(?P<identity>[a-z0-9-]+)\.html", submission.page, submission.paths),
    _route(r"submissions/(?P<identity>[a-z0-9-]+)\.json", submission.scores, submission.score_paths),
    _route(
        r"submissions/(?P<identity>[a-z0-9-]+)/(?P<name>[A-Za-z]+\.[a-z]+)",
        submission.file,
        submission.file_paths,
    ),
    _route(rf"{TRACK}/index\.html", ranked.ranked, ranked.paths),
    _route(rf"{TRACK}/leaderboard\.(?P<form>json|csv|md|tex)", exports.export, exports.paths),
    _route(rf"{TRACK}/pareto-(?P<cost>[a-z]+)\.html", pareto.page, pareto.paths),
    _route(rf"{TRACK}/significance\.html", significance.page, significance.paths),
    _route(rf"{TRACK}/compare\.html", compare.page, compare.paths),
    _route(rf"{TRACK}/compare/(?P<a>{METHOD})/(?P<b>{METHOD})\.html", compare.pair_page, compare.pair_paths),
    _route(rf"{TRACK}/methods/(?P<name>{METHOD})\.html", method.page, method.paths),
    _route(rf"{TRACK}/tasks/(?P<name>{SLUG})\.html", task.page, task.paths),
)


def open_site(source: Source, *, live: bool, repository: str | None = None) -> Site:
    """The site of a board as it is now. live: the server answers filters; otherwise `table.js` does.

    repository: where the code of metanas is; by default as the installed package says (`about.py`).
    """
    return Site(
        source, ROUTES, live=live, repository=about.repository() if repository is None else repository
    )
