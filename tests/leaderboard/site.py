"""Plain values for tests of pages: a board without a database."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from leaderboard.ranking.standing import Happened, Standing
from leaderboard.repository.studies import Shown
from leaderboard.store.store import track_of
from metanas.evaluation import result
from metanas.space.space import SearchSpace
from tests import runs

SPACE = SearchSpace(layers=2)
LAYER = [1 / len(SPACE.ops)] * len(SPACE.ops)
CHOICES = {
    "ops": SPACE.ops,
    "activations": SPACE.activations,
    "node": [LAYER] * 2,
    "activation": [[0.5, 0.3, 0.2]] * 2,
    "depth": [0.4, 0.6],
}
CURVE = {"steps": [0, 1, 5], "mean": [0.2, 0.4, 0.5], "low": [0.18, 0.35, 0.45], "high": [0.22, 0.45, 0.55]}
GAINS = {
    domain: {
        figure: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "how": "crossed", "p": p}
        for figure, mean, p in (
            ("gain", 0.021, 0.001),
            ("swap", 0.3, 0.001),
            ("decoding", 0.0, 0.001),
            ("regret", 0.042, None),
        )
    }
    for domain in ("all domains", "digits")
}


def standing(folder: Path, method: str, skill: float, *, day: int = 1, whole: bool = True) -> Standing:
    """One published submission of a run made here; `whole` ones have an architecture and a curve."""
    document = runs.make(folder, method, skill)
    answers = result.read(folder).answers
    moment = datetime(2026, 1, day, 12, tzinfo=UTC)
    task = document.tasks[0].name
    return Standing(
        id=f"00000000-0000-7000-8000-{day:04d}{sum(map(ord, method)):08d}",
        method=method,
        track=track_of(document),
        state="published",
        tier="recomputed",
        superseded=False,
        accepted=moment,
        owner="ada",
        document=document,
        entry={"claims": {task: 0.99}, "summary": f"About {method}."},
        accuracies={name: found.accuracy for name, found in answers.items()},
        fresh={},
        challenge=None,
        summaries={name: {"log_loss": 0.5, "ece": 0.1} for name in answers},
        architectures={task: {"text": "conv3/relu > gru", **CHOICES}} if whole else {},
        curves={task: CURVE} if whole else {},
        gains=GAINS if whole else {},
        recounted_macs=None,
        files={"predictions.parquet": ("a" * 64, 1234)},
        flags=(),
        events=(Happened(moment, "received", "complete"), Happened(moment, "published", "")),
        attempts=1,
        led=(moment,),
        public=True,
    )


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A `Source` of these submissions."""

    standings: Sequence[Standing]
    shown: tuple[Shown, ...] = ()

    def revisions(self) -> dict[str, int]:
        return {track: sum(s.track == track for s in self.standings) for track in self.tracks()}

    def tracks(self) -> dict[str, result.Submission]:
        return dict(sorted({s.track: s.document for s in self.standings}.items()))

    def home(self) -> str | None:
        return next(iter(self.tracks()), None)

    def published(self, track: str) -> tuple[Standing, ...]:
        return tuple(s for s in self.standings if s.track == track)

    def history(self, method: str) -> tuple[Standing, ...]:
        return tuple(sorted((s for s in self.standings if s.method == method), key=lambda s: s.accepted))

    def studies(self) -> tuple[Shown, ...]:
        return self.shown

    def one(self, identity: str) -> Standing | None:
        return next((s for s in self.standings if s.id == identity), None)

    def file(self, sha256: str) -> bytes:
        return f"the content of {sha256}".encode()
