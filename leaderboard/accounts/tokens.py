"""API tokens: `mnas_`, 43 random letters and digits (256 bits), and a checksum. Only their SHA-256 is stored.

The prefix lets secret scanners find a leaked token; the checksum shows a mistyped one without a query. A
slow hash, as for passwords, is not needed: 256 random bits cannot be guessed.
"""

import hashlib
import secrets
import string
import zlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.store import audit
from leaderboard.store.models import Account, Token, now
from metanas.base.errors import InvalidValue

PREFIX = "mnas_"
ALPHABET = string.ascii_letters + string.digits
LENGTH, CHECK = 43, 6  # characters of the random part and of the checksum
SCOPES = ("submit", "read:own", "review", "admin")


class TokenError(InvalidValue):
    """A token cannot be issued: an unknown scope or a lifetime below one day."""


def issue(
    session: Session, account: str, label: str, scopes: tuple[str, ...], days: int
) -> tuple[str, Token]:
    """A new token, valid for `days`, of an account, which is created if it is new. TokenError if refused.

    The audit chain records it, so that `verify` finds tokens that came into the database in another way.

    Returns the secret, which is not stored, and its row.
    """
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise TokenError(f"no scope named {unknown[0]!r}; there are: {', '.join(SCOPES)}")
    if days < 1:
        raise TokenError(f"days must be positive, got {days}")
    owner = session.scalar(select(Account).where(Account.name == account)) or Account(name=account)
    session.add(owner)
    session.flush()
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    secret = f"{PREFIX}{body}_{_check(body)}"
    row = Token(
        account_id=owner.id,
        label=label,
        digest=digest(secret),
        scopes=" ".join(scopes),
        expires=now() + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    audit.append(session, "administrator", "token", account, {"scopes": row.scopes, "token": row.id})
    return secret, row


def revoke(session: Session, token: Token) -> None:
    """Make a token invalid at once."""
    token.revoked = now()
    audit.append(session, "administrator", "revoke", token.account.name, {"token": token.id})


def well_formed(secret: str) -> bool:
    """Whether prefix, length and checksum are those of a token."""
    body, _, check = secret.removeprefix(PREFIX).partition("_")
    return secret.startswith(PREFIX) and len(body) == LENGTH and check == _check(body)


def find(session: Session, secret: str, at: datetime) -> Token | None:
    """The token of this secret; None if it is unknown, revoked, or expired at time `at`."""
    if not well_formed(secret):
        return None
    return by_digest(session, digest(secret), at)


def by_digest(session: Session, sha256: str, at: datetime) -> Token | None:
    """The token with this `digest`; None if it is unknown, revoked, or expired at time `at`."""
    row = session.scalar(select(Token).where(Token.digest == sha256))
    return row if row is not None and row.revoked is None and row.expires > at else None


def digest(secret: str) -> str:
    """SHA-256 of a token (hexadecimal), by which it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(CHECK):
        number, place = divmod(number, len(ALPHABET))
        text += ALPHABET[place]
    return text
