"""The rows of /api/v1/leaderboard as JSON, kept until something about a submission changes.

Reading a thousand submissions with their scores takes a second. What has changed is asked of the database for
every request, so an answer is never older than that.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

from leaderboard.ranking import standing
from leaderboard.ranking.standing import Place, Standing
from leaderboard.store.store import Store

MOST = 5_000  # rows in memory, a few KB each
AT_ONCE = 100  # rows that are read together


class Rows:
    """The rows of a store. brief: what a row says of a submission, JSON values. Thread-safe."""

    def __init__(self, store: Store, brief: Callable[[Standing], dict[str, Any]]) -> None:
        self._store, self._brief = store, brief
        self._kept: dict[Place, tuple[str, str]] = {}  # its tier as shown, and its JSON
        self._reading = Lock()  # of many requests for the same rows one reads them

    def page(self, *, track: str | None, tier: str | None, after: str | None, limit: int) -> str:
        """The JSON of a page, see `standing.page`."""
        places, following = standing.page(self._store, track=track, tier=tier, after=after, limit=limit)
        rows = [kept for place in places for kept in [self._row(place, places)] if kept is not None]
        shown = ",".join(text for of_tier, text in rows if tier in (None, of_tier))
        return f'{{"submissions":[{shown}],"next":{json.dumps(following)}}}'

    def prepare(self) -> Iterator[None]:
        """Read the rows that nobody asked for yet, AT_ONCE at each step."""
        after = None
        for _ in range(MOST // AT_ONCE):
            yield None
            places, after = standing.page(self._store, track=None, tier=None, after=after, limit=AT_ONCE)
            for place in places:
                self._row(place, places)
            if after is None:
                return

    def _row(self, place: Place, places: Sequence[Place]) -> tuple[str, str] | None:
        """The row of a place; None if it has left the board since. Rows of `places` are read along."""
        if (kept := self._kept.get(place)) is not None:
            return kept
        with self._reading:
            if place not in self._kept:
                missing = [other for other in places if other not in self._kept]
                start = missing.index(place)
                self._read(missing[start : start + AT_ONCE])
            return self._kept.get(place)

    def _read(self, places: Sequence[Place]) -> None:
        if len(self._kept) + len(places) > MOST:
            self._kept.clear()
        found = {row.id: row for row in standing.several(self._store, [place.id for place in places])}
        for place in places:
            if (row := found.get(place.id)) is not None and row.public:
                self._kept[place] = row.tier, json.dumps(self._brief(row), separators=(",", ":"))
