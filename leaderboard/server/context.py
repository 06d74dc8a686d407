"""What the routes share: the opened board, the server's key, the worker. Made once by `app.create_app`."""

from dataclasses import dataclass
from datetime import timedelta

from leaderboard.accounts.receipts import ServerKey
from leaderboard.challenge.register import Challenges
from leaderboard.challenge.sealing import secret
from leaderboard.scoring.worker import Worker
from leaderboard.server.accept import Acceptance
from leaderboard.server.rate import Rate
from leaderboard.server.settings import Settings
from leaderboard.store.store import Store


@dataclass(frozen=True)
class Context:
    settings: Settings
    store: Store
    key: ServerKey
    acceptance: Acceptance
    worker: Worker
    rate: Rate
    challenges: Challenges


def open_context(settings: Settings) -> Context:
    """Open everything. StoreError or ReceiptError say what is missing."""
    store = Store(settings.db, settings.data)
    key = ServerKey.open(store.data / "server-key.hex")
    worker = Worker(store, settings.scorer, settings.lease_seconds)
    challenges = Challenges(
        store,
        secret(store.data),
        settings.quotas,
        worker.sandbox,
        settings.challenge_episodes,
        timedelta(hours=settings.challenge_hours),
    )
    return Context(
        settings,
        store,
        key,
        Acceptance(store, key, settings.quotas),
        worker,
        Rate(settings.writes_per_minute),
        challenges,
    )
