"""The objects that all routes share: store, signing key, worker and others. Made once by `app.create_app`."""

from dataclasses import dataclass
from datetime import timedelta

from anyio import CapacityLimiter

from leaderboard.accounts.receipts import KEY, ServerKey
from leaderboard.challenge.register import Challenges
from leaderboard.challenge.sealing import secret
from leaderboard.scoring.worker import Worker
from leaderboard.server.acceptance import Acceptance
from leaderboard.server.rate import Rate
from leaderboard.server.settings import Settings
from leaderboard.store.store import Store


@dataclass(frozen=True)
class Context:
    """An open board with everything that routes need; `identity.CurrentContext` gives it to a route."""

    settings: Settings
    store: Store
    key: ServerKey
    acceptance: Acceptance
    worker: Worker
    rate: Rate
    challenges: Challenges
    # Threads for what takes long: not those of pages and health, and a server that stops leaves them.
    slow: CapacityLimiter
    pages: CapacityLimiter  # threads that make pages; with more, none would be ready sooner


def open_context(settings: Settings) -> Context:
    """Open the board of these settings. StoreError or ReceiptError if database or key cannot be used."""
    store = Store(settings.db, settings.data)
    key = ServerKey.open(store.data / KEY)
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
        CapacityLimiter(settings.slow_threads),
        CapacityLimiter(settings.page_threads),
    )
