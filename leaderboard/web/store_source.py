"""The `Source` that reads what pages show from a store. Pages know only the protocol (`site.py`)."""

from collections.abc import Mapping

from leaderboard.ranking import standing
from leaderboard.ranking.standing import Standing
from leaderboard.repository.studies import Shown
from leaderboard.store.store import Store
from leaderboard.web import links
from metanas.base.errors import InvalidValue
from metanas.evaluation.result import Submission as Document


class Stored:
    """A `site.Source` of a store and some transfer studies, which are kept in git and not in the store.

    home: the track of the first page, by name or slug; "" for `standing.home_track`.
    """

    def __init__(self, store: Store, studies: tuple[Shown, ...] = (), home: str = "") -> None:
        self._store, self._studies, self._home = store, studies, home

    def revisions(self) -> Mapping[str, int]:
        """Of every track a number that grows whenever one of its pages may change."""
        return standing.shown_revisions(self._store)

    def tracks(self) -> Mapping[str, Document]:
        """A submission.json of each track with a published submission, sorted by the track's name."""
        return standing.documents(self._store)

    def home(self) -> str | None:
        """The track of the first page; None if nothing is published."""
        chosen = (track for track in standing.tracks(self._store) if self._home in (track, links.slug(track)))
        return next(chosen, None) or standing.home_track(self._store)

    def published(self, track: str) -> tuple[Standing, ...]:
        """All published submissions of a track, superseded ones included."""
        return standing.published(self._store, track)

    def history(self, method: str) -> tuple[Standing, ...]:
        """The published and withdrawn submissions of a method on all tracks, oldest first."""
        return standing.history(self._store, method)

    def studies(self) -> tuple[Shown, ...]:
        """The transfer studies to show."""
        return self._studies

    def one(self, identity: str) -> Standing | None:
        """A submission by its id, in any state; None if there is none."""
        return standing.one(self._store, identity)

    def file(self, sha256: str) -> bytes:
        """The content of a file of a submission."""
        return self._store.blobs.get(sha256)


def check_home(store: Store, home: str) -> None:
    """InvalidValue unless `home` is "", or the name or slug of a track with a published result."""
    tracks = standing.tracks(store)
    if home and not any(home in (track, links.slug(track)) for track in tracks):
        known = "; ".join(tracks) or "nothing is published yet"
        raise InvalidValue(f"--home {home!r:.200} is no track of this board: {known}")
