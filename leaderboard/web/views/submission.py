"""The page of one submission: the states it went through, when and why; its scores as JSON, and its files.

Only public submissions have one (`store/visibility.py`). Before that its owner can follow it with a token:
`metanas status ID`.
"""

from collections.abc import Iterable

from leaderboard.bundle.names import ENTRY
from leaderboard.ranking.standing import Standing
from leaderboard.scoring.document import document
from leaderboard.web import downloads, links
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
            "track": slug if slug in site.tracks else None,
            "name": site.names.get(slug),
            "standing": standing,
            "next": NEXT[standing.state],
            "served": [name for name in standing.files if name != ENTRY],
            "downloads": downloads.offered(standing),
            "saved_as": downloads.saved_as,
            "on_board": on_board,
        },
    )


def scores(site: Site, query: Query, identity: str) -> File:
    """All its scores as JSON, the same bytes as from `metanas score` and the API. Missing as for `page`."""
    standing = _public(site, identity)
    content = document(standing.document, standing.accuracies, standing.summaries, standing.gains)
    return File(content, "application/json")


def file(site: Site, query: Query, identity: str, name: str) -> File:
    """A file of the bundle, or the bundle as a zip. Missing if there is none that anyone may have."""
    standing = _public(site, identity)
    content = downloads.content(standing, name, site.source.file)
    if content is None:
        raise Missing(f"no file {name!r} in submission {identity!r}")
    return File(content, downloads.MEDIA[name.rpartition(".")[2]])


def paths(site: Site) -> Iterable[str]:
    """Every public submission of the methods on the boards."""
    methods = {line.method for slug in site.tracks for line in site.board(slug).lines}
    public = {s.id for name in methods for s in site.source.history(name)}
    return [links.submission(identity) for identity in sorted(public)]


def score_paths(site: Site) -> Iterable[str]:
    """The scores of every submission in `paths`."""
    return [path.replace(".html", ".json") for path in paths(site)]


def file_paths(site: Site) -> Iterable[str]:
    """The files of every public submission of the methods on the boards."""
    for path in paths(site):
        identity = path.removeprefix("submissions/").removesuffix(".html")
        for name in (downloads.BUNDLE, *_public(site, identity).files):
            if name != ENTRY:
                yield links.file(identity, name)


def _public(site: Site, identity: str) -> Standing:
    standing = site.source.one(identity)
    if standing is None or not standing.public:
        raise Missing(f"no submission {identity!r}")
    return standing
