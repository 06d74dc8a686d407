"""A store as the pages' `Source`: thin, so that pages can be tested on plain values."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from leaderboard import standing
from leaderboard.standing import Standing
from leaderboard.store.store import Store
from leaderboard.transfers import Shown


class Stored:
    """Reads through `standing`; see `site.Source` for what each answer means."""

    def __init__(self, store: Store, studies: tuple[Shown, ...] = ()) -> None:
        self._store, self._studies = store, studies

    def tracks(self) -> tuple[str, ...]:
        return standing.tracks(self._store)

    def current(self, track: str, as_of: date | None = None) -> tuple[Standing, ...]:
        if as_of is None:
            return standing.current(self._store, track)
        return at_end_of(standing.published(self._store, track), as_of)

    def history(self, method: str) -> tuple[Standing, ...]:
        return standing.history(self._store, method)

    def studies(self) -> tuple[Shown, ...]:
        return self._studies

    def one(self, identity: str) -> Standing | None:
        return standing.one(self._store, identity)


def at_end_of(published: Sequence[Standing], day: date) -> tuple[Standing, ...]:
    """What stood at the end of that day (UTC): of every method the newest that was accepted by then."""
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    newest = {s.method: s for s in sorted(published, key=lambda s: (s.accepted, s.id)) if s.accepted < end}
    return tuple(newest[method] for method in sorted(newest))
