"""Signed heads of a board's audit chain, for keeping elsewhere: an anchor that its machine cannot change.

`verify.py` compares the chain with them.
"""

from typing import Any

from leaderboard.accounts.receipts import KEY, ServerKey
from leaderboard.store import audit
from leaderboard.store.store import Store


def signed_head(store: Store) -> dict[str, Any]:
    """Number, hash and time of the chain's newest link with the board's signature, as JSON values."""
    with store.database.read() as session:
        newest = audit.head_of(session)
    return ServerKey.open(store.data / KEY).sign_head(*newest)
