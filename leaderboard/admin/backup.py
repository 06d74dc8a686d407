"""Back up a board to a folder, and restore it: `board.db` or `board.dump`, `data/` with blobs and keys,
and `head.json`, the signed head of its audit chain.

The database is copied first, as one consistent snapshot (SQLite's backup API, `pg_dump`), then the blobs.
Blobs are never changed or deleted, so every blob that the snapshot refers to is in the copy.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from leaderboard.accounts.receipts import KEY
from leaderboard.admin.heads import signed_head
from leaderboard.admin.verify import Verified, verify
from leaderboard.store.database import StoreError, StoreUnusable, parse
from leaderboard.store.store import Store

SQLITE, POSTGRES, HEAD = "board.db", "board.dump", "head.json"


def backup(store: Store, out: Path) -> Path:
    """Write the board to the folder `out` and return it. Safe while the board is served.

    StoreError if `out` exists or `pg_dump` fails.
    """
    if out.exists():
        raise StoreError(f"{out} is there already; give a new folder")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if store.database.sqlite:
            _copy_sqlite(Path(store.database.url.database or ""), part / SQLITE)
        else:
            words = ("--format=custom", "--no-owner", "--file", str(part / POSTGRES))
            _run("pg_dump", store.database.url, *words)
        if store.data.exists():  # a board without submissions has no files
            shutil.copytree(store.data, part / "data", ignore=shutil.ignore_patterns("*.part"))
        else:
            (part / "data").mkdir()
        if (store.data / KEY).exists():
            (part / HEAD).write_text(json.dumps(signed_head(store), indent=1))
        os.sync()
        return part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)  # nothing is there if all went well


def restore(folder: Path, url: str, data: Path | None) -> Verified:
    """Restore a backup to a new database and data folder, then verify all of it.

    data: None for the folder beside the SQLite file. StoreError if the backup is of the other kind of
    database or the SQLite file exists; errors of `verify` if something in it is damaged.
    """
    target = parse(url)
    if target.get_backend_name() == "sqlite":
        if not (folder / SQLITE).is_file():
            raise StoreError(f"{folder} has no {SQLITE}; was it made from PostgreSQL? give its URL with --db")
        path = Path(target.database or "")
        if path.exists():
            raise StoreError(f"{path} is there already; restore to a new file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy_sqlite(folder / SQLITE, path)
    else:
        if not (folder / POSTGRES).is_file():
            raise StoreError(f"{folder} has no {POSTGRES}; was it made from SQLite? give a file with --db")
        _run(
            "pg_restore",
            target,
            "--no-owner",
            "--exit-on-error",
            "--single-transaction",
            str(folder / POSTGRES),
        )
    store = Store(url, data)
    shutil.copytree(folder / "data", store.data, dirs_exist_ok=True)
    try:
        heads = [path.read_bytes() for path in [folder / HEAD] if path.is_file()]
        return verify(store, 1.0, heads=heads)
    finally:
        store.close()


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)  # it was not there before
        raise StoreUnusable(f"{source} cannot be copied to {target}: {error}") from error


def _run(program: str, url: URL, *args: str) -> None:
    """Run a PostgreSQL program. The password is passed in the environment: others can see a command line."""
    environment = dict(os.environ)
    if password := url.password or url.query.get("password"):
        environment["PGPASSWORD"] = str(password)
    plain = url.set(drivername="postgresql", password=None).difference_update_query(["password"])
    try:
        subprocess.run(
            [program, "--dbname", plain.render_as_string(), *args],
            env=environment,
            check=True,
            capture_output=True,
        )
    except FileNotFoundError as error:
        raise StoreError(f"{program} is not installed: apt-get install postgresql-client") from error
    except subprocess.CalledProcessError as error:
        raise StoreError(f"{program}: {error.stderr.decode(errors='replace').strip()[-500:]}") from error
