"""Accept a bundle, completely or not at all, and sign a receipt.

Order: the quota, which an account that used it up does not get past; checks of the bundle; whether it would
be accepted; then the blobs (flushed to the disk), then one transaction that counts the quota, inserts the
submission, queues its job and extends the audit chain. When the receipt is returned, everything is on the
disk; a kill before that leaves at most blobs without a reference (`admin/orphans.py`).
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from leaderboard.accounts import quota
from leaderboard.accounts.authorise import Actor, Denied
from leaderboard.accounts.quota import Limits
from leaderboard.accounts.receipts import ServerKey
from leaderboard.bundle import reading, rules
from leaderboard.bundle.lookalikes import skeleton
from leaderboard.bundle.names import bundle_digest
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring import jobs
from leaderboard.scoring.validate import Inspected, inspect
from leaderboard.store import audit
from leaderboard.store.database import alone
from leaderboard.store.models import Idempotency, Method, Submission, now
from leaderboard.store.store import Store, insert


@dataclass(frozen=True)
class Accepted:
    """An accepted submission: its id and receipt (JSON). new: False if this repeats an earlier request."""

    submission: str
    receipt: str
    new: bool


@dataclass(frozen=True)
class Acceptance:
    """Accepts bundles. key: signs the receipts; limits: the quotas."""

    store: Store
    key: ServerKey
    limits: Limits

    def expect(self, actor: Actor, idempotency: str) -> None:
        """QuotaExceeded if the account has no submission left, before its bundle is read."""
        assert actor.account is not None
        with self.store.database.read() as session:
            if session.get(Idempotency, (actor.account, idempotency)) is None:
                quota.check(session, actor.account, "submission", self.limits, now())

    def accept(self, actor: Actor, content: bytes, idempotency: str) -> Accepted:
        """Accept the zipped bundle `content`, or refuse it, which counts against the quota as well.

        idempotency: a key of the client; the same key and bundle again return the first receipt.
        Comes after `expect`. BundleError, Denied (method name taken), QuotaExceeded, or HTTPException 409
        (submitted before).
        """
        assert actor.account is not None
        try:
            inspected = inspect(reading.read_zip(content), rules.known(*self.store.suites.own()))
            with self.store.database.read() as session:
                if session.get(Idempotency, (actor.account, idempotency)) is None:
                    self._check(session, actor, inspected, bundle_digest(inspected.members))
            self.store.keep(inspected.members)
            with self.store.database.write() as session:
                return self._accept(session, actor, inspected, idempotency)
        except (BundleError, Denied, HTTPException) as error:
            self._count_failure(actor, str(error))
            raise

    def _accept(self, session: Session, actor: Actor, inspected: Inspected, key: str) -> Accepted:
        assert actor.account is not None
        quota.lock(session, actor.account)
        alone(session)
        digest = bundle_digest(inspected.members)
        if (earlier := session.get(Idempotency, (actor.account, key))) is not None:
            if earlier.digest != digest:
                raise HTTPException(409, f"the Idempotency-Key {key!r:.80} was used for another bundle")
            row = session.get_one(Submission, earlier.submission_id)
            return Accepted(row.id, row.receipt or "", new=False)
        quota.use(session, actor.account, "submission", self.limits, now())
        self._check(session, actor, inspected, digest)
        row = insert(session, inspected.members, inspected.submission, account=actor.account)
        self.store.keep(
            inspected.members
        )  # again: one may have been deleted since, for the last that referred to it
        jobs.enqueue(session, row.id)
        session.add(Idempotency(account_id=actor.account, key=key, digest=digest, submission_id=row.id))
        link = audit.append(session, actor.name, "accepted", row.id, {"digest": digest})
        row.receipt = self.key.sign(row.id, digest, row.accepted, link.seq, link.hash)
        return Accepted(row.id, row.receipt, new=True)

    def _check(self, session: Session, actor: Actor, inspected: Inspected, digest: str) -> None:
        """Denied if the method's name is, or looks like, someone else's.

        HTTPException 409 if the bundle was submitted before.
        """
        method = session.get(Method, inspected.submission.method)
        if method is not None and method.account_id != actor.account:
            raise Denied(
                403,
                f"the method name {method.name!r} belongs to someone else; register yours under another "
                "name and run it again",
            )
        if method is None:
            alike = skeleton(inspected.submission.method)
            others = select(Method.name).where(Method.account_id.is_distinct_from(actor.account))
            taken = (name for name in session.scalars(others) if skeleton(name) == alike)
            if (rival := next(taken, None)) is not None:
                raise Denied(
                    403,
                    f"the method name {inspected.submission.method!r} looks like {rival!r}, which belongs to "
                    "someone else; register yours under another name and run it again",
                )
        twin = session.scalar(select(Submission).where(Submission.digest == digest))
        if twin is not None:
            whose = f"as {twin.id}" if twin.account_id == actor.account else "by someone else"
            raise HTTPException(409, f"this very bundle was submitted before, {whose}")

    def _count_failure(self, actor: Actor, reason: str) -> None:
        assert actor.account is not None
        with self.store.database.write() as session:
            quota.use(session, actor.account, "submission", self.limits, now())
            audit.append(session, actor.name, "refused", "", {"reason": reason[:500]})
