"""`metanas leaderboard review | decide | rescore | account | log`: what an administrator decides."""

import json
from typing import Annotated, Any, Literal

import typer

from metanas.base.plugins import load
from metanas.base.ranges import MANY
from metanas.cli.admin import Data, opened
from metanas.cli.common import BOARD, AsJson, Database, fail, group, print_rows

ACTOR = "administrator"  # as whom the command line decides
Reason = Annotated[str, typer.Option(help="Why; it is public and in the audit log.")]
accounts = group("Accounts: suspend, transfer a method's name, erase a person.")


def hook(app: typer.Typer) -> None:
    """Add these commands to `metanas leaderboard`."""
    for command in (review, decide, rescore, log):
        app.command()(command)
    app.add_typer(accounts, name="account")


def review(db: Database = BOARD, data: Data = None, as_json: AsJson = False) -> None:
    """List what waits: flagged, disputed, failed and queued submissions, and why."""
    with opened(db, data) as store, store.database.read() as session:
        found = load("leaderboard.scoring.decisions").waiting(session)
    rows = [{**row._asdict(), "why": list(row.why) if as_json else "; ".join(row.why)} for row in found]
    print_rows(rows, ("id", "method", "owner", "state", "since", "why"), as_json=as_json)


def decide(
    submission: str,
    verdict: Annotated[Literal["publish", "reject", "reproduced"], typer.Argument()],
    reason: Reason,
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Publish or reject a flagged or disputed submission, or record that it was reproduced."""
    with opened(db, data) as store, store.database.write() as session:
        row = _row(session, submission)
        load("leaderboard.scoring.decisions").decide(session, row, verdict, reason, actor=ACTOR)
        print(f"{row.method}: {row.state}, {row.tier}")


def rescore(submission: str, db: Database = BOARD, data: Data = None) -> None:
    """Queue a submission again that could not be scored; a running server takes it up."""
    with opened(db, data) as store, store.database.write() as session:
        row = _row(session, submission)
        load("leaderboard.scoring.decisions").rescore(session, row, actor=ACTOR)
        print(f"{row.method}: {row.state}")


def log(
    about: Annotated[str, typer.Option(help="Only links about this id, account or method.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, such as decided, token or refused.")] = "",
    last: Annotated[int, typer.Option(min=1, max=MANY, help="The newest so many.")] = 50,
    db: Database = BOARD,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read the audit log, newest last."""
    with opened(db, data) as store, store.database.read() as session:
        chain = load("leaderboard.admin.recorded").links(session)
    rows: list[dict[str, Any]] = [
        {
            "seq": link.seq,
            "at": link.at[:19],
            "actor": link.actor,
            "action": link.action,
            "subject": link.subject,
            "detail": dict(link.detail) if as_json else json.dumps(dict(link.detail)),
        }
        for link in chain
        if about in ("", link.subject, link.actor) and action in ("", link.action)
    ]
    print_rows(rows[-last:], ("seq", "at", "actor", "action", "subject", "detail"), as_json=as_json)


@accounts.command("list")
def list_accounts(db: Database = BOARD, data: Data = None, as_json: AsJson = False) -> None:
    """List the accounts with their submissions and valid tokens."""
    with opened(db, data) as store, store.database.read() as session:
        rows = load("leaderboard.admin.accounts").rows(session)
    print_rows(rows, ("account", "created", "submissions", "tokens", "state"), as_json=as_json)


@accounts.command("suspend")
def suspend(account: str, reason: Reason, db: Database = BOARD, data: Data = None) -> None:
    """Refuse an account's tokens at once. What it published stays; decide on that by itself."""
    with opened(db, data) as store, store.database.write() as session:
        load("leaderboard.admin.accounts").suspend(session, account, reason)
    print(f"{account} is suspended")


@accounts.command("resume")
def resume(account: str, reason: Reason, db: Database = BOARD, data: Data = None) -> None:
    """Accept the tokens of a suspended account again."""
    with opened(db, data) as store, store.database.write() as session:
        load("leaderboard.admin.accounts").resume(session, account, reason)
    print(f"{account} is active")


@accounts.command("transfer")
def transfer(method: str, account: str, reason: Reason, db: Database = BOARD, data: Data = None) -> None:
    """Give a method's name to another account, which submits its next versions."""
    with opened(db, data) as store, store.database.write() as session:
        load("leaderboard.admin.accounts").transfer(session, method, account, reason)
    print(f"{method} belongs to {account}")


@accounts.command("erase")
def erase(
    account: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; it cannot be undone.")] = False,
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Erase who an account is: name, authors, contact, README files. Scores stay; `verify` still holds."""
    if not yes:
        fail(f"this erases the name, authors and contact of {account} for good; give --yes")
    with opened(db, data) as store:
        other = load("leaderboard.admin.accounts").erase(store, account)
    print(f"erased; the account is called {other} now. Older backups still have the data")


def _row(session: Any, submission: str) -> Any:
    row = session.get(load("leaderboard.store.models").Submission, submission)
    if row is None:
        fail(f"there is no submission {submission!r:.80}; see `metanas leaderboard review`")
    return row
