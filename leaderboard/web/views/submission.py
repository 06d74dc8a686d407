"""One published submission: the states it went through, when and why, and its files.

Before it is published only its owner sees it, with a token: `metanas leaderboard status ID`.
"""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site

PUBLIC_STATES = ("published", "withdrawn")
NEXT = {
    "published": "It is on the board.",
    "withdrawn": "It was taken off the board; its files and hashes stay.",
}


def page(site: Site, query: Query, identity: str) -> View:
    """The timeline of a submission by its id. Missing if there is none."""
    standing = site.source.one(identity)
    if standing is None or standing.state not in PUBLIC_STATES:
        raise Missing(f"no submission {identity!r}")
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


def paths(site: Site) -> Iterable[str]:
    methods = {line.method for slug in site.tracks for line in site.board(slug).lines}
    found = {s.id for name in methods for s in site.source.history(name) if s.state in PUBLIC_STATES}
    return [links.submission(identity) for identity in sorted(found)]
