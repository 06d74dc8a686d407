"""The other side of the API: what `metanas submit` and friends send, and how they read the answers."""

import hashlib
from collections.abc import Mapping
from typing import Any

import httpx

from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.bundle.pack import to_zip

SECONDS = 60.0


class ServerRefused(RuntimeError):
    """The server cannot be reached or said no; the message is the server's own sentence."""


class Client:
    """One board, one token ("" for none)."""

    def __init__(self, server: str, token: str = "") -> None:
        self._server, self._headers = server.rstrip("/"), {}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def submit(self, members: Members) -> dict[str, Any]:
        """Send a bundle. Sending the same one again answers with the same receipt."""
        key = hashlib.sha256(f"submit {bundle_digest(members)}".encode()).hexdigest()
        headers = {"Idempotency-Key": key, "Content-Type": "application/zip"}
        return self._ask("POST", "submissions", headers=headers, content=to_zip(members))

    def submission(self, identity: str) -> dict[str, Any]:
        return self._ask("GET", f"submissions/{identity}")

    def events(self, identity: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("GET", f"submissions/{identity}/events")["events"]
        return found

    def withdraw(self, identity: str, reason: str) -> dict[str, Any]:
        return self._ask("POST", f"submissions/{identity}/withdraw", json={"reason": reason})

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> dict[str, Any]:
        url = f"{self._server}/api/v1/{path}"
        try:
            answer = httpx.request(
                method, url, headers={**self._headers, **(headers or {})}, timeout=SECONDS, **body
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerRefused(f"{self._server} cannot be reached: {error}") from error
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ServerRefused(f"{url} is not a board of this kind: no JSON in its answer") from error
        if answer.is_error:
            raise ServerRefused(f"{found.get('title')}: {found.get('detail')}")
        return found
