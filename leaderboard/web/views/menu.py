"""The values that `base.html` needs on a page of a track: the menu leads to that track's pages."""

from leaderboard.ranking.board import Board
from leaderboard.web import links
from leaderboard.web.site import Site


def track_values(site: Site, board: Board, page: str) -> dict[str, object]:
    """page: the address, relative to the track's, of the menu entry that is marked as current."""
    slug = links.slug(board.track)
    return {"track": slug, "name": site.names[slug], "board": board, "page": page}
