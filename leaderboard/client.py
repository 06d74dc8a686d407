"""The other side of the API: what `metanas submit` and friends send, and how they read the answers."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.bundle.pack import to_zip

SECONDS, DRAWING_SECONDS = 60.0, 330.0


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

    def dispute(self, identity: str, reason: str) -> dict[str, Any]:
        return self._ask("POST", f"submissions/{identity}/dispute", json={"reason": reason})

    def commit(self, submission: str, commitment: str, domains: Sequence[str]) -> dict[str, Any]:
        """Register a challenge; the board draws its episodes before it answers."""
        body = {"submission": submission, "commitment": commitment, "domains": list(domains)}
        return self._ask("POST", "challenges", json=body, timeout=DRAWING_SECONDS)

    def challenge(self, identity: str) -> dict[str, Any]:
        return self._ask("GET", f"challenges/{identity}")

    def episodes(self, identity: str) -> bytes:
        """The inputs of a challenge, a safetensors file."""
        return self._send("GET", f"challenges/{identity}/episodes").content

    def answer(self, identity: str, commitment: str, episodes: str, predictions: bytes) -> dict[str, Any]:
        """Send predictions.parquet; both others are SHA-256."""
        query = {"commitment": commitment, "episodes": episodes}
        headers = {"Content-Type": "application/vnd.apache.parquet"}
        path = f"challenges/{identity}/predictions"
        return self._ask("POST", path, headers=headers, params=query, content=predictions)

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        found: dict[str, Any] = _json(self._send(method, path, **request))
        return found

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
        **body: Any,
    ) -> httpx.Response:
        url = f"{self._server}/api/v1/{path}"
        try:
            answer = httpx.request(
                method, url, headers={**self._headers, **(headers or {})}, timeout=timeout, **body
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerRefused(f"{self._server} cannot be reached: {error}") from error
        if answer.is_error:
            found = _json(answer)
            raise ServerRefused(f"{found.get('title')}: {found.get('detail')}")
        return answer


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise ServerRefused(f"{answer.url} is not a board of this kind: no JSON in its answer") from error
