"""All that a server can be told. Only the command line and tests make one."""

from dataclasses import dataclass, field
from pathlib import Path

from leaderboard.accounts.quota import DEFAULT, Limits
from leaderboard.bundle.names import MIB, ZIP_MOST
from leaderboard.scoring.sandbox import Limits as ScorerLimits


@dataclass(frozen=True)
class Settings:
    """db: URL or SQLite file. data: folder of blobs and keys, beside the SQLite file by default."""

    db: str
    data: Path | None = None
    studies: Path | None = None  # the folder of transfer studies to show
    quotas: Limits = field(default_factory=lambda: DEFAULT)
    scorer: ScorerLimits = ScorerLimits()
    lease_seconds: float = 60.0
    work: bool = True  # score in this process's thread; False where another process does it
    body_bytes: int = ZIP_MOST
    small_body_bytes: int = MIB // 16  # of every request that is not a bundle
    body_seconds: float = 60.0  # a body that comes slower is cut off
    writes_per_minute: int = 60  # per token or address; reads are not counted
    challenge_episodes: int = 30  # fresh ones per task
    challenge_hours: float = 72.0  # from the commitment to the last moment for an answer
