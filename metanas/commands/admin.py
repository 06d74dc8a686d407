"""`metanas leaderboard serve | token | backup | restore | verify | verify-receipt`: to run a shared board."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from metanas.commands.common import BOARD, AsJson, Database, Studies, fail, group, print_rows
from metanas.plugins import load

Data = Annotated[
    Path | None, typer.Option(help="Folder of blobs and keys; beside the SQLite file by default.")
]
tokens = group("Tokens, with which others submit.")


def hook(app: typer.Typer) -> None:
    """Add these commands to `metanas leaderboard`."""
    for command in (serve, backup, restore, verify, verify_receipt):
        app.command()(command)
    app.add_typer(tokens, name="token")


def serve(
    db: Database = BOARD,
    data: Data = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine need a proxy.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    studies: Studies = None,
) -> None:
    """Serve the board: pages, API, and a worker that scores what is submitted.

    It opens with the results that are committed in leaderboard/results.
    """
    gc.disable()  # start leaves no garbage: looking for it is a quarter of the time until the first page
    uvicorn = _server("uvicorn")
    with _store(db, data) as store:
        load("leaderboard.committed").open_with(store)
    shown = studies or load("leaderboard.transfers").FOLDER
    settings = _server("leaderboard.server.settings").Settings(db=db, data=data, studies=shown)
    app = _server("leaderboard.server.app").create_app(settings)
    gc.freeze()  # nor will what is there now ever be
    gc.enable()
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


@tokens.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Whose; made if it is new.")],
    scope: Annotated[list[str] | None, typer.Option(help="submit | read:own | review | admin")] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[int, typer.Option(min=1, help="Valid for so many days.")] = 90,
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Issue a token; it is printed this once."""
    with _store(db, data) as store, store.database.write() as session:
        secret, row = load("leaderboard.accounts.tokens").issue(
            session, account, label, tuple(scope or ("submit", "read:own")), days
        )
        load("leaderboard.accounts.audit").append(
            session, "administrator", "token", account, {"scopes": row.scopes, "token": row.id}
        )
    print(secret)


@tokens.command("list")
def list_tokens(db: Database = BOARD, data: Data = None, as_json: AsJson = False) -> None:
    """All tokens: whose, what they may, until when. Secrets are not kept."""
    from sqlalchemy import select

    models = load("leaderboard.store.models")
    with _store(db, data) as store, store.database.read() as session:
        rows = [
            {
                "id": row.id,
                "account": row.account.name,
                "label": row.label,
                "scopes": row.scopes,
                "expires": row.expires.date().isoformat(),
                "state": "revoked" if row.revoked else "valid" if row.expires > models.now() else "expired",
                "used": _day(row.used),
            }
            for row in session.scalars(select(models.Token).order_by(models.Token.id))
        ]
    print_rows(rows, ("id", "account", "label", "scopes", "expires", "state", "used"), as_json=as_json)


@tokens.command("revoke")
def revoke(token: int, db: Database = BOARD, data: Data = None) -> None:
    """Make a token worthless, at once. TOKEN is its number in `token list`."""
    models = load("leaderboard.store.models")
    with _store(db, data) as store, store.database.write() as session:
        row = session.get(models.Token, token)
        if row is None:
            fail(f"there is no token number {token}; see `metanas leaderboard token list`")
        row.revoked = models.now()
        load("leaderboard.accounts.audit").append(
            session, "administrator", "revoke", row.account.name, {"token": token}
        )
    print(f"token {token} is revoked")


def backup(out: Path, db: Database = BOARD, data: Data = None) -> None:
    """Write the whole board to a new folder, while it is served."""
    with _store(db, data) as store:
        print(load("leaderboard.store.backup").backup(store, out))


def restore(folder: Path, db: Database = BOARD, data: Data = None) -> None:
    """Make a board of a backup, and verify it. The database must be empty."""
    print(load("leaderboard.store.backup").restore(folder, db, data))


def verify(
    db: Database = BOARD,
    data: Data = None,
    rescore: Annotated[float, typer.Option(min=0, max=1, help="Share of submissions to score again.")] = 0.01,
) -> None:
    """Check the audit chain, the hash of every file, and scores by recomputing some."""
    with _store(db, data) as store:
        print(load("leaderboard.store.verify").verify(store, rescore))


def verify_receipt(
    receipt: Path,
    key: Annotated[
        str | None, typer.Option(help="The server's public key (hex), from a place you trust.")
    ] = None,
) -> None:
    """Check a receipt's signature, without the server."""
    found = _server("leaderboard.accounts.receipts").verify(receipt.read_text(encoding="utf-8"), key)
    print(f"genuine: {found['submission_id']} accepted at {found['accepted_at']}")
    if key is None:
        print(f"signed by {found['server_key']}; give --key to check whose that is")


@contextmanager
def _store(db: str, data: Path | None) -> Iterator[Any]:
    store = load("leaderboard.store.store").Store(db, data)
    try:
        yield store
    finally:
        store.close()


def _server(module: str) -> Any:
    """A module that needs the server's packages. A usage error names the extra that brings them."""
    try:
        return load(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("leaderboard", "metanas"):
            raise
        fail(f"this needs the package {error.name}: pip install 'metanas[leaderboard]'")


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else moment.date().isoformat()
