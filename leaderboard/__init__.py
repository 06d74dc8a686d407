"""The leaderboard: submitted predictions are scored again, ranked and shown.

Rooms: bundle (the files of a submission), scoring (validation and scores), store (database and files),
accounts (tokens, quotas, receipts, disputes), challenge (fresh episodes), ranking (what a board shows),
repository (results in git, pull requests), server (HTTP API), web (pages), admin (verify, backup).
"""

__metanas__ = True  # tells this folder from a user's own of the same name; see metanas/base/plugins.py
