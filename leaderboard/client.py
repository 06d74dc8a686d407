"""Client of a board's REST API, behind `metanas submit`, `metanas status` and `metanas challenge`.

The server's side is `server/`. Every method returns the server's JSON and raises ServerRefused.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from leaderboard.bundle.names import Members, bundle_digest
from leaderboard.bundle.pack import to_zip
from metanas.base import redact
from metanas.base.errors import InvalidValue, MetanasError

SECONDS, DRAWING_SECONDS = 60.0, 330.0  # timeouts: of a request, and of one that draws episodes


class ServerRefused(MetanasError):
    """The server cannot be reached, or it refused; then the message is the server's."""

    exit_code = 4


class Client:
    """A connection to one board. server: its URL; token: "" to read what is public.

    InvalidValue for a token that no server could have issued. No message shows a token or a password.
    """

    def __init__(self, server: str, token: str = "") -> None:
        self._server, self._headers = server.rstrip("/"), {}
        self._shown = redact.address(self._server)
        token = token.strip()  # as from a file that ends with a line break
        if not re.fullmatch(r"[!-~]*", token):
            raise InvalidValue("the token has a space, a line break or another character that no token has")
        self._secrets = [token] if token else []
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def submit(self, members: Members) -> dict[str, Any]:
        """Send a bundle; returns its id and receipt. The same bundle again gets the same receipt."""
        key = hashlib.sha256(f"submit {bundle_digest(members)}".encode()).hexdigest()
        headers = {"Idempotency-Key": key, "Content-Type": "application/zip"}
        return self._ask("POST", "submissions", headers=headers, content=to_zip(members))

    def submission(self, identity: str) -> dict[str, Any]:
        """A submission's state, scores and place in the queue."""
        return self._ask("GET", f"submissions/{identity}")

    def events(self, identity: str) -> list[dict[str, Any]]:
        """The states that a submission entered, oldest first: at, state, reason."""
        events: list[dict[str, Any]] = self._ask("GET", f"submissions/{identity}/events")["events"]
        return events

    def withdraw(self, identity: str, reason: str) -> dict[str, Any]:
        """Take one's own submission off the board."""
        return self._ask("POST", f"submissions/{identity}/withdraw", json={"reason": reason})

    def dispute(self, identity: str, reason: str) -> dict[str, Any]:
        """Dispute a published submission; a reviewer decides."""
        return self._ask("POST", f"submissions/{identity}/dispute", json={"reason": reason})

    def commit(self, submission: str, commitment: str, domains: Sequence[str]) -> dict[str, Any]:
        """Register a challenge: the server draws its episodes before it answers.

        commitment: SHA-256 of code and weights; domains: none for all that can be sealed.
        """
        body = {"submission": submission, "commitment": commitment, "domains": list(domains)}
        return self._ask("POST", "challenges", json=body, timeout=DRAWING_SECONDS)

    def challenge(self, identity: str) -> dict[str, Any]:
        """A challenge: its state, tasks and deadline, and its accuracies once it is answered."""
        return self._ask("GET", f"challenges/{identity}")

    def episodes(self, identity: str) -> bytes:
        """The inputs of a challenge's episodes, a safetensors file."""
        return self._send("GET", f"challenges/{identity}/episodes").content

    def answer(self, identity: str, commitment: str, episodes: str, predictions: bytes) -> dict[str, Any]:
        """Send predictions.parquet. commitment, episodes: SHA-256 of code and weights, and of the inputs."""
        query = {"commitment": commitment, "episodes": episodes}
        headers = {"Content-Type": "application/vnd.apache.parquet"}
        path = f"challenges/{identity}/predictions"
        return self._ask("POST", path, headers=headers, params=query, content=predictions)

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._json(self._send(method, path, **request))
        return document

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
            reason = self._without_secrets(str(error))
            raise ServerRefused(f"{self._shown} cannot be reached: {reason}") from error
        if answer.is_error:
            problem = self._json(answer)
            title, detail = (
                (problem.get("title"), problem.get("detail"))
                if isinstance(problem, dict)
                else (answer.status_code, "no problem+json in the answer")
            )
            raise ServerRefused(self._without_secrets(f"{title}: {detail}"))
        return answer

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return redact.without(text, self._server)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except (ValueError, RecursionError) as error:
            raise ServerRefused(
                f"{self._shown} is not a board of this kind: its answer is no JSON"
            ) from error
