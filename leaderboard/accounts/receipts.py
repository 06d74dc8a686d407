"""Receipts: the server's Ed25519 signature that it accepted a bundle. One can be checked without the server.

A receipt holds the bundle's digest and the hash of the audit chain at that moment. So a submitter can prove
what was accepted and when, and that the chain published later still contains it.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from leaderboard.bundle.names import canonical
from metanas.base import json_text
from metanas.base.errors import MetanasError


class ReceiptError(MetanasError, ValueError):
    """A receipt is forged or malformed, or a key file is unusable."""

    exit_code = 3


class ServerKey:
    """The server's signing key, kept in a file that only its user can read."""

    def __init__(self, raw: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(raw)
        self.public = self._private.public_key().public_bytes_raw().hex()

    @classmethod
    def open(cls, path: Path) -> "ServerKey":
        """The key in this file, which is created if it is missing. ReceiptError as for `secret`."""
        return cls(secret(path))

    def sign(self, submission: str, digest: str, accepted: datetime, seq: int, link: str) -> str:
        """A receipt as JSON.

        submission: its id; digest: of the bundle; seq, link: number and hash of its link in the audit chain.
        """
        body = {
            "submission_id": submission,
            "bundle_digest": digest,
            "accepted_at": accepted.isoformat(),
            "audit_seq": seq,
            "audit_hash": link,
            "server_key": self.public,
        }
        signature = self._private.sign(canonical(body)).hex()
        return json.dumps({**body, "ed25519": signature}, sort_keys=True)


def secret(path: Path) -> bytes:
    """The 32 secret bytes in this file, which is created with random ones and mode 600 if it is missing.

    ReceiptError if it has another length or others can read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    raw = _key_in(path)
    if path.stat().st_mode & 0o077:
        raise ReceiptError(f"{path} can be read by others; chmod 600 it")
    return raw


def _create(path: Path) -> None:
    """Write a new key, whole from the first moment; of several processes the first one's counts."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(os.urandom(32).hex())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _key_in(path: Path) -> bytes:
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise ReceiptError(f"{path} is not a key of 32 bytes; restore it from a backup")
    return raw


def verify(text: str | bytes, key: str | None = None) -> Mapping[str, Any]:
    """Check a receipt's signature; returns its fields. ReceiptError if it does not fit.

    key: the server's public key in hexadecimal, from a trusted source; None: only the one in the receipt.
    """
    try:
        receipt = json_text.loads(text)
        body = {name: value for name, value in receipt.items() if name != "ed25519"}
        signer, signature = receipt["server_key"], bytes.fromhex(receipt["ed25519"])
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(signature, canonical(body))
    except InvalidSignature as error:
        raise ReceiptError("the signature does not fit: this receipt was changed or forged") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReceiptError(f"not a receipt: {error!r:.200}") from error
    if key is not None and key != signer:
        raise ReceiptError(f"signed by {signer}, not by the key you trust, {key}")
    return body
