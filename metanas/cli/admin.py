"""`metanas leaderboard serve | token | suite | backup | restore | verify | head | clean | ...`: a server."""

import gc
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from metanas.base.plugins import load
from metanas.base.ranges import MANY
from metanas.cli.common import BOARD, AsJson, Database, Home, Results, Studies, fail, group, print_rows

Data = Annotated[
    Path | None, typer.Option(help="Folder of stored files and keys. Default: next to the SQLite file.")
]
BACKLOG = 1024  # connections that wait to be accepted
STOP_SECONDS = 5  # that requests in progress have when the server is to stop
SWITCH_SECONDS = 0.0001  # for which one thread computes while another waits; health must not wait for pages
tokens = group("Access tokens of those who submit results.")
suites = group("Suites that this board ranks besides the built-in ones.")


def hook(app: typer.Typer) -> None:
    """Add these commands to `metanas leaderboard`."""
    for command in (serve, backup, restore, verify, head, clean, verify_receipt):
        app.command()(command)
    app.add_typer(tokens, name="token")
    app.add_typer(suites, name="suite")


def serve(
    db: Database = BOARD,
    data: Data = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Access from other machines needs a proxy.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    studies: Studies = None,
    results: Results = None,
    home: Home = "",
    quota: Annotated[
        list[str] | None,
        typer.Option(help="Most uses of an account, such as submission=20/1 (a day) or challenge=5/30."),
    ] = None,
    writes_per_minute: Annotated[
        int, typer.Option(min=1, max=MANY, help="Requests that write, of one token.")
    ] = 60,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads for quick requests.")] = 8,
    slow_threads: Annotated[int, typer.Option(min=1, max=64, help="Threads for bundles and challenges.")] = 4,
    score: Annotated[
        bool, typer.Option(help="Score submissions in this process; others may on the same database.")
    ] = True,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /metrics, on 127.0.0.1 alone. None without.")
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Log every request to stderr, as JSON.")] = False,
) -> None:
    """Serve the leaderboard: pages, API, and a worker that scores submissions.

    The committed results are published on it after the start.
    """
    options = {
        "writes_per_minute": writes_per_minute,
        "threads": threads,
        "slow_threads": slow_threads,
        "work": score,
        "metrics_port": metrics_port,
        "quotas": load("leaderboard.accounts.quota").parse(quota or ()),
        "studies": studies or load("leaderboard.repository.studies").FOLDER,
        "committed": results or load("leaderboard.repository.results").FOLDER,
        "home": home,
    }
    with _listen(host, port) as listening:  # before anything is opened
        app = _application(db, data, options)
        load("leaderboard.server.journal").install(requests=access_log)
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
        uvicorn = load("uvicorn")
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=load("leaderboard.server.protocol").LimitedHeaders,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(3)  # uvicorn has said why
    _leave()


def _leave() -> None:
    """End the process now. All is stored; whoever still draws episodes is not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _application(db: str, data: Path | None, options: dict[str, Any]) -> Any:
    """The web application of a board that publishes what is committed. options: its other settings."""
    load("uvicorn")  # without it nothing is opened
    if not load("leaderboard.scoring.confinement").check():
        print("scorers can read this user's files: no Landlock or user namespaces here", file=sys.stderr)
    sys.setswitchinterval(SWITCH_SECONDS)
    load("metanas.base.allocator").return_freed_memory()
    gc.disable()  # starting leaves no garbage; collection would take a quarter of the time to the first page
    try:
        with opened(db, data) as store:
            if options["home"]:  # which may be a track of theirs; else they are published after the start
                try:
                    load("leaderboard.repository.results").open_with(store, options["committed"])
                except load("metanas.evaluation.result").ResultError as error:  # the others are there
                    print(error, file=sys.stderr)
            load("leaderboard.web.store_source").check_home(store, options["home"])
        settings = load("leaderboard.server.settings").Settings(db=db, data=data, **options)
        app = load("leaderboard.server.app").create_app(settings)
        gc.freeze()  # what is loaded now lives as long as the process
        return app
    finally:
        gc.enable()


@tokens.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Account name; a new account is created.")],
    scope: Annotated[list[str] | None, typer.Option(help="submit | read:own | review | admin")] = None,
    label: Annotated[str, typer.Option(help="A note on its purpose.")] = "",
    days: Annotated[int, typer.Option(min=1, max=36_500, help="Days until it expires.")] = 90,
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Create an access token; it is printed only once."""
    with opened(db, data) as store, store.database.write() as session:
        secret, _ = load("leaderboard.accounts.tokens").issue(
            session, account, label, tuple(scope or ("submit", "read:own")), days
        )
    print(secret)


@tokens.command("list")
def list_tokens(db: Database = BOARD, data: Data = None, as_json: AsJson = False) -> None:
    """List all tokens with account, scopes and expiry. The secrets are not stored."""
    from sqlalchemy import select

    models = load("leaderboard.store.models")
    with opened(db, data) as store, store.database.read() as session:
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
def revoke(
    token: Annotated[int, typer.Argument(min=1, max=MANY, help="Its id in `token list`.")],
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Revoke a token at once."""
    models = load("leaderboard.store.models")
    with opened(db, data) as store, store.database.write() as session:
        row = session.get(models.Token, token)
        if row is None:
            fail(f"there is no token number {token}; see `metanas leaderboard token list`")
        load("leaderboard.accounts.tokens").revoke(session, row)
    print(f"token {token} is revoked")


@suites.command("add")
def add_suite(
    file: Annotated[Path, typer.Argument(help="The suite's YAML file; its manifest lies beside it.")],
    db: Database = BOARD,
    data: Data = None,
) -> None:
    """Add a suite to the board, also while it is served: its submissions are then scored and ranked."""
    with opened(db, data) as store:
        suite = store.suites.add(file)
        with store.database.write() as session:
            about = {"version": suite.version, "domains": list(suite.domains)}
            load("leaderboard.store.audit").append(session, "administrator", "suite", suite.name, about)
    print(f"{suite.name} {suite.version}: {', '.join(suite.domains)}")


@suites.command("list")
def list_suites(db: Database = BOARD, data: Data = None, as_json: AsJson = False) -> None:
    """List the suites of the board: name, version, and whether it was added here."""
    with opened(db, data) as store:
        added = store.suites.added()
        rows = [
            {
                "name": suite.name,
                "version": suite.version,
                "origin": "added" if suite.name in added else "installed",
                "summary": suite.summary,
            }
            for suite in store.suites.all()
        ]
    print_rows(rows, ("name", "version", "origin", "summary"), as_json=as_json)


def backup(out: Path, db: Database = BOARD, data: Data = None) -> None:
    """Write a backup of the leaderboard to a new folder, also while it is served."""
    with opened(db, data) as store:
        print(load("leaderboard.admin.backup").backup(store, out))


def restore(folder: Path, db: Database = BOARD, data: Data = None) -> None:
    """Restore a backup into an empty database, and verify all of it."""
    print(load("leaderboard.admin.backup").restore(folder, db, data))


def verify(
    db: Database = BOARD,
    data: Data = None,
    rescore: Annotated[float, typer.Option(min=0, max=1, help="Fraction of submissions to rescore.")] = 1.0,
    head: Annotated[
        list[Path] | None, typer.Option(exists=True, help="A signed head of the audit log, kept elsewhere.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The board's public key (hex), kept elsewhere.")] = None,
) -> None:
    """Check files, scores, receipts, owners, tiers and tokens against the audit log; name what differs."""
    with opened(db, data) as store:
        heads = [path.read_bytes() for path in head or ()]
        print(load("leaderboard.admin.verify").verify(store, rescore, heads=heads, key=key))


def clean(
    db: Database = BOARD,
    data: Data = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete them; otherwise only count.")] = False,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=36500,
            help="Also the bundles of submissions that were rejected, and the episodes of "
            "challenges that were not answered, longer ago than this; what is on record stays.",
        ),
    ] = None,
) -> None:
    """Find stored files older than an hour that no submission or challenge refers to."""
    what = ", removed" if remove else "; --remove deletes them"
    with opened(db, data) as store:
        if keep_days is not None:
            old = load("leaderboard.admin.retention").expire(store, keep_days, remove=remove)
            counts = f"{len(old.submissions)} rejected submissions and {len(old.challenges)} challenges"
            print(f"{counts} older than {keep_days:g} days: {len(old.files)} files, {old.size} bytes{what}")
        found = load("leaderboard.admin.orphans").clean(store, remove=remove)
    print(f"referred to by nothing: {found.blobs} files, {found.size} bytes{what}")


def head(db: Database = BOARD, data: Data = None) -> None:
    """Print the newest link of the audit log, signed. Keep it elsewhere: `verify --head` compares with it."""
    with opened(db, data) as store:
        print(json.dumps(load("leaderboard.admin.heads").signed_head(store), indent=1))


def verify_receipt(
    receipt: Path,
    key: Annotated[
        str,
        typer.Option(
            help="The board's public key (hex), as it publishes it: `server_key` of /api/v1/audit/head. "
            "Not the one in the receipt, which a forger chooses."
        ),
    ],
) -> None:
    """Check a receipt's signature by the board's public key, without the server."""
    statement = load("leaderboard.accounts.receipts").verify(receipt.read_bytes(), key)
    print(f"genuine: {statement['submission_id']} accepted at {statement['accepted_at']}")


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. port: 0 for any that is free. A usage error says why it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio leaves Nagle's algorithm on: 40 ms for every small answer on a kept connection.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        return listening
    except OSError as error:
        listening.close()
        fail(f"cannot listen on {host}:{port}: {error.strerror}; --port 0 takes one that is free")


@contextmanager
def opened(db: str, data: Path | None) -> Iterator[Any]:
    """An open store, closed at the end."""
    store = load("leaderboard.store.store").Store(db, data)
    try:
        yield store
    finally:
        store.close()


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else moment.date().isoformat()
