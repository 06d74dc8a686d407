"""An application to talk to in a test, and tokens for everyone who may talk to it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from leaderboard.accounts import tokens
from leaderboard.accounts.quota import DEFAULT
from leaderboard.scoring import worker
from leaderboard.scoring.sandbox import Limits, Sandbox
from leaderboard.server.app import create_app
from leaderboard.server.context import Context
from leaderboard.server.settings import Settings

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # what does not depend on the database
LONG = bool(os.environ.get("METANAS_LONG"))  # search and repeat as much as docs/leaderboard.md reports
MANY = {kind: ((10**6, timedelta(days=1)),) for kind in DEFAULT}
ROLES = {  # role -> (account, scopes)
    "owner": ("ada", ("submit", "read:own")),
    "reader": ("ada", ("read:own",)),
    "other": ("bob", ("submit", "read:own")),
    "reviewer": ("rita", ("review",)),
    "admin": ("root", ("admin",)),
}


class Shared(Sandbox):
    """A sandbox of several servers, which none of them closes: a fork server takes long to start."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        """Close it, after the last server."""
        super().close()


SCORER = Shared(Limits())


def _sandbox(limits: Limits) -> Sandbox:
    return SCORER if limits == Limits() else Sandbox(limits)


@dataclass
class Served:
    """A client of an application whose jobs are done when `work` is called."""

    app: FastAPI
    client: TestClient
    secrets: dict[str, str]

    @property
    def context(self) -> Context:
        found: Context = self.app.state.context
        return found

    def headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[role]}"} if role in self.secrets else {}

    def post(self, bundle: bytes, role: str = "owner", key: str | None = None) -> Any:
        headers = {
            **self.headers(role),
            "Idempotency-Key": key or secrets.token_hex(8),
            "Content-Type": "application/zip",
        }
        return self.client.post("/api/v1/submissions", content=bundle, headers=headers)

    def get(self, path: str, role: str = "owner") -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers(role))

    def work(self) -> None:
        """Score everything that waits."""
        while self.context.worker.once():
            pass


@contextmanager
def served(url: str, data: Path, **settings: Any) -> Iterator[Served]:
    """An application with a token for each of ROLES. Its worker works only when told to, in SCORER."""
    defaults = {"db": url, "data": data, "quotas": MANY, "work": False, "writes_per_minute": 10**6}
    with mock.patch.object(
        worker, "Sandbox", lambda limits: SCORER if limits == Limits() else Sandbox(limits)
    ):
        app = create_app(Settings(**{**defaults, **settings}))
    with app.state.context.store.database.write() as session:
        found = {
            role: tokens.issue(session, account, role, scopes, 90)[0]
            for role, (account, scopes) in ROLES.items()
        }
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Served(app, client, found)
