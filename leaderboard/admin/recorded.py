"""What the audit chain and the receipts say about a board, compared with the rows of its database.

Every accepted or added submission, decision, challenge and token has a link in the chain, and every receipt
is signed and names its link. So a row that was changed by hand contradicts one of them. Each function yields
sentences that name what differs; called by `verify.py`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leaderboard.accounts import receipts
from leaderboard.accounts.receipts import ReceiptError
from leaderboard.challenge.outcome import outcome
from leaderboard.store.models import Account, Audit, Challenge, Method, Submission, Token

CAME = ("accepted", "added")  # actions that begin a submission
STATE_AFTER = {
    "added": "published",
    "published": "published",
    "publish": "published",
    "flagged": "flagged",
    "rejected": "rejected",
    "reject": "rejected",
    "withdrawn": "withdrawn",
}
SUSPENDING = {"suspend": True, "erase": True, "resume": False}
WAITING = ("received", "scoring", "failed")


@dataclass(frozen=True)
class Link:
    """A link of the chain, parsed."""

    seq: int
    hash: str
    at: str  # ISO 8601
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def links(session: Session) -> list[Link]:
    """All links, oldest first; those that are no JSON are left out: the chain's own check names them."""
    found = []
    for row in session.scalars(select(Audit).order_by(Audit.seq)):
        try:
            r = json.loads(row.record)
            found.append(Link(row.seq, row.hash, r["at"], r["actor"], r["action"], r["subject"], r["detail"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def heads(chain: Sequence[Link], signed: Sequence[bytes], key: str | None) -> Iterator[str]:
    """Signed heads, kept elsewhere, that the chain does not hold any more."""
    hashes = {link.seq: link.hash for link in chain}
    for text in signed:
        if key is None:
            yield "the board's key is missing, so a signed head cannot be checked"
            return
        try:
            head = receipts.verify(text, key)
            seq, expected = int(head["seq"]), str(head["hash"])
        except (ReceiptError, KeyError, ValueError) as error:
            yield f"a signed head: {error}"
            continue
        if seq and hashes.get(seq) != expected:
            how = "is missing" if seq not in hashes else "is another one"
            yield f"audit chain: link {seq} {how}: the board signed {expected} for it"


def submissions(session: Session, chain: Sequence[Link], key: str | None) -> Iterator[str]:
    """Submissions whose receipt, owner, state or tier is not what the chain says, or that are gone."""
    came = {link.subject: link for link in chain if link.action in CAME}
    states = {link.subject: STATE_AFTER[link.action] for link in chain if link.action in STATE_AFTER}
    rows = {row.id: row for row in session.scalars(select(Submission).order_by(Submission.id))}
    for identity, link in came.items():
        if identity not in rows:
            yield f"{identity}: {link.action} in link {link.seq} of the audit chain, and not there"
    current: set[tuple[str, str]] = set()
    for row in rows.values():
        first = came.get(row.id)
        yield from (f"{row.id}: {words}" for words in _came(row, first, chain, key))
        if first is not None:
            expected = states.get(row.id)
            if row.state != expected and not (expected is None and row.state in WAITING):
                yield f"{row.id}: it is {row.state}, by the audit chain {expected or 'waiting'}"
        yield from (f"{row.id}: {words}" for words in _tier(session, row, chain))
        if row.state == "published" and not row.superseded:
            if (row.track, row.method) in current:
                yield f"{row.id}: a second current submission of {row.method} on its track"
            current.add((row.track, row.method))


def _came(row: Submission, first: Link | None, chain: Sequence[Link], key: str | None) -> Iterator[str]:
    """Receipt and owner against the link that accepted the submission."""
    owner = None if row.account is None else row.account.name
    if first is None:
        if row.account_id is not None or row.receipt is not None:
            yield "the audit chain does not know it"
        return
    if first.detail.get("digest") != row.digest:
        yield f"another bundle than in link {first.seq} of the audit chain"
    if first.action == "added":
        if owner is not None:
            yield f"it belongs to {owner}; by the audit chain an administrator added it"
        return
    if owner != first.actor:
        yield f"it belongs to {owner}; by the audit chain {first.actor} submitted it"
    if row.receipt is None:
        yield "its receipt is missing"
        return
    if key is None:
        yield "the board's key is missing, so its receipt cannot be checked"
        return
    try:
        receipt = receipts.verify(row.receipt, key)
    except ReceiptError as error:
        yield f"receipt: {error}"
        return
    said = (receipt.get("submission_id"), receipt.get("bundle_digest"))
    if said != (row.id, row.digest):
        yield f"its receipt is about {said[0]} with the bundle {said[1]}"
    if (receipt.get("audit_seq"), receipt.get("audit_hash")) != (first.seq, first.hash):
        yield f"its receipt names link {receipt.get('audit_seq')} with another hash than the audit chain has"


def _tier(session: Session, row: Submission, chain: Sequence[Link]) -> Iterator[str]:
    """The tier against the links of a reproduction or an answered challenge, and the challenge's scores."""
    expected = "recomputed"
    query = select(Challenge).where((Challenge.submission_id == row.id) & (Challenge.state == "answered"))
    answered = session.scalar(query)
    if answered is not None:
        if not any(link.action == "answered" and link.subject == answered.id for link in chain):
            yield f"the audit chain does not know the answer to its challenge {answered.id}"
        pinned, fresh = row.accuracies("pinned"), row.accuracies("fresh")
        if set(fresh) <= set(pinned):  # else the scores' own check says so
            result = outcome(pinned, fresh)
            if result is not None and result.held:
                expected = "challenged"
    if any(link.action == "reproduced" and link.subject == row.id for link in chain):
        expected = "reproduced"
    if row.tier != expected:
        yield f"its tier is {row.tier}, by the audit chain and its scores {expected}"


def erased(chain: Sequence[Link]) -> tuple[set[str], set[tuple[str, str]]]:
    """Submissions whose authors were erased; the files that went with them or by `retention.py`.

    A file is (submission, SHA-256): the same bytes may have come again with another submission since.
    """
    submissions, files = set(), set()
    for link in chain:
        if link.action in ("erase", "expire"):
            files |= set(product(link.detail.get("submissions", ()), link.detail.get("files", ())))
        if link.action == "erase":
            submissions |= set(link.detail.get("submissions", ()))
    return submissions, files


def suspensions(session: Session, chain: Sequence[Link]) -> Iterator[str]:
    """Accounts that are suspended or not, unlike the chain says."""
    last = {link.subject: SUSPENDING[link.action] for link in chain if link.action in SUSPENDING}
    for account in session.scalars(select(Account).order_by(Account.id)):
        if (account.suspended is not None) != last.get(account.name, False):
            how = "suspended" if account.suspended else "not suspended"
            yield f"{account.name} is {how}, unlike in the audit chain"


def owners(session: Session, chain: Sequence[Link]) -> Iterator[str]:
    """Methods that belong to another account than the one that submitted them first, or got them since."""
    given = {link.subject: link.detail.get("account") for link in chain if link.action == "transfer"}
    first: dict[str, int | None] = {}
    for method, account in session.execute(
        select(Submission.method, Submission.account_id).order_by(Submission.id)
    ):
        first.setdefault(method, account)
    first |= given
    names: dict[int | None, str] = {row.id: row.name for row in session.scalars(select(Account))}
    for row in session.scalars(select(Method).order_by(Method.name)):
        if row.name in first and first[row.name] != row.account_id:
            now, then = names.get(row.account_id, "nobody"), names.get(first[row.name], "nobody")
            yield f"the method {row.name} belongs to {now}; by the audit chain to {then}"


def tokens(session: Session, chain: Sequence[Link]) -> Iterator[str]:
    """Tokens that were not issued or revoked as the chain says."""
    issued = {link.detail.get("token"): link for link in chain if link.action == "token"}
    revoked = {link.detail.get("token") for link in chain if link.action == "revoke"}
    rows = {row.id: row for row in session.scalars(select(Token).order_by(Token.id))}
    for number, row in rows.items():
        link = issued.get(number)
        if link is None or (link.subject, link.detail.get("scopes")) != (row.account.name, row.scopes):
            yield f"token {number} of {row.account.name} ({row.scopes}) was not issued: no link says so"
        if (row.revoked is not None) != (number in revoked):
            yield f"token {number} is {'' if row.revoked else 'not '}revoked, unlike in the audit chain"
    yield from (f"token {number} is not there any more" for number in issued if number not in rows)
