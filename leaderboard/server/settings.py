"""The settings of a server, made by the command line and by tests only."""

from dataclasses import dataclass, field
from pathlib import Path

from leaderboard.accounts.quota import DEFAULT, Limits
from leaderboard.bundle.names import MIB, ZIP_MOST
from leaderboard.scoring.sandbox import Limits as ScorerLimits


@dataclass(frozen=True)
class Settings:
    """Settings. db: URL or SQLite file; data: folder of blobs and keys, by default beside the SQLite file."""

    db: str
    data: Path | None = None
    studies: Path | None = None  # the folder of transfer studies to show
    committed: Path | None = None  # the folder of results that are published, once, after the start
    home: str = ""  # the track of the first page, by name or slug; "" for `standing.home_track`
    quotas: Limits = field(default_factory=lambda: DEFAULT)
    scorer: ScorerLimits = ScorerLimits()
    lease_seconds: float = 60.0
    metrics_port: int | None = None  # of /metrics on 127.0.0.1; None for no such port
    work: bool = True  # whether a thread of this process scores submissions
    body_bytes: int = ZIP_MOST
    small_body_bytes: int = MIB // 16  # of every request that is not a bundle
    body_seconds: float = 60.0  # longest wait for the next part of a body
    slow_threads: int = 4  # for accepting bundles, drawing episodes and scoring answers; more requests wait
    page_threads: int = 2  # for pages that are not in the cache
    threads: int = 8  # for everything else; what is quick needs no more
    writes_per_minute: int = 60  # per token or address; reads are not counted
    challenge_episodes: int = 30  # per task
    challenge_hours: float = 72.0  # from the drawing of the episodes to the deadline
