"""One published submission: the states it went through, when and why, and its files.

Before it is published only its owner sees it, with a token: `metanas leaderboard status ID`.
"""

from collections.abc import Iterable

from leaderboard.scoring.document import document
from leaderboard.standing import Standing
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import File, Missing, View
from leaderboard.web.site import Site

PUBLIC_STATES = ("published", "withdrawn")
NEXT = {
    "published": "It is on the board.",
    "withdrawn": "It was taken off the board; its files and hashes stay.",
}


def page(site: Site, query: Query, identity: str) -> View:
    """The timeline of a submission by its id. Missing if there is none."""
    standing = _public(site, identity)
    slug = links.slug(standing.track)
    on_board = slug in site.tracks and standing.state == "published" and not standing.superseded
    return View(
        "submission.html",
        {
            "tracks": site.tracks,
            "track": slug if slug in site.tracks else None,
            "page": "submission",
            "standing": standing,
            "next": NEXT[standing.state],
            "on_board": on_board,
        },
    )


def scores(site: Site, query: Query, identity: str) -> File:
    """All its scores: the bytes that `metanas score` and the API give. Missing if there is no such one."""
    standing = _public(site, identity)
    content = document(standing.document, standing.accuracies, standing.summaries)
    return File(content.decode(), "application/json")


def paths(site: Site) -> Iterable[str]:
    methods = {line.method for slug in site.tracks for line in site.board(slug).lines}
    found = {s.id for name in methods for s in site.source.history(name) if s.state in PUBLIC_STATES}
    return [links.submission(identity) for identity in sorted(found)]


def score_paths(site: Site) -> Iterable[str]:
    return [path.replace(".html", ".json") for path in paths(site)]


def _public(site: Site, identity: str) -> Standing:
    standing = site.source.one(identity)
    if standing is None or standing.state not in PUBLIC_STATES:
        raise Missing(f"no submission {identity!r}")
    return standing
