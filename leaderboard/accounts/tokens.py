"""Tokens: `mnas_` + 43 random letters and digits (256 bits) + a checksum. Only their SHA-256 is stored.

The prefix lets a secret scanner find a leaked one, the checksum tells a mistyped one without asking the
server. A slow hash would protect nothing here: there is no dictionary of 256-bit numbers.
"""

import hashlib
import secrets
import string
import zlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.store.models import Account, Token, now

PREFIX = "mnas_"
ALPHABET = string.ascii_letters + string.digits
LENGTH, CHECK = 43, 6
SCOPES = ("submit", "read:own", "review", "admin")


class TokenError(ValueError):
    """A token cannot be issued as asked."""


def issue(
    session: Session, account: str, label: str, scopes: tuple[str, ...], days: int
) -> tuple[str, Token]:
    """A new token of an account, which is made if it is new. The secret is shown this once."""
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
    return secret, row


def well_formed(secret: str) -> bool:
    """Whether this can be a token at all, by its checksum."""
    body, _, check = secret.removeprefix(PREFIX).partition("_")
    return secret.startswith(PREFIX) and len(body) == LENGTH and check == _check(body)


def find(session: Session, secret: str, at: datetime) -> Token | None:
    """The token of this secret if it is neither expired nor revoked."""
    if not well_formed(secret):
        return None
    row = session.scalar(select(Token).where(Token.digest == digest(secret)))
    return row if row is not None and row.revoked is None and row.expires > at else None


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(CHECK):
        number, place = divmod(number, len(ALPHABET))
        text += ALPHABET[place]
    return text
