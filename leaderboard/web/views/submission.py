"""The page of one submission: the states it went through, when and why, and its files; its scores as JSON.

Only public submissions have one (`store/visibility.py`). Before that its owner can follow it with a token:
`metanas status ID`.
"""

from collections.abc import Iterable

from leaderboard.ranking.standing import Standing
from leaderboard.scoring.document import document
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import File, Missing, View
from leaderboard.web.site import Site

NEXT = {
    "published": "It is on the board.",
    "withdrawn": "It was taken off the board; its files and hashes stay.",
}


def page(site: Site, query: Query, identity: str) -> View:
    """The page of a submission by its id. Missing if there is none that is public."""
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
    """All its scores as JSON, the same bytes as from `metanas score` and the API. Missing as for `page`."""
    standing = _public(site, identity)
    content = document(standing.document, standing.accuracies, standing.summaries, standing.gains)
    return File(content.decode(), "application/json")


def paths(site: Site) -> Iterable[str]:
    """Every public submission of the methods on the boards."""
    methods = {line.method for slug in site.tracks for line in site.board(slug).lines}
    public = {s.id for name in methods for s in site.source.history(name)}
    return [links.submission(identity) for identity in sorted(public)]


def score_paths(site: Site) -> Iterable[str]:
    """The scores of every submission in `paths`."""
    return [path.replace(".html", ".json") for path in paths(site)]


def _public(site: Site, identity: str) -> Standing:
    standing = site.source.one(identity)
    if standing is None or not standing.public:
        raise Missing(f"no submission {identity!r}")
    return standing
